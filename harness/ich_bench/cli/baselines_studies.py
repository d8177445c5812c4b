"""The verbs that study the papers' methods: baselines figure5."""

from __future__ import annotations

from typing import Annotated

import typer

from ich_bench.cli import console
from ich_bench.cli.app import Jobs
from ich_bench.cli.baselines_options import (
    OUT,
    Batch,
    Compiled,
    Device,
    Epochs,
    OutDir,
    PoolName,
    Precision,
    Schedule,
    Side,
    Variant,
    Width,
    baselines,
    job_of,
    need,
)


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
    from dataclasses import replace

    from ich_bench_baselines.figure5 import figure5 as draw
    from ich_bench_baselines.figure5 import table

    job = job_of("multilabel-ce", "hssayeni", out, seed=seed, schedule=schedule, variant=variant, pool=pool,
               device=device, precision=precision, compiled=compiled, batch=batch, epochs=epochs, width=width,
               side=side, jobs=jobs)  # fmt: skip
    with console.progress("figure 5") as tick:
        drawn = draw(replace(job, progress=tick), count=count, stage=console.talk)
    console.data(table(drawn))
