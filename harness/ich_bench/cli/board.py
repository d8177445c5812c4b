"""The verbs that rank and compare: leaderboard, compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ich_bench.cli import console
from ich_bench.cli.app import AsJson, SchemeOpt, app

Submissions = Annotated[
    Path | None,
    typer.Option("--submissions", help="The folder of submissions. Else ICH_BENCH_SUBMISSIONS, else ./submissions."),
]
With = Annotated[
    list[Path] | None,
    typer.Option("--with", help="An output folder of `evaluate`, or a folder of such, shown in its place; repeatable."),
]
ProfileOpt = Annotated[str | None, typer.Option("--profile", help="The profile of the scores; ranks are native only.")]


@app.command()
def leaderboard(
    dataset: Annotated[str | None, typer.Argument(help="A dataset id; all datasets where it is left away.")] = None,
    cohort: Annotated[str, typer.Option(help="ich, all or healthy (which has no rank).")] = "ich",
    metric: Annotated[str | None, typer.Option(help="The metric of the main table; dice unless told.")] = None,
    submissions: Submissions = None,
    runs: With = None,
    scheme: SchemeOpt = None,
    profile: ProfileOpt = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Show only rows with this in slug, method or team, or as supervision or regime."),
    ] = None,
    pairs: Annotated[bool, typer.Option("--pairs", help="Every pair of methods, with its tests.")] = False,
    schemes: Annotated[bool, typer.Option("--schemes", help="Ranks under other schemes, Kendall's τ.")] = False,
    strata: Annotated[bool, typer.Option("--strata", help="Dice by volume, thickness and subtype.")] = False,
    healthy: Annotated[bool, typer.Option("--healthy", help="Clean rate and predicted mL on healthy heads.")] = False,
    detection: Annotated[bool, typer.Option("--detection", help="Detected, sensitivity, specificity, 30 mL.")] = False,
    seeds: Annotated[bool, typer.Option("--seeds", help="Training runs and the SD of their means.")] = False,
    efficiency: Annotated[bool, typer.Option("--efficiency", help="Dice against what was annotated.")] = False,
    sensitivity: Annotated[bool, typer.Option("--sensitivity", help="Without the dataset's odd case.")] = False,
    reported: Annotated[bool, typer.Option("--reported", help="All published numbers.")] = False,
    everything: Annotated[bool, typer.Option("--everything", help="All of these parts.")] = False,
    format: Annotated[str, typer.Option(help="table, md, csv, latex, json or challenger.")] = "table",
    as_json: AsJson = False,
) -> None:
    """Rank what was submitted for a dataset, beside the published numbers; or say what there is on all of them.

    A rank is 1 + the methods that are significantly better; brackets hold the ranks that the data do not exclude. Ranks
    are those of the whole board, whatever is shown.
    """
    from ich_bench.board import kept
    from ich_bench.board import show as shown
    from ich_bench.board.sections import PARTS

    format = "json" if as_json else format
    shown.check_format(format)
    chosen = metric or ("clean" if cohort == "healthy" else "dice")
    if dataset is None:
        found = kept.overview(submissions=submissions, runs=runs or (), profile=profile)
        console.data(shown.show_overview(found, format=format, metric=chosen, cohort=cohort))
        return
    shown.check_cohort(cohort, chosen)
    board = kept.leaderboard(
        dataset,
        submissions=submissions,
        runs=runs or (),
        scheme=scheme,
        profile=profile,
        metrics=[] if metric is None else [metric],
    )
    if metric is None and board.rows and not board.with_ich and cohort == "ich":
        cohort, chosen = "healthy", "clean"
    asked = {
        "schemes": schemes,
        "strata": strata,
        "healthy": healthy,
        "detection": detection,
        "seeds": seeds,
        "efficiency": efficiency,
        "sensitivity": sensitivity,
        "reported": reported,
    }
    console.data(
        shown.show(
            board,
            format=format,
            cohort=cohort,
            metric=chosen,
            parts=(*PARTS, "reported") if everything else [name for name, wanted in asked.items() if wanted],
            pairs=pairs or everything,
            only=only or (),
        )
    )


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="A submission's slug, or an output folder of `evaluate`.")],
    second: Annotated[str, typer.Argument(help="The other.")],
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="May be left away where both have just one in common.")
    ] = None,
    submissions: Submissions = None,
    scheme: SchemeOpt = None,
    profile: ProfileOpt = None,
    common_cases: Annotated[
        bool, typer.Option("--common-cases", help="Compare on the cases that both have; refused without it.")
    ] = False,
    format: Annotated[str, typer.Option(help="table, md, csv, latex or json.")] = "table",
    as_json: AsJson = False,
) -> None:
    """Test two methods against each other on the same volumes: every test, per cohort and metric.

    The paired sign-flip test decides. Not separated is not equal: equivalence and power are told beside it.
    """
    from ich_bench.board.compare import compare as tested
    from ich_bench.board.compare_show import show_comparison

    found = tested(
        first,
        second,
        dataset=dataset,
        submissions=submissions,
        scheme=scheme,
        profile=profile,
        common_cases=common_cases,
    )
    console.data(show_comparison(found, format="json" if as_json else format))
