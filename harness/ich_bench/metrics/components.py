"""Which voxels of a mask hang together, by faces, edges or corners (26-connected).

Along x, voxels that follow each other are one run; two runs of neighbouring rows hang together where they overlap or
touch by a corner. A byte of air behind every row and a row of air behind every slice keep what is no
neighbour in space from being one in the order of positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ich_bench.metrics.packed import Bits, Rows, before, positions

_Ints = npt.NDArray[np.int64]

MOST_RUNS = 400_000  # with more, labelling voxel by voxel is as fast and takes less memory


@dataclass(frozen=True, kw_only=True)
class Components:
    """The runs of a mask and the component of each: `begins` are positions in the rows with air added."""

    begins: _Ints
    labels: _Ints
    sizes: _Ints

    def share(self, common: Bits) -> _Ints:
        """Return how many voxels of each component are also in `common`, a part of the mask in the same rows."""
        begins, ends = _runs(common)
        run = np.searchsorted(self.begins, begins, side="right") - 1  # a run of a part lies within a run of the whole
        return np.bincount(self.labels[run], weights=ends - begins, minlength=len(self.sizes)).astype(np.int64)


def components_of(rows: Rows) -> Components:
    """Return the components of a mask that holds a voxel, the one that begins first before the others."""
    begins, ends = _runs(rows.bits)
    row = (rows.bits.shape[2] + 1) * 8
    slice_ = (rows.bits.shape[1] + 1) * row
    if len(begins) > MOST_RUNS:
        labels = _by_voxel(_in_air(rows.bits), begins)
    else:
        pairs = [_touching(begins, ends, back) for back in (row, slice_ - row, slice_, slice_ + row)]
        labels = _joined(
            len(begins), np.concatenate([one for one, _ in pairs]), np.concatenate([two for _, two in pairs])
        )
    sizes = np.bincount(labels, weights=ends - begins).astype(np.int64)
    return Components(begins=begins, labels=labels, sizes=sizes)


def _in_air(bits: Bits) -> Bits:
    """Return the bits with a byte of air behind every row, and a row of air behind every slice."""
    return np.pad(bits, ((0, 0), (0, 1), (0, 1)))


def _runs(bits: Bits) -> tuple[_Ints, _Ints]:
    """Return where each run along x begins and where it has ended, in rows and slices with air added."""
    padded = _in_air(bits)
    changes = positions(padded ^ before(padded))  # in turn: a run begins, a run has ended
    return changes[::2], changes[1::2]


def _touching(begins: _Ints, ends: _Ints, back: int) -> tuple[_Ints, _Ints]:
    """Return pairs of runs of which the second lies `back` positions earlier, one voxel of play on each side."""
    first = np.searchsorted(ends, begins - back, side="left")
    count = np.maximum(np.searchsorted(begins, ends - back, side="right") - first, 0)
    one = np.repeat(np.arange(len(begins)), count)
    return one, np.arange(len(one)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)


def _joined(number: int, one: _Ints, two: _Ints) -> _Ints:
    """Return a label for each run: the same for runs that a chain of pairs connects.

    Every run points at an earlier one of its component, at first at itself; where two ends of a pair point at different
    runs, the later of these is pointed at the earlier. Pointers only move to earlier runs, so that this ends, and then
    both ends of every pair agree.
    """
    points_at = np.arange(number)
    while len(one):
        early, late = points_at[one], points_at[two]
        apart = early != late
        one, two, early, late = one[apart], two[apart], early[apart], late[apart]
        np.minimum.at(points_at, np.maximum(early, late), np.minimum(early, late))
        while True:
            further = points_at[points_at]
            if np.array_equal(further, points_at):
                break
            points_at = further
    return np.unique(points_at, return_inverse=True)[1]


def _by_voxel(bits: Bits, begins: _Ints) -> _Ints:
    from scipy import ndimage

    labels, _ = ndimage.label(np.unpackbits(bits, axis=2), structure=np.ones((3, 3, 3), dtype=np.bool_))
    found: _Ints = labels.reshape(-1)[begins].astype(np.int64) - 1
    return found
