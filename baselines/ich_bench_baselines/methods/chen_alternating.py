"""Chen 2019 in Wang's hands: masks and reconstruction in turn, or as one sum; that it diverges is a result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ich_bench_baselines.job import Job, choice
from ich_bench_baselines.paper import code, ours, paper
from ich_bench_baselines.predict import Predictor
from ich_bench_baselines.wang import slice_split
from ich_bench_baselines.wang import training as wang_train
from ich_bench_baselines.wang.curriculum import Strategy
from ich_bench_baselines.wang.divergence import Rules
from ich_bench_baselines.wang.rates import Lbfgs, Rates
from ich_bench_baselines.wang.settings import SemiSupervised, load_wang, wang_settings

ID = "chen-alternating"
PAPER = "Wang 2020, Sec. 5.3, Table 1: Chen et al.; Chen 2019 (MICCAI)"
ABOUT = "the network of wang-semi-supervised without its curriculum: both parts in every epoch; it may diverge"
SUPERVISION = "semi-supervised"
LABELS = ("voxel", "slice")
PARAMETERS = 329_747
CHOICES = {"strategy": ("alternating", "joint"), "step": ("usual", "search", "fixed"), "labels": ("80", "50", "20")}
DEPARTURES = (
    "Network, losses and rates are Wang's, who applied Chen's training to them in 2-D; Chen's own network is 3-D, with "
    "strided convolutions and instance normalisation.",
    "The joint strategy has no L-BFGS: one sum of both losses, by Adam, for no two of its batches are the same.",
    "Gradients of the reconstruction reach the encoder through the mask too, as in Chen's code; the mask's own decoder "
    "does not move by them.",
    "Diverged: a loss or weight is not finite, a loss is above 10, or the masks' loss had been 0.8 or less and is 0.95 "
    "or more five times in a row. The training then ends, and its last sound weights predict.",
    "The variant code takes Chen's rates (Adam 0.01 and 0.001, halved every 500 epochs), Dice loss and sigmoid; his "
    "fresh start of runs with a Dice below 0.1 is left out, for it would hide what is to be seen.",
    "Otherwise all of wang-semi-supervised.",
)
_MASSL = "MASSL, the authors' framework"


@dataclass(frozen=True, kw_only=True)
class Supervised(Lbfgs):
    """The step on drawn masks."""

    optimizer: Literal["adam", "l-bfgs"] = paper("l-bfgs", "Wang 2020, Sec. 5.3", code=code("adam", _MASSL))
    lr: float = ours(1.0, "as in wang-supervised; the paper has 1e-4", code=code(1e-2, _MASSL))
    gamma: float = ours(1.0, "Wang 2020 names no decay", code=code(0.5, _MASSL))
    gamma_epochs: int = ours(1, "Wang 2020 names no decay", code=code(500, _MASSL))
    forgets: bool = ours(value=False, why="as PyTorch's does: what plain alternation does to it is to be seen")


@dataclass(frozen=True, kw_only=True)
class Unsupervised(Rates):
    """The step on slices without labels, and that of the sum."""

    lr: float = paper(1e-4, "Wang 2020, Sec. 5.3", code=code(1e-3, _MASSL))
    gamma: float = ours(1.0, "Wang 2020 names no decay", code=code(0.5, _MASSL))
    gamma_epochs: int = ours(1, "Wang 2020 names no decay", code=code(500, _MASSL))


@dataclass(frozen=True, kw_only=True)
class Settings(SemiSupervised):
    """Chen's strategies on Wang's network."""

    supervised: Rates = Supervised()
    unsupervised: Rates = Unsupervised()
    mask_loss: Literal["jaccard", "dice"] = paper("jaccard", "Wang 2020, Sec. 5.3", code=code("dice", _MASSL))
    attention: Literal["fixed", "learnt"] = code("learnt", f"{_MASSL}: the mask is not detached")
    rebuilt: Literal["linear", "sigmoid"] = ours(
        "linear", "Wang 2020, Figure 1 has no activation at the end", code=code("sigmoid", _MASSL)
    )
    diverged: Rules = Rules()


def settings(job: Job) -> Settings:
    """Return the hyper-parameters for a job."""
    return wang_settings(Settings, job)


def stages(job: Job) -> Iterator[tuple[str, int, int, int, int | None]]:
    """Yield (part, training cases, epochs, batch, slices)."""
    return wang_train.stages(job, settings(job))


def train(job: Job) -> Path:
    """Train one fold, to its end or until it diverges, and return its checkpoint."""
    own = settings(job)
    strategy: Strategy = "joint" if choice(job, "strategy") == "joint" else "alternating"
    return wang_train.train_wang(job, own, strategy, rules=own.diverged)


def load(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask."""
    return slice_split.load_any(path, load_wang, device)


def said(job: Job) -> dict[str, Any]:
    """Return what the manifest says of trainings that diverged, and of a leaky split."""
    found, leaky = wang_train.divergences(job), slice_split.said(job)
    if not found:
        return leaky
    return {**leaky, "about": f"{len(found)} trainings diverged; their last sound weights predict. {found[0]}"}
