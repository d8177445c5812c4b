"""How far is it from each corner of one surface to the nearest corner of the other, in millimetres."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import groupby

import numpy as np
import numpy.typing as npt

from ich_bench.metrics.corners import Places

Spacing = tuple[float, float, float]
Floats = npt.NDArray[np.float64]
Step = tuple[int, int, int]  # (z, y, x)

_STEPS = 1500  # so many corners around one are looked at one by one
_PATIENCE, _PAYS = 64, 0.03  # where so many steps found less than this share of what was left, a search tree is cheaper
_FEW = 8  # so many are compared with every corner of the other surface sooner than a tree of these is built
_TREE_IS_DEARER = 12  # a search in the tree costs as much as so many voxels of a distance transform


class Lookup:
    """Both surfaces laid into one array of flags, with air around them as wide as the longest step.

    A step from a corner of either then stays within the array: the position of a neighbour is a sum.
    """

    def __init__(self, one: Places, other: Places, spacing_mm: Spacing) -> None:
        """Take the corners (3, n) of both surfaces and the spacing (x, y, z) in mm."""
        self._shells = shells(spacing_mm)
        self._mm = np.array(spacing_mm[::-1])
        reach = np.abs(np.array([step for _, steps in self._shells for step in steps])).max(axis=0)
        lower = np.minimum(one.min(axis=1), other.min(axis=1)) - reach
        self._lower = lower.astype(np.int64)
        sides = np.maximum(one.max(axis=1), other.max(axis=1)) + reach + 1 - lower
        self._sides = (int(sides[0]), int(sides[1]), int(sides[2]))
        self._flags = np.zeros(math.prod(self._sides), dtype=np.bool_)
        self._longest = self._index((int(reach[0]), int(reach[1]), int(reach[2])))

    def distances(self, places: Places, others: Places) -> tuple[Floats, npt.NDArray[np.intp]]:
        """Return distances in mm, ascending, and for each of the places which of them is its own.

        Exact because steps are taken in the order of their length: the first that meets the other surface is as short
        as any that does. What no step reaches is compared with every corner of the other surface, or looked for in a
        search tree or a distance transform, which are exact as well.
        """
        goals = self._at(others)
        self._flags[goals] = True
        kind = np.zeros(places.shape[1], dtype=np.intp)
        left = np.arange(places.shape[1])
        at = self._at(places) - self._longest
        tried = met = 0
        for number, (_, steps) in enumerate(self._shells):
            hit = self._after(steps[0])[at]
            for step in steps[1:]:
                hit |= self._after(step)[at]
            found = left[hit]
            kind[found] = number
            stay = ~hit
            left, at = left[stay], at[stay]
            tried, met = tried + len(steps), met + len(found)
            if not len(left):
                break
            if tried >= _PATIENCE:
                if met < _PAYS * len(left):
                    break
                tried = met = 0
        self._flags[goals] = False
        near_mm = np.array([mm for mm, _ in self._shells])
        if not len(left):
            return near_mm, kind
        far_mm, which = np.unique(self._far(places[:, left], others), return_inverse=True)
        kind[left] = len(near_mm) + which
        return np.concatenate([near_mm, far_mm]), kind

    def _far(self, places: Places, others: Places) -> Floats:
        if places.shape[1] <= _FEW:
            return np.array([self._lengths(others - place[:, None]).min() for place in places.T])
        if places.shape[1] * _TREE_IS_DEARER > math.prod(self._sides):
            from scipy.ndimage import distance_transform_edt

            air = np.ones(self._sides, dtype=np.bool_)
            air.reshape(-1)[self._at(others)] = False
            everywhere: Floats = distance_transform_edt(air, sampling=self._mm)
            return everywhere.reshape(-1)[self._at(places)]
        from scipy.spatial import cKDTree

        tree = cKDTree(others.T * self._mm, balanced_tree=False, compact_nodes=False)
        _, nearest = tree.query(places.T * self._mm)
        return self._lengths(places - others[:, nearest])

    def _lengths(self, apart: Places) -> Floats:
        lengths: Floats = np.sqrt(((apart * self._mm[:, None]) ** 2).sum(axis=0))
        return lengths

    def _at(self, places: Places) -> npt.NDArray[np.intp]:
        z, y, x = (along.astype(np.intp) - start for along, start in zip(places, self._lower, strict=True))
        at: npt.NDArray[np.intp] = (z * self._sides[1] + y) * self._sides[2] + x
        return at

    def _after(self, step: Step) -> npt.NDArray[np.bool_]:
        """Return the flags from where this step leads, for positions counted from the longest step back."""
        return self._flags[self._longest + self._index(step) :]

    def _index(self, step: Step) -> int:
        return (step[0] * self._sides[1] + step[1]) * self._sides[2] + step[2]


@lru_cache(maxsize=16)
def shells(spacing_mm: Spacing) -> tuple[tuple[float, tuple[Step, ...]], ...]:
    """Return the shortest steps on the lattice in the order of their length (mm), those of one length together."""
    mm = np.array(spacing_mm[::-1])
    radius = 1.5 * (_STEPS * math.prod(spacing_mm) * 3 / (4 * math.pi)) ** (1 / 3)  # holds three times as many
    reach = np.minimum(radius // mm, _STEPS).astype(int)  # no step is longer than so many along its finest axis
    grid = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij")).reshape(3, -1).T
    lengths = np.sqrt(((grid * mm) ** 2).sum(axis=1))
    order = np.argsort(lengths, kind="stable")[:_STEPS]
    listed = [(float(lengths[at]), (int(grid[at, 0]), int(grid[at, 1]), int(grid[at, 2]))) for at in order]
    return tuple(
        (length, tuple(step for _, step in group)) for length, group in groupby(listed, key=lambda one: one[0])
    )
