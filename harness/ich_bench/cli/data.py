"""The verbs about data: datasets, prepare, folds, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ich_bench.cli import console
from ich_bench.cli.app import AsJson, Data, DatasetId, SchemeOpt, app


@app.command()
def datasets(
    dataset: Annotated[str | None, typer.Argument(help="A dataset id, for all that is known about it.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the datasets: where each lies here, cases, folds, licence, how to get access."""
    from ich_bench.tables import catalogue

    if dataset is None:
        console.data_json(catalogue.listing_json()) if as_json else console.data(catalogue.listing())
    else:
        console.data_json(catalogue.one_json(dataset)) if as_json else console.data(catalogue.one(dataset))


@app.command()
def prepare(
    dataset: DatasetId,
    source: Annotated[Path, typer.Option("--source", help="The folder (or RSNA zip) as you downloaded it.")],
    strict: Annotated[bool, typer.Option("--strict", help="Any difference from the card is an error.")] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Check only so many cases (RSNA: slices).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a download case by case and remember where it is; nothing is copied or altered."""
    from ich_bench.downloads.prepare import prepare as check

    with console.progress(f"checking {dataset}") as tick:
        prepared = check(dataset, source, strict=strict, limit=limit, progress=tick)
    if as_json:
        console.data_json(prepared.as_dict())
    else:
        console.data(prepared.text())


@app.command()
def folds(
    dataset: DatasetId,
    scheme: SchemeOpt = None,
    budget: Annotated[
        int | None, typer.Option("--budget", help="Percent of training patients: 10, 20, 50, 100.")
    ] = None,
    draw: Annotated[
        int | None, typer.Option("--draw", help="Which of the three draws of a budget: 0 (the default), 1 or 2.")
    ] = None,
    format: Annotated[str, typer.Option("--format", help="table, csv, json or nnunet.")] = "table",
    as_json: AsJson = False,
) -> None:
    """Print the frozen folds of a dataset, or the training cases of a budget."""
    from ich_bench.tables import catalogue

    console.data(catalogue.folds(dataset, scheme, budget=budget, draw=draw, format="json" if as_json else format))


@app.command()
def export(
    dataset: DatasetId,
    format: Annotated[str, typer.Option("--format", help="nnunet, monai or csv.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Default: nnUNet_raw, else ./ich-bench-export.")
    ] = None,
    data: Data = None,
    scheme: SchemeOpt = None,
    number: Annotated[int | None, typer.Option("--number", help="nnU-Net's number for the dataset.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a training-ready view: CTs by link, masks rewritten 0/1 on the CT's grid, our folds."""
    from ich_bench.datasets import load_dataset
    from ich_bench.downloads.export import export as write

    with console.progress(f"exporting {dataset}") as tick:
        made = write(load_dataset(dataset, data), format=format, out=out, scheme=scheme, number=number, progress=tick)
    if as_json:
        notes = list(made.notes)
        console.data_json({"folder": str(made.folder), "files": [str(path) for path in made.files], "notes": notes})
        return
    console.data(f"{made.folder}  {len(made.files)} files")
    console.talk_list("notes:", made.notes)
