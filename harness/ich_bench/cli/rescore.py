"""The verb for a new version of the suite: every submission scored again, before beside after."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ich_bench.cli import console
from ich_bench.cli.app import AsJson, Jobs, app


@app.command()
def rescore(
    submissions: Annotated[Path, typer.Argument(help="The folder of submissions.", show_default=False)],
    predictions_root: Annotated[
        Path, typer.Option("--predictions-root", help="Masks as SLUG/, SLUG/DATASET/ or SLUG.zip.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the new scores go.")] = Path("ich-bench-rescore"),
    data_root: Annotated[
        Path | None, typer.Option("--data-root", help="Downloads as DATASET/. Else as in evaluate.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option("--only", help="This submission; may be given again.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Put the new scores into the submissions.")] = False,
    jobs: Jobs = 0,
    backend: Annotated[str, typer.Option("--backend", help="Where workers run: loky, threads or dask.")] = "loky",
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="With dask: tcp://HOST:PORT or tls://HOST:PORT; else here.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score all submissions again under this suite, from the masks they came from, and show what moved.

    Everything that is missing is said before anything is scored. An interrupted call continues. Exit status: 0 all
    scored again, 1 something is missing or differs (the others are shown), 2 wrong usage.
    """
    from ich_bench.runs.backends import find_backend, warnings_about
    from ich_bench.runs.moved import as_table
    from ich_bench.runs.rescore import NotAllError
    from ich_bench.runs.rescore import rescore as score_again

    console.talk_list("warning:", warnings_about(find_backend(backend, scheduler)))
    fault = None
    try:
        with console.progress("scoring again") as tick:
            done = score_again(
                submissions,
                predictions_root,
                out=out,
                data_root=data_root,
                only=only or (),
                write=write,
                jobs=jobs,
                backend=backend,
                scheduler=scheduler,
                stage=console.talk,
                progress=tick,
            )
    except NotAllError as some:
        done, fault = some.done, some
    if as_json:
        console.data_json({"rescored": [one.as_dict() for one in done]})
    elif done:
        console.data(as_table(done))
    if fault is not None:
        console.talk_fault(fault)
        raise typer.Exit(1)
    if not write:
        console.talk(f"The new scores lie in {out}/; --write puts them into the submissions.")
