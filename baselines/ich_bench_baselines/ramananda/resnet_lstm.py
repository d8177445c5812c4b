"""What tells slices with ICH from others: a ResNet on each slice, and an LSTM over those next to each other?

The blocks are those of He 2016 (Deep residual learning, Sec. 3.3 and 4.1), written here; no weights are taken from
elsewhere. The last stage's feature map is what `cam` reads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor, nn

from ich_bench_baselines.paper import ours


@dataclass(frozen=True, kw_only=True)
class ResNetLSTMSettings:
    """The classifier's shape: `top` channels in the first stage, twice as many in each further one."""

    top: int = ours(64, "ResNet-18 as published (He 2016, Table 1); the abstract says ResNet alone")
    blocks: tuple[int, ...] = ours((2, 2, 2, 2), "ResNet-18: the smallest published one")
    strides: tuple[int, ...] = ours(
        (1, 2, 2, 1), "the last stage keeps its size: activation maps of 16 × 16 instead of 8 × 8 for a slice of 256"
    )
    sharpness: float = ours(
        10.0,
        "log-sum-exp pooling (Pinheiro 2015, Sec. 3.2): a plain mean spreads the maps over the head, a maximum halts",
    )
    hidden: int = ours(256, "half of what ResNet-18 says of a slice, in each direction")
    lstm: bool = ours(True, "the method; off: each slice by itself")  # noqa: FBT003


class Residual(nn.Module):
    """Two 3×3 convolutions beside a shortcut (He 2016, Fig. 2; projected by 1×1 where the shape changes)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        same = stride == 1 and before == after
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return the feature map after the block."""
        found: Tensor = torch.relu(self.path(features) + self.shortcut(features))
        return found


class ResNet(nn.Sequential):
    """Images (n, 1, h, w) in [0, 1] → the last stage's feature map (n, top · 8, h / 16, w / 16) with four stages."""

    def __init__(self, settings: ResNetLSTMSettings) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(1, settings.top, 7, 2, padding=3, bias=False),
            nn.BatchNorm2d(settings.top),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, padding=1),
        ]
        before = settings.top
        for stage, (count, stride) in enumerate(zip(settings.blocks, settings.strides, strict=True)):
            after = settings.top * 2**stage
            for number in range(count):
                layers.append(Residual(before, after, stride if number == 0 else 1))
                before = after
        super().__init__(*layers)
        self.width = before


class ResNetLSTM(nn.Module):
    """Sequences (b, length, 1, h, w) in [0, 1] → logits of ICH (b, length), one a slice.

    A slice's logit is the sum of what it says by itself and of what the LSTM says of it among its neighbours. The first
    is linear with weights that cannot be negative: a map then shows what speaks for ICH where it is, and not, inverted,
    where it is absent.
    """

    def __init__(self, settings: ResNetLSTMSettings = ResNetLSTMSettings()) -> None:
        super().__init__()
        self.resnet = ResNet(settings)
        self.sharpness = settings.sharpness
        self.own = nn.Linear(self.resnet.width, 1)
        nn.init.uniform_(self.own.weight, 0.0, 2.0 / self.resnet.width)
        self.lstm: nn.LSTM | None = None
        if settings.lstm:
            self.lstm = nn.LSTM(self.resnet.width, settings.hidden, batch_first=True, bidirectional=True)
            self.last = nn.Linear(2 * settings.hidden, 1)

    def features(self, sequences: Tensor) -> Tensor:
        """Return the last stage's feature maps (b, length, channels, h, w)."""
        flat = sequences.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        found: Tensor = self.resnet(flat).unflatten(0, sequences.shape[:2])
        return found

    def pooled(self, features: Tensor) -> Tensor:
        """Return one number a feature map, (b, length, channels): log(mean(exp(r A))) / r, between mean and maximum."""
        flat = features.float().flatten(-2)
        return (torch.logsumexp(self.sharpness * flat, dim=-1) - math.log(flat.shape[-1])) / self.sharpness

    def judged(self, pooled: Tensor) -> Tensor:
        """Return the logits (b, length) from what `pooled` returned."""
        found = F.linear(pooled, self.own.weight.clamp(min=0.0), self.own.bias)
        if self.lstm is not None:
            found = found + self.last(self.lstm(pooled)[0])
        return found.squeeze(-1)

    def forward(self, sequences: Tensor) -> Tensor:
        """Return the logits."""
        return self.judged(self.pooled(self.features(sequences)))
