"""With which values does Spahr 2023, Sec. 2.6, pre-train its networks, task by task?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from ich_bench_baselines.blocks import heads
from ich_bench_baselines.blocks.augment import (
    Augmentation,
    ClassifierAugmentation,
    GlobalContrastAugmentation,
    LocalContrastAugmentation,
    SliceAugmentation,
)
from ich_bench_baselines.blocks.corrupt import Corruption
from ich_bench_baselines.blocks.regions import Regions
from ich_bench_baselines.blocks.unet import UNetSettings
from ich_bench_baselines.data.pixels import SIDE
from ich_bench_baselines.job import Job
from ich_bench_baselines.paper import code, ours, paper, scaled, variant
from ich_bench_baselines.spahr.settings import Supervised, Training, asked

P = TypeVar("P", bound="Pretext")
_SMOKE_EPOCHS, _SMOKE_BATCH = 2, 8
_PHANTOM_EPOCHS, _PHANTOM_GAMMA = 20, 0.9  # as far down after 20 epochs as the paper's 0.96 after 50


@dataclass(frozen=True, kw_only=True)
class PoolSlices:
    """Which slices of a pool are learned from, and how they look; `most` bounds how many (None: all)."""

    window_hu: tuple[float, float] = paper((-50.0, 150.0), "Sec. 2.3.1")
    side: int = paper(SIDE, "Sec. 2.3.2", smoke=64)
    ich_only: bool = paper(value=False, source="Sec. 2.6: as many slices without ICH as with")
    held_out: int = paper(5000, "Sec. 2.6")
    by: Literal["patient", "slice"] = ours(
        "patient", "the paper does not say; so no patient is on both sides", code=code("slice", "pretext scripts")
    )
    split_seed: int = code(42, "all configs")
    most: int | None = ours(None, "all but the held-out", smoke=24)


@dataclass(frozen=True, kw_only=True)
class SelfSupervisedSlices(PoolSlices):
    """Of the tasks without labels."""

    ich_only: bool = paper(
        value=False,
        source="Sec. 2.6: as many slices without ICH as with",
        code=code(value=True, source="configs of the context and contrastive trainings"),
    )


@dataclass(frozen=True, kw_only=True)
class PretextTraining(Training):
    """Of the contrast of whole slices, and of what is common to all."""

    epochs: int = paper(50, "Sec. 2.6.1.2", code=code(25, "config of the contrastive training"), smoke=_SMOKE_EPOCHS)
    batch_size: int = paper(60, "Sec. 2.6.1.2", code=code(40, "config of the contrastive training"), smoke=_SMOKE_BATCH)
    lr: float = paper(1e-3, "Sec. 2.6.1 and 2.6.2")
    gamma: float = paper(0.96, "Sec. 2.6.1 and 2.6.2: decayed with a base of 0.96 after each epoch")
    weight_decay: float = paper(1e-6, "Sec. 2.6.1 and 2.6.2: L2, inside Adam")


@dataclass(frozen=True, kw_only=True)
class BeforeLocalTraining(PretextTraining):
    """Of the contrast of whole slices where that of regions follows."""

    epochs: int = paper(50, "Sec. 2.6.1.2", smoke=_SMOKE_EPOCHS)
    batch_size: int = paper(60, "Sec. 2.6.1.2", code=code(64, "config of the local contrast"), smoke=_SMOKE_BATCH)


@dataclass(frozen=True, kw_only=True)
class LocalTraining(PretextTraining):
    """Of the contrast of regions."""

    epochs: int = paper(50, "Sec. 2.6.1.3", smoke=_SMOKE_EPOCHS)
    batch_size: int = paper(24, "Sec. 2.6.1.3", code=code(32, "config of the local contrast"), smoke=_SMOKE_BATCH)


@dataclass(frozen=True, kw_only=True)
class RestorationTraining(PretextTraining):
    """Of context restoration."""

    epochs: int = paper(50, "Sec. 2.6.1.1", code=code(100, "config of context restoration"), smoke=_SMOKE_EPOCHS)
    batch_size: int = paper(32, "Sec. 2.6.1.1", smoke=_SMOKE_BATCH)


@dataclass(frozen=True, kw_only=True)
class ClassifierTraining(PretextTraining):
    """Of both classifications."""

    epochs: int = paper(50, "Sec. 2.6.2.1", smoke=_SMOKE_EPOCHS)
    batch_size: int = paper(64, "Sec. 2.6.2.1", smoke=_SMOKE_BATCH)


@dataclass(frozen=True, kw_only=True)
class ClassifierUNet(UNetSettings):
    """The classifications' code has the paper's network."""

    middle_factor: int = paper(2, "Sec. 2.5.1")
    dropout: float = paper(0.0, "Sec. 2.5.1 names none")


@dataclass(frozen=True, kw_only=True)
class AfterClassification(Supervised):
    """The training on drawn masks that follows a classification."""

    unet: UNetSettings = ClassifierUNet()
    augmentation: SliceAugmentation = ClassifierAugmentation()


@dataclass(frozen=True, kw_only=True)
class Pretext:
    """What all tasks set."""

    unet: UNetSettings = UNetSettings()
    slices: PoolSlices = SelfSupervisedSlices()
    augmentation: Augmentation = SliceAugmentation()
    training: Training = PretextTraining()


@dataclass(frozen=True, kw_only=True)
class ContextRestoration(Pretext):
    """Sec. 2.6.1.1: a U-Net gives back the slice from a copy whose patches changed places; the mean squared error."""

    training: Training = RestorationTraining()
    corruption: Corruption = Corruption()


@dataclass(frozen=True, kw_only=True)
class GlobalContrast(Pretext):
    """Sec. 2.6.1.2: an encoder tells which two views of a batch are of one slice."""

    augmentation: Augmentation = GlobalContrastAugmentation()
    head: tuple[int, ...] = paper(heads.GLOBAL, "Sec. 2.6.1.2: 512 → 512 → 128")
    temperature: float = paper(0.1, "Sec. 2.6.1.2")


@dataclass(frozen=True, kw_only=True)
class BeforeLocalAugmentation(GlobalContrastAugmentation):
    """The code's own ranges where the contrast of regions follows."""

    translate: float = paper(0.15, "Sec. 2.6.1.2", code=code(0.1, "config of the local contrast"))
    rotate_deg: float = paper(90.0, "Sec. 2.6.1.2", code=code(45.0, "config of the local contrast"))
    scale: tuple[float, float] = paper(
        (0.8, 1.2), "Sec. 2.6.1.2", code=code((0.9, 1.1), "config of the local contrast")
    )
    contrast: tuple[float, float] = ours(
        (0.5, 1.4), "that of the contrast of whole slices", code=code((0.7, 1.3), "config of the local contrast")
    )
    brightness: tuple[float, float] = ours(
        (-0.25, 0.25), "that of the contrast of whole slices", code=code((0.0, 0.0), "config of the local contrast")
    )


@dataclass(frozen=True, kw_only=True)
class GlobalBeforeLocal(GlobalContrast):
    """The contrast of whole slices as the code sets it where that of regions follows."""

    augmentation: Augmentation = BeforeLocalAugmentation()
    training: Training = BeforeLocalTraining()


@dataclass(frozen=True, kw_only=True)
class LocalContrast(Pretext):
    """Sec. 2.6.1.3: after the contrast of whole slices, three levels up tell regions of a slice apart."""

    first: GlobalContrast = GlobalContrast()
    augmentation: Augmentation = LocalContrastAugmentation()
    training: Training = LocalTraining()
    regions: Regions = Regions()
    levels: int = paper(heads.LOCAL_LEVELS, "Sec. 2.6.1.3: three decoding blocks")
    head: tuple[int, ...] = paper(heads.LOCAL, "Sec. 2.6.1.3: 64 → 128 → 32, by 1×1 convolutions")
    temperature: float = paper(0.1, "Sec. 2.6.1.3")
    frozen_encoder: bool = paper(value=True, source="Sec. 2.6.1.3; its running averages still follow, as in the code")


@dataclass(frozen=True, kw_only=True)
class Classification(Pretext):
    """What both classifications set."""

    unet: UNetSettings = ClassifierUNet()
    slices: PoolSlices = PoolSlices()
    augmentation: Augmentation = ClassifierAugmentation()
    training: Training = ClassifierTraining()


@dataclass(frozen=True, kw_only=True)
class BinaryClassification(Classification):
    """Sec. 2.6.2.1: ICH or none; the cross-entropy of the softmax."""

    head: tuple[int, ...] = paper(heads.BINARY, "Sec. 2.6.2.1: 512 → 1024 → 256 → 2")
    weighted: bool = paper(
        value=False,
        source="Sec. 2.6.2.1 names no weights",
        code=code(value=True, source="binary script: 1 − w and w, w the share of slices with ICH"),
    )


@dataclass(frozen=True, kw_only=True)
class MultiLabel(Classification):
    """Sec. 2.6.2.2: no ICH, ICH, five subtypes; by weighted binary cross-entropy."""

    head: tuple[int, ...] = paper(heads.MULTI_LABEL, "Sec. 2.6.2.2: seven neurons")
    loss: Literal["ce", "dice"] = paper("ce", "Sec. 2.6.2.2")
    positive_weight: str = code("negatives per positive", "multi-label script; Sec. 2.6.2.2 says 'weighted' alone")


@dataclass(frozen=True, kw_only=True)
class MultiLabelDice(Classification):
    """Sec. 2.6.2.2: the same by the Dice loss of a slice's seven labels."""

    head: tuple[int, ...] = paper(heads.MULTI_LABEL, "Sec. 2.6.2.2: seven neurons")
    loss: Literal["ce", "dice"] = paper("dice", "Sec. 2.6.2.2")


def settings_of(settings_class: type[P], job: Job) -> P:
    """Return a task's settings for a job: variant, schedule, then what the job itself asks for.

    The network keeps its full width on every schedule, unless the job names one.
    """
    full = variant(settings_class, job.variant)
    small = scaled(full, "smoke" if job.schedule == "smoke" else "paper")
    if job.schedule == "phantom":
        small = replace(small, training=replace(small.training, epochs=_PHANTOM_EPOCHS, gamma=_PHANTOM_GAMMA))
    return asked(small, full, job)


def restoration_settings(job: Job) -> ContextRestoration:
    """Return those of context restoration; on smaller slices the patches are smaller in proportion."""
    found = settings_of(ContextRestoration, job)
    side = found.slices.side
    if side == SIDE:
        return found

    def smaller(ends: tuple[int, int]) -> tuple[int, int]:
        low, high = (max(1, round(end * side / SIDE)) for end in ends)
        return low, high

    patches = found.corruption
    width = None if patches.width_px is None else smaller(patches.width_px)
    return replace(found, corruption=replace(patches, height_px=smaller(patches.height_px), width_px=width))


def local_settings(job: Job) -> LocalContrast:
    """Return those of the contrast of regions, and of the contrast of whole slices before it.

    With the paper's values the latter is that of `global-contrastive`, and shared with it; the authors' code has
    others.
    """
    before = GlobalContrast if job.variant == "paper" else GlobalBeforeLocal
    found = replace(settings_of(LocalContrast, job), first=settings_of(before, job))
    return replace(found, regions=replace(found.regions, aligned=("aligned", "yes") in job.options))
