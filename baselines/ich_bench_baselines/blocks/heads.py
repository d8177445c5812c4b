"""What stands on the encoder while a pretext task is learned, and is left behind afterwards?

Spahr 2023, Sec. 2.6: small networks with ReLU between their layers and none after the last. Logits come out; softmax
and sigmoid are the losses' part. Every network here names its parts `encoder`, `decoder` and `head`, as the U-Net names
them, so that weights go over by name.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ich_bench_baselines.blocks.unet import Decoder, Encoder, UNetSettings

GLOBAL, LOCAL = (512, 128), (128, 32)  # Sec. 2.6.1: 512 → 512 → 128 and 64 → 128 → 32
BINARY, MULTI_LABEL = (1024, 256, 2), (1024, 256, 7)  # Sec. 2.6.2: 512 → 1024 → 256 → 2, or 7
CLASSES = ("no_ich", "any", "epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural")
LOCAL_LEVELS = 3  # Sec. 2.6.1.3: three decoding blocks


class Layers(nn.Sequential):
    """Fully connected layers of these widths."""

    def __init__(self, before: int, widths: Sequence[int]) -> None:
        super().__init__(*_with_relu([nn.Linear(a, b) for a, b in _pairs(before, widths)]))


class Convolutions(nn.Sequential):
    """Convolutions of 1×1 of these widths: the same layers at every place of a feature map."""

    def __init__(self, before: int, widths: Sequence[int]) -> None:
        super().__init__(*_with_relu([nn.Conv2d(a, b, kernel_size=1) for a, b in _pairs(before, widths)]))


class EncoderWithHead(nn.Module):
    """Image (n, 1, h, w) → (n, widths[-1]): the U-Net's encoder, mean over the bottleneck's places, layers.

    The contrast of whole images takes `GLOBAL`, the classifiers `BINARY` and `MULTI_LABEL` (in the order of `CLASSES`).
    """

    def __init__(self, settings: UNetSettings, widths: Sequence[int]) -> None:
        super().__init__()
        self.encoder = Encoder(settings)
        self.head = Layers(self.encoder.width, widths)

    def forward(self, image: Tensor) -> Tensor:
        """Return a vector or logits per slice."""
        found: Tensor = self.head(pooled(self.encoder, image))
        return found


class PartWithHead(nn.Module):
    """Image (n, 1, h, w) → feature map (n, 32, h/2, w/2): encoder, the first three levels up, 1×1 convolutions."""

    def __init__(self, settings: UNetSettings, widths: Sequence[int] = LOCAL, levels: int = LOCAL_LEVELS) -> None:
        super().__init__()
        self.encoder = Encoder(settings)
        self.decoder = Decoder(settings, levels)
        self.head = Convolutions(settings.widths[-1 - levels], widths)

    def forward(self, image: Tensor) -> Tensor:
        """Return a feature map per slice, half its size."""
        found: Tensor = self.head(self.decoder(self.encoder(image)))
        return found


def pooled(encoder: nn.Module, image: Tensor) -> Tensor:
    """Return the bottleneck's mean over its places, (n, 512): what Spahr 2023, Fig. 5 draws."""
    bottleneck: Tensor = encoder(image)[-1]
    return bottleneck.mean(dim=(2, 3))


def freeze(module: nn.Module) -> None:
    """Keep a module's weights as they are while the rest trains (Sec. 2.6.1.3, the encoder in the local contrast).

    The running averages of its batch normalisation still follow the data, as in the authors' code: only the weights are
    named as frozen.
    """
    module.requires_grad_(requires_grad=False)


def _pairs(before: int, widths: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip((before, *widths[:-1]), widths, strict=True))


def _with_relu(layers: Sequence[nn.Module]) -> list[nn.Module]:
    found: list[nn.Module] = []
    for layer in layers:
        found += [layer, nn.ReLU(inplace=True)]
    return found[:-1]
