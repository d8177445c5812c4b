"""What would a run do: which trainings, on how many slices, in how many steps, for how long?

Counts need the slices, which are counted only where they are cached already; hours need a speed, which is only known
where something of the same size was trained on this machine into the same OUT. What is not known is None.
"""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from ich_bench.datasets import load_dataset, reader
from ich_bench.errors import IchBenchError
from ich_bench.phantom.library import HEADS, default_folder
from ich_bench_baselines.data.pixels import Window
from ich_bench_baselines.data.slice_cases import plan
from ich_bench_baselines.data.slices import SliceSet, is_whole, open_slices
from ich_bench_baselines.experiment import jobs_of
from ich_bench_baselines.hardware import hardware
from ich_bench_baselines.job import Job, tested, training_cases
from ich_bench_baselines.methods import method
from ich_bench_baselines.parts import facts
from ich_bench_baselines.pretext import training as pretrain
from ich_bench_baselines.pretext.tasks import Task
from ich_bench_baselines.segment import stream_of
from ich_bench_baselines.spahr.settings import Supervised
from ich_bench_baselines.train import LOG


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One training of a run and the heads it predicts; of a pretext, no cases: slices of a pool, at least about."""

    job: Job
    part: str  # which of the method's networks, "" where it has one
    train_cases: int
    test_cases: int
    epochs: int
    batch: int
    slices: int | None
    hours: float | None

    @property
    def steps(self) -> int | None:
        """How many batches in all epochs."""
        return None if self.slices is None else self.epochs * math.ceil(self.slices / self.batch)


def planned(job: Job, *, folds: Sequence[int] | None = None, seeds: Sequence[int] = (0,)) -> tuple[Planned, ...]:
    """Return the trainings of a run, in its order; nothing is drawn, cached, trained or written.

    UsageError where the run would be refused.
    """
    found: list[Planned] = []
    kept: dict[Any, SliceSet | None] = {}
    jobs = jobs_of(job, folds=folds, seeds=seeds)
    for first in {one.seed: one for one in reversed(jobs)}.values():
        found += pretexts(first)
    for one in jobs:
        scheme = tested(one)
        heads = len(scheme.rows) if one.elsewhere else len(scheme.test_cases(one.fold))
        own_words = getattr(method(one.method), "stages", None)
        if own_words is not None:
            found += [_stage(one, heads, *stage) for stage in own_words(one)]
            continue
        for part, settings in networks(method(one.method).settings(one)):
            window = (settings.slices.window_hu, settings.slices.side)
            if window not in kept:
                kept[window] = _cached(one, *window)
            count = _count(one, kept[window], settings)
            speed = None if count is None else measured_speed(one, settings)
            hours = None if count is None or speed is None else settings.training.epochs * count / speed / 3600
            found.append(
                Planned(
                    job=one,
                    part=part,
                    train_cases=len(training_cases(one)),
                    test_cases=heads,
                    epochs=settings.training.epochs,
                    batch=settings.training.batch_size,
                    slices=count,
                    hours=hours,
                )
            )
    return tuple(found)


def _stage(job: Job, heads: int, part: str, train_cases: int, epochs: int, batch: int, slices: int | None) -> Planned:
    """Return a training of which the method itself says how large it is; how fast it is, nobody measured."""
    return Planned(
        job=job,
        part=part,
        train_cases=train_cases,
        test_cases=heads,
        epochs=epochs,
        batch=batch,
        slices=slices,
        hours=None,
    )


def pretexts(job: Job) -> Iterator[Planned]:
    """Yield the pretexts that a method's folds of one seed share, in their order; none for most methods."""
    tasks = [one for one in vars(method(job.method)).values() if isinstance(one, Task)]
    for task in tasks:
        settings = task.settings(job)
        own = {task.id: settings, **({} if task.after is None else {task.after.id: settings.first})}
        for one in pretrain.planned(job, task):
            training = own[one.task].training
            yield Planned(
                job=job,
                part=f"pretext {one.task}",
                train_cases=0,
                test_cases=0,
                epochs=one.epochs,
                batch=training.batch_size,
                slices=one.slices,
                hours=None,
            )


def networks(settings: Any, name: str = "") -> Iterator[tuple[str, Supervised]]:
    """Yield the trainings on drawn masks within a method's settings, with their dotted names."""
    if isinstance(settings, Supervised):
        yield name, settings
    elif is_dataclass(settings):
        for one in fields(settings):
            yield from networks(getattr(settings, one.name), f"{name}.{one.name}".lstrip("."))


def measured_speed(job: Job, settings: Supervised) -> float | None:
    """Return the median of slices/s in the logs below OUT of trainings of this size on this machine; None: none."""
    like = {
        "machine": hardware(job.device),
        "precision": job.precision,
        "compiled": job.compiled,
        "side": settings.slices.side,
        "width": settings.unet.top,
    }
    speeds: list[float] = []
    for log in sorted(job.out.rglob(LOG)) if job.out.is_dir() else ():
        said = facts(log.parent)
        if all(said.get(name) == value for name, value in like.items()):
            speeds += _speeds(log)
    return statistics.median(speeds) if speeds else None


def is_here(dataset: str, data: Path | None) -> bool:
    """Return whether a dataset lies on this machine; a drawn one that is not drawn yet does not."""
    if data is None and getattr(reader(dataset), "home", None) is not None:
        return (default_folder(dataset) / HEADS).is_file()
    try:
        load_dataset(dataset, data)
    except IchBenchError:
        return False
    return True


def _speeds(log: Path) -> list[float]:
    try:
        with log.open(newline="", encoding="utf-8") as lines:
            return [float(row["slices_per_s"]) for row in csv.DictReader(lines)]
    except (OSError, ValueError, KeyError):
        return []


def _cached(job: Job, window_hu: tuple[float, float], side: int) -> SliceSet | None:
    if not is_here(job.trained_dataset, job.trained_data):
        return None
    low, high = window_hu
    where = plan(
        load_dataset(job.trained_dataset, job.trained_data), window=Window(low_hu=low, high_hu=high), side=side
    )
    return open_slices(where.folder) if is_whole(where.folder) else None


def _count(job: Job, slices: SliceSet | None, settings: Supervised) -> int | None:
    return None if slices is None else len(stream_of(job, slices, settings.slices))
