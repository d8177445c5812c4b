"""The verbs that train the papers' methods: baselines list, show, train, predict, run, figure5."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from ich_bench.cli import console
from ich_bench.cli.app import AsJson, Data, Jobs, SchemeOpt, app, fold_numbers
from ich_bench.errors import IchBenchError, UsageError

baselines = typer.Typer(
    name="baselines",
    help="Train the papers' methods, predict with them, score them.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(baselines)

MethodId = Annotated[str, typer.Argument(help="A method; `ich-bench baselines list` names them.", show_default=False)]
DatasetName = Annotated[str, typer.Option("--dataset", "-d", help="Which dataset is predicted.", show_default=False)]
OutDir = Annotated[Path, typer.Option("--out", "-o", help="Where checkpoints, masks and scores go.")]
Folds = Annotated[str | None, typer.Option("--fold", help="Only these folds, such as 0 or 0,1; all by default.")]
Seeds = Annotated[str, typer.Option("--seed", help="Training seeds, such as 0 or 0,1,2.")]
Budget = Annotated[str | None, typer.Option("--budget", help="20-1: on 20 % of the training patients, draw 1.")]
Schedule = Annotated[str, typer.Option("--schedule", help="paper; phantom (ours, shorter); smoke (minutes on a CPU).")]
Variant = Annotated[str, typer.Option("--variant", help="paper, or code: the authors' code where it differs.")]
TrainOn = Annotated[str | None, typer.Option("--train-on", help="Train on all cases of this other dataset.")]
TrainData = Annotated[Path | None, typer.Option("--train-data", help="The folder of the --train-on dataset.")]
PoolName = Annotated[str | None, typer.Option("--pool", help="For pretexts: phantom-pool:N or rsna.")]
Options = Annotated[
    list[str] | None, typer.Option("--option", help="One of the method's own, as NAME=VALUE; `show` lists them.")
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
Precision = Annotated[str | None, typer.Option("--precision", help="fp32 or bf16; by default bf16 on a GPU.")]
Compiled = Annotated[bool, typer.Option("--compile", help="Compile the network (torch.compile).")]
Batch = Annotated[int | None, typer.Option("--batch", help="Slices in a batch, instead of the method's.")]
Epochs = Annotated[int | None, typer.Option("--epochs", help="Epochs, instead of the schedule's.")]
Width = Annotated[int | None, typer.Option("--width", help="Channels after the first block; 32 in Spahr 2023.")]
Side = Annotated[int | None, typer.Option("--side", help="Pixels a side; 256 in Spahr 2023.")]
OUT = Path("ich-bench-out/baselines")


@baselines.command("list")
def list_methods(as_json: AsJson = False) -> None:
    """List the methods: paper, supervision, labels, parameters, and what the paper reports."""
    _need("ich_bench_baselines")
    from ich_bench_baselines.told import methods_json, methods_table

    if as_json:
        console.data_json(methods_json())
    else:
        console.data(methods_table())


@baselines.command()
def show(method_id: MethodId, variant: Variant = "paper", schedule: Schedule = "paper", dataset: DatasetName = "",
         as_json: AsJson = False) -> None:  # fmt: skip
    """Show a method: every setting with where it comes from, what differs from the paper, what the paper reports."""
    _need("ich_bench_baselines", "torch")
    from ich_bench_baselines.told import method_json, method_text

    job = _job(method_id, dataset or "hssayeni", OUT, schedule=schedule, variant=variant, check=False)
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
    _need("ich_bench_baselines", "torch")
    from dataclasses import replace

    from ich_bench_baselines.methods import method

    job = _job(method_id, dataset, out, scheme=scheme, fold=fold, seed=seed, data=data, budget=budget,
               schedule=schedule, variant=variant, train_on=train_on, train_data=train_data, pool=pool,
               options=_options(option), device=device, precision=precision, compiled=compiled, batch=batch,
               epochs=epochs, width=width, side=side, jobs=jobs)  # fmt: skip
    with console.progress(f"training {method_id}, fold {fold}") as tick:
        path = method(method_id).train(replace(job, progress=tick))
    console.data(str(path))


@baselines.command()
def predict(
    checkpoint: Annotated[Path, typer.Argument(help="last.ckpt or parts.json of a training.", show_default=False)],
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
    _need("ich_bench_baselines", "torch")
    from ich_bench_baselines.anywhere import predict_anywhere

    with console.progress("predicting") as tick:
        files, note = predict_anywhere(
            checkpoint, what, out, data=data, device=_device(device), every=every, progress=tick
        )
    if note:
        console.talk(note)
    console.talk(f"{len(files)} masks in {out}")
    console.data(str(out))


@baselines.command()
def run(method_id: MethodId, dataset: DatasetName, fold: Folds = None, seed: Seeds = "0", out: OutDir = OUT,
        data: Data = None, scheme: SchemeOpt = None, budget: Budget = None, schedule: Schedule = "paper",
        variant: Variant = "paper", train_on: TrainOn = None, train_data: TrainData = None, pool: PoolName = None,
        option: Options = None, device: Device = "auto", precision: Precision = None, compiled: Compiled = False,
        batch: Batch = None, epochs: Epochs = None, width: Width = None, side: Side = None, jobs: Jobs = 0,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
        ) -> None:  # fmt: skip
    """Train, predict and score a method on every fold of a dataset, and write its submission.toml.

    Stop it anywhere: the same command continues. It ends with the table and the command that submits it.
    """
    _need("ich_bench_baselines", "torch")
    seeds = _seeds(seed)
    job = _job(method_id, dataset, out, scheme=scheme, fold=None, seed=seeds[0], data=data, budget=budget,
               schedule=schedule, variant=variant, train_on=train_on, train_data=train_data, pool=pool,
               options=_options(option), device=device, precision=precision, compiled=compiled, batch=batch,
               epochs=epochs, width=width, side=side, jobs=jobs)  # fmt: skip
    folds = fold_numbers(fold)
    if dry_run:
        from ich_bench_baselines.planned import planned
        from ich_bench_baselines.told import plan_text

        console.data(plan_text(job, planned(job, folds=folds, seeds=seeds)))
        return
    from ich_bench_baselines.told import experiment_text

    done = _run(job, folds, seeds)
    console.data(experiment_text(done))


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
    _need("ich_bench_baselines", "torch", "sklearn", "matplotlib")
    from dataclasses import replace

    from ich_bench_baselines.figure5 import figure5 as draw
    from ich_bench_baselines.figure5 import table

    job = _job("multilabel-ce", "hssayeni", out, seed=seed, schedule=schedule, variant=variant, pool=pool,
               device=device, precision=precision, compiled=compiled, batch=batch, epochs=epochs, width=width,
               side=side, jobs=jobs)  # fmt: skip
    with console.progress("figure 5") as tick:
        drawn = draw(replace(job, progress=tick), count=count, stage=console.talk)
    console.data(table(drawn))


def _run(job: Any, folds: tuple[int, ...] | None, seeds: tuple[int, ...]) -> Any:
    """Run with a bar for each stage: the stage's name is told when it begins, its steps while it lasts."""
    from dataclasses import replace

    from ich_bench_baselines.experiment import run as run_method

    with console.progress(job.method) as tick:
        return run_method(replace(job, progress=tick), folds=folds, seeds=seeds, stage=console.talk)


def _job(method_id: str, dataset: str, out: Path, *, fold: int | None = 0, device: str = "cpu",
         precision: str | None = None, jobs: int = 1, check: bool = True, **more: Any) -> Any:  # fmt: skip
    """Return the checked job that the options ask for."""
    from ich_bench.folds import load_scheme
    from ich_bench_baselines.job import Job
    from ich_bench_baselines.job import check as check_job
    from ich_bench_baselines.methods import known

    known(method_id)
    where = _device(device)
    first = (load_scheme(dataset, more.get("scheme")).folds[0] if check else 0) if fold is None else fold
    job = Job(
        method=method_id,
        dataset=dataset,
        out=out,
        fold=first,
        device=where,
        precision=precision or ("bf16" if where.startswith("cuda") else "fp32"),  # type: ignore[arg-type]
        jobs=jobs,
        tell=console.talk,
        **more,
    )
    if check:
        check_job(job)
    return job


def _options(given: list[str] | None) -> tuple[tuple[str, str], ...]:
    parts = [one.partition("=") for one in given or ()]
    wrong = [name for name, equals, value in parts if not (name and equals and value)]
    if wrong:
        raise UsageError(f"--option {wrong[0]}: expected NAME=VALUE, such as aligned=yes.")
    return tuple((name.strip(), value.strip()) for name, _, value in parts)


def _device(asked: str) -> str:
    from ich_bench_baselines.hardware import chosen_device

    return chosen_device(asked)


def _seeds(text: str) -> tuple[int, ...]:
    if not all(part.strip().isdecimal() for part in text.split(",")):
        raise UsageError(f"--seed {text}: expected whole numbers such as 0 or 0,1,2.")
    return tuple(int(part) for part in text.split(","))


def _need(*packages: str) -> None:
    """Raise IchBenchError in words where the extra is not installed."""
    absent = [name for name in packages if find_spec(name) is None]
    if absent:
        raise IchBenchError(f"{' and '.join(absent)} not installed: pip install 'ich-bench[baselines]'")
