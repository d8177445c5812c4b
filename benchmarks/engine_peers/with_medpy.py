"""MedPy: Dice, Jaccard, precision, recall, relative volume, HD95 (pooled) and ASSD; it has no NSD."""

from __future__ import annotations

from pathlib import Path

from medpy.metric import binary
from pairs import Row, loaded, main


def score(reference_path: Path, prediction_path: Path) -> Row:
    reference, spacing_mm = loaded(reference_path)
    prediction, _ = loaded(prediction_path)
    return {
        "dice": binary.dc(prediction, reference),
        "jaccard": binary.jc(prediction, reference),
        "precision": binary.precision(prediction, reference),
        "recall": binary.recall(prediction, reference),
        "rvd": binary.ravd(prediction, reference),
        "hd95": binary.hd95(prediction, reference, voxelspacing=spacing_mm),
        "assd": binary.assd(prediction, reference, voxelspacing=spacing_mm),
    }


main(score)
