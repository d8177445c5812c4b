"""`ich_bench_app.data`: which boards a page shows, and what becomes of them when a file changes."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.states import BoardState, open_page, stands
from boards import cases_of, write_run
from ich_bench.board import kept, public
from ich_bench.board.flat import as_json
from ich_bench.board.kept_files import signature
from ich_bench.metrics.suite import SUITE
from ich_bench_app import data
from ich_bench_app.started import VARIABLE

MINI = "phantom-mini"
DRAWS = 99


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three runs on phantom-mini, looked at anew at every question."""
    (tmp_path / "shelf").mkdir()
    for number, name in enumerate("abc"):
        put(tmp_path, name, 0.5 + number / 10)
    stand(monkeypatch, submissions=tmp_path / "shelf", runs=[tmp_path / "runs"])
    monkeypatch.setattr(data, "SECONDS_BETWEEN_LOOKS", 0.0)
    return tmp_path


def put(folder: Path, name: str, dice: float, **about: Any) -> Path:
    return write_run(folder / "runs" / name, MINI, [dice] * len(cases_of(MINI)), **about)


def stand(monkeypatch: pytest.MonkeyPatch, *, submissions: object, runs: list[Path]) -> None:
    said = {"submissions": str(submissions), "runs": [str(one) for one in runs], "draws": DRAWS}
    monkeypatch.setenv(VARIABLE, json.dumps(said))
    st.cache_data.clear()
    st.cache_resource.clear()


def rows(dataset: str = MINI) -> set[str]:
    return {row.slug for row in data.board(dataset).rows}


def test_each_state_shows_its_rows_and_no_other(board_state: BoardState) -> None:
    assert rows(board_state.dataset) == set(board_state.slugs)
    assert {row.method for row in data.board(board_state.dataset).rows} <= {*board_state.names, *board_state.slugs}


def test_the_leaderboard_stands_in_each_state(board_state: BoardState) -> None:
    at = open_page("leaderboard", dataset=board_state.dataset)
    assert at.selectbox(key="dataset").value == board_state.dataset


def test_the_numbers_are_those_of_the_command_line(folder: Path) -> None:
    board = public.leaderboard(MINI, submissions=folder / "shelf", runs=[folder / "runs"], draws=DRAWS)
    assert as_json(data.board(MINI)) == as_json(board)


def test_all_visitors_share_one_board_and_nothing_is_read_again_while_no_file_changes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = data.board(MINI)
    monkeypatch.setattr(kept, "kept", None)
    monkeypatch.setattr(kept, "snapshot", None)
    assert data.board(MINI) is first
    assert data.board(MINI, "cv4") is first  # the official scheme by its name


def test_a_file_that_is_added_changed_or_removed_renews_the_board_without_a_restart(folder: Path) -> None:
    before = data.stamp()
    assert rows() == {"a", "b", "c"}
    put(folder, "d", 0.9)
    assert rows() == {"a", "b", "c", "d"}
    put(folder, "d", 0.1)
    assert data.board(MINI).row("d").standings["ich"]["dice"].stat.mean == pytest.approx(0.1)
    shutil.rmtree(folder / "runs" / "a")
    assert rows() == {"b", "c", "d"}
    assert data.stamp() != before


def test_folders_are_looked_at_every_few_seconds_at_most(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[object] = []
    monkeypatch.setattr(data, "signature", lambda *places: looks.append(places) or signature(*places))
    monkeypatch.setattr(data, "SECONDS_BETWEEN_LOOKS", 3600.0)
    for _ in range(5):
        data.board(MINI)
    assert len(looks) == 1
    put(folder, "d", 0.9)
    assert rows() == {"a", "b", "c"}


PAGE = """
import streamlit as st
from pathlib import Path
from ich_bench_app import data
data.renew()
before = [row.slug for row in data.board("phantom-mini").rows]
made = st.session_state["change"]()
after = [row.slug for row in data.board("phantom-mini").rows]
st.write(sorted(before) == sorted(after), len(after))
"""


def test_a_visitor_keeps_one_board_from_the_first_to_the_last_line_of_a_page(folder: Path) -> None:
    at = AppTest.from_string(PAGE, default_timeout=60)
    at.session_state["change"] = lambda: put(folder, "new", 0.7)
    at.run()
    assert not at.exception
    assert at.markdown[0].value == "`True` `3`"
    assert at.run().markdown[0].value == "`True` `4`"  # the next run of the page sees it


def test_a_page_shows_the_new_row_at_its_next_run(folder: Path) -> None:
    at = open_page("leaderboard", dataset=MINI)
    put(folder, "newcomer", 0.9)
    at = stands(at.run(), "leaderboard")
    assert any("newcomer" in frame.value.to_string() for frame in at.dataframe)


def test_a_faulty_file_is_named_and_every_other_row_stays(folder: Path) -> None:
    assert data.problems() == ()
    (folder / "runs" / "a" / "scores" / f"{MINI}.parquet").write_bytes(b"PAR1 half")
    put(folder, "old", 0.5, suite=SUITE + 1)
    assert rows() == {"b", "c"}
    assert [problem.where for problem in data.problems()] == ["a/scores/phantom-mini.parquet", "old/scores/phantom-mini.parquet"]  # fmt: skip  # noqa: E501
    stands(open_page("about"), "about")


@pytest.mark.parametrize("missing", ["shelf", "runs", "both"])
def test_a_folder_that_is_not_there_is_an_empty_board_and_a_named_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    (tmp_path / "shelf").mkdir()
    shelf = tmp_path / ("shelf" if missing == "runs" else "no-shelf")
    stand(monkeypatch, submissions=shelf, runs=[] if missing == "shelf" else [tmp_path / "no-runs"])
    assert rows() == set()
    assert len(data.problems()) == (2 if missing == "both" else 1)
    assert data.held() == frozenset()
    open_page("leaderboard", dataset=MINI)


def test_submissions_at_an_address_are_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")
    from ich_bench.submissions.submit import submit
    from submitted import manifest, run

    out = run(tmp_path / "made" / "net", dice=lambda case, number: 0.5, text=manifest())
    submit([out], "net", submissions=tmp_path / "there")
    stand(monkeypatch, submissions=f"file://{tmp_path / 'there'}", runs=[])
    assert rows("seg-cq500") == {"net"}
    shutil.rmtree(tmp_path / "there")
    st.cache_resource.clear()
    assert rows("seg-cq500") == {"net"}


def test_the_key_of_a_board_changes_with_what_it_is_made_of(folder: Path) -> None:
    first = data.board(MINI)
    assert data.key(first) == data.key(first)
    put(folder, "d", 0.9)
    other = data.board(MINI)
    assert data.key(other) != data.key(first)
    cut = dataclasses.replace(other, rows=other.rows[:2])  # a board that a page made of ours
    assert data.key(cut) not in (data.key(first), data.key(other))
    assert data.key(cut) == data.key(dataclasses.replace(other, rows=other.rows[:2]))
