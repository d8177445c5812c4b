"""How does a CT become a small stack of numbers in [0, 1], and how does a stack of masks come back?

A CT of any size is brought to (side, side, depth) by linear interpolation, as Qayyum 2023, Sec. 2.4 does; rows, columns
and slices run as everywhere here (`orient`). The stacks of a dataset lie in a cache like that of the slices, as real
numbers: 8 bits over the whole Hounsfield scale would leave steps of 20 HU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ich_bench.cases import Case, Dataset
from ich_bench.errors import VolumeError
from ich_bench.geometry import Geometry
from ich_bench.volume import CT, open_mask, read_ct
from ich_bench_baselines.data.orient import from_slices, in_slices, orientation_of, spacing_in_slices
from ich_bench_baselines.data.pixels import Mask, Window
from ich_bench_baselines.data.slice_build import Chunk, Made, Plan
from ich_bench_baselines.data.slice_cases import mask_of, plan
from ich_bench_baselines.data.slices import key_of

Intensity = Literal["minmax", "window"]
INTENSITIES: tuple[Intensity, ...] = ("minmax", "window")
Floats = npt.NDArray[np.float32]
Shape = tuple[int, int, int]
UNIT = Window(low_hu=0, high_hu=1)  # what lies in the cache is in [0, 1] already
_PIXEL_BYTES = 5  # an image in four, a mask in one


def linear(volume: npt.NDArray[Any], shape: Shape) -> Floats:
    """Return an array brought to another shape by linear interpolation along each axis, without smoothing: float32.

    Output i of m along an axis of n lies at (i + 0.5) · n / m - 0.5; beyond the outermost centres the border goes on.
    The axis that shrinks most comes first.
    """
    found: Floats = volume.astype(np.float32)
    for axis in sorted(range(3), key=lambda one: shape[one] / volume.shape[one]):
        count = found.shape[axis]
        at = np.clip((np.arange(shape[axis]) + 0.5) * count / shape[axis] - 0.5, 0, count - 1)
        low = np.floor(at).astype(np.intp)
        above = (at - low).astype(np.float32).reshape([-1 if one == axis else 1 for one in range(3)])
        high = np.minimum(low + 1, count - 1)
        found = found.take(low, axis) * (1 - above) + found.take(high, axis) * above
    return found


def normalised(hu: npt.NDArray[Any], intensity: Intensity, window: Window) -> Floats:
    """Return HU as float32 in [0, 1].

    `minmax`: from the volume's least to its greatest value, the scanner's padding and metal included; a constant volume
    is 0. `window`: from one end of the window to the other, cut off there. What is not a number is the least value.
    """
    values = hu.astype(np.float32)
    finite = np.isfinite(values)
    if intensity == "window":
        low, high = np.float32(window.low_hu), np.float32(window.high_hu)
    else:
        known = values[finite]
        low, high = (known.min(), known.max()) if known.size else (np.float32(0), np.float32(0))
    if low == high:
        return np.zeros(values.shape, np.float32)
    scaled: Floats = np.clip((np.where(finite, values, low) - low) / (high - low), 0, 1)
    return scaled


def stack_of(ct: CT, shape: Shape, intensity: Intensity, window: Window) -> Floats:
    """Return a CT as (slices, rows, columns) of this (rows, columns, slices), in [0, 1]."""
    small = linear(normalised(in_slices(ct.hu, ct.geometry), intensity, window), shape)
    return np.ascontiguousarray(np.moveaxis(small, 2, 0))


def mask_stack(mask: Mask, geometry: Geometry, shape: Shape) -> npt.NDArray[np.uint8]:
    """Return a native mask as (slices, rows, columns): 1 where at least half of what is interpolated is hemorrhage."""
    small = linear(in_slices(mask, geometry), shape)
    return np.ascontiguousarray(np.moveaxis(small >= 0.5, 2, 0).astype(np.uint8))


def native_stack(masks: npt.NDArray[Any], geometry: Geometry) -> Mask:
    """Return the mask (x, y, z) on the CT's own grid of a stack (slices, rows, columns), by linear interpolation.

    Hemorrhage where at least half of what is interpolated is.
    """
    way = orientation_of(geometry)
    large = linear(np.moveaxis(masks, 0, 2), way.shape(geometry.shape))
    return np.ascontiguousarray(from_slices(large >= 0.5, way))


def plan_volumes(dataset: Dataset, *, shape: Shape, intensity: Intensity, window: Window) -> Plan:
    """Return what the cache of a dataset's stacks will hold; its key is that of the bytes of all its files.

    `shape` is (side, side, depth); arguments else as in `stack_of`.
    """
    flat = plan(dataset, side=shape[0])
    how = {"stack": list(shape), "intensity": intensity, "window": window.ends_hu if intensity == "window" else None}
    return replace(
        flat,
        key=key_of({"slices": flat.key, **how}),
        window=UNIT,
        kinds=("images", "masks"),
        chunks=tuple(
            Chunk(name=case.case_id, make=made, given=(case, shape, intensity, window)) for case in dataset.cases
        ),
        count=lambda: len(dataset.cases) * shape[2],
        finish=lambda rows: (),
        pixel_bytes=_PIXEL_BYTES,
    )


def made(case: Case, shape: Shape, intensity: Intensity, window: Window) -> Made:
    """Return the stack of one case; VolumeError where a file cannot be read."""
    if case.ct is None:
        raise VolumeError("has no CT.", "Only a dataset with CTs can be trained or predicted on.")
    ct = read_ct(case.ct)
    masks = mask_stack(mask_of(case.reference, ct.geometry.shape, "mask"), ct.geometry, shape)
    rows, columns, count = orientation_of(ct.geometry).shape(ct.geometry.shape)
    spacing: Mapping[str, float] = dict(zip(("row", "column", "slice"), spacing_in_slices(ct.geometry), strict=True))
    lines = [
        {
            "slice_id": f"{case.case_id}/{place}",
            "case_id": case.case_id,
            "patient_id": case.patient_id,
            "k": place,
            "place": place,
            "has_ich": bool(masks[place].any()),
            "rows": rows,
            "columns": columns,
            **{f"spacing_{name}_mm": mm for name, mm in spacing.items()},
            "position_mm": (place + 0.5) * count / shape[2] * spacing["slice"],
        }
        for place in range(shape[2])
    ]
    return Made(arrays={"images": stack_of(ct, shape, intensity, window), "masks": masks}, rows=lines)


def drawn_slices(case: Case) -> int:
    """Return on how many of a case's own slices hemorrhage is drawn."""
    if case.reference is None:
        return 0
    drawn = open_mask(case.reference, trusted=True)
    through = orientation_of(drawn.geometry).axes[2]
    return int(drawn.voxels().any(axis=tuple(axis for axis in range(3) if axis != through)).sum())
