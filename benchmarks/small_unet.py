"""How is a 2-D U-Net trained on slices and applied? Only what phantom_difficulty.py needs, in plain torch.

Spahr 2023's network (five levels, half as many channels between the two convolutions of a contracting block, batch
normalisation, transposed convolutions), loss, sampling of normal slices, augmentation, optimiser and learning rate.
Width, size of the slices and number of epochs are the caller's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

LEVELS = 5


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How wide and how long: an epoch shows every chosen slice once, so mixed training takes three times the steps."""

    width: int = 32
    epochs: int = 100
    batch: int = 16
    learning_rate: float = 1e-3
    last_rate: float = 0.96**100  # of the first, reached exponentially: 0.96 an epoch over 100 epochs
    weight_decay: float = 1e-6
    alpha: float = 0.2  # weight of normal slices in the loss


def _block(inside: int, between: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, between, 3, padding=1), nn.BatchNorm2d(between), nn.ReLU(inplace=True),
        nn.Conv2d(between, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(inplace=True),
    )  # fmt: skip


class UNet(nn.Module):
    """A 2-D U-Net: (slices, 1, x, y) in, logits of that shape out; x and y divisible by 16."""

    def __init__(self, width: int) -> None:
        """Build it with `width` channels on the first level, twice as many on each further one."""
        super().__init__()
        widths = [width * 2**level for level in range(LEVELS)]
        self.down = nn.ModuleList(_block(a, b // 2, b) for a, b in zip([1, *widths[:-1]], widths, strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in pairwise(widths))
        self.join = nn.ModuleList(_block(2 * a, a, a) for a in widths[:-1])
        self.out = nn.Conv2d(width, 1, 1)

    def forward(self, slices: Tensor) -> Tensor:
        """Return the logits."""
        kept = []
        for level, block in enumerate(self.down):
            slices = block(functional.max_pool2d(slices, 2) if level else slices)
            kept.append(slices)
        for level in reversed(range(LEVELS - 1)):
            slices = self.join[level](torch.cat([kept[level], self.up[level](slices)], dim=1))
        logits: Tensor = self.out(slices)
        return logits


def dice_loss(logits: Tensor, target: Tensor, alpha: float) -> Tensor:
    """Return Spahr 2023's loss: 1 - (2 sum pt + 1)/(sum p^2 + sum t^2 + 1) a slice, times alpha where nothing bled."""
    share, target = torch.sigmoid(logits.float()).flatten(1), target.flatten(1)
    sums = (share * share).sum(1) + (target * target).sum(1)
    weight = torch.where(target.sum(1) > 0, 1.0, alpha)
    return (weight * (1.0 - (2.0 * (share * target).sum(1) + 1.0) / (sums + 1.0))).mean()


def choose(target: NDArray[np.bool_], normals: float, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the slices to train on: all with ICH, and `normals` times as many without, drawn once (Spahr 2023)."""
    bled = target.any(axis=(1, 2))
    ill, well = np.nonzero(bled)[0], np.nonzero(~bled)[0]
    return np.concatenate([ill, rng.permutation(well)[: round(normals * len(ill))]])


def train(
    slices: NDArray[np.uint8], target: NDArray[np.bool_], schedule: Schedule, *, normals: float, seed: int,
    device: str = "cpu", bf16: bool = False, told: Callable[[str], None] = lambda _: None,
) -> UNet:  # fmt: skip
    """Return a U-Net trained on slices (n, x, y), 8 bits for -50...150 HU.

    Args:
        slices: what the network sees.
        target: where it bled, the same shape.
        schedule: how wide and how long.
        normals: 0 for slices with ICH only, 2 for mixed training.
        seed: of weights, choice, order and augmentation.
        device: "cpu" or "cuda".
        bf16: multiply in bfloat16.
        told: called with a line of progress after every epoch.
    """
    torch.manual_seed(seed)
    rng = np.random.Generator(np.random.PCG64(seed))
    chosen = choose(target, normals, rng)
    images = torch.from_numpy(slices[chosen]).to(device)
    targets = torch.from_numpy(target[chosen]).to(device)
    net = UNet(schedule.width).to(device, memory_format=torch.channels_last).train()
    adam = torch.optim.Adam(net.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay)
    each = -(-len(chosen) // schedule.batch)
    falling = torch.optim.lr_scheduler.ExponentialLR(adam, schedule.last_rate ** (1 / (each * schedule.epochs)))
    for epoch in range(schedule.epochs):
        order = torch.from_numpy(rng.permutation(len(chosen))).to(device)
        losses = []
        for batch in order.split(schedule.batch):
            image, truth = augmented(images[batch].float() / 255.0, targets[batch].float(), rng)
            with torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=bf16):
                logits = net(image.contiguous(memory_format=torch.channels_last))
            loss = dice_loss(logits, truth, schedule.alpha)
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()
            falling.step()
            losses.append(loss.detach())
        told(f"epoch {epoch + 1} of {schedule.epochs}, loss {float(torch.stack(losses).mean()):.3f}")
    return net.eval()


def augmented(image: Tensor, target: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return slices and targets as (n, 1, x, y), shifted by up to 10 %, turned by 15 degrees, scaled by 10 %, flipped.

    The ranges are Spahr 2023's; x is left to right, so a flip mirrors the head.
    """
    count, along = len(image), image.shape[2] / image.shape[1]
    angle = np.deg2rad(rng.uniform(-15, 15, count))
    scale, flip = rng.uniform(0.9, 1.1, count), rng.choice([-1.0, 1.0], count)
    moves = np.zeros((count, 2, 3), np.float32)  # torch's order: y (the last axis), then x
    moves[:, 0, 0], moves[:, 0, 1] = np.cos(angle) * scale, -np.sin(angle) * scale * flip / along
    moves[:, 1, 0], moves[:, 1, 1] = np.sin(angle) * scale * along, np.cos(angle) * scale * flip
    moves[:, :, 2] = rng.uniform(-0.2, 0.2, (count, 2))  # of the half size
    shape = [count, 1, *image.shape[1:]]
    grid = functional.affine_grid(torch.from_numpy(moves).to(image.device), shape, align_corners=False)
    moved = functional.grid_sample(image[:, None], grid, align_corners=False)
    return moved, functional.grid_sample(target[:, None], grid, mode="nearest", align_corners=False)


@torch.no_grad()
def predict(
    net: UNet, slices: NDArray[np.uint8], factor: int, *, device: str = "cpu", bf16: bool = False
) -> NDArray[np.bool_]:
    """Return masks (slices, x, y) on the grid that is `factor` times as fine: probability at least 0.5."""
    found = []
    for part in torch.from_numpy(slices).to(device).split(32):
        image = (part.float()[:, None] / 255.0).contiguous(memory_format=torch.channels_last)
        with torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=bf16):
            share = torch.sigmoid(net(image).float())
        if factor > 1:
            share = functional.interpolate(share, scale_factor=factor, mode="bilinear", align_corners=False)
        found.append((share[:, 0] >= 0.5).cpu().numpy())
    return np.concatenate(found)


def on_stderr(title: str) -> Callable[[str], None]:
    """Return what writes lines of progress under a title."""
    return lambda line: print(f"{title}: {line}", file=sys.stderr, flush=True)
