"""The folds as they are printed: what makes no sense is wrong usage, never an empty list."""

from __future__ import annotations

import json

import pytest

from ich_bench.errors import UsageError
from ich_bench.folds import load_budget
from ich_bench.tables import catalogue


def test_a_draw_without_a_budget_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="--draw 1 belongs to a training budget"):
        catalogue.folds("hssayeni", None, budget=None, draw=1, format="table")


@pytest.mark.parametrize(("dataset", "scheme"), [("hssayeni", "wang-slices"), ("cq500-negative", None)])
def test_splits_for_training_are_refused_where_nothing_is_trained_on(dataset: str, scheme: str | None) -> None:
    with pytest.raises(UsageError, match="holds nothing to train on"):
        catalogue.folds(dataset, scheme, budget=None, format="nnunet")
    assert "fold 0" in catalogue.folds(dataset, scheme, budget=None, format="table")


def test_a_budget_without_a_draw_takes_the_first() -> None:
    told = json.loads(catalogue.folds("hssayeni", None, budget=10, format="json"))
    assert told["folds"][0]["train"] == list(load_budget("hssayeni", None, 0, 10, 0))
    assert told["draw"] == 0
