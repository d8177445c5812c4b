"""Datasets & folds: cards as the command has them, frozen bytes, and what each fold holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from app.states import BoardState
from ich_bench.cli.app import app
from ich_bench.datasets import DATASETS, card
from ich_bench.folds import budget_sha256, load_budget, load_scheme
from ich_bench.folds.table import SCHEMES
from ich_bench.tables.composition import composition
from ich_bench_app import dataset_card, folds_page
from ich_bench_app.text import markdown_of, prose

Open = Callable[..., AppTest]
StandOn = Callable[[str], BoardState]


def test_the_page_stands_in_every_state(board_state: BoardState, open_page: Open) -> None:
    at = open_page("datasets_and_folds", dataset=board_state.dataset)
    assert at.header[0].value == markdown_of(board_state.dataset)


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_dataset_has_its_card(dataset: str, stand_on: StandOn, open_page: Open) -> None:
    stand_on("empty")
    at = open_page("datasets_and_folds", dataset=dataset)
    about = card(dataset)
    told = "\n".join(one.value for one in at.markdown)
    for words in (about.title, about.access, about.licence, about.citation, about.layout, *about.caveats):
        assert markdown_of(words) in told or prose(words) in told
    assert at.metric[0].value == str(about.cases or "any")
    if not about.pool:
        assert load_scheme(dataset).sha256 in [one.value for one in at.code]


@pytest.mark.parametrize(("dataset", "scheme"), [(name, scheme) for name in SCHEMES for scheme in SCHEMES[name]])
def test_the_fold_file_is_given_as_it_is_frozen(dataset: str, scheme: str) -> None:
    plan = load_scheme(dataset, scheme)
    made = folds_page.frozen_csv(plan)
    assert hashlib.sha256(made).hexdigest() == plan.sha256
    assert made.decode().splitlines()[0] == "case_id,patient_id,fold"


@pytest.mark.parametrize(("dataset", "scheme"), [("hssayeni", "cv10"), ("hssayeni", "lf20"), ("phantom", "by-site")])
def test_the_composition_is_the_commands(dataset: str, scheme: str) -> None:
    plan = load_scheme(dataset, scheme)
    lines = composition(plan).splitlines()[1 : len(plan.folds) + 2]
    assert [line.split() for line in lines] == folds_page.composition(plan).to_numpy().tolist()


def test_the_splits_are_the_commands_and_lacking_where_nothing_may_be_trained_on() -> None:
    done = CliRunner().invoke(app, ["folds", "hssayeni", "--format", "nnunet"])
    assert json.loads(folds_page.splits(load_scheme("hssayeni")) or b"") == json.loads(done.stdout)
    assert folds_page.splits(load_scheme("cq500-negative")) is None


def test_the_counts_of_a_budget_are_those_of_the_frozen_file(stand_on: StandOn, open_page: Open) -> None:
    stand_on("empty")
    at = open_page("datasets_and_folds", dataset="phantom", scheme="cv5", budget="20", draw="1")
    shown = next(one.value for one in at.dataframe if "draw 1" in one.value.columns).set_index("budget")
    counts = {len(load_budget("phantom", "cv5", fold, 20, 1)) for fold in range(5)}
    assert shown.loc["20 %", "draw 1"] == " to ".join(str(one) for one in sorted({min(counts), max(counts)}))
    assert budget_sha256("phantom") in [one.value for one in at.code]
    lines = folds_page.budget_csv(load_scheme("phantom"), 20, 1).decode().splitlines()
    assert len(lines) == 1 + sum(len(load_budget("phantom", "cv5", fold, 20, 1)) for fold in range(5))


def test_a_leaky_scheme_says_so(stand_on: StandOn, open_page: Open) -> None:
    stand_on("empty")
    at = open_page("datasets_and_folds", dataset="hssayeni", scheme="wang-slices")
    assert "Leaky" in at.warning[0].value
    assert (
        open_page("datasets_and_folds", dataset="hssayeni", scheme="nonsense").selectbox(key="scheme").value == "cv10"
    )


def test_drawn_datasets_are_told_from_patients_in_the_list() -> None:
    made = dataset_card.listing().set_index("dataset")["made of"]
    assert made["phantom-mini"] == "drawn heads"
    assert made["hssayeni"] == "patients' heads"
    assert made.index[-1].startswith("phantom")
