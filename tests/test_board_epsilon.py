"""Mean Dice and the order by it under every ε, from voxel counts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from boards import board_of, write_run
from ich_bench.board import further
from ich_bench.board.epsilon import STEPS, Counts, epsilon_ranks, ranks_of
from ich_bench.board.model import PRIMARY
from ich_bench.board.sections import parts
from submitted import run


def counts(slug: str, *rows: tuple[int, int, int, int]) -> Counts:
    """Return counts from (case, tp, fp, fn)."""
    case, tp, fp, fn = (np.array(column) for column in zip(*rows, strict=True))
    return Counts(slug=slug, case=case, tp=tp.astype(float), fp=fp.astype(float), fn=fn.astype(float))


def test_dice_with_every_epsilon_is_worked_out_by_hand() -> None:
    # a: 2/(2+1+1) = 0.5 and 0/(0+0+4) = 0 → 0.25; with ε = 1: 3/5 and 1/5 → 0.4
    a = counts("a", (0, 1, 1, 1), (1, 0, 0, 4))
    found = ranks_of([a], np.array([True, True]), cohort="ich", epsilons=(0.0, 0.5, 1.0))
    # ε = 0.5: 2.5/4.5 and 0.5/4.5 → 3/9
    assert found.mean[:, 0].tolist() == pytest.approx([0.25, 1 / 3, 0.4])
    assert found.n[:, 0].tolist() == [2, 2, 2]
    assert np.isnan(found.tau).all()  # one method has no order


def test_a_healthy_head_left_empty_has_no_dice_without_epsilon() -> None:
    clean, wrong = counts("clean", (0, 1, 0, 2), (1, 0, 0, 0)), counts("wrong", (0, 2, 0, 1), (1, 0, 9, 0))
    found = ranks_of([clean, wrong], np.array([True, True]), cohort="all", epsilons=(0.0, 1.0))
    # ε = 0: clean 2/4 on one case; wrong (4/5 + 0)/2 = 0.4. ε = 1: clean (3/5 + 1)/2 = 0.8; wrong (5/6 + 1/10)/2
    assert found.mean.ravel().tolist() == pytest.approx([0.5, 0.4, 0.8, (5 / 6 + 0.1) / 2])
    assert found.n.tolist() == [[1, 2], [2, 2]]


def test_the_order_that_epsilon_turns_has_tau_minus_one() -> None:
    # small: one case of one voxel missed: 0 → ε/(1 + ε); sure: 1/3 of 30 voxels
    small, sure = counts("small", (0, 0, 0, 1)), counts("sure", (0, 5, 10, 10))
    found = ranks_of([small, sure], np.array([True]), cohort="ich", epsilons=(0.0, 1.0))
    assert found.mean.ravel().tolist() == pytest.approx([0.0, 10 / 30, 0.5, 11 / 31])
    assert found.ranks.tolist() == [[2, 1], [1, 2]]
    assert found.tau.tolist() == [-1.0, 1.0]


def test_training_runs_are_averaged_before_the_cases() -> None:
    # case 0 has two runs (Dice 1 and 0), case 1 one (Dice 1): (0.5 + 1)/2
    one = counts("one", (0, 4, 0, 0), (0, 0, 0, 4), (1, 4, 0, 0))
    found = ranks_of([one], np.array([True, True]), cohort="ich", epsilons=(0.0,))
    assert found.mean.tolist() == [[0.75]]


def test_equal_means_share_the_smallest_rank_and_cases_outside_do_not_count() -> None:
    a, b, c = (counts(name, (0, tp, 2, 2), (1, 9, 0, 0)) for name, tp in (("a", 4), ("b", 4), ("c", 1)))
    found = ranks_of([a, b, c], np.array([True, False]), cohort="ich", epsilons=(1.0,))
    assert found.ranks.tolist() == [[1, 1, 3]]
    assert found.n.tolist() == [[1, 1, 1]]


def test_no_case_of_the_cohort_leaves_everything_undefined() -> None:
    found = ranks_of([counts("a", (0, 1, 1, 1))], np.array([False]), cohort="ich", epsilons=(0.0,))
    assert math.isnan(found.mean[0, 0])
    assert math.isnan(found.ranks[0, 0])


def test_with_one_voxel_it_is_the_dice_of_the_board(tmp_path: Path) -> None:
    def dice(case_id: str, number: int) -> float:
        return (number % 10) / 10

    outs = [run(tmp_path / "one", seeds=(0, 1), dice=dice), run(tmp_path / "two", dice=lambda case_id, number: 0.6)]
    board = board_of("seg-cq500", outs)
    found = epsilon_ranks(board, "ich")
    assert (found.epsilons, found.missing, set(found.slugs)) == (STEPS, {}, {"one", "two"})
    for place, slug in enumerate(found.slugs):
        standing = board.row(slug).standing(*PRIMARY)
        assert standing is not None
        assert found.mean[-1, place] == pytest.approx(standing.stat.mean, abs=1e-12)
    assert found.tau[-1] == 1.0


def test_rows_whose_counts_are_withheld_or_gone_are_named(tmp_path: Path) -> None:
    def withhold(row: dict[str, Any]) -> None:
        row |= {"tp": None, "fp": None, "fn": None}

    outs = [run(tmp_path / "withheld", change=withhold), run(tmp_path / "open"), run(tmp_path / "gone")]
    board = board_of("seg-cq500", outs)
    (tmp_path / "gone" / "scores" / "seg-cq500.parquet").unlink()
    found = epsilon_ranks(board, "ich", (1.0,))
    assert found.slugs == ("open",)
    assert "withholds" in found.missing["withheld"]
    assert "cannot be read" in found.missing["gone"]


def test_an_empty_board_has_no_order(tmp_path: Path) -> None:
    found = epsilon_ranks(board_of("seg-cq500", []), "ich")
    assert (found.slugs, found.mean.shape) == ((), (len(STEPS), 0))


def test_budgets_do_not_count(tmp_path: Path) -> None:
    board = board_of("phantom-mini", [write_run(tmp_path / "budget", "phantom-mini", [0.5] * 12, budget="10-0")])
    assert epsilon_ranks(board, "all").slugs == ()


def test_the_board_in_words_has_the_places_with_another_epsilon(tmp_path: Path) -> None:
    outs = [
        run(tmp_path / name, dice=lambda case_id, number, base=base: base) for name, base in (("a", 0.6), ("b", 0.4))
    ]
    board = board_of("seg-cq500", outs)
    (found,) = further.epsilon(board, board.measured)
    # 600 of 1000 voxels: 1200/2000 with ε = 0, 1200.5/2000.5 and 1201/2001
    assert found.rows == (("a", "1: 0.600", "1: 0.600", "1: 0.600"), ("b", "2: 0.400", "2: 0.400", "2: 0.400"))
    assert found.lines[0] == ("τ-b", "1.000 at ε = 0, 1.000 at ε = 0.5, 1.000 at ε = 1")
    assert [one.title for one in parts(board, board.measured, ["schemes"])][-1] == found.title
    assert list(further.epsilon(board_of("seg-cq500", outs[:1]), ())) == []
