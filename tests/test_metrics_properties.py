"""What holds for every metric on any pair: range, symmetry, padding, flips, and that nothing beats a perfect mask."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import pytest
from scipy import ndimage

from ich_bench.metrics.masks import Mask
from ich_bench.metrics.suite import METRICS, score

SPACINGS = [(1.0, 1.0, 1.0), (0.45, 0.45, 5.0), (3.0, 0.4, 2.0), (0.6, 0.7, 0.625)]
SEEDS = range(16)
SWAPS_WITH = {"precision": "recall", "recall": "precision", "volume_ref_ml": "volume_pred_ml"}

Pair = tuple[Mask, Mask, tuple[float, float, float]]


@functools.cache
def pair(seed: int) -> Pair:
    """Return two masks, neither empty, at times at the border: related blobs, noise, or a fragment of a blob."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(6, 16, size=3))
    if seed % 4 == 3:
        masks = [rng.random(shape) < 0.15 for _ in range(2)]
    else:
        base = ndimage.gaussian_filter(rng.standard_normal(shape), 1.5)
        noise = ndimage.gaussian_filter(rng.standard_normal(shape), 1.0)
        masks = [base > np.quantile(base, 0.8), base + 0.5 * noise > np.quantile(base, rng.uniform(0.7, 0.95))]
    if seed % 8 == 6:
        masks[1] = masks[0] & (rng.random(shape) < 0.05)  # less than a tenth is covered
    for mask in masks:
        mask.flat[rng.integers(mask.size)] = True
    return masks[0], masks[1], SPACINGS[seed % len(SPACINGS)]


@functools.cache
def scored(seed: int, change: str = "") -> dict[str, float | int | None]:
    reference, prediction, spacing = pair(seed)
    if change == "swapped":
        reference, prediction = prediction, reference
    elif change == "perfect":
        prediction = reference
    elif change == "padded":
        reference, prediction = (np.pad(mask, [(0, 3), (2, 0), (1, 4)]) for mask in (reference, prediction))
    elif change.startswith("flipped"):
        axes = [int(axis) for axis in change.removeprefix("flipped")]
        reference, prediction = np.flip(reference, axes), np.flip(prediction, axes)
    return score(reference, prediction, spacing)


def close(found: object, expected: object) -> bool:
    return bool(found == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True))


def badness(name: str, value: float | int | None) -> float:
    """Return how far a value is from the best one, 0 for the best that can be."""
    number, metric = float(value or 0.0), METRICS[name]
    return metric.range[1] - number if metric.direction == "higher" else abs(number)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", METRICS)
def test_every_value_lies_in_the_declared_range(name: str, seed: int) -> None:
    low, high = METRICS[name].range
    for change in ("", "swapped", "perfect"):
        value = scored(seed, change)[name]
        assert value is not None
        assert math.isfinite(value)
        assert low <= value <= high


@pytest.mark.parametrize("name", METRICS)
def test_symmetry_holds_where_declared_and_nowhere_else(name: str) -> None:
    kept = [close(scored(seed, "swapped")[name], scored(seed)[name]) for seed in SEEDS]
    assert all(kept) if METRICS[name].symmetric else not all(kept)
    if name in SWAPS_WITH:
        assert all(close(scored(seed, "swapped")[name], scored(seed)[SWAPS_WITH[name]]) for seed in SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", METRICS)
def test_air_around_both_masks_changes_nothing(name: str, seed: int) -> None:
    assert close(scored(seed, "padded")[name], scored(seed)[name])


@pytest.mark.parametrize("axes", ["".join(axes) for n in (1, 2, 3) for axes in itertools.combinations("012", n)])
@pytest.mark.parametrize("name", METRICS)
def test_flipping_both_masks_changes_nothing(name: str, axes: str) -> None:
    for seed in SEEDS:
        assert close(scored(seed, f"flipped{axes}")[name], scored(seed)[name])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", [name for name in METRICS if METRICS[name].direction != "none"])
def test_a_perfect_mask_is_the_best_there_can_be(name: str, seed: int) -> None:
    assert badness(name, scored(seed, "perfect")[name]) == 0.0
    assert badness(name, scored(seed)[name]) >= 0.0


@pytest.mark.parametrize("name", [name for name in METRICS if METRICS[name].direction != "none"])
def test_no_metric_is_blind(name: str) -> None:
    assert any(badness(name, scored(seed)[name]) > 0.0 for seed in SEEDS)


@pytest.mark.parametrize("name", [name for name in METRICS if METRICS[name].ranked])
def test_no_calibration_row_comes_first_on_a_ranked_metric(name: str) -> None:
    # Twelve drawn heads of 0.9 x 0.9 x 5 mm, bleeds from below 1 mL to above 30 mL; the honest row is a voxel off.
    rng = np.random.default_rng(7)
    x, y, z = np.ogrid[:96, :96, :12]
    brain = ((x - 48) / 44) ** 2 + ((y - 48) / 44) ** 2 + ((z - 6) / 6) ** 2 < 1
    means: dict[str, list[float]] = {}
    for radius in np.geomspace(3.5, 22, 12):
        at = 48 + rng.integers(-12, 12, size=2)
        bleed = brain & ((x - at[0]) ** 2 + (y - at[1]) ** 2 + ((z - 6) * 5.5) ** 2 < radius**2)
        rows = {
            "honest": np.roll(bleed, (1, 1), axis=(0, 1)),
            "empty": np.zeros_like(brain),
            "all-brain": brain,
            "threshold": brain & (rng.normal(32, 8, brain.shape) + 25 * bleed > 50),
            "noise": brain & (rng.random(brain.shape) < bleed.mean()),
        }
        for row, mask in rows.items():
            means.setdefault(row, []).append(float(score(bleed, mask, (0.9, 0.9, 5.0))[name] or 0.0))
    order = sorted(means, key=lambda row: -float(np.mean(means[row])))
    assert order[0] == "honest", {row: float(np.mean(values)) for row, values in means.items()}
