"""The verbs that score: evaluate, validate, show, demo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ich_bench.cli import console
from ich_bench.cli.app import (
    AsJson,
    Data,
    DatasetArg,
    FoldOpt,
    Jobs,
    Labels,
    MapFile,
    Rename,
    SchemeOpt,
    app,
    fold_numbers,
    numbers,
)
from ich_bench.errors import IchBenchError, InputError, UsageError

if TYPE_CHECKING:
    from ich_bench.runs.evaluation import Run

Folders = Annotated[list[Path], typer.Argument(help="One or several prediction folders or zips.", show_default=False)]
ReferenceLabels = Annotated[
    str | None, typer.Option("--reference-labels", help="As --labels, for the masks of a reference folder.")
]
Missing = Annotated[bool, typer.Option("--allow-missing", help="Score absent masks as the worst value; never ranked.")]


@app.command()
def evaluate(
    dataset: DatasetArg,
    folders: Folders,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Default: ich-bench-out/<folder name>.")] = None,
    data: Data = None,
    scheme: SchemeOpt = None,
    fold: FoldOpt = None,
    profile: Annotated[str, typer.Option(help="native, spahr2023, instance2022, hssayeni2020 or wang2020.")] = "native",
    legacy_dilation: Annotated[
        bool, typer.Option("--legacy-dilation", help="With spahr2023: dilate the reference as its code did.")
    ] = False,
    labels: Labels = None,
    reference_labels: ReferenceLabels = None,
    rename: Rename = None,
    map_file: MapFile = None,
    allow_missing: Missing = False,
    engine: Annotated[
        str, typer.Option(help="fast, or reference: the surface-distance package itself, for the same values.")
    ] = "fast",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace finished scores of other input.")] = False,
    jobs: Jobs = 0,
    backend: Annotated[str, typer.Option("--backend", help="Where workers run: loky, threads or dask.")] = "loky",
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="With dask: tcp://HOST:PORT or tls://HOST:PORT; else here.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score prediction folders: every problem at once, or a score file and a table.

    A folder holds <case_id>.nii.gz masks, or predictions/<dataset>/ with them. Interrupted runs continue. Exit status:
    0 scored, 1 cannot be scored (every reason printed), 2 wrong usage.
    """
    from ich_bench.runs.backends import find_backend, warnings_about
    from ich_bench.runs.evaluation import evaluate as score_folder

    console.talk_list("warning:", warnings_about(find_backend(backend, scheduler)))
    homes = _homes(folders, out)
    runs, failures = [], []
    for folder, home in homes.items():
        try:
            with console.progress(f"scoring {folder.name}") as tick:
                run = score_folder(
                    dataset,
                    folder,
                    data=data,
                    out=home,
                    scheme=scheme,
                    folds=fold_numbers(fold),
                    profile=profile,
                    legacy_dilation=legacy_dilation,
                    labels=numbers(labels, "--labels"),
                    reference_labels=numbers(reference_labels, "--reference-labels"),
                    rename=rename,
                    map_file=map_file,
                    allow_missing=allow_missing,
                    engine=engine,
                    overwrite=overwrite,
                    jobs=jobs,
                    backend=backend,
                    scheduler=scheduler,
                    progress=tick,
                )
        except UsageError:
            raise
        except IchBenchError as fault:
            console.talk_fault(fault)
            failures.append((folder, fault))
            continue
        runs.append(run)
        _tell(run)
        if as_json or len(folders) > 1:  # the table of a single run ends with its warnings
            console.talk_list(f"warnings about {run.name}:", run.warnings)
    if as_json:
        console.data_json({"runs": [_as_json(run) for run in runs], "failed": [_failed(*f) for f in failures]})
    else:
        _show_runs(runs)
    if failures:
        raise typer.Exit(1)


@app.command()
def validate(
    dataset: DatasetArg,
    folder: Annotated[Path, typer.Argument(help="A prediction folder or zip.", show_default=False)],
    data: Data = None,
    scheme: SchemeOpt = None,
    fold: FoldOpt = None,
    labels: Labels = None,
    reference_labels: ReferenceLabels = None,
    rename: Rename = None,
    map_file: MapFile = None,
    allow_missing: Missing = False,
    jobs: Jobs = 0,
    as_json: AsJson = False,
) -> None:
    """Say everything that is wrong with a prediction folder, at once; score nothing."""
    from ich_bench.predictions.validation import validate as check

    with console.progress(f"checking {folder.name}") as tick:
        report = check(
            dataset,
            folder,
            data=data,
            scheme=scheme,
            folds=fold_numbers(fold),
            labels=numbers(labels, "--labels"),
            reference_labels=numbers(reference_labels, "--reference-labels"),
            rename=rename,
            map_file=map_file,
            allow_missing=allow_missing,
            jobs=jobs,
            progress=tick,
        )
    if as_json:
        console.data_json(report.as_dict())
    else:
        console.data(report.text(folder))
    if report.problems:
        raise typer.Exit(1)


@app.command()
def show(
    out: Annotated[Path, typer.Argument(help="The output folder of `evaluate`, or a score file.", show_default=False)],
    case: Annotated[str | None, typer.Option("--case", help="One case in numbers.")] = None,
    format: Annotated[str, typer.Option("--format", help="table, md, csv or json.")] = "table",
    as_json: AsJson = False,
) -> None:
    """Show one run: summary, worst cases, one case in numbers; with csv, every row."""
    from ich_bench.tables import shown

    console.data(shown.show(out, case=case, format="json" if as_json else format))


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the demo's folders go.")] = Path("ich-bench-demo"),
    jobs: Jobs = 0,
) -> None:
    """Draw 12 heads, make three submissions, score and rank them, and say what to try next."""
    from ich_bench.board.public import leaderboard
    from ich_bench.board.show import show as shown
    from ich_bench.demo import demo as run_demo

    console.talk("Drawing 12 heads and three example submissions; everything here is drawn, no patient is involved.")
    with console.progress("example submissions") as tick:
        runs = run_demo(out, jobs=jobs, progress=tick)
    console.data(shown(leaderboard(runs[0].dataset, runs=[run.path.parent.parent for run in runs])))
    for run in runs:
        console.data(f"scores      {run.path}")
    console.talk("")
    console.talk(f"The results lie in {out}/. Try next:")
    console.talk(f"  ich-bench compare {out / runs[0].name} {out / runs[1].name}")
    console.talk(f"  ich-bench report {out} -o report.html      (figures: pip install matplotlib)")
    console.talk(f"  ich-bench show {out / runs[-1].name}")
    console.talk("  ich-bench datasets")


def _homes(folders: list[Path], out: Path | None) -> dict[Path, Path | None]:
    """Return where each folder's scores go; a usage error where two would share a place."""
    if len(folders) == 1:
        return {folders[0]: out}
    names = [folder.resolve().stem if folder.is_file() else folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        raise UsageError(f"two of the folders have the same name ({', '.join(sorted(names))}): score them one by one.")
    return {folder: (out or Path("ich-bench-out")) / name for folder, name in zip(folders, names, strict=True)}


def _tell(run: Run) -> None:
    console.talk_list(f"odd in the data of {run.dataset} (`ich-bench prepare` says more):", run.notes, most=4)
    if run.ignored:
        console.talk(f"{len(run.ignored)} other file(s) not opened: {', '.join(run.ignored[:5])}")
    if run.reused:
        console.talk(f"{run.reused} of {run.scores.num_rows} cases were scored before and taken over")


def _show_runs(runs: list[Run]) -> None:
    from ich_bench.tables import render
    from ich_bench.tables.summary import summarise

    if len(runs) == 1:
        console.data(render.render(summarise(runs[0].scores)))
        console.data(f"scores      {runs[0].path}")
    elif runs:
        console.data(render.side_by_side([(run.name, summarise(run.scores)) for run in runs]))
        for run in runs:
            console.data(f"scores      {run.path}")


def _as_json(run: Run) -> dict[str, Any]:
    from ich_bench.tables.summary import summarise

    about = {"submission": run.name, "scores": str(run.path), "reused": run.reused, "ignored": list(run.ignored)}
    return {**about, **summarise(run.scores).as_dict()}


def _failed(folder: Path, fault: IchBenchError) -> dict[str, Any]:
    problems = fault.problems if isinstance(fault, InputError) else ()
    listed = [{"where": p.where, "what": p.what, "mend": p.mend} for p in problems]
    return {"submission": str(folder), "error": str(fault).split("\n")[0], "problems": listed}
