"""The page of one method: all that its manifest says and leaves unsaid, its standings, its hashes, its history."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.states import BoardState
from boards import cases_of, write_run
from ich_bench.board import wording as say
from ich_bench.board.model import PRIMARY
from ich_bench.submissions.schema import KEYS
from ich_bench_app import data, method_card, method_standings, methods
from ich_bench_app.started import VARIABLE
from ich_bench_app.text import markdown_of, plain
from submitted import manifest

Open = Callable[..., AppTest]
StandOn = Callable[[str], BoardState]


def test_the_page_stands_in_every_state(board_state: BoardState, open_page: Open) -> None:
    if not board_state.slugs:
        assert "No measured row yet" in open_page("method").info[0].value
        return
    for slug in board_state.slugs[:4]:
        at = open_page("method", method=slug)
        assert at.selectbox(key="method").value == slug
        assert {one.value for one in at.subheader} >= {"Standings", "Cost", "What it says of itself", "History"}


def test_the_standings_are_those_of_the_boards(stand_on: StandOn, open_page: Open) -> None:
    state = stand_on("hostile")
    at = open_page("method", method=state.slugs[2])
    row = data.board(state.dataset).row(state.slugs[2])
    standing = row.standing(*PRIMARY)
    assert standing is not None
    shown = _table(at, "95 % of mean").iloc[0]
    assert shown["rank"] == say.rank(standing)
    assert shown["dice ± SD on ich"] == say.spread(standing.stat, "dice")
    assert shown["95 % of mean"] == say.interval(standing.low, standing.high, "dice")
    assert shown["clean"] == say.share(row.clean)


def test_every_key_is_shown_with_what_is_not_said(stand_on: StandOn, open_page: Open) -> None:
    stand_on("one")
    at = open_page("method", method="lonely")
    shown = _manifest(at)
    assert set(shown.index) == {*KEYS, "processing"}
    assert shown["training_hours"] == "2.5"
    assert shown["checkpoint_selection"] == "last"
    assert shown["container"] == "not said"
    assert [(one.label, one.value) for one in at.metric][1:] == [
        ("Hours of training", "2.5"), ("Seconds a volume", "not said"),
    ]  # fmt: skip


def test_all_hashes_of_a_score_file_are_shown_whole(stand_on: StandOn, open_page: Open) -> None:
    stand_on("one")
    at = open_page("method", method="lonely")
    (file,) = data.sources().runs[0].scores
    shown = _table(at, "masks SHA-256").iloc[0]
    assert shown["score file SHA-256"] == file.sha256
    assert len(file.sha256) == 64
    assert shown["masks SHA-256"] == file.masks_sha256
    assert shown["folds SHA-256"] == file.fold_sha256
    assert shown["references SHA-256"] == file.dataset_sha256


def test_only_https_addresses_are_links(stand_on: StandOn, open_page: Open) -> None:
    state = stand_on("hostile")
    for number in (0, 1):  # the first has an http address of its code, the second javascript:
        at = open_page("method", method=state.slugs[number])
        urls = [one.proto.url for one in at.get("link_button")]
        assert urls == (["https://example.org/paper"] if number == 0 else [])
        assert "javascript:alert" in str(_manifest(at).tolist()) or number == 0


@pytest.mark.parametrize("words", ["http://a.example/x", "HTTPS://A.example", "www.a.example", "me@a.example"])
def test_no_address_in_a_strangers_words_becomes_a_link(words: str) -> None:
    made = html.unescape(markdown_of(words)).replace("\\", "")
    assert made.replace("\u2060", "") == words  # every letter is there
    assert not re.search(r"(?i)https?://|www\.|@\w", made)  # and no address in one piece, which Markdown would link


def test_the_cost_is_text_and_loads_nothing(stand_on: StandOn, open_page: Open) -> None:
    state = stand_on("hostile")
    at = open_page("method", method=state.slugs[1])  # its hardware is ![x](http://…), and a metric's value is Markdown
    assert at.metric[0].value == markdown_of(state.names[1])


def test_strangers_words_stand_letter_by_letter(stand_on: StandOn, open_page: Open) -> None:
    state = stand_on("hostile")
    for slug, name in zip(state.slugs[:4], state.names[:4], strict=True):
        at = open_page("method", method=slug)
        assert plain(name) in _manifest(at)["about"]
        assert not any(name in one.value for one in at.markdown), name  # escaped there, never as it was written


def test_an_unknown_method_falls_back_to_the_first(stand_on: StandOn, open_page: Open) -> None:
    stand_on("one")
    assert open_page("method", method="nobody").selectbox(key="method").value == "lonely"


def test_the_methods_text_and_bibtex_are_there(stand_on: StandOn, open_page: Open) -> None:
    stand_on("one")
    told = [one.value for one in open_page("method", method="lonely").code]
    assert any(one.startswith("Masks were scored with ich-bench") for one in told)
    assert any(one.startswith("@software{ich-bench") for one in told)


def test_why_a_row_is_not_ranked_is_told_in_the_boards_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_page: Open
) -> None:
    cases = len(cases_of("phantom-mini"))
    write_run(tmp_path / "runs" / "part", "phantom-mini", [0.5] * cases, manifest=manifest(), status="partial")
    (tmp_path / "submissions").mkdir()
    said = {"submissions": str(tmp_path / "submissions"), "runs": [str(tmp_path / "runs")], "draws": 200}
    monkeypatch.setenv(VARIABLE, json.dumps(said))
    st.cache_data.clear()
    st.cache_resource.clear()
    told = "\n".join(one.value for one in open_page("method", method="part").markdown)
    reason = data.board("phantom-mini").row("part").reason
    assert reason == "partial: some folds or cases only"
    assert markdown_of(f"not ranked on phantom-mini, cv4: {reason}") in told


@pytest.mark.slow
def test_a_method_has_a_line_for_each_of_its_boards(stand_on: StandOn) -> None:
    stand_on("many")
    one = methods.names(data.sources())["method-007"]
    table = method_standings.standings_table(list(method_standings.boards(one)))
    assert sorted(table["dataset"]) == ["hssayeni", "instance2022", "seg-cq500"]
    assert len(method_card.files_table(one)) == 3


def _manifest(at: AppTest):  # type: ignore[no-untyped-def]
    parts = [one.value for one in at.dataframe if list(one.value.columns) == ["key", "says", "means"]]
    return pd.concat(parts).set_index("key")["says"]


def _table(at: AppTest, column: str):  # type: ignore[no-untyped-def]
    return next(one.value for one in at.dataframe if column in one.value.columns)
