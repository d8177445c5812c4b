"""nnU-Net v2, slice by slice, through its own program and planning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ich_bench_baselines.job import Job
from ich_bench_baselines.nnunet.data import CONTAMINATION
from ich_bench_baselines.nnunet.settings import NnUNet2D, nnunet_settings, nnunet_stages
from ich_bench_baselines.nnunet.training import load_nnunet, train_nnunet
from ich_bench_baselines.predict import Predictor

ID = "nnunet-2d"
PAPER = "Isensee 2021 (nnU-Net v2), 2-D"
ABOUT = "nnU-Net v2 in two dimensions: planned, trained and predicted by its own program on our folds"
SUPERVISION = "supervised"
LABELS = ("voxel",)
DEPARTURES = (
    "One network, trained on the whole training part of a fold; the paper averages five, trained on parts of it.",
    "Validation looks at the training cases and only fills the log: nothing is chosen, the last epoch counts.",
    "No post-processing is chosen; the 2-D and 3-D networks are rows of their own, not an ensemble.",
    "The number of parameters depends on the plan, and so on the training heads.",
    "Seeds are ours, nnU-Net has none: an epoch starts from (seed, epoch). On a CPU an interrupted training goes on to "
    "the bit; on a GPU its workers and kernels come in no fixed order, so two trainings differ a little.",
    "Precision is nnU-Net's own: float16 where it may on a GPU, float32 on a CPU; --precision changes nothing.",
)


@dataclass(frozen=True, kw_only=True)
class Settings(NnUNet2D):
    """Those of nnU-Net's own defaults."""


def settings(job: Job) -> Settings:
    """Return the hyper-parameters for a job."""
    return nnunet_settings(Settings, job)


def stages(job: Job) -> Iterator[tuple[str, int, int, int, int | None]]:
    """Yield the trainings: part, training cases, epochs, batch, patches an epoch."""
    yield from nnunet_stages(job, settings(job))


def train(job: Job) -> Path:
    """Train one fold and return its checkpoint."""
    return train_nnunet(job, settings(job))


def load(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask."""
    return load_nnunet(path, device)


def said(job: Job) -> dict[str, Any]:
    """Return what the manifest says of how the test part was kept apart."""
    return {"contamination": CONTAMINATION}
