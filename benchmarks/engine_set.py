"""Which twelve pairs of masks is the engine measured on? Eight thick and four thin volumes with drawn bleeds, seeded.

`python benchmarks/engine_set.py FOLDER [--copies N]` writes FOLDER/reference/*.nii.gz and FOLDER/prediction/*.nii.gz:
the twelve volumes N times over. Each copy is moved by some voxels, so that no cache by content answers for it.
Thick volumes have 512 × 512 × 28–32 voxels of 0.45 × 0.45 × 5 mm, thin ones 512 × 512 × 250 of 0.45 × 0.45 × 0.625 mm.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

SEED = 20241
IN_PLANE_MM, THICK_MM, THIN_MM = 0.45, 5.0, 0.625
BRAIN_MM = np.array([66.0, 84.0, 62.0])  # half axes of the brain's ellipsoid, centred in the volume
COPY_SHIFT_VOXELS = (3, 2)  # by how much each further copy is moved along x and y

Field = NDArray[np.float32]
Shape = Callable[["Space"], Field]  # negative inside the bleed; about 1 for each of its own radii outside


@dataclass(frozen=True, kw_only=True)
class Space:
    """Positions in mm from the brain's centre, as three open axes, with the noise of this case."""

    x: Field
    y: Field
    z: Field
    rng: np.random.Generator

    def noise(self, wavelength_mm: float, waves: int = 24) -> Field:
        """Return smooth noise of mean 0 and standard deviation 1 with structures of about this size."""
        direction = self.rng.normal(size=(waves, 3))
        k = 2 * np.pi / wavelength_mm * direction / np.linalg.norm(direction, axis=1, keepdims=True)
        k *= self.rng.uniform(0.5, 1.2, (waves, 1))
        phase = np.exp(2j * np.pi * self.rng.random(waves))
        along = [
            np.exp(1j * axis.ravel()[:, None] * k[:, i]).astype(np.complex64)
            for i, axis in enumerate((self.x, self.y, self.z))
        ]
        sheet = np.einsum("xw,yw->wxy", along[0] * phase.astype(np.complex64), along[1]).reshape(waves, -1)
        found = np.sqrt(2 / waves) * (along[2] @ sheet).real  # z, xy
        return found.reshape(self.z.size, self.x.size, self.y.size).transpose(1, 2, 0).astype(np.float32)


def blob(centre: tuple[float, float, float], radii: tuple[float, float, float], rough: float = 0.25) -> Shape:
    """Return an ellipsoid with an uneven surface: bleeding into the tissue, or blood in a ventricle."""

    def field(space: Space) -> Field:
        return _radius(space, centre, radii) - 1 + rough * space.noise(1.5 * min(radii) + 4)

    return field


def crescent(side: int, thickness_mm: float) -> Shape:
    """Return a layer under the skull of one side that tapers to the front and to the back: a subdural hematoma."""

    def field(space: Space) -> Field:
        depth_mm = (1 - _radius(space, (0, 0, 0), tuple(BRAIN_MM))) * BRAIN_MM[0]
        along = np.arctan2(space.y, side * space.x) / 1.1
        taper = 1 - along**2 - ((space.z - 15) / 40) ** 2  # negative: no blood there
        here_mm = thickness_mm * taper * (1 + 0.25 * space.noise(30))
        return np.maximum(depth_mm - here_mm, -depth_mm) / np.float32(thickness_mm)

    return field


def lens(side: int, radius_mm: float) -> Shape:
    """Return a ball on the brain's surface, cut by it: an epidural hematoma."""

    def field(space: Space) -> Field:
        ball = _radius(space, (side * (BRAIN_MM[0] + 4), 10, 10), (0.7 * radius_mm, radius_mm, radius_mm)) - 1
        inside = (_radius(space, (0, 0, 0), tuple(BRAIN_MM)) - 1) * BRAIN_MM[0] / radius_mm
        return np.maximum(ball + 0.08 * space.noise(15), inside)

    return field


def speckles(share: float) -> Shape:
    """Return many thin sheets and dots around the basal cisterns: blood in the subarachnoid space."""

    def field(space: Space) -> Field:
        around = _radius(space, (0, 10, -15), (55, 60, 28)) - 1
        sheets = np.abs(space.noise(22)) - np.float32(share)
        return np.maximum(np.maximum(around, sheets), 0.5 - space.noise(9))

    return field


def _radius(space: Space, centre: tuple[float, ...], radii: tuple[float, ...]) -> Field:
    parts = zip((space.x, space.y, space.z), centre, radii, strict=True)
    return np.sqrt(sum(((axis - np.float32(c)) / np.float32(r)) ** 2 for axis, c, r in parts))


@dataclass(frozen=True, kw_only=True)
class Case:
    """One pair: what bleeds, what is found beside it, and which mask is empty."""

    name: str
    slices: int
    spacing_z_mm: float
    bleeds: tuple[Shape, ...] = ()
    false: tuple[Shape, ...] = ()  # found by the prediction alone
    level: float = 0.1  # how much larger (+) or smaller (-) the prediction is, in radii
    missed: bool = False
    reference_dtype: type = np.uint8


FAR = blob((-40, -50, 30), (5, 4, 6))
THICK = (
    Case(name="iph", slices=30, spacing_z_mm=THICK_MM, bleeds=(blob((28, 8, 5), (24, 17, 19)),), false=(FAR,)),
    Case(name="sdh", slices=32, spacing_z_mm=THICK_MM, bleeds=(crescent(-1, 12),), reference_dtype=np.int16),
    Case(name="sah", slices=28, spacing_z_mm=THICK_MM, bleeds=(speckles(0.3),), level=-0.05),
    Case(
        name="ivh-iph",
        slices=30,
        spacing_z_mm=THICK_MM,
        bleeds=(blob((-20, 0, 8), (14, 18, 14)), blob((9, -20, 8), (5, 22, 9)), blob((-9, -20, 8), (5, 22, 9))),
    ),
    Case(name="small-iph", slices=31, spacing_z_mm=THICK_MM, bleeds=(blob((-25, 20, 0), (6, 6, 7)),), level=-0.15),
    Case(name="edh-far", slices=30, spacing_z_mm=THICK_MM, bleeds=(lens(1, 30),), false=(FAR,), level=0.03),
    Case(name="healthy-found", slices=29, spacing_z_mm=THICK_MM, false=(FAR,)),
    Case(name="missed", slices=30, spacing_z_mm=THICK_MM, bleeds=(blob((15, -30, 12), (9, 8, 9)),), missed=True),
)
THIN = (
    Case(name="thin-iph", slices=250, spacing_z_mm=THIN_MM, bleeds=(blob((26, 4, 0), (25, 19, 20)),)),
    Case(name="thin-sdh", slices=250, spacing_z_mm=THIN_MM, bleeds=(crescent(1, 10),), reference_dtype=np.int16),
    Case(name="thin-sah", slices=250, spacing_z_mm=THIN_MM, bleeds=(speckles(0.25),), level=-0.04),
    Case(name="thin-healthy", slices=250, spacing_z_mm=THIN_MM),
)
CASES = (*THICK, *THIN)


def masks(case: Case, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return (reference, prediction) of a case, each (512, 512, slices)."""
    shape = (512, 512, case.slices)
    sizes_mm = (IN_PLANE_MM, IN_PLANE_MM, case.spacing_z_mm)
    axes = [((np.arange(n) - (n - 1) / 2) * mm).astype(np.float32) for n, mm in zip(shape, sizes_mm, strict=True)]
    near = [np.flatnonzero(np.abs(axis) < half + 3) for axis, half in zip(axes, BRAIN_MM, strict=True)]
    x, y, z = (axis[kept] for axis, kept in zip(axes, near, strict=True))
    space = Space(x=x[:, None, None], y=y[None, :, None], z=z[None, None, :], rng=rng)
    reference, prediction = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    box = tuple(slice(int(kept[0]), int(kept[-1]) + 1) for kept in near)
    for bleed in case.bleeds:
        field = bleed(space)
        reference[box] |= field < 0
        if not case.missed:
            prediction[box] |= field + np.float32(0.06) * space.noise(7) < case.level
    for found in case.false:
        prediction[box] |= found(space) < 0
    return reference, prediction


def write(folder: Path, copies: int) -> None:
    """Write the set, `copies` times over, unless the folder holds it already."""
    for number, case in enumerate(CASES):
        names = [f"case-{copy:02d}-{number:02d}-{case.name}.nii.gz" for copy in range(copies)]
        if all((folder / kind / name).exists() for kind in ("reference", "prediction") for name in names):
            continue
        reference, prediction = masks(case, np.random.default_rng([SEED, number]))
        affine = np.diag([IN_PLANE_MM, IN_PLANE_MM, case.spacing_z_mm, 1.0])
        for copy, name in enumerate(names):
            shift = (COPY_SHIFT_VOXELS[0] * copy, COPY_SHIFT_VOXELS[1] * copy)
            for kind, mask, dtype in (
                ("reference", reference, case.reference_dtype),
                ("prediction", prediction, np.uint8),
            ):
                (folder / kind).mkdir(parents=True, exist_ok=True)
                moved = np.roll(mask, shift, axis=(0, 1)).astype(dtype)
                image = nib.Nifti1Image(moved, affine)
                image.header.set_xyzt_units("mm")
                nib.save(image, folder / kind / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--copies", type=int, default=1, help="how many times over")
    asked = parser.parse_args()
    write(asked.folder, asked.copies)


if __name__ == "__main__":
    main()
