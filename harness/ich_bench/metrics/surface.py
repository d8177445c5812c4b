"""How far do two surfaces lie apart, in millimetres.

The record of distances and areas is DeepMind's (surface-distance: marching-cubes surface elements, weighted by area),
made by its package here, and to the same values in `pair`; the reductions are ours, since the released library decides
ties by rounding and fails on empty masks under NumPy 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ich_bench.metrics.masks import Mask

SLACK_MM = 1e-6  # tolerances lie on the voxel lattice: five voxels of 0.6 mm must be within 3.0 mm
SLACK_SHARE = 1e-9  # shares of area tie: 38 of 40 equal elements are 95 %

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Surfaces:
    """Both surfaces, element by element: distance to the other surface (mm, ascending) and area (mm²)."""

    reference_mm: _Floats
    reference_mm2: _Floats
    prediction_mm: _Floats
    prediction_mm2: _Floats


def surfaces(reference: Mask, prediction: Mask, spacing_mm: tuple[float, float, float]) -> Surfaces:
    """Return the record that every surface metric is a small reduction of.

    Both masks hold at least one voxel: what an empty one gives is decided before (see `scoring`). A mask that touches
    the border of the array is closed there.

    Raises:
        ValueError: one of the masks is empty.
    """
    if not (reference.any() and prediction.any()):
        raise ValueError("an empty mask has no surface")
    from surface_distance import compute_surface_distances  # imports what of SciPy the fast path does not need

    record = compute_surface_distances(reference, prediction, spacing_mm)
    return Surfaces(
        reference_mm=record["distances_gt_to_pred"],
        reference_mm2=record["surfel_areas_gt"],
        prediction_mm=record["distances_pred_to_gt"],
        prediction_mm2=record["surfel_areas_pred"],
    )


def nsd(record: Surfaces, tolerance_mm: float) -> float:
    """Return the share of both surfaces, by area, that lies within the tolerance of the other, in [0, 1]."""
    within_mm = tolerance_mm + SLACK_MM
    near = (
        record.reference_mm2[record.reference_mm <= within_mm].sum()
        + record.prediction_mm2[record.prediction_mm <= within_mm].sum()
    )
    return float(near / (record.reference_mm2.sum() + record.prediction_mm2.sum()))


def hausdorff(record: Surfaces, percentile: float) -> float:
    """Return the larger of the two directed distances at a percentile of the area, in mm, at least 0."""
    return max(
        _directed(record.reference_mm, record.reference_mm2, percentile),
        _directed(record.prediction_mm, record.prediction_mm2, percentile),
    )


def assd(record: Surfaces) -> float:
    """Return the mean distance over both surfaces together, weighted by area, in mm, at least 0."""
    moment = (record.reference_mm * record.reference_mm2).sum() + (record.prediction_mm * record.prediction_mm2).sum()
    return float(moment / (record.reference_mm2.sum() + record.prediction_mm2.sum()))


def _directed(distances_mm: _Floats, areas_mm2: _Floats, percentile: float) -> float:
    """Return the smallest distance within which that share of the area lies."""
    within = np.cumsum(areas_mm2)
    return float(distances_mm[np.searchsorted(within, (percentile / 100 - SLACK_SHARE) * within[-1])])
