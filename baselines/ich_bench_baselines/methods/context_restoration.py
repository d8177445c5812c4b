"""Spahr 2023's context restoration: a U-Net gives back slices whose patches changed places, then learns masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ich_bench_baselines.job import Job
from ich_bench_baselines.predict import Predictor, load_unet
from ich_bench_baselines.pretext.settings import ContextRestoration
from ich_bench_baselines.pretext.tasks import CONTEXT
from ich_bench_baselines.pretext.training import started
from ich_bench_baselines.segment import train_segmentation
from ich_bench_baselines.spahr.settings import Supervised, settings_for

ID = "context-restoration"
PAPER = "Spahr 2023, Sec. 2.6.1.1"
ABOUT = "U-Net that first restores slices with swapped patches, then is trained as unet-mixed; all of it goes over"
SUPERVISION = "self-supervised-transfer"
LABELS = ("voxel", "unlabelled")
PARAMETERS = 5_409_089
DEPARTURES = (
    "The restored slice is compared as the last convolution gives it, without a final activation; the paper "
    "does not say.",
    "The 5,000 held-out slices of the pool are drawn by patient; the paper does not say, its code draws slices.",
    "After the pretext everything is as in unet-mixed, with its departures.",
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Those of the pretext, and those of the training on drawn masks that follows, as in Mixed."""

    pretext: ContextRestoration = ContextRestoration()
    segmentation: Supervised = Supervised()


def settings(job: Job) -> Settings:
    """Return the hyper-parameters for a job."""
    return Settings(pretext=CONTEXT.settings(job), segmentation=settings_for(Supervised, job))


def train(job: Job) -> Path:
    """Train the pretext where it is not there yet, then one fold; return its checkpoint."""
    return train_segmentation(job, settings(job).segmentation, started(job, CONTEXT))


def load(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask."""
    return load_unet(path, device)
