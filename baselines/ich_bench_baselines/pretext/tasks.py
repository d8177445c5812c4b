"""What does a network learn before it sees a drawn mask: the six pretext tasks of Spahr 2023, Sec. 2.6?

A task is its settings, its network, and its step: (network, batch, generator) → loss. Departures from the paper that
hold for all of them; those of the slices stand in `pixels`, those of the changed slices in `augment`:

1. 5,000 slices are held out by patient, so that no patient stands on both sides; the authors' code draws slices.
2. Which slices without ICH are taken is drawn by our own generator, so they are other ones than the authors'.
3. Both views of a contrast go through the network in one pass: batch normalisation averages over both. On several GPUs
   each compares the views of its own share of the batch.
4. On slices smaller than 256 × 256 the patches that are swapped are smaller in proportion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ich_bench_baselines.blocks.augment import Augmentation, Drawn, apply, draw
from ich_bench_baselines.blocks.corrupt import corrupt
from ich_bench_baselines.blocks.heads import EncoderWithHead, PartWithHead, freeze
from ich_bench_baselines.blocks.losses import (
    class_balance,
    cross_entropy,
    info_nce,
    local_info_nce,
    multilabel_dice,
    restoration,
    weighted_bce,
)
from ich_bench_baselines.blocks.regions import twins
from ich_bench_baselines.blocks.transfer import ENCODER, PART, WHOLE
from ich_bench_baselines.blocks.unet import UNet
from ich_bench_baselines.data.loader import Batch
from ich_bench_baselines.data.streams import SEVEN, Stream
from ich_bench_baselines.job import Job
from ich_bench_baselines.pretext.settings import (
    BinaryClassification,
    ContextRestoration,
    GlobalContrast,
    LocalContrast,
    MultiLabel,
    MultiLabelDice,
    local_settings,
    restoration_settings,
    settings_of,
)
from ich_bench_baselines.train import Step

ICH = SEVEN.index("Hemorrhage")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One pretext task.

    `settings` as a job asks for them; `network` and `step` from them, the step also from the stream it will see (class
    weights). `parts` go to the U-Net afterwards. `labels`: what of the pool's labels the training sees. `drop_last`
    leaves out a last batch that is not full. `after`: the task whose encoder it starts from, trained by
    `settings.first`.
    """

    id: str
    settings: Callable[[Job], Any]
    network: Callable[[Any], nn.Module]
    step: Callable[[Any, Stream], Step]
    parts: tuple[str, ...]
    labels: Literal["none", "slice", "slice-subtypes"] = "none"
    drop_last: bool = False
    after: Task | None = None


def restore(settings: ContextRestoration, _: Stream) -> Step:
    """Return the step of context restoration: the whole slice is compared, swapped or not; no final activation."""

    def step(net: nn.Module, batch: Batch, own: torch.Generator) -> Tensor:
        image = changed(batch.images, settings.augmentation, own)
        return restoration(net(_fast(corrupt(image, settings.corruption, own))), image)

    return step


def tell_slices_apart(settings: GlobalContrast, _: Stream) -> Step:
    """Return the step of the contrast of whole slices; the batch is the comparison set."""

    def step(net: nn.Module, batch: Batch, own: torch.Generator) -> Tensor:
        views, _ = two_views(batch.images, settings.augmentation, own)
        first, second = net(_fast(views)).chunk(2)
        return info_nce(first, second, temperature=settings.temperature)

    return step


def tell_regions_apart(settings: LocalContrast, _: Stream) -> Step:
    """Return the step of the contrast of regions, each with those of its own slice alone."""

    def step(net: nn.Module, batch: Batch, own: torch.Generator) -> Tensor:
        views, drawn = two_views(batch.images, settings.augmentation, own)
        first, second = net(_fast(views)).chunk(2)
        pair = twins(first, second, settings.regions, own, drawn)
        return local_info_nce(pair.first, pair.second, temperature=settings.temperature)

    return step


def classify(settings: BinaryClassification, stream: Stream) -> Step:
    """Return the step of the binary classification: class 1 is ICH."""
    share = float(stream.positive.mean())
    weight = torch.tensor([1.0 - share, share]) if settings.weighted else None

    def step(net: nn.Module, batch: Batch, own: torch.Generator) -> Tensor:
        logits = net(_fast(changed(batch.images, settings.augmentation, own)))
        return cross_entropy(logits, _labels(batch)[:, ICH], weight)

    return step


def label(settings: MultiLabel | MultiLabelDice, stream: Stream) -> Step:
    """Return the step of the multi-label classification, the classes in the order of `SEVEN`."""
    if stream.labels is None:
        raise TypeError("a multi-label classification needs a stream with labels")
    balance = class_balance(torch.from_numpy(stream.labels))

    def step(net: nn.Module, batch: Batch, own: torch.Generator) -> Tensor:
        logits = net(_fast(changed(batch.images, settings.augmentation, own)))
        if settings.loss == "dice":
            return multilabel_dice(logits, _labels(batch))
        return weighted_bce(logits, _labels(batch), balance)

    return step


def changed(images: Tensor, how: Augmentation, own: torch.Generator) -> Tensor:
    """Return augmented slices, float32 in [0, 1]."""
    return apply(images, draw(how, len(images), own))


def two_views(images: Tensor, how: Augmentation, own: torch.Generator) -> tuple[Tensor, tuple[Drawn, Drawn]]:
    """Return n slices as 2n views, the second ones behind the first, and what was drawn for each; drawn apart."""
    drawn = draw(how, len(images), own), draw(how, len(images), own)
    return torch.cat([apply(images, one) for one in drawn]), drawn


def partial_network(settings: LocalContrast) -> nn.Module:
    """Return encoder, three levels up and head, the encoder frozen."""
    network = PartWithHead(settings.unet, settings.head, settings.levels)
    if settings.frozen_encoder:
        freeze(network.encoder)
    return network


def _classifier(settings: Any) -> nn.Module:
    return EncoderWithHead(settings.unet, settings.head)


def _labels(batch: Batch) -> Tensor:
    if batch.labels is None:
        raise TypeError("a classification needs batches with labels")
    return batch.labels


def _fast(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)


CONTEXT = Task(
    id="context-restoration",
    settings=restoration_settings,
    network=lambda settings: UNet(settings.unet),
    step=restore,
    parts=WHOLE,
)
GLOBAL = Task(
    id="global-contrast",
    settings=lambda job: settings_of(GlobalContrast, job),
    network=_classifier,
    step=tell_slices_apart,
    parts=ENCODER,
    drop_last=True,
)
LOCAL = Task(
    id="local-contrast",
    settings=local_settings,
    network=partial_network,
    step=tell_regions_apart,
    parts=PART,
    after=GLOBAL,
)
BINARY = Task(
    id="binary-classification",
    settings=lambda job: settings_of(BinaryClassification, job),
    network=_classifier,
    step=classify,
    parts=ENCODER,
    labels="slice",
)
MULTI_LABEL_CE = Task(
    id="multilabel-ce",
    settings=lambda job: settings_of(MultiLabel, job),
    network=_classifier,
    step=label,
    parts=ENCODER,
    labels="slice-subtypes",
)
MULTI_LABEL_DICE = Task(
    id="multilabel-dice",
    settings=lambda job: settings_of(MultiLabelDice, job),
    network=_classifier,
    step=label,
    parts=ENCODER,
    labels="slice-subtypes",
)
TASKS: Mapping[str, Task] = MappingProxyType(
    {one.id: one for one in (CONTEXT, GLOBAL, LOCAL, BINARY, MULTI_LABEL_CE, MULTI_LABEL_DICE)}
)
