"""With which values does Wang 2020 train, and how do its settings become turns of a training?

Departures from the paper that hold for all its methods here; those of the slices stand in `pixels`:

1. Levels and channels of the network, batch size, L-BFGS's memory and steps, and the window are not printed: ours.
2. An epoch of L-BFGS is one step over all slices of the training part, whose gradients are summed batch by batch.
3. An epoch on slices without labels takes as many of them as there are labelled ones, drawn anew each time (Sec. 5.3
   describes Chen's training so).
4. Nothing is augmented; the paper names nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from ich_bench.errors import IchBenchError
from ich_bench_baselines import checkpoint
from ich_bench_baselines.blocks.losses import dice_loss
from ich_bench_baselines.data.loader import Batch, Epoch, Pool
from ich_bench_baselines.data.pixels import Window
from ich_bench_baselines.data.streams import Regime
from ich_bench_baselines.job import Job
from ich_bench_baselines.paper import ours, paper, scaled, variant
from ich_bench_baselines.predict import Predictor, settings_in, slice_predictor
from ich_bench_baselines.pretext.settings import PoolSlices
from ich_bench_baselines.spahr import settings as spahr
from ich_bench_baselines.train import Step
from ich_bench_baselines.wang.curriculum import JOINT, SUPERVISED, UNSUPERVISED
from ich_bench_baselines.wang.losses import jaccard_loss, weighted_mse
from ich_bench_baselines.wang.networks import AttentionNet, WangUNet, WangUNetSettings
from ich_bench_baselines.wang.rates import FixedLbfgs, Lbfgs, Rates
from ich_bench_baselines.wang.turns import Turn

S = TypeVar("S")
STEP = "step"  # L-BFGS by a line search or at the paper's fixed rate; usual: that on the paper's schedule alone
_WINDOW = (0.0, 80.0)
_WHY = "Sec. 5.1 says brain window alone: the usual one, 80 HU wide around 40"


@dataclass(frozen=True, kw_only=True)
class Training:
    """How long, and how many slices at once; what they add up to is one step of L-BFGS."""

    epochs: int = paper(4000, "Sec. 5.3", smoke=6)
    batch_size: int = ours(16, "not named; of L-BFGS it only bounds the memory", smoke=8)


@dataclass(frozen=True, kw_only=True)
class OnPhantomSchedule(Training):
    """A shorter one that tells methods apart on drawn heads."""

    epochs: int = ours(200, "the phantom schedule: past the curriculum's 148 epochs")
    batch_size: int = ours(16, "the phantom schedule")


@dataclass(frozen=True, kw_only=True)
class OnPhantomAdam(Rates):
    """The step on slices without labels, faster."""

    lr: float = ours(1e-3, "the phantom schedule")


@dataclass(frozen=True, kw_only=True)
class WangSlices(spahr.Slices):
    """Slices with hemorrhage alone."""

    window_hu: tuple[float, float] = ours(_WINDOW, _WHY)
    side: int = paper(256, "Sec. 5.1", smoke=96)
    regime: Regime = paper("ich-only", "Sec. 5.1: the slices with hemorrhage")
    normals_per_ich: float = paper(0.0, "Sec. 5.1")
    most: int | None = ours(None, "all of the training part", smoke=16)


@dataclass(frozen=True, kw_only=True)
class WangPool(PoolSlices):
    """Slices without drawn masks."""

    window_hu: tuple[float, float] = ours(_WINDOW, _WHY)
    side: int = paper(256, "Sec. 5.1", smoke=96)
    ich_only: bool = paper(value=True, source="Sec. 5.1: 100,000 of RSNA's slices with hemorrhage")
    held_out: int = ours(0, "the paper holds none out")
    split_seed: int = ours(42, "the pool's order is ours")
    most: int | None = paper(100_000, "Sec. 5.1; ours are taken evenly over the pool", smoke=48)


@dataclass(frozen=True, kw_only=True)
class Wang:
    """A training on drawn masks."""

    unet: WangUNetSettings = WangUNetSettings()
    slices: WangSlices = WangSlices()
    training: Training = Training()
    supervised: Rates = Lbfgs()  # or FixedLbfgs, on the paper's schedule
    mask_loss: Literal["jaccard", "dice"] = paper("jaccard", "Sec. 5.3")
    threshold: float = ours(0.5, "the paper names none")


@dataclass(frozen=True, kw_only=True)
class SemiSupervised(Wang):
    """And one on slices without labels: the mask of the first decoder says what the second one rebuilds."""

    pool: WangPool = WangPool()
    unsupervised: Rates = Rates()
    attention: Literal["fixed", "learnt"] = ours(
        "fixed", "Sec. 5.3 has the mask inform the reconstruction: no gradient through it, nor into its decoder"
    )
    rebuilt: Literal["linear", "sigmoid"] = ours("linear", "Figure 1 has no activation at the end")


def wang_settings(kind: type[S], job: Job) -> S:
    """Return a method's settings for a job: variant, schedule, then what the job itself asks for."""
    full: Any = variant(kind, job.variant)
    if job.schedule == "phantom":
        full = replace(full, training=OnPhantomSchedule())
        if hasattr(full, "unsupervised"):
            full = replace(full, unsupervised=OnPhantomAdam())
    step = dict(job.options).get(STEP, "usual")
    fixed = step == "fixed" or (step == "usual" and job.schedule == "paper")
    if fixed and full.supervised.optimizer == "l-bfgs":
        full = replace(full, supervised=FixedLbfgs())
    found: Any = spahr.asked(scaled(full, "smoke" if job.schedule == "smoke" else "paper"), full, job)
    if job.side is not None and hasattr(found, "pool"):
        found = replace(found, pool=replace(found.pool, side=job.side))
    return found  # type: ignore[no-any-return]


def turns_of(settings: Wang, labelled: Pool, unlabelled: Pool | None, seed: int) -> dict[str, Turn]:
    """Return what a training may take in an epoch: on masks, and where there is a pool, without them, and both."""
    size = settings.training.batch_size
    masks = mask_step(settings.mask_loss)
    found = {
        SUPERVISED: Turn(
            step=masks,
            batches=lambda epoch: labelled.epoch(_order(settings.supervised, epoch), size, seed=seed),
            rates=settings.supervised,
            moves=lambda name: not name.startswith("rebuild."),
        )
    }
    if unlabelled is None or not isinstance(settings, SemiSupervised):
        return found
    other, count = unlabelled, min(len(labelled.stream), len(unlabelled.stream))
    rebuild = rebuild_step(settings.attention, settings.rebuilt)

    def drawn(epoch: int) -> Epoch:
        return first_of(other.epoch(epoch, size, seed=seed), count)

    def pairs(epoch: int) -> Pairs:
        return Pairs(masks=labelled.epoch(epoch, size, seed=seed), others=drawn(epoch))

    def joint(net: nn.Module, batch: tuple[Batch, Batch], own: torch.Generator) -> Tensor:
        return masks(net, batch[0], own) + rebuild(net, batch[1], own)

    rates = settings.unsupervised
    keeps = "decoder."
    found[UNSUPERVISED] = Turn(step=rebuild, batches=drawn, rates=rates, moves=lambda name: not name.startswith(keeps))
    found[JOINT] = Turn(step=joint, batches=pairs, rates=rates)
    return found


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Batches with masks, each with one without; as many as there are of the fewer."""

    masks: Epoch
    others: Epoch

    @property
    def dealt(self) -> list[Any]:
        """The places of the labelled slices, batch by batch."""
        return list(self.masks.dealt[: len(self.others)])

    def __iter__(self) -> Any:
        """Yield (labelled, unlabelled)."""
        return zip(self.masks, self.others, strict=False)


def first_of(epoch: Epoch, count: int) -> Epoch:
    """Return an epoch's first `count` slices."""
    dealt, left = [], count
    for places in epoch.dealt:
        if left > 0:
            dealt.append(places[:left])
        left -= len(places)
    return Epoch(pool=epoch.pool, dealt=tuple(dealt))


def mask_step(loss: str) -> Step:
    """Return the step on drawn masks."""
    of: Callable[[Tensor, Tensor], Tensor] = jaccard_loss if loss == "jaccard" else dice_loss

    def step(net: nn.Module, batch: Batch, own: torch.Generator) -> Tensor:
        if batch.masks is None:
            raise TypeError("a training on masks needs batches with masks")
        return of(net(images_in(batch)), batch.masks)

    return step


def rebuild_step(attention: str, rebuilt: str) -> Step:
    """Return the step without masks: both decoders, the weighted error of the two rebuilt maps."""

    def step(net: Any, batch: Batch, own: torch.Generator) -> Tensor:
        image = images_in(batch)
        logits, maps = net.both(image)
        foreground = logits.float().sigmoid()
        if attention == "fixed":
            foreground = foreground.detach()
        return weighted_mse(image, foreground, maps.float().sigmoid() if rebuilt == "sigmoid" else maps)

    return step


def images_in(batch: Batch) -> Tensor:
    """Return a batch's slices, float32 in [0, 1]."""
    return batch.images.float() / 255.0


def network_of(settings: Wang) -> nn.Module:
    """Return the network, with the second decoder where the settings have a pool."""
    return AttentionNet(settings.unet) if isinstance(settings, SemiSupervised) else WangUNet(settings.unet)


def load_wang(path: Path, device: str = "cpu") -> Predictor:
    """Return the predictor of a checkpoint of one of these methods; IchBenchError where it is none."""
    kept = checkpoint.read(path)
    values = settings_in(kept.about, path)
    try:
        shape = WangUNetSettings(**{name: values[f"unet.{name}"] for name in WangUNetSettings.__dataclass_fields__})
        low, high = values["slices.window_hu"]
        side, threshold = int(values["slices.side"]), float(values["threshold"])
    except (KeyError, TypeError, ValueError) as fault:
        raise IchBenchError(f"{path} is no checkpoint of a method of Wang 2020: {fault} is missing or odd.") from fault
    both = any(name.startswith("rebuild.") for name in kept.weights)
    network = AttentionNet(shape) if both else WangUNet(shape)
    checkpoint.load_weights(network, kept.weights, source=path)
    mask = slice_predictor(network, Window(low_hu=low, high_hu=high), device, side=side, threshold=threshold)
    return Predictor(key=checkpoint.weights_sha256(kept.weights), about=kept.about, mask=mask)


def _order(rates: Rates, epoch: int) -> int:
    """Return whose order of slices is taken: L-BFGS sees the same batches in every epoch, for it compares them."""
    return 0 if rates.optimizer == "l-bfgs" else epoch
