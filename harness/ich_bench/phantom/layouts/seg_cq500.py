"""Seg-CQ500 as its zip unpacks: a folder a case, sheared affines, some masks on another affine, macOS junk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_erosion

from ich_bench.geometry import Geometry, shear_free
from ich_bench.phantom.head import Head
from ich_bench.phantom.layouts.common import (
    APPLE_DOUBLE,
    SMALL,
    assigned,
    bleeds_in_turn,
    drawn,
    generator,
    padded,
    write_lines,
    write_nifti,
)
from ich_bench.phantom.layouts.reads import write_reads

CASES = ("CQ500-CT-4", "CQ500-CT-10", "CQ500-CT-61", "CQ500-CT-65", "CQ500-CT-108", "CQ500-CT-125")
MASK_ON_OTHER_AFFINE = ("CQ500-CT-10", "CQ500-CT-125")
_THREE_MM = {61, 64, 75, 247}
_FIVE_MM = {65, 125, 173, 208, 236}
_UPRIGHT = {61, 64, 243}  # drawn without tilt here; 19 of the 51 are
_ORDER = ("iph", "ivh", "sdh", "edh", "sah")


def write(
    folder: Path,
    heads: Iterable[Head] | None = None,
    *,
    cases: Sequence[str] = CASES,
    shape: tuple[int, int, int] = SMALL,
    seed: int = 0,
    reads: bool = False,
) -> Path:
    """Write the layout and return `folder/Seg-CQ500`; with `reads`, CQ500's own `reads.csv` lies above it.

    CT padding is -3024 HU, -1024 in every fifth case. `info.csv` holds probabilities, not readings. `brain.nii.gz` is
    a predicted cavity, a little too small. In the cases of `MASK_ON_OTHER_AFFINE` the mask lost the CT's shear.
    """

    def make(case_id: str) -> Head:
        number = int(case_id.rsplit("-", 1)[1])
        thick = 3.0 if number in _THREE_MM else 5.05 if number in _FIVE_MM else 0.625
        tilt = 0.0 if number in _UPRIGHT else 24.0 if number == 108 else 5.0 + number % 14
        bleeds = bleeds_in_turn(list(cases).index(case_id))
        return drawn(case_id, bleeds, seed=seed, shape=shape, thickness_mm=thick, site="a", tilt_deg=tilt)

    scans: dict[str, Mapping[str, bool]] = {}
    volumes = folder / "Seg-CQ500" / "data" / "volumes"
    info: list[list[object]] = [
        ["name", "CT_fn", "mask_fn", "ICH", "IPH", "IVH", "SDH", "EDH", "SAH", "MassEffect", "MidlineShift"]
    ]
    for index, (case_id, head) in enumerate(assigned(heads, cases, lambda _: True, make)):
        scans[case_id], grid = head.subtypes, head.geometry
        if case_id in MASK_ON_OTHER_AFFINE:
            grid = Geometry.of(grid.shape, shear_free(grid.matrix))
        write_nifti(volumes / case_id / "CT.nii", padded(head.hu, -1024 if index % 5 == 4 else -3024), head.geometry)
        write_nifti(volumes / case_id / "ICH_mask.nii.gz", head.reference.astype(np.uint8), grid)
        brain = binary_erosion(head.cavity, np.ones((3, 3, 1)))
        write_nifti(volumes / case_id / "brain.nii.gz", brain.astype(np.uint8), grid)
        (volumes / case_id / "._CT.nii").write_bytes(APPLE_DOUBLE)
        junk = folder / "__MACOSX" / "Seg-CQ500" / "data" / "volumes" / case_id
        junk.mkdir(parents=True)
        for name in ("._CT.nii", "._ICH_mask.nii.gz", "._brain.nii.gz"):
            (junk / name).write_bytes(APPLE_DOUBLE)
        rng = generator(seed, f"info {case_id}")
        flags = [True, *(head.subtypes[name] for name in _ORDER), False, False]
        odds = [round(float(0.55 + 0.44 * rng.random() if flag else 0.3 * rng.random()), 4) for flag in flags]
        info.append([case_id, f"{case_id}/CT.nii", f"{case_id}/ICH_mask.nii.gz", *odds])
    write_lines(volumes / "info.csv", info)
    (volumes / ".DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1")
    if reads:
        write_reads(folder / "reads.csv", scans, generator(seed, "reads"))
    return folder / "Seg-CQ500"
