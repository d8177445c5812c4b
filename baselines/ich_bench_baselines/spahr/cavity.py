"""Where may hemorrhage be at all: the intracranial cavity by two U-Nets, and what is left of a mask inside it?

Departures from Spahr 2023, Sec. 2.3.3, which holds for this model:

1. The ten scans that its authors outlined are unpublished. On drawn heads the drawn cavity is learnt, of the training
   cases of the fold; on Seg-CQ500 the cavity that comes with it, which is those authors' own network's work
   ("distilled").
2. A dataset without cavities takes the model of Seg-CQ500's 51 heads where these are on this machine, else the
   classical cavity (bone above 150 HU, closed and filled), which learns nothing.
3. Slices are augmented as those of the segmentation; the paper does not say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ich_bench.calibration import classical_cavity
from ich_bench.datasets import load_dataset
from ich_bench.errors import IchBenchError, UsageError
from ich_bench.volume import CT
from ich_bench_baselines.data.pixels import Mask
from ich_bench_baselines.data.slice_cases import plan
from ich_bench_baselines.data.streams import Regime, Stream
from ich_bench_baselines.job import Job, folder
from ich_bench_baselines.paper import code, ours, paper, scaled, variant
from ich_bench_baselines.parts import read_parts, write_parts
from ich_bench_baselines.predict import Predictor, load_unet
from ich_bench_baselines.segment import fitted, stream_of, trained_slices
from ich_bench_baselines.spahr.settings import Slices, Supervised, Training, asked

METHOD = "intracranial-cavity"
CLASSICAL = "classical"
TEACHER = "seg-cq500"
NETS = ("tissue", "bone")


@dataclass(frozen=True, kw_only=True)
class TissueSlices(Slices):
    """All slices in the tissue window."""

    window_hu: tuple[float, float] = paper((0.0, 600.0), "Sec. 2.3.3", code=code((-50.0, 150.0), "brain U-Net config"))
    regime: Regime = paper("all", "Sec. 2.3.3: all 2,572 slices")
    normals_per_ich: float = ours(0.0, "without meaning: all slices are taken")


@dataclass(frozen=True, kw_only=True)
class BoneSlices(TissueSlices):
    """All slices in the bone window."""

    window_hu: tuple[float, float] = paper(
        (150.0, 650.0), "Sec. 2.3.3", code=code((-50.0, 150.0), "brain U-Net config")
    )


@dataclass(frozen=True, kw_only=True)
class TissueTraining(Training):
    """Of the tissue U-Net."""

    epochs: int = paper(50, "Sec. 2.3.3", code=code(100, "brain U-Net config"), smoke=2)
    batch_size: int = paper(20, "Sec. 2.3.3", code=code(32, "brain U-Net config"), smoke=8)
    lr: float = paper(1e-3, "Sec. 2.3.3")
    gamma: float = paper(0.96, "Sec. 2.3.3")
    weight_decay: float = paper(1e-6, "Sec. 2.3.3")


@dataclass(frozen=True, kw_only=True)
class BoneTraining(TissueTraining):
    """Of the bone U-Net."""

    batch_size: int = paper(16, "Sec. 2.3.3", code=code(32, "brain U-Net config"), smoke=8)


@dataclass(frozen=True, kw_only=True)
class TissueNet(Supervised):
    """One U-Net of the cavity: the plain Dice loss of all slices."""

    slices: Slices = TissueSlices()
    training: Training = TissueTraining()
    empty_weight: float = paper(1.0, "Sec. 2.3.3: the Dice loss, every slice alike")
    threshold: float = paper(0.5, "Sec. 2.5.2, as for ICH")


@dataclass(frozen=True, kw_only=True)
class BoneNet(TissueNet):
    """The other."""

    slices: Slices = BoneSlices()
    training: Training = BoneTraining()


@dataclass(frozen=True, kw_only=True)
class CavitySettings:
    """Both; the cavity is the union of what they predict."""

    tissue: TissueNet = TissueNet()
    bone: BoneNet = BoneNet()


def cavity_settings(job: Job) -> CavitySettings:
    """Return the settings for a job; its epochs, batch, width and side hold for both nets."""
    full = variant(CavitySettings, job.variant)
    small = scaled(full, "smoke" if job.schedule == "smoke" else "paper")
    if job.schedule == "phantom":
        few = {net: replace(getattr(small, net).training, epochs=20) for net in NETS}
        small = replace(small, tissue=replace(small.tissue, training=few["tissue"]),
                        bone=replace(small.bone, training=few["bone"]))  # fmt: skip
    return CavitySettings(tissue=asked(small.tissue, full.tissue, job), bone=asked(small.bone, full.bone, job))


def cavity_job(job: Job) -> Job | None:
    """Return the training of the cavity that goes with a job, None where the classical cavity has to do."""
    own = replace(job, method=METHOD, pool=None)
    if has_cavities(own):
        return own
    teacher = replace(own, train_on=TEACHER, train_data=None, budget=None)
    return teacher if job.trained_dataset != TEACHER and has_cavities(teacher) else None


def has_cavities(job: Job) -> bool:
    """Return whether the dataset that a job trains on is on this machine and has cavities to learn from."""
    try:
        return "cavity" in plan(load_dataset(job.trained_dataset, job.trained_data)).kinds
    except IchBenchError:
        if job.train_on == TEACHER:
            return False
        raise


def train_cavity(job: Job) -> Path:
    """Train both nets, each resumed where it stopped, and return their parts.json.

    UsageError where the dataset has no cavities to learn from.
    """
    if not has_cavities(job):
        raise UsageError(
            f"{job.trained_dataset} has no cavities to learn from. Name a dataset that has with --train-on: "
            f"{TEACHER} (where its brain.nii.gz are), phantom. The classical cavity needs no training."
        )
    settings, found = cavity_settings(job), {}
    for name in NETS:
        net: Supervised = getattr(settings, name)
        slices = trained_slices(job, net.slices)
        stream = known_cavities(stream_of(job, slices, net.slices), slices.index)
        found[name] = fitted(job, net, slices, stream, "cavity", None, folder(job) / name)
    return write_parts(folder(job), METHOD, found, {"dataset": job.trained_dataset, "fold": job.fold})


def known_cavities(stream: Stream, index: Any) -> Stream:
    """Return the slices of a stream whose cavity is known; IchBenchError where there is none."""
    kept = ~index["in_cavity"].isna().to_numpy()[stream.rows]
    if not kept.any():
        raise IchBenchError("no training slice has a cavity to learn from. Are the cavity files there?")
    return replace(stream, rows=stream.rows[kept], positive=stream.positive[kept])


def load_cavity(path: Path, device: str = "cpu") -> Predictor:
    """Return the cavity's predictor: in either net's mask."""
    about, parts = read_parts(path)
    if set(parts) != set(NETS):
        raise IchBenchError(f"{path} holds {', '.join(sorted(parts))}; expected the nets {' and '.join(NETS)}.")
    nets = [load_unet(Path(parts[name]), device) for name in NETS]

    def union(ct: CT) -> Mask:
        found: Mask = nets[0](ct) | nets[1](ct)
        return found

    return Predictor(key="+".join(net.key for net in nets), about=about, mask=union)


CLASSICAL_CAVITY = Predictor(key=CLASSICAL, about=MappingProxyType({"method": CLASSICAL}), mask=classical_cavity)


def inside(mask: Mask, cavity: Mask) -> Mask:
    """Return what of a mask lies in the cavity; ValueError where the grids differ."""
    if mask.shape != cavity.shape:
        raise ValueError(f"a mask of {mask.shape} and a cavity of {cavity.shape}")
    return np.logical_and(mask, cavity)
