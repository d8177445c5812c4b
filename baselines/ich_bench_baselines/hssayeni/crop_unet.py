"""What is the U-Net of Hssayeni 2020, as its authors' code builds it?

No normalisation; five levels of 64 to 1,024 channels; dropout after the two deepest; up by repeating pixels and a 2×2
convolution; two maps before the last 1×1 convolution. Weights start as in He 2015, biases at zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor, nn

from ich_bench.errors import IchBenchError
from ich_bench_baselines.paper import code

_FILE = "model.py"
_TRUNCATED = 0.87962566103423978  # the standard deviation of a normal cut off at two of its own


@dataclass(frozen=True, kw_only=True)
class CropUNetSettings:
    """The network's shape: `top` channels at the first level, twice as many at each further one of `depth`."""

    depth: int = code(5, _FILE)
    top: int = code(64, _FILE)
    dropout: float = code(0.5, f"{_FILE}: after the two deepest levels")
    maps: int = code(2, f"{_FILE}: channels before the last convolution")

    @property
    def step(self) -> int:
        """What the sides must be a multiple of."""
        return int(2 ** (self.depth - 1))


class Level(nn.Sequential):
    """Twice: 3×3 convolution, ReLU."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(
            nn.Conv2d(before, after, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(after, after, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
        )


class Up(nn.Module):
    """Each pixel twice each way, a 2×2 convolution, ReLU; then a level over [skip, up]."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(before, before // 2, kernel_size=2)
        self.level = Level(before, before // 2)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Return the features of the skip's size; the 2×2 convolution sees zeros beyond the last row and column."""
        large = F.interpolate(coarse, scale_factor=2.0, mode="nearest")
        found: Tensor = self.level(torch.cat([skip, F.relu(self.narrow(F.pad(large, (0, 1, 0, 1))))], dim=1))
        return found


class CropUNet(nn.Module):
    """Image (n, 1, h, w) in [0, 1] → logits (n, 1, h, w); h and w are multiples of 16. No sigmoid inside."""

    def __init__(self, settings: CropUNetSettings = CropUNetSettings()) -> None:
        super().__init__()
        widths = [settings.top * 2**level for level in range(settings.depth)]
        self.step = settings.step
        self.levels = nn.ModuleList(Level(a, b) for a, b in zip((1, *widths[:-1]), widths, strict=True))
        self.dropout = nn.Dropout(settings.dropout)
        self.ups = nn.ModuleList(Up(width) for width in widths[:0:-1])
        self.maps = nn.Conv2d(settings.top, settings.maps, kernel_size=3, padding=1)
        self.final = nn.Conv2d(settings.maps, 1, kernel_size=1)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                _he_normal(part.weight, last=part is self.final)
                nn.init.zeros_(part.bias)  # type: ignore[arg-type]

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits; IchBenchError where a side is no multiple of 16."""
        height, width = image.shape[-2:]
        if height % self.step or width % self.step:
            raise IchBenchError(
                f"The network takes crops whose sides are multiples of {self.step}, got {height}×{width}."
            )
        skips: list[Tensor] = []
        features = image
        for number, level in enumerate(self.levels):
            features = level(features if number == 0 else F.max_pool2d(features, 2))
            if number >= len(self.levels) - 2:
                features = self.dropout(features)
            skips.append(features)
        for up, skip in zip(self.ups, skips[-2::-1], strict=True):
            features = up(features, skip)
        logits: Tensor = self.final(F.relu(self.maps(features)))
        return logits


def _he_normal(weight: Tensor, *, last: bool) -> None:
    """Draw from a normal cut off at two standard deviations, variance 2 / inputs; the last layer as Glorot 2010."""
    inputs = weight[0].numel()
    if last:
        bound = (6.0 / (inputs + weight.shape[0] * weight[0, 0].numel())) ** 0.5
        nn.init.uniform_(weight, -bound, bound)
        return
    std = (2.0 / inputs) ** 0.5 / _TRUNCATED
    nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)
