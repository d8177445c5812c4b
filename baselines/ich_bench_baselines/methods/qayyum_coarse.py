"""Qayyum 2023's coarse stage alone: a dense encoder on single slices of a volume brought to 256 × 256 × 16."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ich_bench_baselines.job import Job, folder, training_cases
from ich_bench_baselines.predict import Predictor
from ich_bench_baselines.qayyum import coarse as qayyum
from ich_bench_baselines.qayyum.settings import Coarse, coarse_settings
from ich_bench_baselines.spahr.settings import need_supervision

ID = "qayyum-coarse"
PAPER = "Qayyum 2023, Sec. 2.2 and 2.4"
ABOUT = "2-D dense encoder (5 blocks of 6 layers) and plain decoder on volumes brought to 256 × 256 × 16"
SUPERVISION = "supervised"
LABELS = ("voxel",)
PARAMETERS = 9_067_027
CHOICES = {"intensity": ("minmax", "window")}
DEPARTURES = (
    "The paper keeps the weights that are best on a validation part that it does not describe. Here a fifth of the "
    "training patients chooses the epoch and stops the training; the test fold is never looked at.",
    "Not printed, and ours: stem, growth rate, decoder, the range of gamma, the threshold, which slices (all).",
    "The loss on the inner part chooses; the paper does not say which figure does.",
    "Its 20 early stopping steps are read as epochs, its batch size of 2 as slices.",
    "Masks are brought to 256 × 256 × 16 and back like the CT, by linear interpolation, cut at one half.",
    "Min-max over the raw Hounsfield units is kept as printed: padding and metal set the scale, so that hemorrhage and "
    "brain differ by some hundredths. --option intensity=window takes the brain window instead.",
)


@dataclass(frozen=True, kw_only=True)
class Settings(Coarse):
    """The coarse stage's."""


def settings(job: Job) -> Settings:
    """Return the hyper-parameters for a job."""
    return coarse_settings(job, Settings)


def stages(job: Job) -> Iterator[tuple[str, int, int, int, int | None]]:
    """Yield the one training."""
    yield from qayyum.stages(job, settings(job))


def train(job: Job) -> Path:
    """Train one fold and return the checkpoint of its best epoch."""
    need_supervision(job)
    return qayyum.train_coarse(job, cases=training_cases(job), to=folder(job), settings=settings(job))


def load(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask."""
    return qayyum.load_coarse(path, device)


def said(job: Job) -> dict[str, Any]:
    """Return what the manifest says of how the epoch was chosen."""
    return {"checkpoint_selection": "inner"}
