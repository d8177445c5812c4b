"""The Label efficiency page: the board's budgets as curves, labels saved, train × test, how it is filled."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import streamlit as st

from app.states import BoardState, open_page
from boards import board_of, cases_of, write_run
from ich_bench.board.across import transfers
from ich_bench.board.label_curves import curves, savings
from ich_bench.runs import store
from ich_bench_app import label_efficiency
from ich_bench_app.started import VARIABLE

Stand = Callable[[str], BoardState]
MANIFEST = (
    'method = "{name}"\nteam = "T"\nlicence = "MIT"\nsupervision = "supervised"\nlabels_needed = ["voxel"]\n'
    'regime = "{regime}"\ntraining_data = []\nexternal_data = []\ncheckpoint_selection = "last"\n'
    'postprocessing_chosen_on = "none"\ntest_data_seen = "no"\nbaseline = "{baseline}"\n'
)


def budgets(home: Path, name: str, dice: dict[str | None, float], *, regime: str = "cv", baseline: str = "") -> Path:
    """Write a run on phantom-mini with a dice for each budget; return OUT."""
    count = len(cases_of("phantom-mini"))
    manifest = MANIFEST.format(name=name, regime=regime, baseline=baseline)
    tables = []
    for budget, value in dice.items():
        part = write_run(home / "parts" / f"{budget}" / name, "phantom-mini", [value] * count, budget=budget)
        tables.append(store.read_scores(part / "scores" / "phantom-mini.parquet"))
    out = write_run(home / "runs" / name, "phantom-mini", [0.5] * count, manifest=manifest)
    whole = pa.concat_tables(tables).replace_schema_metadata(tables[0].schema.metadata)
    store.write_scores(whole, out / "scores" / "phantom-mini.parquet")
    return out


@pytest.fixture
def outs(tmp_path: Path) -> list[Path]:
    """`base` reaches 0.8 with all labels, `quick` has 0.8 with half of them."""
    base = {"10-0": 0.3, "50-0": 0.6, "50-1": 0.64, None: 0.8}
    quick = {"10-0": 0.5, "50-0": 0.8, None: 0.9}
    return [
        budgets(tmp_path, "base", base, baseline="unet-mixed"),
        budgets(tmp_path, "quick", quick),
    ]


@pytest.fixture
def app_on(tmp_path: Path, outs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "none").mkdir()
    said = {"submissions": str(tmp_path / "none"), "runs": [str(tmp_path / "runs")], "draws": 99}
    monkeypatch.setenv(VARIABLE, json.dumps(said))
    st.cache_data.clear()
    st.cache_resource.clear()


def test_the_page_stands_in_each_state(board_state: BoardState) -> None:
    at = open_page("label_efficiency", dataset=board_state.dataset)
    told = " ".join(one.value for one in (*at.info, *at.code))
    if board_state.name == "empty":
        assert "No measured row yet" in told
    else:
        assert "trained on a part of its labels" in told
        assert f"ich-bench folds {board_state.dataset} --budget 10 --draw 0" in told
        assert "No row here was trained on one dataset and tested on another" in told


def test_budgets_make_curves_and_labels_saved(app_on: None) -> None:
    at = open_page("label_efficiency", dataset="phantom-mini")
    assert at.selectbox(key="reference").value == "base"  # it re-implements unet-mixed
    table = at.dataframe[0].value.set_index("method")
    assert table.loc["base", "saved"] == 0.0
    # quick has 0.8 at half of the patients: what it saves is the rest
    half, whole = table.loc["quick", "for the reference's Dice"], table.loc["base", "annotated"]
    assert table.loc["quick", "saved"] == pytest.approx(1 - half / whole)
    assert 0.3 < table.loc["quick", "saved"] < 0.7
    assert not any("trained on a part" in one.value for one in at.info)
    at.selectbox(key="reference").select("no reference").run()
    assert at.dataframe[0].value["saved"].isna().all()


def test_points_and_lines_are_the_boards_numbers(outs: list[Path]) -> None:
    board = board_of("phantom-mini", outs)
    found = label_efficiency.found_curves(board, "patients")
    points, lines = label_efficiency.tables(board, "patients", found)
    held = sorted((one.slug, one.patients, one.dice.stat.mean, one.dice.low) for one in board.efficiency)
    drawn = zip(points["method"], points["amount"], points["dice"], points["low"], strict=True)
    assert np.array_equal(
        np.array([one[1:] for one in sorted(drawn)]), np.array([one[1:] for one in held]), equal_nan=True
    )
    assert set(found) == set(curves(board.efficiency))
    assert len(lines) == 6
    assert lines["last"].sum() == 2
    saved = label_efficiency.saving_table(savings(found, "base"))
    for line, one in zip(saved.to_dict("records"), savings(found, "base"), strict=True):
        assert (line["area"], line["saved"]) == (one.area, one.saved)


def test_amounts_that_are_not_known_say_so(outs: list[Path]) -> None:
    board = board_of("phantom-mini", outs)
    assert all(math.isfinite(one.annotated_ml) for one in board.efficiency)  # its files hold the volumes
    assert label_efficiency.found_curves(board, "slices") == ()


def test_a_row_trained_elsewhere_fills_the_matrix(tmp_path: Path) -> None:
    there = budgets(tmp_path, "there", {None: 0.6}, regime="from:hssayeni")
    here = budgets(tmp_path, "here", {None: 0.7})
    found = transfers([board_of("phantom-mini", [there, here])])
    cells = label_efficiency.transfer_cells(found).set_index("method")
    assert cells.loc["there", ["trained", "tested", "home"]].tolist() == ["hssayeni", "phantom-mini", False]
    assert cells.loc["here", ["trained", "tested", "home"]].tolist() == ["phantom-mini", "phantom-mini", True]
    assert cells["dice"].tolist() == [one.dice.stat.mean for one in sorted(found, key=lambda one: one.slug)]


def test_the_matrix_stands_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    budgets(tmp_path, "there", {None: 0.6}, regime="from:hssayeni")
    (tmp_path / "none").mkdir()
    said = {"submissions": str(tmp_path / "none"), "runs": [str(tmp_path / "runs")], "draws": 99}
    monkeypatch.setenv(VARIABLE, json.dumps(said))
    st.cache_data.clear()
    st.cache_resource.clear()
    at = open_page("label_efficiency", dataset="phantom-mini")
    assert any("Outlined: tested by cross-validation" in one.value for one in at.caption)
