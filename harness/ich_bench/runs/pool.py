"""Tasks run by one process or several; what comes back does not depend on how many."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence

from ich_bench.errors import IchBenchError, UsageError
from ich_bench.runs.journal import Journal
from ich_bench.runs.task import Outcome, Task, run_task

Progress = Callable[[int, int], None]
POOL_PAYS_AFTER_S = 4.0  # a pool of fresh processes takes seconds to start; less work than this is done without


def run_all(tasks: Sequence[Task], journal: Journal, *, jobs: int, progress: Progress | None) -> list[Outcome]:
    """Return one outcome per task in the tasks' order, whatever the order in which workers finish.

    The first task is run here: what it takes tells whether starting workers pays. `jobs` is the number of workers,
    0 every core this process may use. IchBenchError where a worker is killed; what was scored is kept.
    """
    total = len(tasks)
    outcomes: dict[int, Outcome] = {}

    def arrived(results: Iterator[tuple[int, Outcome]]) -> None:
        for index, outcome in results:
            outcomes[index] = outcome
            if progress is not None:
                progress(len(outcomes), total)

    workers = _workers(jobs)
    began = time.monotonic()
    arrived(_numbered(index, task, journal) for index, task in enumerate(tasks[:1]))
    rest = list(enumerate(tasks))[1:]
    if workers == 1 or (time.monotonic() - began) * len(rest) < POOL_PAYS_AFTER_S:
        arrived(_numbered(index, task, journal) for index, task in rest)
    else:
        _pooled(rest, journal, min(workers, len(rest)), arrived)
    return [outcomes[index] for index in range(total)]


def _pooled(
    rest: Sequence[tuple[int, Task]],
    journal: Journal,
    workers: int,
    arrived: Callable[[Iterator[tuple[int, Outcome]]], None],
) -> None:
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    pool = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
    try:
        arrived(pool(delayed(_numbered)(index, task, journal) for index, task in rest))
    except TerminatedWorkerError as fault:
        raise IchBenchError(
            "a worker process was killed, most likely because memory ran out. What was scored is kept: "
            "the same command continues. Use fewer workers (--jobs 1) or a machine with more memory."
        ) from fault


def _numbered(index: int, task: Task, journal: Journal) -> tuple[int, Outcome]:
    return index, run_task(task, journal)


def _workers(jobs: int) -> int:
    if jobs < 0:
        raise UsageError(f"jobs is {jobs}; expected the number of worker processes, or 0 for every core.")
    if jobs:
        return jobs
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
