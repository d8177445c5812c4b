"""The Typer application that the verbs hang on, and the options they share."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="ich-bench",
    help="Score masks of intracranial hemorrhage on head CT: right, fast, explained, beside everyone else's.\n\n"
    "Not a viewer, not a training framework, not for clinical use.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DatasetArg = Annotated[str, typer.Argument(help="A dataset id, or the path of a folder of reference masks.")]
DatasetId = Annotated[str, typer.Argument(help="A dataset id; `ich-bench datasets` lists them.")]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="The dataset's own download folder. Else ICH_BENCH_DATA/<id>, else what prepare kept."),
]
SchemeOpt = Annotated[str | None, typer.Option("--scheme", help="The fold scheme; the official one by default.")]
FoldOpt = Annotated[str | None, typer.Option("--fold", help="Only these folds, counted from 0: 0 or 0,1.")]
Labels = Annotated[
    str | None,
    typer.Option("--labels", help="Voxel values that count as hemorrhage, such as 1,3, if not 0/1 or 0/255."),
]
Rename = Annotated[
    str | None,
    typer.Option("--rename", help="How the masks are named, such as '{case_id}_seg', if not <case_id>.nii.gz."),
]
MapFile = Annotated[
    Path | None, typer.Option("--map", help="A CSV with columns file,case_id, if names follow no rule.")
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=0, help="Worker processes; 0 takes every core.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


def _version(asked: bool) -> None:
    if asked:
        from ich_bench import __version__

        typer.echo(f"ich-bench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Hold the options that stand before a verb."""


def numbers(text: str | None, option: str) -> tuple[float, ...] | None:
    """Return "1,3" as numbers; a usage error names the option where it is not."""
    if text is None:
        return None
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = (math.nan,)
    if not all(math.isfinite(one) for one in found):
        raise typer.BadParameter(f"{text!r} is no list of numbers such as 1,3.", param_hint=option)
    return found


def fold_numbers(text: str | None) -> tuple[int, ...] | None:
    """Return "0,1" as fold numbers."""
    if text is None:
        return None
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise typer.BadParameter(f"{text!r}: folds are whole numbers counted from 0, such as 0,1.", param_hint="--fold")
    return tuple(int(part) for part in parts)
