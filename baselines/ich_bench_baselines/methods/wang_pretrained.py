"""Wang 2020's pre-trained U-Net: its encoder first tells slices with hemorrhage from others, then it learns masks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ich_bench_baselines.job import Job
from ich_bench_baselines.predict import Predictor
from ich_bench_baselines.pretext.training import started
from ich_bench_baselines.wang import slice_split
from ich_bench_baselines.wang import training as wang_train
from ich_bench_baselines.wang.pretext import WANG_BINARY, WangClassification
from ich_bench_baselines.wang.settings import Wang, load_wang, wang_settings

ID = "wang-pretrained"
PAPER = "Wang 2020, Sec. 5.2, Table 1: Pretrained"
ABOUT = "shallow U-Net whose encoder first tells slices with hemorrhage from others, then is trained as wang-supervised"
SUPERVISION = "weakly-supervised-transfer"
LABELS = ("voxel", "slice")
PARAMETERS = 237_873
CHOICES = {"step": ("usual", "search", "fixed"), "labels": ("80", "50", "20")}
DEPARTURES = (
    "All of wang-supervised.",
    "Of the pre-training the paper says 'classification' alone: hemorrhage or none, cross-entropy, 50 epochs are ours.",
    "The pool is balanced, and up to 5,000 of its slices are held out by patient, as for the pretexts of Spahr 2023.",
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Those of the pre-training, and those of the training on drawn masks that follows."""

    pretext: WangClassification = WangClassification()
    segmentation: Wang = Wang()


def settings(job: Job) -> Settings:
    """Return the hyper-parameters for a job."""
    return Settings(pretext=WANG_BINARY.settings(job), segmentation=wang_settings(Wang, job))


def stages(job: Job) -> Iterator[tuple[str, int, int, int, int | None]]:
    """Yield (part, training cases, epochs, batch, slices) of what follows the pre-training."""
    return wang_train.stages(job, settings(job).segmentation)


def train(job: Job) -> Path:
    """Pre-train the encoder where that is not done yet, then one fold; return its checkpoint."""
    return wang_train.train_wang(job, settings(job).segmentation, "supervised", start=started(job, WANG_BINARY))


def load(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask."""
    return slice_split.load_any(path, load_wang, device)


def said(job: Job) -> dict[str, Any]:
    """Return what the manifest says of a leaky split."""
    return slice_split.said(job)
