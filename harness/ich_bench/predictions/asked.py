"""Which folds and voxel values does a caller ask for: a number or several, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from numbers import Integral, Real
from typing import Any

from ich_bench.cases import Scheme
from ich_bench.errors import UsageError


def wanted_folds(scheme: Scheme, folds: Collection[int] | int | None) -> tuple[int, ...]:
    """Return the folds that are asked for, ascending (None: all); UsageError for none or an unknown one."""
    if folds is None:
        return scheme.folds
    asked = _several(folds)
    if not asked or not all(isinstance(one, Integral) and not isinstance(one, bool) for one in asked):
        raise UsageError(f"folds={folds!r}: one or several whole numbers were expected, such as [0, 1].")
    unknown = sorted(set(asked) - set(scheme.folds))
    if unknown:
        text = ", ".join(map(str, unknown))
        if scheme.name == "none":
            raise UsageError(
                f"there is no fold {text} in {scheme.dataset}: a folder of reference masks is one fold, 0."
            )
        known = ", ".join(map(str, scheme.folds))
        raise UsageError(f"there is no fold {text} in {scheme.name} of {scheme.dataset}. Known, from 0: {known}.")
    return tuple(sorted({int(one) for one in asked}))


def wanted_values(values: Collection[float] | float | None, option: str = "--labels") -> frozenset[float] | None:
    """Return the voxel values that count as hemorrhage (None: nothing was said); UsageError for what are none."""
    if values is None:
        return None
    asked = _several(values)
    numbers = [isinstance(one, Real) and not isinstance(one, bool) and math.isfinite(one) and one != 0 for one in asked]
    if not asked or not all(numbers):
        raise UsageError(
            f"{option} {values!r}: the values that count as hemorrhage were expected, one or several numbers, never 0."
        )
    return frozenset(float(one) for one in asked)


def _several(asked: Any) -> list[Any]:
    """Return what was asked for as a list, a single value as one of length 1; text is never taken for its letters."""
    return list(asked) if isinstance(asked, Iterable) and not isinstance(asked, str | bytes) else [asked]
