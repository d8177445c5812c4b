"""The verbs beyond one method: baselines figure5, sweep, leakage, ensemble, beside."""

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
    Compiled,
    DatasetName,
    Device,
    Epochs,
    Folds,
    MethodId,
    Options,
    OutDir,
    PoolName,
    Precision,
    Schedule,
    Seeds,
    Side,
    Variant,
    Width,
    baselines,
    job_of,
    need,
    option_pairs,
    seed_numbers,
    whole_numbers,
)

Shares = Annotated[str, typer.Option("--shares", help="Percent of the pool, such as 10,50,100.")]


@baselines.command()
def figure5(
    pool: PoolName = None,
    out: OutDir = OUT,
    count: Annotated[int, typer.Option("--slices", help="How many held-out slices, half with ICH.")] = 5000,
    seed: Annotated[int, typer.Option("--seed", help="Of the pretexts.")] = 0,
    schedule: Schedule = "paper",
    variant: Variant = "paper",
    device: Device = "auto",
    precision: Precision = None,
    compiled: Compiled = False,
    batch: Batch = None,
    epochs: Epochs = None,
    width: Width = None,
    side: Side = None,
    jobs: Jobs = 0,
) -> None:
    """Draw what five pretexts learned (Spahr 2023, Figure 5): t-SNE and k-NN purity of slices held out of all.

    A pretext that is not there yet is trained. Files go to OUT/figure5.
    """
    need("ich_bench_baselines", "torch", "sklearn", "matplotlib")
    from ich_bench_baselines.studies.figure5 import figure5 as draw
    from ich_bench_baselines.studies.figure5 import table

    job = job_of("multilabel-ce", "hssayeni", out, seed=seed, schedule=schedule, variant=variant, pool=pool,
               device=device, precision=precision, compiled=compiled, batch=batch, epochs=epochs, width=width,
               side=side, jobs=jobs)  # fmt: skip
    with console.progress("figure 5") as tick:
        drawn = draw(replace(job, progress=tick), count=count, stage=console.talk)
    console.data(table(drawn))


@baselines.command()
def sweep(method_id: MethodId, dataset: DatasetName, pool: PoolName = None,
          shares: Shares = "10,20,30,40,50,60,70,80,90,100",
          seed: Seeds = "0", out: OutDir = OUT, data: Data = None, scheme: SchemeOpt = None,
          schedule: Schedule = "paper", option: Options = None, device: Device = "auto", precision: Precision = None,
          compiled: Compiled = False, batch: Batch = None, epochs: Epochs = None, width: Width = None,
          side: Side = None, jobs: Jobs = 0) -> None:  # fmt: skip
    """Train on growing shares of a pool, test each, and draw Dice against the share (Ramananda 2025).

    Ends with the smallest share that is as good as all of it. What is there is not done again; files go to OUT/sweep.
    """
    need("ich_bench_baselines", "torch", "matplotlib")
    from ich_bench_baselines.studies.sweep import shares_of, table
    from ich_bench_baselines.studies.sweep import sweep as run_sweep

    shares_of(method_id)
    seeds, wanted = seed_numbers(seed), whole_numbers(shares, "--shares")
    job = job_of(method_id, dataset, out, fold=None, seed=seeds[0], data=data, scheme=scheme, schedule=schedule,
                 pool=pool, options=option_pairs(option), device=device, precision=precision, compiled=compiled,
                 batch=batch, epochs=epochs, width=width, side=side, jobs=jobs)  # fmt: skip
    with console.progress("sweep") as tick:
        found = run_sweep(replace(job, progress=tick), shares=wanted, seeds=seeds, stage=console.talk)
    console.data(table(found))


@baselines.command()
def leakage(dataset: DatasetName, fold: Folds = None, seed: Annotated[int, typer.Option("--seed")] = 0,
            out: OutDir = OUT, data: Data = None, scheme: SchemeOpt = None, schedule: Schedule = "paper",
            device: Device = "auto", precision: Precision = None, compiled: Compiled = False, batch: Batch = None,
            epochs: Epochs = None, width: Width = None, side: Side = None, jobs: Jobs = 0) -> None:  # fmt: skip
    """Measure how much of a Dice is leakage: patients or slices apart, last checkpoint or the test fold's best.

    Files go to OUT/leakage. Nothing of it can become a submission.
    """
    need("ich_bench_baselines", "torch")
    from ich_bench_baselines.studies.leakage import study

    job = job_of("unet-ich-only", dataset, out, fold=None, seed=seed, data=data, scheme=scheme, schedule=schedule,
                 device=device, precision=precision, compiled=compiled, batch=batch, epochs=epochs, width=width,
                 side=side, jobs=jobs)  # fmt: skip
    with console.progress("leakage study") as tick:
        found = study(replace(job, progress=tick), folds=fold_numbers(fold), stage=console.talk)
    console.data(f"{found.text()}table       {found.path}\n")


@baselines.command()
def ensemble(
    members: Annotated[
        list[Path], typer.Argument(metavar="MEMBER...", help="Submissions, OUT folders or folders of masks.")
    ],
    dataset: DatasetName,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to make.")],
    rule: Annotated[str, typer.Option("--rule", help="majority of masks, or mean of probabilities.")] = "majority",
    pooled: Annotated[bool, typer.Option("--pool-seeds", help="All seeds of a member together are one vote.")] = False,
    name: Annotated[str, typer.Option("--name", help="What it is called on the board.")] = "Ensemble",
    team: Annotated[str, typer.Option("--team", help="Who submits it.")] = "",
    data: Data = None,
    scheme: SchemeOpt = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace masks that are there.")] = False,
    jobs: Jobs = 0,
) -> None:
    """Combine any prediction folders into one, score it, and write a submission.toml that names its members.

    Members must hold the same cases and folds on the same grids; otherwise every fault is told and nothing is written.
    """
    need("ich_bench_baselines", "torch")
    from ich_bench.datasets import load_dataset
    from ich_bench.runs.evaluation import evaluate
    from ich_bench.tables.render import render
    from ich_bench.tables.summary import summarise
    from ich_bench_baselines.studies.ensemble import ensemble as combine

    load_dataset(dataset, data)  # what cannot be scored is not begun
    with console.progress("masks") as tick:
        made = combine(members, dataset, out, rule=rule,  # type: ignore[arg-type]  # it refuses others in words
                       scheme=scheme, seeds="pool" if pooled else "match", name=name,
                       team=team, overwrite=overwrite, progress=tick)  # fmt: skip
    console.talk_list(f"for `ich-bench submit`, in {made.manifest}:", made.notes)
    with console.progress("scoring") as tick:
        scores = evaluate(dataset, out, data=data, out=out, scheme=scheme, folds=made.folds, overwrite=True, jobs=jobs,
                          progress=tick)  # fmt: skip
    console.data(render(summarise(scores.scores)))
    console.data(f"manifest    {made.manifest}\nsubmit      ich-bench submit {out} --name {out.resolve().name}")


@baselines.command()
def beside(
    outs: Annotated[
        list[Path] | None, typer.Argument(metavar="[OUT]...", help="Folders of `run`, or folders of such.")
    ] = None,
    submissions: Annotated[Path | None, typer.Option("--submissions", help="The folder of submissions.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="As a table of Markdown.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what papers print for their methods, and beside it what our trainings of them reach on the same data."""
    need("ich_bench_baselines")
    from dataclasses import asdict

    from ich_bench_baselines.studies.beside import beside as numbers
    from ich_bench_baselines.studies.beside import text

    rows = numbers(outs or (), submissions)
    if as_json:
        console.data_json([_plain({**asdict(one), "difference": one.difference}) for one in rows])
    else:
        console.data(text(rows, markdown=markdown))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return values as strict JSON has them: infinity as the string "inf"."""
    return {name: "inf" if value == float("inf") else value for name, value in values.items()}
