"""Spahr 2023's local contrast: after the global one, three levels up tell regions of a slice apart; then masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ich_bench_baselines.job import Job
from ich_bench_baselines.predict import Predictor, load_unet
from ich_bench_baselines.pretext.settings import LocalContrast
from ich_bench_baselines.pretext.tasks import LOCAL
from ich_bench_baselines.pretext.training import started
from ich_bench_baselines.segment import train_segmentation
from ich_bench_baselines.spahr.settings import Supervised, settings_for

ID = "local-contrastive"
PAPER = "Spahr 2023, Sec. 2.6.1.3"
ABOUT = "global-contrastive's encoder, frozen while three levels up learn to tell regions apart; then as unet-mixed"
SUPERVISION = "self-supervised-transfer"
LABELS = ("voxel", "unlabelled")
PARAMETERS = 5_409_089
CHOICES = {"aligned": ("no", "yes")}
DEPARTURES = (
    "The same places of two views that were moved apart are compared, as in the paper and its code, though "
    "they show different pieces of the head; `--option aligned=yes` brings them together.",
    "The frozen encoder's running averages still follow the data, as in the code; its weights do not.",
    "Both views go through the network in one pass: batch normalisation averages over both; the paper does not say.",
    "The 5,000 held-out slices of the pool are drawn by patient; the paper does not say, its code draws slices.",
    "After the pretext everything is as in unet-mixed, with its departures.",
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Those of the pretext, and those of the training on drawn masks that follows, as in Mixed."""

    pretext: LocalContrast = LocalContrast()
    segmentation: Supervised = Supervised()


def settings(job: Job) -> Settings:
    """Return the hyper-parameters for a job."""
    return Settings(pretext=LOCAL.settings(job), segmentation=settings_for(Supervised, job))


def train(job: Job) -> Path:
    """Train the pretext where it is not there yet, then one fold; return its checkpoint."""
    return train_segmentation(job, settings(job).segmentation, started(job, LOCAL))


def load(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask."""
    return load_unet(path, device)
