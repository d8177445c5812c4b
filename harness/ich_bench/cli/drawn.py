"""The verbs about drawn heads: phantom make, phantom show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ich_bench.cli import console
from ich_bench.cli.app import Jobs, app

phantom = typer.Typer(help="Drawn heads: no patient is involved.", no_args_is_help=True)
app.add_typer(phantom, name="phantom")


@phantom.command("make")
def make(
    dataset: Annotated[
        str, typer.Argument(help="phantom, phantom-test, phantom-dev, phantom-mini, or pool.")
    ] = "phantom-mini",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Default: the cache folder, where every verb looks.")
    ] = None,
    heads: Annotated[int | None, typer.Option("--heads", min=1, help="Only so many heads (pool: 100).")] = None,
    site: Annotated[str | None, typer.Option("--site", help="Only heads of this site: a, b or c.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Other heads of the pool (default 0).")] = None,
    clean: Annotated[bool, typer.Option("--clean", help="The pool's labels without their errors.")] = False,
    layout: Annotated[
        str | None,
        typer.Option(
            "--layout", help="As a real download lies: hssayeni, seg-cq500, instance2022, rsna or cq500-negative."
        ),
    ] = None,
    jobs: Jobs = 0,
) -> None:
    """Draw the heads of a dataset, or a pool of slices with weak labels, and print where they lie.

    A run that was stopped continues; what is there is not drawn again.
    """
    from ich_bench.phantom import making

    asked = making.Asked(
        dataset=dataset, out=out, heads=heads, site=site, seed=seed, clean=clean, layout=layout, jobs=jobs
    )
    with console.progress("drawing heads") as tick:
        written = making.write(asked, progress=tick)
    for note in written.notes:
        console.talk(note)
    console.data(str(written.folder))


@phantom.command("show")
def show(
    what: Annotated[str, typer.Argument(help="A case such as phantom-007, or a drawn dataset.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The PNG. Default: ./<WHAT>.png.")] = None,
    heads: Annotated[int, typer.Option("--heads", min=1, max=60, help="How many heads of a dataset.")] = 6,
) -> None:
    """Write a picture: slices in blood, brain and bone windows, the mask outlined."""
    from ich_bench.phantom.montage import picture_of

    with console.progress("drawing heads") as tick:
        made = picture_of(what, out, heads=heads, progress=tick)
    console.talk(made.legend)
    console.data(str(made.path))
