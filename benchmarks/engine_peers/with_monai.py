"""MONAI: LoadImage, Dice, NSD and HD95 and average surface distance with its default edges, one pair at a time."""

from __future__ import annotations

from pathlib import Path

import torch
from monai.metrics import (
    compute_average_surface_distance,
    compute_dice,
    compute_hausdorff_distance,
    compute_surface_dice,
)
from monai.transforms import LoadImage
from pairs import TOLERANCE_MM, Row, main

load = LoadImage(image_only=True, ensure_channel_first=True)


def score(reference_path: Path, prediction_path: Path) -> Row:
    reference, prediction = (load(path)[None] > 0 for path in (reference_path, prediction_path))
    spacing_mm = tuple(float(mm) for mm in reference.pixdim)
    pair = (prediction.as_tensor().to(torch.uint8), reference.as_tensor().to(torch.uint8))
    mm = {"include_background": True, "spacing": spacing_mm}
    return {
        "dice": float(compute_dice(*pair)),
        "nsd": float(compute_surface_dice(*pair, class_thresholds=[TOLERANCE_MM], **mm)),
        "hd95": float(compute_hausdorff_distance(*pair, percentile=95, **mm)),
        "assd": float(compute_average_surface_distance(*pair, symmetric=True, **mm)),
    }


main(score)
