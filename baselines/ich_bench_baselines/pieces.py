"""One piece of the work, a fold of one seed of a method: is it waiting, running, done or failed, and how is it done?

    OUT/<method>/<dataset>/<scheme>/seed_0/fold_2/piece-<dataset>.json    what became of it last, and why

Whether it runs is told by a lock that ends with its process, so a piece that was killed is waiting again.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ich_bench.cases import Case
from ich_bench.datasets import load_dataset
from ich_bench.errors import IchBenchError
from ich_bench.places import write_json
from ich_bench_baselines import distributed
from ich_bench_baselines.alone import alone, is_taken
from ich_bench_baselines.job import Job, folder, silent, tested
from ich_bench_baselines.methods import method
from ich_bench_baselines.predict import predict_cases

WAITING, RUNNING, DONE, FAILED = STATES = ("waiting", "running", "done", "failed")
_HERE_ONLY = ("out", "jobs", "progress", "tell", "data", "train_data")  # change nothing of what comes out


@dataclass(frozen=True, kw_only=True)
class State:
    """What became of a piece: one of `STATES`, why, how long its last run took, on which machine."""

    name: str = WAITING
    reason: str = ""
    seconds: float | None = None
    host: str = ""


def identity(job: Job) -> dict[str, Any]:
    """Return the plain values that a piece's outcome depends on."""
    kept = [one.name for one in dataclasses.fields(job) if one.name not in _HERE_ONLY]
    return dict(json.loads(json.dumps({name: getattr(job, name) for name in kept})))


def place(job: Job) -> Path:
    """Return where a piece says what became of it."""
    return folder(job) / f"piece-{job.dataset}.json"


def state(job: Job) -> State:
    """Return what became of a piece; one of other settings in the same place counts as waiting."""
    if is_taken(place(job)):
        return State(name=RUNNING)
    kept = read(job)
    if not kept:
        return State()
    if kept["state"] == RUNNING:
        return State(reason="was interrupted")
    return State(
        name=kept["state"], reason=kept.get("reason", ""), seconds=kept.get("seconds"), host=kept.get("host", "")
    )


def read(job: Job) -> dict[str, Any]:
    """Return what a piece has written of itself; empty where it has not, or was another one."""
    try:
        kept = json.loads(place(job).read_text("utf-8"))
        return kept if kept["job"] == identity(job) and kept["state"] in STATES else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def note(job: Job, name: str, **more: Any) -> None:
    """Write what became of a piece."""
    write_json(place(job), {"state": name, "job": identity(job), "host": socket.gethostname(), **more})


def work(job: Job, cases: Sequence[Case] | None = None) -> Path:
    """Train one fold, predict its test cases, and return the checkpoint; what is there already is not done again.

    Args:
        job: Which fold of which seed of which method.
        cases: Of the dataset that is predicted, where they are loaded already.

    Raises:
        Exception: whatever the method raised; its reason is kept for `state` before.
    """
    way = method(job.method)
    begun = time.perf_counter()
    distributed.begin(job.device)  # who shares the work is known before anybody waits for others
    with alone(place(job), job.tell):
        try:
            _note(job, RUNNING)
            here = load_dataset(job.dataset, job.data).cases if cases is None else cases
            path = way.train(job)
            if distributed.leads():
                found = test_cases(job, here)
                if job.tell is not None:
                    job.tell(f"predicting {len(found)} heads of {job.dataset}")
                predict_cases(job, way.load(path, job.device), found, probabilities=job.probabilities)
            distributed.wait()
        except Exception as fault:
            _note(job, FAILED, reason=reason_of(fault), seconds=round(time.perf_counter() - begun, 1))
            raise
        _note(job, DONE, seconds=round(time.perf_counter() - begun, 1), checkpoint=os.path.relpath(path, folder(job)))
    return path


def checkpoint_of(job: Job) -> Path:
    """Return the checkpoint of a piece that is done; KeyError where it is not."""
    return Path(os.path.normpath(folder(job) / read(job)["checkpoint"]))


def bare(job: Job) -> Job:
    """Return a job that can be sent to another process: nobody here is told how far it is."""
    return dataclasses.replace(job, out=job.out.absolute(), progress=silent, tell=None)


def reason_of(fault: BaseException) -> str:
    """Return an error as one line."""
    words = " ".join(str(fault).split())
    return words if isinstance(fault, IchBenchError) and words else f"{type(fault).__name__}: {words}".rstrip(": ")


def counted(states: Mapping[Job, State]) -> dict[str, int]:
    """Return how many pieces are in each state."""
    return {name: sum(one.name == name for one in states.values()) for name in STATES}


def test_cases(job: Job, cases: Sequence[Case]) -> tuple[Case, ...]:
    """Return the cases that are here and that the model of this job may be tested on.

    IchBenchError where none of them is here.
    """
    scheme = tested(job)
    wanted = set() if job.elsewhere else set(scheme.test_cases(job.fold))
    found = tuple(case for case in cases if job.elsewhere or case.case_id in wanted)
    if not found:
        raise IchBenchError(
            f"none of the test cases of fold {job.fold} of {job.dataset}/{scheme.name} is here. Complete the download, "
            "or name another --fold."
        )
    return found


def _note(job: Job, name: str, **more: Any) -> None:
    if distributed.leads():
        note(job, name, **more)
