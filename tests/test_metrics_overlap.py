"""Overlap in voxels, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ich_bench.metrics import overlap
from ich_bench.metrics.overlap import Counts, count, slice_means


def test_every_voxel_is_counted_once() -> None:
    reference = np.zeros((3, 2, 2), dtype=bool)
    prediction = reference.copy()
    reference[:, 0, 0] = True  # three voxels
    prediction[1:, :, 0] = True  # four voxels, two of them shared
    assert count(reference, prediction) == Counts(tp=2, fp=2, fn=1, tn=7)  # 12 in all


@pytest.mark.parametrize(
    ("name", "epsilon", "expected"),
    [
        # tp 2, fp 2, fn 1
        ("dice", 1.0, 5 / 8),  # (4 + 1)/(4 + 2 + 1 + 1)
        ("dice", 0.0, 4 / 7),
        ("dice", 1e-5, 4.00001 / 7.00001),
        ("iou", 1.0, 3 / 6),  # (2 + 1)/(2 + 2 + 1 + 1)
        ("iou", 0.0, 2 / 5),
        ("precision", 1.0, 3 / 5),  # (2 + 1)/(2 + 2 + 1)
        ("precision", 0.0, 2 / 4),
        ("recall", 1.0, 3 / 4),  # (2 + 1)/(2 + 1 + 1)
        ("recall", 0.0, 2 / 3),
    ],
)
def test_a_ratio_adds_epsilon_above_and_below(name: str, epsilon: float, expected: float) -> None:
    assert getattr(overlap, name)(Counts(tp=2, fp=2, fn=1, tn=7), epsilon) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("name", ["dice", "iou", "precision", "recall"])
def test_nothing_over_nothing_is_one_with_epsilon_and_undefined_without(name: str) -> None:
    nothing = Counts(tp=0, fp=0, fn=0, tn=9)
    assert getattr(overlap, name)(nothing, 1.0) == 1.0
    assert math.isnan(getattr(overlap, name)(nothing, 0.0))


def test_slice_means_run_over_reference_positive_slices_only() -> None:
    reference = np.zeros((4, 1, 3), dtype=bool)
    prediction = reference.copy()
    reference[:2, 0, 0] = True
    prediction[1:3, 0, 0] = True  # slice 0: tp 1, fp 1, fn 1: Dice 1/2, Jaccard 1/3
    reference[0, 0, 1] = True  # slice 1: missed: 0, 0
    prediction[:, 0, 2] = True  # slice 2: no reference: not counted
    means = slice_means(reference, prediction)
    assert (means.dice, means.iou, means.slices) == (pytest.approx(1 / 4), pytest.approx(1 / 6), 2)


def test_slice_means_of_a_healthy_volume_are_undefined() -> None:
    healthy = np.zeros((2, 2, 2), dtype=bool)
    means = slice_means(healthy, ~healthy)
    assert math.isnan(means.dice)
    assert math.isnan(means.iou)
    assert means.slices == 0
