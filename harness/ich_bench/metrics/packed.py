"""A mask as bits: eight voxels a byte, cropped to the box that holds them.

Exact because nothing is rounded: a voxel is a bit, and outside the box every voxel is 0.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ich_bench.metrics.masks import Mask

Bits = npt.NDArray[np.uint8]
Shape = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A whole mask of this shape (x, y, z): its voxels one after the other, x fastest, the first in the highest bit."""

    shape: Shape
    bits: Bits

    @classmethod
    def of(cls, mask: Mask) -> Packed:
        """Return a mask (x, y, z) as bits."""
        x, y, z = mask.shape
        return cls(shape=(x, y, z), bits=np.packbits(mask.ravel(order="F")))

    def mask(self) -> Mask:
        """Return the mask as a bool array (x, y, z), x fastest in memory."""
        size = int(np.prod(self.shape, dtype=np.int64))
        return np.unpackbits(self.bits, count=size).view(np.bool_).reshape(self.shape, order="F")

    def sha256(self) -> str:
        """Return the hash of what is scored: the shape as three little-endian int64, then the bits."""
        digest = hashlib.sha256(np.array(self.shape, dtype="<i8").tobytes())
        digest.update(self.bits.data)
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The part of a mask that holds all its voxels: `bits[z, y, byte]`, eight voxels along x a byte.

    Byte 0 of row 0 of slice 0 begins at the voxel (8 * first[2], first[1], first[0]) of the grid; outside all is 0.
    """

    first: tuple[int, int, int]
    bits: Bits

    @property
    def end(self) -> tuple[int, int, int]:
        """Return (slice, row, byte) behind the last."""
        z, y, byte = (start + count for start, count in zip(self.first, self.bits.shape, strict=True))
        return z, y, byte

    def voxels(self) -> int:
        """Return how many voxels are in the mask."""
        return popcount(self.bits)

    def window(self, first: tuple[int, int, int], end: tuple[int, int, int]) -> Bits:
        """Return the bits of another box (slices, rows, bytes), 0 where this part does not reach."""
        window = np.zeros([stop - start for start, stop in zip(first, end, strict=True)], dtype=np.uint8)
        lower = [max(a, b) for a, b in zip(first, self.first, strict=True)]
        upper = [min(a, b) for a, b in zip(end, self.end, strict=True)]
        if all(start < stop for start, stop in zip(lower, upper, strict=True)):
            there = tuple(slice(a - f, b - f) for a, b, f in zip(lower, upper, first, strict=True))
            here = tuple(slice(a - f, b - f) for a, b, f in zip(lower, upper, self.first, strict=True))
            window[there] = self.bits[here]
        return window


def rows_of(packed: Packed) -> Rows | None:
    """Return the part of the mask that holds voxels; None where it is empty."""
    x, y, z = packed.shape
    words = np.flatnonzero(_words(packed.bits))  # 64 voxels at a time
    if words.size == 0:
        return None
    first, last = int(words[0]) * 64 // (x * y), min(z - 1, (int(words[-1]) * 64 + 63) // (x * y))
    if x % 8 == 0:
        slab = packed.bits.reshape(z, y, x // 8)[first : last + 1]
    else:  # rows do not begin with a byte: lay them out so that they do
        flat = np.unpackbits(packed.bits[first * x * y // 8 : -(-(last + 1) * x * y // 8)])
        begin = first * x * y % 8
        slab = np.packbits(flat[begin : begin + (last + 1 - first) * x * y].reshape(-1, y, x), axis=2)
    seen = np.bitwise_or.reduce(slab, axis=0)  # what any slice holds
    used = (np.bitwise_or.reduce(slab.reshape(len(slab), -1), axis=1), *(np.bitwise_or.reduce(seen, n) for n in (1, 0)))
    spans = [slice(int(held[0]), int(held[-1]) + 1) for held in map(np.flatnonzero, used)]
    begin_z, begin_y, begin_byte = (span.start for span in spans)
    return Rows(first=(first + begin_z, begin_y, begin_byte), bits=np.ascontiguousarray(slab[tuple(spans)]))


def popcount(bits: Bits) -> int:
    """Return how many bits are set."""
    return int(np.bitwise_count(bits).sum(dtype=np.int64))


def positions(bits: Bits) -> npt.NDArray[np.int64]:
    """Return where bits are set, ascending, counted through the whole array."""
    flat = bits.reshape(-1)
    held = np.flatnonzero(flat)
    byte, bit = np.nonzero(np.unpackbits(flat[held]).reshape(-1, 8))
    found: npt.NDArray[np.int64] = held[byte] * 8 + bit
    return found


def before(bits: Bits) -> Bits:
    """Return the bits moved on by one along x: a voxel then holds what the one before it held."""
    moved: Bits = bits >> np.uint8(1)
    moved[..., 1:] |= bits[..., :-1] << 7
    return moved


def _words(bits: Bits) -> npt.NDArray[np.uint64]:
    whole = len(bits) // 8 * 8
    words = bits[:whole].view(np.uint64)
    if whole == len(bits):
        return words
    tail = np.zeros(8, dtype=np.uint8)
    tail[: len(bits) - whole] = bits[whole:]
    return np.concatenate([words, tail.view(np.uint64)])
