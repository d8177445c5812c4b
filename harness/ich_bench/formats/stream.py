"""Is the stream of voxels behind a header sound, read no further than the header declares."""

from __future__ import annotations

import importlib
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ich_bench.errors import VolumeError
from ich_bench.geometry import Geometry, shape_text

MAX_VOXELS = 2**31  # 1024 x 1024 x 2048, beyond any head CT
_MAX_RATIO = 1032  # deflate cannot make more than this of one byte
_PIECE_IN, _PIECE_OUT = 16 * 1024, 256 * 1024  # what comes out is looked at while it is still in the cache

try:  # inflates the same bytes three to six times as fast, and checks the same CRC
    _inflater = importlib.import_module("zlib_ng.zlib_ng")
except ImportError:  # a platform without its wheel
    _inflater = zlib


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says of its voxels: where they lie in the world and in the file, and how to read them.

    The data begin `offset` bytes into the stream that itself begins `start` bytes into the file. `wbits` is zlib's (31
    for gzip), 0 where the stream is stored as it is. `slope` is 1 and `intercept` 0 where the header sets none.
    """

    geometry: Geometry
    dtype: np.dtype[np.generic]
    offset: int
    start: int = 0
    wbits: int = 0
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def stream_bytes(self) -> int:
        """Return how long the inflated stream must be, to the byte."""
        return self.offset + math.prod(self.geometry.shape) * self.dtype.itemsize


def blocks(data: bytes, header: Header) -> Iterator[npt.NDArray[np.generic]]:
    """Return the file's voxels in stored order (x fastest), unscaled, in runs of at most a quarter of a megabyte.

    Nothing is inflated beyond what the header declares; the end of the stream is checked (length, and the CRC of every
    gzip member) before the last run is followed by the end of the iteration.
    """
    skip, rest = header.offset, b""
    width = header.dtype.itemsize
    for piece in inflate(data, header):
        if skip >= len(piece):
            skip -= len(piece)
            continue
        piece = rest + piece[skip:] if skip or rest else piece
        skip = 0
        whole = len(piece) - len(piece) % width
        rest = piece[whole:]
        if whole:
            yield np.frombuffer(piece, dtype=header.dtype, count=whole // width)


def inflate(data: bytes, header: Header) -> Iterator[bytes]:
    """Return the stream behind `header` in pieces; VolumeError where it is shorter, longer or damaged."""
    if math.prod(header.geometry.shape) > MAX_VOXELS:
        raise VolumeError(
            f"its header claims {shape_text(header.geometry.shape)} voxels, more than any head CT.",
            "Write the file again, with the CT's header.",
        )
    expected, stored = header.stream_bytes, len(data) - header.start
    if expected > stored * (_MAX_RATIO if header.wbits else 1):
        raise _too_short(expected, None if header.wbits else stored)
    seen = 0
    for piece in members(data, header.start, header.wbits) if header.wbits else _stored(data, header.start):
        seen += len(piece)
        if seen > expected:
            raise VolumeError(
                f"it holds more bytes than the {expected} that its header declares.", "Write the file again."
            )
        yield piece
    if seen < expected:
        raise _too_short(expected, seen)


def plausible_file_bytes(header: Header) -> int:
    """Return the most bytes an honest file of this header can have, compressed badly at worst."""
    declared = header.start + header.stream_bytes
    return declared + (declared // 100 + 2**20 if header.wbits else 0)


def _too_short(expected: int, seen: int | None) -> VolumeError:
    held = "fewer" if seen is None else f"only {seen}"
    return VolumeError(
        f"it is truncated: its header declares {expected} bytes and it holds {held}.", "Copy or write the file again."
    )


def _stored(data: bytes, start: int) -> Iterator[bytes]:
    for at in range(start, len(data), _PIECE_OUT):
        yield data[at : at + _PIECE_OUT]


def members(data: bytes, start: int, wbits: int) -> Iterator[bytes]:
    """Yield the inflated pieces of every compressed member in turn; zlib checks the CRC and length of each."""
    view, at = memoryview(data), start
    while at < len(data):
        engine = _inflater.decompressobj(wbits=wbits)
        while not engine.eof:
            if at >= len(data):
                raise VolumeError("it is truncated: its compressed stream ends early.", "Copy or write the file again.")
            feed = view[at : at + _PIECE_IN]
            at += len(feed)
            while len(feed) and not engine.eof:
                try:
                    piece = engine.decompress(feed, _PIECE_OUT)
                except _inflater.error as fault:
                    raise _damaged(fault) from None
                feed = memoryview(engine.unconsumed_tail)
                if piece:
                    yield piece
        at -= len(engine.unused_data)
        if not any(data[at : at + 2]) and not data[at:].strip(b"\0"):
            return  # padding with zeros, as tapes and some file systems leave it
        if wbits != 31 or data[at : at + 2] != b"\x1f\x8b":
            raise VolumeError(
                "bytes of something else follow the end of its compressed stream.", "Write the file again."
            )


def _damaged(fault: Exception) -> VolumeError:
    what = "its checksum (CRC) is wrong" if "data check" in str(fault) else "its compressed stream is broken"
    if "length check" in str(fault):
        what = "the length at its end is wrong"
    return VolumeError(f"it is damaged: {what}.", "Copy or write the file again.")
