"""What are the mean, spread, quartiles and interval of every row of a metric: all rows together, for speed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from ich_bench.board.model import Floats, Standing
from ich_bench.statistics import bca_interval
from ich_bench.tables.describe import Stat, describe, share

T_FROM = 30  # volumes: below, the interval of a mean is BCa
SHARES = ("clean", "detected")  # 0 or 1 a volume: their interval is Wilson's


def standings(values: Floats, metric: str, seed_sd: Sequence[float], seed: Sequence[int]) -> list[Standing]:
    """Return each column of (cases, rows) in numbers, without ranks; `seed` starts the draws of a BCa interval.

    The interval of a mean is Student's from 30 volumes on, BCa below, Wilson's for a share. A mean that is infinite,
    or of one volume, has none.
    """
    return [_standing(stat, values[:, row], metric, seed) for row, stat in enumerate(stats(values, seed_sd))]


def stats(values: Floats, seed_sd: Sequence[float] = ()) -> list[Stat]:
    """Return `describe` of each column of (cases, rows); columns without gaps are taken together."""
    rows = values.shape[1]
    spread = list(seed_sd) or [np.nan] * rows
    known = values[~np.isnan(values).all(axis=1)] if rows else values
    whole: NDArray[np.bool_] = np.asarray(np.isfinite(known).all(axis=0) & (len(known) > 1))
    quick = _together(known[:, whole], [sd for sd, one in zip(spread, whole, strict=True) if one])
    return [next(quick) if one else describe(values[:, row], seed_sd=spread[row]) for row, one in enumerate(whole)]


def _together(known: Floats, spread: Sequence[float]) -> Iterator[Stat]:
    if not known.size:
        return
    quartiles = np.quantile(known, [0.25, 0.5, 0.75], axis=0).tolist()
    parts = (known.mean(axis=0).tolist(), known.std(axis=0, ddof=1).tolist(), *quartiles, spread)
    for mean, sd, q1, median, q3, seed_sd in zip(*parts, strict=True):
        yield Stat(n=len(known), mean=mean, sd=sd, median=median, q1=q1, q3=q3, seed_sd=seed_sd)


def _standing(stat: Stat, values: Floats, metric: str, seed: Sequence[int]) -> Standing:
    if metric in SHARES and stat.n:
        found = share(values)
        return Standing(stat=stat, low=found.low, high=found.high, interval="wilson")
    if stat.n < 2 or not np.isfinite(stat.sd):
        return Standing(stat=stat)
    if stat.n >= T_FROM:
        half = float(_quantile_of_t(stat.n)) * stat.sd / float(np.sqrt(stat.n))
        return Standing(stat=stat, low=stat.mean - half, high=stat.mean + half, interval="t")
    bounds = bca_interval(values, rng=np.random.default_rng([*seed, 3]), resamples=2000)
    return Standing(stat=stat, low=bounds.low, high=bounds.high, interval="bca")


_T: dict[int, float] = {}


def _quantile_of_t(n: int) -> float:
    if n not in _T:
        _T[n] = float(student.ppf(0.975, n - 1))
    return _T[n]
