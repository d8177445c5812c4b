"""Tasks run by one process or several; what comes back does not depend on where they ran or how many did."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence

from ich_bench.errors import IchBenchError, UsageError
from ich_bench.runs.backends import LOKY, Backend
from ich_bench.runs.chunks import Chunk, Numbered, chunks, voxel_bytes
from ich_bench.runs.journal import Journal
from ich_bench.runs.task import Outcome, Task, run_task

Progress = Callable[[int, int], None]
POOL_PAYS_AFTER_S = 3.0  # a pool of fresh processes takes a second or two to start; less work is done without
DEATHS = 3  # pools that may break one after the other without a new result


def run_all(
    tasks: Sequence[Task], journal: Journal, *, jobs: int, progress: Progress | None, backend: Backend = LOKY
) -> list[Outcome]:
    """Return one outcome per task in the tasks' order, whatever the order in which workers finish.

    With processes and threads the first task is run here: what it takes tells whether starting workers pays. `jobs` is
    the number of workers, 0 every core this process may use. A worker that is killed is replaced; IchBenchError where
    workers keep dying; what was scored is kept.
    """
    total = len(tasks)
    outcomes: dict[int, Outcome] = {}

    def arrived(results: Iterable[Numbered]) -> None:
        for index, outcome in results:
            outcomes[index] = outcome
            if progress is not None:
                progress(len(outcomes), total)

    workers = _workers(jobs)
    rest = list(enumerate(tasks))
    if backend.name == "dask":
        from ich_bench.runs.cluster import run_on_dask

        run_on_dask(rest, journal, workers, backend, arrived)
        return [outcomes[index] for index in range(total)]
    began = time.process_time()  # of this process: a busy machine makes no work longer
    arrived((index, run_task(task, journal)) for index, task in rest[:1])
    rest = rest[1:]
    if workers == 1 or (time.process_time() - began) * _times_the_first(tasks) < POOL_PAYS_AFTER_S:
        arrived((index, run_task(task, journal)) for index, task in rest)
    else:
        _pooled(rest, journal, min(workers, len(rest)), backend, arrived)
    return [outcomes[index] for index in range(total)]


def _pooled(
    rest: Sequence[tuple[int, Task]],
    journal: Journal,
    workers: int,
    backend: Backend,
    arrived: Callable[[Iterable[Numbered]], None],
) -> None:
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    left, deaths = dict(rest), 0
    threads = {"inner_max_num_threads": 1} if backend.name == "loky" else {}  # of linear algebra, in each worker
    while left:
        before = len(left)
        try:
            with parallel_config(backend="threading" if backend.name == "threads" else "loky", **threads):
                pool = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
                for scored in pool(delayed(_scored)(chunk, journal) for chunk in chunks(list(left.items()), workers)):
                    arrived(scored)
                    for index, _ in scored:
                        del left[index]
        except TerminatedWorkerError as fault:
            deaths = deaths + 1 if len(left) == before else 1
            workers = max(2, workers // 2)  # most likely memory ran out: fewer at a time
            if deaths >= DEATHS:
                raise IchBenchError(
                    "worker processes were killed again and again, most likely because memory ran out. What was scored "
                    "is kept: the same command continues. Use one worker (--jobs 1) or a machine with more memory."
                ) from fault


def _times_the_first(tasks: Sequence[Task]) -> float:
    """Return how many times the first task's voxels all others have."""
    if len(tasks) < 2:
        return 0.0
    first, *others = (voxel_bytes(task) for task in tasks)
    return sum(others) / first


def _scored(chunk: Chunk, journal: Journal) -> list[Numbered]:
    return [(index, run_task(task, journal)) for index, task in chunk]


def _workers(jobs: int) -> int:
    if jobs < 0:
        raise UsageError(f"jobs is {jobs}; expected the number of worker processes, or 0 for every core.")
    if jobs:
        return jobs
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
