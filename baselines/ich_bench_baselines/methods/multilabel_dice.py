"""Spahr 2023's multi-label classification by the Dice loss: no ICH, ICH, five subtypes; then the U-Net learns masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ich_bench_baselines.job import Job
from ich_bench_baselines.predict import Predictor, load_unet
from ich_bench_baselines.pretext.settings import AfterClassification, MultiLabelDice
from ich_bench_baselines.pretext.tasks import MULTI_LABEL_DICE
from ich_bench_baselines.pretext.training import started
from ich_bench_baselines.segment import train_segmentation
from ich_bench_baselines.spahr.settings import settings_for

ID = "multilabel-dice"
PAPER = "Spahr 2023, Sec. 2.6.2.2"
ABOUT = "U-Net whose encoder first learns ICH and its subtypes (Dice loss of 7 labels), then is trained as unet-mixed"
SUPERVISION = "weakly-supervised-transfer"
LABELS = ("voxel", "slice-subtypes")
PARAMETERS = 5_409_089
DEPARTURES = (
    "The sigmoid is applied once, in the loss; the authors' code applies it to the image and twice to the output.",
    "The 5,000 held-out slices of the pool are drawn by patient; the paper does not say, its code draws slices.",
    "After the pretext everything is as in unet-mixed, with its departures.",
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Those of the pretext, and those of the training on drawn masks that follows, as in Mixed."""

    pretext: MultiLabelDice = MultiLabelDice()
    segmentation: AfterClassification = AfterClassification()


def settings(job: Job) -> Settings:
    """Return the hyper-parameters for a job."""
    return Settings(pretext=MULTI_LABEL_DICE.settings(job), segmentation=settings_for(AfterClassification, job))


def train(job: Job) -> Path:
    """Train the pretext where it is not there yet, then one fold; return its checkpoint."""
    return train_segmentation(job, settings(job).segmentation, started(job, MULTI_LABEL_DICE))


def load(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask."""
    return load_unet(path, device)
