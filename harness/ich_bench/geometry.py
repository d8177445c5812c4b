"""Where do voxels lie in the world, and how do two grids differ, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Rows = tuple[tuple[float, ...], ...]

TOLERANCE_MM = 1e-3  # element-wise and absolute (docs/protocol.md, What is checked)
_SLACK_MM = 1e-9  # so that a difference of exactly 1e-3 survives its own subtraction
_SIDES = (("left-right", "front-back", "top-bottom"), ("to the right", "to the front", "upwards"))
_OTHER_SIDES = ("to the left", "to the back", "downwards")


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """The grid of one volume: its shape and the affine that takes a voxel index (i, j, k) to RAS+ millimetres.

    `affine` is four rows of four floats. `qform` is set only where a NIfTI header codes both forms; `affine` is then
    the sform, and `differences` says whether the two contradict each other.
    """

    shape: tuple[int, int, int]
    affine: Rows
    qform: Rows | None = None

    @classmethod
    def of(cls, shape: Sequence[int], affine: npt.ArrayLike, qform: npt.ArrayLike | None = None) -> Geometry:
        """Return the grid of this shape and these 4 × 4 matrices."""
        across, along, slices = (int(count) for count in shape)
        return cls(shape=(across, along, slices), affine=_rows(affine), qform=None if qform is None else _rows(qform))

    @property
    def matrix(self) -> Matrix:
        """Return the affine as a fresh 4 × 4 array."""
        return np.array(self.affine, dtype=np.float64)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Return the norms of the affine's columns, rounded to 1e-6 mm (float32 headers turn 0.6 into 0.60000002)."""
        i, j, k = (round(float(length), 6) for length in _lengths(self.matrix))
        return i, j, k

    @property
    def voxel_volume_mm3(self) -> float:
        """Return |det(affine)|, by cofactors so that it is the same number on every machine."""
        return abs(_determinant(self.affine))

    @property
    def shear_deg(self) -> float:
        """Return the largest departure from 90° between two voxel axes: a gantry tilt of 8° gives 8.0."""
        axes = _directions(self.matrix)
        cosines = [abs(float((axes[:, one] * axes[:, other]).sum())) for one, other in ((0, 1), (0, 2), (1, 2))]
        return round(math.degrees(math.asin(min(1.0, max(cosines)))), 4)

    @property
    def orientation(self) -> str:
        """Return the world direction each voxel axis grows towards, nearest first, as in "RAS" or "LPS"."""
        return "".join(("RAS" if sign > 0 else "LPI")[world] for world, sign in _nearest_axes(_directions(self.matrix)))

    @property
    def diagonal_mm(self) -> float:
        """Return √Σ(nᵢ·spacingᵢ)², the distance given to an empty prediction (docs/metrics.md)."""
        return math.sqrt(sum((n * mm) ** 2 for n, mm in zip(self.shape, self.spacing_mm, strict=True)))


def differences(mask: Geometry, *grids: Geometry, names: Sequence[str] = ("CT", "reference")) -> tuple[str, ...]:
    """Return what keeps the mask off the grids, one sentence each with how to mend it; empty where it lies on one.

    The mask fits when it has the shape of any grid and that grid's affine, element-wise within 1e-3 mm; the words
    compare it with the first grid. `names` says what the grids are. When the mask's header codes both an sform and a
    qform, they must agree, except that a qform may be the shear-free form of its own sform or repeat a form of one of
    the grids (docs/protocol.md, What is checked: Orientation).
    """
    fits = any(mask.shape == grid.shape and _close(mask.affine, grid.affine) for grid in grids)
    found = [] if fits or not grids else _grid_words(mask, grids[0], f"the {names[0]}")
    return (*found, *_form_words(mask, grids, f"the {names[0]}" if grids else "the CT"))


def shear_free(matrix: npt.ArrayLike) -> Matrix:
    """Return the nearest matrix that a qform can hold: column norms and origin kept, axes made perpendicular.

    The rotation is the polar part of the normalised columns, as in nibabel's `set_qform`.
    """
    free = np.array(matrix, dtype=np.float64)
    free[:3, :3] = _polar(_directions(free)) * _lengths(free)
    return free


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as people write it: 512x512x30."""
    return "x".join(str(count) for count in shape)


def _grid_words(mask: Geometry, grid: Geometry, name: str) -> list[str]:
    same_shape = mask.shape == grid.shape
    if not same_shape and sorted(mask.shape) == sorted(grid.shape):
        return [
            f"its axes are stored in another order: {shape_text(mask.shape)}, {name} is {shape_text(grid.shape)}. "
            f"Write it with axes and affine as in {name}; `ich-bench regrid` does that."
        ]
    found = [] if same_shape else [
        f"has {shape_text(mask.shape)} voxels, {name} has {shape_text(grid.shape)}. "
        f"Bring the mask to {name}'s grid; `ich-bench regrid` does that."
    ]  # fmt: skip
    if _close(mask.affine, grid.affine):
        return found
    found += _orientation_words(mask, grid, name)
    aligned = mask.matrix[:3, :3] @ _reordering(mask, grid)
    found += _scale_words(mask, grid, name, aligned) + _angle_words(mask, grid, name, aligned)
    found += _shift_words(mask, grid, name, same_shape=same_shape)
    return found or [_largest_difference(mask, grid, name)]


def _orientation_words(mask: Geometry, grid: Geometry, name: str) -> list[str]:
    stored, expected = mask.orientation, grid.orientation
    if stored == expected:
        return []
    ours, theirs = _nearest_axes(_directions(mask.matrix)), _nearest_axes(_directions(grid.matrix))
    mend = f"Write the mask with {name}'s voxel order and affine; `ich-bench regrid` does that."
    if [world for world, _ in ours] != [world for world, _ in theirs]:
        return [f"its axes are stored in another order: as {stored}, {name} is {expected}. {mend}"]
    flipped = [_SIDES[0][one[0]] for one, other in zip(ours, theirs, strict=True) if one != other]
    return [f"is mirrored {' and '.join(flipped)}: stored as {stored}, {name} is {expected}. {mend}"]


def _scale_words(mask: Geometry, grid: Geometry, name: str, aligned: Matrix) -> list[str]:
    if np.abs(_lengths(aligned) - _lengths(grid.matrix)).max() <= TOLERANCE_MM:
        return []
    return [
        f"has voxels of {_spacing_text(mask)} mm, {name} has {_spacing_text(grid)} mm. "
        f"Resample it to {name}'s grid; `ich-bench regrid` does that."
    ]


def _angle_words(mask: Geometry, grid: Geometry, name: str, aligned: Matrix) -> list[str]:
    ours, theirs = mask.shear_deg, grid.shear_deg
    mend = f"Write the mask with {name}'s affine (as sform: a qform cannot hold a tilt)."
    if abs(ours - theirs) > 0.05:
        if ours <= 0.05:
            return [f"lacks {name}'s {theirs:.1f} degree gantry tilt. {mend}"]
        rather = f"{name} has none" if theirs <= 0.05 else f"{name} one of {theirs:.1f} degrees"
        return [f"has a gantry tilt of {ours:.1f} degrees, {rather}. {mend}"]
    apart = _polar(_directions(aligned)) - _polar(_directions(grid.matrix))
    turn_deg = 2 * math.degrees(math.asin(min(1.0, float(np.sqrt((apart**2).sum())) / math.sqrt(8))))
    if turn_deg <= 0.01:
        return []
    return [f"is rotated by {_number(turn_deg)} degrees against {name}. Write the mask with {name}'s affine."]


def _shift_words(mask: Geometry, grid: Geometry, name: str, *, same_shape: bool) -> list[str]:
    """Return the shift of the origin where only that differs, else that of the centre, which a mirror keeps."""
    origin = mask.matrix[:3, 3] - grid.matrix[:3, 3]
    centre = _centre(mask) - _centre(grid)
    moved = centre if same_shape else origin
    if min(np.abs(origin).max(), np.abs(centre).max()) <= TOLERANCE_MM:
        return []
    legs = [
        f"{_number(abs(mm))} mm {(_SIDES[1] if mm > 0 else _OTHER_SIDES)[axis]}"
        for axis, mm in enumerate(moved)
        if abs(mm) > TOLERANCE_MM
    ]
    return [f"is shifted by {', '.join(legs)} against {name}. Write the mask with {name}'s affine."] if legs else []


def _largest_difference(mask: Geometry, grid: Geometry, name: str) -> str:
    apart = np.abs(mask.matrix - grid.matrix)
    row, column = (int(at) for at in np.unravel_index(int(np.argmax(apart)), apart.shape))
    return (
        f"its affine differs from {name}'s by up to {apart[row, column]:.3g} mm (row {row + 1}, column {column + 1}: "
        f"{mask.affine[row][column]:.6g}, expected {grid.affine[row][column]:.6g}). "
        f"Write the mask with {name}'s affine."
    )


def _form_words(mask: Geometry, grids: Sequence[Geometry], name: str) -> list[str]:
    if mask.qform is None:
        return []
    allowed: list[npt.ArrayLike] = [mask.affine, shear_free(mask.matrix)]
    allowed += [form for grid in grids for form in (grid.affine, grid.qform) if form is not None]
    if any(_close(mask.qform, form) for form in allowed):
        return []
    apart = np.abs(np.array(mask.qform) - mask.matrix).max()
    return [
        f"its sform and qform contradict each other by up to {_number(float(apart))} mm, so programs will not agree "
        f"where it lies. Set both to {name}'s affine, or set the code of the wrong one to 0."
    ]


def _rows(matrix: npt.ArrayLike) -> Rows:
    array = np.asarray(matrix, dtype=np.float64)
    if array.shape != (4, 4):
        raise ValueError(f"an affine is 4 x 4, not {array.shape}")
    return tuple(tuple(float(value) + 0.0 for value in row) for row in array)  # + 0.0 turns -0.0 into 0.0


def _close(one: npt.ArrayLike, other: npt.ArrayLike) -> bool:
    """Return whether two matrices agree element-wise within the tolerance; NaN agrees with nothing."""
    return bool((np.abs(np.asarray(one) - np.asarray(other)) <= TOLERANCE_MM + _SLACK_MM).all())


def _determinant(rows: Any) -> float:
    (a, b, c), (d, e, f), (g, h, i) = (row[:3] for row in rows[:3])
    return float(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))


def _lengths(matrix: Matrix) -> Matrix:
    lengths: Matrix = np.sqrt((matrix[:3, :3] ** 2).sum(axis=0))
    return lengths


def _directions(matrix: Matrix) -> Matrix:
    directions: Matrix = matrix[:3, :3] / _lengths(matrix)
    return directions


def _polar(directions: Matrix) -> Matrix:
    left, _, right = np.linalg.svd(directions)
    rotation: Matrix = left @ right
    return rotation


def _nearest_axes(directions: Matrix) -> list[tuple[int, int]]:
    """Return the world axis each voxel axis runs along, and its sign: the assignment of largest total cosine."""
    order = max(permutations(range(3)), key=lambda worlds: sum(abs(directions[w, v]) for v, w in enumerate(worlds)))
    return [(world, 1 if directions[world, voxel] > 0 else -1) for voxel, world in enumerate(order)]


def _reordering(mask: Geometry, grid: Geometry) -> Matrix:
    """Return the signed permutation that brings the mask's voxel axes into the grid's order and direction."""
    ours, theirs = _nearest_axes(_directions(mask.matrix)), _nearest_axes(_directions(grid.matrix))
    swap = np.zeros((3, 3))
    for (one, (axis, sign)), (other, (wanted, wanted_sign)) in product(enumerate(ours), enumerate(theirs)):
        if axis == wanted:
            swap[one, other] = sign * wanted_sign
    return swap


def _centre(geometry: Geometry) -> Matrix:
    middle = (np.array(geometry.shape, dtype=np.float64) - 1) / 2
    centre: Matrix = geometry.matrix[:3, :3] @ middle + geometry.matrix[:3, 3]
    return centre


def _spacing_text(geometry: Geometry) -> str:
    return "x".join(str(round(mm, 4)) for mm in geometry.spacing_mm)


def _number(value: float) -> str:
    return f"{value:.1f}" if value >= 0.1 else f"{value:.2g}"
