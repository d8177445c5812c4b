"""The differences to a baseline, and the hash that says which files a board is made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from boards import board_of, write_run
from ich_bench.board.against import against
from ich_bench.board.model import PRIMARY, Board
from ich_bench.board.snapshot import snapshot

CASES = 12  # of phantom-mini, 8 of them with ICH


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    home = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.001, size=(3, CASES))
    runs = [
        write_run(home / name, "phantom-mini", list(level + noise[place]))
        for place, (name, level) in enumerate({"good": 0.9, "middle": 0.7, "same": 0.7}.items())
    ]
    runs.append(write_run(home / "part", "phantom-mini", [0.8] * CASES, status="partial"))
    return board_of("phantom-mini", runs)


def test_differences_to_a_baseline_are_those_the_board_tested(board: Board) -> None:
    pairs = board.pairs[PRIMARY]
    found = against(board, "middle", *PRIMARY)
    i, j = pairs.slugs.index("good"), pairs.slugs.index("middle")
    assert set(found) == {"good", "same"}  # not the baseline itself, not the row that is not ranked
    assert found["good"].difference == pairs.difference[i, j] == pytest.approx(0.2, abs=0.002)
    assert (found["good"].low, found["good"].high) == (pairs.low[i, j], pairs.high[i, j])
    assert found["good"].p == pairs.p_max_t[i, j]
    assert found["good"].verdict == "better"  # 0.2 apart on 8 volumes with a spread of 0.001: p = 2/256 in each pair
    assert found["same"].verdict == "not separated"


def test_the_verdict_turns_with_the_baseline(board: Board) -> None:
    assert against(board, "good", *PRIMARY)["middle"].verdict == "worse"


def test_a_row_or_metric_without_tests_has_no_differences(board: Board) -> None:
    assert against(board, "part", *PRIMARY) == {}
    assert against(board, "good", "ich", "hd95") == {}
    assert against(board, "nobody", *PRIMARY) == {}


def test_the_snapshot_is_the_same_for_the_same_files_and_another_for_one_more_row(tmp_path: Path) -> None:
    first = write_run(tmp_path / "first", "phantom-mini", [0.5] * CASES)
    second = write_run(tmp_path / "second", "phantom-mini", [0.6] * CASES)
    one, both = board_of("phantom-mini", [first]), board_of("phantom-mini", [first, second])
    assert snapshot(both) == snapshot(board_of("phantom-mini", [second, first]))
    assert snapshot(one) != snapshot(both)
    write_run(second, "phantom-mini", [0.6] * (CASES - 1) + [0.601])
    assert snapshot(board_of("phantom-mini", [first, second])) != snapshot(both)
