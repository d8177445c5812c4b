"""The verbs that mend predictions: regrid, fix-headers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ich_bench.cli import console
from ich_bench.cli.app import Data, DatasetArg, Labels, MapFile, Rename, SchemeOpt, app, numbers

Out = Annotated[Path, typer.Option("--out", "-o", help="The folder to write to; the input is never changed.")]
Folder = Annotated[Path, typer.Argument(help="A prediction folder.", show_default=False)]


@app.command()
def regrid(
    dataset: DatasetArg,
    folder: Folder,
    out: Out,
    data: Data = None,
    scheme: SchemeOpt = None,
    labels: Labels = None,
    rename: Rename = None,
    map_file: MapFile = None,
) -> None:
    """Bring masks onto the CT's grid: nearest neighbour by world coordinates, gantry tilt included."""
    from ich_bench import plain
    from ich_bench.predictions.regrid import regrid as run

    target, plan = plain.resolve(dataset, data=data, scheme=scheme)
    with console.progress("regridding") as tick:
        done = run(
            target,
            folder,
            out,
            scheme=plan,
            labels=numbers(labels, "--labels"),
            rename=rename,
            map_file=map_file,
            progress=tick,
        )
    console.talk_list("warnings:", done.warnings)
    console.data(f"{done.folder}  {len(done.files)} masks on the CT's grid")


@app.command("fix-headers")
def fix_headers(
    dataset: DatasetArg,
    folder: Folder,
    out: Out,
    data: Data = None,
    scheme: SchemeOpt = None,
    labels: Labels = None,
    rename: Rename = None,
    map_file: MapFile = None,
    assume_ct_grid: Annotated[
        bool, typer.Option("--assume-ct-grid", help="Take masks without orientation to be stored as the CT is.")
    ] = False,
) -> None:
    """Copy the CT's header where the grids are provably the same; refuse the rest with the reason."""
    from ich_bench import plain
    from ich_bench.predictions.fix_headers import fix_headers as run

    target, plan = plain.resolve(dataset, data=data, scheme=scheme)
    with console.progress("checking headers") as tick:
        done = run(
            target,
            folder,
            out,
            scheme=plan,
            labels=numbers(labels, "--labels"),
            rename=rename,
            map_file=map_file,
            assume_ct_grid=assume_ct_grid,
            progress=tick,
        )
    console.talk_list("warnings:", done.warnings)
    console.data(f"{done.folder}  {len(done.files)} masks with the CT's header")
