"""How large is a difference, is it small enough to count as none, and what difference could have been seen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ich_bench.statistics.samples import Status, Values, sample, slack


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """Two one-sided tests of |mean difference| < `margin`.

    `p` is the larger of `p_lower` (the mean is not at or below −margin) and `p_upper` (not at or above +margin);
    `smallest_margin` is the one that two equal methods would reach with 80 % power: below it nothing can be shown.
    """

    p: float
    p_lower: float
    p_upper: float
    margin: float
    smallest_margin: float
    n: int
    status: Status

    @property
    def testable(self) -> bool:
        """Whether equal methods would be shown equal within this margin in 80 % of such samples."""
        return self.smallest_margin <= self.margin


def cohens_dz(differences: ArrayLike) -> float:
    """Return the mean paired difference over its sample standard deviation.

    NaN for fewer than two values, an infinite one, or differences that do not vary: the ratio is undefined there.

    Source: Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), section 2.3.5.
    """
    known, status = sample(differences)
    return float(known.mean() / known.std(ddof=1)) if status == Status.OK else math.nan


def matched_rank_biserial(differences: ArrayLike) -> float:
    """Return the rank sum of positive differences minus that of negative ones, over the sum of all ranks: −1 to 1.

    As in `wilcoxon`, zeros are ranked and count for neither side, and differences are rounded to twelve decimals. All
    zero: 0. No value, or an infinite one: NaN.

    Source: King & Minium, Statistical Reasoning in Psychology and Education (2003); Kerby, Comprehensive Psychology 3
    (2014) 11.IT.3.1, the simple difference formula.
    """
    from scipy import stats

    known, status = sample(differences)
    if status in (Status.NO_VALUES, Status.NOT_FINITE):
        return math.nan
    rounded = np.round(known, 12)
    ranks = stats.rankdata(np.abs(rounded))
    return float((np.sign(rounded) * ranks).sum() / ranks.sum())


def tost(differences: ArrayLike, margin: float) -> Equivalence:
    """Return the two one-sided t-tests of equivalence within ± margin.

    `differences` is (cases,); NaN is left out; the margin has their unit (ValueError unless it is above 0), see
    `equivalence_margin`. Differences that do not vary: p = 0 inside the margin, else 1. Fewer than two values or an
    infinite one: NaN with a status.

    Source: Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987) 657-680.
    """
    from scipy import stats

    if not margin > 0:
        raise ValueError(f"an equivalence margin above 0 expected, not {margin}")
    known, status = sample(differences)
    lower = upper = smallest = math.nan
    if status == Status.OK:
        lower = float(stats.ttest_1samp(known, -margin, alternative="greater").pvalue)
        upper = float(stats.ttest_1samp(known, margin, alternative="less").pvalue)
        smallest = _margin_at_80_percent_power(known)
    elif status == Status.NO_SPREAD:
        middle = float(known.mean())
        lower, upper, smallest = float(middle <= -margin), float(middle >= margin), 0.0
    return Equivalence(
        p=max(lower, upper),
        p_lower=lower,
        p_upper=upper,
        margin=margin,
        smallest_margin=smallest,
        n=len(known),
        status=status,
    )


def minimal_detectable_difference(differences: ArrayLike, *, alpha: float = 0.05, power: float = 0.80) -> float:
    """Return the true mean difference that a two-sided test of this one pair finds with the given power.

    (z at 1 − alpha/2 + z at power) · SD / sqrt(n), in the unit of the differences; smaller ones are underpowered, not
    equal. For a family of m pairs, Holm's first step is alpha/m. Differences that do not vary: 0. Fewer than two
    values or an infinite one: NaN.
    """
    from scipy import stats

    known, status = sample(differences)
    if status not in (Status.OK, Status.NO_SPREAD):
        return math.nan
    factor = float(stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power))
    return factor * _sd(known) / math.sqrt(len(known))


def _margin_at_80_percent_power(known: Values) -> float:
    """Return (z.95 + z.90) · SD / sqrt(n): each of the two one-sided tests may fail in a tenth of the samples."""
    from scipy import stats

    factor = float(stats.norm.ppf(0.95) + stats.norm.ppf(0.90))
    return factor * _sd(known) / math.sqrt(len(known))


def _sd(known: Values) -> float:
    return 0.0 if np.ptp(known) <= slack(known) else float(known.std(ddof=1))
