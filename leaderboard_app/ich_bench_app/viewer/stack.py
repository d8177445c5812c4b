"""How are many volumes kept in little memory: slice by slice, compressed, and no more of them than a bound."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Stack:
    """A volume (x, y, z) as compressed slices; about half of a CT's size, next to nothing for a mask."""

    slices: tuple[bytes, ...]
    shape: tuple[int, int, int]
    dtype: str

    @classmethod
    def of(cls, volume: NDArray[Any]) -> Stack:
        """Return a volume, packed."""
        across, along, count = volume.shape
        codec = pa.Codec("zstd", compression_level=1)
        packed = (np.ascontiguousarray(volume[:, :, k].T) for k in range(count))
        return cls(
            slices=tuple(codec.compress(one.tobytes(), asbytes=True) for one in packed),
            shape=(across, along, count),
            dtype=volume.dtype.str,
        )

    def plane(self, k: int) -> NDArray[Any]:
        """Return slice `k` of axis 2, from 0, as (x, y)."""
        across, along, _ = self.shape
        kind = np.dtype(self.dtype)
        size = across * along * kind.itemsize
        flat = pa.decompress(self.slices[k], decompressed_size=size, codec="zstd", asbytes=True)
        return np.frombuffer(flat, dtype=kind).reshape(along, across).T

    @property
    def nbytes(self) -> int:
        """Return how much memory the slices take."""
        return sum(len(one) for one in self.slices)


class Sized(Protocol):
    """What a shelf keeps: anything that says how large it is."""

    @property
    def nbytes(self) -> int:
        """Return its size in bytes."""


Thing = TypeVar("Thing", bound=Sized)


class Shelf:
    """The last used things, no more bytes than `most_bytes` together (one larger than that alone is kept alone).

    One thing is made at a time, whoever asks: decoding is what takes memory.
    """

    def __init__(self, most_bytes: int) -> None:
        """Begin with nothing."""
        self.most_bytes = most_bytes
        self._kept: OrderedDict[Hashable, Sized] = OrderedDict()
        self._making = threading.RLock()
        self._looking = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Thing]) -> Thing:
        """Return what lies under a key, made now where nothing does; what `make` raises is kept nowhere."""
        found = self._found(key)
        if found is None:
            with self._making:
                found = self._found(key)  # somebody else may just have made it
                if found is None:
                    found = make()
                    self._put(key, found)
        return found  # type: ignore[return-value]  # what lies under a key is what was made for it

    @property
    def nbytes(self) -> int:
        """Return the bytes of all that is kept."""
        with self._looking:
            return sum(one.nbytes for one in self._kept.values())

    def _found(self, key: Hashable) -> Sized | None:
        with self._looking:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def _put(self, key: Hashable, thing: Sized) -> None:
        with self._looking:
            self._kept[key] = thing
            held = sum(one.nbytes for one in self._kept.values())
            while held > self.most_bytes and len(self._kept) > 1:
                held -= self._kept.popitem(last=False)[1].nbytes
