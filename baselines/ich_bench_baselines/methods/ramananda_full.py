"""Ramananda 2025's fully supervised baseline in the low-data regime: the light network from the drawn masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ich_bench_baselines.job import Job
from ich_bench_baselines.predict import Predictor, load_unet
from ich_bench_baselines.ramananda.light import Light, light_settings
from ich_bench_baselines.segment import train_segmentation
from ich_bench_baselines.spahr.settings import need_supervision

ID = "ramananda-full"
PAPER = "Ramananda 2025, abstract"
ABOUT = "the light segmentation network of ramananda-weak, trained on the drawn masks of the fold alone"
SUPERVISION = "supervised"
LABELS = ("voxel",)
PARAMETERS = 336_417
DEPARTURES = (
    "Only the abstract was at hand: network, losses, rates and epochs are ours, the same as in ramananda-weak.",
    "The folds are those of this benchmark; the paper's five folds are unpublished.",
)


@dataclass(frozen=True, kw_only=True)
class Settings(Light):
    """The light network on drawn masks."""


def settings(job: Job) -> Light:
    """Return the hyper-parameters for a job."""
    return light_settings(job, Settings)


def train(job: Job) -> Path:
    """Train one fold and return its checkpoint."""
    need_supervision(job)
    return train_segmentation(job, settings(job))


def load(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask."""
    return load_unet(path, device)
