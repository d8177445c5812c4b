"""What tells slices with ICH from others: a ResNet on each slice, and an LSTM over those next to each other?

The blocks are those of He 2016 (Deep residual learning, Sec. 3.3 and 4.1), written here; no weights are taken from
elsewhere. The last stage's feature map is what `cam` reads.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
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
    """Sequences (b, length, 1, h, w) in [0, 1] → logits of ICH (b, length), one a slice."""

    def __init__(self, settings: ResNetLSTMSettings = ResNetLSTMSettings()) -> None:
        super().__init__()
        self.resnet = ResNet(settings)
        self.lstm = (
            nn.LSTM(self.resnet.width, settings.hidden, batch_first=True, bidirectional=True) if settings.lstm else None
        )
        self.last = nn.Linear(2 * settings.hidden if settings.lstm else self.resnet.width, 1)

    def features(self, sequences: Tensor) -> Tensor:
        """Return the last stage's feature maps (b, length, channels, h, w)."""
        flat = sequences.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        found: Tensor = self.resnet(flat).unflatten(0, sequences.shape[:2])
        return found

    def judged(self, pooled: Tensor) -> Tensor:
        """Return the logits (b, length) from the feature maps' means (b, length, channels)."""
        said = pooled if self.lstm is None else self.lstm(pooled)[0]
        found: Tensor = self.last(said).squeeze(-1)
        return found

    def forward(self, sequences: Tensor) -> Tensor:
        """Return the logits."""
        return self.judged(self.features(sequences).mean(dim=(-2, -1)))
