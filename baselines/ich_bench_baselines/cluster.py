"""How does a cluster do the pieces, each as one job of submitit, and which of them are still to be handed to it?

    OUT/cluster/<id>_…    submitit's own files: what was run, its output, its errors

OUT lies on a disk that all machines share. A job is one fold of one seed; one that runs out of time is queued again and
goes on; those that need the same pretext or cavity wait for whichever trains it.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ich_bench.errors import IchBenchError, UsageError, did_you_mean
from ich_bench.escape import printable
from ich_bench_baselines import pieces
from ich_bench_baselines.everything import needs_pool
from ich_bench_baselines.job import Job
from ich_bench_baselines.methods import known
from ich_bench_baselines.pieces import DONE, RUNNING, WAITING, state

CLUSTERS = ("slurm", "local")
FOLDER = "cluster"
_OURS = ("name", "slurm_dependency")  # parameters that no user gave
_MINUTES = 24 * 60  # of a job, unless told; submitit's own 5 end a training in its first epoch
_ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY")


def submit(jobs: Sequence[Job], cluster: str, given: Mapping[str, Any]) -> tuple[Job, ...]:
    """Hand every piece to the cluster that is not done, running or queued; return those that were handed over.

    Where a method learns from a pool, the first fold of each seed goes first on Slurm and the others start after it:
    they would hold their GPUs idle until its pretext is trained.

    Args:
        jobs: The pieces, with the device of the machines they will run on.
        cluster: `slurm`, or `local`: all at once on this machine, to try it.
        given: submitit's own parameters by name, such as {"slurm_partition": "gpu", "timeout_min": 600}.

    Raises:
        UsageError: there is no such cluster or parameter.
        IchBenchError: submitit is not installed, or the cluster refuses.
    """
    if cluster not in CLUSTERS:
        raise UsageError(f"there is no cluster {printable(cluster)!r}. {did_you_mean(cluster, CLUSTERS)}")
    todo = [job for job in jobs if not (state(job).name in (DONE, RUNNING) or is_queued(job))]
    if not todo:
        return ()
    folder = todo[0].out / FOLDER
    first: dict[tuple[str, int], str] = {}
    for job in todo:
        before = first.get((job.method, job.seed)) if cluster == "slurm" else None
        after = {"slurm_dependency": f"afterany:{before}"} if before else {}
        executor = _executor(folder, cluster, {"name": f"{job.method}-{job.fold}", **given, **after})
        try:
            handed: Any = executor.submit(Work(), pieces.bare(job))
        except Exception as fault:  # whatever sbatch says
            raise IchBenchError(f"{cluster} takes no job: {pieces.reason_of(fault)}") from fault
        if needs_pool(known(job.method)):
            first.setdefault((job.method, job.seed), handed.job_id)
        if state(job).name != DONE:  # a quick one may have ended already
            pieces.note(job, WAITING, reason=f"queued as {handed.job_id} of {cluster}", cluster=cluster,
                        id=handed.job_id)  # fmt: skip
    return tuple(todo)


def is_queued(job: Job) -> bool:
    """Return whether a piece waits in a cluster's queue, by what the cluster itself says of it."""
    kept = pieces.read(job)
    if kept.get("state") != WAITING or not kept.get("id"):
        return False
    import submitit

    if kept["cluster"] == "local":  # its number is that of a process
        ended = submitit.LocalJob(job.out / FOLDER, kept["id"]).paths.result_pickle.exists()
        return not ended and _is_alive(int(kept["id"]))
    handed: Any = submitit.SlurmJob(job.out / FOLDER, kept["id"])
    return not handed.done(force_check=True) and not str(handed.state).startswith(_ENDED)


def parameters(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return `--cluster-option NAME=VALUE` pairs as submitit takes them: whole numbers as numbers."""
    found: dict[str, Any] = {}
    for name, text in pairs:
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text
        found[name] = value if isinstance(value, (int, float)) else text
    return found


class Work:
    """Does one piece where the cluster runs it, and asks to be queued again when its time is up: it goes on then."""

    def __call__(self, job: Job) -> str:
        """Return the checkpoint's path; what it prints is in submitit's log."""
        return str(pieces.work(replace(job, tell=lambda what: print(what, flush=True))))

    def checkpoint(self, job: Job) -> Any:
        """Return what submitit queues when the job is preempted or out of time."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, job)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _executor(folder: Path, cluster: str, given: Mapping[str, Any]) -> Any:
    try:
        import submitit
    except ModuleNotFoundError as fault:
        raise IchBenchError("submitit is not installed: pip install 'ich-bench[cluster]'") from fault
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        executor.update_parameters(**{"timeout_min": _MINUTES, **given})
    except (NameError, TypeError, ValueError, RuntimeError, OSError) as fault:
        said = pieces.reason_of(fault)
        asked = "".join(f" --cluster-option {name}={value}" for name, value in given.items() if name not in _OURS)
        raise UsageError(f"--cluster {cluster}{printable(asked)}: submitit says {said}") from fault
    return executor
