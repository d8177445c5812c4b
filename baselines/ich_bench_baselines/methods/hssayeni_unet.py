"""Hssayeni 2020, the first baseline on its own dataset: a U-Net on crops of 128 pixels, whose masks are merged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ich_bench_baselines.hssayeni.settings import Supervised, settings_for
from ich_bench_baselines.hssayeni.training import load_crops, train_crops
from ich_bench_baselines.job import Job, folder, training_cases
from ich_bench_baselines.predict import Predictor
from ich_bench_baselines.spahr.settings import need_supervision

ID = "hssayeni-unet"
PAPER = "Hssayeni 2020"
ABOUT = "U-Net on crops of 128 pixels, 64 apart; the crops vote, gaps are closed and specks opened away"
SUPERVISION = "supervised"
LABELS = ("voxel",)
PARAMETERS = 31_031_685
PROFILE = "hssayeni2020"
DEPARTURES = (
    "Values are those of the authors' code; a setting that is `ours` stands for one that the code leaves open, or that "
    "--variant code has.",
    "On folds without validation cases (all but hssayeni5) a quarter of the training patients chooses the epoch; the "
    "test fold is never looked at.",
    "The Jaccard that chooses the epoch is taken over all validation crops at once; the code's is a mean over batches.",
    "Overlapping crops vote; the code averages their probabilities (--variant code).",
    "Crops are turned, shifted and zoomed by one factor both ways; the code zooms rows and columns apart, and shears. "
    "Its rate falls by a thousandth in 10,000 steps; ours stays.",
    "The even square of the closing is mirrored between dilation and erosion, so that masks stay where they are.",
    "The normal slice of a case is drawn by our own generator. A slice of another size than 512 is resized to it.",
)


@dataclass(frozen=True, kw_only=True)
class Settings(Supervised):
    """The method's."""


def settings(job: Job) -> Settings:
    """Return the hyper-parameters for a job."""
    return settings_for(Settings, job)


def stages(job: Job) -> Iterator[tuple[str, int, int, int, int | None]]:
    """Yield the one training; how many crops hold hemorrhage is not known before."""
    training = settings(job).training
    yield "", len(training_cases(job)), training.epochs, training.batch_size, None


def train(job: Job) -> Path:
    """Train one fold and return the checkpoint of its best epoch."""
    need_supervision(job)
    return train_crops(job, settings(job), folder(job))


def load(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask."""
    return load_crops(path, device)


def said(job: Job) -> dict[str, Any]:
    """Return what the manifest says of how the epoch was chosen, and of what is done to the masks."""
    own = settings(job)
    return {
        "checkpoint_selection": "inner",
        "postprocessing": f"each slice at {own.crops.side} x {own.crops.side} pixels: closed by a square of "
        f"{own.masks.closing} pixels, opened by one of {own.masks.opening}",
    }
