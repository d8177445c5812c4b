"""Ramananda 2025: ResNet and LSTM from labels of slices, Grad-CAM, unsupervised refinement, a light network at test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ich_bench_baselines.job import Job, choice, training_cases
from ich_bench_baselines.predict import Predictor, load_unet
from ich_bench_baselines.ramananda.settings import WeakSettings, train_weak, weak_settings

ID = "ramananda-weak"
PAPER = "Ramananda 2025, abstract"
ABOUT = "ResNet + LSTM over contiguous slices from slice labels; its maps, refined by density, train a light network"
SUPERVISION = "weakly-supervised"
LABELS = ("slice",)
PARAMETERS = 336_417
POOL_ALONE = True
CHOICES = {"share": ("100", "10", "20", "30", "40", "50", "60", "70", "80", "90"), "lstm": ("on", "off")}
DEPARTURES = (
    "Only the abstract was at hand: every number but 541 held-out slices and the 90:10 split is ours, with its reason.",
    "No pre-trained weights: the ResNet-18 starts from the seed; its last stage keeps its size, for finer maps.",
    "The maps are Grad-CAM's: the classic class activation map does not pass an LSTM. For their sake features are "
    "pooled by log-sum-exp, each slice also speaks past the LSTM, by weights that cannot be negative, and the map is "
    "the mean of a slice's and of its mirror image's.",
    "Refinement: inside the skull, the brighter of two classes of density where the map is, parts that reach the map's "
    "middle, small ones removed.",
    "A share of the pool is taken by patient: larger ones hold the smaller; heads without ICH in the same share.",
    "The 541 slices that the authors annotated are unpublished: 541 other slices of the pool are held out for them.",
    "Trained from a pool, nothing of the tested dataset is seen, all its cases are predicted by one model.",
    "Without a pool it learns from the slice labels of the training cases of this benchmark's folds.",
    "Slices with ICH whose pseudo-mask is empty are left out of the light network's training.",
)


@dataclass(frozen=True, kw_only=True)
class Settings(WeakSettings):
    """Classifier, refinement, light network, and what of a pool is trained on."""


def settings(job: Job) -> WeakSettings:
    """Return the hyper-parameters for a job."""
    return weak_settings(job, Settings)


def train(job: Job) -> Path:
    """Train all three stages of a fold, or once of a pool; return the light network's checkpoint."""
    return train_weak(job, settings(job))


def load(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask: the light network alone."""
    return load_unet(path, device)


def stages(job: Job) -> Iterator[tuple[str, int, int, int, int | None]]:
    """Yield (part, training cases, epochs, slices in a batch, slices or None) of each training."""
    own, cases = settings(job), len(training_cases(job))
    for part, training in (("classifier", own.classifier.training), ("light", own.light.training)):
        yield part, cases, training.epochs, training.batch_size, None


def said(job: Job) -> dict[str, Any]:
    """Return what the manifest says of the labels: no drawn mask was trained on."""
    share = {"label_fraction_percent": int(choice(job, "share")), "training_data": []} if job.pool_alone else {}
    return {**share, "contamination": _SEEN[job.pool_alone]}


_SEEN = {
    False: "Training saw slices and a table of their labels, no mask; every batch is held against the test cases' ids.",
    True: "Training saw slices and labels of the pool alone; nothing of the scored dataset was looked at.",
}
