"""What is the network that every method of Spahr 2023 trains, in whole or in part?

A U-Net on single slices (Ronneberger 2015) as Spahr 2023, Sec. 2.5.1 describes it: five convolutional blocks down, four
up. With the paper's numbers it has 5,409,089 parameters, 2,359,296 of them in the encoder. Weights start as PyTorch
starts them; the paper names no other way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from ich_bench.errors import IchBenchError
from ich_bench_baselines.paper import code, paper

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class UNetSettings:
    """The U-Net's shape: `top` channels after the first block, twice as many after each further one of `depth`."""

    depth: int = paper(5, "Sec. 2.5.1: five blocks down, four up")
    top: int = paper(32, "Sec. 2.5.1", smoke=8)
    middle_factor: int = paper(
        2,
        "Sec. 2.5.1: h×w×32 → h×w×32 → h×w×64, the second convolution doubles",
        code=code(1, "configs of the U-Net, context and contrastive trainings: the first doubles"),
    )
    dropout: float = paper(
        0.0,
        "Sec. 2.5.1 names none",
        code=code(0.5, "configs of the U-Net, context and contrastive trainings"),
    )
    channels_in: int = paper(1, "Sec. 2.5.1: slice by slice")
    channels_out: int = paper(1, "Sec. 2.5.2: one mask; the sigmoid is the loss's and the prediction's part")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels after each block of the encoder, the bottleneck last: (32, 64, 128, 256, 512)."""
        return tuple(self.top * 2**level for level in range(self.depth))


class Block(nn.Sequential):
    """Twice: 3×3 convolution, batch normalisation, ReLU. The size stays."""

    def __init__(self, before: int, between: int, after: int) -> None:
        super().__init__(
            nn.Conv2d(before, between, kernel_size=3, padding=1),
            nn.BatchNorm2d(between),
            nn.ReLU(inplace=True),
            nn.Conv2d(between, after, kernel_size=3, padding=1),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        )


def way_down(
    image: Tensor,
    blocks: Iterable[nn.Module],
    pool: nn.Module,
    after: Callable[[Tensor], Tensor] = lambda features: features,
) -> tuple[Tensor, ...]:
    """Return the feature map of each level: the first block sees the image, each further one the pooled map before.

    Args:
        image: (n, channels, h, w); both sides multiples of 2 to the number of poolings.
        blocks: One a level, the finest first.
        pool: Halves the sides.
        after: What follows each block, such as dropout.

    Raises:
        IchBenchError: a side cannot be halved so often.
    """
    found = list(blocks)
    step = 2 ** (len(found) - 1)
    height, width = image.shape[-2:]
    if height % step or width % step:
        raise IchBenchError(
            f"The network takes slices whose sides are multiples of {step}, got {height}×{width}. "
            "Cut or resize the slices."
        )
    levels: list[Tensor] = []
    features = image
    for number, block in enumerate(found):
        features = after(block(features if number == 0 else pool(features)))
        levels.append(features)
    return tuple(levels)


class Encoder(nn.Module):
    """The way down: image (n, 1, h, w) → one feature map a block, the finest first, the bottleneck last."""

    def __init__(self, settings: UNetSettings) -> None:
        super().__init__()
        befores = (settings.channels_in, *settings.widths[:-1])
        self.blocks = nn.ModuleList(
            Block(before, after // settings.middle_factor, after)
            for before, after in zip(befores, settings.widths, strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(settings.dropout)
        self.width = settings.widths[-1]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps; IchBenchError where a side is no multiple of 16."""
        return way_down(image, self.blocks, self.pool, self.dropout)


class Up(nn.Module):
    """One level of the way up: 2×2 transposed convolution, then a block over [skip, up]."""

    def __init__(self, before: int) -> None:
        super().__init__()
        after = before // 2
        self.up = nn.ConvTranspose2d(before, after, kernel_size=2, stride=2)
        self.block = Block(before, after, after)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Return the feature map of the skip's size."""
        found: Tensor = self.block(torch.cat([skip, self.up(coarse)], dim=1))
        return found


class Decoder(nn.ModuleList):
    """The way up, or its first `levels` levels, the coarsest first."""

    def __init__(self, settings: UNetSettings, levels: int) -> None:
        befores = settings.widths[:0:-1]
        super().__init__(Up(before) for before in befores[:levels])

    def forward(self, levels: tuple[Tensor, ...]) -> Tensor:
        """Return the feature map after the last level, from those of the encoder."""
        features = levels[-1]
        for up, skip in zip(self, levels[-2::-1], strict=False):
            features = up(features, skip)
        return features


class UNet(nn.Module):
    """Image (n, 1, h, w) in [0, 1] → logits (n, 1, h, w); h and w are multiples of 16. No sigmoid inside."""

    def __init__(self, settings: UNetSettings = UNetSettings()) -> None:
        super().__init__()
        self.encoder = Encoder(settings)
        self.decoder = Decoder(settings, settings.depth - 1)
        self.final = nn.Conv2d(settings.top, settings.channels_out, kernel_size=1)

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps of all blocks: the skips, finest first, and the bottleneck last."""
        levels: tuple[Tensor, ...] = self.encoder(image)
        return levels

    def decode(self, levels: tuple[Tensor, ...]) -> Tensor:
        """Return the logits from what `encode` returned."""
        logits: Tensor = self.final(self.decoder(levels))
        return logits

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits."""
        return self.decode(self.encode(image))


def seeded(make: Callable[[], M], seed: int) -> M:
    """Return the network that `make` makes, its first weights from this seed alone; torch's own state is untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the processor's alone: a GPU's stays as it is
        return make()


def parameter_count(network: nn.Module) -> int:
    """Return how many parameters a network has; buffers, such as running averages, do not count."""
    return sum(one.numel() for one in network.parameters())
