"""What does submission.toml say, and is it valid."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ich_bench.errors import Problem
from ich_bench.escape import printable

_MOST_TOML_BYTES = 1_000_000


def read_manifest(folder: Path) -> tuple[Mapping[str, Any] | None, list[Problem]]:
    """Return the tables of submission.toml (None where there is none, or none that can be read) and its problems."""
    path = folder / "submission.toml"
    return read_tables(path) if path.is_file() else (None, [])


def read_tables(path: Path) -> tuple[Mapping[str, Any] | None, list[Problem]]:
    """Return the tables of a manifest of any name (None where it cannot be read) and its problems."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_TOML_BYTES + 1)
        if len(content) > _MOST_TOML_BYTES:
            return None, [Problem(where=path.name, what="is larger than 1 MB.", mend="It should hold a few lines.")]
        manifest = tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as fault:
        what = f"is not valid TOML: {printable(str(fault))}."
        return None, [Problem(where=path.name, what=what, mend="Mend that line, or leave the file away.")]
    except OSError as fault:
        return None, [
            Problem(where=path.name, what=f"cannot be read: {fault.strerror}.", mend="Check its permissions.")
        ]
    steps = manifest.get("processing", [])
    if not isinstance(steps, list) or any(not isinstance(step, dict) or not _step(step) for step in steps):
        what = "holds `processing` that is not a list of [[processing]] tables, each with a `step`."
        return manifest, [Problem(where=path.name, what=what, mend='Write [[processing]] and step = "regrid".')]
    return manifest, []


def processing_steps(manifest: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the steps that changed the masks after the method had written them, each once."""
    steps = (manifest or {}).get("processing", [])
    named = [_step(step) for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
    return tuple(dict.fromkeys(step for step in named if step))


def _step(table: Mapping[str, Any]) -> str:
    return printable(str(table.get("step") or ""))
