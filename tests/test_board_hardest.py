"""`ich_bench.board.hardest`: the cases of a board, hardest first."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from boards import board_of, cases_of, write_run
from ich_bench.board.hardest import case_lines

CASES = cases_of("phantom-mini")  # twelve; in these tests the last four are healthy


def test_cases_are_ordered_by_the_mean_of_the_measured_methods_alone(tmp_path: Path) -> None:
    # Means of the two methods: 0.5, 0.3, 0.7, 0.3, then 0.9; the calibration row would turn the order around.
    first = [0.4, 0.2, 0.6, 0.1] + [0.9] * 8
    second = [0.6, 0.4, 0.8, 0.5] + [0.9] * 8
    runs = [write_run(tmp_path / name, "phantom-mini", dice) for name, dice in (("a", first), ("b", second))]
    runs.append(write_run(tmp_path / "c", "phantom-mini", [1.0, 1.0, 0.0, 1.0] + [0.0] * 8,
                          manifest='method = "c"\nkind = "calibration"\n'))  # fmt: skip
    board = board_of("phantom-mini", runs)
    lines = case_lines(board, "ich", "dice")
    assert [line.case_id for line in lines[:4]] == [CASES[1], CASES[3], CASES[0], CASES[2]]  # a tie: the fold file's
    assert lines[0].mean == pytest.approx(0.3)
    assert (lines[1].lowest, lines[1].highest, lines[1].spread) == pytest.approx((0.1, 0.5, 0.4))
    assert (lines[1].best, lines[1].worst, lines[1].n) == ("b", "a", 2)
    assert [line.case_id for line in case_lines(board, "ich", "dice", order="fold")] == list(CASES[:8])
    assert len(case_lines(board, "all", "dice")) == 12
    assert not any(line.has_ich for line in case_lines(board, "healthy", "clean"))


def test_where_lower_is_better_the_highest_is_hardest_and_rvd_goes_by_its_size(tmp_path: Path) -> None:
    edit = {
        CASES[0]: {"hd95": 3.0, "rvd": -0.8},
        CASES[1]: {"hd95": math.inf, "rvd": 0.5},
        CASES[2]: {"hd95": 9.0, "rvd": 0.1},
    }
    flat = {case: {"hd95": 1.0, "rvd": 0.0} for case in CASES[3:8]}
    board = board_of("phantom-mini", [write_run(tmp_path / "a", "phantom-mini", [0.5] * 12, edit={**flat, **edit})])
    far = case_lines(board, "ich", "hd95")
    assert [line.case_id for line in far[:3]] == [CASES[1], CASES[2], CASES[0]]
    assert far[0].spread == 0  # one method, infinitely far
    assert [line.case_id for line in case_lines(board, "ich", "rvd")[:3]] == [CASES[0], CASES[1], CASES[2]]
    assert case_lines(board, "ich", "rvd")[0].mean == pytest.approx(0.8)


def test_a_description_has_no_hardest_case_and_what_is_undefined_comes_last(tmp_path: Path) -> None:
    board = board_of("phantom-mini", [write_run(tmp_path / "a", "phantom-mini", [0.5] * 12)])
    assert [line.case_id for line in case_lines(board, "ich", "volume_pred_ml")] == list(CASES[:8])
    mixed = case_lines(board, "all", "hd95")
    assert [line.case_id for line in mixed[-4:]] == list(CASES[8:])
    assert math.isnan(mixed[-1].mean)
    assert (mixed[-1].n, mixed[-1].best) == (0, "")


def test_missing_and_empty_predictions_are_counted(tmp_path: Path) -> None:
    edit = {CASES[0]: {"status": "missing", "prediction_sha256": None}, CASES[1]: {"status": "empty_prediction"}}
    runs = [write_run(tmp_path / "a", "phantom-mini", [0.5] * 12, edit=edit),
            write_run(tmp_path / "b", "phantom-mini", [0.5] * 12)]  # fmt: skip
    lines = case_lines(board_of("phantom-mini", runs), "ich", "dice", order="fold")
    assert [(line.missing, line.empty) for line in lines[:3]] == [(1, 0), (0, 1), (0, 0)]


def test_an_empty_board_has_no_cases() -> None:
    assert case_lines(board_of("phantom-mini", []), "ich", "dice") == ()
