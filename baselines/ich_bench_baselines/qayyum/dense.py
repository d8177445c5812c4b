"""What is Qayyum 2023's coarse network: a dense encoder on single slices, and a decoder that is not dense?

Sec. 2.2: five dense blocks of six layers, each BN, ReLU, 1×1 convolution, BN, ReLU, 3×3 convolution; after each block
a transition: BN, 1×1 convolution, 2×2 average pool. Stem, growth and decoder are ours: the paper names none. With its
five transitions the stem halves the slice once, so that 256² ends at 4² and not at 2². Each dense block's output goes
over to the decoder, which doubles the size, adds it (through a 1×1 convolution) and convolves.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor, nn

from ich_bench.errors import IchBenchError
from ich_bench_baselines.paper import ours, paper

_LIKE = "not printed; as the first author's other dense networks (DenseNet-161)"


@dataclass(frozen=True, kw_only=True)
class DenseSettings:
    """The network's shape. `decoder`: channels after each doubling, the coarsest first, one more than blocks."""

    blocks: int = paper(5, "Sec. 2.2")
    layers: int = paper(6, "Sec. 2.2: six dense layers a block")
    growth: int = ours(48, _LIKE)
    bottleneck: int = ours(4, f"{_LIKE}: the 1×1 convolution gives 4 × growth channels")
    stem: int = ours(96, f"{_LIKE}: twice the growth; 7×7, stride 2, no pooling after it")
    compression: float = ours(0.5, f"{_LIKE}: a transition halves the channels")
    decoder: tuple[int, ...] = ours((384, 384, 192, 96, 96, 64), f"{_LIKE}: from 384 down to 64, one level more")
    dropout: float = ours(0.0, "not printed")

    @property
    def step(self) -> int:
        """What the sides must be a multiple of: the stem and each transition halve them."""
        return int(2 ** (self.blocks + 1))


class DenseLayer(nn.Module):
    """Features → features with `growth` more."""

    def __init__(self, before: int, settings: DenseSettings) -> None:
        super().__init__()
        between = settings.bottleneck * settings.growth
        self.narrow = nn.Sequential(
            nn.BatchNorm2d(before), nn.ReLU(inplace=True), nn.Conv2d(before, between, kernel_size=1, bias=False)
        )
        self.grow = nn.Sequential(
            nn.BatchNorm2d(between),
            nn.ReLU(inplace=True),
            nn.Conv2d(between, settings.growth, kernel_size=3, padding=1, bias=False),
        )
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Return the features and the new ones after them."""
        return torch.cat([features, self.dropout(self.grow(self.narrow(features)))], dim=1)


class Transition(nn.Sequential):
    """BN, 1×1 convolution, 2×2 average pool."""

    def __init__(self, before: int, after: int) -> None:
        parts = (nn.BatchNorm2d(before), nn.Conv2d(before, after, kernel_size=1, bias=False), nn.AvgPool2d(2))
        super().__init__(*parts)


class Up(nn.Module):
    """Double the size, add what came over, convolve."""

    def __init__(self, before: int, over: int, after: int) -> None:
        super().__init__()
        self.over = nn.Conv2d(over, before, kernel_size=1) if over else None
        self.block = nn.Sequential(
            nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
        )

    def forward(self, coarse: Tensor, skip: Tensor | None) -> Tensor:
        """Return the features at twice the size."""
        large = F.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
        if self.over is not None and skip is not None:
            large = large + self.over(skip)
        found: Tensor = self.block(large)
        return found


class DenseNet2D(nn.Module):
    """Image (n, 1, h, w) in [0, 1] → logits (n, 1, h, w); h and w are multiples of 64. No sigmoid inside."""

    def __init__(self, settings: DenseSettings = DenseSettings()) -> None:
        super().__init__()
        if len(settings.decoder) != settings.blocks + 1:
            raise ValueError(f"{settings.blocks} blocks need {settings.blocks + 1} decoder widths")
        self.step = settings.step
        self.stem = nn.Sequential(
            nn.Conv2d(1, settings.stem, kernel_size=7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(settings.stem),
            nn.ReLU(inplace=True),
        )
        self.blocks, self.transitions = nn.ModuleList(), nn.ModuleList()
        width, skips = settings.stem, []
        for _ in range(settings.blocks):
            grown = [width + number * settings.growth for number in range(settings.layers + 1)]
            layers = ((f"layer{number}", DenseLayer(grown[number], settings)) for number in range(settings.layers))
            self.blocks.append(nn.Sequential(OrderedDict(layers)))
            skips.append(grown[-1])
            width = int(grown[-1] * settings.compression)
            self.transitions.append(Transition(grown[-1], width))
        ups = zip((width, *settings.decoder[:-1]), (*skips[::-1], 0), settings.decoder, strict=True)
        self.ups = nn.ModuleList(Up(before, over, after) for before, over, after in ups)
        self.final = nn.Conv2d(settings.decoder[-1], 1, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits; IchBenchError where a side is no multiple of 64."""
        height, width = image.shape[-2:]
        if height % self.step or width % self.step:
            raise IchBenchError(
                f"The network takes slices whose sides are multiples of {self.step}, got {height}×{width}. "
                "Name another --side."
            )
        features, skips = self.stem(image), []
        for block, transition in zip(self.blocks, self.transitions, strict=True):
            skips.append(block(features))
            features = transition(skips[-1])
        for up, skip in zip(self.ups, (*skips[::-1], None), strict=True):
            features = up(features, skip)
        logits: Tensor = self.final(features)
        return logits
