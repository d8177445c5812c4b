"""Do two groups of volumes differ in their mean, taken as independent samples: Welch's test, as the papers use it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ich_bench.statistics.samples import Status, Values, complete, is_constant, sample, slack


@dataclass(frozen=True, kw_only=True)
class Welch:
    """Welch's test of mean(a) = mean(b), two-sided; `t` is positive where a has the larger mean."""

    p: float
    t: float
    df: float
    n_a: int
    n_b: int
    status: Status


@dataclass(frozen=True, kw_only=True)
class WelchMatrix:
    """Welch's p-value of every pair: `p[i, j]` is symmetric with 1 on the diagonal, NaN where a method is undefined."""

    p: Values
    t: Values
    n: int
    status: tuple[Status, ...]


def welch(a: ArrayLike, b: ArrayLike) -> Welch:
    """Return Welch's two-sided t-test of two independent samples.

    Both are (cases,), of any lengths; NaN is left out. Pairing is ignored, as in the papers that this replicates: on
    the same volumes the test is far too cautious, see `sign_flip`. Two constant samples: p = 1 if equal, else 0. A
    sample of one value, none or an infinite one: NaN with a status.

    Source: Welch, Biometrika 34 (1947) 28-35; `scipy.stats.ttest_ind(equal_var=False)`.
    """
    (first, status_a), (second, status_b) = sample(a), sample(b)
    sizes = {"n_a": len(first), "n_b": len(second)}
    for reason in (Status.NO_VALUES, Status.NOT_FINITE, Status.ONE_VALUE):
        if reason in (status_a, status_b):
            return Welch(p=math.nan, t=math.nan, df=math.nan, status=reason, **sizes)
    if status_a == status_b == Status.NO_SPREAD:
        apart = float(first.mean() - second.mean())
        equal = abs(apart) <= slack(np.concatenate([first, second]))
        t = 0.0 if equal else math.copysign(math.inf, apart)
        return Welch(p=float(equal), t=t, df=math.nan, status=Status.NO_SPREAD, **sizes)
    matrix_t, matrix_p, df = _from_moments(
        np.array([first.mean(), second.mean()]),
        np.array([_variance(first), _variance(second)]),
        np.array([len(first), len(second)]),
    )
    return Welch(p=float(matrix_p[0, 1]), t=float(matrix_t[0, 1]), df=float(df[0, 1]), status=Status.OK, **sizes)


def welch_matrix(scores: ArrayLike) -> WelchMatrix:
    """Return Welch's test of every pair of methods; `scores` is (cases × methods).

    The same numbers as `welch` on each pair of columns. Cases undefined for all methods are left out; a method that
    lacks a finite value on one of the others has NaN in its row and column. Nothing is corrected for the number of
    pairs, since the papers do not.
    """
    table, finite, statuses = complete(scores)
    count, n = table.shape[1], len(table)
    p, t = np.full((count, count), np.nan), np.full((count, count), np.nan)
    if n > 1 and finite.any():
        known = table[:, finite]
        means = known.mean(axis=0)
        inside_t, inside_p, _ = _from_moments(
            means, np.array([_variance(column) for column in known.T]), np.full(known.shape[1], n)
        )
        np.fill_diagonal(inside_p, 1.0)
        np.fill_diagonal(inside_t, 0.0)
        p[np.ix_(finite, finite)], t[np.ix_(finite, finite)] = inside_p, inside_t
    if n == 1:
        statuses = tuple(Status.ONE_VALUE if status == Status.OK else status for status in statuses)
    return WelchMatrix(p=p, t=t, n=n, status=statuses)


def _variance(values: Values) -> float:
    return 0.0 if is_constant(values) else float(values.var(ddof=1))


def _from_moments(means: Values, variances: Values, n: NDArray[np.int64]) -> tuple[Values, Values, Values]:
    """Return t, p and degrees of freedom of every pair; two constant samples differ surely or not at all."""
    from scipy import stats

    apart = means[:, None] - means[None, :]
    squared = variances / n
    error = squared[:, None] + squared[None, :]
    constant = error == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        t = apart / np.sqrt(error)
        own = squared**2 / (n - 1)
        df = error**2 / (own[:, None] + own[None, :])
        p = 2 * stats.t.sf(np.abs(t), df)
    limit = np.maximum(1.0, np.maximum(np.abs(means)[:, None], np.abs(means)[None, :])) * 1e-12
    equal = np.abs(apart) <= limit
    t = np.where(constant, np.where(equal, 0.0, np.copysign(np.inf, apart)), t)
    p = np.where(constant, np.where(equal, 1.0, 0.0), p)
    return np.asarray(t), np.asarray(p), np.asarray(df)
