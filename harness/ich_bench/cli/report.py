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


@app.command()
def report(
    outs: Annotated[
        list[Path] | None, typer.Argument(help="Output folders of `evaluate`, or folders of such.", show_default=False)
    ] = None,
    submissions: Annotated[
        Path | None, typer.Option("--submissions", help="A folder of submissions; by default the leaderboard's.")
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option("--dataset", help="Only this dataset; may be given several times.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML file.")] = Path("report.html"),
    figures: Annotated[
        Path | None, typer.Option("--figures", help="Also every figure as PNG (300 dpi) and PDF, into this folder.")
    ] = None,
    tables: Annotated[
        Path | None, typer.Option("--tables", help="Also every table as Markdown and LaTeX, into this folder.")
    ] = None,
    format: Annotated[str, typer.Option("--format", help="What --tables writes: md, latex or both.")] = "both",
    profile: Annotated[str | None, typer.Option("--profile", help="The profile of the scores, if several.")] = None,
) -> None:
    """Write one HTML file with the papers' tables and figures; it needs no network and no other file."""
    from ich_bench.errors import UsageError, did_you_mean
    from ich_bench.places import write_text
    from ich_bench.report.tables import FORMATS
    from ich_bench.report.write import report as make

    if format not in (*FORMATS, "both"):
        raise UsageError(f"there is no format {format!r}. {did_you_mean(format, (*FORMATS, 'both'))}")
    made = make(outs or (), submissions=submissions, datasets=dataset or (), profile=profile)
    console.talk_list("about this report:", made.notes)
    written = [write_text(out, made.html())]
    if figures is not None:
        written += made.save_figures(figures)
    if tables is not None:
        written += made.save_tables(tables, tuple(FORMATS) if format == "both" else (format,))
    console.data(str(written[0]))
    for folder in dict.fromkeys(path.parent for path in written[1:]):
        console.talk(f"{folder}: {sum(path.parent == folder for path in written[1:])} files")


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
