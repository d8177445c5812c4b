"""What do two masks give together: counts, surfaces and lesions, on the plain path or from packed bits.

`packed_pair` looks at nothing that both masks leave empty; `plain_pair` is the definition it is held against.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ich_bench.metrics import lesions, overlap, surface
from ich_bench.metrics.masks import Mask, union_box
from ich_bench.metrics.nearest import Floats, Lookup, Spacing
from ich_bench.metrics.overlap import Counts
from ich_bench.metrics.packed import Bits, Rows, Shape, before, popcount
from ich_bench.metrics.side import Side
from ich_bench.metrics.surfels import surfel_areas_mm2


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two masks of one shape (x, y, z): their counts, and how to get what takes longer.

    `surfaces` takes the spacing in mm, and both masks must hold a voxel; `lesions` takes a voxel's volume in mm³.
    """

    shape: Shape
    counts: Counts
    surfaces: Callable[[Spacing], surface.Surfaces]
    lesions: Callable[[float], lesions.LesionScores]


def plain_pair(reference: Mask, prediction: Mask) -> Pair:
    """Return a pair measured by the surface-distance package and SciPy's labels, voxel by voxel."""
    x, y, z = reference.shape
    box = union_box(reference, prediction) or (slice(0, 1), slice(0, 1), slice(0, 1))
    true, predicted = reference[box], prediction[box]
    inside = overlap.count(true, predicted)
    return Pair(
        shape=(x, y, z),
        counts=replace(inside, tn=reference.size - inside.tp - inside.fp - inside.fn),
        surfaces=lambda spacing_mm: surface.surfaces(true, predicted, spacing_mm),
        lesions=lambda voxel_mm3: lesions.lesion_scores(true, predicted, voxel_mm3),
    )


def packed_pair(reference: Side, prediction: Side) -> Pair:
    """Return a pair measured from bits, corners and runs: the same values, distances to 1e-9."""
    return Pair(
        shape=reference.shape,
        counts=_count(reference, prediction),
        surfaces=lambda spacing_mm: _surfaces(reference, prediction, spacing_mm),
        lesions=lambda voxel_mm3: _lesions(reference, prediction, voxel_mm3),
    )


def _count(reference: Side, prediction: Side) -> Counts:
    """Return the four counts over the whole volume."""
    tp = 0
    if reference.rows and prediction.rows:
        there = prediction.rows.window(reference.rows.first, reference.rows.end)
        tp = popcount(reference.rows.bits & there)
    fp, fn = prediction.voxels - tp, reference.voxels - tp
    x, y, z = reference.shape
    return Counts(tp=tp, fp=fp, fn=fn, tn=x * y * z - tp - fp - fn)


def _surfaces(reference: Side, prediction: Side, spacing_mm: Spacing) -> surface.Surfaces:
    """Return the record that every surface metric is a reduction of; corners equally far away are one entry.

    Exact because all of them are sums over corners, in which corners of one distance count by their area together.
    """
    one, other = reference.surface, prediction.surface
    lookup = Lookup(one.places, other.places, spacing_mm)
    areas_mm2 = surfel_areas_mm2(spacing_mm)
    there = _by_distance(*lookup.distances(one.places, other.places), areas_mm2[one.codes])
    back = _by_distance(*lookup.distances(other.places, one.places), areas_mm2[other.codes])
    return surface.Surfaces(
        reference_mm=there[0], reference_mm2=there[1], prediction_mm=back[0], prediction_mm2=back[1]
    )


def _lesions(reference: Side, prediction: Side, voxel_volume_mm3: float) -> lesions.LesionScores:
    """Return what was found and what was made up, lesion by lesion (see `lesions`)."""
    none = np.zeros(0, dtype=np.int64)
    sizes, covered, claimed, supported = none, none, none, none
    if reference.rows:
        sizes, covered = reference.components.sizes, np.zeros_like(reference.components.sizes)
    if prediction.rows:
        claimed, supported = prediction.components.sizes, np.zeros_like(prediction.components.sizes)
    if reference.rows and prediction.rows:
        here = reference.rows
        covered = reference.components.share(here.bits & prediction.rows.window(here.first, here.end))
        here = prediction.rows
        supported = prediction.components.share(here.bits & _dilated(reference.rows, here.first, here.end))
    return lesions.judged(sizes, covered, claimed, supported, voxel_volume_mm3)


def _by_distance(mm: Floats, kind: npt.NDArray[np.intp], areas_mm2: Floats) -> tuple[Floats, Floats]:
    """Return the distances that occur, ascending, and the area at each."""
    area = np.bincount(kind, weights=areas_mm2, minlength=len(mm)).astype(np.float64, copy=False)
    occurs = np.bincount(kind, minlength=len(mm)) > 0
    mm, area = mm[occurs], area[occurs]
    order = np.argsort(mm, kind="stable")
    return mm[order], area[order]


def _dilated(rows: Rows, first: tuple[int, int, int], end: tuple[int, int, int]) -> Bits:
    """Return this box of the mask grown by one voxel in its 26-neighbourhood; one more on each side is looked at."""
    z, y, x = first
    bits = rows.window((z - 1, y - 1, x - 1), (end[0] + 1, end[1] + 1, end[2] + 1))
    after: Bits = bits << np.uint8(1)
    after[..., :-1] |= bits[..., 1:] >> 7
    bits = bits | before(bits) | after
    bits = bits[:-2] | bits[1:-1] | bits[2:]
    bits = bits[:, :-2] | bits[:, 1:-1] | bits[:, 2:]
    return bits[..., 1:-1]
