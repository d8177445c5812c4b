"""Wang 2020's supervised U-Net: shallow, trained by L-BFGS on the Jaccard loss of the slices with hemorrhage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ich_bench_baselines.job import Job
from ich_bench_baselines.predict import Predictor
from ich_bench_baselines.spahr import settings as spahr
from ich_bench_baselines.wang import slice_split
from ich_bench_baselines.wang import training as wang_train
from ich_bench_baselines.wang.settings import Wang, load_wang, wang_settings

ID = "wang-supervised"
PAPER = "Wang 2020, Sec. 5.2 and 5.3, Table 1: Supervised"
ABOUT = "shallow 2-D U-Net, trained by L-BFGS on the Jaccard loss of the slices with hemorrhage"
SUPERVISION = "supervised"
LABELS = ("voxel",)
PARAMETERS = 237_873
CHOICES = {"step": ("usual", "search", "fixed"), "labels": ("80", "50", "20")}
DEPARTURES = (
    "Levels, channels, window, batch size and L-BFGS's memory are not printed: ours, each with its reason.",
    "Its connections 'across the entire network' (Sec. 5.2) are read as those of the finest level.",
    "An epoch is one step of L-BFGS (at most 20 iterations) over all training slices, whose gradients are summed.",
    "On shorter schedules than the paper's 4,000 epochs L-BFGS searches the length of its steps (strong Wolfe): at the "
    "paper's rate of 1e-4 a hundred epochs learn next to nothing. The options step=search and step=fixed choose.",
    "Trained on the slices with hemorrhage, scored here on whole heads; the paper scores the slices with hemorrhage.",
    "Fractions of the labels are those of patients (lf80, lf50, lf20); the paper's are very likely of slices: "
    "wang-slices, leaky, with 80, 50 or 20 % by the option labels.",
    "Nothing is augmented; the paper names nothing.",
)


@dataclass(frozen=True, kw_only=True)
class Settings(Wang):
    """As in the paper's second experiment."""


def settings(job: Job) -> Settings:
    """Return the hyper-parameters for a job."""
    return wang_settings(Settings, job)


def stages(job: Job) -> Iterator[tuple[str, int, int, int, int | None]]:
    """Yield (part, training cases, epochs, batch, slices)."""
    return wang_train.stages(job, settings(job))


def train(job: Job) -> Path:
    """Train one fold and return its checkpoint."""
    spahr.need_supervision(job)
    return wang_train.train_wang(job, settings(job), "supervised")


def load(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask."""
    return slice_split.load_any(path, load_wang, device)


def said(job: Job) -> dict[str, Any]:
    """Return what the manifest says of a leaky split."""
    return slice_split.said(job)
