"""Spahr 2023's binary classification: an encoder tells slices with ICH from others, then the U-Net learns masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ich_bench_baselines.job import Job
from ich_bench_baselines.predict import Predictor, load_unet
from ich_bench_baselines.pretext.settings import AfterClassification, BinaryClassification
from ich_bench_baselines.pretext.tasks import BINARY
from ich_bench_baselines.pretext.training import started
from ich_bench_baselines.segment import train_segmentation
from ich_bench_baselines.spahr.settings import settings_for

ID = "binary-classification"
PAPER = "Spahr 2023, Sec. 2.6.2.1"
ABOUT = "U-Net whose encoder first tells slices with ICH from others (cross-entropy), then is trained as unet-mixed"
SUPERVISION = "weakly-supervised-transfer"
LABELS = ("voxel", "slice")
PARAMETERS = 5_409_089
DEPARTURES = (
    "The softmax is applied once, in the loss; the authors' code applies it twice.",
    "The 5,000 held-out slices of the pool are drawn by patient; the paper does not say, its code draws slices.",
    "After the pretext everything is as in unet-mixed, with its departures.",
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Those of the pretext, and those of the training on drawn masks that follows, as in Mixed."""

    pretext: BinaryClassification = BinaryClassification()
    segmentation: AfterClassification = AfterClassification()


def settings(job: Job) -> Settings:
    """Return the hyper-parameters for a job."""
    return Settings(pretext=BINARY.settings(job), segmentation=settings_for(AfterClassification, job))


def train(job: Job) -> Path:
    """Train the pretext where it is not there yet, then one fold; return its checkpoint."""
    return train_segmentation(job, settings(job).segmentation, started(job, BINARY))


def load(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask."""
    return load_unet(path, device)
