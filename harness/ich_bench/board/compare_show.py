"""A comparison of two methods as text: the terminal, Markdown, LaTeX, CSV, JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ich_bench.board import wording as say
from ich_bench.board.comparison import Comparison, PairTest
from ich_bench.board.flat import plain, written
from ich_bench.board.model import COHORTS, PRIMARY
from ich_bench.board.sections import Section
from ich_bench.board.show import TEXTS, text
from ich_bench.errors import UsageError, did_you_mean
from ich_bench.escape import printable

FORMATS = (*TEXTS, "csv", "json")
_HEADER = (
    "dataset", "scheme", "profile", "suite", "first", "second", "cohort", "metric", "n", "mean_first", "mean_second",
    "difference", "t_low", "t_high", "bca_low", "bca_high", "p", "draws", "exact", "p_wilcoxon",
    "p_welch_independent_samples", "d_z", "rank_biserial", "share_first", "mdd", "tost_p", "tost_margin",
    "tost_smallest_margin", "verdict",
)  # fmt: skip


def show_comparison(found: Comparison, *, format: str = "table") -> str:
    """Return all tests of two methods as text; UsageError for an unknown format."""
    if format not in FORMATS:
        raise UsageError(f"there is no format {printable(format)!r}. {did_you_mean(format, FORMATS)}")
    if format == "json":
        return json.dumps(plain(found), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if format == "csv":
        return written(_HEADER, (_line(found, one) for one in found.tests))
    about = f"{found.dataset} · {found.scheme} · profile {found.profile} · suite {found.suite} · {found.cases} cases"
    heading = f"A {found.first} against B {found.second}\n{about}"
    return text(heading, list(_sections(found)), format)


def _sections(found: Comparison) -> Iterator[Section]:
    yield Section(title="", lines=tuple(verdicts(found)))
    for cohort in COHORTS:
        tests = [one for one in found.tests if one.cohort == cohort]
        if not tests:
            continue
        counts = sorted({one.n for one in tests})
        n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        yield Section(
            title=f"{cohort} (n = {n}): means, A minus B, 95 % t interval, sign-flip p",
            header=("metric", "A", "B", "A − B", "95 % (t)", "p"),
            rows=tuple(_means(one) for one in tests),
        )
        yield Section(
            title=f"{cohort}: beside it",
            header=("metric", "95 % (BCa)", "Wilc.", "Welch", "d_z", "r", "A %", "MDD"),
            rows=tuple(_beside(one) for one in tests),
        )
    yield Section(
        title="largest differences in dice",
        header=("case", "A", "B", "A − B"),
        rows=tuple(
            (
                one.case_id + ("" if one.has_ich else " (healthy)"),
                say.number(one.first),
                say.number(one.second),
                say.number(one.first - one.second, sign=True),
            )
            for one in found.largest
        ),
    )
    yield Section(title="", lines=tuple(_legend(found)))


def verdicts(found: Comparison) -> Iterator[tuple[str, str]]:
    """Yield what decides, in words: dice on `ich`, equivalence, power, the training runs behind it, notes."""
    one = found.test(*PRIMARY)
    if one is None:
        yield "dice on ich", "no volume with ICH: nothing decides"
    else:
        yield (
            "dice on ich",
            f"{_said(one)} (difference {say.number(one.difference, sign=True)}, p {_p(one.p)}, n = {one.n})",
        )
        if one.equivalence is not None:
            yield "equivalence", _equivalence(one)
        if one.verdict == "not separated":
            yield "power", f"a true difference of {say.number(one.mdd)} would be found in 80 % of such samples"
    runs = [f"{count} training run{'s' * (count > 1)}" for count in found.seeds]
    runs = [
        f"{told} (SD of means {say.number(sd)})" if count > 1 else told
        for told, count, sd in zip(runs, found.seeds, found.seed_sd, strict=True)
    ]
    yield "runs", f"A {runs[0]}, B {runs[1]}: the tests are about new volumes for these runs, not about training again"
    for note in found.notes:
        yield "note", note


def _said(one: PairTest) -> str:
    return {
        "first better": "A is better",
        "second better": "B is better",
        "equivalent": "equivalent",
        "not separated": "not separated, which is not the same as equal",
    }[one.verdict]


def _equivalence(one: PairTest) -> str:
    found = one.equivalence
    if found is None:
        return say.BLANK
    margin = f"±{say.number(found.margin)}"
    if found.p < 0.05:
        return f"within {margin} (TOST p {_p(found.p)})"
    if not found.testable:
        return (
            f"not testable here: with this spread and n no margin below {say.number(found.smallest_margin)} can be "
            f"shown in 80 % of samples (declared: {margin}; TOST p {_p(found.p)})"
        )
    return f"not shown within {margin} (TOST p {_p(found.p)})"


def _p(value: float) -> str:
    told = say.p_value(value)
    return told if told.startswith("<") else f"= {told}"


def _means(one: PairTest) -> tuple[str, ...]:
    return (
        one.metric,
        say.number(one.mean_first, one.metric),
        say.number(one.mean_second, one.metric),
        say.number(one.difference, one.metric, sign=True),
        say.interval(one.t_low, one.t_high, one.metric, sign=True),
        say.p_value(one.p),
    )


def _beside(one: PairTest) -> tuple[str, ...]:
    return (
        one.metric,
        say.interval(one.bca_low, one.bca_high, one.metric, sign=True),
        say.p_value(one.wilcoxon_p),
        say.p_value(one.welch_p),
        say.number(one.d_z, "hd95") if one.d_z != one.d_z else f"{one.d_z:+.2f}",
        say.number(one.rank_biserial, "hd95")
        if one.rank_biserial != one.rank_biserial
        else f"{one.rank_biserial:+.2f}",
        say.percent(one.share_first),
        say.number(one.mdd, one.metric),
    )


def _legend(found: Comparison) -> Iterator[tuple[str, str]]:
    draws = {(one.draws, one.exact) for one in found.tests if one.draws}
    told = ", ".join(f"{count:,} sign vectors{' (all there are)' if exact else ''}" for count, exact in sorted(draws))
    yield "p", f"paired sign-flip test of the mean difference, {told}; for this pair alone, not corrected for others"
    yield (
        "beside",
        (
            "BCa: bootstrap interval. Wilc.: Wilcoxon's signed ranks. Welch: treats the volumes as independent "
            "samples, as the papers do. d_z: difference over its SD. r: matched rank-biserial. A %: share of "
            "cases in which A is better, ties half. MDD: minimal detectable difference (80 % power). rvd is compared "
            "by its size."
        ),
    )


def _line(found: Comparison, one: PairTest) -> Sequence[Any]:
    about = [found.dataset, found.scheme, found.profile, found.suite, found.first, found.second]
    tost = one.equivalence
    return [
        *about, one.cohort, one.metric, one.n, one.mean_first, one.mean_second, one.difference, one.t_low, one.t_high,
        one.bca_low, one.bca_high, one.p, one.draws, one.exact, one.wilcoxon_p, one.welch_p, one.d_z,
        one.rank_biserial, one.share_first, one.mdd,
        *((tost.p, tost.margin, tost.smallest_margin) if tost else (None, None, None)), one.verdict,
    ]  # fmt: skip
