"""A claim is tested again on the rows that are there, and the verdict says what was and what was not shown."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ich_bench.errors import IchBenchError, UsageError
from ich_bench.submissions.claimed import Term, printed_difference, terms
from ich_bench.submissions.claims import VERDICTS, Claim, Part, Result, load_claims
from ich_bench.submissions.claims_show import FORMATS, show_claims
from ich_bench.submissions.load import from_run, load_submissions
from ich_bench.submissions.model import Submission
from ich_bench.submissions.reported import load_reported
from ich_bench.submissions.retest import claims_of, verdicts
from ich_bench.submissions.submit import submit
from submitted import manifest, run

SHELF = Path(__file__).parents[1] / "submissions"
CLAIMS = load_claims(SHELF)
Dice = Callable[[str, int], float]


def method(tmp_path: Path, baseline: str, dice: Dice, dataset: str = "seg-cq500", **options: Any) -> Submission:
    text = manifest(method=baseline, baseline=baseline, **options.pop("said", {}))
    return from_run(run(tmp_path / f"{baseline}-{len(options)}-{dataset}", dataset, dice=dice, text=text, **options))


def claim(test: str = "better", metric: str = "dice", first: str = "a", second: str = "b", **options: Any) -> Claim:
    part = Part(test=test, metric=metric, first=terms(first), second=terms(second))
    given = {"datasets": ("seg-cq500",), "cohort": "ich"} | options
    return Claim(id="mine", text="a > b", source="here", parts=(part,), **given)


def judged(tmp_path: Path, a: Dice, b: Dice, **options: Any) -> Result:
    rows = [method(tmp_path, "a", a), method(tmp_path, "b", b)]
    return verdicts([claim(**options)], rows, ())[0]


def wave(level: float, height: float) -> Dice:
    """Return a Dice that swings around a level from case to case: +height on even cases, -height on odd ones."""
    return lambda case_id, number: level + (height if number % 2 else -height)


def test_each_verdict_comes_from_the_case_it_is_for(tmp_path: Path) -> None:
    # a - b is 0.04 on every case: sign-flip p = 1/20001; with b ahead, the opposite.
    flat: Dice = lambda case_id, number: 0.5  # noqa: E731
    assert judged(tmp_path, lambda case_id, number: 0.54, flat).verdict == "replicated"
    assert judged(tmp_path, lambda case_id, number: 0.46, flat).verdict == "contradicted"
    # ±0.01 around 0: SD 0.01, detectable 2.80 · 0.01/√51 = 0.004, below the margin of 0.05: it would have been seen.
    assert judged(tmp_path, wave(0.5, 0.01), flat).verdict == "not replicated"
    # ±0.4 around 0: detectable 2.80 · 0.4/√51 = 0.157.
    assert judged(tmp_path, wave(0.5, 0.4), flat).verdict == "underpowered"
    assert judged(tmp_path, flat, flat).parts[0].p == 1.0


def test_equal_is_shown_by_equivalence_only(tmp_path: Path) -> None:
    flat: Dice = lambda case_id, number: 0.5  # noqa: E731
    assert judged(tmp_path, wave(0.51, 0.02), flat, test="same").verdict == "replicated"
    assert judged(tmp_path, wave(0.5, 0.4), flat, test="same").verdict == "underpowered"
    assert judged(tmp_path, wave(0.6, 0.02), flat, test="same").verdict == "contradicted"  # 0.1 is outside ± 0.05
    assert judged(tmp_path, wave(0.55, 0.02), flat, test="same").verdict == "not replicated"  # on the margin


def test_no_gain_needs_the_power_to_see_one(tmp_path: Path) -> None:
    flat: Dice = lambda case_id, number: 0.5  # noqa: E731
    found = judged(tmp_path, wave(0.5, 0.02), flat, test="no-gain", metric="recall")
    assert (found.verdict, found.parts[0].n) == ("replicated", 51)
    assert judged(tmp_path, wave(0.5, 0.4), flat, test="no-gain", metric="recall").verdict == "underpowered"
    assert judged(tmp_path, wave(0.6, 0.02), flat, test="no-gain", metric="recall").verdict == "contradicted"


def test_the_numbers_beside_a_verdict_are_those_of_the_cases(tmp_path: Path) -> None:
    part = judged(tmp_path, lambda case_id, number: 0.6, lambda case_id, number: 0.5).parts[0]
    # (2 · 600 + 1)/2001 - (2 · 500 + 1)/2001 = 200/2001 on every case
    assert part.difference == pytest.approx(200 / 2001)
    assert (part.low, part.high) == pytest.approx((200 / 2001, 200 / 2001))
    assert part.p == pytest.approx(1 / 20001)
    assert part.margin == 0.05


def test_a_method_that_is_not_there_is_named_and_nothing_is_tested(tmp_path: Path) -> None:
    (result,) = verdicts([claim(first="a@20")], [method(tmp_path, "b", lambda case_id, number: 0.5)], ())
    assert (result.verdict, result.missing) == ("no rows yet", ("a@20",))
    rows = [
        method(tmp_path, "a", lambda case_id, number: 0.5, status="partial"),
        method(tmp_path, "b", lambda case_id, number: 0.5, said={"checkpoint_selection": "test-fold"}, x=1),
    ]
    (result,) = verdicts([claim()], rows, ())
    assert result.missing == (
        "a (a-1-seg-cq500: partial: some folds or cases only)",
        "b (b-1-seg-cq500: checkpoint chosen on the test fold)",
    )


def test_rows_that_were_scored_against_other_references_are_not_compared(tmp_path: Path) -> None:
    rows = [
        method(tmp_path, "a", lambda case_id, number: 0.6),
        method(tmp_path, "b", lambda case_id, number: 0.5, dataset_sha256="9" * 64),
    ]
    (result,) = verdicts([claim()], rows, ())
    assert (result.verdict, result.missing) == ("no rows yet", ("scores of a, b against the same references",))


def test_a_method_cannot_leave_out_the_volumes_on_which_it_loses(tmp_path: Path) -> None:
    def lose(row: dict[str, Any]) -> None:
        if row["case_id"] == "CQ500-CT-10":
            row["dice"] = math.nan

    rows = [
        method(tmp_path, "a", lambda case_id, number: 0.6, change=lose),
        method(tmp_path, "b", lambda case_id, number: 0.5),
    ]
    (result,) = verdicts([claim()], rows, ())
    assert (result.verdict, result.missing) == ("no rows yet", ("a on every volume (dice is lacking on some)",))


def test_several_parts_share_holm_s_correction_and_the_worst_word_counts(tmp_path: Path) -> None:
    rows = [
        method(tmp_path, name, dice)
        for name, dice in {
            "a": lambda case_id, number: 0.60, "b": lambda case_id, number: 0.5, "c": lambda case_id, number: 0.7,
        }.items()
    ]  # fmt: skip
    two = claim()
    two = Claim(**{**vars(two), "parts": (*two.parts, *claim(second="c").parts)})
    (result,) = verdicts([two], rows, ())
    assert [part.verdict for part in result.parts] == ["replicated", "contradicted"]
    assert result.verdict == "contradicted"
    assert [part.p for part in result.parts] == pytest.approx([2 / 20001, 2 / 20001])  # Holm: the smaller doubled


def test_a_verdict_that_turns_on_one_odd_head_is_marked(tmp_path: Path) -> None:
    # 3 cases win 0.01 each; CQ500-CT-108 loses 0.5: without it the sign of the mean changes.
    def b(case_id: str, number: int) -> float:
        return 0.9 if case_id == "CQ500-CT-108" else 0.5 + 0.001 * (number % 3)

    (result,) = verdicts([claim()], [method(tmp_path, "a", lambda case_id, number: 0.51), method(tmp_path, "b", b)], ())
    assert result.verdict == "not replicated"
    assert (result.left_out, result.without) == ("CQ500-CT-108", "replicated")


def test_fractions_are_schemes_of_their_own_or_budgets(tmp_path: Path) -> None:
    rows = [
        method(tmp_path, name, dice, "hssayeni", scheme="lf50", x=fraction)
        for fraction, (name, dice) in enumerate(
            {"a": lambda case_id, number: 0.6, "b": lambda case_id, number: 0.5}.items()
        )
    ]
    wanted = claim(first="a@50", second="b@50", datasets=("hssayeni",))
    assert verdicts([wanted], rows, ())[0].verdict == "replicated"
    assert verdicts([claim(datasets=("hssayeni",))], rows, ())[0].missing == ("a", "b")  # not on the official folds

    def budget(made: dict[str, Any]) -> None:
        made["budget"] = "50-0"

    cut = [
        from_run(run(tmp_path / f"budget-{name}", dice=dice, change=budget, text=manifest(baseline=name, method=name)))
        for name, dice in {"a": lambda case_id, number: 0.6, "b": lambda case_id, number: 0.5}.items()
    ]
    there = claim(first="a@50", second="b@50", datasets=("seg-cq500",))
    assert verdicts([there], cut, ())[0].verdict == "replicated"
    assert verdicts([claim()], cut, ())[0].verdict == "no rows yet"


def test_gains_are_differences_of_differences_and_gains_of_two_datasets_are_compared(tmp_path: Path) -> None:
    gain = claim(first="a - b", second="c - d")
    rows = [
        method(tmp_path, name, lambda case_id, number, level=level: level)  # type: ignore[misc]
        for name, level in {"a": 0.7, "b": 0.5, "c": 0.6, "d": 0.5}.items()
    ]
    part = verdicts([gain], rows, ())[0].parts[0]
    assert part.difference == pytest.approx(200 / 2001)  # (0.7 - 0.5) - (0.6 - 0.5)
    across = claim(across=True, datasets=("hssayeni", "seg-cq500"))
    more = [
        method(tmp_path, "a", wave(0.7, 0.02), "hssayeni"), method(tmp_path, "b", wave(0.5, 0.01), "hssayeni"),
    ]  # fmt: skip
    fewer = [method(tmp_path, "a", wave(0.6, 0.02)), method(tmp_path, "b", wave(0.5, 0.01))]
    both = [from_run(one.folder) if one.scores[0].dataset == "hssayeni" else one for one in (*more, *fewer)]
    (result,) = verdicts([across], both, ())
    assert (result.verdict, result.parts[0].n) == ("replicated", 36 + 51)
    assert result.parts[0].difference == pytest.approx(0.1, abs=1e-3)
    assert verdicts([across], fewer, ())[0].missing == ("a on hssayeni", "b on hssayeni")


def test_submitted_rows_are_found_by_their_baseline_and_other_datasets_join_when_whole(tmp_path: Path) -> None:
    for name, level in (("a", 0.6), ("b", 0.5)):
        text = manifest(method=f"Ours, {name}", baseline=name)
        out = run(tmp_path / name, "instance2022", dice=lambda case_id, number, level=level: level, text=text)  # type: ignore[misc]
        submit([out], f"our-{name}", submissions=tmp_path / "subs")
    rows = load_submissions(tmp_path / "subs").submissions
    results = verdicts([claim()], rows, ())
    assert [(one.dataset, one.verdict) for one in results] == [
        ("seg-cq500", "no rows yet"), ("instance2022", "replicated"),
    ]  # fmt: skip
    assert verdicts([claim()], rows, (), dataset="instance2022")[0].parts[0].margin == 0.03
    with pytest.raises(UsageError, match="Did you mean"):
        verdicts([claim()], rows, (), dataset="instance")


def test_the_order_of_the_rows_changes_no_verdict(tmp_path: Path) -> None:
    rows = [method(tmp_path, "a", wave(0.53, 0.1)), method(tmp_path, "b", wave(0.5, 0.01))]
    rows.append(method(tmp_path, "c", wave(0.4, 0.1)))
    assert verdicts([claim()], rows, ())[0].parts == verdicts([claim()], rows[::-1], ())[0].parts


def test_the_papers_own_difference_stands_beside(tmp_path: Path) -> None:
    rows = load_reported(SHELF)
    # Spahr 2023, Table 3: 38.31 - 32.64 and 53.74 - 51.74; Wang 2020, Table 1: .44 - .31, and (.44-.31) - (.67-.61)
    first, second = terms("unet-ich-only-icm"), terms("unet-ich-only")
    assert printed_difference(first, second, "dice", "ich", "hssayeni", rows) == pytest.approx(0.0567)
    assert printed_difference(first, second, "dice", "ich", "seg-cq500", rows) == pytest.approx(0.02)
    first, second = terms("wang-semi-supervised@20"), terms("wang-supervised@20")
    assert printed_difference(first, second, "dice", "ich", "hssayeni", rows) == pytest.approx(0.13)
    first = terms("wang-semi-supervised@20 - wang-supervised@20")
    second = terms("wang-semi-supervised@80 - wang-supervised@80")
    assert printed_difference(first, second, "dice", "ich", "hssayeni", rows) == pytest.approx(0.07)
    assert printed_difference(terms("a"), terms("b"), "dice", "ich", "hssayeni", rows) is None
    assert printed_difference(terms("multilabel-ce"), terms("unet-mixed"), "recall", "ich", "hssayeni", rows) is None


def test_every_claim_names_methods_that_exist_and_has_no_rows_yet_on_an_empty_board() -> None:
    known = {row.method_id for row in load_reported(SHELF)} | {"qayyum-coarse", "nnunet-3d"}
    for one in CLAIMS:
        for part in one.parts:
            assert {term.method for term in (*part.first, *part.second)} <= known, one.id
    results = claims_of(SHELF, [])
    assert {one.verdict for one in results} == {"no rows yet"}
    assert {one.claim.id for one in results} == {one.id for one in CLAIMS}
    assert claims_of(SHELF / "absent", []) == results  # the claims that come with the software
    assert len({one.source.split()[0] for one in CLAIMS}) == 4  # all four papers


@pytest.mark.parametrize("format", FORMATS)
def test_claims_are_told_in_every_format(tmp_path: Path, format: str) -> None:
    rows = [method(tmp_path, "a", wave(0.53, 0.01)), method(tmp_path, "b", wave(0.5, 0.01))]
    text = show_claims(verdicts([claim(), claim(first="absent")], rows, ()), format)
    assert "replicated" in text
    assert "no rows yet" in text
    if format == "json":
        parts = json.loads(text)[1]["parts"]
        assert parts[0]["p"] is None
    if format == "csv":
        assert [line["verdict"] for line in csv.DictReader(io.StringIO(text))] == ["replicated", "no rows yet"]
    if format == "table":
        assert max(map(len, text.splitlines())) <= 80


def test_an_unknown_format_or_a_broken_claim_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean json"):
        show_claims((), "jsonn")
    assert terms("a@pool50") == (Term(method="a", percent=50, pool=True),)
    with pytest.raises(IchBenchError, match="is no method of a claim"):
        terms("a + b")
    (tmp_path / "reported").mkdir()
    path = tmp_path / "reported/claims.toml"
    with pytest.raises(IchBenchError, match="there are no claims"):
        load_claims(tmp_path)
    good = '[[claims]]\nid = "x"\ntext = "t"\nsource = "s"\ndatasets = ["hssayeni"]\ncohort = "ich"\n'
    good += 'parts = [{ test = "better", metric = "dice", first = "a", second = "b" }]\n'
    path.write_text(good)
    assert load_claims(tmp_path)[0].id == "x"
    for old, new in (("better", "best"), ('"dice"', '"dyce"'), ("hssayeni", "brats"), ('"ich"', '"sick"')):
        path.write_text(good.replace(old, new))
        with pytest.raises(IchBenchError, match="none of the known ones"):
            load_claims(tmp_path)
    path.write_text(good.replace("source", "sorce"))
    with pytest.raises(IchBenchError, match="Did you mean source"):
        load_claims(tmp_path)
    assert list(VERDICTS)[-1] == "replicated"
