"""Drawn pairs of masks of every awkward kind, and where the fast path and the plain one differ on them."""

from __future__ import annotations

import numpy as np
import surface_distance
from scipy import ndimage

from ich_bench.metrics.masks import Mask
from ich_bench.metrics.suite import score

Spacing = tuple[float, float, float]

SPACINGS: tuple[Spacing, ...] = (
    (0.45, 0.45, 5.0),
    (0.45, 0.45, 0.625),
    (0.6, 0.6, 0.6),
    (3.0, 0.4, 2.0),
    (1.0, 1.0, 10.0),
    (0.1, 0.1, 10.0),
)
COUNTED = ("tp", "fp", "fn", "tn", "false_lesions")


def drawn_pair(rng: np.random.Generator, most: int = 24) -> tuple[Mask, Mask, Spacing]:
    """Return two masks of up to `most` voxels a side and a spacing; one pair in ten is identical, some are empty."""
    shape = tuple(int(n) for n in rng.integers(1, most, size=3))
    one, other = _mask(shape, rng), _mask(shape, rng)
    how = rng.integers(10)
    if how == 0:
        other = one.copy()
    elif how == 1:  # disjoint
        other &= ~one
    return one, other, SPACINGS[rng.integers(len(SPACINGS))]


def differences(reference: Mask, prediction: Mask, spacing_mm: Spacing) -> list[str]:
    """Return in words where the two engines differ: counts at all, values by more than 1e-9.

    A different hd95 passes where a cumulative share of the package's own lies within 1e-9 of 95 %.
    """
    fast = score(reference, prediction, spacing_mm, voxel_volume_mm3=2.5)
    plain = score(reference, prediction, spacing_mm, voxel_volume_mm3=2.5, engine="reference")
    told = []
    for name, expected in plain.items():
        found = fast[name]
        same = found == expected if name in COUNTED else np.isclose(found, expected, rtol=0, atol=1e-9, equal_nan=True)
        if not same and not (name == "hd95" and _tie(reference, prediction, spacing_mm)):
            told.append(f"{name}: {found!r}, expected {expected!r} ({reference.shape}, {spacing_mm})")
    return told


def _tie(reference: Mask, prediction: Mask, spacing_mm: Spacing) -> bool:
    record = surface_distance.compute_surface_distances(reference, prediction, spacing_mm)
    shares = [np.cumsum(record[side]) / record[side].sum() for side in ("surfel_areas_gt", "surfel_areas_pred")]
    return min(float(np.abs(share - 0.95).min()) for share in shares) <= 2e-9


def _mask(shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
    kind = rng.integers(9)
    mask = np.zeros(shape, dtype=bool)
    if kind == 0:
        return mask
    if kind == 1:  # a single voxel
        mask[tuple(int(rng.integers(n)) for n in shape)] = True
        return mask
    if kind == 2:
        board: Mask = (np.indices(shape).sum(axis=0) + rng.integers(2)) % 2 == 1
        return board
    if kind == 3:
        return ~mask
    if kind in (4, 5):  # noise, dense or thin
        noise: Mask = rng.random(shape) < (rng.random() if kind == 4 else 0.02)
        return noise
    base = ndimage.gaussian_filter(rng.standard_normal(shape), rng.uniform(0.3, 2.0))
    blobs: Mask = base > np.quantile(base, rng.uniform(0.5, 0.99))
    if kind == 6:  # touches the border
        np.moveaxis(blobs, int(rng.integers(3)), 0)[int(rng.integers(2)) - 1] = True
    return blobs
