"""surface-distance's plain loop: nibabel, overlap by NumPy, NSD, HD95 and ASSD from one call of the package."""

from __future__ import annotations

import math
from pathlib import Path

import surface_distance as sd
from pairs import TOLERANCE_MM, Row, loaded, main, overlap


def score(reference_path: Path, prediction_path: Path) -> Row:
    """Return the row of one pair; the release on PyPI cannot take an empty mask with NumPy 2, so it is not asked."""
    reference, spacing_mm = loaded(reference_path)
    prediction, _ = loaded(prediction_path)
    row = overlap(reference, prediction)
    if not (reference.any() and prediction.any()):
        return {**row, "nsd": math.nan, "hd95": math.nan, "assd": math.nan}
    distances = sd.compute_surface_distances(reference, prediction, spacing_mm)
    return {
        **row,
        "nsd": sd.compute_surface_dice_at_tolerance(distances, TOLERANCE_MM),
        "hd95": sd.compute_robust_hausdorff(distances, 95),
        "assd": sum(sd.compute_average_surface_distance(distances)) / 2,
    }


main(score)
