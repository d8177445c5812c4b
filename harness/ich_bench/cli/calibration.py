"""The verb that makes the rows every board is read against: calibrate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ich_bench.cli import console
from ich_bench.cli.app import Data, DatasetId, Jobs, app


@app.command()
def calibrate(
    dataset: DatasetId,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the rows' folders go, one a row.")] = Path(
        "ich-bench-out/calibration"
    ),
    data: Data = None,
    rows: Annotated[
        str | None, typer.Option("--rows", help="Only these rows, such as empty,ref-256; all seven by default.")
    ] = None,
    jobs: Jobs = 0,
) -> None:
    """Make and score the rows that need no method: empty, all-brain, threshold, and the reference blurred by a pixel.

    They are shown on a board and never ranked. Each folder can be given to `leaderboard --with` and to `submit`.
    """
    from ich_bench.calibration import ROWS
    from ich_bench.calibration import calibrate as run
    from ich_bench.tables import render
    from ich_bench.tables.summary import summarise

    chosen = tuple(ROWS) if rows is None else tuple(name.strip() for name in rows.split(",") if name.strip())
    with console.progress("calibration rows") as tick:
        scored, warnings = run(dataset, out, data=data, rows=chosen, jobs=jobs, progress=tick)
    console.talk_list("warnings:", warnings)
    for one in scored:
        if one.same_as_reference and one.row.kind == "ceiling":
            console.talk(f"{one.row.name}: the reference itself on {one.same_as_reference} head(s) with ICH")
    console.data(render.side_by_side([(one.run.name, summarise(one.run.scores)) for one in scored]))
    for one in scored:
        console.data(f"folder      {out / one.row.name}")
