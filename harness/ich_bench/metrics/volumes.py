"""How much blood is there, in millilitres, and how wrong is the predicted volume."""

from __future__ import annotations

import math


def volume_ml(voxels: int, voxel_volume_mm3: float) -> float:
    """Return the volume of so many voxels in mL, at least 0."""
    return voxels * voxel_volume_mm3 / 1000


def relative_difference(reference_voxels: int, prediction_voxels: int) -> float:
    """Return (V_pred - V_ref)/V_ref with its sign: -1 for an empty prediction, NaN on a healthy volume."""
    return (prediction_voxels - reference_voxels) / reference_voxels if reference_voxels else math.nan
