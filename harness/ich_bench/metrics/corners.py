"""Where is the surface of a mask: the voxel corners around which some voxels are inside and some are not.

A corner (i, j, k) lies between the voxels i - 1 and i of each axis. It is on the surface where its eight voxels are
neither all 0 nor all 1: OR and AND of the mask with itself moved by one along x, then y, then z, say which those are
for eight corners at a time. Outside the mask's own box every voxel is 0, so that no corner beyond it is on the surface.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ich_bench.metrics.packed import Bits, Rows, before
from ich_bench.metrics.surfels import WEIGHTS

Places = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Surface:
    """The surface corners of one mask: `places` (3, n) as (z, y, x) of the grid, and the code of each (see surfels)."""

    places: Places
    codes: npt.NDArray[np.uint8]


def surface_of(rows: Rows) -> Surface:
    """Return the surface of a mask that holds a voxel; where it touches the border of the grid it is closed there."""
    here = np.pad(rows.bits, ((1, 1), (1, 1), (0, 1)))  # air before and behind: corners go one beyond the last voxel
    left = before(here)
    on_surface = _joined(here | left, np.bitwise_or) & ~_joined(here & left, np.bitwise_and)
    held = np.flatnonzero(on_surface)  # bytes with a corner; only these are unpacked
    z, y, byte = np.unravel_index(held, on_surface.shape)
    corner = np.unpackbits(on_surface.reshape(-1)[held]).view(np.bool_)
    codes = np.zeros(len(corner), dtype=np.uint8)
    _, height, width = here.shape
    at = (z * height + y) * width + byte
    flat = (left.reshape(-1), here.reshape(-1))
    for (along_x, along_y, along_z), weight in WEIGHTS.items():
        voxels = flat[along_x][at + (along_z * height + along_y) * width]
        codes += np.unpackbits(voxels) * np.uint8(weight)
    found = np.flatnonzero(corner)
    which = found >> 3
    first_z, first_y, first_byte = rows.first
    x = (byte[which] + first_byte) * 8 + (found & 7)
    places = np.stack([z[which] + first_z, y[which] + first_y, x]).astype(np.int32)
    return Surface(places=places, codes=codes[found])


def _joined(rows: Bits, join: np.ufunc) -> Bits:
    """Return each row joined with the next, in its slice and in the next slice."""
    pairs = join(rows[:, :-1], rows[:, 1:])
    joined: Bits = join(pairs[:-1], pairs[1:])
    return joined
