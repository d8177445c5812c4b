"""With which values does Spahr 2023 train its U-Net on drawn masks, on each dataset and schedule?

Departures from the paper that hold for every method of it; those of the slices stand in `pixels`, those of the
augmentation in `augment`:

1. Datasets that the paper does not have are trained as its Hssayeni is: 100 epochs, batches of 16.
2. A last batch that is not full is trained on too; the paper does not say.
3. The normal slices are drawn by our own generator, once for a fold and seed, so they are other ones than the authors'.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ich_bench.errors import UsageError
from ich_bench_baselines.blocks.augment import SliceAugmentation
from ich_bench_baselines.blocks.unet import UNetSettings
from ich_bench_baselines.data.streams import Regime
from ich_bench_baselines.job import Job
from ich_bench_baselines.paper import ours, paper, scaled, variant
from ich_bench_baselines.train import Fit

S = TypeVar("S")
PAPER = "Spahr 2023"
_SMOKE_EPOCHS, _SMOKE_BATCH = 2, 8


@dataclass(frozen=True, kw_only=True)
class Training:
    """How long and how fast: Adam with its default momenta; `gamma` multiplies the rate after each epoch."""

    epochs: int = paper(100, "Sec. 2.5.3, on Hssayeni", smoke=_SMOKE_EPOCHS)
    batch_size: int = paper(16, "Sec. 2.5.3, on Hssayeni", smoke=_SMOKE_BATCH)
    lr: float = paper(1e-3, "Sec. 2.5.3")
    gamma: float = paper(0.96, "Sec. 2.5.3: decayed with a base of 0.96 after each epoch")
    weight_decay: float = paper(1e-6, "Sec. 2.5.3: L2, inside Adam")


@dataclass(frozen=True, kw_only=True)
class OnSegCQ500(Training):
    """On the paper's second dataset."""

    epochs: int = paper(40, "Sec. 2.5.3, on Seg-CQ500", smoke=_SMOKE_EPOCHS)
    batch_size: int = paper(32, "Sec. 2.5.3, on Seg-CQ500", smoke=_SMOKE_BATCH)


@dataclass(frozen=True, kw_only=True)
class Elsewhere(Training):
    """On data that the paper does not have."""

    epochs: int = ours(100, "the paper does not have this dataset: as on Hssayeni", smoke=_SMOKE_EPOCHS)
    batch_size: int = ours(16, "the paper does not have this dataset: as on Hssayeni", smoke=_SMOKE_BATCH)


@dataclass(frozen=True, kw_only=True)
class OnPhantomSchedule(Training):
    """A shorter one that tells methods apart on drawn heads."""

    epochs: int = ours(40, "the phantom schedule: long enough to tell methods apart")
    batch_size: int = ours(16, "the phantom schedule")
    gamma: float = ours(0.9, "the phantom schedule: as far down after 40 epochs as the paper's after 100")


@dataclass(frozen=True, kw_only=True)
class Slices:
    """What of a CT the network sees, and which slices it is trained on; `most` bounds how many (None: all)."""

    window_hu: tuple[float, float] = paper((-50.0, 150.0), "Sec. 2.3.1")
    side: int = paper(256, "Sec. 2.3.2", smoke=64)
    regime: Regime = paper("mixed", "Sec. 2.5.3")
    normals_per_ich: float = paper(2.0, "Sec. 2.5.3: twice as many normal slices")
    most: int | None = ours(None, "all that the regime takes", smoke=24)


@dataclass(frozen=True, kw_only=True)
class IchOnlySlices(Slices):
    """The coarse baseline: slices with ICH alone."""

    regime: Regime = paper("ich-only", "Sec. 2.5.3: only training slices presenting ICH")
    normals_per_ich: float = paper(0.0, "Sec. 2.5.3")


@dataclass(frozen=True, kw_only=True)
class Supervised:
    """A training on drawn masks, as Mixed, and as after every pretext; `empty_weight` is the paper's α."""

    unet: UNetSettings = UNetSettings()
    slices: Slices = Slices()
    augmentation: SliceAugmentation = SliceAugmentation()
    training: Training = Training()
    empty_weight: float = paper(0.2, "Sec. 2.5.3: α of slices without ICH")
    threshold: float = paper(0.5, "Sec. 2.5.2: ICH where the sigmoid is at least this")


def settings_for(settings_class: type[S], job: Job) -> S:
    """Return a method's settings for a job: variant, dataset, schedule, then what the job itself asks for.

    The network keeps its full width on every schedule, unless the job names one.
    """
    chosen = with_training(variant(settings_class, job.variant), job)
    return asked(scaled(chosen, "smoke" if job.schedule == "smoke" else "paper"), chosen, job)


def with_training(settings: S, job: Job) -> S:
    """Return settings with the epochs and batches of the job's dataset and schedule, where they have a `training`."""
    given: Any = settings
    if job.schedule == "phantom":
        return replace(given, training=OnPhantomSchedule())  # type: ignore[no-any-return]
    kinds = {"hssayeni": Training, "seg-cq500": OnSegCQ500}
    return replace(given, training=kinds.get(job.trained_dataset, Elsewhere)())  # type: ignore[no-any-return]


def asked(settings: S, full: S, job: Job) -> S:
    """Return settings with the job's own epochs, batch, width and side; `full` has the network to keep."""
    found: Any = settings
    unet = replace(getattr(full, "unet"), **({} if job.width is None else {"top": job.width}))  # noqa: B009
    training = found.training
    if job.epochs is not None:
        training = replace(training, epochs=job.epochs)
    if job.batch is not None:
        training = replace(training, batch_size=job.batch)
    slices = found.slices if job.side is None else replace(found.slices, side=job.side)
    return replace(found, unet=unet, training=training, slices=slices)  # type: ignore[no-any-return]


def fit_of(training: Training) -> Fit:
    """Return the training's length and rates as the loop takes them."""
    return Fit(
        epochs=training.epochs,
        batch_size=training.batch_size,
        lr=training.lr,
        weight_decay=training.weight_decay,
        gamma=training.gamma,
    )


def need_supervision(job: Job) -> None:
    """Raise UsageError where a method without a pretext was given a pool."""
    if job.pool is not None:
        raise UsageError(f"{job.method} learns from drawn masks alone: leave --pool away.")
