"""The verbs that show, train and use the papers' methods: baselines list, show, train, predict, bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ich_bench.cli import console
from ich_bench.cli.app import AsJson, Data, Jobs, SchemeOpt
from ich_bench.cli.baselines_options import (
    OUT,
    Batch,
    Budget,
    Compiled,
    DatasetName,
    Device,
    Epochs,
    MethodId,
    Options,
    OutDir,
    PoolName,
    Precision,
    Schedule,
    Side,
    TrainData,
    TrainOn,
    Variant,
    Width,
    baselines,
    device_of,
    job_of,
    need,
    option_pairs,
)


@baselines.command("list")
def list_methods(as_json: AsJson = False) -> None:
    """List the methods: paper, supervision, labels, parameters, and what the paper reports."""
    need("ich_bench_baselines")
    from ich_bench_baselines.told import methods_json, methods_table

    if as_json:
        console.data_json(methods_json())
    else:
        console.data(methods_table())


@baselines.command()
def show(method_id: MethodId, variant: Variant = "paper", schedule: Schedule = "paper", dataset: DatasetName = "",
         as_json: AsJson = False) -> None:  # fmt: skip
    """Show a method: every setting with where it comes from, what differs from the paper, what the paper reports."""
    need("ich_bench_baselines", "torch")
    from ich_bench_baselines.told import method_json, method_text

    job = job_of(method_id, dataset or "hssayeni", OUT, schedule=schedule, variant=variant, check=False)
    if as_json:
        console.data_json(method_json(job))
    else:
        console.data(method_text(job))


@baselines.command()
def train(method_id: MethodId, dataset: DatasetName, fold: Annotated[int, typer.Option("--fold")] = 0,
          seed: Annotated[int, typer.Option("--seed")] = 0, out: OutDir = OUT, data: Data = None,
          scheme: SchemeOpt = None, budget: Budget = None, schedule: Schedule = "paper", variant: Variant = "paper",
          train_on: TrainOn = None, train_data: TrainData = None, pool: PoolName = None,
          option: Options = None, device: Device = "auto", precision: Precision = None, compiled: Compiled = False,
          batch: Batch = None, epochs: Epochs = None, width: Width = None, side: Side = None,
          jobs: Jobs = 0) -> None:  # fmt: skip
    """Train one fold; print the checkpoint's path. Interrupted, the same command continues."""
    need("ich_bench_baselines", "torch")
    from dataclasses import replace

    from ich_bench_baselines.methods import method

    job = job_of(method_id, dataset, out, scheme=scheme, fold=fold, seed=seed, data=data, budget=budget,
               schedule=schedule, variant=variant, train_on=train_on, train_data=train_data, pool=pool,
               options=option_pairs(option), device=device, precision=precision, compiled=compiled, batch=batch,
               epochs=epochs, width=width, side=side, jobs=jobs)  # fmt: skip
    with console.progress(f"training {method_id}, fold {fold}") as tick:
        path = method(method_id).train(replace(job, progress=tick))
    console.data(str(path))


@baselines.command()
def predict(
    checkpoint: Annotated[
        Path, typer.Argument(help="last.ckpt or parts.json of a training, or its folder.", show_default=False)
    ],
    what: Annotated[str, typer.Argument(help="A dataset id, or a folder of head CTs.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the masks go.")],
    data: Data = None,
    device: Device = "auto",
    every: Annotated[
        bool, typer.Option("--every-case", help="Of the dataset it was trained on, also the cases it has seen.")
    ] = False,
) -> None:
    """Write the masks of a dataset's heads, or of any folder of CTs, with a trained checkpoint.

    Of the dataset that it was trained on, only the test cases of its fold, unless --every-case.
    """
    need("ich_bench_baselines", "torch")
    from ich_bench_baselines.anywhere import predict_anywhere

    with console.progress("predicting") as tick:
        files, note = predict_anywhere(
            checkpoint, what, out, data=data, device=device_of(device), every=every, progress=tick
        )
    if note:
        console.talk(note)
    console.talk(f"{len(files)} masks in {out}")
    console.data(str(out))


@baselines.command()
def bench(
    device: Device = "auto",
    precision: Precision = None,
    compiled: Compiled = False,
    batch: Batch = None,
    side: Side = None,
    width: Width = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="How long each way trains, and predicts; 5, on a GPU 15.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes of the plain way; every core by default, 16 at most.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure slices per second of training and prediction next to the plain way, and compare their losses.

    On a GPU at the paper's size, on a CPU at a small one, in about a minute.

    The plain way changes one slice at a time in worker processes and trains in
    fp32, as the authors' code does. Nothing is read and nothing is kept.
    """
    need("ich_bench_baselines", "torch")
    from ich_bench_baselines.bench import measured as measure

    size = measure.size_of(device, precision=precision, compiled=compiled, batch=batch, side=side, width=width,
                           seconds=seconds, workers=workers)  # fmt: skip
    found = measure.bench(size, stage=console.talk)
    if as_json:
        console.data_json(measure.plain_values(found))
    else:
        console.data(measure.text(found))
