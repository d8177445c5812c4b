"""What the verbs of the baselines share: their options, and the job that these ask for."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from ich_bench.cli import console
from ich_bench.cli.app import app
from ich_bench.errors import IchBenchError, UsageError

baselines = typer.Typer(
    name="baselines",
    help="Train the papers' methods, predict with them, score them.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(baselines)

MethodId = Annotated[str, typer.Argument(metavar="METHOD", help="A method; `ich-bench baselines list` names them.")]
OneMethod = Annotated[
    str | None,
    typer.Argument(metavar="METHOD", help="A method, unless --all is given.", show_default=False),
]
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


def job_of(method_id: str, dataset: str, out: Path, *, fold: int | None = 0, device: str = "cpu",
           precision: str | None = None, jobs: int = 1, check: bool = True, there: bool = False,
           any_pool: bool = False, **more: Any) -> Any:  # fmt: skip
    """Return the checked job that the options ask for.

    `there`: it will run on another machine, of named device; `any_pool`: --pool is that of other methods too.
    """
    from ich_bench.folds import load_scheme
    from ich_bench_baselines.job import Job, check_names
    from ich_bench_baselines.job import check as check_job
    from ich_bench_baselines.methods import known

    known(method_id)
    if there and device == "auto":
        raise UsageError("--cluster needs --device: cuda, or cpu; this machine cannot see what those have.")
    where = device if there else device_of(device)
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
    (check_job if check else check_names)(job)
    if check and not any_pool:
        _check_pool(job)
    return job


def _check_pool(job: Any) -> None:
    """Raise UsageError where a pool is needed and none is named, or the other way round: before anything is done."""
    from ich_bench_baselines.everything import FROM_POOL, needs_pool
    from ich_bench_baselines.methods import known
    from ich_bench_baselines.pretext.training import KINDS

    about = known(job.method)
    if job.pool is None and needs_pool(about):
        raise UsageError(f"{job.method} learns from a pool of slices: name one with --pool. {KINDS}.")
    if job.pool is not None and not FROM_POOL & set(about.labels):
        raise UsageError(f"{job.method} learns from drawn masks alone: leave --pool away.")


def option_pairs(given: list[str] | None) -> tuple[tuple[str, str], ...]:
    """Return what `--option NAME=VALUE` says, pair by pair; UsageError where it is no such thing."""
    parts = [one.partition("=") for one in given or ()]
    wrong = [name for name, equals, value in parts if not (name and equals and value)]
    if wrong:
        raise UsageError(f"--option {wrong[0]}: expected NAME=VALUE, such as aligned=yes.")
    return tuple((name.strip(), value.strip()) for name, _, value in parts)


def device_of(asked: str) -> str:
    """Return the device that `--device` names; UsageError where there is none such."""
    from ich_bench_baselines.hardware import chosen_device

    return chosen_device(asked)


def seed_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of `--seed`; UsageError where they are none."""
    return whole_numbers(text, "--seed")


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """Return whole numbers between commas; UsageError where they are none."""
    if not all(part.strip().isdecimal() for part in text.split(",")):
        raise UsageError(f"{option} {text}: expected whole numbers such as 0 or 0,1,2.")
    return tuple(int(part) for part in text.split(","))


def need(*packages: str) -> None:
    """Raise IchBenchError in words where the extra is not installed."""
    absent = [name for name in packages if find_spec(name) is None]
    if absent:
        raise IchBenchError(f"{' and '.join(absent)} not installed: pip install 'ich-bench[baselines]'")
