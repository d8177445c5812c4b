"""Which regions of two feature maps does the local contrast compare?

Spahr 2023, Sec. 2.6.1.3: a feature map is cut into cells of K×K places, floor(h/K) by floor(w/K) of them; of each image
pair, N_r cells are drawn without replacement, and the same cells are read from both maps.

The two views of an image are moved independently, so the same cell of both maps shows two different pieces of the head:
as the paper and its code have it. With `aligned`, the second map is first brought into the first view's frame, and
cells are drawn where both views know the slice; this is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor

from ich_bench.errors import IchBenchError
from ich_bench_baselines.blocks.augment import Drawn, sampled_at, source
from ich_bench_baselines.paper import paper


@dataclass(frozen=True, kw_only=True)
class Regions:
    """How many cells of what side, and whether the two maps are brought to the same piece of the head."""

    count: int = paper(20, "Sec. 2.6.1.3: N_r")
    side: int = paper(3, "Sec. 2.6.1.3: K")
    aligned: bool = paper(value=False, source="Sec. 2.6.1.3: both views are moved, the regions are not")


class Twins(NamedTuple):
    """Regions of both maps, (n, N_r, channels·K·K) each; those of one row show the same cell."""

    first: Tensor
    second: Tensor


def twins(
    first: Tensor,
    second: Tensor,
    settings: Regions,
    generator: torch.Generator,
    drawn: tuple[Drawn, Drawn] | None = None,
) -> Twins:
    """Return the regions to compare of feature maps (n, c, h, w); `drawn` says how the views were moved.

    Raises:
        IchBenchError: the maps have fewer cells than regions.
        TypeError: aligned regions are asked for without `drawn`.
    """
    count, _, height, width = first.shape
    shown = None
    if settings.aligned:
        if drawn is None:
            raise TypeError("aligned regions need what was drawn for both views")
        second, seen = align(second, *drawn)
        shown = seen_cells(seen, settings.side)
    cells = draw_cells(settings, count, height, width, generator, shown)
    return Twins(gather(first, cells, settings.side), gather(second, cells, settings.side))


def draw_cells(
    settings: Regions, count: int, height: int, width: int, generator: torch.Generator, shown: Tensor | None = None
) -> Tensor:
    """Return the numbers of the cells drawn for each image, (count, N_r), row by row over the grid of cells.

    `shown` (count, cells) marks cells to be drawn before any other: the others come only where these are too few.
    """
    cells = (height // settings.side) * (width // settings.side)
    if cells < settings.count:
        raise IchBenchError(
            f"A feature map of {height}×{width} has {cells} regions of {settings.side}×{settings.side}, fewer than the "
            f"{settings.count} to be drawn. Take larger slices or fewer regions."
        )
    keys = torch.rand(count, cells, generator=generator, device=generator.device, dtype=torch.float64)
    if shown is not None:
        keys = keys + (~shown).to(keys.device, keys.dtype)
    return keys.argsort(dim=1)[:, : settings.count]


def gather(features: Tensor, cells: Tensor, side: int) -> Tensor:
    """Return the cells of feature maps (n, c, h, w) as vectors, (n, N_r, c·K·K); gradients flow through."""
    count, channels, height, width = features.shape
    rows, columns = height // side, width // side
    cut = features[:, :, : rows * side, : columns * side].reshape(count, channels, rows, side, columns, side)
    at = cells.to(features.device)
    image = torch.arange(count, device=features.device)[:, None]
    found: Tensor = cut[image, :, at // columns, :, at % columns, :]
    return found.reshape(count, cells.shape[1], channels * side * side)


def align(features: Tensor, first: Drawn, second: Drawn) -> tuple[Tensor, Tensor]:
    """Return the second view's feature maps in the first view's frame, and where they are known: (n, 1, h, w) bool."""
    height, width = features.shape[-2:]
    there = between(source(first, height, width), source(second, height, width))
    grid = sampled_at(there.to(features.device, torch.float32), height, width)
    moved = F.grid_sample(features.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    across, down = grid.abs().unbind(dim=-1)
    seen = (across <= 1.0 - 1.0 / width + 1e-6) & (down <= 1.0 - 1.0 / height + 1e-6)
    return moved, seen[:, None]


def between(first: Tensor, second: Tensor) -> Tensor:
    """Return the affines (n, 2, 3) from a place in the first view to the same piece of the head in the second."""
    back: Tensor = torch.linalg.inv_ex(second[:, :, :2]).inverse  # unchecked: a GPU need not wait; scales are never 0
    return back @ torch.cat([first[:, :, :2], (first[:, :, 2] - second[:, :, 2])[..., None]], dim=-1)


def seen_cells(seen: Tensor, side: int) -> Tensor:
    """Return which cells are known whole, (n, cells), from a map (n, 1, h, w)."""
    rows, columns = (size // side for size in seen.shape[-2:])
    cut = seen[:, 0, : rows * side, : columns * side].reshape(-1, rows, side, columns, side)
    return cut.all(dim=4).all(dim=2).flatten(1)
