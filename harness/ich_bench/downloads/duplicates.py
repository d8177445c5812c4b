"""Which CTs of a dataset look like the same head twice."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

Thumbnail = npt.NDArray[np.float32]

SIMILAR = 0.97
CHOSEN = "0.97 was set on drawn heads: one head with a slice less gives 0.98, two different heads at most 0.94"
USELESS_SHARE = 0.03  # of all pairs: where more are alike, the test tells nothing
SHOWN = 12
_SIZE = (32, 32, 12)
_AIR_HU, _LOW_HU, _HIGH_HU = -300, -50, 150


def thumbnail(hu: npt.NDArray[np.generic]) -> Thumbnail:
    """Return a tiny picture of the head (x, y, z), cut to its bounding box, of mean 0 and length 1 (all 0: no head)."""
    coarse = hu[:: max(1, hu.shape[0] // 128), :: max(1, hu.shape[1] // 128)].astype(np.float32)
    head = np.nonzero(coarse > _AIR_HU)
    if head[0].size == 0:
        return np.zeros(_SIZE, dtype=np.float32).ravel()
    box = coarse[tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in head)]
    small = np.clip(box, _LOW_HU, _HIGH_HU)
    for axis, size in enumerate(_SIZE):
        small = _averaged(small, axis, size)
    centred = (small - small.mean()).ravel()
    length = float(np.sqrt((centred * centred).sum()))
    picture: Thumbnail = centred / length if length else centred
    return picture


def similar(thumbnails: Mapping[str, Thumbnail], *, at_least: float = SIMILAR) -> list[tuple[str, str, float]]:
    """Return the pairs of cases whose thumbnails correlate at least so much, most alike first."""
    pairs = [(a, b, float((thumbnails[a] * thumbnails[b]).sum())) for a, b in combinations(thumbnails, 2)]
    return sorted((pair for pair in pairs if pair[2] >= at_least), key=lambda pair: (-pair[2], pair[:2]))


def _averaged(values: Thumbnail, axis: int, size: int) -> Thumbnail:
    """Return the means of `size` stretches of an axis; stretches overlap by a sample where the axis is short."""
    count = values.shape[axis]
    edges = np.linspace(0, count, size + 1)
    parts = [
        values.take(range(int(low), max(int(low) + 1, int(np.ceil(high)))), axis=axis, mode="clip").mean(axis=axis)
        for low, high in pairwise(edges)
    ]
    return np.stack(parts, axis=axis)
