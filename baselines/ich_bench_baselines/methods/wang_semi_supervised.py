"""Wang 2020's semi-supervised network: its mask says what a second decoder rebuilds of slices without labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ich_bench_baselines.job import Job
from ich_bench_baselines.paper import paper
from ich_bench_baselines.predict import Predictor
from ich_bench_baselines.wang import slice_split
from ich_bench_baselines.wang import training as wang_train
from ich_bench_baselines.wang.settings import SemiSupervised, load_wang, wang_settings

ID = "wang-semi-supervised"
PAPER = "Wang 2020, Sec. 5.2 and 5.3, Table 1: Semi-Supervised"
ABOUT = "shallow U-Net with a second decoder that rebuilds unlabelled slices; a curriculum decides which is trained"
SUPERVISION = "semi-supervised"
LABELS = ("voxel", "slice")
PARAMETERS = 329_747
CHOICES = {"step": ("usual", "search", "fixed"), "labels": ("80", "50", "20")}
DEPARTURES = (
    "All of wang-supervised.",
    "Chance decides once an epoch, counted from 0: an epoch on masks, or on as many slices of the pool as have masks.",
    "L-BFGS starts afresh after an epoch without masks, for its memory is of one function.",
    "The mask is held fixed while the second decoder rebuilds: encoder and second decoder move, the first does not.",
    "In Equation 1 the mask weighs and masks, the rebuilt maps are compared; the sentence behind it says the reverse.",
    "The pool's slices with hemorrhage are chosen by its slice labels, as in the paper, which serve nothing else.",
    "The paper's 100,000 slices are drawn at random, ours are taken evenly over the pool.",
)


@dataclass(frozen=True, kw_only=True)
class Settings(SemiSupervised):
    """As in the paper's third experiment; `k` is how slowly chance comes to take both parts alike."""

    k: float = paper(40.0, "Sec. 5.3", smoke=2.0)


def settings(job: Job) -> Settings:
    """Return the hyper-parameters for a job."""
    return wang_settings(Settings, job)


def stages(job: Job) -> Iterator[tuple[str, int, int, int, int | None]]:
    """Yield (part, training cases, epochs, batch, slices)."""
    return wang_train.stages(job, settings(job))


def train(job: Job) -> Path:
    """Train one fold and return its checkpoint."""
    return wang_train.train_wang(job, settings(job), "curriculum")


def load(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask."""
    return slice_split.load_any(path, load_wang, device)


def said(job: Job) -> dict[str, Any]:
    """Return what the manifest says of a leaky split."""
    return slice_split.said(job)
