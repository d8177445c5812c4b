"""The verb that shows the leaderboard in a browser: app."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ich_bench.cli import console
from ich_bench.cli.app import app
from ich_bench.cli.board import With

if TYPE_CHECKING:
    from ich_bench.errors import Problem

LOOPBACK = ("localhost", "127.", "::1")
_PORTS = (1, 65535)


@app.command("app")
def serve(
    submissions: Annotated[
        str | None,
        typer.Option(
            "--submissions",
            help="The folder of submissions, or its address (https://…/board.zip, s3://…), fetched once. "
            "Else ICH_BENCH_SUBMISSIONS, else ./submissions.",
        ),
    ] = None,
    runs: With = None,
    data_root: Annotated[
        Path | None,
        typer.Option("--data-root", help="A folder with a folder a dataset: the pages then show slices of its heads."),
    ] = None,
    predictions_root: Annotated[
        Path | None,
        typer.Option("--predictions-root", help="A folder with <slug>/predictions/<dataset>/: masks over slices."),
    ] = None,
    port: Annotated[int, typer.Option("--port", help="The port to serve on.")] = 8501,
    address: Annotated[
        str, typer.Option("--address", help="The address to serve on; others than this machine's own open it to all.")
    ] = "127.0.0.1",
    allow_upload: Annotated[
        list[str] | None,
        typer.Option("--allow-upload", help="A dataset that visitors may score zips against; repeatable."),
    ] = None,
) -> None:
    """Show the leaderboard in a browser: ranks, tests, single heads, on this machine alone unless told otherwise.

    Boards are built before the server starts and kept in the cache; a score file that changes later renews them without
    a restart. A score file at fault is left out and named on the page About. Ctrl-C ends it.
    """
    _check_installed()
    from ich_bench.board.kept_fetch import fetched, is_url
    from ich_bench_app import serving
    from ich_bench_app.started import Started

    _check(submissions, runs or [], data_root, predictions_root, port, address, allow_upload or [])
    if submissions is not None and is_url(submissions):
        with console.progress("fetching submissions") as tick:
            submissions = str(fetched(submissions, tick=tick))
    _build(submissions, runs or [])
    if not address.startswith(LOOPBACK):
        _warn(address)
    shown = f"[{address}]" if ":" in address else address

    def ready() -> None:
        console.talk("Ctrl-C ends it.")
        console.data(f"http://{shown}:{port}")

    options = Started(
        submissions=None if submissions is None else str(Path(submissions).expanduser().resolve()),
        runs=tuple(str(one.expanduser().resolve()) for one in runs or ()),
        data_root=None if data_root is None else str(data_root.expanduser().resolve()),
        predictions_root=None if predictions_root is None else str(predictions_root.expanduser().resolve()),
        uploads=None if allow_upload is None else tuple(allow_upload),
    )
    serving.serve(options, address=address, port=port, ready=ready)


def _check_installed() -> None:
    """Raise IchBenchError that names the extra, where the packages of the app are not installed."""
    from importlib.util import find_spec

    from ich_bench.errors import IchBenchError

    lacking = [name for name in ("streamlit", "altair", "vl_convert") if find_spec(name) is None]
    if lacking:
        raise IchBenchError(
            f"the app needs {', '.join(lacking)}, which {'is' if len(lacking) == 1 else 'are'} not installed. "
            "Install it with: pip install 'ich-bench[app]'"
        )


def _check(
    submissions: str | None,
    runs: list[Path],
    data_root: Path | None,
    predictions_root: Path | None,
    port: int,
    address: str,
    uploads: list[str],
) -> None:
    """Raise UsageError for a port or dataset that cannot be, InputError with all folders that are not there."""
    from ich_bench.datasets import DATASETS
    from ich_bench.errors import InputError, UsageError, did_you_mean
    from ich_bench.escape import printable

    if not _PORTS[0] <= port <= _PORTS[1]:
        raise UsageError(f"--port {port}: expected {_PORTS[0]} to {_PORTS[1]}.")
    for name in uploads:
        if name not in DATASETS:
            raise UsageError(
                f"--allow-upload {printable(name)}: there is no such dataset. {did_you_mean(name, DATASETS)}"
            )
    folders = [("--with", run) for run in runs]
    folders += [("--data-root", data_root)] if data_root is not None else []
    folders += [("--predictions-root", predictions_root)] if predictions_root is not None else []
    problems = list(_absent(submissions, folders))
    if (fault := _taken(address, port)) is not None:
        problems.append(fault)
    if problems:
        raise InputError("the app cannot start:", problems)


def _absent(submissions: str | None, folders: list[tuple[str, Path]]) -> Iterator[Problem]:
    from ich_bench.board.kept_fetch import is_url
    from ich_bench.errors import Problem
    from ich_bench.escape import printable

    if submissions is not None and not is_url(submissions):
        folders = [("--submissions", Path(submissions)), *folders]
    for option, folder in folders:
        if not folder.expanduser().exists():
            yield Problem(where=f"{option} {printable(str(folder))}", what="there is no such folder.")


def _taken(address: str, port: int) -> Problem | None:
    """Return what is wrong with an address and port, None where a server can listen there."""
    import socket

    from ich_bench.errors import Problem
    from ich_bench.escape import printable

    try:
        family, kind, _, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except socket.gaierror:
        where = f"--address {printable(address)}"
        return Problem(where=where, what="is no address of this machine.", mend="Use 127.0.0.1 or 0.0.0.0.")
    except OSError as fault:
        told = f"cannot be listened on: {(fault.strerror or str(fault)).lower()}."
        mend = "Name another with --port, or end what uses it."
        return Problem(where=f"--address {printable(address)} --port {port}", what=told, mend=mend)
    return None


def _build(submissions: str | None, runs: list[Path]) -> None:
    """Build the boards that score files are there for, or find them in the cache, and say what was left out."""
    from ich_bench.board import kept, public
    from ich_bench.folds import schemes_of

    found = kept.snapshot(submissions, runs)
    files = [file for one in (*found.sources.submissions, *found.sources.runs) for file in one.scores]
    known = public.scored_datasets()
    places = sorted({(one.dataset, one.scheme) for one in files if one.dataset in known})
    places = [place for place in places if place[1] in schemes_of(place[0])]
    problems = list(found.problems)
    with console.progress("building boards") as tick:
        for done, (dataset, scheme) in enumerate(places):
            tick(done, len(places))
            problems += kept.kept(found, dataset, scheme=scheme).problems
        if places:
            tick(len(places), len(places))
    console.talk_list("left out, and named on the page About:", dict.fromkeys(problems))
    rows = len({id(one) for one in (*found.sources.submissions, *found.sources.runs)})
    console.talk(f"{rows} submissions and runs on {len({place[0] for place in places})} datasets.")


def _warn(address: str) -> None:
    """Say that anybody may look, where the server listens to more than this machine and asks for no login."""
    import streamlit as st

    try:
        login = bool(st.secrets.get("auth"))
    except Exception:  # no secrets.toml, or one that cannot be read: the pages then keep everybody out themselves
        login = False
    if not login:
        console.talk(
            f"warning: {address} can be reached from other machines, and no login is set up: whoever reaches it sees "
            "all that is shown, unencrypted."
        )
