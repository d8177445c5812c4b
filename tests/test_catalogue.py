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


def test_a_budget_without_a_draw_takes_the_first() -> None:
    told = json.loads(catalogue.folds("hssayeni", None, budget=10, format="json"))
    assert told["folds"][0]["train"] == list(load_budget("hssayeni", None, 0, 10, 0))
    assert told["draw"] == 0
