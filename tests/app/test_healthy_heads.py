"""The Healthy heads page: clean rates and predicted mL of the board, the worst heads, boards without healthy heads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.states import BoardState, open_page
from boards import board_of, cases_of, healthy_of, write_run
from ich_bench_app import data, healthy_heads

Stand = Callable[[str], BoardState]


def test_the_page_stands_in_each_state(board_state: BoardState) -> None:
    at = open_page("healthy_heads", dataset=board_state.dataset)
    board = data.board(board_state.dataset)
    if not board.rows:
        return
    shown = at.dataframe[-1].value
    assert len(shown) == min(len(board.rows), 25)
    for line in shown.to_dict("records"):
        clean = board.row(line["method"]).clean
        assert clean is not None
        assert (line["clean rate"], line["low"], line["high"]) == (clean.share, clean.low, clean.high)
    assert shown["clean rate"].is_monotonic_decreasing


@pytest.mark.slow
def test_a_board_without_healthy_heads_points_to_those_with(stand_on: Stand) -> None:
    stand_on("many")
    at = open_page("healthy_heads", dataset="seg-cq500")
    assert "holds volumes with hemorrhage only" in at.info[0].value
    assert healthy_heads.elsewhere("seg-cq500")[0] == "hssayeni"  # it has rows here
    assert "cq500-negative" in healthy_heads.elsewhere("seg-cq500")
    assert "instance2022" not in healthy_heads.elsewhere("seg-cq500")


def test_the_order_is_a_choice_in_the_address(stand_on: Stand) -> None:
    state = stand_on("hostile")
    board = data.board(state.dataset)
    at = open_page("healthy_heads", dataset=state.dataset, order="board")
    assert at.dataframe[-1].value["method"].tolist() == [row.slug for row in board.rows]


@pytest.fixture
def painted(tmp_path: Path) -> list[Path]:
    """Two runs: `a` paints 3 and 1 mL on two of four healthy heads, `b` leaves all of them clean."""
    cases = cases_of("phantom-mini")
    last = sorted(healthy_of("phantom-mini"))
    edit = {last[0]: {"volume_pred_ml": 3.0, "dice": 0.1}, last[1]: {"volume_pred_ml": 1.0, "dice": 0.1}}
    edit |= {case: {"volume_pred_ml": 0.0} for case in last[2:]}
    for one in edit.values():
        if one["volume_pred_ml"]:
            one["status"] = "scored"
    clean = {case: {"volume_pred_ml": 0.0} for case in last}
    dice = {case: 1.0 if case in last else 0.5 for case in cases}
    return [write_run(tmp_path / name, "phantom-mini", dice, edit=one) for name, one in (("a", edit), ("b", clean))]


def test_lines_are_the_boards_numbers(painted: list[Path]) -> None:
    board = board_of("phantom-mini", painted)
    rows = healthy_heads.ordered(healthy_heads.with_healthy(board), "clean rate", 9)
    assert [row.slug for row in rows] == ["b", "a"]
    lines = healthy_heads.clean_lines(rows)
    for line, row in zip(lines.itertuples(), rows, strict=True):
        assert row.clean is not None
        assert (line.value, line.low, line.high) == (100 * row.clean.share, 100 * row.clean.low, 100 * row.clean.high)
    assert lines["value"].tolist() == [100.0, 50.0]
    volumes = healthy_heads.volume_lines(rows)
    a = board.row("a").false_positives
    assert a is not None
    assert volumes["value"].tolist() == [0.0, a.median_ml]
    assert a.median_ml == 0.5  # of 0, 0, 1 and 3 mL
    assert volumes["high"].tolist()[1] == a.p95_ml


def test_withheld_volumes_leave_the_clean_rate_alone(painted: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    rows = [replace(row, false_positives=None) for row in board_of("phantom-mini", painted).rows]
    assert healthy_heads.volume_lines(rows).empty
    assert len(healthy_heads.clean_lines(rows)) == 2
    assert healthy_heads.table(rows)["median mL"].isna().all()
