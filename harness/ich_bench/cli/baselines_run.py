"""The verbs of whole experiments: baselines run, overview."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ich_bench.cli import console
from ich_bench.cli.app import AsJson, Data, Jobs, SchemeOpt, fold_numbers
from ich_bench.cli.baselines_options import (
    OUT,
    Batch,
    Budget,
    Compiled,
    DatasetName,
    Device,
    Epochs,
    Folds,
    OneMethod,
    Options,
    OutDir,
    PoolName,
    Precision,
    Schedule,
    Seeds,
    Side,
    TrainData,
    TrainOn,
    Variant,
    Width,
    baselines,
    job_of,
    need,
    option_pairs,
    seed_numbers,
)
from ich_bench.errors import IchBenchError, UsageError

FIRST = "unet-mixed"  # whose options --all is read with
Submit = Annotated[
    Path | None, typer.Option("--submit", help="Also make submissions of it, below this folder (submissions).")
]
Probabilities = Annotated[
    bool, typer.Option("--probabilities", help="Also write probability maps, for `ensemble --rule mean`.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
All = Annotated[bool, typer.Option("--all", help="Every method and the calibration rows, one after the other.")]


Cluster = Annotated[
    str | None, typer.Option("--cluster", help="slurm: a job for each fold, by submitit; local: to try it here.")
]
ClusterOptions = Annotated[
    list[str] | None, typer.Option("--cluster-option", help="NAME=VALUE of submitit, such as slurm_partition=gpu.")
]


@baselines.command()
def run(dataset: DatasetName, method_id: OneMethod = None, everything: All = False, fold: Folds = None,
        seed: Seeds = "0", out: OutDir = OUT, data: Data = None, scheme: SchemeOpt = None, budget: Budget = None,
        schedule: Schedule = "paper", variant: Variant = "paper", train_on: TrainOn = None,
        train_data: TrainData = None, pool: PoolName = None, option: Options = None, device: Device = "auto",
        precision: Precision = None, compiled: Compiled = False, batch: Batch = None, epochs: Epochs = None,
        width: Width = None, side: Side = None, jobs: Jobs = 0, submit: Submit = None,
        probabilities: Probabilities = False, cluster: Cluster = None, cluster_option: ClusterOptions = None,
        dry_run: DryRun = False) -> None:  # fmt: skip
    """Train, predict and score a method, or --all, on every fold of a dataset, and write each submission.toml.

    Stop it anywhere: the same command continues. It ends with the table and the command that submits it; with --all
    with the overview of all methods (exit status 1 where one failed), and each of them in a process of its own.
    """
    need("ich_bench_baselines", "torch")
    if everything == (method_id is not None):
        raise UsageError("name one METHOD (`ich-bench baselines list`), or give --all, not both.")
    if everything and (option or probabilities):
        raise UsageError("--option and --probabilities go with one method: leave them or --all away.")
    if cluster is None and cluster_option:
        raise UsageError("--cluster-option goes with --cluster.")
    if cluster is not None and submit is not None:
        raise UsageError(
            "--submit goes with a run on this machine: leave it away, and `ich-bench submit` what is scored."
        )
    seeds, folds = seed_numbers(seed), fold_numbers(fold)
    job = job_of(method_id or FIRST, dataset, out, scheme=scheme, fold=None, seed=seeds[0], data=data, budget=budget,
                 schedule=schedule, variant=variant, train_on=train_on, train_data=train_data, pool=pool,
                 options=option_pairs(option), device=device, precision=precision, compiled=compiled, batch=batch,
                 epochs=epochs, width=width, side=side, jobs=jobs, probabilities=probabilities,
                 there=cluster is not None, any_pool=everything)  # fmt: skip
    if dry_run:
        console.data(_plan(job, folds, seeds, everything))
    elif cluster is not None:
        _run_on(cluster, option_pairs(cluster_option), job, folds, seeds, everything)
    elif everything:
        _run_all(job, folds, seeds, submit)
    else:
        _run_one(job, folds, seeds, submit)


@baselines.command()
def overview(out: OutDir = OUT, as_json: AsJson = False) -> None:
    """Show what became of the last `run --all` in OUT, fold by fold, while it runs or afterwards."""
    need("ich_bench_baselines", "torch")
    from ich_bench_baselines.everything import read_plan
    from ich_bench_baselines.overview import overview_json, overview_text
    from ich_bench_baselines.pieces import state

    states = {job: state(job) for job in read_plan(out)}
    if as_json:
        console.data_json(overview_json(states))
    else:
        console.data(overview_text(states))


def _plan(job: Any, folds: tuple[int, ...] | None, seeds: tuple[int, ...], everything: bool) -> str:
    from ich_bench_baselines.planned import planned
    from ich_bench_baselines.told import plan_text

    if not everything:
        return plan_text(job, planned(job, folds=folds, seeds=seeds))
    from ich_bench_baselines.everything import jobs_of_all
    from ich_bench_baselines.forecast import forecast, forecast_text

    return forecast_text(forecast(jobs_of_all(job, folds=folds, seeds=seeds)))


def _run_one(job: Any, folds: tuple[int, ...] | None, seeds: tuple[int, ...], submit: Path | None) -> None:
    """Run with a bar for each stage: the stage's name is told when it begins, its steps while it lasts."""
    from ich_bench_baselines import distributed
    from ich_bench_baselines.experiment import run as run_method
    from ich_bench_baselines.told import experiment_text

    with console.progress(job.method) as tick:
        done = run_method(replace(job, progress=tick), folds=folds, seeds=seeds, stage=console.talk)
    if distributed.leads():
        console.data(experiment_text(done))
        if submit is not None and done.scores is not None:
            _submit(done.folder, submit)
    distributed.end()


def _run_all(job: Any, folds: tuple[int, ...] | None, seeds: tuple[int, ...], submit: Path | None) -> None:
    from ich_bench_baselines import everything, overview

    jobs = everything.jobs_of_all(job, folds=folds, seeds=seeds)
    with console.progress("calibration rows") as tick:
        everything.calibrated(replace(job, progress=tick))
    with console.progress("this step") as tick:
        states = everything.run_all(jobs, folds=folds, stage=console.talk, progress=tick)
    console.data(overview.overview_text(states))
    refused = 0
    if submit is not None:
        for home in (*everything.groups(jobs), *(job.out / row for row in everything.CALIBRATION)):
            if (home / "submission.toml").is_file():
                try:
                    _submit(home, submit)
                except IchBenchError as fault:  # the others are submitted all the same
                    console.talk_fault(fault)
                    refused += 1
    if refused or overview.failures(states):
        raise typer.Exit(1)


def _run_on(cluster: str, given: tuple[tuple[str, str], ...], job: Any, folds: tuple[int, ...] | None,
            seeds: tuple[int, ...], everything: bool) -> None:  # fmt: skip
    """Hand over what is not done, score what is, and say how all of it stands; the same command again goes on."""
    from ich_bench_baselines import cluster as clusters
    from ich_bench_baselines.everything import groups, is_scored, jobs_of_all, score, write_plan
    from ich_bench_baselines.experiment import jobs_of
    from ich_bench_baselines.overview import failures, overview_text
    from ich_bench_baselines.pieces import DONE, state

    jobs = (jobs_of_all if everything else jobs_of)(job, folds=folds, seeds=seeds)
    write_plan(jobs)
    handed = clusters.submit(jobs, cluster, clusters.parameters(given))
    console.talk(f"{len(handed)} of {len(jobs)} jobs were handed to {cluster}; their logs are in {job.out / 'cluster'}")
    for home, some in groups(jobs).items():
        if all(state(one).name == DONE for one in some) and not is_scored(home, some):
            score(home, some, folds=folds, stage=console.talk)
    states = {one: state(one) for one in jobs}
    console.data(overview_text(states))
    if failures(states):
        raise typer.Exit(1)


def _submit(home: Path, shelf: Path) -> None:
    from ich_bench.submissions.submit import submit

    done = submit([home], f"ich-bench-{home.name}", submissions=shelf, predictions=home, overwrite=True)
    console.talk_list(f"to know of {home.name}:", done.notes)
    console.data(f"submitted   {done.submission.folder}")
