"""One column of numbers in a few: n, mean, spread, quartiles, shares with their interval, agreement of two volumes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ich_bench.statistics import wilson

Column = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Stat:
    """A metric over the volumes in which it is defined; NaN where `n` is too small for the number.

    `sd` is the sample standard deviation over volumes (ddof = 1), `seed_sd` the one of the mean over training runs.
    """

    n: int
    mean: float
    sd: float
    median: float
    q1: float
    q3: float
    seed_sd: float = math.nan


@dataclass(frozen=True, kw_only=True)
class Share:
    """`count` of `n` with Wilson's 95 % interval; `count` is fractional where training runs disagree on a volume."""

    count: float
    n: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Predicted minus reference volume in mL: bias, 95 % limits of agreement, Lin's concordance correlation."""

    n: int
    bias_ml: float
    low_ml: float
    high_ml: float
    concordance: float


def describe(values: Column, seed_sd: float = math.nan) -> Stat:
    """Return n, mean, SD, median and quartiles of the values that are not NaN; a mean over inf is inf."""
    known = values[~np.isnan(values)]
    n = len(known)
    finite = bool(np.isfinite(known).all())
    return Stat(
        n=n,
        mean=float(known.mean()) if n else math.nan,
        sd=float(known.std(ddof=1)) if n > 1 and finite else math.nan,
        median=quantile(known, 0.5),
        q1=quantile(known, 0.25),
        q3=quantile(known, 0.75),
        seed_sd=seed_sd,
    )


def quantile(values: Column, q: float) -> float:
    """Return NumPy's linear quantile of values without NaN, NaN where there are none; inf is a value like any other.

    NumPy itself answers NaN when it interpolates towards inf by a weight of 0.
    """
    if not len(values):
        return math.nan
    if np.isfinite(values).all():
        return float(np.quantile(values, q))
    ordered = np.sort(values)
    place = q * (len(values) - 1)
    below, weight = math.floor(place), place - math.floor(place)
    if weight == 0 or ordered[below] == ordered[below + 1]:
        return float(ordered[below])
    return float(ordered[below] * (1 - weight) + ordered[below + 1] * weight)


def share(flags: Column) -> Share:
    """Return the share of the flags (0 to 1 each) that are set, with Wilson's 95 % interval; NaN flags do not count."""
    known = flags[~np.isnan(flags)]
    n, count = len(known), float(known.sum())
    bounds = wilson(count, n)
    return Share(count=count, n=n, share=count / n if n else math.nan, low=bounds.low, high=bounds.high)


def agreement(reference_ml: Column, predicted_ml: Column) -> Agreement:
    """Return how two columns of volumes agree where both are known; NaN where n is too small or nothing varies.

    Concordance is Lin 1989 with moments over n: 2·cov / (var + var + (difference of means)²).
    """
    known = ~(np.isnan(reference_ml) | np.isnan(predicted_ml))
    reference, predicted = reference_ml[known], predicted_ml[known]
    n = len(reference)
    if not n:
        return Agreement(n=0, bias_ml=math.nan, low_ml=math.nan, high_ml=math.nan, concordance=math.nan)
    difference = predicted - reference
    bias = float(difference.mean())
    spread = 1.96 * float(difference.std(ddof=1)) if n > 1 else math.nan
    apart = float(reference.var() + predicted.var()) + bias**2
    covariance = float(((reference - reference.mean()) * (predicted - predicted.mean())).mean())
    concordance = 2 * covariance / apart if n > 1 and apart > 0 else math.nan
    return Agreement(n=n, bias_ml=bias, low_ml=bias - spread, high_ml=bias + spread, concordance=concordance)
