"""Where is the surface of a mask: the voxel corners around which some voxels are inside and some are not.

A corner (i, j, k) lies between the voxels i - 1 and i of each axis. It is on the surface where its eight voxels are
neither all 0 nor all 1: OR and AND of the mask with itself moved by one along x, then y, then z, say which those are
for eight corners at a time. Outside the mask's own box every voxel is 0, so that no corner beyond it is on the surface.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ich_bench.metrics.packed import Bits, Rows, before, positions
from ich_bench.metrics.surfels import WEIGHTS

Places = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Surface:
    """The surface corners of one mask: `places` (3, n) as (z, y, x) of the grid, and the code of each (see surfels)."""

    places: Places
    codes: npt.NDArray[np.uint8]


def surface_of(rows: Rows) -> Surface:
    """Return the surface of a mask that holds a voxel; where it touches the border of the grid it is closed there."""
    bits = np.pad(rows.bits, ((0, 1), (0, 1), (0, 1)))  # corners go one beyond the last voxel
    some = every = bits
    some, every = some | before(some), every & before(every)
    for axis in (1, 0):
        some, every = some | _moved(some, axis), every & _moved(every, axis)
    on_surface = positions(some & ~every)
    depth, height, width = bits.shape[0], bits.shape[1], bits.shape[2] * 8
    inside = np.zeros((depth + 1, height + 1, width + 8), dtype=np.uint8)  # one voxel of air before the first
    inside[1:, 1:, 8:] = np.unpackbits(bits, axis=2)
    z, rest = np.divmod(on_surface, height * width)
    y, x = np.divmod(rest, width)
    flat = inside.reshape(-1)
    at = (z * (height + 1) + y) * (width + 8) + x + 7
    codes = np.zeros(len(at), dtype=np.uint8)
    for (along_x, along_y, along_z), weight in WEIGHTS.items():
        step = (along_z * (height + 1) + along_y) * (width + 8) + along_x
        codes += flat[at + step] * np.uint8(weight)
    first_z, first_y, first_byte = rows.first
    return Surface(places=np.stack([z + first_z, y + first_y, x + 8 * first_byte]).astype(np.int32), codes=codes)


def _moved(bits: Bits, axis: int) -> Bits:
    moved = np.zeros_like(bits)
    if axis == 0:
        moved[1:] = bits[:-1]
    else:
        moved[:, 1:] = bits[:, :-1]
    return moved
