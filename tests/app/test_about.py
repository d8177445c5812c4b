"""The About page: what is installed, what was left out and why, what changed, and all datasets together."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

import ich_bench
from app.states import BoardState
from boards import cases_of, write_run
from ich_bench.cli.app import app
from ich_bench.submissions.history import Change, Log
from ich_bench_app import about_page, data, overview_page
from ich_bench_app.started import VARIABLE
from submitted import manifest

Open = Callable[..., AppTest]
StandOn = Callable[[str], BoardState]


def test_the_page_stands_in_every_state(board_state: BoardState, open_page: Open) -> None:
    at = open_page("about")
    shown = _table(at, "rank 1, dice on ich").set_index("dataset")
    assert set(shown.index) == set(data.datasets())
    held = sum(int(one) for one in shown["ranked"]) + sum(int(one) for one in shown["not ranked"])
    assert held == len(board_state.slugs) * (3 if board_state.name == "many" else 1)
    assert _table(at, "version").set_index("what").loc["ich-bench", "version"] == ich_bench.__version__
    assert any("no row is fit for use on patients" in one.value for one in at.markdown)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of submissions with one that was committed, then changed by nobody, and a run with a torn score file."""
    runs = tmp_path / "runs"
    write_run(runs / "sound", "phantom-mini", [0.5] * len(cases_of("phantom-mini")), manifest=manifest())
    write_run(runs / "torn", "phantom-mini", [0.6] * len(cases_of("phantom-mini")))
    torn = runs / "torn" / "scores" / "phantom-mini.parquet"
    torn.write_bytes(torn.read_bytes()[:-100])
    folder = tmp_path / "submissions"
    folder.mkdir()
    monkeypatch.setenv(VARIABLE, json.dumps({"submissions": str(folder), "runs": [str(runs)], "draws": 200}))
    st.cache_data.clear()
    st.cache_resource.clear()
    return folder


def test_a_torn_score_file_is_named_and_the_app_stays_up(shelf: Path, open_page: Open) -> None:
    at = open_page("about")
    shown = next(one.value for one in at.table if "how to mend it" in one.value.columns)
    assert any("torn" in file for file in shown["file"])
    assert "1 file cannot be used" in at.warning[0].value
    assert _table(at, "rank 1, dice on ich").set_index("dataset").loc["phantom-mini", "rank 1, dice on ich"] == "sound"
    assert len(data.board("phantom-mini").rows) == 1


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_what_came_and_went_is_read_from_git(shelf: Path, open_page: Open) -> None:
    assert any("no git checkout" in one.value for one in open_page("about").markdown)
    for slug in ("kept", "gone"):
        (shelf / slug).mkdir()
        (shelf / slug / "submission.toml").write_text("x", "utf-8")
    _git(shelf, "init", "-q")
    _git(shelf, "add", "-A")
    _git(shelf, "commit", "-q", "-m", "two come :red[loud] <b>")
    shutil.rmtree(shelf / "gone")
    _git(shelf, "add", "-A")
    _git(shelf, "commit", "-q", "-m", "one is withdrawn")
    st.cache_data.clear()
    at = open_page("about")
    shown = _table(at, "commit")
    assert shown[["submission", "what"]].to_numpy().tolist() == [
        ["gone", "− removed"], ["gone", "+ added"], ["kept", "+ added"],
    ]  # fmt: skip
    assert shown["subject"].tolist()[1] == "two come :red[loud] <b>"  # a text column shows it letter by letter


def test_changes_can_be_looked_for() -> None:
    log = Log(
        changes=tuple(Change(date="2030-01-01", slug=slug, what="added", commit="a", subject="") for slug in "ab")
    )
    assert about_page.changes_table(log, "B")["submission"].tolist() == ["b"]
    assert about_page.changes_table(log, "zz").empty


@pytest.mark.slow
def test_the_overview_is_the_commands(stand_on: StandOn) -> None:
    state = stand_on("many")
    found = overview_page.overview()
    words = ["leaderboard", "--submissions", str(state.folder / "submissions"), "--format", "json"]
    done = CliRunner().invoke(app, [*words, "--with", str(state.folder / "runs")])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [one["slug"] for one in told["macro"]] == [one.slug for one in found.macro]
    table = overview_page.macro_table(found)
    assert table["macro-mean"].tolist() == [f"{one['mean']:.3f}" for one in told["macro"]]
    assert len(table) == 200


def _git(home: Path, *words: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    subprocess.run(
        ["git", "-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null", "-C", str(home), *words],
        check=True, capture_output=True, env=kept | who,
    )  # fmt: skip


def _table(at: AppTest, column: str):  # type: ignore[no-untyped-def]
    return next(one.value for one in at.dataframe if column in one.value.columns)
