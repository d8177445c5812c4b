"""MeshMetrics (pymeshmetrics): Dice, NSD, HD95 and ASSD on triangle meshes."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk  # noqa: N813
from MeshMetrics import DistanceMetrics
from pairs import TOLERANCE_MM, Row, main


def score(reference_path: Path, prediction_path: Path) -> Row:
    measures = DistanceMetrics()
    measures.set_input(*(sitk.ReadImage(str(path)) > 0 for path in (reference_path, prediction_path)))
    return {
        "nsd": float(measures.nsd(tau=TOLERANCE_MM)),
        "hd95": float(measures.hd(percentile=95)),
        "assd": float(measures.assd()),
    }


main(score)
