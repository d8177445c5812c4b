"""How is a small 2-D U-Net trained and applied? Only what `phantom_difficulty.py` needs, in plain torch.

It stands in for the baselines until they can be run: Spahr 2023's network shape (five levels, two convolutions each,
batch normalisation, transposed convolutions), loss (Dice with epsilon 1, normal slices weighted by alpha) and
optimiser (Adam, 1e-3), with a width that a CPU can carry and a learning rate that falls to zero (ours).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how wide: `steps_ich` counts batches' worth of slices with ICH, whatever else is mixed in."""

    width: int
    levels: int
    batch: int
    steps_ich: int
    learning_rate: float = 1e-3
    alpha: float = 0.2  # weight of normal slices (Spahr 2023)


class Block(nn.Sequential):
    """Two convolutions."""

    def __init__(self, inside: int, out: int) -> None:
        """Build it."""
        super().__init__(
            nn.Conv2d(inside, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True),
            nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True),
        )  # fmt: skip


class UNet(nn.Module):
    """A 2-D U-Net: (slices, 1, x, y) in, logits of the same shape out; x and y divisible by 2**(levels - 1)."""

    def __init__(self, width: int, levels: int) -> None:
        """Build it."""
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        self.down = nn.ModuleList(Block(a, b) for a, b in zip([1, *widths[:-1]], widths, strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in pairwise(widths))
        self.join = nn.ModuleList(Block(2 * a, a) for a in widths[:-1])
        self.out = nn.Conv2d(width, 1, 1)

    def forward(self, slices: Tensor) -> Tensor:
        """Return the logits."""
        kept = []
        for level, block in enumerate(self.down):
            slices = block(functional.max_pool2d(slices, 2) if level else slices)
            kept.append(slices)
        for level in reversed(range(len(self.up))):
            slices = self.join[level](torch.cat([kept[level], self.up[level](slices)], dim=1))
        return self.out(slices)


def dice_loss(logits: Tensor, target: Tensor, alpha: float) -> Tensor:
    """Return Spahr 2023's Dice loss: per slice, squared in the denominator, epsilon 1, normal slices times alpha."""
    share, target = torch.sigmoid(logits.float()).flatten(1), target.flatten(1)
    both = (share * target).sum(1)
    sums = (share * share).sum(1) + (target * target).sum(1)
    weight = torch.where(target.sum(1) > 0, 1.0, alpha)
    return (weight * (1.0 - (2.0 * both + 1.0) / (sums + 1.0))).mean()


def train(slices: np.ndarray, masks: np.ndarray, schedule: Schedule, *, normals: float, seed: int, device: str) -> UNet:
    """Return a U-Net trained on slices with ICH, and on `normals` times as many without.

    Args:
        slices: uint8 (slices, x, y), the window -50...150 HU.
        masks: boolean, the same shape.
        schedule: how long; the slices with ICH are seen as often whatever `normals` is.
        normals: 0 for slices with ICH only, 2 for Spahr 2023's mixed training.
        seed: of weights, order and augmentation.
        device: "cpu", "cuda".
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    bled = masks.any(axis=(1, 2))
    ill, well = np.nonzero(bled)[0], np.nonzero(~bled)[0]
    well = rng.permutation(well)[: round(normals * len(ill))]  # chosen once, as in the paper
    chosen = np.concatenate([ill, well])
    data = torch.from_numpy(slices[chosen]).to(device)
    targets = torch.from_numpy(masks[chosen]).to(device)
    net = UNet(schedule.width, schedule.levels).to(device, memory_format=torch.channels_last)
    steps = round(schedule.steps_ich * len(chosen) / len(ill))
    adam = torch.optim.Adam(net.parameters(), lr=schedule.learning_rate, weight_decay=1e-6)
    falling = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 0.5 * (1 + math.cos(math.pi * step / steps)))
    order: list[int] = []
    net.train()
    for _ in range(steps):
        while len(order) < schedule.batch:
            order += rng.permutation(len(chosen)).tolist()
        batch, order = torch.tensor(order[: schedule.batch], device=device), order[schedule.batch :]
        image, target = augment(data[batch].float() / 255.0, targets[batch].float(), rng)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device != "cpu"):
            logits = net(image.contiguous(memory_format=torch.channels_last))
        loss = dice_loss(logits, target, schedule.alpha)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        falling.step()
    return net.eval()


def augment(image: Tensor, target: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return slices (n, 1, x, y) shifted by 10 %, turned by 15 degrees, scaled by 10 %, half of them mirrored."""
    count = len(image)
    angle = np.deg2rad(rng.uniform(-15, 15, count))
    scale = rng.uniform(0.9, 1.1, count)
    mirror = np.where(rng.random(count) < 0.5, -1.0, 1.0)
    aspect = image.shape[1] / image.shape[2]
    moves = np.zeros((count, 2, 3), np.float32)
    moves[:, 0, 0], moves[:, 0, 1] = np.cos(angle) * scale, -np.sin(angle) * scale * aspect
    moves[:, 1, 0], moves[:, 1, 1] = np.sin(angle) * scale / aspect * mirror, np.cos(angle) * scale * mirror
    moves[:, :, 2] = rng.uniform(-0.1, 0.1, (count, 2))
    grid = functional.affine_grid(
        torch.from_numpy(moves).to(image.device), [count, 1, *image.shape[1:]], align_corners=False
    )
    moved = functional.grid_sample(image[:, None], grid, align_corners=False)
    return moved, functional.grid_sample(target[:, None], grid, mode="nearest", align_corners=False)


@torch.no_grad()
def predict(net: UNet, slices: np.ndarray, *, device: str) -> np.ndarray:
    """Return boolean masks (slices, x, y): sigmoid at least 0.5."""
    found = []
    for start in range(0, len(slices), 32):
        part = torch.from_numpy(slices[start : start + 32]).to(device).float()[:, None] / 255.0
        found.append((net(part.contiguous(memory_format=torch.channels_last)) >= 0)[:, 0].cpu().numpy())
    return np.concatenate(found)
