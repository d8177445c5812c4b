"""How is a slice spoiled for context restoration: by swapping patches?

Spahr 2023, Sec. 2.6.1.1, after Chen 2019: N times, two patches that do not overlap change places, one swap after the
other, so that a later swap may move what an earlier one moved. The target is the slice as it was. A batch is spoiled at
once: the only loop is over the N swaps.

Departure from the authors' code: it draws both corners again until they are apart; `TRIES` pairs are drawn here at once
and the first that is apart is taken, so that a GPU never waits for the answer. Where none is (never at 256², patches of
20), the two opposite corners of the slice are taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ich_bench.errors import IchBenchError
from ich_bench_baselines.paper import code, paper

TRIES = 16
CONFIG = "config of context restoration"


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """How many swaps, of patches of what sides (smallest, largest: both possible; drawn anew for each swap).

    `width_px` None: squares. `turned`: each patch is turned by a random number of quarter turns as it moves; squares
    only.
    """

    swaps: int = paper(20, "Sec. 2.6.1.1", code=code(10, CONFIG))
    height_px: tuple[int, int] = paper((20, 20), "Sec. 2.6.1.1", code=code((10, 29), f"{CONFIG}: below 30"))
    width_px: tuple[int, int] | None = paper((20, 20), "Sec. 2.6.1.1", code=code(None, f"{CONFIG}: squares"))
    turned: bool = paper(value=False, source="Sec. 2.6.1.1 names no rotation", code=code(value=True, source=CONFIG))


@dataclass(frozen=True, kw_only=True)
class Swaps:
    """What was drawn for n slices and s swaps: all integers, (row, column) or (height, width) last.

    `first`, `second` (n, s, 2): the upper left corners. `size` (n, s, 2). `turns` (n, s, 2): quarter turns,
    counter-clockwise, of what arrives at the first and at the second place. `largest`: the largest sides possible.
    """

    first: Tensor
    second: Tensor
    size: Tensor
    turns: Tensor
    largest: tuple[int, int]


def corrupt(images: Tensor, settings: Corruption, generator: torch.Generator) -> Tensor:
    """Return spoiled copies of images (n, c, h, w); each has its own swaps, and the same values as before.

    Raises:
        IchBenchError: two patches of the largest size do not fit beside each other, or patches to be turned are no
            squares.
    """
    height, width = images.shape[-2:]
    return apply(images, draw(settings, len(images), height, width, generator))


def draw(settings: Corruption, count: int, height: int, width: int, generator: torch.Generator) -> Swaps:
    """Return the swaps of `count` slices of a size, on the generator's device."""
    square = settings.width_px is None
    largest = (settings.height_px[1], (settings.width_px or settings.height_px)[1])
    if settings.turned and not square:
        raise IchBenchError("Patches are turned only where they are squares: set width_px to None.")
    if height <= 2 * largest[0] and width <= 2 * largest[1]:
        raise IchBenchError(
            f"Two patches of {largest[0]}×{largest[1]} pixels do not fit beside each other in slices of "
            f"{height}×{width}. Take smaller patches or larger slices."
        )

    def whole(low: int | Tensor, high: int | Tensor, *shape: int) -> Tensor:
        """Draw integers evenly, both ends possible."""
        share = torch.rand(
            count, settings.swaps, *shape, generator=generator, device=generator.device, dtype=torch.float64
        )
        return (low + share * (high - low + 1)).floor().long()

    tall = whole(*settings.height_px)
    wide = tall if settings.width_px is None else whole(*settings.width_px)
    size = torch.stack([tall, wide], dim=-1)
    room = torch.stack([height - tall, width - wide], dim=-1)
    corners = whole(0, room[:, :, None, None, :], TRIES, 2, 2)
    apart = ((corners[..., 0, :] - corners[..., 1, :]).abs() > size[:, :, None, :]).any(dim=-1)
    taken = apart.int().argmax(dim=-1)[..., None, None, None].expand(-1, -1, 1, 2, 2)
    found = corners.gather(2, taken).squeeze(2)
    opposite = torch.stack([torch.zeros_like(room), room], dim=2)
    found = torch.where(apart.any(dim=-1)[..., None, None], found, opposite)
    turns = whole(0, 3, 2) if settings.turned else torch.zeros_like(size)
    return Swaps(first=found[:, :, 0], second=found[:, :, 1], size=size, turns=turns, largest=largest)


def apply(images: Tensor, swaps: Swaps) -> Tensor:
    """Return copies of images (n, c, h, w) with the patches swapped, one swap after the other."""
    count, channels, height, width = images.shape
    nowhere = height * width  # a place behind the last pixel, for what lies outside a patch smaller than the largest
    spare = images.new_zeros(count, channels, 1)
    flat = torch.cat([images.flatten(2), spare], dim=2)
    row = torch.arange(swaps.largest[0], device=images.device)[:, None].expand(*swaps.largest).flatten()[None]
    column = torch.arange(swaps.largest[1], device=images.device)[None, :].expand(*swaps.largest).flatten()[None]
    first, second, size, turns = (one.to(images.device) for one in (swaps.first, swaps.second, swaps.size, swaps.turns))
    for number in range(size.shape[1]):
        tall, wide = size[:, number, :1], size[:, number, 1:]
        inside = (row < tall) & (column < wide)

        def places(corner: Tensor, rows: Tensor, columns: Tensor, inside: Tensor = inside) -> Tensor:
            at = (corner[:, :1] + rows) * width + corner[:, 1:] + columns
            return torch.where(inside, at, nowhere)[:, None, :].expand(-1, channels, -1)

        one, other = first[:, number], second[:, number]
        to_first = flat.gather(2, places(other, *_turned(row, column, tall, turns[:, number, :1])))
        to_second = flat.gather(2, places(one, *_turned(row, column, tall, turns[:, number, 1:])))
        flat = flat.scatter(2, places(one, row, column), to_first)
        flat = flat.scatter(2, places(other, row, column), to_second)
    return flat[:, :, :nowhere].reshape(count, channels, height, width)


def _turned(row: Tensor, column: Tensor, side: Tensor, turns: Tensor) -> tuple[Tensor, Tensor]:
    """Return which pixel of a square patch arrives at (row, column) after quarter turns, counter-clockwise."""
    last = side - 1
    rows = torch.where(turns == 1, column, torch.where(turns == 2, last - row, row))
    columns = torch.where(turns == 1, last - row, torch.where(turns == 2, last - column, column))
    return torch.where(turns == 3, last - column, rows), torch.where(turns == 3, row, columns)
