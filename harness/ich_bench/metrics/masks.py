"""Which arrays are masks, and which part of them matters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ich_bench.errors import VolumeError

Mask = npt.NDArray[np.bool_]
Box = tuple[slice, slice, slice]


def as_mask(array: Any, name: str) -> Mask:
    """Return a 3-D array of 0/1 or 0/255 (any integer, float or bool type, within 1e-6 relative) as bool.

    Raises:
        VolumeError: not three-dimensional, no voxels, not numbers, NaN, or any other value (a soft map, say).
    """
    try:
        values = np.asarray(array)
    except (TypeError, ValueError) as fault:  # a tensor on a GPU, a ragged list
        raise VolumeError(f"the {name} cannot be read as an array: {fault}") from fault
    if values.ndim != 3:
        raise VolumeError(
            f"the {name} has {values.ndim} axes (shape {values.shape}); expected 3: (x, y, z).",
            "Score one volume at a time, without batch and channel axes.",
        )
    if values.size == 0:
        raise VolumeError(f"the {name} holds no voxels: its shape is {values.shape}.")
    if values.dtype == np.bool_:
        return values
    if values.dtype.kind not in "uif":
        raise VolumeError(f"the {name} has values of type {values.dtype}; expected bool, or the numbers 0 and 1.")
    mask: Mask = values != 0
    if not mask.any():
        return mask
    found = values[mask]
    if np.isnan(found).any():
        raise VolumeError(f"the {name} holds NaN in {int(np.isnan(found).sum())} voxels; expected 0 and 1.")
    if not any(np.allclose(found, one, rtol=1e-6, atol=0.0) for one in (1.0, 255.0)):
        shown = ", ".join(f"{value:g}" for value in np.unique(found[found != 1][:1000])[:5])
        raise VolumeError(
            f"the {name} holds values other than 0 and 1 (or 0 and 255), such as {shown}.",
            "Threshold a soft map, for example with `probability >= 0.5`; choose the labels that count as hemorrhage.",
        )
    return mask


def as_pair(reference: Any, prediction: Any) -> tuple[Mask, Mask]:
    """Return both masks as bool; VolumeError where they are no masks or differ in shape."""
    first, second = as_mask(reference, "reference"), as_mask(prediction, "prediction")
    if first.shape != second.shape:
        raise VolumeError(
            f"the reference has shape {first.shape}, the prediction {second.shape}; expected the same grid.",
            "Bring the prediction to the grid of the CT first.",
        )
    return first, second


def as_spacing(spacing_mm: Any) -> tuple[float, float, float]:
    """Return three spacings in mm, rounded to 6 decimals (float32 headers turn 0.6 into 0.60000002)."""
    try:
        spacing = [round(float(one), 6) for one in spacing_mm]
    except (TypeError, ValueError):
        spacing = []
    if len(spacing) != 3 or not all(math.isfinite(one) and one > 0 for one in spacing):
        raise VolumeError(f"the spacing is {spacing_mm!r}; expected three positive numbers in mm, in (x, y, z) order.")
    return spacing[0], spacing[1], spacing[2]


def union_box(reference: Mask, prediction: Mask) -> Box | None:
    """Return the smallest box that holds both masks, or None where both are empty."""
    boxes = [box for box in (_box(reference), _box(prediction)) if box is not None]
    if not boxes:
        return None
    spans = [slice(min(box[axis].start for box in boxes), max(box[axis].stop for box in boxes)) for axis in range(3)]
    return spans[0], spans[1], spans[2]


def dilated(mask: Mask, axes: Sequence[int] = (0, 1, 2)) -> Mask:
    """Return the mask grown by one voxel along the axes together: over all three, by its 26-neighbourhood."""
    grown = mask
    for axis in axes:
        before = np.moveaxis(grown, axis, 0)
        grown = grown.copy()
        after = np.moveaxis(grown, axis, 0)
        after[1:] |= before[:-1]
        after[:-1] |= before[1:]
    return grown


def on_square(mask: Mask, side: int) -> Mask:
    """Return the mask with `side` x `side` voxels a slice: row i is source row floor((i + 0.5) * n / side)."""
    rows, columns = ((2 * np.arange(side) + 1) * n // (2 * side) for n in mask.shape[:2])
    sampled: Mask = mask[rows][:, columns]
    return sampled


def _box(mask: Mask) -> Box | None:
    spans: list[slice] = []
    for axis in (2, 1, 0):  # the slices first: they are what lies together in a NIfTI array
        held = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        if held.size == 0:
            return None
        span = slice(int(held[0]), int(held[-1]) + 1)
        mask = mask[(slice(None),) * axis + (span,)]
        spans.insert(0, span)
    return spans[0], spans[1], spans[2]
