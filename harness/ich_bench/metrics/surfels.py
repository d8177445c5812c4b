"""How large is the piece of surface at a voxel corner, given which of the eight voxels around it are inside.

The pieces are those that marching cubes cuts out of the cube between the eight voxel centres (Lorensen and Cline 1987),
as in DeepMind's surface-distance. A piece is written as its vector of projected areas on the planes across x, y and z,
on a grid of 1 mm, without signs: a spacing scales each component on its own, and the length is the area in mm².
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from operator import mul

import numpy as np
import numpy.typing as npt

Corner = tuple[int, int, int]
Piece = tuple[float, float, float]

# Bit `weight` of a code is the voxel on the side (x, y, z) of the corner: 0 before it, 1 behind it.
WEIGHTS: dict[Corner, int] = {(x, y, z): 1 << (7 - 4 * x - 2 * y - z) for x, y, z in product((0, 1), repeat=3)}
_TRIANGLE = 1 / 8


@lru_cache(maxsize=16)
def surfel_areas_mm2(spacing_mm: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    """Return the area in mm² of the surface element of each of the 256 codes; 0 for all inside and all outside."""
    x, y, z = spacing_mm
    across = (y * z, x * z, x * y)
    areas = [[math.hypot(*map(mul, piece, across)) for piece in pieces(code)] for code in range(256)]
    return np.array([math.fsum(area) for area in areas])


def pieces(code: int) -> list[Piece]:
    """Return the pieces of surface around a corner.

    Inside and outside cut the same surface, so that the smaller of the two is looked at; voxels that share no face are
    cut off one group at a time.
    """
    inside = {side for side, weight in WEIGHTS.items() if code & weight}
    if len(inside) > 4:
        inside = set(WEIGHTS) - inside
    return [piece for group in _groups(inside) for piece in _around(group)]


def _groups(inside: set[Corner]) -> Iterator[list[Corner]]:
    """Yield the voxels in groups that hang together by faces."""
    left = set(inside)
    while left:
        group = [left.pop()]
        for one in group:  # grows while it is walked over
            near = [other for other in left if _axes(one, other) == 1]
            left.difference_update(near)
            group += near
        yield group


def _around(group: list[Corner]) -> list[Piece]:
    """Return the pieces that cut off one group of one to four voxels."""
    edges = [(one, other) for at, one in enumerate(group) for other in group[:at] if _axes(one, other) == 1]
    if len(group) == 1:
        return [_slanted(1)]
    if len(group) == 2:  # a roof along the edge
        return [_roof(*edges[0])] * 2
    if len(group) == 3:
        return [_slanted(1), _slanted(2), _flat(group)]
    if len(edges) == 4:  # a whole face
        return [_flat(group)] * 2
    ends = [one for one in group if sum(one in edge for edge in edges) == 1]
    if len(ends) == 3:  # one voxel and its three neighbours: a hexagon
        return [_slanted(1), _slanted(1), _slanted(2), _slanted(2)]
    return [_slanted(1), _slanted(3), *(_roof(*edge) for edge in edges if set(edge) & set(ends))]  # a winding row


def _slanted(times: int) -> Piece:
    return (times * _TRIANGLE,) * 3


def _roof(one: Corner, other: Corner) -> Piece:
    first, second, third = (0.25 * (a == b) for a, b in zip(one, other, strict=True))
    return first, second, third


def _flat(group: list[Corner]) -> Piece:
    first, second, third = (0.5 * (len(set(places)) == 1) for places in zip(*group, strict=True))
    return first, second, third


def _axes(one: Corner, other: Corner) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))
