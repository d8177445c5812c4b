"""What stands beside the tests of pairs: changed verdicts, paired cases, boxes, strata of two rows, worst offenders."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from boards import board_of, cases_of, dice_like, healthy_of, write_run
from ich_bench.board.compare import compare, compare_submissions
from ich_bench.board.model import PRIMARY, CaseScores, Pairs
from ich_bench.board.offenders import offences
from ich_bench.board.spread import groups
from ich_bench.board.two import ahead
from ich_bench.board.verdicts import case_pairs, verdicts

NAN = math.nan


def of_two(welch: float, paired: float, difference: float, *, sign: int = 1) -> Pairs:
    """Return the pairs of two methods from three numbers about the first against the second."""

    def both(value: float, other: float) -> np.ndarray:
        return np.array([[0.0, value], [other, 0.0]])

    return Pairs(
        cohort="ich", metric="dice", slugs=("a", "b"), n=9, sign=sign, draws=99, exact=False,
        difference=both(difference, -difference), low=both(0, 0), high=both(0, 0), welch_p=both(welch, welch),
        p=both(paired, paired), p_max_t=both(paired, paired), mdd=both(0.03, 0.03),
    )  # fmt: skip


def test_a_pair_that_only_the_paired_test_separates_has_changed() -> None:
    found = verdicts(of_two(welch=0.4, paired=0.01, difference=0.02))
    assert (found.welch[0, 1], found.paired[0, 1], found.paired[1, 0]) == (0, 1, -1)
    assert found.changed.tolist() == [[False, True], [True, False]]
    assert (found.pairs, found.separated_welch, found.separated_paired, found.differ) == (1, 0, 1, 1)
    assert found.mdd == 0.03


def test_lower_is_better_turns_the_verdict() -> None:
    found = verdicts(of_two(welch=0.01, paired=0.01, difference=2.0, sign=-1))
    assert (found.welch[0, 1], found.paired[0, 1], found.differ) == (-1, -1, 0)


def test_an_undefined_p_is_no_verdict() -> None:
    found = verdicts(of_two(welch=NAN, paired=NAN, difference=NAN))
    assert (found.separated_welch, found.separated_paired, found.differ) == (0, 0, 0)
    assert math.isnan(verdicts(replace(of_two(0.1, 0.1, 0.0), mdd=None)).mdd)


def test_the_paired_verdicts_are_those_that_rank(tmp_path: Path) -> None:
    scores = dice_like(np.random.default_rng(2), 4, 51, [0.1, 0.05, 0, 0])
    runs = [write_run(tmp_path / name, "seg-cq500", scores[:, place]) for place, name in enumerate("abcd")]
    board = board_of("seg-cq500", runs)
    pairs = board.pairs[PRIMARY]
    assert np.array_equal(verdicts(pairs).paired == 1, pairs.better)


def scored(
    values: dict[str, list[list[float]]], has_ich: list[bool], facts: dict[str, list[float]] | None = None
) -> CaseScores:
    """Return the scores of rows a, b, … over cases 0, 1, …: (cases, rows) by metric."""
    count, rows = len(has_ich), len(next(iter(values.values()))[0])
    known = {name: np.full(count, NAN) for name in ("volume_ref_ml", "spacing_z_mm", "iph", "ivh", "edh", "sdh", "sah")}
    return CaseScores(
        cases=tuple(str(one) for one in range(count)), slugs=tuple("abcdef"[:rows]), has_ich=np.array(has_ich),
        fold=np.zeros(count, dtype=np.int64), facts=known | {k: np.array(v) for k, v in (facts or {}).items()},
        values={name: np.array(one) for name, one in values.items()}, empty=np.zeros((count, rows)),
        missing=np.zeros((count, rows)),
    )  # fmt: skip


def test_cases_that_one_of_two_lacks_make_no_pair() -> None:
    held = scored({"dice": [[0.5, 0.2], [NAN, 0.9], [0.4, 0.4], [1.0, 0.5]]}, [True, True, True, False])
    found = case_pairs(held, "a", "b", cohort="ich", metric="dice")
    assert found.cases == ("0", "2")
    assert found.difference.tolist() == pytest.approx([0.3, 0.0])
    assert case_pairs(held, "a", "b", cohort="all", metric="dice").cases == ("0", "2", "3")


def test_a_signed_metric_is_paired_by_its_size() -> None:
    held = scored({"rvd": [[-0.5, 0.2]]}, [True])
    assert case_pairs(held, "a", "b", cohort="ich", metric="rvd").difference.tolist() == pytest.approx([0.3])


def test_the_mean_of_the_paired_differences_is_that_of_the_comparison(tmp_path: Path) -> None:
    scores = dice_like(np.random.default_rng(4), 2, 75, [0.1, 0])
    runs = [write_run(tmp_path / name, "hssayeni", scores[:, place]) for place, name in enumerate("ab")]
    board = board_of("hssayeni", runs)
    one, other = (board.row(slug).submission for slug in "ab")
    assert one is not None
    assert other is not None
    found = compare_submissions(one, other, dataset="hssayeni", draws=99)
    assert found == compare(*runs, submissions=tmp_path / ".no-submissions", draws=99)
    for cohort in ("ich", "all"):
        test = found.test(cohort, "dice")
        pairs = case_pairs(board.scores, "a", "b", cohort=cohort, metric="dice")
        assert test is not None
        assert (test.n, test.difference) == (len(pairs.cases), pytest.approx(pairs.difference.mean()))


def test_a_box_holds_quartiles_whiskers_and_every_volume() -> None:
    dice = [[0.0], [0.5], [0.6], [0.7], [0.8], [1.0]]  # quartiles of the five with ICH: 0.5, 0.6, 0.7
    held = scored({"dice": dice}, [True] * 5 + [False], {"sdh": [1, 1, 0, 0, 0, 0]})
    everyone, *rest = groups(held, "subtype", "dice", ["a"])
    box = everyone.boxes[0]
    assert (everyone.name, everyone.volumes, box.stat.n, box.cases) == ("all ICH", 5, 5, (0, 1, 2, 3, 4))
    assert (box.stat.q1, box.stat.median, box.stat.q3) == pytest.approx((0.5, 0.6, 0.7))
    assert (box.low, box.high) == (0.5, 0.8)  # 1.5 × 0.2 below 0.5 is 0.2: the zero lies outside
    assert [(one.name, one.volumes, one.boxes[0].values.tolist()) for one in rest] == [("sdh", 2, [0.0, 0.5])]


def test_unknown_strata_say_why_and_hold_no_box() -> None:
    held = scored({"dice": [[0.5]]}, [True])
    for by in ("subtype", "reference volume", "slice thickness"):
        _, unknown = groups(held, by, "dice", ["a"])
        assert "not available here" in unknown.unknown
        assert unknown.boxes == ()
    assert groups(scored({"dice": [[1.0]]}, [False]), "subtype", "dice", ["a"]) == ()


def test_infinite_values_break_no_box() -> None:
    held = scored({"hd95": [[1.0], [2.0], [math.inf], [math.inf]]}, [True] * 4)
    box = groups(held, "subtype", "hd95", ["a"])[0].boxes[0]
    assert (box.stat.n, box.stat.mean, box.low) == (4, math.inf, 1.0)


def test_strata_of_two_rows_say_who_is_ahead(tmp_path: Path) -> None:
    cases = cases_of("phantom-mini")
    ich = [case for case in cases if case not in healthy_of("phantom-mini")]
    edit = {case: {"sdh": place < 3, "volume_ref_ml": 2.0} for place, case in enumerate(ich)}
    one = {case: 1.0 if case not in ich else 0.8 for case in cases}
    other = {case: 1.0 if case not in ich else 0.9 if place < 3 else 0.8 for place, case in enumerate(cases)}
    runs = [write_run(tmp_path / name, "phantom-mini", dice, edit=edit) for name, dice in (("a", one), ("b", other))]
    found = {one.name: one for one in ahead(board_of("phantom-mini", runs), "a", "b")}
    assert (found["sdh"].ahead, found["sdh"].volumes) == ("second", 3)
    assert (found["sdh"].first, found["sdh"].difference) == pytest.approx((0.8, -0.1))
    assert (found["1–5 mL"].volumes, found["1–5 mL"].ahead) == (8, "second")
    assert (found["> 30 mL"].ahead, math.isnan(found["> 30 mL"].difference)) == ("", True)


def test_the_worst_offender_is_the_largest_prediction_on_a_healthy_head() -> None:
    ml = [[9.0, 9.0], [0.0, 2.0], [5.0, 0.0], [NAN, 1.0]]
    held = scored({"volume_pred_ml": ml}, [True, False, False, False])
    found = [(one.case_id, one.slug, one.predicted_ml, one.rows) for one in offences(held, ["a", "b"])]
    assert found == [("2", "a", 5.0, 1), ("1", "b", 2.0, 1), ("3", "b", 1.0, 1)]
    assert [one.slug for one in offences(held, ["b"], most=1)] == ["b"]
    assert offences(held, []) == ()
    assert offences(scored({"dice": [[1.0]]}, [False]), ["a"]) == ()
