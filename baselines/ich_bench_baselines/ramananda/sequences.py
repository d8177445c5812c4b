"""How do the slices of a head become sequences of contiguous slices, each slice counted once?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from ich_bench.errors import UsageError
from ich_bench_baselines.blocks.augment import Drawn
from ich_bench_baselines.data.loader import Batch, Epoch, Pool
from ich_bench_baselines.data.streams import Rows, batches, share

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Sequences of slices: `places` in a stream (w, length), and which of them count, (w, length).

    A slice counts in one window alone. A head's last window reaches back to be full, and what it has from the window
    before does not count again; a head of fewer slices goes on with its last one, which then does not count either.
    """

    places: Rows
    counts: Flags

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.places)


def windows(table: pd.DataFrame, length: int) -> Windows:
    """Return the windows of all heads of a table, in the order of their first rows, from foot to head.

    Args:
        table: `case_id` and `place` (from the foot) of each slice of a stream, in its order.
        length: Slices a window.
    """
    if length < 1:
        raise UsageError(f"sequences of {length} slices: expected 1 or more.")
    found, counted = [np.zeros((0, length), np.int64)], [np.zeros((0, length), np.bool_)]
    codes = pd.factorize(table["case_id"])[0]
    at = table["place"].to_numpy(dtype=np.int64)
    order = np.lexsort((at, codes))
    for head in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        if not len(head):
            continue
        starts = np.arange(0, max(len(head) - length, 0) + 1, length)
        if starts[-1] + length < len(head):
            starts = np.append(starts, len(head) - length)
        inside = starts[:, None] + np.arange(length)
        once = inside < len(head)
        once[1:] &= inside[1:] > inside[:-1, -1:]
        found.append(head[np.minimum(inside, len(head) - 1)])
        counted.append(once)
    return Windows(places=np.concatenate(found), counts=np.concatenate(counted))


def thinned(given: Windows, positive: Flags, most: int | None) -> Windows:
    """Return at most so many windows: half of them with ICH where there are, evenly over the heads."""
    if most is None or len(given) <= most:
        return given
    ill = positive[given.places].any(axis=1)
    with_ich = min(int(ill.sum()), (most + 1) // 2)
    kept = [
        group[np.arange(count) * len(group) // count]
        for group, count in ((np.flatnonzero(ill), with_ich), (np.flatnonzero(~ill), most - with_ich))
        if count and len(group)
    ]
    rows = np.unique(np.concatenate(kept))
    return Windows(places=given.places[rows], counts=given.counts[rows])


@dataclass(frozen=True, kw_only=True)
class SequenceBatch:
    """Sequences on the device: `images` uint8 (b, length, 1, side, side), `ich` and `counts` float32 (b, length)."""

    images: Tensor
    ich: Tensor
    counts: Tensor


@dataclass(frozen=True, kw_only=True)
class Dealt:
    """The batches of one epoch, in order, each with the numbers of its windows; the guard sees every slice first."""

    pool: Pool
    given: Windows
    numbers: tuple[Rows, ...]

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.numbers)

    def __iter__(self) -> Iterator[SequenceBatch]:
        """Yield the batches."""
        flat = Epoch(pool=self.pool, dealt=tuple(self.given.places[some].ravel() for some in self.numbers))
        for some, batch in zip(self.numbers, flat, strict=True):
            yield self._shaped(some, batch)

    def _shaped(self, some: Rows, batch: Batch) -> SequenceBatch:
        shape, device = self.given.places[some].shape, batch.images.device
        ich = torch.from_numpy(self.pool.stream.positive[self.given.places[some]].astype(np.float32))
        return SequenceBatch(
            images=batch.images.reshape(*shape, *batch.images.shape[1:]),
            ich=ich.to(device),
            counts=torch.from_numpy(self.given.counts[some].astype(np.float32)).to(device),
        )


def dealt(pool: Pool, given: Windows, size: int, *, seed: int, epoch: int, rank: int = 0, world: int = 1) -> Dealt:
    """Return the batches of one epoch, the same whenever asked; `size` windows each, shared by `world` processes."""
    cut = batches(len(given), size, seed=seed, epoch=epoch)
    return Dealt(pool=pool, given=given, numbers=tuple(cut if world == 1 else share(cut, rank, world)))


def in_turn(pool: Pool, given: Windows, size: int) -> Dealt:
    """Return all windows once, in their order."""
    cut = batches(len(given), size, seed=0, epoch=0, shuffle=False)
    return Dealt(pool=pool, given=given, numbers=tuple(cut))


def together(drawn: Drawn, length: int) -> Drawn:
    """Return what was drawn for b sequences for each of their b · length slices: a head moves as a whole."""
    held: dict[str, Any] = {one.name: getattr(drawn, one.name) for one in fields(drawn)}
    each: dict[str, Any] = {
        name: v.repeat_interleave(length, dim=0) for name, v in held.items() if isinstance(v, Tensor)
    }
    return replace(drawn, **each)
