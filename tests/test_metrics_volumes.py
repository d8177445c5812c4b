"""Millilitres, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ich_bench import score
from ich_bench.metrics.volumes import relative_difference, volume_ml


def test_a_millilitre_is_a_thousand_cubic_millimetres() -> None:
    assert volume_ml(400, 5.0) == 2.0  # 400 x 5 mm³ = 2000 mm³


@pytest.mark.parametrize(("reference", "prediction", "expected"), [(8, 10, 0.25), (8, 6, -0.25), (8, 0, -1.0)])
def test_the_relative_difference_keeps_its_sign(reference: int, prediction: int, expected: float) -> None:
    assert relative_difference(reference, prediction) == expected


def test_the_relative_difference_of_a_healthy_volume_is_undefined() -> None:
    assert math.isnan(relative_difference(0, 5))


def test_on_a_sheared_grid_volumes_follow_the_determinant_and_not_the_spacing() -> None:
    # Column norms 0.5, 0.5, 5 make 1.25 mm³; a tilt of 24° leaves 1.25 cos 24° = 1.1419 mm³.
    mask = np.zeros((20, 20, 4), dtype=bool)
    mask[5:15, 5:15, 1:3] = True  # 200 voxels
    tilted = score(mask, mask, (0.5, 0.5, 5.0), voxel_volume_mm3=1.25 * math.cos(math.radians(24)))
    assert tilted["volume_ref_ml"] == pytest.approx(0.22838636)  # 200 x 1.1419318 / 1000
    assert score(mask, mask, (0.5, 0.5, 5.0))["volume_ref_ml"] == pytest.approx(0.25)
