"""How does one method become a scored submission: every fold trained, predicted, scored, and the manifest written?

Each part is kept when it is done, and a part that is there is not done again: a run that was stopped anywhere goes on
where it stopped when the same command is given again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ich_bench.cases import Case
from ich_bench.datasets import load_dataset
from ich_bench.errors import IchBenchError
from ich_bench.runs.evaluation import Run, evaluate
from ich_bench_baselines import distributed
from ich_bench_baselines.cavity_report import CavityRow, report_cavity
from ich_bench_baselines.job import Job, check, submission_folder, tested
from ich_bench_baselines.manifest import write_manifest
from ich_bench_baselines.methods import known, method
from ich_bench_baselines.predict import predict_cases

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
        return f"ich-bench submit {self.folder} --name ich-bench-{self.folder.name}"


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
    way = method(job.method)
    dataset = load_dataset(job.dataset, job.data)
    checkpoints: dict[Job, Path] = {}
    for number, one in enumerate(todo):
        stage(
            f"{one.method} · seed {one.seed}{'' if one.elsewhere else f' · fold {one.fold}'} ({number + 1}/{len(todo)})"
        )
        checkpoints[one] = way.train(one)
        if distributed.leads():
            stage(f"predicting {len(test_cases(one, dataset.cases))} heads of {one.dataset}")
            predict_cases(one, way.load(checkpoints[one], one.device), test_cases(one, dataset.cases))
        distributed.wait()
    home = submission_folder(job)
    if not distributed.leads():
        return Experiment(folder=home, checkpoints=checkpoints)
    if getattr(way, "SEGMENTS", "ich") == "cavity":
        stage("holding the cavities against the known ones")
        return Experiment(folder=home, checkpoints=checkpoints, cavity=report_cavity(todo, dataset))
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
