"""The claims page: the verdicts of `ich-bench claims`, drawn data called drawn, and the validity card."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from app.states import BoardState
from boards import cases_of, write_run
from ich_bench.cli.app import app
from ich_bench.submissions.claims import VERDICTS
from ich_bench_app import claims_data, claims_page, data, validity_card
from ich_bench_app.started import VARIABLE
from ich_bench_app.text import markdown_of
from submitted import manifest

Open = Callable[..., AppTest]
METHODS = {"unet-mixed": 0.75, "unet-mixed-icm": 0.75, "unet-ich-only": 0.5, "unet-ich-only-icm": 0.6}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four methods of Spahr 2023 on phantom: the cavity lifts ICH-only by 0.1, mixed by nothing."""
    rng = np.random.default_rng(5)
    difficulty = rng.uniform(-0.2, 0.2, len(cases_of("phantom")))
    for name, level in METHODS.items():
        dice = level + difficulty + rng.normal(0, 0.02, len(difficulty))
        write_run(tmp_path / "runs" / name, "phantom", dice, manifest=manifest(baseline=name, method=name))
    (tmp_path / "submissions").mkdir()
    monkeypatch.setenv(VARIABLE, json.dumps({
        "submissions": str(tmp_path / "submissions"), "runs": [str(tmp_path / "runs")], "draws": 200,
    }))  # fmt: skip
    st.cache_data.clear()
    st.cache_resource.clear()
    return tmp_path


def test_the_page_stands_in_every_state(board_state: BoardState, open_page: Open) -> None:
    at = open_page("claims")
    assert "No claim can be tested yet" in at.info[0].value
    counts = {one.label: one.value for one in at.metric}
    assert counts[claims_page.MARKS["no rows yet"]] == str(len(claims_data.results()))


def test_the_verdicts_and_numbers_are_those_of_the_command(runs: Path, open_page: Open) -> None:
    words = ["claims", "--submissions", str(runs / "submissions")]
    words += [word for name in METHODS for word in ("--with", str(runs / "runs" / name))]
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert json.loads(claims_page.export(claims_data.results(), "json")) == told
    on_phantom = {one["claim"]: one for one in told if one["dataset"] == "phantom"}
    at = open_page("claims", claim="spahr-cavity-helps-ich-only")
    shown = next(one.value for one in at.dataframe if "comparison" in one.value.columns).iloc[0]
    (part,) = on_phantom["spahr-cavity-helps-ich-only"]["parts"]
    assert shown["dataset"] == "phantom (drawn)"
    assert shown["verdict"] == "✔ replicated"  # 0.1 on 40 volumes with a spread of 0.03 cannot be missed
    assert shown["difference"] == f"{part['difference']:+.3f}"
    assert shown["n"] == str(part["n"]) == "40"
    assert shown["p"] == "<0.001"
    assert shown["detectable"] == f"{part['detectable']:.3f}"
    assert shown["margin"] == "0.05"


def test_filters_by_paper_dataset_and_verdict(runs: Path, open_page: Open) -> None:
    at = open_page("claims", on=["phantom"], verdict=["replicated"])
    table = next(one.value for one in at.dataframe if "claim" in one.value.columns)
    assert "phantom (drawn)" in table.columns
    assert set(table["phantom (drawn)"]) == {"✔ replicated"}
    assert "spahr-cavity-helps-ich-only" in set(table["id"])
    assert any("verdicts shown" in one.value for one in at.markdown)
    assert (
        open_page("claims", paper=["Wang 2020"], verdict=["nonsense"]).selectbox(key="claim").value.startswith("wang")
    )


def test_a_verdict_is_told_by_a_mark_and_a_word_and_no_two_marks_are_alike() -> None:
    assert set(claims_page.MARKS) == set(VERDICTS)
    assert len({mark.split()[0] for mark in claims_page.MARKS.values()}) == len(VERDICTS)
    assert all(mark.split(" ", 1)[1] == verdict for verdict, mark in claims_page.MARKS.items())


def test_the_validity_card_is_the_harnesss(runs: Path, open_page: Open) -> None:
    at = open_page("claims", judged="phantom")
    cards = [one for one in claims_data.cards("phantom", "dice", "ich") if one.measured]
    assert cards
    card = next(one for one in cards if one.source == "Spahr 2023, Table 3" and one.published_on == "hssayeni")
    assert len(card.measured) == 4
    table = validity_card.table_of(card)
    assert table["method"].tolist() == list(card.printed)
    assert f"τ = {card.tau:.2f} over 4 methods" in card.verdict
    assert any(markdown_of(card.verdict) in one.value for one in at.markdown)


def test_marks_of_the_forest_are_the_numbers_of_the_parts(runs: Path) -> None:
    known = [(one, part) for one in claims_data.results() for part in one.parts if not part.missing]
    assert known
    for line, (_, part) in zip(claims_page.forest_points(known), known, strict=True):
        assert (line["difference"], line["low"], line["high"]) == (part.difference, part.low, part.high)
    assert data.sources().runs  # of the folder this test wrote
