"""Where is the inside of the skull, found from the CT alone: bone, closed and filled."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ich_bench.volume import CT

Mask = NDArray[np.bool_]

BONE_ABOVE_HU = 150
AIR_BELOW_HU = -50  # and fat: the sinuses and the orbits are not the cavity
WORKING_MM = 2.0  # in-plane; along the slices as they are, or thinned to about this
GAP_MM = 8.0  # openings of the skull up to about twice this are closed
RIM_MM = 3.0  # what the coarse grid loses next to the bone
NECK_MM = 5.0  # passages narrower than about twice this (orbits, the skull base) end the cavity


def classical_cavity(ct: CT) -> Mask:
    """Return the intracranial cavity (x, y, z).

    On a coarse grid: bone above 150 HU, closed, filled in each slice, less the bone itself; eroded, the largest part
    kept and grown back. On the CT's own grid: grown by 3 mm, but not into bone, fat or air. All False where no slice
    holds a closed ring of bone. It is rough: a slice in which the skull is open (a craniectomy, the skull base) is left
    out.
    """
    spacing_mm = ct.geometry.spacing_mm
    steps = tuple(max(1, round(WORKING_MM / one)) for one in spacing_mm)
    bone = _largest(_pooled(ct.hu > BONE_ABOVE_HU, steps))
    across_mm = min(spacing_mm[0] * steps[0], spacing_mm[1] * steps[1])
    closed = _per_slice(bone, math.ceil(GAP_MM / across_mm))
    soft = ~_pooled(ct.hu < AIR_BELOW_HU, steps) & ~closed
    inside = ndimage.binary_fill_holes(closed, structure=_PLUS) & soft
    neck = _ball(NECK_MM, tuple(one * step for one, step in zip(spacing_mm, steps, strict=True)))
    core = _largest(ndimage.binary_erosion(inside, neck))
    coarse = ndimage.binary_dilation(core, neck, mask=inside)
    found: Mask = coarse
    for axis, (step, count) in enumerate(zip(steps, ct.hu.shape, strict=True)):
        found = np.repeat(found, step, axis=axis).take(np.arange(count), axis=axis)
    here = (ct.hu >= AIR_BELOW_HU) & (ct.hu <= BONE_ABOVE_HU)
    steps_out = max(1, round(RIM_MM / min(spacing_mm[:2])))
    return np.asarray(ndimage.binary_dilation(found & here, _PLUS, iterations=steps_out, mask=here))


_PLUS = ndimage.generate_binary_structure(3, 1) & np.array([False, True, False])  # within a slice


def _pooled(mask: Mask, steps: tuple[int, ...]) -> Mask:
    """Return the mask on a grid coarser by whole steps: set where any of the voxels is."""
    for axis, step in enumerate(steps):
        if step > 1:
            mask = np.logical_or.reduceat(mask, np.arange(0, mask.shape[axis], step), axis=axis)
    return mask


def _per_slice(mask: Mask, radius: int) -> Mask:
    """Return the mask closed in each slice by a disc, as if nothing lay outside the image."""
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disc = (x * x + y * y <= radius * radius)[:, :, None]
    padded = np.pad(mask, ((radius, radius), (radius, radius), (0, 0)))
    closed: Mask = ndimage.binary_closing(padded, disc)[radius:-radius, radius:-radius]
    return closed


def _ball(radius_mm: float, spacing_mm: tuple[float, ...]) -> Mask:
    reach = [math.floor(radius_mm / one) for one in spacing_mm]
    grid = np.ogrid[tuple(slice(-one, one + 1) for one in reach)]
    squares = [(axis * one) ** 2 for axis, one in zip(grid, spacing_mm, strict=True)]
    return np.asarray(squares[0] + squares[1] + squares[2] <= radius_mm**2)


def _largest(mask: Mask) -> Mask:
    labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    if count == 0:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax())
