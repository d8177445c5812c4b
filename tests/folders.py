"""Small reference and prediction folders, drawn for a test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ich_bench.geometry import Geometry
from ich_bench.volume import write_mask

SHAPE = (20, 20, 6)
SPACING_MM = (0.5, 0.5, 5.0)
GEOMETRY = Geometry.of(SHAPE, np.diag([*SPACING_MM, 1.0]))
Mask = NDArray[np.bool_]


def box(x: tuple[int, int], y: tuple[int, int], z: tuple[int, int], shape: tuple[int, int, int] = SHAPE) -> Mask:
    """Return a mask with one filled box; each pair is (first, last + 1) voxel."""
    mask = np.zeros(shape, dtype=np.bool_)
    mask[slice(*x), slice(*y), slice(*z)] = True
    return mask


def empty() -> Mask:
    return np.zeros(SHAPE, dtype=np.bool_)


def write_folder(folder: Path, masks: Mapping[str, Mask], geometry: Geometry = GEOMETRY) -> Path:
    """Write one `<name>.nii.gz` per mask and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, mask in masks.items():
        write_mask(folder / f"{name}.nii.gz", mask, geometry)
    return folder


def lopsided(number: int) -> Mask:
    """Return a bleed that differs from case to case and has no symmetry, so that a flip or shift shows."""
    mask = box((2, 7 + number % 3), (3, 8), (1, 3))
    mask[4, 9, 2 + number % 2] = True
    mask[11 + number % 4, 4, 1] = True
    return mask
