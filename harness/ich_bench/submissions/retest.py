"""Do the papers' claims hold on the rows of this board: each re-tested, with a verdict per dataset."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ich_bench import statistics as st
from ich_bench.datasets import DATASETS, card
from ich_bench.errors import UsageError, did_you_mean
from ich_bench.escape import printable
from ich_bench.metrics.suite import METRICS
from ich_bench.submissions.claimed import printed_difference
from ich_bench.submissions.claims import VERDICTS, Claim, Part, PartResult, Result, load_claims
from ich_bench.submissions.load import REPORTED, own_folder
from ich_bench.submissions.lookup import Absent, Looked, values_of
from ich_bench.submissions.model import ReportedRow, Submission
from ich_bench.submissions.reported import CLAIMS, load_reported

ALPHA = 0.05
_NEVER_COMPARED = ("phantom-mini",)  # drawn for the first two minutes, too easy to compare methods on


@dataclass(frozen=True, kw_only=True)
class _Tested:
    part: Part
    differences: NDArray[np.float64]
    other: NDArray[np.float64] | None = None  # the gains on the second dataset
    absent: tuple[str, ...] = ()


def verdicts(
    claims: Sequence[Claim],
    submissions: Sequence[Submission],
    rows: Sequence[ReportedRow],
    *,
    dataset: str | None = None,
) -> tuple[Result, ...]:
    """Return each claim's verdict on each dataset: those of its paper, and others that have all its rows.

    Draws depend on claim, dataset and part alone, so a verdict does not move when rows of other methods come.
    """
    if dataset is not None and dataset not in DATASETS:
        raise UsageError(f"there is no dataset {printable(dataset)!r}. {did_you_mean(dataset, DATASETS)}")
    look = Looked(submissions)
    found: list[Result] = []
    for claim in claims:
        if claim.across:
            if dataset in (None, *claim.datasets):
                found.append(_result(claim, claim.datasets[0], look, rows, other=claim.datasets[1]))
            continue
        others = [name for name in DATASETS if name not in claim.datasets and name not in _NEVER_COMPARED]
        for name in (*claim.datasets, *others):
            if dataset not in (None, name) or card(name).pool:
                continue
            result = _result(claim, name, look, rows)
            if name in claim.datasets or not result.missing:
                found.append(result)
    return tuple(found)


def _result(claim: Claim, dataset: str, look: Looked, rows: Sequence[ReportedRow], other: str | None = None) -> Result:
    from ich_bench.tables.summary import ODDITIES

    parts = _parts(claim, dataset, look, rows, other, leave_out="")
    odd = ODDITIES.get(dataset, ("", ""))[0]
    verdict = _overall(parts)
    without = ""
    if odd and verdict != "no rows yet":
        again = _overall(_parts(claim, dataset, look, rows, other, leave_out=odd))
        without = again if again != verdict else ""
    return Result(
        claim=claim,
        dataset=dataset if other is None else f"{dataset} against {other}",
        drawn=dataset.startswith("phantom"),
        verdict=verdict,
        parts=parts,
        left_out=odd if without else "",
        without=without,
    )


def _overall(parts: Sequence[PartResult]) -> str:
    return next(verdict for verdict in VERDICTS if any(part.verdict == verdict for part in parts))


def _parts(
    claim: Claim, dataset: str, look: Looked, rows: Sequence[ReportedRow], other: str | None, *, leave_out: str
) -> tuple[PartResult, ...]:
    tested = [_differences(claim, part, dataset, look, other, leave_out) for part in claim.parts]
    raw = [_p(one, f"{claim.id} {dataset} {number}") for number, one in enumerate(tested)]
    adjusted = st.holm(np.array(raw))
    margin = st.equivalence_margin(dataset)
    made = []
    for one, p in zip(tested, adjusted, strict=True):
        printed = printed_difference(one.part.first, one.part.second, one.part.metric, claim.cohort, dataset, rows)
        base = PartResult(part=one.part, verdict="no rows yet", margin=margin, printed=printed, missing=one.absent)
        made.append(base if one.absent else _judged(base, one, float(p)))
    return tuple(made)


def _differences(claim: Claim, part: Part, dataset: str, look: Looked, other: str | None, leave_out: str) -> _Tested:
    found, absent = [], []
    for name in (dataset, *([other] if other else [])):
        got = values_of(look, (*part.first, *part.second), part.metric, claim.cohort, name, leave_out=leave_out)
        if isinstance(got, Absent):
            absent += [f"{one} on {name}" if other else one for one in got.names]
            continue
        (first, *firsts), (second, *seconds) = got[: len(part.first)], got[len(part.first) :]
        found.append((first - sum(firsts)) - (second - sum(seconds)))
    if absent:
        return _Tested(part=part, differences=np.array([]), absent=tuple(absent))
    return _Tested(part=part, differences=found[0], other=found[1] if other else None)


def _p(one: _Tested, seed: str) -> float:
    if one.absent:
        return math.nan
    if one.other is not None:
        return st.welch(one.differences, one.other).p
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
    return st.sign_flip(one.differences, rng=np.random.default_rng(number)).p


def _judged(base: PartResult, one: _Tested, p: float) -> PartResult:
    """Return the numbers and the verdict of a part whose rows are there; the difference is in the metric's favour."""
    known = one.differences
    sign = -1 if METRICS[one.part.metric].direction == "lower" else 1
    interval = st.t_interval(known)
    facts = replace(
        base,
        n=interval.n,
        difference=float(np.nanmean(known)) if interval.n else math.nan,
        low=interval.low,
        high=interval.high,
        p=p,
        detectable=st.minimal_detectable_difference(known),
    )
    if one.other is not None:
        return _across(facts, known, one.other)
    gain, margin = sign * facts.difference, base.margin
    significant = p < ALPHA
    if one.part.test == "same":
        equal = st.tost(known, margin)
        outside = interval.low > margin or interval.high < -margin
        word = "not replicated" if equal.testable else "underpowered"
        word = "replicated" if equal.p < ALPHA else "contradicted" if significant and outside else word
        return replace(facts, p=equal.p, verdict=word)
    seen = abs(base.printed) if base.printed and sign * base.printed > 0 else margin
    enough = facts.detectable <= (seen if one.part.test == "better" else margin)
    if one.part.test == "no-gain":
        word = "replicated" if enough else "underpowered"
        return replace(facts, verdict="contradicted" if significant and gain > 0 else word)
    word = "not replicated" if enough else "underpowered"
    if significant:
        word = "replicated" if gain > 0 else "contradicted"
    return replace(facts, verdict=word)


def _across(facts: PartResult, first: NDArray[np.float64], second: NDArray[np.float64]) -> PartResult:
    """Return the verdict on gains of two datasets: the difference of the mean gains, by Welch's test."""
    first, second = first[~np.isnan(first)], second[~np.isnan(second)]
    difference = float(first.mean() - second.mean()) if first.size and second.size else math.nan
    error = math.sqrt(first.var(ddof=1) / first.size + second.var(ddof=1) / second.size) if min(
        first.size, second.size) > 1 else math.nan  # fmt: skip
    detectable = (1.959964 + 0.841621) * error  # z at 97.5 % and at 80 %
    word = "not replicated" if detectable <= facts.margin else "underpowered"
    if facts.p < ALPHA:
        word = "replicated" if difference > 0 else "contradicted"
    return replace(
        facts, n=first.size + second.size, difference=difference, low=difference - 1.959964 * error,
        high=difference + 1.959964 * error, detectable=detectable, verdict=word,
    )  # fmt: skip


def claims_of(folder: str | Path, submissions: Sequence[Submission], dataset: str | None = None) -> tuple[Result, ...]:
    """Return the verdicts on all claims of a folder, tested on these submissions.

    A folder of submissions without claims of its own is tested on those that come with the software.
    """
    home = Path(folder) if (Path(folder) / REPORTED / CLAIMS).is_file() else own_folder()
    return verdicts(load_claims(home), submissions, load_reported(home), dataset=dataset)
