"""Qayyum 2023: a coarse mask, slice by slice, then nnU-Net on the CT and that mask as a second channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ich_bench_baselines.job import Job, choice
from ich_bench_baselines.nnunet.settings import NnUNet, nnunet_settings, nnunet_stages
from ich_bench_baselines.nnunet.training import load_nnunet, train_nnunet
from ich_bench_baselines.paper import ours, paper
from ich_bench_baselines.parts import PARTS
from ich_bench_baselines.predict import Predictor
from ich_bench_baselines.qayyum import coarse as qayyum
from ich_bench_baselines.qayyum import coarse_fine
from ich_bench_baselines.qayyum.settings import Coarse, coarse_settings
from ich_bench_baselines.spahr.settings import need_supervision

ID = "qayyum-coarse-fine"
PAPER = "Qayyum 2023, Sec. 2.2 to 2.4"
ABOUT = "qayyum-coarse, then nnU-Net v2 in three dimensions with the coarse mask as its second channel"
SUPERVISION = "supervised"
LABELS = ("voxel",)
CHOICES = {
    "stage": ("both", "nnunet-alone"),
    "patch": ("128-cubed", "planned"),
    "intensity": ("minmax", "window"),
}
DEPARTURES = (
    "All of qayyum-coarse: its very checkpoint gives the coarse masks of the test heads.",
    "The coarse masks that the fine stage learns from come from inner folds of the training part, by patient: each is "
    "of a network that has not seen that patient. The paper does not say; masks of the outer folds have seen the test.",
    "All of nnunet-3d, but for patch and epochs. The paper uses the best of its five folds: here each fold counts.",
    "The mask goes in as a second channel, as the paper is read. nnU-Net does not scale it, but resamples and augments "
    "it as it does an image.",
    "128 × 128 × 128 is kept as printed, though heads have 20 to 70 slices and most of such a patch is padding. "
    "--option patch=planned leaves the patch to nnU-Net, which makes it flat where slices are thick.",
    "--option stage=nnunet-alone is the ablation that the paper lacks; coarse alone is qayyum-coarse.",
    "The batch is 2, nnU-Net's own for patches of this size; the paper's 2 is of the coarse stage.",
)
PRINTED = "Sec. 2.3"


@dataclass(frozen=True, kw_only=True)
class Fine(NnUNet):
    """nnU-Net as the paper changes it."""

    epochs: int = paper(500, PRINTED, smoke=1)
    batch_size: int | None = ours(2, "nnU-Net's own for such patches")
    patch: tuple[int, ...] | None = paper((128, 128, 128), PRINTED, smoke=(16, 64, 64))
    spacing_mm: tuple[float, ...] | None = paper(None, "by nnU-Net's rule", smoke=(5.0, 2.5, 2.5))


@dataclass(frozen=True, kw_only=True)
class Planned(Fine):
    """nnU-Net's own patch: as flat as the heads are."""

    batch_size: int | None = ours(None, "by nnU-Net's rule, with the patch", smoke=2)
    patch: tuple[int, ...] | None = ours(None, "by nnU-Net's rule: fewer slices than rows", smoke=(16, 64, 64))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Those of both stages, and in how many inner folds the training part is dealt."""

    coarse: Coarse = Coarse()
    fine: Fine = Fine()
    inner_folds: int = ours(5, "as many as the paper's outer folds", smoke=2)


def settings(job: Job) -> Settings:
    """Return the hyper-parameters for a job."""
    kind = Planned if choice(job, "patch") == "planned" else Fine
    inner = 2 if job.schedule == "smoke" else Settings().inner_folds
    coarse = Coarse() if coarse_fine.fine_alone(job) else coarse_settings(job, Coarse)
    return Settings(coarse=coarse, fine=nnunet_settings(kind, job), inner_folds=inner)


def stages(job: Job) -> Iterator[tuple[str, int, int, int, int | None]]:
    """Yield the trainings: the inner coarse ones, that of the whole training part, the fine one."""
    how = settings(job)
    if not coarse_fine.fine_alone(job):
        left = how.inner_folds - 1
        for number in range(how.inner_folds):
            for name, cases, epochs, batch, slices in qayyum.stages(job, how.coarse, f"coarse, inner fold {number}"):
                most = None if slices is None else slices * left // how.inner_folds
                yield name, cases * left // how.inner_folds, epochs, batch, most
        yield from qayyum.stages(job, how.coarse, "coarse")
    yield from nnunet_stages(job, how.fine, "fine")


def train(job: Job) -> Path:
    """Train one fold and return its parts.json; of nnU-Net alone its checkpoint."""
    need_supervision(job)
    how = settings(job)
    if coarse_fine.fine_alone(job):
        return train_nnunet(job, how.fine)
    return coarse_fine.train_both(job, how.coarse, how.fine, how.inner_folds)


def load(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask."""
    return coarse_fine.load_both(path, device) if path.name == PARTS else load_nnunet(path, device)


def said(job: Job) -> dict[str, Any]:
    """Return what the manifest says of how the coarse stage's epoch was chosen."""
    return coarse_fine.said(job)
