"""How is a slice cut into overlapping crops, which of them are trained on, and how do their masks become one?"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ich_bench_baselines.data.guard import Guard
from ich_bench_baselines.data.slices import SliceSet
from ich_bench_baselines.data.streams import Rows, batches, share

Merge = Literal["majority", "mean"]


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """Square crops of `crop` pixels, `stride` apart, over slices of `side`: the last one ends at the border."""

    side: int
    crop: int
    stride: int

    def __post_init__(self) -> None:
        if not 0 < self.stride <= self.crop <= self.side or (self.side - self.crop) % self.stride:
            raise ValueError(f"crops of {self.crop}, {self.stride} apart, do not cover slices of {self.side} evenly")

    @property
    def corners(self) -> tuple[tuple[int, int], ...]:
        """Top and left of each crop, row by row: 49 for 128 in 512, 64 apart."""
        starts = range(0, self.side - self.crop + 1, self.stride)
        return tuple((top, left) for top in starts for left in starts)

    def cut(self, slices: Tensor) -> Tensor:
        """Return the crops (n · corners, crop, crop) of slices (n, side, side): all of a slice, then the next."""
        found = slices.unfold(1, self.crop, self.stride).unfold(2, self.crop, self.stride)
        return found.reshape(-1, self.crop, self.crop)

    def merged(self, probabilities: Tensor, threshold: float, how: Merge) -> Tensor:
        """Return masks (n, side, side), bool, from the crops' probabilities in the order of `cut`.

        `majority`: a pixel is hemorrhage where more than half of the crops that hold it say at least `threshold`; a tie
        is none. `mean`: where their mean is more than `threshold`.
        """
        values = (probabilities >= threshold).float() if how == "majority" else probabilities.float()
        count = len(self.corners)
        total = torch.zeros(len(values) // count, self.side, self.side, device=values.device)
        held = torch.zeros(self.side, self.side, device=values.device)
        each = values.reshape(-1, count, self.crop, self.crop)
        for number, (top, left) in enumerate(self.corners):
            place = (slice(top, top + self.crop), slice(left, left + self.crop))
            total[(slice(None), *place)] += each[:, number]
            held[place] += 1
        return total / held > (0.5 if how == "majority" else threshold)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Crops of cached slices: row of the cache's index and number of the corner, of each."""

    rows: Rows
    corners: Rows

    def __len__(self) -> int:
        """Return how many."""
        return len(self.rows)

    def at_most(self, most: int | None) -> Chosen:
        """Return at most so many, evenly spread."""
        if most is None or len(self) <= most:
            return self
        kept = np.arange(most) * len(self) // most
        return Chosen(rows=self.rows[kept], corners=self.corners[kept])


def with_ich(slices: SliceSet, cases: Any, tiling: Tiling) -> Chosen:
    """Return all crops of these cases in which hemorrhage is drawn."""
    mine = np.isin(slices.index["case_id"].to_numpy(dtype=str), list(cases))
    rows: list[int] = []
    corners: list[int] = []
    for row in np.flatnonzero(mine & slices.index["has_ich"].to_numpy(dtype=bool)):
        mask = slices.masks[row]
        found = [n for n, (top, left) in enumerate(tiling.corners)
                 if mask[top : top + tiling.crop, left : left + tiling.crop].any()]  # fmt: skip
        rows += [int(row)] * len(found)
        corners += found
    return Chosen(rows=np.array(rows, np.int64), corners=np.array(corners, np.int64))


def of_a_normal_slice(slices: SliceSet, cases: Any, tiling: Tiling, *, seed: int) -> Chosen:
    """Return all crops of one slice of each case, drawn among those that neither mask nor label calls hemorrhage."""
    ids = slices.index["case_id"].to_numpy(dtype=str)
    ich = slices.index["has_ich"].to_numpy(dtype=bool) | slices.index["any"].fillna(value=False).to_numpy(dtype=bool)
    rows: list[int] = []
    for case in cases:
        normal = np.flatnonzero((ids == case) & ~ich)
        if len(normal):
            bits = int(np.random.PCG64([seed, zlib.crc32(case.encode())]).random_raw())
            rows.append(int(normal[bits % len(normal)]))
    count = len(tiling.corners)
    return Chosen(rows=np.repeat(np.array(rows, np.int64), count), corners=np.tile(np.arange(count), len(rows)))


def together(first: Chosen, second: Chosen) -> Chosen:
    """Return both, one after the other."""
    return Chosen(
        rows=np.concatenate([first.rows, second.rows]), corners=np.concatenate([first.corners, second.corners])
    )


@dataclass(frozen=True, kw_only=True)
class CropBatch:
    """Crops on the device: uint8 (B, 1, crop, crop), masks 0 and 1."""

    images: Tensor
    masks: Tensor

    def __len__(self) -> int:
        """Return the number of crops."""
        return len(self.images)


@dataclass(frozen=True, kw_only=True)
class CropPool:
    """Chosen crops in the device's memory; the guard sees the ids of each batch before it is handed out."""

    ids: tuple[npt.NDArray[Any], ...]
    images: Tensor
    masks: Tensor
    guard: Guard

    @classmethod
    def on(cls, device: str, slices: SliceSet, chosen: Chosen, tiling: Tiling, guard: Guard) -> CropPool:
        """Return these crops of the cache on a device."""
        shape = (len(chosen), tiling.crop, tiling.crop)
        images, masks = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
        for n, (row, corner) in enumerate(zip(chosen.rows, chosen.corners, strict=True)):
            top, left = tiling.corners[corner]
            place = (row, slice(top, top + tiling.crop), slice(left, left + tiling.crop))
            images[n], masks[n] = slices.images[place], slices.masks[place]
        names = ("case_id", "patient_id", "slice_id")
        return cls(
            ids=tuple(slices.index[name].to_numpy(dtype=object)[chosen.rows] for name in names),
            images=torch.from_numpy(images).unsqueeze(1).to(device),
            masks=torch.from_numpy(masks).unsqueeze(1).to(device),
            guard=guard,
        )

    def __len__(self) -> int:
        """Return the number of crops."""
        return len(self.images)

    def epoch(self, epoch: int, size: int, *, seed: int, shuffle: bool = True, rank: int = 0, world: int = 1) -> Epoch:
        """Return the batches of one epoch, the same whenever asked."""
        dealt = batches(len(self), size, seed=seed, epoch=epoch, shuffle=shuffle)
        return Epoch(pool=self, dealt=tuple(dealt if world == 1 else share(dealt, rank, world)))


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """The batches of one epoch, in order."""

    pool: CropPool
    dealt: tuple[Rows, ...]

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.dealt)

    def __iter__(self) -> Iterator[CropBatch]:
        """Yield the batches, each past the guard."""
        for places in self.dealt:
            self.pool.guard.hand_out(*(one[places] for one in self.pool.ids))
            at = torch.from_numpy(places).to(self.pool.images.device)
            yield CropBatch(images=self.pool.images[at], masks=self.pool.masks[at])


def jaccard_of(pool: CropPool, batch: int) -> Callable[[nn.Module], float]:
    """Return network → Jaccard of its probabilities and the masks, Σpt / Σ(p + t - pt) over all crops of a pool."""

    def score(model: nn.Module) -> float:
        both = either = 0.0
        for some in pool.epoch(0, batch, seed=0, shuffle=False):
            guess = model(some.images.float() / 255.0).float().sigmoid()
            truth = some.masks.float()
            both += float((guess * truth).sum())
            either += float((guess + truth - guess * truth).sum())
        return both / either

    return score
