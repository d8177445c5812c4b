"""What would `run --all` cost, method by method: trainings, hours where a speed was measured, disk, and downloads?"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ich_bench.datasets import card
from ich_bench.errors import IchBenchError, UsageError
from ich_bench.places import data_folder
from ich_bench.tables.layout import Block, as_text
from ich_bench_baselines.everything import groups
from ich_bench_baselines.job import Job
from ich_bench_baselines.methods import known
from ich_bench_baselines.parts import seconds, trainings
from ich_bench_baselines.pieces import DONE, checkpoint_of, state
from ich_bench_baselines.planned import planned
from ich_bench_baselines.told import short

_BYTES_A_WEIGHT = 12  # the weight and Adam's two moments, float32


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """One submission of the plan. `hours` and `bytes` are None where nothing of this size is known.

    `pieces` are folds × seeds, `done` those that are there; `absent` names what has to be downloaded first, `refused`
    says why the method will not run as it was asked to.
    """

    name: str
    pieces: int
    done: int
    trainings: int
    hours: float | None
    bytes: int | None
    absent: tuple[str, ...]
    refused: str = ""


def forecast(jobs: Sequence[Job]) -> tuple[Forecast, ...]:
    """Return what each submission of a plan would cost; nothing is drawn, cached, trained or written."""
    here: dict[str, bool] = {}
    return tuple(_of(home, some, here) for home, some in groups(jobs).items())


def forecast_text(rows: Sequence[Forecast]) -> str:
    """Return the same as a table of 80 columns."""
    table = tuple(
        (
            one.name,
            f"{one.done}/{one.pieces}",
            str(one.trainings),
            short(one.hours),
            short(None if one.bytes is None else one.bytes / 1e9),
            ", ".join(one.absent) or "–",
        )
        for one in rows
    )
    hours = [one.hours for one in rows if one.hours is not None]
    known_bytes = [one.bytes for one in rows if one.bytes is not None]
    absent = sorted({name for one in rows for name in one.absent})
    in_all = [f"{short(sum(hours))} h over the {len(hours)} rows whose hours are known"] if hours else []
    in_all += [f"{short(sum(known_bytes) / 1e9)} GB over the {len(known_bytes)} whose size is"] if known_bytes else []
    notes = [
        ("in all", " and ".join(in_all) or "nothing is known"),
        ("hours", "by pieces that are done, else by trainings of the same size on this machine in OUT; a pretext that "
                  "several share counts in each"),
        ("disk", "checkpoints with their optimiser; slices and masks come on top"),
        *((name, card(name).access) for name in absent),
        *((one.name, f"will not run: {one.refused}") for one in rows if one.refused),
    ]  # fmt: skip
    header = ("method", "done", "trainings", "hours", "GB", "to download")
    return as_text(
        f"{len(rows)} submissions; nothing was done.", [Block(header=header, rows=table), Block(rows=tuple(notes))]
    )


def _of(home: Path, jobs: Sequence[Job], here: dict[str, bool]) -> Forecast:
    try:
        plan = planned(jobs[0], folds=[job.fold for job in jobs], seeds=[job.seed for job in jobs])
    except UsageError as fault:
        return Forecast(name=home.name, pieces=len(jobs), done=0, trainings=0, hours=None, bytes=None, absent=(),
                        refused=str(fault))  # fmt: skip
    shared = sum(one.part.startswith("pretext") for one in plan)
    hours = [one.hours for one in plan]
    parameters = known(jobs[0].method).parameters
    first, pool = jobs[0], (jobs[0].pool or "").partition(":")
    needed = {first.dataset: first.data, first.trained_dataset: first.trained_data}
    needed |= {pool[0]: Path(pool[2]) if pool[2] and not pool[2].isdecimal() else None} if pool[0] else {}
    for name, folder in needed.items():
        if name not in here:
            here[name] = _is_here(name, folder)
    return Forecast(
        name=home.name,
        pieces=len(jobs),
        done=sum(state(job).name == DONE for job in jobs),
        trainings=len(plan),
        hours=_measured(jobs) or (None if None in hours else sum(one for one in hours if one is not None)),
        bytes=None if parameters is None else parameters * _BYTES_A_WEIGHT * (len(jobs) + shared),
        absent=tuple(name for name in needed if not here[name]),
    )


def _measured(jobs: Sequence[Job]) -> float | None:
    """Return the hours of all pieces by those that are done; None where none is."""
    took = [sum(map(seconds, trainings(checkpoint_of(job)))) for job in jobs if state(job).name == DONE]
    return statistics.median(took) * len(jobs) / 3600 if took else None


def _is_here(name: str, folder: Path | None) -> bool:
    """Return whether a dataset or pool need not be downloaded; drawn ones never."""
    if not card(name).url:
        return True
    try:
        data_folder(name, folder)
    except IchBenchError:
        return False
    return True
