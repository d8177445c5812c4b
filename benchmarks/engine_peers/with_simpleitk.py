"""SimpleITK: overlap and Hausdorff filters, and the recipe of its notebooks for surface distances (contours, |map|)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from pairs import TOLERANCE_MM, Row, main


def score(reference_path: Path, prediction_path: Path) -> Row:
    reference, prediction = (sitk.ReadImage(str(path)) > 0 for path in (reference_path, prediction_path))
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(reference, prediction)
    row: Row = {"dice": overlap.GetDiceCoefficient(), "jaccard": overlap.GetJaccardCoefficient()}
    there, back = _surface_distances(prediction, reference), _surface_distances(reference, prediction)
    if not (there.size and back.size):
        return {**row, "nsd": math.nan, "hd95": math.nan, "assd": math.nan}
    both = np.concatenate([there, back])
    return {
        **row,
        "nsd": float((both <= TOLERANCE_MM).mean()),
        "hd95": float(max(np.percentile(there, 95), np.percentile(back, 95))),
        "assd": float(both.mean()),
    }


def _surface_distances(mask: sitk.Image, other: sitk.Image) -> np.ndarray:
    if not sitk.GetArrayViewFromImage(other).any():
        return np.array([])
    distance = sitk.Abs(sitk.SignedMaurerDistanceMap(other, squaredDistance=False, useImageSpacing=True))
    contour = sitk.GetArrayViewFromImage(sitk.LabelContour(mask)) > 0
    return sitk.GetArrayViewFromImage(distance)[contour]


main(score)
