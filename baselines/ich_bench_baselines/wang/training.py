"""How is a method of Wang 2020 trained on a fold, and what is kept beside its checkpoint?"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ich_bench.errors import UsageError
from ich_bench.places import write_json
from ich_bench_baselines import distributed
from ich_bench_baselines.blocks.transfer import transfer
from ich_bench_baselines.blocks.unet import seeded
from ich_bench_baselines.data.guard import Guard
from ich_bench_baselines.data.loader import Pool
from ich_bench_baselines.data.slice_build import build
from ich_bench_baselines.data.slices import SliceSet
from ich_bench_baselines.data.streams import Stream, unlabelled
from ich_bench_baselines.hardware import hardware
from ich_bench_baselines.job import Job, folder, trained, training_cases
from ich_bench_baselines.parts import facts, write_parts
from ich_bench_baselines.pretext import training as pretrain
from ich_bench_baselines.segment import ABOUT, Start, about_training, counted, stream_of, thinned, trained_slices
from ich_bench_baselines.train import LAST, Run
from ich_bench_baselines.wang import slice_split, turns
from ich_bench_baselines.wang.curriculum import Strategy, order_of
from ich_bench_baselines.wang.divergence import Rules
from ich_bench_baselines.wang.settings import SemiSupervised, Wang, network_of, turns_of


def train_wang(
    job: Job, settings: Wang, strategy: Strategy, *, start: Start | None = None, rules: Rules | None = None
) -> Path:
    """Train a fold and return its checkpoint; of `wang-slices` a parts.json with a checkpoint a fold of slices.

    Done, it is returned as it is; interrupted, it goes on.

    Args:
        job: Which fold of which data.
        settings: From `wang.settings.wang_settings`.
        strategy: What an epoch takes.
        start: The weights of a pre-trained encoder.
        rules: Where given, a training that diverges ends there, and about.json says how; else it is an error.

    Raises:
        UsageError, IchBenchError: the job is none, its data are not here, or hold nothing to learn from.
    """
    if distributed.is_group():
        raise UsageError(f"{job.method} trains on one GPU or CPU: start it without torchrun.")
    slices = trained_slices(job, settings.slices)
    if not slice_split.is_slice_split(job):
        stream = stream_of(job, slices, settings.slices)
        return _fitted(job, settings, strategy, slices, stream, start, rules, folder(job))
    made: dict[str, Path | str] = {}
    for part, stream in slice_split.streams(job, slices.index).items():
        thin = thinned(stream, settings.slices.most)
        made[part] = _fitted(job, settings, strategy, slices, thin, start, rules, folder(job) / part)
    dealt = slice_split.dealt(job, slices.index)
    about = {"dataset": job.dataset, "scheme": slice_split.SCHEME, "leaky": True, "dealt": dealt}
    return write_parts(folder(job), job.method, made, about)


def stages(job: Job, settings: Wang, name: str = "") -> Iterator[tuple[str, int, int, int, int | None]]:
    """Yield what a job trains: part, training cases, epochs, batch, slices (None: not counted yet)."""
    parts = slice_split.names(job) if slice_split.is_slice_split(job) else (name,)
    for part in parts:
        yield part, len(training_cases(job)), settings.training.epochs, settings.training.batch_size, None


def divergences(job: Job) -> tuple[str, ...]:
    """Return in words how the trainings beside this job's own diverged, all folds and seeds that are there."""
    home = folder(job).parent if job.elsewhere else folder(job).parent.parent
    found = []
    for path in sorted(home.glob(f"**/{ABOUT}")):
        said = facts(path.parent).get("diverged")
        if said:
            found.append(f"{path.parent.relative_to(home)}: {said['words']}")
    return tuple(found)


def _fitted(
    job: Job,
    settings: Wang,
    strategy: Strategy,
    slices: SliceSet,
    stream: Stream,
    start: Start | None,
    rules: Rules | None,
    out: Path,
) -> Path:
    device = job.device
    held = False if turns.is_finished(out / LAST, settings.training.epochs) else None  # nothing is put on a GPU then
    labelled = Pool.on(device, slices, stream, resident=held)
    other, extra = None, {}
    if isinstance(settings, SemiSupervised):
        other = pool_of(job, settings, stream.guard, held)
        extra = {"pool": f"{other.slices.dataset}-{other.slices.key}", "pool_slices": len(other.stream)}
    about = {**about_training(job, settings, slices, stream, start), **extra, "strategy": strategy}
    possible = turns_of(settings, labelled, other, job.seed)
    order = order_of(strategy, job.seed, getattr(settings, "k", 40.0))
    used = {name: turn for name, turn in possible.items() if name in _taken(strategy)}
    run = Run(
        out=out,
        device=device,
        precision=job.precision,
        compiled=job.compiled,
        seed=job.seed,
        progress=job.progress,
    )
    if not ((out / LAST).is_file() and (out / ABOUT).is_file()):
        before = None if start is None or start.path is None else os.path.relpath(start.path, out)
        ran = {"machine": hardware(device), "precision": job.precision, "compiled": job.compiled}
        size = {"side": settings.slices.side, "width": settings.unet.top}
        write_json(
            out / ABOUT,
            {**counted(job, slices, stream), **extra, **ran, **size, "label_kind": "masks", "pretext": before},
        )
    network = seeded(lambda: network_of(settings), job.seed)
    if start is not None:
        transfer(start.weights, network, start.parts)
    path = turns.fit_in_turns(network, used, order, settings.training.epochs, run, about, rules)
    fault = turns.divergence_in(path)
    if fault is not None and "diverged" not in facts(out):
        write_json(out / ABOUT, {**facts(out), "diverged": dataclasses.asdict(fault)})
    if fault is not None and job.tell is not None:
        job.tell(f"{job.method} diverged, which is its result: {fault.words} Its last sound weights predict.")
    return path


def pool_of(job: Job, settings: SemiSupervised, apart: Guard, resident: bool | None = None) -> Pool:
    """Return the pool's slices without labels; a slice of what the fold keeps apart is refused in any batch."""
    plan = pretrain.plan_of(job, settings.pool)
    cache = build(plan, jobs=job.jobs, progress=job.progress, tell=job.tell)
    rows = settings.pool
    stream = unlabelled(cache.index, by=rows.by, held_out=rows.held_out, seed=rows.split_seed, ich_only=rows.ich_only)
    stream = thinned(stream, rows.most)
    scheme, fold = trained(job)
    own = stream.guard
    guard = Guard(
        cases=own.cases | apart.cases,
        patients=own.patients | apart.patients,
        slices=own.slices | apart.slices,
        where=f"the test part of fold {fold} of {scheme.dataset}/{scheme.name}, or held out of the pool",
    )
    return Pool.on(job.device, cache, dataclasses.replace(stream, guard=guard), kinds=("images",), resident=resident)


def _taken(strategy: Strategy) -> tuple[str, ...]:
    order: Any = {"supervised": ("supervised",), "joint": ("joint",)}
    found: tuple[str, ...] = order.get(strategy, ("supervised", "unsupervised"))
    return found
