"""How are smooth functions of the place brought to every voxel quickly? From nodes 2.5 mm apart, by interpolation.

Depths and densities are smooth; edges are made sharp afterwards, from the depths, voxel by voxel. The nodes lie along
the scan's own axes, so that going from nodes to voxels is one sparse product along each axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ich_bench.phantom.chance import Floats

NODE_MM = 2.5
_PLANE_MM = 2.6  # faces nearer than this share planes of nodes


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis: where its nodes lie, in voxel indices, and the weights from nodes to voxels, cubic and linear."""

    nodes: Floats
    cubic: csr_array
    linear: csr_array


def axis(start: int, stop: int, spacing_mm: float) -> Axis:
    """Return the axis over voxels start to stop (excluded)."""
    voxels = np.arange(start, stop, dtype=np.float64)
    step = max(1.0, NODE_MM / spacing_mm)
    nodes: Floats = start + step * (np.arange(int(np.ceil((stop - start) / step)) + 3, dtype=np.float64) - 1.0)
    at = (voxels - nodes[0]) / step
    return Axis(nodes=nodes, cubic=cubic_weights(at, len(nodes)), linear=_linear_weights(at, len(nodes)))


def cubic_weights(at: Floats, nodes: int) -> csr_array:
    """Return a sparse (voxels, nodes) matrix of cubic interpolation (Keys 1981, a = -0.5)."""
    left = np.clip(np.floor(at).astype(np.intp), 1, nodes - 3)
    t = at - left
    taps = [-0.5 * t + t**2 - 0.5 * t**3, 1 - 2.5 * t**2 + 1.5 * t**3, 0.5 * t + 2 * t**2 - 1.5 * t**3]
    taps.append(1.0 - taps[0] - taps[1] - taps[2])
    return _sparse(taps, left - 1, nodes)


def _linear_weights(at: Floats, nodes: int) -> csr_array:
    left = np.clip(np.floor(at).astype(np.intp), 0, nodes - 2)
    return _sparse([1.0 - (at - left), at - left], left, nodes)


def _sparse(taps: list[Floats], first: NDArray[np.intp], nodes: int) -> csr_array:
    rows = np.repeat(np.arange(len(first)), len(taps))
    columns = (first[:, None] + np.arange(len(taps))).ravel()
    return csr_array((np.stack(taps, axis=1).ravel(), (rows, columns)), shape=(len(first), nodes))


def spread(stack: Floats, x: csr_array, y: csr_array) -> Floats:
    """Return fields at voxels, (fields, y, x), from fields at nodes, (x, fields, y)."""
    across, count, along = stack.shape
    wide = (x @ stack.reshape(across, -1)).reshape(-1, count, along)
    turned = np.ascontiguousarray(wide.transpose(2, 1, 0))
    full: Floats = (y @ turned.reshape(along, -1)).reshape(-1, count, wide.shape[0])
    return full.transpose(1, 0, 2)


def planes(slices: int, spacing_mm: float) -> tuple[Floats, int]:
    """Return the heights of the planes of nodes, in slice indices, and how many slices lie between two of them.

    Planes lie on the faces of slices: the first at -0.5. Where slices are thin several share a pair of planes.
    """
    every = max(1, int(_PLANE_MM / spacing_mm))
    count = -(-slices // every) + 1
    heights: Floats = -0.5 + every * np.arange(count, dtype=np.float64)
    return heights, every
