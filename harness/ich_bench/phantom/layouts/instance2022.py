"""INSTANCE 2022 as it is unpacked: `train_2/data` and `train_2/label`, axes running left, back and up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from ich_bench.phantom.head import Head
from ich_bench.phantom.layouts.common import SMALL, assigned, bleeds_in_turn, drawn, padded, turned, write_nifti

CASES = ("001", "002", "003", "018", "052", "100")
BONE_IN_LABEL = "052"
_AXES = (-1, -1, 1)


def write(
    folder: Path,
    heads: Iterable[Head] | None = None,
    *,
    cases: Sequence[str] = CASES,
    shape: tuple[int, int, int] = SMALL,
    seed: int = 0,
) -> Path:
    """Write the layout and return `folder/train_2`: labels 0/1, -2048 HU outside the field of view, 5 mm slices.

    All heads bleed. In case 052 the label takes in bone. One case in six has slices of 4.8 mm.
    """

    def make(case_id: str) -> Head:
        thick = 4.8 if int(case_id) % 6 == 0 else 5.0
        bleeds = ("edh",) if case_id == BONE_IN_LABEL else bleeds_in_turn(list(cases).index(case_id))
        return drawn(case_id, bleeds, seed=seed, shape=shape, thickness_mm=thick, site="c")

    for case_id, head in assigned(heads, cases, lambda _: True, make):
        label = _with_bone(head) if case_id == BONE_IN_LABEL else head.reference
        ct, grid = turned(padded(head.hu, -2048), head.geometry, _AXES)
        mask, _ = turned(label.astype(np.uint8), head.geometry, _AXES)
        write_nifti(folder / "train_2" / "data" / f"{case_id}.nii.gz", ct, grid)
        write_nifti(folder / "train_2" / "label" / f"{case_id}.nii.gz", mask, grid)
    return folder / "train_2"


def _with_bone(head: Head) -> NDArray[np.bool_]:
    """Return the reference, spilt over the skull beside it (or over whatever is beside it where no bone is near)."""
    spilt: NDArray[np.bool_] = binary_dilation(head.reference, np.ones((3, 3, 1)), iterations=2)
    bone = spilt & (head.hu > 300)
    return head.reference | (bone if bone.any() else spilt)
