"""A prediction folder and a dataset become a score file: the one path of the library call and the command."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import ich_bench
from ich_bench.errors import IchBenchError, Problem
from ich_bench.metrics.profiles import PROFILES
from ich_bench.metrics.suite import SUITE
from ich_bench.predictions import checks
from ich_bench.predictions.suspects import SUSPECT_BELOW_DICE, suspicions
from ich_bench.runs import store
from ich_bench.runs.backends import find_backend
from ich_bench.runs.job import Job, Options, opened, refusal
from ich_bench.runs.journal import Journal, key_of
from ich_bench.runs.pool import Progress, run_all
from ich_bench.runs.task import Outcome, Task, engine, library_versions, load_pair, task_key


@dataclass(frozen=True, kw_only=True)
class Run:
    """One scored submission: its table, also in the file `path`, and all there is to say about it.

    `notes` are what was odd about the dataset's folder; `ignored` the other files of the prediction folder, which were
    never opened; `reused` counts the rows that an earlier, interrupted or finished run had already scored.
    """

    name: str
    dataset: str
    scheme: str
    profile: str
    scores: pa.Table
    path: Path
    warnings: tuple[str, ...]
    notes: tuple[Problem, ...]
    ignored: tuple[str, ...]
    reused: int

    @property
    def status(self) -> str:
        """Return `complete`, `partial` (some folds, or cases whose data is not here) or `imputed` (missing masks)."""
        return str(store.provenance(self.scores)["status"])


def evaluate(
    dataset: str | Path,
    folder: str | Path,
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
    scheme: str | None = None,
    folds: Collection[int] | int | None = None,
    profile: str = "native",
    legacy_dilation: bool = False,
    labels: Collection[float] | float | None = None,
    reference_labels: Collection[float] | float | None = None,
    rename: str | None = None,
    map_file: str | Path | None = None,
    allow_missing: bool = False,
    engine: str = "fast",
    overwrite: bool = False,
    jobs: int = 1,
    backend: str = "loky",
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> Run:
    """Score a prediction folder (or zip) against a dataset, write `OUT/scores/<dataset>.parquet`, return the run.

    Args:
        dataset: a dataset id (`ich-bench datasets`), or the path of a folder of reference masks.
        folder: a submission folder, a bare folder of masks named `<case_id>.nii.gz`, or a zip of either.
        data: the dataset's own download folder; else `ICH_BENCH_DATA/<id>`, else what `prepare` remembered.
        out: where scores go; `ich-bench-out/<folder name>` by default.
        scheme: the fold scheme; the dataset's official one by default.
        folds: score these folds only (counted from 0); the run is then `partial`.
        profile: one of `ich_bench.metrics.profiles.PROFILES`.
        legacy_dilation: with `spahr2023`, dilate the reference as the published code very likely did.
        labels: voxel values of the predictions that count as hemorrhage, where they are not 0/1 or 0/255.
        reference_labels: the same for the masks of a plain reference folder.
        rename: a pattern with `{case_id}` for predictions named otherwise, such as `{case_id}_seg`.
        map_file: a CSV with columns file, case_id for predictions named otherwise.
        allow_missing: score absent predictions as the worst value; the run is then `imputed`, shown, never ranked.
        engine: `fast`, or `reference`: the plain path through the surface-distance package, for the same values.
        overwrite: replace finished scores of other input in `out`.
        jobs: workers; the bytes of the score file do not depend on it.
        backend: where they run: `loky` (processes), `threads`, or `dask`; nor do the bytes depend on this.
        scheduler: the address of a Dask scheduler, tcp://HOST:PORT or tls://HOST:PORT; else a cluster of `jobs`
            processes of this machine.
        progress: called with (done, total) after each case.

    Raises:
        InputError: with every problem of every file, when anything cannot be scored.
        UsageError: an unknown dataset, scheme, profile, engine or fold.
    """
    options = Options(
        data=data,
        scheme=scheme,
        folds=folds,
        profile=profile,
        legacy_dilation=legacy_dilation,
        labels=labels,
        reference_labels=reference_labels,
        rename=rename,
        map_file=map_file,
        allow_missing=allow_missing,
        engine=engine,
    )
    workers = find_backend(backend, scheduler)
    with opened(dataset, folder, options) as job:
        home = Path(out) if out is not None else Path("ich-bench-out") / job.name
        path = home / "scores" / f"{job.dataset.id}.parquet"
        journal = Journal.of(home, job.dataset.id)
        if path.exists():
            inputs, scores_sha256 = journal.written_for()
            ours = inputs == _inputs_sha256(job, [task_key(task) for task in job.tasks])
            if ours and scores_sha256 == store.file_sha256(path):
                return _run(job, store.read_scores(path), path, reused=len(job.tasks))
            if not (ours or overwrite) and store.is_whole(path):  # a damaged file is no finished one
                raise IchBenchError(
                    f"{path} holds finished scores of other input (other predictions, data, options or versions).\n"
                    "Add --overwrite to replace them, or -o to write elsewhere."
                )
        outcomes = run_all(job.tasks, journal, jobs=jobs, progress=progress, backend=workers)
        faults = [problem for outcome in outcomes for problem in outcome.problems]
        if faults:
            raise refusal(faults, Path(folder), job.submission)
        rows = [_row(job, task, outcome) for task, outcome in zip(job.tasks, outcomes, strict=True)]
        scores = store.table(rows, profile=profile, provenance=_provenance(job, rows, outcomes))
        inputs = _inputs_sha256(job, [outcome.key for outcome in outcomes])
        journal.begin_writing(inputs)
        journal.finish(inputs, store.write_scores(scores, path))
        return _run(job, scores, path, reused=sum(outcome.reused for outcome in outcomes))


def _run(job: Job, scores: pa.Table, path: Path, *, reused: int) -> Run:
    return Run(
        name=job.name,
        dataset=job.dataset.id,
        scheme=job.scheme.name,
        profile=job.how.profile,
        scores=scores,
        path=path,
        warnings=tuple(store.provenance(scores)["warnings"]),
        notes=job.dataset.notes,
        ignored=job.submission.ignored,
        reused=reused,
    )


def _row(job: Job, task: Task, outcome: Outcome) -> dict[str, Any]:
    where = {"submission": job.name, "dataset": job.dataset.id, "scheme": job.scheme.name}
    return {**where, "budget": task.budget, "seed": task.seed, **outcome.values}


def _provenance(job: Job, rows: Sequence[dict[str, Any]], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    facts = [
        checks.ScoredMask(
            case_id=row["case_id"],
            has_ich=row["has_ich"],
            status=row["status"],
            prediction_sha256=row["prediction_sha256"],
            reference_sha256=outcome.reference_sha256,
        )
        for row, outcome in zip(rows, outcomes, strict=True)
    ]
    warnings = [*job.warnings, *checks.whole_submission_warnings(facts), *_suspicions(job, rows)]
    profile = PROFILES[job.how.profile]
    return {
        "suite": SUITE,
        "profile": profile.name,
        "epsilon": profile.epsilon,
        "tolerances_mm": dict(profile.tolerances_mm),
        "legacy_dilation": job.how.legacy_dilation,
        "labels": sorted(job.how.labels or ()),
        "reference_labels": sorted(job.how.reference_labels or ()),
        "harness": ich_bench.__version__,
        "engine": engine(job.how.engine),
        "libraries": library_versions(),
        "scheme": job.scheme.name,
        "leaky": job.scheme.leaky,
        "fold_sha256": job.scheme.sha256,
        "dataset_sha256": _dataset_sha256(job, rows, outcomes),
        "status": _status(job, rows),
        "folds": list(job.folds),
        "cases_absent": list(job.cases_absent),
        "warnings": list(dict.fromkeys(warnings)),
    }


def _status(job: Job, rows: Sequence[dict[str, Any]]) -> str:
    if any(row["status"] == "missing" for row in rows):
        return "imputed"
    return "partial" if job.cases_absent or job.folds != job.scheme.folds else "complete"


def _dataset_sha256(job: Job, rows: Sequence[dict[str, Any]], outcomes: Sequence[Outcome]) -> str:
    """Return the sha256 of the lines `case_id,reference_sha256` of the scored cases, in fold-file order."""
    sha256 = {row["case_id"]: outcome.reference_sha256 for row, outcome in zip(rows, outcomes, strict=True)}
    lines = [f"{row.case_id},{sha256[row.case_id]}\n" for row in job.scheme.rows if row.case_id in sha256]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _inputs_sha256(job: Job, keys: Sequence[str]) -> str:
    """Return the sha256 of all that the score file depends on: each task's key, the folds, what is absent."""
    return key_of([job.name, job.dataset.id, job.scheme.sha256, job.folds, job.cases_absent, job.warnings, *keys])


def _suspicions(job: Job, rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Return what the data under an honest-looking header may have suffered, when the mean Dice on `ich` is low."""
    scored = [(task, row) for task, row in zip(job.tasks, rows, strict=True) if row["has_ich"] and task.prediction]
    dice = np.array([row["dice"] for _, row in scored if not np.isnan(row["dice"])])
    if dice.size == 0 or dice.mean() >= SUSPECT_BELOW_DICE:
        return ()

    def pairs() -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_], tuple[float, float, float]]]:
        for task, _ in scored:
            yield load_pair(task)

    return suspicions(pairs, float(dice.mean()))
