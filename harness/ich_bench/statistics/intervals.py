"""Within which bounds does a mean or a share lie: t, BCa and Wilson intervals."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ich_bench.statistics.samples import Status, sample

RESAMPLES = 9_999
_Z_95 = 1.959963984540054  # the quantile of 0.975, so that a summary needs no SciPy


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A confidence interval at `level` from `n` values; NaN where the status is not OK or NO_SPREAD."""

    low: float
    high: float
    level: float
    n: int
    status: Status


def t_interval(values: ArrayLike, *, level: float = 0.95) -> Interval:
    """Return Student's t interval of the mean.

    `values` is (cases,), scores or paired differences; NaN is left out. One value, none or an infinite one: NaN with
    a status. Values all equal: that point.
    """
    from scipy import stats

    known, status = sample(values)
    if status != Status.OK:
        return _without_spread(float(known[0]) if known.size else math.nan, len(known), level, status)
    half = float(stats.t.ppf((1 + level) / 2, len(known) - 1) * stats.sem(known))
    middle = float(known.mean())
    return Interval(low=middle - half, high=middle + half, level=level, n=len(known), status=Status.OK)


def bca_interval(
    values: ArrayLike,
    *,
    rng: np.random.Generator,
    statistic: Callable[..., object] = np.mean,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> Interval:
    """Return the bias-corrected and accelerated bootstrap interval of a statistic, the mean unless told.

    `values` is (cases,); NaN is left out. It covers too seldom in small samples, so `t_interval` stands beside it. One
    value, none or an infinite one: NaN with a status. Values all equal: that point. A statistic that does not vary
    over the resamples: NaN with NO_SPREAD.

    Source: Efron, JASA 82 (1987) 171-185; `scipy.stats.bootstrap(method="BCa")`.
    """
    from scipy import stats

    known, status = sample(values)
    if status != Status.OK:
        middle = float(np.asarray(statistic(known), dtype=np.float64)) if known.size else math.nan
        return _without_spread(middle, len(known), level, status)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns of what the NaN below says
        result = stats.bootstrap(
            (known,),
            statistic,
            n_resamples=resamples,
            confidence_level=level,
            method="BCa",
            random_state=rng,
            batch=max(1, 2**22 // len(known)),
        )
    low, high = (float(bound) for bound in result.confidence_interval)
    fine = Status.OK if math.isfinite(low) and math.isfinite(high) else Status.NO_SPREAD
    return Interval(low=low, high=high, level=level, n=len(known), status=fine)


def wilson(count: float, n: int, *, level: float = 0.95) -> Interval:
    """Return Wilson's interval of a share of `count` in `n`.

    `count` may be a fraction where training runs disagree on a volume; scipy's `binomtest(count, n).proportion_ci(
    method="wilson")` gives the same for whole counts, and takes no others. n = 0: NaN with a status. ValueError where
    the count is not within 0 and n.

    Source: Wilson, JASA 22 (1927) 209-212.
    """
    if not 0 <= count <= n:
        raise ValueError(f"a count within 0 and {n} expected, not {count}")
    if n == 0:
        return Interval(low=math.nan, high=math.nan, level=level, n=0, status=Status.NO_VALUES)
    p, z = count / n, _Z_95 if level == 0.95 else _normal_quantile((1 + level) / 2)
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if p == 0 else max(0.0, middle - half)
    high = 1.0 if p == 1 else min(1.0, middle + half)
    return Interval(low=low, high=high, level=level, n=n, status=Status.OK)


def _normal_quantile(share: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(share))


def _without_spread(middle: float, n: int, level: float, status: Status) -> Interval:
    bound = middle if status == Status.NO_SPREAD else math.nan
    return Interval(low=bound, high=bound, level=level, n=n, status=status)
