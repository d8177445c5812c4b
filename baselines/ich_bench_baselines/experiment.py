"""How does one method become a scored submission: every fold trained, predicted, scored, and the manifest written?

Each part is kept when it is done, and a part that is there is not done again: a run that was stopped anywhere goes on
where it stopped when the same command is given again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ich_bench.datasets import load_dataset
from ich_bench.runs.evaluation import Run, evaluate
from ich_bench_baselines import distributed
from ich_bench_baselines.job import Job, check, submission_folder, tested, titled
from ich_bench_baselines.manifest import write_manifest
from ich_bench_baselines.methods import known, method
from ich_bench_baselines.pieces import work
from ich_bench_baselines.spahr.cavity_report import CavityRow, report_cavity

Stage = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What `run` made: the checkpoints by job, the manifest and scores; of the cavity model its own figures."""

    folder: Path
    checkpoints: dict[Job, Path]
    manifest: Path | None = None
    scores: Run | None = None
    cavity: tuple[CavityRow, ...] = ()

    @property
    def submit_command(self) -> str:
        """Return the command that makes a submission of it."""
        return f"ich-bench submit {self.folder} --name {self.slug}"

    @property
    def slug(self) -> str:
        """Return the name of the submission that it becomes."""
        return f"ich-bench-{self.folder.name}"


def jobs_of(job: Job, *, folds: Sequence[int] | None = None, seeds: Sequence[int] = (0,)) -> tuple[Job, ...]:
    """Return one job a seed and fold, the checked parts of a run; a model trained elsewhere is one job a seed.

    UsageError for folds, seeds, datasets or budgets that there are not.
    """
    scheme = tested(job)
    chosen = tuple(dict.fromkeys(scheme.folds if folds is None else folds))
    if job.elsewhere:
        chosen = (0,)
    found = tuple(replace(job, seed=seed, fold=fold) for seed in dict.fromkeys(seeds) for fold in chosen)
    for one in found:
        check(one)
    return found


def run(
    job: Job,
    *,
    folds: Sequence[int] | None = None,
    seeds: Sequence[int] = (0,),
    stage: Stage = lambda what: None,
) -> Experiment:
    """Train, predict and score a method on the folds of a dataset; return what there is then.

    Args:
        job: Of any fold and seed; its `out` gets the folders that `job` describes.
        folds: None: all.
        seeds: One training a fold and seed.
        stage: Told in words what begins.

    Raises:
        UsageError: there is no such method, dataset, fold, budget …
        IchBenchError: data or torch are not here, a fold has nothing to learn from, memory or disk are full.
    """
    known(job.method)
    todo = jobs_of(job, folds=folds, seeds=seeds)
    cases = load_dataset(job.dataset, job.data).cases
    checkpoints: dict[Job, Path] = {}
    for number, one in enumerate(todo):
        if distributed.leads():
            stage(named(one, f"({number + 1}/{len(todo)})"))
        checkpoints[one] = work(one, cases)
    if not distributed.leads():
        return Experiment(folder=submission_folder(job), checkpoints=checkpoints)
    return gathered(job, checkpoints, folds=folds, stage=stage)


def gathered(
    job: Job,
    checkpoints: dict[Job, Path],
    *,
    folds: Sequence[int] | None = None,
    stage: Stage = lambda what: None,
) -> Experiment:
    """Score the masks of pieces that are done, and write their manifest; arguments as of `run`."""
    home = submission_folder(job)
    if getattr(method(job.method), "SEGMENTS", "ich") == "cavity":
        stage("holding the cavities against the known ones")
        cavity = report_cavity(tuple(checkpoints), load_dataset(job.dataset, job.data))
        return Experiment(folder=home, checkpoints=checkpoints, cavity=cavity)
    manifest = write_manifest(checkpoints)
    stage("scoring")
    scores = evaluate(
        job.dataset,
        home,
        data=job.data,
        out=home,
        scheme=tested(job).name,
        folds=None if folds is None or job.elsewhere else tuple(folds),
        overwrite=True,
        jobs=job.jobs,
        progress=job.progress,
    )
    return Experiment(folder=home, checkpoints=checkpoints, manifest=manifest, scores=scores)


def named(job: Job, more: str = "") -> str:
    """Return a piece in words: `unet-mixed · seed 0 · fold 2`."""
    words = [titled(job), f"seed {job.seed}", *([] if job.elsewhere else [f"fold {job.fold}"])]
    return " ".join([" · ".join(words), *filter(None, [more])])
