"""What are the networks of Wang 2020: a shallow U-Net, and the same with a second decoder that rebuilds the slice?

Wang 2020, Sec. 5.2 and Figures 1 and 2. A level down is a 3×3 convolution, batch normalisation, ReLU and 2×2 pooling; a
level up a 2×2 transposed convolution, then the same convolution over [skip, up]. How many levels and channels there are
is not printed: ours. With our numbers the U-Net has 237,873 parameters, the network with both decoders 329,747.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ich_bench_baselines.blocks.heads import Layers
from ich_bench_baselines.blocks.unet import way_down
from ich_bench_baselines.paper import ours, paper

BACKGROUND, FOREGROUND = 0, 1  # the maps of the reconstruction, in this order


@dataclass(frozen=True, kw_only=True)
class WangUNetSettings:
    """The network's shape: `top` channels on the finest of `depth` levels, twice as many on each further one."""

    depth: int = ours(4, "Sec. 5.2: fewer layers than the usual U-Net, which has five levels; Figure 1 names no number")
    top: int = ours(16, "Sec. 5.2: fewer parameters against over-fitting; a quarter of the usual U-Net's 64 channels")
    channels_in: int = paper(1, "Sec. 5.1: slice by slice")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level, the finest first: (16, 32, 64, 128)."""
        return tuple(self.top * 2**level for level in range(self.depth))


class Level(nn.Sequential):
    """3×3 convolution, batch normalisation, ReLU; the size stays."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(inplace=True))


class Encoder(nn.Module):
    """The way down: image (n, 1, h, w) → one feature map a level, the finest first."""

    def __init__(self, settings: WangUNetSettings) -> None:
        super().__init__()
        befores = (settings.channels_in, *settings.widths[:-1])
        self.levels = nn.ModuleList(
            Level(before, after) for before, after in zip(befores, settings.widths, strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        self.width = settings.widths[-1]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps; IchBenchError where a side is no multiple of 8."""
        return way_down(image, self.levels, self.pool)


class Up(nn.Module):
    """One level up: 2×2 transposed convolution, then a level over [skip, up], or over what came up alone."""

    def __init__(self, before: int, *, skip: bool) -> None:
        super().__init__()
        after = before // 2
        self.up = nn.ConvTranspose2d(before, after, kernel_size=2, stride=2)
        self.level = Level(2 * after if skip else after, after)

    def forward(self, coarse: Tensor, skip: Tensor | None) -> Tensor:
        """Return the feature map of twice the size."""
        risen = self.up(coarse)
        found: Tensor = self.level(risen if skip is None else torch.cat([skip, risen], dim=1))
        return found


class Decoder(nn.Module):
    """The way up to `channels` maps of the image's size, with the encoder's feature maps beside it or without."""

    def __init__(self, settings: WangUNetSettings, channels: int, *, skips: bool) -> None:
        super().__init__()
        self.skips = skips
        self.ups = nn.ModuleList(Up(before, skip=skips) for before in settings.widths[:0:-1])
        self.final = nn.Conv2d(settings.top, channels, kernel_size=1)

    def forward(self, levels: tuple[Tensor, ...]) -> Tensor:
        """Return the maps, no activation after the last layer."""
        features = levels[-1]
        for up, skip in zip(self.ups, levels[-2::-1], strict=True):
            features = up(features, skip if self.skips else None)
        found: Tensor = self.final(features)
        return found


class WangUNet(nn.Module):
    """Image (n, 1, h, w) in [0, 1] → logits (n, 1, h, w). No sigmoid inside (Figure 1)."""

    def __init__(self, settings: WangUNetSettings = WangUNetSettings()) -> None:
        super().__init__()
        self.encoder = Encoder(settings)
        self.decoder = Decoder(settings, 1, skips=True)

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits."""
        found: Tensor = self.decoder(self.encoder(image))
        return found


class AttentionNet(WangUNet):
    """The same, and a second decoder without skips on the same encoder, for two maps (Figure 2)."""

    def __init__(self, settings: WangUNetSettings = WangUNetSettings()) -> None:
        super().__init__(settings)
        self.rebuild = Decoder(settings, 2, skips=False)

    def both(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (n, 1, h, w) and the rebuilt background and foreground (n, 2, h, w)."""
        levels = self.encoder(image)
        return self.decoder(levels), self.rebuild(levels)


class Classifier(nn.Module):
    """Image → logits of the classes: the encoder, mean over the coarsest level's places, layers of these widths."""

    def __init__(self, settings: WangUNetSettings, widths: Sequence[int]) -> None:
        super().__init__()
        self.encoder = Encoder(settings)
        self.head = Layers(self.encoder.width, widths)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (n, classes)."""
        found: Tensor = self.head(self.encoder(image)[-1].mean(dim=(2, 3)))
        return found
