"""Two methods on the same volumes: every test, what is refused, what is said."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest

from boards import board_of, cases_of, dice_like, write_run
from folders import box, lopsided, write_folder
from ich_bench.board.compare import Comparison, compare
from ich_bench.board.compare_show import FORMATS, show_comparison
from ich_bench.board.model import PRIMARY
from ich_bench.errors import IchBenchError, InputError, UsageError
from ich_bench.runs.evaluation import evaluate

SEG, HSS = "seg-cq500", "hssayeni"


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    folder = tmp_path / "none"
    folder.mkdir()
    return folder


def pair(tmp_path: Path, dataset: str = SEG, shift: float = 0.1, seed: int = 4) -> list[Path]:
    cases = len(cases_of(dataset))
    scores = dice_like(np.random.default_rng(seed), 2, cases, [shift, 0])
    return [write_run(tmp_path / name, dataset, scores[:, place]) for place, name in enumerate("ab")]


def test_all_tests_of_a_pair_are_those_of_its_board(tmp_path: Path, shelf: Path) -> None:
    runs = pair(tmp_path)
    found = compare(*runs, submissions=shelf, draws=999)
    board = board_of(SEG, runs)
    pairs, one = board.pairs[PRIMARY], found.test(*PRIMARY)
    assert one is not None
    i, j = pairs.slugs.index("a"), pairs.slugs.index("b")
    assert one.p == pairs.p[i, j] == pairs.p_max_t[i, j]  # one pair: nothing to correct for
    assert one.difference == pytest.approx(pairs.difference[i, j])
    assert (one.t_low, one.t_high) == pytest.approx((pairs.low[i, j], pairs.high[i, j]))
    assert one.welch_p == pytest.approx(pairs.welch_p[i, j])
    assert pairs.mdd is not None
    assert one.mdd == pytest.approx(pairs.mdd[i, j])
    assert (one.n, one.draws, one.verdict) == (51, 999, "first better")


def test_the_other_way_round_is_the_same_with_the_signs_turned(tmp_path: Path, shelf: Path) -> None:
    a, b = pair(tmp_path)
    forth, back = compare(a, b, submissions=shelf, draws=999), compare(b, a, submissions=shelf, draws=999)
    one, other = forth.test(*PRIMARY), back.test(*PRIMARY)
    assert one is not None
    assert other is not None
    assert one.p == other.p
    assert one.difference == pytest.approx(-other.difference)
    assert one.rank_biserial == pytest.approx(-other.rank_biserial)
    assert one.share_first == pytest.approx(1 - other.share_first)
    assert other.verdict == "second better"


def test_a_method_against_itself_is_equivalent_with_p_one(tmp_path: Path, shelf: Path) -> None:
    a = write_run(tmp_path / "a", HSS, np.linspace(0.2, 0.9, 75))
    found = compare(a, a, submissions=shelf, draws=99)
    assert {(one.cohort, one.p) for one in found.tests} == {("ich", 1.0), ("all", 1.0), ("healthy", 1.0)}
    dice = found.test(*PRIMARY)
    assert dice is not None
    assert (dice.verdict, dice.wilcoxon_p, dice.mdd) == ("equivalent", 1.0, 0.0)
    assert found.largest == ()


def test_not_separated_is_said_with_the_power_there_was(tmp_path: Path, shelf: Path) -> None:
    rng = np.random.default_rng(0)
    a = write_run(tmp_path / "a", SEG, rng.random(51))
    b = write_run(tmp_path / "b", SEG, rng.random(51))
    found = compare(a, b, submissions=shelf, draws=999)
    dice = found.test(*PRIMARY)
    assert dice is not None
    assert dice.verdict == "not separated"
    text = " ".join(show_comparison(found).split())
    assert "not separated, which is not the same as equal" in text
    assert f"a true difference of {dice.mdd:.3f} would be found in 80 %" in text
    assert "equivalence not testable here" in text


def test_equivalence_is_about_dice_only_and_by_the_declared_margin(tmp_path: Path, shelf: Path) -> None:
    found = compare(*pair(tmp_path, "instance2022", shift=0.0), submissions=shelf, draws=99)
    assert {one.metric for one in found.tests if one.equivalence is not None} == {"dice"}
    dice = found.test(*PRIMARY)
    assert dice is not None
    assert dice.equivalence is not None
    assert dice.equivalence.margin == 0.03


def test_other_cases_are_refused_unless_the_common_ones_are_asked_for(tmp_path: Path, shelf: Path) -> None:
    whole = write_run(tmp_path / "a", SEG, [0.5] * 51)
    some = write_run(tmp_path / "b", SEG, dict.fromkeys(cases_of(SEG)[:20], 0.7), status="partial")
    with pytest.raises(IchBenchError, match=r"b lacks 31 case\(s\)(.|\n)*--common-cases"):
        compare(whole, some, submissions=shelf)
    found = compare(whole, some, submissions=shelf, common_cases=True, draws=99)
    assert found.cases == 20
    assert found.notes[0] == "on the 20 cases that both have, of 51"
    none = write_run(tmp_path / "c", SEG, dict.fromkeys(cases_of(SEG)[20:], 0.7), status="partial")
    with pytest.raises(IchBenchError, match="no case in common"):
        compare(some, none, submissions=shelf, common_cases=True)


@pytest.mark.parametrize("about", [{"suite": 2}, {"fold_sha256": "f" * 64}, {"dataset_sha256": "e" * 64}])
def test_scores_made_in_different_ways_are_refused(tmp_path: Path, shelf: Path, about: dict[str, object]) -> None:
    a, b = write_run(tmp_path / "a", SEG, [0.5] * 51), write_run(tmp_path / "b", SEG, [0.5] * 51, **about)
    with pytest.raises(InputError, match="cannot be ranked together"):
        compare(a, b, submissions=shelf)


def test_a_missing_dataset_scheme_or_slug_is_told_with_what_there_is(tmp_path: Path, shelf: Path) -> None:
    a, b = write_run(tmp_path / "a", SEG, [0.5] * 51), write_run(tmp_path / "b", HSS, [0.5] * 75)
    with pytest.raises(UsageError, match="a \\(seg-cq500\\) and b \\(hssayeni\\) have no dataset in common"):
        compare(a, b, submissions=shelf)
    with pytest.raises(UsageError, match="b has no scores of seg-cq500/cv5; it has hssayeni/cv10"):
        compare(a, b, dataset=SEG, submissions=shelf)
    with pytest.raises(UsageError, match="there is no submission 'nobody'"):
        compare("nobody", a, submissions=shelf)
    write_run(a, HSS, [0.5] * 75)
    write_run(b, SEG, [0.5] * 51)
    with pytest.raises(UsageError, match="both have scores of hssayeni, seg-cq500: name one with --dataset"):
        compare(a, b, submissions=shelf)


def test_two_runs_on_a_plain_folder_of_masks_can_be_compared(tmp_path: Path, shelf: Path) -> None:
    masks = {f"case_{number}": lopsided(number) for number in range(6)}
    reference = write_folder(tmp_path / "own-data", masks)
    exact = evaluate(str(reference), write_folder(tmp_path / "exact", masks), out=tmp_path / "a", jobs=1)
    wrong = {name: box((2, 5), (3, 6), (1, 3)) for name in masks}
    evaluate(str(reference), write_folder(tmp_path / "wrong", wrong), out=tmp_path / "b", jobs=1)
    found = compare(tmp_path / "a", tmp_path / "b", submissions=shelf)
    one = found.test(*PRIMARY)
    assert one is not None
    assert (found.dataset, found.scheme, exact.dataset) == ("own-data", "none", "own-data")
    assert (one.n, one.p, one.exact) == (6, 2 / 64, True)  # better on all six: 2 of 2**6 sign vectors are as extreme
    assert one.verdict == "first better"


def test_one_common_case_gives_numbers_but_no_test(tmp_path: Path, shelf: Path) -> None:
    case = cases_of(SEG)[0]
    runs = [
        write_run(tmp_path / name, SEG, {case: value}, status="partial") for name, value in (("a", 0.2), ("b", 0.6))
    ]
    found = compare(*runs, submissions=shelf, draws=99)
    one = found.test(*PRIMARY)
    assert one is not None
    assert (one.n, one.p, one.verdict) == (1, 1.0, "not separated")  # the two signs of one difference: p = 2/2
    assert one.difference == pytest.approx(-0.4)
    assert math.isnan(one.t_low)
    assert show_comparison(found)


def test_a_metric_that_is_nan_everywhere_is_blank(tmp_path: Path, shelf: Path) -> None:
    edit = {case: {"nsd_2mm": math.nan} for case in cases_of(SEG)}
    runs = [write_run(tmp_path / name, SEG, np.linspace(0, 1, 51), edit=edit) for name in "ab"]
    one = compare(*runs, submissions=shelf, draws=99).test("ich", "nsd_2mm")
    assert one is not None
    assert (one.n, one.verdict) == (0, "not separated")
    assert math.isnan(one.p)


def test_the_cases_with_the_largest_differences_are_named_both_ways(tmp_path: Path, shelf: Path) -> None:
    cases = cases_of(SEG)
    base = dict.fromkeys(cases, 0.5)
    a = write_run(tmp_path / "a", SEG, base)
    b = write_run(tmp_path / "b", SEG, base | {cases[3]: 0.1, cases[9]: 0.6, cases[5]: 0.8})
    found = compare(a, b, submissions=shelf, draws=99)
    assert [(one.case_id, round(one.first - one.second, 6)) for one in found.largest] == [
        (cases[3], 0.4),
        (cases[5], -0.3),
        (cases[9], -0.1),
    ]


@pytest.fixture
def found(tmp_path: Path, shelf: Path) -> Comparison:
    return compare(*pair(tmp_path, HSS), submissions=shelf, draws=999)


def test_a_comparison_fits_eighty_columns_and_names_every_test(found: Comparison) -> None:
    text = show_comparison(found)
    assert max(len(line) for line in text.splitlines()) <= 80
    for word in ("sign-flip", "Wilcoxon", "Welch", "BCa", "d_z", "rank-biserial", "MDD", "TOST", "999 sign vectors"):
        assert word in " ".join(text.split())
    assert [cohort for cohort in ("ich", "all", "healthy") if f"{cohort} (n = " in text] == ["ich", "all", "healthy"]


def test_every_format_holds_the_same_tests(found: Comparison) -> None:
    assert set(FORMATS) == {"table", "md", "latex", "csv", "json"}
    lines = list(csv.DictReader(io.StringIO(show_comparison(found, format="csv"))))
    loaded = json.loads(show_comparison(found, format="json"))
    assert len(lines) == len(loaded["tests"]) == len(found.tests)
    assert float(lines[0]["p"]) == loaded["tests"][0]["p"] == found.tests[0].p
    assert r"\toprule" in show_comparison(found, format="latex")
    with pytest.raises(UsageError, match="no format 'xlsx'"):
        show_comparison(found, format="xlsx")
