"""Do two rankings agree, and how often would each method come first on other volumes."""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import ArrayLike

from ich_bench.statistics.samples import Values, complete
from ich_bench.statistics.signs import fixed_point

RESAMPLES = 2_000


def kendall_tau_b(first: ArrayLike, second: ArrayLike) -> float:
    """Return Kendall's tau-b of two rankings of the same methods: −1 to 1, ties counted.

    Both are (methods,); a method that is NaN in either is left out. NaN for fewer than two methods or where one of the
    rankings is one single tie.

    Source: Kendall, Biometrika 33 (1945) 239-251; `scipy.stats.kendalltau(variant="b")`.
    """
    from scipy import stats

    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"two rankings of the same methods expected; these have the shapes {a.shape} and {b.shape}")
    known = ~(np.isnan(a) | np.isnan(b))
    if known.sum() < 2:
        return math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(stats.kendalltau(a[known], b[known], variant="b").statistic)


def p_rank_one(
    scores: ArrayLike, *, rng: np.random.Generator, higher_is_better: bool = True, resamples: int = RESAMPLES
) -> Values:
    """Return per method the share of bootstrap resamples of the volumes in which its mean is the best.

    `scores` is (cases × methods); the result is (methods,) and sums to 1. Methods that tie for the best share that
    resample. A method without a finite value on a case where another has one gets NaN. A description of these volumes,
    not a test: under ties it is far surer than it should be, see docs/statistics.md.
    """
    table, finite, _ = complete(scores)
    result = np.full(table.shape[1], np.nan)
    if not finite.any():
        return result
    whole = fixed_point(table[:, finite]) * (1 if higher_is_better else -1)
    drawn = rng.multinomial(len(whole), np.full(len(whole), 1 / len(whole)), size=resamples)
    shares = np.zeros(whole.shape[1])
    for block in np.array_split(drawn, max(1, resamples * whole.shape[1] // 2**22)):
        sums = block.astype(np.float64) @ whole
        best = sums == sums.max(axis=1, keepdims=True)
        shares += (best / best.sum(axis=1, keepdims=True)).sum(axis=0)
    result[finite] = shares / resamples
    return result
