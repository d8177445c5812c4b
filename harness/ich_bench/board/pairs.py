"""Which pairs of ranked methods differ, in one metric on one cohort, by every test that stands on the board."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, wilcoxon
from scipy.stats import t as student

from ich_bench.board.model import Floats, Pairs
from ich_bench.metrics.suite import COLUMNS
from ich_bench.statistics import holm, max_t, welch_matrix

HOLM_UP_TO = 30  # methods: beyond, its smallest p cannot reach 0.05 for long
DRAWS = 20_000
_BLOCK = 4_000_000  # floats of paired differences in work at once


def sign_of(metric: str) -> int:
    """Return 1 where higher is better, -1 where lower is; 0 for a description. `rvd` is judged by its size."""
    direction = (
        COLUMNS[metric].direction if metric in COLUMNS else "higher"
    )  # what is derived here: the more the better
    return {"higher": 1, "lower": -1, "zero": -1, "none": 0}[direction]


def judged(values: Floats, metric: str) -> Floats:
    """Return the values that decide who is better: |rvd| for rvd, else the metric itself."""
    return np.abs(values) if metric in COLUMNS and COLUMNS[metric].direction == "zero" else values


def pairwise(
    values: Floats,
    slugs: Sequence[str],
    *,
    cohort: str,
    metric: str,
    seed: Sequence[int],
    draws: int = DRAWS,
    with_wilcoxon: bool = True,
) -> Pairs:
    """Return the tests of every pair of columns of (cases, methods), the cases in their fixed order.

    The sign vectors come from `numpy.random.default_rng(seed)`, so that the same cases give the same draws for every
    metric and whoever else is on the board.
    """
    taken = judged(values, metric)
    tested = max_t(taken, rng=np.random.default_rng(list(seed)), draws=draws)
    known = taken[~np.isnan(taken).all(axis=1)] if len(slugs) else taken
    sd = _sd_of_differences(known)
    n = len(known)
    with np.errstate(invalid="ignore", divide="ignore"):
        half = student.ppf(0.975, n - 1) * sd / np.sqrt(n) if n > 1 else np.full_like(sd, np.nan)
        d_z = np.where(sd > 0, tested.mean_difference / sd, np.nan)
        mdd = (norm.ppf(0.975) + norm.ppf(0.80)) * sd / np.sqrt(max(n, 1))
    arrays: dict[str, Floats | None] = {
        "difference": tested.mean_difference,
        "low": tested.mean_difference - half,
        "high": tested.mean_difference + half,
        "welch_p": welch_matrix(taken).p,
        "p": tested.p_raw,
        "p_max_t": tested.p_adjusted,
        "p_holm": _holm(tested.p_raw) if len(slugs) <= HOLM_UP_TO else None,
        "wilcoxon_p": _wilcoxon(known) if with_wilcoxon else None,
        "d_z": d_z,
        "mdd": mdd,
    }
    for array in arrays.values():
        if array is not None:
            array.setflags(write=False)
    return Pairs(
        cohort=cohort,
        metric=metric,
        slugs=tuple(slugs),
        n=n,
        sign=sign_of(metric),
        draws=tested.draws,
        exact=tested.exact,
        **arrays,  # type: ignore[arg-type]
    )


def _sd_of_differences(known: Floats) -> Floats:
    """Return the sample SD of the paired differences of every two columns; NaN below two cases."""
    count = known.shape[1]
    sd = np.full((count, count), np.nan)
    if len(known) > 1:
        for one in range(count):
            with np.errstate(invalid="ignore"):
                sd[one] = (known - known[:, [one]]).std(axis=0, ddof=1)
    return sd


def _holm(p: Floats) -> Floats:
    upper = np.triu_indices(len(p), 1)
    adjusted = np.where(np.isnan(p), np.nan, 1.0)
    adjusted[upper] = holm(p[upper])
    adjusted.T[upper] = adjusted[upper]
    return adjusted


def _wilcoxon(known: Floats) -> Floats:
    """Return Wilcoxon's signed-rank p of every pair (zeros split, normal approximation), as `statistics.wilcoxon`."""
    count = known.shape[1]
    p = np.full((count, count), np.nan)
    left, right = np.triu_indices(count, 1)
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(known).all(axis=0) & bool(len(known)))
    np.fill_diagonal(p, np.where(finite, 1.0, np.nan))
    usable = finite[left] & finite[right]
    left, right = left[usable], right[usable]
    step = max(1, _BLOCK // max(1, len(known)))
    for start in range(0, len(left), step):
        one, other = left[start : start + step], right[start : start + step]
        differences = np.round(known[:, one] - known[:, other], 12)
        some = differences.any(axis=0)
        found = np.ones(len(one))
        if some.any():
            found[some] = wilcoxon(
                differences[:, some], zero_method="zsplit", method="approx", correction=False, axis=0
            ).pvalue
        p[one, other] = p[other, one] = found
    return p
