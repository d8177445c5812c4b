"""What does a mask look like in three dimensions: a shaded picture, drawn without a graphics library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Voxels = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

STEP_MM = 1.5
_SURFACE = 0.4  # where between inside and outside a surface lies; thin sheets stay whole
_AZIMUTH_DEG, _ELEVATION_DEG = 35.0, -25.0  # rays go to the right, back and down
_LIGHT = np.array([-0.4, -0.5, 0.77])


@dataclass(frozen=True, kw_only=True)
class Solid:
    """A picture (rows, columns, RGBA in 0..1) of shaded surfaces; nothing is opaque where nothing is hit."""

    picture: Floats


def render(classes: Mapping[str, Voxels], spacing_mm: Sequence[float], behind: Solid | None = None) -> Solid:
    """Return masks as solids, each in its colour, before the faint shape of the head.

    Parallel rays come from the front, left and above; each shows the first voxel that it hits, shaded by how its
    surface stands to the light.

    Args:
        classes: disjoint masks by colour ("#rrggbb"), of one shape; x grows to the left, y to the back, z upwards.
        spacing_mm: of the three axes.
        behind: what `backdrop` made of the head of the same shape, or None.
    """
    shapes = list(classes.values())
    labels = np.zeros(shapes[0].shape, dtype=np.uint8)
    for number, mask in enumerate(shapes, start=1):
        labels[mask] = number
    rays = _rotated(labels, spacing_mm, order=0)
    hit = np.asarray((_rotated((labels > 0).astype(np.float32), spacing_mm, order=1) > _SURFACE) | (rays > 0))
    near = np.where(rays > 0, rays, ndimage.maximum_filter(rays, 3))
    first = np.take_along_axis(near, hit.argmax(axis=1)[:, None, :], axis=1)[:, 0, :]
    picture = np.zeros((rays.shape[2], rays.shape[0], 4)) if behind is None else behind.picture.copy()
    shade, seen = _shade(hit), np.asarray(hit.any(axis=1))
    for number, colour in enumerate(classes, start=1):
        rgb = tuple(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        _paint(picture, seen & (first == number), shade, rgb, opacity=1.0)
    return Solid(picture=picture)


def beyond_one_voxel(mask: Voxels, other: Voxels) -> Voxels:
    """Return what of a mask does not touch the other mask, edges and corners included: more than a blurred edge."""
    return np.asarray(mask & ~ndimage.binary_dilation(other, np.ones((3, 3, 3))))


def backdrop(head: Voxels, spacing_mm: Sequence[float]) -> Solid:
    """Return a head as a faint shape, to stand behind what `render` draws."""
    inside = np.asarray(_rotated(head.astype(np.float32), spacing_mm, order=1) > 0.5)
    picture = np.zeros((inside.shape[2], inside.shape[0], 4))
    _paint(picture, np.asarray(inside.any(axis=1)), _shade(inside), (0.72, 0.74, 0.77), opacity=0.4)
    return Solid(picture=picture)


def _rotated(labels: npt.NDArray[Any], spacing_mm: Sequence[float], *, order: int) -> npt.NDArray[Any]:
    """Return the labels on a grid of STEP_MM whose axes are: across the picture, along the ray, up the picture."""
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    azimuth, elevation = np.deg2rad(_AZIMUTH_DEG), np.deg2rad(_ELEVATION_DEG)
    turn = np.array(
        [[np.cos(azimuth), -np.sin(azimuth), 0], [np.sin(azimuth), np.cos(azimuth), 0], [0, 0, 1]], dtype=np.float64
    )
    tilt = np.array(
        [[1, 0, 0], [0, np.cos(elevation), -np.sin(elevation)], [0, np.sin(elevation), np.cos(elevation)]],
        dtype=np.float64,
    )
    rotation = turn @ tilt  # from the picture's axes to the head's
    extent = np.asarray(labels.shape) * spacing
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]) * extent
    size = np.ceil((np.abs(corners @ rotation).max(axis=0) * 2) / STEP_MM).astype(int) + 1
    matrix = np.diag(1 / spacing) @ rotation * STEP_MM
    offset = (np.asarray(labels.shape) - 1) / 2 - matrix @ ((size - 1) / 2)
    found: npt.NDArray[Any] = ndimage.affine_transform(
        labels, matrix, offset=offset, output_shape=tuple(size), order=order, mode="constant", cval=0, prefilter=False
    )
    return found


def _shade(hit: Voxels) -> Floats:
    """Return how bright each ray's first voxel is, 0.35 to 1, from the slope of the depth around it."""
    depth = np.where(hit.any(axis=1), hit.argmax(axis=1), hit.shape[1]).astype(np.float64)
    smooth = ndimage.gaussian_filter(np.minimum(depth, depth.min() + 200), 1.2)
    across, up = np.gradient(smooth)
    normal = np.stack([across, -np.ones_like(across), up], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    bright: Floats = 0.35 + 0.65 * np.clip(normal @ (_LIGHT / np.linalg.norm(_LIGHT)), 0, 1)
    return bright


def _paint(picture: Floats, inside: Voxels, shade: Floats, rgb: Sequence[float], *, opacity: float) -> None:
    """Paint where `inside` (across, up) is set; the picture's rows run down."""
    where = inside.T[::-1]
    picture[where, :3] = np.asarray(rgb) * shade.T[::-1][where][:, None]
    picture[where, 3] = opacity
