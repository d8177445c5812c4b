"""Spahr 2023's global contrast: an encoder tells which views are of one slice, then the U-Net learns masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ich_bench_baselines.job import Job
from ich_bench_baselines.predict import Predictor, load_unet
from ich_bench_baselines.pretext.settings import GlobalContrast
from ich_bench_baselines.pretext.tasks import GLOBAL
from ich_bench_baselines.pretext.training import started
from ich_bench_baselines.segment import train_segmentation
from ich_bench_baselines.spahr.settings import Supervised, settings_for

ID = "global-contrastive"
PAPER = "Spahr 2023, Sec. 2.6.1.2"
ABOUT = "U-Net whose encoder first tells which two views are of one slice (InfoNCE), then is trained as unet-mixed"
SUPERVISION = "self-supervised-transfer"
LABELS = ("voxel", "unlabelled")
PARAMETERS = 5_409_089
DEPARTURES = (
    "Both views go through the network in one pass: batch normalisation averages over both; the paper does not say.",
    "How far contrast, brightness, blur and crop go is the code's; the paper names the changes alone.",
    "The 5,000 held-out slices of the pool are drawn by patient; the paper does not say, its code draws slices.",
    "After the pretext everything is as in unet-mixed, with its departures.",
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Those of the pretext, and those of the training on drawn masks that follows, as in Mixed."""

    pretext: GlobalContrast = GlobalContrast()
    segmentation: Supervised = Supervised()


def settings(job: Job) -> Settings:
    """Return the hyper-parameters for a job."""
    return Settings(pretext=GLOBAL.settings(job), segmentation=settings_for(Supervised, job))


def train(job: Job) -> Path:
    """Train the pretext where it is not there yet, then one fold; return its checkpoint."""
    return train_segmentation(job, settings(job).segmentation, started(job, GLOBAL))


def load(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask."""
    return load_unet(path, device)
