"""How would the usual way train and predict: worker processes, one slice changed at a time on the CPU, fp32?

This is what the authors' code of Spahr 2023 does, written anew: each slice is windowed, shifted, turned, scaled and
flipped at the scanner's own size, each read anew by SciPy (image linearly, mask by nearest neighbour), then resized.
Workers of torch's `DataLoader` do that; the network trains in float32, its loss asked for at every step. Files are not
read, which favours this way: its slices lie in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

from ich_bench_baselines.bench.drawn import Sample
from ich_bench_baselines.blocks.augment import Augmentation, Drawn
from ich_bench_baselines.blocks.losses import dice_loss
from ich_bench_baselines.data.pixels import BRAIN

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
_ENDLESS = 10**9


@dataclass(frozen=True, kw_only=True)
class Moves:
    """How one slice is moved: rows down and columns right in shares of the side, degrees counter-clockwise."""

    shift: tuple[float, float]
    angle_deg: float
    scale: float
    flip: bool


def drawn_moves(settings: Augmentation, rng: np.random.Generator) -> Moves:
    """Return the numbers of one slice."""
    down, right = rng.uniform(-settings.translate, settings.translate, 2)
    return Moves(
        shift=(float(down), float(right)),
        angle_deg=float(rng.uniform(-settings.rotate_deg, settings.rotate_deg)),
        scale=float(rng.uniform(*settings.scale)),
        flip=bool(rng.uniform() < settings.flip),
    )


def moves_of(drawn: Drawn) -> list[Moves]:
    """Return the numbers that were drawn for a batch, a slice each: the same changes the plain way."""
    each = zip(drawn.shift.tolist(), drawn.angle_deg.tolist(), drawn.scale.tolist(), drawn.flip.tolist(), strict=True)
    return [Moves(shift=(down, right), angle_deg=a, scale=s, flip=f) for (down, right), a, s, f in each]


def changed(hu: Floats, mask: Mask, moves: Moves | None, side: int) -> tuple[Floats, Mask]:
    """Return image (side, side) in [0, 1] and mask of one slice as the network sees them; None: not moved."""
    span = BRAIN.high_hu - BRAIN.low_hu
    image = np.clip((hu - np.float32(BRAIN.low_hu)) / np.float32(span), 0, 1)
    if moves is not None:
        image, mask = moved(image, moves, 1), moved(mask.astype(np.uint8), moves, 0) != 0
    return resized(image, side, 1), resized(mask.astype(np.uint8), side, 0) != 0


def moved(array: npt.NDArray[Any], moves: Moves, order: int) -> npt.NDArray[Any]:
    """Return an image shifted, turned, scaled and flipped, interpolated anew at each step; air comes in."""
    height, width = array.shape
    found = ndimage.shift(array, (moves.shift[0] * height, moves.shift[1] * width), order=order)
    found = ndimage.rotate(found, moves.angle_deg, reshape=False, order=order)
    middle = (np.array(array.shape) - 1) / 2
    inverse = np.eye(2) / moves.scale
    found = ndimage.affine_transform(found, inverse, offset=middle - inverse @ middle, order=order)
    return found[:, ::-1] if moves.flip else found


def resized(array: npt.NDArray[Any], side: int, order: int) -> npt.NDArray[Any]:
    """Return a square image at this side, smoothed before it shrinks where it is interpolated."""
    factor = array.shape[0] / side
    if order and factor > 1:
        array = ndimage.gaussian_filter(array, (factor - 1) / 2, mode="mirror")
    return ndimage.zoom(array, 1 / factor, order=order, mode="mirror", grid_mode=True)  # type: ignore[no-any-return]


class PlainSlices(Dataset[tuple[Tensor, Tensor]]):
    """The slices one by one, each changed when it is asked for; `settings` None: as they are, for a prediction."""

    def __init__(self, sample: Sample, settings: Augmentation | None, side: int) -> None:
        self.hu, self.masks, self.settings, self.side = sample.hu, sample.masks, settings, side

    def __len__(self) -> int:
        """Return the number of slices."""
        return len(self.hu)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        """Return image (1, side, side) as float32 and mask as bool."""
        moves = None if self.settings is None else drawn_moves(self.settings, np.random.default_rng(place))
        image, mask = changed(self.hu[place], self.masks[place], moves, self.side)
        return torch.from_numpy(image.astype(np.float32))[None], torch.from_numpy(mask)[None]


def endless(slices: PlainSlices, batch: int, workers: int, device: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches on the device for ever; the workers end with the iterator."""
    own = torch.Generator().manual_seed(0)
    loader = DataLoader(
        slices,
        batch_size=batch,
        sampler=RandomSampler(slices, replacement=True, num_samples=_ENDLESS, generator=own),
        num_workers=workers,
        pin_memory=torch.device(device).type == "cuda",
        generator=own,
    )
    for images, masks in loader:
        yield images.to(device, non_blocking=True), masks.to(device, non_blocking=True)


def train_step(
    network: nn.Module, adam: torch.optim.Adam, images: Tensor, masks: Tensor, *, empty_weight: float
) -> float:
    """Return the loss of one plain step, the weights moved."""
    adam.zero_grad()
    loss = dice_loss(network(images), masks, empty_weight=empty_weight)
    loss.backward()  # type: ignore[no-untyped-call]
    adam.step()
    return loss.item()


@torch.no_grad()
def predicted(network: nn.Module, images: Tensor, native: int, threshold: float = 0.5) -> list[Mask]:
    """Return the masks of a batch at the scanner's own size, one by one."""
    masks = (network(images).sigmoid() >= threshold).squeeze(1).cpu().numpy()
    return [resized(one.astype(np.uint8), native, 0) != 0 for one in masks]
