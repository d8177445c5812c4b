"""Which values enter a test: undefined ones left out, near-equal ones called equal."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]

SLACK = 1e-12  # two statistics closer than this are equal: sums of doubles in another order differ by less


class Status(StrEnum):
    """Why a number is there, or is NaN."""

    OK = "ok"
    NO_VALUES = "no values"  # the metric is undefined on every case
    ONE_VALUE = "one value"  # there is no spread to measure
    NO_SPREAD = "no spread"  # all values are the same: an interval is a point, a ratio to the spread is undefined
    NOT_FINITE = "not finite"  # an infinite value, or none where another method has one


def sample(values: ArrayLike) -> tuple[Values, Status]:
    """Return the values that are not NaN as a line of floats, and what can be done with them.

    ValueError where `values` is not one-dimensional.
    """
    known = np.asarray(values, dtype=np.float64)
    if known.ndim != 1:
        raise ValueError(f"one value a case expected, in one dimension; these have the shape {known.shape}")
    known = known[~np.isnan(known)]
    if not known.size:
        return known, Status.NO_VALUES
    if not np.isfinite(known).all():
        return known, Status.NOT_FINITE
    if known.size == 1:
        return known, Status.ONE_VALUE
    return known, Status.NO_SPREAD if is_constant(known) else Status.OK


def slack(values: Values) -> float:
    """Return the difference below which two statistics of these values are equal: 1e-12, more above a size of 1."""
    return SLACK * max(1.0, float(np.abs(values).max(initial=0.0)))


def is_constant(values: Values) -> bool:
    """Return whether all values are the same, but for rounding."""
    return bool(np.ptp(values) <= slack(values))


def paired_differences(a: ArrayLike, b: ArrayLike) -> Values:
    """Return a − b on the cases where the metric is defined.

    Both are (cases,), in the same order. Cases undefined (NaN) for both are left out. Where just one of the two lacks
    a value, the pair cannot be compared on the same cases: every difference comes back NaN, so that every test and
    interval of them is undefined too.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(
            f"two lines of the same cases expected; these have the shapes {first.shape} and {second.shape}"
        )
    defined = ~(np.isnan(first) & np.isnan(second))
    first, second = first[defined], second[defined]
    if np.isnan(first).any() or np.isnan(second).any():
        return np.full(first.shape, np.nan)
    with np.errstate(invalid="ignore"):
        return np.asarray(first - second)


def complete(scores: ArrayLike) -> tuple[Values, NDArray[np.bool_], tuple[Status, ...]]:
    """Return the cases where any method has a value, which methods are finite on all of them, and each one's status.

    `scores` is (cases × methods); ValueError where it has another number of dimensions.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"scores are (cases × methods); these have the shape {table.shape}")
    undefined = np.isnan(table)
    if table.shape[1]:
        table, undefined = table[~undefined.all(axis=1)], undefined[~undefined.all(axis=1)]
    never: NDArray[np.bool_] = np.asarray(np.all(undefined, axis=0))
    finite: NDArray[np.bool_] = np.asarray(np.all(np.isfinite(table), axis=0)) & ~never
    statuses = tuple(
        Status.OK if fine else Status.NO_VALUES if empty else Status.NOT_FINITE
        for fine, empty in zip(finite.tolist(), never.tolist(), strict=True)
    )
    return table, finite, statuses
