"""How do the slices of a stream reach the network: from the device's own memory, or gathered while it computes?

Both ways hand out the same bytes. A pool that fits into a share of the device's free memory is put there whole, once,
as uint8 (RSNA's 216,000 slices: 14 GB); else a thread gathers the next batches from the memory map into pinned memory.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ich_bench.errors import IchBenchError
from ich_bench_baselines.data.slices import SliceSet
from ich_bench_baselines.data.streams import Rows, Stream, batches, share

SHARE = 0.5  # of the free memory: the rest is for the network
_AHEAD = 3  # batches gathered before they are asked for
_LOAD = 512  # slices brought to the device at once


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Slices on the device: images and what goes with them (B, 1, side, side), uint8 or as the cache holds them.

    `masks` and `cavity` are 0 and 1, None where they were not asked for; `labels` (B, 7) are float32. `rows` are rows
    of the cache's index.
    """

    rows: Rows
    images: Tensor
    masks: Tensor | None = None
    cavity: Tensor | None = None
    labels: Tensor | None = None

    def __len__(self) -> int:
        """Return the number of slices."""
        return len(self.rows)


def fits(need: int, free: int | None, part: float = SHARE) -> bool:
    """Return whether so many bytes fit into a share of the free ones; False where nobody knows what is free."""
    return free is not None and need <= part * free


def free_bytes(device: str) -> int | None:
    """Return the free memory of a GPU in bytes; None for a CPU, where the memory map is as fast, and others."""
    if torch.device(device).type != "cuda":
        return None
    return int(torch.cuda.mem_get_info(torch.device(device))[0])


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The slices of a stream, ready for a device; `arrays` are those of the cache by kind, `images` among them.

    `resident` holds them on the device, and `labels` where there are any, in the order of the stream; None: they are
    gathered from the memory map.
    """

    slices: SliceSet
    stream: Stream
    device: str
    arrays: Mapping[str, Any]
    resident: Mapping[str, Tensor] | None = None
    _ids: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def on(
        cls,
        device: str,
        slices: SliceSet,
        stream: Stream,
        *,
        kinds: Sequence[str] = ("images", "masks"),
        free: Callable[[str], int | None] = free_bytes,
        resident: bool | None = None,
    ) -> Pool:
        """Return the stream's slices on a device: whole where they fit, else gathered batch by batch.

        Args:
            device: `cpu`, `cuda`, `cuda:1` …
            slices: The cache.
            stream: Which of its rows.
            kinds: Which of the cache's arrays, `images` among them.
            free: Says how much memory of a device is free, in bytes.
            resident: Decided here instead of by the free memory.
        """
        arrays = {kind: getattr(slices, kind) for kind in kinds}
        ids = {name: slices.index[name].to_numpy(dtype=object) for name in ("case_id", "patient_id", "slice_id")}
        need = len(stream) * slices.side**2 * sum(array.dtype.itemsize for array in arrays.values())
        whole = fits(need, free(device)) if resident is None else resident
        pool = cls(slices=slices, stream=stream, device=device, arrays=arrays, _ids=ids)
        if not whole:
            return pool
        try:
            held = {kind: _moved(array, stream.rows, device) for kind, array in arrays.items()}
            if stream.labels is not None:
                held["labels"] = torch.from_numpy(stream.labels).to(device)
        except torch.OutOfMemoryError:  # another program took it since
            return pool
        return cls(slices=slices, stream=stream, device=device, arrays=arrays, resident=held, _ids=ids)

    def batch(self, places: Rows) -> Batch:
        """Return these places of the stream as a batch; the guard sees it first."""
        self.check(places)
        if self.resident is None:
            return self._moved(places, self._gathered(places))
        return self._picked(places, torch.from_numpy(places).to(self.device))

    def check(self, places: Rows) -> None:
        """Record the ids of a batch; IchBenchError where one is kept apart."""
        rows = self.stream.rows[places]
        ids = [self._ids[name][rows] for name in ("case_id", "patient_id", "slice_id")]
        self.stream.guard.hand_out(*ids)

    def epoch(
        self, epoch: int, size: int, *, seed: int, drop_last: bool = False, rank: int = 0, world: int = 1
    ) -> Epoch:
        """Return the batches of one epoch, the same whenever asked; `size` slices each, shared by `world` processes."""
        dealt = batches(len(self.stream), size, seed=seed, epoch=epoch, drop_last=drop_last)
        return Epoch(pool=self, dealt=tuple(dealt if world == 1 else share(dealt, rank, world)))

    def _gathered(self, places: Rows) -> dict[str, Tensor]:
        """Return what these places hold, from the memory map, pinned where it goes to a GPU."""
        rows = self.stream.rows[places]
        pin = torch.device(self.device).type == "cuda"
        held = {kind: torch.from_numpy(_taken(array, rows)) for kind, array in self.arrays.items()}
        if self.stream.labels is not None:
            held["labels"] = torch.from_numpy(self.stream.labels[places])
        return {kind: one.pin_memory() if pin else one for kind, one in held.items()}

    def _moved(self, places: Rows, held: Mapping[str, Tensor]) -> Batch:
        """Return what was gathered as a batch on the device."""
        return self._batch(places, {kind: one.to(self.device, non_blocking=True) for kind, one in held.items()})

    def _picked(self, places: Rows, at: Tensor) -> Batch:
        """Return these places of what lies on the device as a batch; `at` are the places, there already."""
        held = self.resident or {}
        return self._batch(places, {kind: one.index_select(0, at) for kind, one in held.items()})

    def _batch(self, places: Rows, got: Mapping[str, Tensor]) -> Batch:
        flat = {kind: one if kind == "labels" else one.unsqueeze(1) for kind, one in got.items()}
        return Batch(rows=self.stream.rows[places], **flat)


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """The batches of one epoch, in order; from a later one on by `after`."""

    pool: Pool
    dealt: tuple[Rows, ...]

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.dealt)

    def after(self, done: int) -> Epoch:
        """Return the epoch without its first `done` batches, to go on within it."""
        return Epoch(pool=self.pool, dealt=self.dealt[done:])

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches; the guard sees each before it is handed out."""
        if self.pool.resident is None:
            yield from self._ahead()
        elif self.dealt:
            # brought there once for the whole epoch: each transfer waits until the device has done all it was given
            order = torch.from_numpy(np.concatenate(self.dealt)).to(self.pool.device)
            for places, at in zip(self.dealt, torch.split(order, [len(one) for one in self.dealt]), strict=True):
                self.pool.check(places)
                yield self.pool._picked(places, at)

    def _ahead(self) -> Iterator[Batch]:
        ready: queue.Queue[Any] = queue.Queue(maxsize=_AHEAD)
        stop = threading.Event()

        def put(one: Any) -> bool:
            while not stop.is_set():
                try:
                    ready.put(one, timeout=0.1)
                except queue.Full:
                    continue
                return True
            return False

        def gather() -> None:
            try:
                for places in self.dealt:
                    if not put((places, self.pool._gathered(places))):
                        return
                put(None)
            except BaseException as fault:
                put(fault)

        thread = threading.Thread(target=gather, name="gather slices", daemon=True)
        thread.start()
        try:
            while (one := ready.get()) is not None:
                if isinstance(one, OSError):
                    raise IchBenchError(f"the slices in {self.pool.slices.folder} cannot be read: {one}.") from one
                if isinstance(one, BaseException):
                    raise one
                self.pool.check(one[0])
                yield self.pool._moved(*one)
        finally:
            stop.set()
            thread.join()


def _taken(array: Any, rows: Rows) -> Any:
    """Return rows of a mapped array as an array in memory, read in the order in which they lie on disk."""
    order = np.argsort(rows, kind="stable")
    taken = np.empty((len(rows), *array.shape[1:]), array.dtype)
    taken[order] = array[rows[order]]
    return taken


def _moved(array: Any, rows: Rows, device: str) -> Tensor:
    kind = torch.from_numpy(_taken(array, rows[:0])).dtype
    held = torch.empty((len(rows), *array.shape[1:]), dtype=kind, device=device)
    for start in range(0, len(rows), _LOAD):
        held[start : start + _LOAD] = torch.from_numpy(_taken(array, rows[start : start + _LOAD])).to(device)
    return held
