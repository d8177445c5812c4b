"""The leaderboard page: its numbers are the command's, and a filter hides rows and renumbers none."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from app.states import BoardState
from ich_bench.board import wording as say
from ich_bench.board.against import against
from ich_bench.board.flat import as_dict
from ich_bench.board.model import PRIMARY, Board
from ich_bench.board.snapshot import snapshot
from ich_bench.cli.app import app
from ich_bench_app import board_charts, board_export, board_filters, board_table, data

Open = Callable[..., AppTest]
StandOn = Callable[[str], BoardState]


def test_the_page_stands_in_every_state(board_state: BoardState, open_page: Open) -> None:
    at = open_page("leaderboard", dataset=board_state.dataset)
    assert at.selectbox(key="dataset").value == board_state.dataset
    if board_state.slugs:
        assert sorted(_ids(at)) == sorted(board_table.plain(slug) for slug in board_state.slugs)
    else:
        assert "No measured row yet" in at.info[0].value
        assert len(_table(at, "as printed")) == 53  # the published rows on hssayeni that come with the software


def test_the_numbers_on_screen_are_those_of_the_command(stand_on: StandOn, open_page: Open) -> None:
    state = stand_on("hostile")
    at = open_page("leaderboard", dataset=state.dataset, columns=["score", "interval", "p_rank_one", "clean", "name"])
    words = ["leaderboard", state.dataset, "--submissions", str(state.folder / "submissions")]
    done = CliRunner().invoke(app, [*words, "--with", str(state.folder / "runs"), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    measured = [row for row in told["rows"] if row["kind"] == "measured"]
    shown = _table(at, "score")
    assert len(shown) == len(measured) == 10
    for line, row in zip(shown.itertuples(), measured, strict=True):
        found = row["standings"]["ich"]["dice"]
        assert line.score == f"{found['stat']['mean']:.3f}\u00a0±\u00a0{found['stat']['sd']:.3f}"
        assert line.interval == f"[{found['low']:.3f},\u00a0{found['high']:.3f}]"
        assert line.rank.strip() == f"{found['rank']}\u00a0[{found['rank']}–{found['rank_high']}]"
        assert line.name == board_table.plain(row["method"])


def test_the_exported_json_is_the_commands_and_every_export_names_the_snapshot(
    stand_on: StandOn, open_page: Open
) -> None:
    state = stand_on("one")
    at = open_page("leaderboard", dataset=state.dataset)
    board = data.board(state.dataset)
    words = ["leaderboard", state.dataset, "--submissions", str(state.folder / "submissions")]
    done = CliRunner().invoke(app, [*words, "--with", str(state.folder / "runs"), "--json"])
    assert json.loads(board_export.text(board, "json", *PRIMARY)) == _of(json.loads(done.stdout), draws=board.draws)
    for format in ("md", "latex"):
        assert snapshot(board) in board_export.text(board, format, *PRIMARY).decode()
    assert any(snapshot(board)[:16] in one.value for one in at.caption)


def _of(told: dict[str, object], *, draws: int) -> dict[str, object]:
    """Return the command's answer with the few draws of a test's board (one row: no test is made of them)."""
    return told | {"draws": draws}


@pytest.fixture
def many(stand_on: StandOn) -> Board:
    stand_on("many")
    return data.board("hssayeni")


@pytest.mark.slow
def test_a_filter_hides_rows_and_renumbers_none(many: Board, open_page: Open) -> None:
    whole = {row.slug: say.rank(row.standing(*PRIMARY)) for row in many.rows}
    at = open_page("leaderboard", dataset="hssayeni", find="method-01", columns=["score"])
    shown = _table(at, "score")
    assert len(shown) == 10  # method-010 … method-019
    assert any("10 of 200 rows shown; ranks are those of the whole board." in one.value for one in at.markdown)
    for line in shown.itertuples():
        assert line.rank.strip() == whole[line.method.removesuffix("\u00a0*").removesuffix(" *")]
    assert {line.rank.strip() for line in shown.itertuples()} != {f"{n}" for n in range(1, 11)}
    at.text_input(key="find").set_value("no such method").run()
    assert not at.error
    assert any("Nothing fits" in one.value for one in at.markdown)


@pytest.mark.slow
def test_filters_by_kind_supervision_and_label_keep_the_order(many: Board) -> None:
    asked = board_filters.Filter(supervision=("none",))
    rows = board_filters.chosen(many, asked)
    assert rows == tuple(row for row in many.rows if row.supervision == "none")
    assert 0 < len(rows) < len(many.rows)
    assert board_filters.chosen(many, board_filters.Filter(kinds=("calibration",))) == ()
    slices = board_filters.chosen(many, board_filters.Filter(labels=("slice",)))
    assert slices == tuple(row for row in many.rows if "slice" in row.labels)


@pytest.mark.slow
def test_the_baseline_shows_the_differences_that_the_board_has_tested(many: Board, open_page: Open) -> None:
    baseline = many.rows[3].slug
    at = open_page("leaderboard", dataset="hssayeni", baseline=baseline, find="method-0", columns=["score"])
    deltas = against(many, baseline, *PRIMARY)
    pinned, shown = [one.value for one in at.dataframe if "delta" in one.value.columns]
    assert pinned["method"].tolist() == [baseline]
    for line in shown.itertuples():
        if line.method == baseline:
            assert line.verdict == "baseline"
            continue
        assert line.delta.strip() == say.number(deltas[line.method].difference, sign=True)
        assert line.verdict.endswith(deltas[line.method].verdict)
        assert line.delta_p == say.p_value(deltas[line.method].p)


@pytest.mark.slow
def test_the_marks_of_the_charts_are_the_boards_numbers(many: Board) -> None:
    made = board_charts.points(many.rows, "ich", "dice")
    told = as_dict(many, with_pairs=False)["rows"]
    for line, row in zip(made.itertuples(), told, strict=True):
        found = row["standings"]["ich"]["dice"]
        assert (line.score, line.low, line.high) == (found["stat"]["mean"], found["low"], found["high"])
        assert (line.rank, line.rank_high) == (found["rank"], found["rank_high"])
    assert made["row"].is_unique


def test_an_address_with_unknown_choices_falls_back(stand_on: StandOn, open_page: Open) -> None:
    stand_on("one")
    at = open_page("leaderboard", dataset="nowhere", cohort="x", metric="y", baseline="z", columns=["zz"], kind=["q"])
    assert at.selectbox(key="dataset").value == "phantom-mini"
    assert at.selectbox(key="metric").value == "dice"


def test_an_infinite_or_undefined_score_has_no_mark_and_its_words_say_so(stand_on: StandOn, open_page: Open) -> None:
    stand_on("hostile")
    board = data.board("phantom-mini")
    made = board_charts.points(board.rows, "ich", "hd95")
    assert made["score"].notna().all()  # the median of eight with one infinity is finite
    at = open_page("leaderboard", dataset="phantom-mini", metric="hd95", columns=["score", "interval"])
    words = _table(at, "interval")["interval"].tolist()
    assert "–" in words  # a mean over infinity has no interval


def test_cells_that_begin_with_a_number_sort_as_numbers() -> None:
    padded = board_table._aligned(["10\u00a0[9–12]", "2\u00a0[1–4]", "–"])
    assert sorted(padded) == [" 2\u00a0[1–4]", "10\u00a0[9–12]", "–"]


def _table(at: AppTest, column: str):  # type: ignore[no-untyped-def]
    return next(one.value for one in at.dataframe if column in one.value.columns)


def _ids(at: AppTest) -> list[str]:
    return [one.removesuffix(" *") for one in _table(at, "badges")["method"]]
