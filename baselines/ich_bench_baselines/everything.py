"""How do all methods run one after the other, each in a process of its own, and go on after any interruption?

    OUT/plan.json                        the pieces of the last `run --all`, for `overview`
    OUT/<method>/scored-<dataset>.json   whether a method's pieces were scored, and why not

A method that fails, or whose process is killed, costs itself alone: the reason is kept and the next method begins.
"""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ich_bench.calibration import ROWS, calibrate
from ich_bench.datasets import load_dataset, reader
from ich_bench.errors import IchBenchError
from ich_bench.places import write_json
from ich_bench_baselines import pieces
from ich_bench_baselines.experiment import gathered, jobs_of, named
from ich_bench_baselines.job import Job, submission_folder
from ich_bench_baselines.methods import METHODS, About
from ich_bench_baselines.pieces import DONE, FAILED, RUNNING, State, reason_of, state

PLAN = "plan.json"
CALIBRATION = tuple(ROWS)  # rows that need no training: what any method must beat, and the noise ceiling
FROM_POOL = {"slice", "slice-subtypes", "unlabelled"}
SMOKE_POOL, DRAWN_POOL, REAL_POOL = "phantom-pool:24", "phantom-pool:2000", "rsna"
_POLL_S = 0.5
Tell = Callable[[str], None]


def pool_for(job: Job) -> str:
    """Return the pool that `run --all` takes where none is named: drawn heads for drawn datasets, else RSNA's."""
    if job.schedule == "smoke":
        return SMOKE_POOL
    return REAL_POOL if getattr(reader(job.dataset), "home", None) is None else DRAWN_POOL


def needs_pool(about: About) -> bool:
    """Return whether a method cannot be trained on a dataset's folds alone."""
    return bool(FROM_POOL & set(about.labels)) and not about.pool_alone


def jobs_of_all(job: Job, *, folds: Sequence[int] | None = None, seeds: Sequence[int] = (0,)) -> tuple[Job, ...]:
    """Return the pieces of every method on one dataset, in the order in which they run.

    A method that may learn from a pool alone comes twice: inside the folds, and from the pool.
    """
    found: list[Job] = []
    pool = job.pool or pool_for(job)
    for about in METHODS.values():
        pools = [pool] if needs_pool(about) else [None, pool] if about.pool_alone else [None]
        for one in pools:
            own = dataclasses.replace(job, method=about.id, pool=one)
            found += jobs_of(own, folds=folds, seeds=seeds)
    return tuple(found)


def groups(jobs: Sequence[Job]) -> dict[Path, tuple[Job, ...]]:
    """Return the pieces of each submission, in order."""
    found: dict[Path, list[Job]] = {}
    for job in jobs:
        found.setdefault(submission_folder(job), []).append(job)
    return {home: tuple(some) for home, some in found.items()}


def run_all(jobs: Sequence[Job], *, folds: Sequence[int] | None = None, stage: Tell = lambda what: None,
            progress: Callable[[int, int], None] = lambda done, total: None) -> dict[Job, State]:  # fmt: skip
    """Train, predict and score everything that is not done yet; return what became of each piece.

    Raises:
        IchBenchError: the disk refuses the plan.
    """
    write_plan(jobs)
    grouped = groups(jobs)
    for number, (home, some) in enumerate(grouped.items()):
        if not is_scored(home, some):
            stage(f"{home.name} ({number + 1}/{len(grouped)})")
            _in_process(some, stage, progress)
            if all(state(job).name == DONE for job in some):
                told = tuple(dataclasses.replace(job, progress=progress, tell=stage) for job in some)
                score(home, told, folds=folds, stage=stage)
    return {job: state(job) for job in jobs}


def write_plan(jobs: Sequence[Job]) -> None:
    """Keep the pieces for `overview`."""
    plan = [{**pieces.identity(job), **{name: _text(getattr(job, name)) for name in ("data", "train_data")}}
            for job in jobs]  # fmt: skip
    write_json(jobs[0].out / PLAN, plan)


def read_plan(out: Path) -> tuple[Job, ...]:
    """Return the pieces that the last `run --all` in this folder had; IchBenchError where there was none."""
    path = out / PLAN
    try:
        rows = json.loads(path.read_text("utf-8"))
        names = {one.name for one in dataclasses.fields(Job)}
        return tuple(_job(row, out) for row in rows if set(row) <= names)
    except FileNotFoundError:
        raise IchBenchError(f"there is no {path}: `ich-bench baselines run --all -o {out}` makes it.") from None
    except (OSError, ValueError, TypeError) as fault:
        raise IchBenchError(f"{path} cannot be read ({fault}). Give `run --all` again.") from fault


def is_scored(home: Path, jobs: Sequence[Job]) -> bool:
    """Return whether all pieces of a submission are done, and were scored since."""
    if any(state(job).name != DONE for job in jobs):
        return False
    scored = home / f"scored-{jobs[0].dataset}.json"
    try:
        kept = json.loads(scored.read_text("utf-8"))
        last = max(pieces.place(job).stat().st_mtime_ns for job in jobs)
        return bool(kept["state"] == DONE and scored.stat().st_mtime_ns >= last)
    except (OSError, ValueError, KeyError):
        return False


def score(
    home: Path, jobs: Sequence[Job], *, folds: Sequence[int] | None = None, stage: Tell = lambda what: None
) -> None:
    """Score the pieces of a submission, all of them done, and write its manifest; the outcome is kept beside it."""
    scored = home / f"scored-{jobs[0].dataset}.json"
    try:
        gathered(jobs[0], {job: pieces.checkpoint_of(job) for job in jobs}, folds=folds, stage=stage)
    except Exception as fault:
        stage(f"  {home.name} could not be scored: {reason_of(fault)}")
        write_json(scored, {"state": FAILED, "reason": reason_of(fault)})
        return
    write_json(scored, {"state": DONE})


def not_scored(home: Path, dataset: str) -> str:
    """Return why the pieces of a submission could not be scored, "" where they were or never came so far."""
    try:
        return str(json.loads((home / f"scored-{dataset}.json").read_text("utf-8")).get("reason", ""))
    except (OSError, ValueError):
        return ""


def _in_process(jobs: tuple[Job, ...], stage: Tell, progress: Callable[[int, int], None]) -> None:
    """Run the pieces of one submission in a process of their own, which ends when this one does."""
    context = multiprocessing.get_context("spawn")
    hears, says = context.Pipe(duplex=False)
    bare = tuple(pieces.bare(job) for job in jobs)
    child = context.Process(target=_all_of, args=(bare, says))
    child.start()
    says.close()
    try:
        while True:
            try:
                if hears.poll(_POLL_S):
                    kind, *said = hears.recv()
                    (progress if kind == "tick" else stage)(*said)
            except EOFError:
                break
        child.join()
    finally:
        if child.is_alive():
            child.terminate()
            child.join()
        hears.close()
    for job in jobs:
        if child.exitcode and pieces.read(job).get("state") == RUNNING:
            pieces.note(job, FAILED, reason=_ended(child.exitcode))
            stage(f"{named(job)}: {_ended(child.exitcode)}")


def _all_of(jobs: tuple[Job, ...], says: Connection) -> None:
    """Do the pieces of one submission; a piece that fails does not keep the next from its turn."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who started this process ends it

    def send(*what: Any) -> None:
        try:
            says.send(what)
        except BrokenPipeError:  # nobody listens any more: whoever starts the run again goes on from here
            raise SystemExit(1) from None

    tell, tick = partial(send, "stage"), partial(send, "tick")
    for number, job in enumerate(jobs):
        tell(f"  {named(job)} ({number + 1}/{len(jobs)})")
        try:
            pieces.work(dataclasses.replace(job, progress=tick, tell=tell))
        except Exception as fault:
            tell(f"  {named(job)} failed: {reason_of(fault)}")
    if "joblib" in sys.modules:  # its idle workers would keep this process for minutes
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True)


def calibrated(job: Job) -> None:
    """Make and score the rows that need no method, where they are not there yet."""
    absent = [row for row in CALIBRATION if not list((job.out / row / "scores").glob(f"{job.dataset}.*"))]
    if absent:
        load_dataset(job.dataset, job.data)
        calibrate(job.dataset, job.out, data=job.data, rows=absent, jobs=job.jobs, progress=job.progress)


def _ended(code: int) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        why = " (memory may have run out)" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{why}"
    return f"its process ended with status {code}"


def _job(row: dict[str, Any], out: Path) -> Job:
    paths = {name: None if row.get(name) is None else Path(row[name]) for name in ("data", "train_data")}
    options = tuple((str(name), str(value)) for name, value in row.get("options", ()))
    return Job(**{**row, **paths, "options": options, "out": out})


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
