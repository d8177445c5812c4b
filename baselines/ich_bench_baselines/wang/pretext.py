"""What does the encoder of Wang 2020's pre-trained U-Net learn first: slices with hemorrhage from those without."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ich_bench_baselines.blocks.augment import Augmentation
from ich_bench_baselines.blocks.transfer import ENCODER
from ich_bench_baselines.job import Job
from ich_bench_baselines.paper import ours, scaled, variant
from ich_bench_baselines.pretext.settings import PoolSlices
from ich_bench_baselines.pretext.tasks import Task, classify
from ich_bench_baselines.spahr.settings import Training, asked
from ich_bench_baselines.wang.networks import Classifier, WangUNetSettings

_SILENT = "Sec. 5.2 says classification alone; as in Spahr 2023, Sec. 2.6.2.1"


@dataclass(frozen=True, kw_only=True)
class WangPoolSlices(PoolSlices):
    """Slices with hemorrhage and as many without, in Wang's window."""

    window_hu: tuple[float, float] = ours((0.0, 80.0), "Sec. 5.1 says brain window alone: the usual one")
    side: int = ours(256, "as the slices with masks, Sec. 5.1", smoke=96)
    ich_only: bool = ours(value=False, why="a classifier needs both")
    held_out: int = ours(5000, "as for all pretexts here")
    split_seed: int = ours(42, "as for all pretexts here")


@dataclass(frozen=True, kw_only=True)
class PretextTraining(Training):
    """How long and how fast."""

    epochs: int = ours(50, _SILENT, smoke=2)
    batch_size: int = ours(64, _SILENT, smoke=8)
    lr: float = ours(1e-4, "the paper's one rate, Sec. 5.3")
    gamma: float = ours(1.0, "the paper names no decay")
    weight_decay: float = ours(0.0, "the paper names none")


@dataclass(frozen=True, kw_only=True)
class OnPhantomSchedule(PretextTraining):
    """A shorter one that tells methods apart on drawn heads."""

    epochs: int = ours(20, "the phantom schedule")
    lr: float = ours(1e-3, "the phantom schedule")


@dataclass(frozen=True, kw_only=True)
class WangClassification:
    """Hemorrhage or none; the cross-entropy of the softmax."""

    unet: WangUNetSettings = WangUNetSettings()
    slices: WangPoolSlices = WangPoolSlices()
    augmentation: Augmentation = Augmentation()
    training: Training = PretextTraining()
    head: tuple[int, ...] = ours((64, 2), "Sec. 5.2 names none: one small layer, so that the encoder does the work")
    weighted: bool = ours(value=False, why="the classes are balanced")


def wang_pretext(job: Job) -> WangClassification:
    """Return the hyper-parameters for a job."""
    full = variant(WangClassification, job.variant)
    if job.schedule == "phantom":
        full = replace(full, training=OnPhantomSchedule())
    return asked(scaled(full, "smoke" if job.schedule == "smoke" else "paper"), full, job)


WANG_BINARY = Task(
    id="wang-classification",
    settings=wang_pretext,
    network=lambda settings: Classifier(settings.unet, settings.head),
    step=classify,
    parts=ENCODER,
    labels="slice",
)
