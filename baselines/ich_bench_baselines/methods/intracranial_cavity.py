"""Spahr 2023's intracranial cavity: two U-Nets, one on soft tissue, one on bone, and the union of both."""

from __future__ import annotations

from pathlib import Path

from ich_bench_baselines.job import Job
from ich_bench_baselines.predict import Predictor
from ich_bench_baselines.spahr.cavity import CavitySettings, cavity_settings, load_cavity, train_cavity
from ich_bench_baselines.spahr.settings import need_supervision

ID = "intracranial-cavity"
PAPER = "Spahr 2023, Sec. 2.3.3"
ABOUT = "the cavity that the -icm rows cut their masks by: two 2-D U-Nets (0 to 600 and 150 to 650 HU), their union"
SUPERVISION = "supervised"
LABELS = ("cavity",)
PARAMETERS = 10_818_178
SEGMENTS = "cavity"
DEPARTURES = (
    "The paper's ten outlined scans are unpublished: on drawn heads the drawn cavity is learnt, fold by fold; on "
    "Seg-CQ500 the cavity that comes with it, which is those authors' own network's work.",
    "Slices are augmented as those of the segmentation; the paper does not say.",
    "Its mask is no hemorrhage: it is judged by its Dice and by the share of reference ICH outside it, never ranked.",
)
Settings = CavitySettings


def settings(job: Job) -> CavitySettings:
    """Return the hyper-parameters for a job."""
    return cavity_settings(job)


def train(job: Job) -> Path:
    """Train both nets of one fold and return the parts.json that names them."""
    need_supervision(job)
    return train_cavity(job)


def load(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → cavity."""
    return load_cavity(path, device)
