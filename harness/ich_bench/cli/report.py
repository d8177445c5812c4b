"""The verbs that show: report, figure cases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ich_bench.cli import console
from ich_bench.cli.app import Data, Rename, app

figure = typer.Typer(help="Figures for a paper, 300 dpi.", no_args_is_help=True)
app.add_typer(figure, name="figure")

Outs = Annotated[list[Path], typer.Argument(help="One or several output folders of `evaluate`.", show_default=False)]


@figure.command("cases")
def figure_cases(
    outs: Outs,
    cases: Annotated[str, typer.Option("--cases", help="best, median, worst and case ids.")] = "best,median,worst",
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Which, if several; the path of a reference folder.")
    ] = None,
    data: Data = None,
    predictions: Annotated[
        list[Path] | None,
        typer.Option("--predictions", help="The folder of masks, once for each OUT that holds none itself."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="A .png, .pdf or .svg file.")] = Path("cases.png"),
    window: Annotated[str, typer.Option("--window", help="brain, blood, spahr2023, or level,width in HU.")] = "brain",
    overlay: Annotated[str, typer.Option("--overlay", help="errors (filled) or outlines.")] = "errors",
    slice_by: Annotated[
        str, typer.Option("--slice", help="The slice with the most: reference or error.")
    ] = "reference",
    three_d: Annotated[bool, typer.Option("--three-d", help="A shaded 3-D view below each case.")] = False,
    rename: Rename = None,
) -> None:
    """Draw cases × methods: CT, reference, and what each method hit, missed and added, with its Dice.

    A mask that is not the one that was scored is refused.
    """
    from ich_bench.report.examples import figure_cases as draw
    from ich_bench.report.pictures import checked_path, save_as

    checked_path(out)
    made = draw(
        outs,
        cases=[one.strip() for one in cases.split(",") if one.strip()],
        dataset=dataset,
        data=data,
        predictions=predictions or (),
        rename=rename,
        window_name=window,
        overlay=overlay,
        by=slice_by,
        three_d=three_d,
    )
    console.talk_list("about this figure:", made.notes)
    console.data(str(save_as(made.figure, out)))
