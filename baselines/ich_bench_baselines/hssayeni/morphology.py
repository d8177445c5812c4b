"""What is left of a mask when gaps are closed and specks are opened away, slice by slice?

A square of an even size has no centre: it is mirrored between dilation and erosion, so that nothing moves. Beyond the
border lies nothing that could add to a mask or take from it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, minimum_filter1d

Mask = npt.NDArray[np.bool_]


def closed(masks: npt.NDArray[Any], size: int) -> Mask:
    """Return masks (n, rows, columns) closed by a square of `size` pixels: gaps it cannot stand in are filled."""
    return _eroded(_dilated(masks, size), size) != 0


def opened(masks: npt.NDArray[Any], size: int) -> Mask:
    """Return masks (n, rows, columns) opened by a square of `size` pixels: what it does not fit into is lost."""
    return _dilated(_eroded(masks, size), size) != 0


def _dilated(masks: npt.NDArray[Any], size: int) -> npt.NDArray[np.uint8]:
    found = np.asarray(masks, np.uint8)
    for axis in (1, 2):
        found = maximum_filter1d(found, size, axis=axis, mode="constant", cval=0)
    return found


def _eroded(masks: npt.NDArray[Any], size: int) -> npt.NDArray[np.uint8]:
    found = np.asarray(masks, np.uint8)
    for axis in (1, 2):  # the origin mirrors an even square
        found = minimum_filter1d(found, size, axis=axis, mode="constant", cval=1, origin=-1 + size % 2)
    return found
