"""What of a method's prediction lies inside the intracranial cavity: its row with ICM?

The method is not trained a second time: its own checkpoint is taken, or made once, and every mask is cut by the cavity
(Spahr 2023, Sec. 2.5.3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ich_bench.errors import IchBenchError
from ich_bench.volume import CT
from ich_bench_baselines.data.pixels import Mask
from ich_bench_baselines.job import Job, folder
from ich_bench_baselines.parts import SEGMENTATION, read_parts, write_parts
from ich_bench_baselines.predict import Predictor, load_unet
from ich_bench_baselines.spahr.cavity import (
    CLASSICAL,
    CLASSICAL_CAVITY,
    cavity_job,
    inside,
    load_cavity,
    train_cavity,
)

CAVITY = "cavity"


def train_with_cavity(job: Job, plain: str, train: Callable[[Job], Path]) -> Path:
    """Train the plain method and the cavity, each only where it is not there yet, and return the parts.json of both."""
    segmentation = train(replace(job, method=plain))
    own = cavity_job(job)
    cavity = CLASSICAL if own is None else train_cavity(own)
    about = {"dataset": job.trained_dataset, "fold": job.fold, "cavity": cavity_words(own)}
    return write_parts(folder(job), job.method, {SEGMENTATION: segmentation, CAVITY: cavity}, about)


def load_with_cavity(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → the plain method's mask, inside the cavity."""
    about, parts = read_parts(path)
    if set(parts) != {SEGMENTATION, CAVITY}:
        raise IchBenchError(f"{path} holds {', '.join(sorted(parts))}; expected a {SEGMENTATION} and a {CAVITY}.")
    plain = load_unet(Path(parts[SEGMENTATION]), device)
    where = parts[CAVITY]
    cavity = CLASSICAL_CAVITY if where == CLASSICAL else load_cavity(Path(where), device)

    def mask(ct: CT) -> Mask:
        return inside(plain(ct), cavity(ct))

    return Predictor(key=f"{plain.key} in {cavity.key}", about=about, mask=mask)


def cavity_words(own: Job | None) -> str:
    """Return in words which cavity a job's masks are cut by."""
    if own is None:
        return "the classical cavity (bone above 150 HU, closed and filled; no labels)"
    if own.trained_dataset == "seg-cq500":
        return "two U-Nets (tissue and bone window, union), distilled from the cavities that come with seg-cq500"
    return f"two U-Nets (tissue and bone window, union) trained on the drawn cavities of {own.trained_dataset}"


def said(job: Job) -> dict[str, Any]:
    """Return what the manifest says of the cavity: labels, other data, and what was done to the masks."""
    own = cavity_job(job)
    other = [] if own is None or own.trained_dataset == job.trained_dataset else [own.trained_dataset]
    return {
        "labels_needed": ["voxel"] if own is None else ["voxel", "cavity"],
        "external_data": other,
        "postprocessing": f"only what lies inside the intracranial cavity: {cavity_words(own)}",
    }
