"""Is one method better than another on the same volumes: tests of one pair."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ich_bench.statistics.samples import Status, sample
from ich_bench.statistics.signs import DRAWS, SignVectors, fixed_point


@dataclass(frozen=True, kw_only=True)
class SignFlip:
    """The sign-flip test of a mean difference of zero, two-sided; `draws` counts the sign vectors."""

    p: float
    mean_difference: float
    n: int
    draws: int
    exact: bool
    status: Status


@dataclass(frozen=True, kw_only=True)
class Wilcoxon:
    """Wilcoxon's signed-rank test, two-sided; `statistic` is the smaller of the two rank sums."""

    p: float
    statistic: float
    n: int
    status: Status


def sign_flip(differences: ArrayLike, *, rng: np.random.Generator, draws: int = DRAWS) -> SignFlip:
    """Return the paired sign-flip permutation test of the mean difference.

    `differences` is (cases,), a − b; NaN is left out. Up to 14 cases every sign vector is enumerated and p is the share
    with |T*| >= |T|; above, `draws` vectors are drawn and p = (b + 1) / (draws + 1). Statistics within 1e-12 are equal.
    All differences zero: p = 1. No value, or an infinite one: NaN with a status. The case order matters to the draws,
    so sort by case id first. With the same rng, `max_t` on the two methods gives the same p.

    Sources: Fisher, The Design of Experiments (1935), section 21; for (b + 1) / (m + 1) Phipson & Smyth, Statistical
    Applications in Genetics and Molecular Biology 9 (2010) 39.
    """
    known, status = sample(differences)
    n = len(known)
    if status in (Status.NO_VALUES, Status.NOT_FINITE):
        return SignFlip(p=math.nan, mean_difference=math.nan, n=n, draws=0, exact=False, status=status)
    signs = SignVectors.draw(n, rng=rng, draws=draws)
    whole = fixed_point(known[:, None])[:, 0]
    total, norm = abs(float(whole.sum())), math.sqrt(float(np.square(whole).sum()))
    hits = sum(int(np.count_nonzero(np.abs(block @ whole) >= total - 1e-12 * norm)) for block in signs.blocks(values=n))
    return SignFlip(
        p=float(signs.p_values(np.array([hits]))[0]),
        mean_difference=float(known.mean()),
        n=n,
        draws=signs.count,
        exact=signs.exact,
        status=Status.OK,
    )


def wilcoxon(differences: ArrayLike) -> Wilcoxon:
    """Return Wilcoxon's signed-rank test of symmetry about zero, by the normal approximation.

    `differences` is (cases,), a − b; NaN is left out. The ranks of zero differences are split between both sides
    (scipy's "zsplit"). Differences are rounded to twelve decimals first, so that those that print alike tie. All zero:
    p = 1. No value, or an infinite one: NaN with a status.

    Source: Wilcoxon, Biometrics Bulletin 1 (1945) 80-83; zeros ranked with the others: Pratt, JASA 54 (1959) 655-667.
    """
    from scipy import stats

    known, status = sample(differences)
    if status in (Status.NO_VALUES, Status.NOT_FINITE):
        return Wilcoxon(p=math.nan, statistic=math.nan, n=len(known), status=status)
    result = stats.wilcoxon(np.round(known, 12), zero_method="zsplit", method="approx", correction=False)
    return Wilcoxon(p=float(result.pvalue), statistic=float(result.statistic), n=len(known), status=Status.OK)
