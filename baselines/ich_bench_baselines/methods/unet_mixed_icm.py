"""Spahr 2023's Mixed U-Net, its masks cut by the intracranial cavity."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ich_bench_baselines.job import Job
from ich_bench_baselines.methods import unet_mixed as plain
from ich_bench_baselines.predict import Predictor
from ich_bench_baselines.spahr import icm
from ich_bench_baselines.spahr.cavity import CavitySettings, cavity_settings

ID = "unet-mixed-icm"
PAPER = "Spahr 2023, Sec. 2.3.3 and 2.5"
ABOUT = "unet-mixed, and of its mask only what lies inside the intracranial cavity (intracranial-cavity)"
SUPERVISION = "supervised"
LABELS = ("voxel", "cavity")
PARAMETERS = 16_227_267
DEPARTURES = (
    "All of unet-mixed: its very checkpoint is taken, nothing is trained a second time.",
    "All of intracranial-cavity; a dataset without cavities takes the model of Seg-CQ500's, or the classical cavity.",
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Those of both."""

    segmentation: plain.Settings = plain.Settings()
    cavity: CavitySettings = CavitySettings()


def settings(job: Job) -> Settings:
    """Return the hyper-parameters for a job."""
    return Settings(segmentation=plain.settings(job), cavity=cavity_settings(job))


def train(job: Job) -> Path:
    """Train one fold of both, each only where it is not there yet; return the parts.json that names them."""
    return icm.train_with_cavity(job, plain.ID, plain.train)


def load(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask."""
    return icm.load_with_cavity(path, device)


def said(job: Job) -> dict[str, Any]:
    """Return what the manifest says of the cavity."""
    return icm.said(job)
