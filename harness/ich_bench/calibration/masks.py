"""Which calibration rows are there, and what mask does each put on a head."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ich_bench.metrics.masks import on_square
from ich_bench.volume import CT

Mask = NDArray[np.bool_]

SMOOTH_MM, RIM_MM, OPEN_MM = 1.2, 2.4, 1.2  # in-plane: what the threshold smooths over, keeps off, and opens by
LEAST_ML = 0.1
SQUARE = 256


@dataclass(frozen=True, kw_only=True)
class Head:
    """What a row may look at: `ct` and `cavity` where it says that it needs them, and the reference (x, y, z)."""

    reference: Mask
    ct: CT | None = None
    cavity: Mask | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One calibration row: its name on the board, the kind of row, what it is in a sentence, and its mask of a head."""

    name: str
    kind: Literal["calibration", "ceiling"]
    about: str
    mask: Callable[[Head], Mask]
    needs_ct: bool = False


def bright_in_cavity(ct: CT, cavity: Mask) -> Mask:
    """Return what lies between 50 and 90 HU inside the cavity after smoothing, without specks: no training.

    Smoothed and opened in-plane by 1.2 mm, 2.4 mm off the edge of the cavity; parts below 0.1 mL are left out.
    """
    found = np.zeros(cavity.shape, dtype=np.bool_)
    across_mm = ct.geometry.spacing_mm[:2]
    sigma = (SMOOTH_MM / across_mm[0], SMOOTH_MM / across_mm[1], 0.0)
    box = _box(cavity, margin=math.ceil(4 * max(sigma)) + 1)  # the filter reaches four sigma: nothing outside counts
    smooth = ndimage.gaussian_filter(ct.hu[box].astype(np.float32), sigma=sigma, truncate=4.0)
    inner = ndimage.binary_erosion(cavity[box], _SQUARE, iterations=max(1, round(RIM_MM / min(across_mm))))
    bright = ndimage.binary_opening(
        (smooth > 50) & (smooth < 90) & inner, _PLUS, iterations=max(1, round(OPEN_MM / min(across_mm)))
    )
    labels, _ = ndimage.label(bright, structure=np.ones((3, 3, 3)))
    sizes_ml = np.bincount(labels.ravel(), minlength=1) * ct.geometry.voxel_volume_mm3 / 1000
    sizes_ml[0] = 0
    found[box] = (sizes_ml >= LEAST_ML)[labels]
    return found


def _box(mask: Mask, *, margin: int) -> tuple[slice, ...]:
    """Return the slices that hold all of a mask and so many voxels around it; empty ones where it is empty."""
    sides = [np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis))) for axis in range(3)]
    return tuple(slice(max(0, side[0] - margin), side[-1] + 1 + margin) if side.size else slice(0, 0) for side in sides)


def _empty(head: Head) -> Mask:
    return np.zeros_like(head.reference)


def _all_brain(head: Head) -> Mask:
    return _known(head)[1]


def _threshold(head: Head) -> Mask:
    return bright_in_cavity(*_known(head))


def _eroded(head: Head) -> Mask:
    return np.asarray(ndimage.binary_erosion(head.reference, _PLUS))


def _dilated(head: Head) -> Mask:
    return np.asarray(ndimage.binary_dilation(head.reference, _PLUS))


def _shifted(head: Head) -> Mask:
    moved = np.zeros_like(head.reference)
    moved[:, :, 1:] = head.reference[:, :, :-1]
    return moved


def _through_256(head: Head) -> Mask:
    small = on_square(head.reference, SQUARE)
    rows, columns = ((2 * np.arange(n) + 1) * SQUARE // (2 * n) for n in head.reference.shape[:2])
    return np.asarray(small[rows][:, columns])


def _known(head: Head) -> tuple[CT, Mask]:
    if head.ct is None or head.cavity is None:
        raise ValueError("this row needs the CT and the cavity")
    return head.ct, head.cavity


_PLUS = ndimage.generate_binary_structure(3, 1) & np.array([False, True, False])  # a pixel and its four neighbours
_SQUARE = np.ones((3, 3, 1), dtype=np.bool_)
_ALL = (
    Row(name="empty", kind="calibration", about="No hemorrhage anywhere.", mask=_empty),
    Row(
        name="all-brain",
        kind="calibration",
        about="The whole intracranial cavity: as drawn on phantoms, elsewhere found from the bone.",
        mask=_all_brain,
        needs_ct=True,
    ),
    Row(
        name="threshold",
        kind="calibration",
        about="50 to 90 HU inside the cavity after smoothing and opening, parts of at least 0.1 mL. No training.",
        mask=_threshold,
        needs_ct=True,
    ),
    Row(
        name="ref-eroded-1px",
        kind="ceiling",
        about="The reference, one pixel smaller on each side within the slice (four neighbours).",
        mask=_eroded,
    ),
    Row(
        name="ref-dilated-1px",
        kind="ceiling",
        about="The reference, one pixel larger on each side within the slice (four neighbours).",
        mask=_dilated,
    ),
    Row(
        name="ref-shifted-1-slice",
        kind="ceiling",
        about="The reference, one slice further along the third axis.",
        mask=_shifted,
    ),
    Row(
        name="ref-256",
        kind="ceiling",
        about="The reference brought to 256 × 256 pixels a slice by nearest neighbour, and back. "
        "On grids of at most 256 × 256 pixels it is the reference itself.",
        mask=_through_256,
    ),
)
ROWS: Mapping[str, Row] = MappingProxyType({row.name: row for row in _ALL})
