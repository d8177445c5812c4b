"""How does a CT of any orientation come to lie as every slice lies here, and how does a prediction go back?

Rows run from front to back (anterior to posterior), columns from the patient's right to the left, slices from foot to
head: "PLS" in the letters of `Geometry.orientation`. The nearest axes of the affine decide; nothing is interpolated,
so a gantry tilt or a turned head stays as it was scanned, and the way back is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ich_bench.geometry import Geometry, shape_text

Scalar = TypeVar("Scalar", bound=np.generic)
_WAYS = (("P", "A"), ("L", "R"), ("S", "I"))  # what rows, columns and slices run towards, and the opposite


@dataclass(frozen=True, kw_only=True)
class Orientation:
    """Which voxel axis becomes rows, columns and slices (`axes`), and whether it then runs backwards (`flipped`)."""

    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    def shape(self, native: tuple[int, ...]) -> tuple[int, int, int]:
        """Return (rows, columns, slices) of a volume of this native shape."""
        rows, columns, slices = (native[axis] for axis in self.axes)
        return rows, columns, slices

    def native_slice(self, place: int, slices: int) -> int:
        """Return the index along the native axis of the slice that lies at this place, from 0 at the foot."""
        return slices - 1 - place if self.flipped[2] else place


def orientation_of(geometry: Geometry) -> Orientation:
    """Return how this grid is brought to rows, columns and slices; the nearest axes of its affine decide.

    On the grids of all datasets here the slices lie along axis 2 of the array, as everywhere in ich_bench.
    """
    letters = geometry.orientation
    found = [next(axis for axis, letter in enumerate(letters) if letter in way) for way in _WAYS]
    flips = [letters[axis] == way[1] for axis, way in zip(found, _WAYS, strict=True)]
    return Orientation(axes=(found[0], found[1], found[2]), flipped=(flips[0], flips[1], flips[2]))


def to_slices(volume: npt.NDArray[Scalar], orientation: Orientation) -> npt.NDArray[Scalar]:
    """Return a view (rows, columns, slices) of a native volume (x, y, z)."""
    turned = volume.transpose(orientation.axes)
    return turned[tuple(slice(None, None, -1 if flip else 1) for flip in orientation.flipped)]


def from_slices(slices: npt.NDArray[Scalar], orientation: Orientation) -> npt.NDArray[Scalar]:
    """Return the native volume (x, y, z), as a view, of what lies as (rows, columns, slices): undoes `to_slices`."""
    straight = slices[tuple(slice(None, None, -1 if flip else 1) for flip in orientation.flipped)]
    return straight.transpose(tuple(int(axis) for axis in np.argsort(orientation.axes)))


def in_slices(volume: npt.NDArray[Any], geometry: Geometry) -> npt.NDArray[Any]:
    """Return a volume that lies on this grid as (rows, columns, slices); ValueError where it has another shape."""
    if volume.shape != geometry.shape:
        raise ValueError(f"an array of {shape_text(volume.shape)} does not lie on a grid of {geometry.shape}")
    return to_slices(volume, orientation_of(geometry))


def spacing_in_slices(geometry: Geometry) -> tuple[float, float, float]:
    """Return the spacing in mm along rows, columns and slices."""
    rows, columns, slices = (geometry.spacing_mm[axis] for axis in orientation_of(geometry).axes)
    return rows, columns, slices


def upright(
    image: npt.NDArray[Scalar],
    along: tuple[float, float, float] | None,
    down: tuple[float, float, float] | None,
    spacing_mm: tuple[float, float],
) -> tuple[npt.NDArray[Scalar], tuple[float, float]] | None:
    """Return one slice (rows, columns), turned to lie as all slices do, and its spacing along rows and columns in mm.

    As it is where nobody knows how it lies; None where it is not axial.

    Args:
        image: As in its file.
        along: The direction (RAS+) in which its columns are counted; None: not known.
        down: That in which its rows are.
        spacing_mm: Between its rows, and between its columns.
    """
    if along is None or down is None:
        return image, spacing_mm
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([along, down, np.cross(along, down)])
    way = orientation_of(Geometry.of((image.shape[1], image.shape[0], 1), affine))
    if way.axes[2] != 2:
        return None
    swapped = way.axes[0] == 0
    return to_slices(image.T[:, :, None], way)[:, :, 0], spacing_mm[::-1] if swapped else spacing_mm
