"""Spahr 2023's baseline without transfer: the U-Net, trained on slices with ICH and twice as many without."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ich_bench_baselines.job import Job
from ich_bench_baselines.predict import Predictor, load_unet
from ich_bench_baselines.segment import train_segmentation
from ich_bench_baselines.spahr.settings import Supervised, need_supervision, settings_for

ID = "unet-mixed"
PAPER = "Spahr 2023, Sec. 2.5"
ABOUT = "2-D U-Net trained on the slices with ICH and twice as many without, which weigh 0.2 in the Dice loss"
SUPERVISION = "supervised"
LABELS = ("voxel",)
PARAMETERS = 5_409_089
DEPARTURES = (
    "Datasets that the paper does not have are trained as its Hssayeni is: 100 epochs, batches of 16.",
    "A last batch that is not full is trained on too; the paper does not say.",
    "Slices are brought to 256 × 256 and 8 bits before they are augmented, and read once for all moves together.",
    "Masks are resized by nearest neighbour; the authors' own may have been thickened by about a pixel.",
    "Which normal slices are taken is drawn by our own generator, once for a fold and seed.",
)


@dataclass(frozen=True, kw_only=True)
class Settings(Supervised):
    """The paper's Mixed, which every transfer starts from as well."""


def settings(job: Job) -> Settings:
    """Return the hyper-parameters for a job."""
    return settings_for(Settings, job)


def train(job: Job) -> Path:
    """Train one fold and return its checkpoint."""
    need_supervision(job)
    return train_segmentation(job, settings(job))


def load(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask."""
    return load_unet(path, device)
