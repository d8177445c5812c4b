"""How are tasks scored on a Dask cluster? In chunks, each on whichever worker is alive, by our version on our data.

Plain futures instead of joblib's adapter for Dask: the adapter waits for ever for a chunk whose workers keep dying, and
loses what it handed to a worker that is gone. A chunk holds only paths and options, so it can run anywhere, twice too.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ich_bench
from ich_bench.errors import IchBenchError, InputError, Problem
from ich_bench.metrics.suite import SUITE
from ich_bench.runs.backends import Backend
from ich_bench.runs.chunks import Chunk, Numbered, chunks
from ich_bench.runs.journal import Journal
from ich_bench.runs.store import file_sha256
from ich_bench.runs.task import Outcome, Task, engine, library_versions, run_task, task_key

WAIT_S = 60.0  # how long a cluster may be without any worker
_LOOK_S = 2.0  # how often that is looked at
_ABSENT = "absent"


class _Unkept(Journal):
    """A journal that keeps nothing: a worker may not see the output folder, so outcomes are kept where they return."""

    def recall(self, key: str) -> dict[str, Any] | None:
        return None

    def record(self, key: str, entry: Mapping[str, Any]) -> None:
        return None


def run_on_dask(
    tasks: Sequence[tuple[int, Task]],
    journal: Journal,
    workers: int,
    backend: Backend,
    arrived: Callable[[Iterable[Numbered]], None],
) -> None:
    """Score the tasks on the cluster of `backend`, or on `workers` processes of this machine, and record each outcome.

    A worker that dies is survived: its chunks go to others. IchBenchError in words where Dask is not installed, the
    scheduler is not reached, a worker has another version or does not see the data, or no worker is left.
    """
    left = _not_yet_scored(tasks, journal, arrived)
    if not left:
        return
    with _client(backend, min(workers, len(left))) as client:
        _check_workers(client, [task for _, task in left])
        of = left[0][1].how.engine
        handed_out = chunks(left, sum(client.nthreads().values()))
        for scored in _done(client, [client.submit(_scored, versions(of), of, one, pure=False) for one in handed_out]):
            for _, outcome in scored:
                if outcome.values:
                    journal.record(
                        outcome.key, {"values": outcome.values, "reference_sha256": outcome.reference_sha256}
                    )
            arrived(scored)


def versions(of: str = "fast") -> dict[str, str]:
    """Return all versions that a score by this engine depends on, as the journal's keys do."""
    return {"ich-bench": ich_bench.__version__, "suite": str(SUITE), "engine": engine(of), **library_versions()}


def _not_yet_scored(
    tasks: Sequence[tuple[int, Task]], journal: Journal, arrived: Callable[[Iterable[Numbered]], None]
) -> list[tuple[int, Task]]:
    """Take over what an interrupted run left in the journal; files are hashed here only where there is such a run."""
    if not any(journal.folder.glob("*.json")):
        return list(tasks)
    left = []
    for index, task in tasks:
        key = task_key(task)
        known = journal.recall(key)
        if known is None:
            left.append((index, task))
        else:
            arrived([(index, Outcome(key=key, reused=True, **known))])
    return left


@contextmanager
def _client(backend: Backend, workers: int) -> Iterator[Any]:
    """Yield a client of the named scheduler, or of a cluster of processes that listens on this machine alone."""
    distributed = _distributed()
    if backend.scheduler is None:
        here = {"host": "127.0.0.1", "dashboard_address": None, "worker_dashboard_address": None}
        with (
            distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=True, memory_limit=0, **here
            ) as cluster,
            distributed.Client(cluster, set_as_default=False) as client,
        ):
            yield client
        return
    tls = backend.scheduler.startswith("tls")
    try:
        if tls and not distributed.Security().get_connection_args("client").get("ssl_context"):
            raise ValueError("no certificate is configured here")
        client = distributed.Client(backend.scheduler, timeout=10, set_as_default=False)
    except (OSError, TimeoutError, TypeError, ValueError) as fault:
        told = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
        raise IchBenchError(
            f"the Dask scheduler {backend.scheduler} was not reached: {told}. "
            + ("Name certificates in Dask's configuration (distributed.comm.tls). " if tls else "")
            + "Is it running, and reached from here?"
        ) from fault
    with client:
        yield client


def _distributed() -> Any:
    """Return the module `distributed`, parts of which carry no types; IchBenchError where it is not installed."""
    try:
        return importlib.import_module("distributed")
    except ImportError as fault:
        raise IchBenchError(
            f"--backend dask needs Dask ({fault}). Install it with: pip install 'ich-bench[dask]'"
        ) from fault


def _check_workers(client: Any, tasks: Sequence[Task]) -> None:
    """Refuse in words a cluster with a worker that would score otherwise, or that does not see the same files."""
    _wait_for_a_worker(client)
    files, of = _files(tasks), tasks[0].how.engine
    first = min((path for path, size in files.items() if size >= 0), key=lambda path: files[path], default="")
    sample = (first, file_sha256(Path(first)))
    told = client.run(_seen, of, tuple(files.items()), sample, on_error="return")
    problems = [
        fault for worker, saw in sorted(told.items()) for fault in _faults(worker, saw, versions(of), len(files))
    ]
    if problems:
        raise InputError(
            f"{len({problem.where for problem in problems})} of {len(told)} Dask workers cannot score this:", problems
        )


def _files(tasks: Sequence[Task]) -> dict[str, int]:
    """Return the absolute paths of all that the tasks read, with their sizes in bytes; -1 for a folder."""
    sizes: dict[str, int] = {}
    for task in tasks:
        for path in (task.case.ct, task.case.reference, task.prediction.path if task.prediction else None):
            if path is not None:
                sizes[str(path)] = _size(path)
    return sizes


def _size(path: Path) -> int:
    return -1 if path.is_dir() else path.stat().st_size


def _seen(of: str, files: Sequence[tuple[str, int]], sample: tuple[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return, on a worker, its versions and the files that are not there or are not the same."""
    absent = []
    for name, size in files:
        try:
            if _size(Path(name)) != size:
                absent.append(name)
        except OSError:
            absent.append(name)
    path, sha256 = sample
    if path and path not in absent and file_sha256(Path(path)) != sha256:
        absent.append(path)
    return versions(of), absent


def _faults(worker: str, saw: Any, ours: Mapping[str, str], files: int) -> Iterator[Problem]:
    if isinstance(saw, BaseException):
        what = f"cannot run this version of ich-bench ({type(saw).__name__}: {saw})."
        yield Problem(where=worker, what=what, mend=f"Install ich-bench {ich_bench.__version__} for it.")
        return
    theirs, absent = saw
    yield from _other_versions(worker, theirs, ours)
    if absent:
        what = f"does not see {len(absent)} of {files} files as they are here, such as {absent[0]}."
        mend = "Put data and predictions on a disk that all workers mount under the same path; unpack a zip there."
        yield Problem(where=worker, what=what, mend=mend)


def _other_versions(worker: str, theirs: Mapping[str, str], ours: Mapping[str, str]) -> Iterator[Problem]:
    apart = [
        f"{name} {theirs.get(name, _ABSENT)} (here {ours[name]})" for name in ours if theirs.get(name) != ours[name]
    ]
    if apart:
        yield Problem(where=worker, what=f"has {', '.join(apart)}.", mend="Install the same versions on every worker.")


def _scored(expected: Mapping[str, str], of: str, chunk: Chunk) -> list[Numbered]:
    """Return, on a worker, a chunk's outcomes; one that joined after the others were checked is checked here."""
    ours = versions(of)
    if ours != expected:
        import socket

        apart = ", ".join(f"{name} {ours.get(name, _ABSENT)}" for name in expected if ours.get(name) != expected[name])
        raise IchBenchError(f"a Dask worker on {socket.gethostname()} has {apart}: install the same versions there.")
    return [(index, run_task(task, _Unkept(folder=Path()))) for index, task in chunk]


def _done(client: Any, futures: Sequence[Any]) -> Iterator[list[Numbered]]:
    """Yield what each future gives, as soon as it does; IchBenchError where the cluster gives up."""
    distributed = _distributed()

    kept = "What was scored is kept: the same command continues."
    pending = set(futures)
    while pending:
        try:
            with client.as_current():
                done, pending = distributed.wait(pending, timeout=_LOOK_S, return_when="FIRST_COMPLETED")
            results = [future.result() for future in done]
        except TimeoutError:
            _wait_for_a_worker(client)
            continue
        except distributed.KilledWorker as fault:
            raise IchBenchError(
                f"several Dask workers died over the same cases, most likely because memory ran out. {kept}"
            ) from fault
        except (distributed.CancelledError, OSError) as fault:  # distributed's CommClosedError is an OSError
            raise IchBenchError(f"the Dask scheduler went away. {kept}") from fault
        yield from results


def _wait_for_a_worker(client: Any) -> None:
    """Return once the cluster has a worker; IchBenchError when it had none for a while."""
    until = time.monotonic() + WAIT_S
    while not client.nthreads():
        if time.monotonic() > until:
            raise IchBenchError(
                f"the Dask cluster has had no worker for {WAIT_S:.0f} seconds. What was scored is kept: start workers "
                "(`dask worker ADDRESS`), then the same command continues."
            )
        time.sleep(_LOOK_S / 10)
