"""How is the U-Net trained on slices with drawn masks, and what is kept beside its checkpoint?"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ich_bench.errors import UsageError
from ich_bench.places import write_json
from ich_bench_baselines import checkpoint, distributed, train
from ich_bench_baselines.alone import alone
from ich_bench_baselines.blocks.augment import Augmentation, pair
from ich_bench_baselines.blocks.losses import dice_loss
from ich_bench_baselines.blocks.transfer import WHOLE, transfer
from ich_bench_baselines.blocks.unet import UNet, UNetSettings, seeded
from ich_bench_baselines.data.loader import Batch, Pool
from ich_bench_baselines.data.pixels import Window
from ich_bench_baselines.data.slice_cases import slices_of
from ich_bench_baselines.data.slices import SliceSet
from ich_bench_baselines.data.streams import Stream, labelled
from ich_bench_baselines.hardware import hardware
from ich_bench_baselines.job import Job, budget_of, folder, trained
from ich_bench_baselines.paper import origins
from ich_bench_baselines.spahr.settings import Slices, Supervised, fit_of

ABOUT = "about.json"
TRAINED_AS = ("method", "seed", "schedule", "variant")


@dataclass(frozen=True, kw_only=True)
class Start:
    """Weights that a training starts from: of a pretext, `parts` of them (`transfer`), `path` its checkpoint."""

    weights: Mapping[str, Tensor]
    parts: tuple[str, ...] = WHOLE
    path: Path | None = None


def train_segmentation(
    job: Job, settings: Supervised, start: Mapping[str, Tensor] | Start | None = None, *, to: Path | None = None
) -> Path:
    """Train a U-Net on the labelled slices of a fold and return its checkpoint, that of the last epoch.

    Beside it lie log.csv and about.json: what was trained on, counted, and on which machine. Done, it is returned as it
    is; interrupted, it goes on.

    Args:
        job: Which fold of which data.
        settings: From `spahr.settings.settings_for`.
        start: A pretext's weights, or None for the network's own first ones. A bare mapping stands for all of them.
        to: Where it goes; `job.folder(job)` by default.

    Raises:
        UsageError, IchBenchError: the job is none, its data are not here, or hold nothing to learn from.
    """
    begun = Start(weights=start) if isinstance(start, Mapping) else start
    slices = trained_slices(job, settings.slices)
    stream = stream_of(job, slices, settings.slices)
    return fitted(job, settings, slices, stream, "masks", begun, to or folder(job))


def fitted(
    job: Job, settings: Supervised, slices: SliceSet, stream: Stream, truth: str, start: Start | None, out: Path
) -> Path:
    """Train on a stream whose truth is `masks` or `cavity`; the rest as in `train_segmentation`."""
    how = fit_of(settings.training)
    about = about_training(job, settings, slices, stream, start)
    device = distributed.begin(job.device)
    with alone(out, job.tell):  # another method, or another process, may need the same training
        if _is_finished(out / train.LAST, about, how, job):
            return out / train.LAST
        return _trained(job, settings, slices, stream, truth, start, out, device, about)


def _trained(job: Job, settings: Supervised, slices: SliceSet, stream: Stream, truth: str, start: Start | None,
             out: Path, device: str, about: Mapping[str, Any]) -> Path:  # fmt: skip
    how = fit_of(settings.training)
    network = first_network(settings.unet, job.seed, start)
    pool = Pool.on(device, slices, stream, kinds=("images", truth))

    def batches(epoch: int) -> Any:
        return pool.epoch(epoch, how.batch_size, seed=job.seed, rank=distributed.rank(), world=distributed.world())

    if distributed.leads() and not ((out / train.LAST).is_file() and (out / ABOUT).is_file()):
        told = counted(job, slices, stream)
        ran = {"machine": hardware(device), "precision": job.precision, "compiled": job.compiled}
        size = {"side": settings.slices.side, "width": settings.unet.top}
        before = None if start is None or start.path is None else os.path.relpath(start.path, out)
        write_json(out / ABOUT, {**told, **ran, **size, "label_kind": truth, "pretext": before})
    run = train.Run(
        out=out,
        device=device,
        precision=job.precision,
        compiled=job.compiled,
        seed=job.seed,
        progress=job.progress,
    )
    step = segmentation_step(settings.augmentation, settings.empty_weight, truth)
    return train.fit(network, step, batches, how, run, about)


def _is_finished(path: Path, about: Mapping[str, Any], how: train.Fit, job: Job) -> bool:
    """Return whether this very training is done; IchBenchError where another one lies there."""
    if not path.is_file():
        return False
    kept = checkpoint.read(path)
    checkpoint.check_same(path, kept.about, train.told(about, how, seed=job.seed, precision=job.precision))
    return kept.epoch >= how.epochs


def segmentation_step(augmentation: Augmentation, empty_weight: float, truth: str = "masks") -> train.Step:
    """Return the step of a segmentation: augment image and mask together, then the Dice loss of the logits."""

    def step(net: nn.Module, batch: Batch, own: torch.Generator) -> Tensor:
        target = getattr(batch, truth)
        changed = pair(batch.images, target, augmentation, own)
        images = changed.images.contiguous(memory_format=torch.channels_last)
        return dice_loss(net(images), changed.masks, empty_weight=empty_weight)

    return step


def first_network(settings: UNetSettings, seed: int, start: Start | None = None) -> UNet:
    """Return the network as it starts: weights from the seed, then those of the pretext."""
    network = seeded(lambda: UNet(settings), seed)
    if start is not None:
        transfer(start.weights, network, start.parts)
    return network


def trained_slices(job: Job, settings: Slices) -> SliceSet:
    """Return the cached slices of the dataset that is trained on, made on first use."""
    low, high = settings.window_hu
    return slices_of(
        job.trained_dataset,
        window=Window(low_hu=low, high_hu=high),
        side=settings.side,
        source=job.trained_data,
        jobs=job.jobs,
        progress=job.progress,
        tell=job.tell,
    )


def stream_of(job: Job, slices: SliceSet, settings: Slices) -> Stream:
    """Return the labelled slices that the job may see, at most `settings.most` of them."""
    scheme, fold = trained(job)
    budget, draw = budget_of(job)
    stream = labelled(
        slices.index,
        scheme,
        fold,
        budget=budget,
        draw=draw,
        regime=settings.regime,
        seed=job.seed,
        normals_per_ich=settings.normals_per_ich,
    )
    return thinned(stream, settings.most)


def thinned(stream: Stream, most: int | None) -> Stream:
    """Return at most so many rows of a stream: with and without ICH in the same shares, evenly over the cases."""
    if most is None or len(stream) <= most:
        return stream
    if most < 1:
        raise UsageError(f"at most {most} slices: expected 1 or more.")
    with_ich = min(most, max(1, round(most * float(stream.positive.mean()))))
    places = [
        group[np.arange(count) * len(group) // count]
        for group, count in (
            (np.flatnonzero(stream.positive), with_ich),
            (np.flatnonzero(~stream.positive), most - with_ich),
        )
        if count and len(group)
    ]
    kept = np.unique(np.concatenate(places))
    labels = None if stream.labels is None else stream.labels[kept]
    about = f"{stream.about}; thinned to {len(kept)} slices"
    return replace(stream, rows=stream.rows[kept], positive=stream.positive[kept], labels=labels, about=about)


def about_training(
    job: Job, settings: Any, slices: SliceSet, stream: Stream, start: Start | None = None
) -> dict[str, Any]:
    """Return the plain values that a checkpoint carries: whose it is, each hyper-parameter and where it comes from."""
    scheme, fold = trained(job)
    return {
        **{name: getattr(job, name) for name in TRAINED_AS},
        "dataset": scheme.dataset,
        "scheme": scheme.name,
        "scheme_sha256": scheme.sha256,
        "fold": None if job.elsewhere else fold,
        "budget": job.budget,
        "slices": slices.key,
        "slices_trained_on": len(stream),
        "settings": [dataclasses.asdict(row) for row in origins(settings)],
        "started_from": None if start is None else start_sha256(start),
    }


def counted(job: Job, slices: SliceSet, stream: Stream) -> dict[str, Any]:
    """Return what the manifest says of the labels: patients and slices whose drawn masks were used, and their mL.

    `annotated_ml` is None where the cache does not know it.
    """
    rows = slices.index.iloc[stream.rows]
    ml = rows.get("ich_ml")
    return {
        "method": job.method,
        "dataset": job.trained_dataset,
        "about": stream.about,
        "notes": [*stream.notes, *slices.notes],
        "label_source": stream.label_source,
        "slices": len(stream),
        "annotated_slices": int(stream.positive.sum()),
        "annotated_patients": int(rows["patient_id"].nunique()),
        "annotated_ml": None if ml is None or ml.isna().any() else round(float(ml.sum()), 3),
    }


def start_sha256(start: Start) -> str:
    """Return the hash of the weights a training starts from."""
    return checkpoint.weights_sha256({name: start.weights[name] for name in sorted(start.weights)})
