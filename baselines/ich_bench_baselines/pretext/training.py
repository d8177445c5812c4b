"""Is this pretext trained already, and if not, how is it trained once for every method and fold that needs it?

    OUT/pretext/<task>-<key>/    last.ckpt, log.csv, about.json

The key is that of everything the weights depend on: task, settings, slices of the pool, seed, schedule, precision, and
the pretext that goes before. So a second method, fold or budget takes the same file; none of them trains it again.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import nn

from ich_bench.errors import UsageError
from ich_bench.escape import printable
from ich_bench.places import write_json
from ich_bench_baselines import checkpoint, distributed, train
from ich_bench_baselines.alone import alone
from ich_bench_baselines.blocks.transfer import transfer
from ich_bench_baselines.blocks.unet import seeded
from ich_bench_baselines.data.loader import Pool
from ich_bench_baselines.data.pixels import Window
from ich_bench_baselines.data.pools import dicom_pool, phantom_pool
from ich_bench_baselines.data.slice_build import Plan, build
from ich_bench_baselines.data.slices import SliceSet, key_of
from ich_bench_baselines.data.streams import Stream, unlabelled, weak
from ich_bench_baselines.hardware import hardware
from ich_bench_baselines.job import Job
from ich_bench_baselines.paper import origins
from ich_bench_baselines.pretext.settings import PoolSlices
from ich_bench_baselines.pretext.tasks import Task
from ich_bench_baselines.segment import ABOUT, Start, start_sha256, thinned
from ich_bench_baselines.spahr.settings import fit_of

KINDS = "phantom-pool:N (N drawn heads) or rsna (rsna:FOLDER where it lies elsewhere)"
LABEL_KINDS = {"none": "none", "slice": "slice labels", "slice-subtypes": "slice labels of the subtypes"}


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One pretext of a job: where it lies or will lie, how far it is, and the slices it will see, at least about."""

    task: str
    folder: Path
    epochs: int
    done: int
    slices: int


def pretext(job: Job, task: Task) -> Path:
    """Return the checkpoint of a pretext task, trained now where it is not there yet, and what goes before it.

    Raises:
        UsageError: the job names no pool, or none that there is.
        IchBenchError: the pool is not here, or too small; memory or the disk is full; the loss is not finite.
    """
    return _trained(job, task, task.settings(job), plan_of(job, task.settings(job).slices))


def started(job: Job, task: Task) -> Start:
    """Return what a training on drawn masks starts from after a pretext."""
    path = pretext(job, task)
    return Start(weights=checkpoint.read(path).weights, parts=task.parts, path=path)


def planned(job: Job, task: Task) -> tuple[Planned, ...]:
    """Return the pretexts that a job needs, in their order; nothing is drawn, read or trained."""
    settings = task.settings(job)
    plan = plan_of(job, settings.slices)
    stages = [] if task.after is None else [(task.after, settings.first)]
    found = []
    for one, own in [*stages, (task, settings)]:
        out = folder_of(job, one, own, plan)
        done = checkpoint.read(out / train.LAST).epoch if (out / train.LAST).is_file() else 0
        about = min(plan.count(), own.slices.most or plan.count())
        found.append(Planned(task=one.id, folder=out, epochs=own.training.epochs, done=done, slices=about))
    return tuple(found)


def plan_of(job: Job, slices: PoolSlices) -> Plan:
    """Return the plan of the job's pool; UsageError where the job names none, or none that there is."""
    if job.pool is None:
        raise UsageError(f"a pretext learns from a pool of slices: name one with --pool. {KINDS}.")
    kind, _, rest = job.pool.partition(":")
    window = Window(low_hu=slices.window_hu[0], high_hu=slices.window_hu[1])
    if kind == "rsna":
        return dicom_pool(rest or None, seed=slices.split_seed, window=window, side=slices.side)
    if kind == "phantom-pool" and rest.isdecimal() and int(rest) > 0:
        return phantom_pool(int(rest), window=window, side=slices.side)
    raise UsageError(f"--pool {printable(job.pool)}: there is no such pool. {KINDS}.")


def stream_of(task: Task, slices: PoolSlices, cache: SliceSet, part: Literal["train", "held-out"] = "train") -> Stream:
    """Return the slices of a pool that a task may see, with labels only where it learns from them."""
    how: dict[str, Any] = {"by": slices.by, "held_out": slices.held_out, "seed": slices.split_seed, "part": part}
    if task.labels == "none":
        found = unlabelled(cache.index, ich_only=slices.ich_only, **how)
    else:
        found = weak(cache.index, **how)
    return thinned(found, slices.most)


def folder_of(job: Job, task: Task, settings: Any, plan: Plan) -> Path:
    """Return where a pretext lies; its name ends in the key of all that its weights depend on."""
    return job.out / "pretext" / f"{task.id}-{_key(job, task, settings, plan)}"


def _key(job: Job, task: Task, settings: Any, plan: Plan) -> str:
    return key_of(
        {
            "task": task.id,
            "settings": {row.name: row.value for row in origins(settings)},
            "pool": f"{plan.dataset}-{plan.key}",
            "seed": job.seed,
            "schedule": job.schedule,
            "precision": job.precision,
            "after": None if task.after is None else _key(job, task.after, settings.first, plan),
        }
    )


def _trained(job: Job, task: Task, settings: Any, plan: Plan) -> Path:
    out, how = folder_of(job, task, settings, plan), fit_of(settings.training)
    device = distributed.begin(job.device)
    if train.is_done(out, how):
        distributed.tell(job.tell, f"{task.id} is there already: {out}")
        return out / train.LAST
    before = None if task.after is None else _trained(job, task.after, settings.first, plan)
    with alone(out, job.tell):
        if train.is_done(out, how):  # another one trained it in the meantime
            return out / train.LAST
        cache = build(plan, jobs=job.jobs, progress=job.progress, tell=job.tell)
        stream = stream_of(task, settings.slices, cache)
        distributed.tell(job.tell, f"{task.id}: {stream.about}")
        return _fitted(job, task, settings, cache, stream, before, out, device)


def _fitted(
    job: Job, task: Task, settings: Any, cache: SliceSet, stream: Stream, before: Path | None, out: Path, device: str
) -> Path:
    network = seeded(lambda: task.network(settings), job.seed)
    begun = None if before is None or task.after is None else _begun(network, task.after, before)
    pool = Pool.on(device, cache, stream, kinds=("images",))
    how = fit_of(settings.training)

    def batches(epoch: int) -> Any:
        ranks = {"rank": distributed.rank(), "world": distributed.world()}
        return pool.epoch(epoch, how.batch_size, seed=job.seed, drop_last=task.drop_last, **ranks)

    about = {
        "task": task.id,
        "schedule": job.schedule,
        "pool": f"{cache.dataset}-{cache.key}",
        "slices_trained_on": len(stream),
        "settings": [dataclasses.asdict(row) for row in origins(settings)],
        "started_from": None if begun is None else start_sha256(begun),
    }
    run = train.Run(
        out=out,
        device=device,
        precision=job.precision,
        compiled=job.compiled,
        seed=job.seed,
        progress=job.progress,
    )
    if distributed.leads():
        write_json(
            out / ABOUT,
            {
                "task": task.id,
                "about": stream.about,
                "notes": [*stream.notes, *cache.notes],
                "slices": len(stream),
                "label_kind": LABEL_KINDS[task.labels],
                "pretext": None if before is None else str(before),
                "machine": hardware(device),
            },
        )
    return train.fit(network, task.step(settings, stream), batches, how, run, about)


def _begun(network: nn.Module, task: Task, path: Path) -> Start:
    """Put the weights of the pretext before into a network; return them."""
    start = Start(weights=checkpoint.read(path).weights, parts=task.parts, path=path)
    transfer(start.weights, network, start.parts)
    return start
