"""The verbs around submissions: submit, verify, claims, cite."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ich_bench.cli import console
from ich_bench.cli.app import AsJson, Data, Jobs, MapFile, Rename, app
from ich_bench.errors import UsageError

Shelf = Annotated[
    Path | None,
    typer.Option("--submissions", help="The folder of submissions. Else ICH_BENCH_SUBMISSIONS, else ./submissions."),
]
Slug = Annotated[str, typer.Argument(help="The submission's folder name.", show_default=False)]


@app.command()
def submit(
    outs: Annotated[
        list[Path] | None, typer.Argument(help="Output folders of `evaluate`, or score files.", show_default=False)
    ] = None,
    name: Annotated[str, typer.Option("--name", help="The submission's folder: a-z, 0-9 and hyphens.")] = "",
    submissions: Shelf = None,
    predictions: Annotated[
        Path | None, typer.Option("--predictions", help="The prediction folder, for its submission.toml.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", help="The submission.toml to take, if it lies elsewhere.")
    ] = None,
    init: Annotated[
        Path | None, typer.Option("--init", help="Only write a submission.toml to fill in, into this folder.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what was submitted before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make or update a submission folder from scores, for a pull request; hashes are written, never typed.

    First `--init FOLDER` writes a submission.toml with every key, to fill in. Exit status: 0 submitted, 1 refused
    (every reason printed), 2 wrong usage.
    """
    from ich_bench.submissions.submit import initialise
    from ich_bench.submissions.submit import submit as make

    if init is not None:
        if outs or name:
            raise UsageError("--init only writes a template: leave OUT and --name away, fill it in, then submit.")
        path = initialise(init)
        console.talk(f"Fill in {path}, then: ich-bench submit OUT --name SLUG --manifest {path}")
        console.data(str(path))
        return
    if not name:
        raise UsageError("--name SLUG is needed: the submission's folder, such as my-unet.")
    done = make(
        outs or [],
        name,
        submissions=submissions,
        predictions=predictions,
        manifest=manifest,
        overwrite=overwrite,
    )
    folder = done.submission.folder
    console.talk_list("to know:", done.notes)
    if as_json:
        told = {"folder": str(folder), "changed": list(done.changed), "notes": list(done.notes)}
        console.data_json(told)
        return
    console.data("\n".join(f"{folder / name}" for name in done.changed) or f"{folder} was up to date")
    console.talk(
        f"Next: ich-bench verify {done.submission.slug} --predictions DIR, then open a pull request with {folder}."
    )


@app.command()
def verify(
    slug: Slug,
    predictions: Annotated[
        Path | None, typer.Option("--predictions", help="The masks; without them only the files are checked.")
    ] = None,
    data: Data = None,
    submissions: Shelf = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="Only this dataset's scores.")] = None,
    rename: Rename = None,
    map_file: MapFile = None,
    write: Annotated[bool, typer.Option("--write", help="Raise the level to recomputed in submission.toml.")] = False,
    container: Annotated[
        bool, typer.Option("--container", help="With --write: the masks were just written by its container.")
    ] = False,
    jobs: Jobs = 0,
    as_json: AsJson = False,
) -> None:
    """Check a submission; with its masks, score them again and name the first case that differs.

    Exit status: 0 all that could be checked is right, 1 something differs (every reason printed), 2 wrong usage.
    """
    from ich_bench.submissions.verify import verify as check

    if write and predictions is None:
        raise UsageError("--write needs --predictions: only what was scored again can be called recomputed.")
    if container and not write:
        raise UsageError("--container belongs to --write.")
    with console.progress(f"verifying {slug}") as tick:
        found = check(
            slug,
            submissions=submissions,
            predictions=predictions,
            data=data,
            dataset=dataset,
            rename=rename,
            map_file=map_file,
            write=write,
            container=container,
            jobs=jobs,
            progress=tick,
        )
    if as_json:
        told = {
            "slug": slug, "recomputed": list(found.recomputed), "files_only": list(found.unread),
            "written": found.written,
        }  # fmt: skip
        console.data_json(told)
        return
    for file in found.recomputed:
        console.data(f"{slug}: {file} recomputed from its masks, every number equal")
    for file in found.unread:
        console.data(f"{slug}: {file} unchanged and sound; its masks were not scored again")
    if found.unread:
        console.talk("This says nothing about the masks: add --predictions DIR to score them again.")
    if found.written:
        console.talk(f"{found.submission.folder / 'submission.toml'} now says so.")


With = Annotated[
    list[Path] | None, typer.Option("--with", help="An OUT of `evaluate` that was not submitted; may be given again.")
]


@app.command()
def claims(
    with_runs: With = None,
    submissions: Shelf = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="Only this dataset.")] = None,
    format: Annotated[str, typer.Option("--format", help="table, md, csv, latex or json.")] = "table",
    as_json: AsJson = False,
) -> None:
    """Test what the papers conclude again, on the rows of this board: a verdict per claim and dataset.

    A row stands for a paper's method when its manifest says so with the key `baseline` (or its id is the method's).
    """
    from ich_bench.submissions.claims_show import show_claims
    from ich_bench.submissions.load import from_runs, load_submissions
    from ich_bench.submissions.retest import claims_of

    shelf = load_submissions(submissions)
    console.talk_list("left out:", shelf.problems)
    runs = from_runs(with_runs or ())
    results = claims_of(shelf.folder, [*shelf.submissions, *runs], dataset)
    console.data(show_claims(results, "json" if as_json else format))


@app.command()
def cite(
    what: Annotated[
        str | None, typer.Argument(help="An OUT of `evaluate`, or a submission's name; else the software and its data.")
    ] = None,
    submissions: Shelf = None,
    format: Annotated[str, typer.Option("--format", help="text, latex, bibtex or json.")] = "text",
    as_json: AsJson = False,
) -> None:
    """Print a methods paragraph (suite, profile, folds, n, tests) and BibTeX of the datasets, tools and methods."""
    from ich_bench.submissions.cite import cite as cited
    from ich_bench.submissions.cite import show_citation
    from ich_bench.submissions.load import from_run, load_submissions

    found = None
    if what is not None:
        found = from_run(what) if Path(what).exists() else load_submissions(submissions).get(what)
    console.data(show_citation(cited(found), "json" if as_json else format))
