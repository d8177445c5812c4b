"""The verbs about this machine: doctor, cache."""

from __future__ import annotations

from typing import Annotated

import typer

from ich_bench.cli import console
from ich_bench.cli.app import AsJson, app


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what is installed, where data and caches lie, what is missing and how to mend it."""
    from ich_bench.doctor import examine

    findings = examine()
    if as_json:
        console.data_json([finding.as_dict() for finding in findings])
    else:
        console.data("\n".join(str(finding) for finding in findings))
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)


@app.command()
def cache(
    action: Annotated[str, typer.Argument(help="`clear` removes everything that can be made again.")] = "show",
    as_json: AsJson = False,
) -> None:
    """Say what the cache holds, or clear it; remembered places and scores are never touched."""
    import shutil

    from ich_bench.errors import UsageError
    from ich_bench.places import cache_folder

    if action not in ("show", "clear"):
        raise UsageError(f"`ich-bench cache {action}`: there are `ich-bench cache` and `ich-bench cache clear`.")
    folder = cache_folder()
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    sizes = {
        entry.name: sum(
            part.stat().st_size for part in ([entry] if entry.is_file() else entry.rglob("*")) if part.is_file()
        )
        for entry in entries
    }
    if action == "clear":
        for entry in entries:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    if as_json:
        console.data_json({"folder": str(folder), "bytes": sizes, "cleared": action == "clear"})
        return
    console.data(f"{folder}  {sum(sizes.values()) / 1e6:.1f} MB{' removed' if action == 'clear' else ''}")
    for name, size in sizes.items():
        console.data(f"  {name}  {size / 1e6:.1f} MB")
