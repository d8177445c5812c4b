"""How is Qayyum 2023's coarse network trained on any cases of a fold's training part, and how does it predict?

    path = train_coarse(job, cases=training_cases(job), to=folder(job))  # an inner part of them chooses the epoch
    predictor = load_coarse(path, device)  # CT → mask on its own grid

The fine stage needs coarse masks of the very cases that it is trained on: it calls `train_coarse` with inner folds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor, nn

from ich_bench.cases import Dataset
from ich_bench.datasets import load_dataset
from ich_bench.errors import IchBenchError
from ich_bench.places import write_json
from ich_bench.volume import CT
from ich_bench_baselines import checkpoint, distributed, train
from ich_bench_baselines.blocks.unet import seeded
from ich_bench_baselines.data.loader import Batch, Pool
from ich_bench_baselines.data.pixels import Mask
from ich_bench_baselines.data.slice_build import build
from ich_bench_baselines.data.slices import SliceSet
from ich_bench_baselines.data.streams import Stream
from ich_bench_baselines.data.volumes import drawn_slices, native_stack, plan_volumes, stack_of
from ich_bench_baselines.hardware import hardware
from ich_bench_baselines.job import Job, trained, training_cases
from ich_bench_baselines.predict import Predictor, settings_in
from ich_bench_baselines.qayyum.dense import DenseNet2D, DenseSettings
from ich_bench_baselines.qayyum.settings import METHOD, Coarse, FlipsAndGamma, Stacks, coarse_settings
from ich_bench_baselines.segment import ABOUT, about_training, thinned
from ich_bench_baselines.validation import Inner, Watch, inner

BATCH = 16  # slices at once where nothing is learnt


def train_coarse(job: Job, *, cases: Sequence[str], to: Path, settings: Coarse | None = None) -> Path:
    """Train the coarse network on these cases and return the checkpoint of its best epoch.

    An inner part of the patients of `cases` (of all training cases: those that the scheme names) chooses the epoch and
    is not trained on. Every batch is held against whatever is not among `cases`: the test fold above all. Beside the
    checkpoint lie log.csv and about.json. Done, it is returned as it is; interrupted, it goes on.

    Args:
        job: Which fold of which data; also of another method, such as the one that builds on this.
        cases: Ids among the training cases of the job's fold, whole patients.
        to: The folder.
        settings: By default `coarse_settings(job, Coarse)`.

    Raises:
        UsageError, IchBenchError: the job is none, its data are not here, hold nothing to learn from, or a case is one
            of the test fold.
    """
    how = settings or coarse_settings(job, Coarse)
    own = replace(job, method=METHOD, options=())
    scheme, fold = trained(job)
    dataset = load_dataset(job.trained_dataset, job.trained_data)
    slices = _stacks(job, dataset, how.stacks)
    whole = set(cases) == set(training_cases(job))
    share = how.training.inner_share
    parts = inner(slices.index, cases, scheme=scheme, fold=fold, share=share, seed=job.seed, whole=whole)
    patients = dict(zip(slices.index["case_id"], slices.index["patient_id"], strict=True))
    guards = parts.guards(scheme, fold, patients=patients)
    stream = thinned(_stream(slices, parts.train, guards[0], f"fold {fold} of {scheme.dataset}"), how.stacks.most)
    aside = thinned(_stream(slices, parts.validation, guards[1], parts.named), how.stacks.most)
    fit = train.Fit(epochs=how.training.epochs, batch_size=how.training.batch_size, lr=how.training.lr)
    device = distributed.begin(job.device)
    if distributed.leads() and not ((to / train.LAST).is_file() and (to / ABOUT).is_file()):
        write_json(to / ABOUT, _facts(own, how, dataset, parts, stream, slices, device))
    network = seeded(lambda: DenseNet2D(how.net), job.seed)
    pool = Pool.on(device, slices, stream)
    watched = Pool.on(device, slices, aside)

    def batches(epoch: int) -> Any:
        return pool.epoch(epoch, fit.batch_size, seed=job.seed, rank=distributed.rank(), world=distributed.world())

    run = train.Run(out=to, device=device, precision=job.precision, compiled=job.compiled, seed=job.seed,
                    progress=job.progress)  # fmt: skip
    ids = hashlib.sha256("\n".join(sorted(cases)).encode()).hexdigest()[:16]
    about = {**about_training(own, how, slices, stream), "cases": ids}
    watch = Watch(score=validation_of(watched), patience=how.training.patience)
    return train.fit(network, coarse_step(how.augmentation), batches, fit, run, about, watch)


def load_coarse(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask, slices stacked and brought back; all it needs is read from the checkpoint.

    IchBenchError where it is none of `train_coarse`.
    """
    kept = checkpoint.read(path)
    values = settings_in(kept.about, path)
    try:
        shape = {name: values[f"net.{name}"] for name in DenseSettings.__dataclass_fields__}
        network = DenseNet2D(DenseSettings(**{**shape, "decoder": tuple(shape["decoder"])}))
        stacks = Stacks(**{name: values[f"stacks.{name}"] for name in Stacks.__dataclass_fields__})
        threshold = float(values["threshold"])
    except (KeyError, TypeError, ValueError) as fault:
        raise IchBenchError(f"{path} is no checkpoint of a coarse stage: {fault} is missing or odd.") from fault
    checkpoint.load_weights(network, kept.weights, source=path)
    network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    @torch.inference_mode()
    def mask(ct: CT) -> Mask:
        images = torch.from_numpy(stack_of(ct, stacks.shape, stacks.intensity, stacks.window)).unsqueeze(1)
        starts = range(0, len(images), BATCH)
        some = (images[start : start + BATCH].to(device) for start in starts)
        found = [(network(one).float().sigmoid() >= threshold)[:, 0].cpu() for one in some]
        return native_stack(torch.cat(found).numpy(), ct.geometry)

    return Predictor(key=checkpoint.weights_sha256(kept.weights), about=kept.about, mask=mask)


def coarse_step(settings: FlipsAndGamma) -> train.Step:
    """Return the step: mirror image and mask together, brighten or darken the image, then the cross-entropy."""

    def step(net: nn.Module, batch: Batch, own: torch.Generator) -> Tensor:
        images, masks = flips_and_gamma(batch.images, _masks(batch), settings, own)
        return bce(net(images.contiguous(memory_format=torch.channels_last)), masks)

    return step


def flips_and_gamma(
    images: Tensor, masks: Tensor, settings: FlipsAndGamma, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return images in [0, 1] and masks (n, 1, h, w), changed slice by slice by numbers from the generator.

    A slice is mirrored left to right (columns) and front to back (rows) with its mask; its image is raised to a power.
    """
    chance = torch.rand(4, len(images), generator=generator, device=generator.device)
    chance = chance.to(images.device)[..., None, None, None]
    low, high = settings.gamma
    for number, (axis, often) in enumerate(((3, settings.horizontal), (2, settings.vertical))):
        mirrored = chance[number] < often
        images = torch.where(mirrored, images.flip(axis), images)
        masks = torch.where(mirrored, masks.flip(axis), masks)
    power = torch.where(chance[2] < settings.gamma_chance, low + (high - low) * chance[3], 1.0)
    return images.clamp(0, 1) ** power, masks


def bce(logits: Tensor, masks: Tensor) -> Tensor:
    """Return the binary cross-entropy meant over all pixels of all slices, in float32."""
    return F.binary_cross_entropy_with_logits(logits.float(), (masks != 0).float())


def validation_of(pool: Pool) -> Callable[[nn.Module], float]:
    """Return network → the loss over all pixels of a pool's slices, its sign turned: the higher the better."""

    def score(model: nn.Module) -> float:
        total = 0.0
        for batch in pool.epoch(0, BATCH, seed=0):
            total += float(bce(model(batch.images), _masks(batch))) * len(batch)
        return -total / len(pool.stream)

    return score


def stages(job: Job, settings: Coarse, name: str = "") -> Iterator[tuple[str, int, int, int, int | None]]:
    """Yield the training as a plan tells it: name, cases, epochs, batch, slices (None: not known before)."""
    cases, training = len(training_cases(job)), settings.training
    fitted = cases - round(training.inner_share * cases)
    many = fitted * settings.stacks.depth
    yield name, cases, training.epochs, training.batch_size, min(many, settings.stacks.most or many)


def _masks(batch: Batch) -> Tensor:
    if batch.masks is None:
        raise ValueError("a batch without masks")
    return batch.masks


def _stacks(job: Job, dataset: Dataset, settings: Stacks) -> SliceSet:
    how = plan_volumes(dataset, shape=settings.shape, intensity=settings.intensity, window=settings.window)
    return build(how, jobs=job.jobs, progress=job.progress, tell=job.tell)


def _stream(slices: SliceSet, cases: Sequence[str], guard: Any, where: str) -> Stream:
    rows = np.flatnonzero(np.isin(slices.index["case_id"].to_numpy(dtype=str), list(cases))).astype(np.int64)
    positive = slices.index["has_ich"].to_numpy(dtype=bool)[rows]
    about = (
        f"{where}: {int(positive.sum())} slices with ICH and {int((~positive).sum())} without, of {len(cases)} cases"
    )
    return Stream(rows=rows, positive=positive, guard=guard, about=about, label_source="mask")


def _facts(job: Job, settings: Coarse, dataset: Dataset, parts: Inner, stream: Stream, slices: SliceSet, device: str
           ) -> dict[str, Any]:  # fmt: skip
    """Return what the manifest says of the labels and the machine; slices are those of the CTs, not of the stacks."""
    used = [dataset.case(case) for case in (*parts.train, *parts.validation)]
    return {
        "method": job.method,
        "dataset": job.trained_dataset,
        "about": stream.about,
        "notes": list(slices.notes),
        "label_source": stream.label_source,
        "label_kind": "masks",
        "slices": len(stream),
        "annotated_slices": sum(drawn_slices(case) for case in used),
        "annotated_patients": len({case.patient_id for case in used}),
        "validation": parts.named,
        "validation_cases": list(parts.validation),
        "machine": hardware(device),
        "precision": job.precision,
        "compiled": job.compiled,
        "side": settings.stacks.side,
        "width": settings.net.stem,
        "pretext": None,
    }
