"""What does the viewer hold of a case: CT and reference, the masks of a method and where they err, slice by slice."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from scipy import ndimage

from ich_bench.cases import Case
from ich_bench.errors import VolumeError
from ich_bench.geometry import Geometry
from ich_bench.report.view import View
from ich_bench.volume import open_mask, read_ct
from ich_bench_app.viewer.picture import classes
from ich_bench_app.viewer.places import Absent
from ich_bench_app.viewer.position import Scout, scout_of
from ich_bench_app.viewer.stack import Shelf, Stack

MOST_BYTES = 256 * 1024**2  # of all visitors together: some four thin-sliced heads, or dozens of thick-sliced ones
Box = tuple[slice, slice]
Counts = NDArray[np.int64]
_LOG = logging.getLogger(__name__)
_AIR_HU = -400
_HEAD_MARGIN_MM, _LESION_MARGIN_MM, _LEAST_MM = 4.0, 20.0, 60.0
_LOOKED_AT = 9  # slices, to see where the head lies


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """A CT with its reference, packed. `area` counts the reference's voxels of each slice; `made` tells versions apart.

    `head_box` and `lesion_box` are rows and columns of a turned slice (`View.plane`); the latter is None where nothing
    bleeds.
    """

    case_id: str
    made: str
    ct: Stack
    reference: Stack
    geometry: Geometry
    view: View
    scout: Scout
    head_box: Box
    lesion_box: Box | None
    area: Counts

    @property
    def nbytes(self) -> int:
        """Return how much memory it takes."""
        return self.ct.nbytes + self.reference.nbytes + self.scout.side.nbytes * 2 + self.scout.front.nbytes * 2

    @property
    def slices(self) -> int:
        """Return the number of slices."""
        return self.ct.shape[2]

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Return height and width of a pixel of a turned slice."""
        across, down, _ = self.view.turned_spacing_mm(self.geometry.spacing_mm)
        return down, across

    def box(self, zoom: str, *predicted: Box | None) -> Box:
        """Return what a zoom shows: "whole", "head", or "lesion" (the reference, else what is predicted)."""
        rows, columns = self.view.plane(self.ct.plane(0)).shape
        if zoom == "whole":
            return slice(0, rows), slice(0, columns)
        boxes = [one for one in ((self.lesion_box,) if self.lesion_box else predicted) if one is not None]
        if zoom == "lesion" and boxes:
            spans = [slice(min(one[at].start for one in boxes), max(one[at].stop for one in boxes)) for at in (0, 1)]
            around = spans[0], spans[1]
            return grown(around, (rows, columns), self.pixel_mm, _LESION_MARGIN_MM, least_mm=_LEAST_MM)
        return self.head_box


@dataclass(frozen=True, kw_only=True, eq=False)
class Marked:
    """The mask of a method on a head, packed: `tp`, `fp`, `fn` are the voxels of each slice."""

    mask: Stack
    tp: Counts
    fp: Counts
    fn: Counts
    box: Box | None

    @property
    def nbytes(self) -> int:
        """Return how much memory it takes."""
        return self.mask.nbytes + 3 * self.tp.nbytes


@st.cache_resource(show_spinner=False)
def shelf() -> Shelf:
    """Return what is kept decoded for all visitors of this server."""
    return Shelf(MOST_BYTES)


def head_of(dataset: str, case: Case) -> Head | Absent:
    """Return a case's images, read now where they are not kept; in words, without a path, why they cannot be read."""
    try:
        made = " ".join(str(path.stat().st_mtime_ns) for path in (case.ct, case.reference) if path is not None)
        return shelf().get(("head", dataset, case.case_id, str(case.ct), made), lambda: read_head(case, made))
    except (VolumeError, OSError) as fault:
        _LOG.warning("%s of %s cannot be read: %s", case.case_id, dataset, fault)
        return Absent(words=f"The images of this case cannot be read here. `ich-bench prepare {dataset}` says what "
                            "is wrong with them.")  # fmt: skip


def read_head(case: Case, made: str = "") -> Head:
    """Return a case, read and packed. VolumeError where CT and reference cannot be read or differ in shape."""
    if case.ct is None:
        raise VolumeError("has no CT.")
    ct = read_ct(case.ct)
    shape = ct.geometry.shape
    if case.reference is None:
        reference = np.zeros(shape, dtype=np.bool_, order="F")
    else:
        reference = open_mask(case.reference, trusted=True).voxels(expected_shape=shape)
    hu = ct.hu if ct.hu.dtype == np.int16 else np.clip(np.rint(ct.hu), -32768, 32767).astype(np.int16)
    view = View.of(ct.geometry)
    across, down, _ = view.turned_spacing_mm(ct.geometry.spacing_mm)
    return Head(
        case_id=case.case_id,
        made=made,
        ct=Stack.of(hu),
        reference=Stack.of(reference),
        geometry=ct.geometry,
        view=view,
        scout=scout_of(hu, reference, view, ct.geometry.spacing_mm),
        head_box=_head_box(hu, view, (down, across)),
        lesion_box=_box(view.plane(np.asarray(reference.any(axis=2)))),
        area=reference.sum(axis=(0, 1), dtype=np.int64),
    )


def marked(head: Head, mask: NDArray[np.bool_]) -> Marked:
    """Return a mask on a head, packed and counted. VolumeError where it has another shape."""
    if mask.shape != head.ct.shape:
        raise VolumeError("has another shape than the CT.")
    counts: dict[str, list[int]] = {"hit": [], "added": [], "missed": []}
    for k in range(head.slices):
        for name, voxels in classes(head.reference.plane(k), mask[:, :, k]).items():
            counts[name].append(int(np.count_nonzero(voxels)))
    tp, fp, fn = (np.array(counts[name], dtype=np.int64) for name in ("hit", "added", "missed"))
    return Marked(mask=Stack.of(mask), tp=tp, fp=fp, fn=fn, box=_box(head.view.plane(np.asarray(mask.any(axis=2)))))


def most_hemorrhage(head: Head) -> int | None:
    """Return the slice (axis 2, from 0) with most reference, None on a healthy head."""
    return int(head.area.argmax()) if head.area.any() else None


def most_error(marks: Sequence[Marked]) -> int | None:
    """Return the slice with most wrong voxels (FP + FN) of all the masks together, None where there are none."""
    wrong = sum((one.fp + one.fn for one in marks), np.zeros(1, dtype=np.int64))
    return int(wrong.argmax()) if wrong.any() else None


def grown(box: Box, shape: tuple[int, int], pixel_mm: tuple[float, float], margin_mm: float, *,
          least_mm: float = 0.0) -> Box:  # fmt: skip
    """Return a box with a margin, at least so many mm wide and high where the picture allows it."""
    spans = []
    for one, size, mm in zip(box, shape, pixel_mm, strict=True):
        more = max(margin_mm, (least_mm - (one.stop - one.start) * mm) / 2)
        pixels = round(more / mm)
        spans.append(slice(max(0, one.start - pixels), min(size, one.stop + pixels)))
    return spans[0], spans[1]


def _head_box(hu: NDArray[Any], view: View, pixel_mm: tuple[float, float]) -> Box:
    """Return where the head lies: the largest part of each of some slices that is not air, with a margin."""
    looked = np.unique(np.linspace(0, hu.shape[2] - 1, _LOOKED_AT).astype(int))
    inside = np.logical_or.reduce([_largest(view.plane(hu[:, :, k]) > _AIR_HU) for k in looked])
    box = _box(inside)
    rows, columns = inside.shape
    if box is None:
        return slice(0, rows), slice(0, columns)
    return grown(box, (rows, columns), pixel_mm, _HEAD_MARGIN_MM)


def _largest(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, count = ndimage.label(inside)
    if not count:
        return inside
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == int(sizes.argmax()))


def _box(inside: NDArray[np.bool_]) -> Box | None:
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
