"""What does the network see of a slice, and how does its mask come back to the CT's own pixels?

An image is windowed, padded to a square with air, brought to 256 × 256 and rounded to 8 bits. Departures from Spahr
2023, Sec. 2.3:

1. Images are stored in 8 bits (a step of 0.78 HU in the window [-50, 150]); the paper keeps real numbers.
2. Resizing comes before augmentation; the paper augments at 512 × 512 and resizes last.
3. A slice that is not square is padded with air first, so that a head keeps its shape; the paper does not say.
4. Masks are resized by nearest neighbour alone. The authors' code may have thickened them (profile spahr2023,
   `legacy_dilation`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ich_bench.geometry import Geometry
from ich_bench.metrics.masks import on_square
from ich_bench.volume import CT
from ich_bench_baselines.data.orient import Scalar, from_slices, in_slices, orientation_of

SIDE = 256  # Spahr 2023, Sec. 2.3.2
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
_TRUNCATE = 4.0  # the Gaussian reaches so many sigma


@dataclass(frozen=True, kw_only=True)
class Window:
    """What of the Hounsfield scale is kept: from `low_hu` (becomes 0) to `high_hu` (becomes 255)."""

    low_hu: float
    high_hu: float

    def __post_init__(self) -> None:
        if not self.low_hu < self.high_hu:
            raise ValueError(f"a window from {self.low_hu} to {self.high_hu} HU holds nothing")

    @property
    def ends_hu(self) -> list[float]:
        """Return both ends, as they are kept in tables and keys."""
        return [float(self.low_hu), float(self.high_hu)]


BRAIN = Window(low_hu=-50, high_hu=150)  # Spahr 2023, Sec. 2.3.1: everything but the cavity model
TISSUE = Window(low_hu=0, high_hu=600)  # Spahr 2023, Sec. 2.3.3: the cavity model's first network
BONE = Window(low_hu=150, high_hu=650)  # and its second


def windowed(hu: npt.NDArray[Any], window: Window) -> Floats:
    """Return HU as float32 in [0, 255], linear in the window and clipped at its ends; what is not a number is air."""
    scaled = (hu.astype(np.float32) - np.float32(window.low_hu)) * np.float32(255 / (window.high_hu - window.low_hu))
    kept: Floats = np.clip(np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0), 0, 255)
    return kept


def rounded(values: Floats) -> Bytes:
    """Return values in [0, 255] as 8-bit numbers: the nearest, halves upwards."""
    nearest: Bytes = np.floor(values + np.float32(0.5)).astype(np.uint8)
    return nearest


def square(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the image (rows, columns) padded with zeros to a square, as much before as after, one more after."""
    side = max(image.shape)
    if image.shape[0] == image.shape[1]:
        return image
    held = np.zeros((side, side), image.dtype)
    held[_inside(image.shape)] = image
    return held


def resized(image: Floats, side: int = SIDE) -> Floats:
    """Return a square image at `side` × `side`: bilinear between pixel centres, smoothed first where it shrinks.

    Output pixel i lies at (i + 0.5) · n / side - 0.5. The kernel before shrinking is a Gaussian with a standard
    deviation of (n / side - 1) / 2 pixels, cut off at four of them (scikit-image's default, as in the paper's code);
    512 → 256: 0.5 pixel. Beyond the border the outermost pixel goes on. Sums run in a fixed order, so that the same
    slice gives the same bytes with any number of threads or workers.
    """
    places, weights = _taps(image.shape[0], side)
    for _ in range(2):  # rows, then columns
        total = image[places[0]] * weights[0][:, None]
        for place, weight in zip(places[1:], weights[1:], strict=True):
            total += image[place] * weight[:, None]
        image = total.T
    return image


def image_of(hu: npt.NDArray[Any], window: Window = BRAIN, side: int = SIDE) -> Bytes:
    """Return one slice (rows, columns) in HU as the network sees it: uint8, `side` × `side`."""
    return rounded(resized(square(windowed(hu, window)), side))


def images_of(ct: CT, window: Window = BRAIN, side: int = SIDE, *, threads: int = 1) -> Iterator[Bytes]:
    """Yield the slices of a CT from foot to head as the network sees them; several threads make the same bytes."""
    slices = in_slices(ct.hu, ct.geometry)

    def made(place: int) -> Bytes:
        return image_of(slices[:, :, place], window, side)

    if threads == 1:
        yield from map(made, range(slices.shape[2]))
        return
    with ThreadPoolExecutor(threads) as many:
        yield from many.map(made, range(slices.shape[2]))


def masks_of(mask: Mask, geometry: Geometry, side: int = SIDE) -> Iterator[Bytes]:
    """Yield the slices of a native mask (x, y, z) from foot to head: uint8, 0 and 1, by nearest neighbour.

    Row i is row floor((i + 0.5) · n / side) of the padded slice, columns alike, as in the profile spahr2023.
    """
    slices = in_slices(mask, geometry)
    for place in range(slices.shape[2]):
        yield on_square(square(slices[:, :, place])[:, :, None], side)[:, :, 0].astype(np.uint8)


def native_mask(masks: npt.NDArray[Any], geometry: Geometry) -> Mask:
    """Return the mask (x, y, z) on the CT's own grid of what was predicted as (slices, side, side), foot to head.

    By nearest neighbour: native row r is row floor((r + 0.5) · side / n); the padding is cut off again. ValueError
    where there are more or fewer slices than the grid has.
    """
    return native_values(masks != 0, geometry)


def native_values(values: npt.NDArray[Scalar], geometry: Geometry) -> npt.NDArray[Scalar]:
    """Return any values that were predicted slice by slice on the CT's own grid; the rest as in `native_mask`."""
    way = orientation_of(geometry)
    rows, columns, count = way.shape(geometry.shape)
    if values.ndim != 3 or len(values) != count or values.shape[1] != values.shape[2]:
        raise ValueError(f"predicted {values.shape}; expected ({count}, side, side): one square mask a slice")
    small = np.ascontiguousarray(values.transpose(1, 2, 0))  # turned while it is small, which is four times as fast
    large: Any = on_square(small, max(rows, columns))  # type: ignore[arg-type]
    return np.ascontiguousarray(from_slices(large[_inside((rows, columns))], way))


def _inside(shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return where in its square an image of this shape lies."""
    side = max(shape)
    first = [(side - count) // 2 for count in shape]
    return slice(first[0], first[0] + shape[0]), slice(first[1], first[1] + shape[1])


@lru_cache(maxsize=64)
def _taps(count: int, side: int) -> tuple[npt.NDArray[np.intp], Floats]:
    """Return which of `count` pixels each of `side` is made of, and how much of each: two arrays (taps, side)."""
    at = (np.arange(side) + 0.5) * count / side - 0.5
    low = np.floor(at).astype(np.intp)
    sigma = max(0.0, (count / side - 1) / 2)
    reach = math.floor(_TRUNCATE * sigma + 0.5)
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2) if reach else np.ones(1)
    bell /= bell.sum()
    above = at - low
    places = low + np.arange(-reach, reach + 2)[:, None]
    weights = np.zeros(places.shape)
    weights[:-1] += bell[:, None] * (1 - above)
    weights[1:] += bell[:, None] * above
    return np.clip(places, 0, count - 1), weights.astype(np.float32)
