"""Where do boards lie in the cache, what is known of score files by their bytes, and has any file changed?"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pyarrow as pa
import scipy

import ich_bench
from ich_bench.errors import IchBenchError
from ich_bench.places import cache_folder, write_json
from ich_bench.submissions.load import REPORTED, out_folders
from ich_bench.submissions.model import ScoreFile
from ich_bench.submissions.schema import FILE
from ich_bench.submissions.tables import describe

BOARDS = "boards"  # the folder in the cache
MOST_BOARDS, MOST_VERSIONS = 64, 4
FILES = "files"  # what is known of score files, beside the boards
_BUILDERS = ("board", "datasets", "folds", "metrics", "runs", "statistics", "submissions", "tables")
_HERE = Path(ich_bench.__file__).parent


@cache
def code_sha256() -> str:
    """Return the SHA-256 of what makes a board of score files: our version and source, NumPy, SciPy, PyArrow."""
    content = hashlib.sha256(f"{ich_bench.__version__} {np.__version__} {scipy.__version__} {pa.__version__}".encode())
    paths = [path for name in _BUILDERS for path in (_HERE / name).rglob("*") if path.suffix in (".py", ".csv")]
    for path in sorted([*paths, *_HERE.glob("*.py")]):
        content.update(str(path.relative_to(_HERE)).encode() + b"\0" + path.read_bytes())
    return content.hexdigest()


def home() -> Path:
    """Return the folder of boards that this very code made; it may not exist."""
    return cache_folder() / BOARDS / code_sha256()[:16]


def remembered(path: Path) -> ScoreFile:
    """Return what `submissions.tables.describe` says of a score file, from the cache where these bytes are known."""
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return describe(path)  # which says it in words
    kept = home() / FILES / sha256[:2] / f"{sha256}.json"
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        return _score_file(json.loads(kept.read_text("utf-8")), path)
    found = describe(path)
    if found.sha256 != sha256:
        raise IchBenchError(f"{path} was changed while it was read.")
    with contextlib.suppress(IchBenchError, ValueError):  # a cache that cannot be written to costs time, nothing else
        write_json(kept, {name: value for name, value in dataclasses.asdict(found).items() if name != "path"})
    return found


def _score_file(said: dict[str, Any], path: Path) -> ScoreFile:
    hints = _hints()
    if set(said) != set(hints) - {"path"}:
        raise KeyError(path)
    values: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in said.items()}
    return ScoreFile(path=path, **values)


@cache
def _hints() -> dict[str, Any]:
    return get_type_hints(ScoreFile)


def signature(submissions: Path | None, runs: Sequence[Path]) -> str:
    """Return a hash of names, sizes and times of all files that boards are made of: quick to ask again and again.

    It may differ where nothing of importance changed. A file that goes away meanwhile is not in it.
    """
    content = hashlib.sha256()
    for path in _files(submissions, runs):
        try:
            state = path.stat()
        except OSError:
            continue
        told = f"{path}\0{state.st_ino} {state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}\n"
        content.update(told.encode("utf-8", "surrogateescape"))
    return content.hexdigest()


def _files(submissions: Path | None, runs: Sequence[Path]) -> Iterator[Path]:
    folders = [] if submissions is None else _listed(submissions)
    for run in runs:
        try:
            folders += out_folders(run)
        except OSError:
            continue
    for folder in folders:
        yield folder
        yield from _listed(folder) if folder.name == REPORTED else [folder / FILE]
        yield from _listed(folder / "scores")


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def put(key: str, fill: Callable[[Path], None]) -> None:
    """Keep a board: `fill(folder)` writes it beside its place, then the folder is renamed; a full disk costs nothing.

    The boards longest not looked at go, when there are more than MOST_BOARDS.
    """
    place = home() / key
    part = place.with_name(f".{key}.{uuid.uuid4().hex[:8]}.part")
    with contextlib.suppress(OSError, ValueError):  # it is built again next time; a name may be no Unicode
        part.mkdir(parents=True)
        fill(part)
        shutil.rmtree(place, ignore_errors=True)
        part.rename(place)
    shutil.rmtree(part, ignore_errors=True)
    _prune()


def _prune() -> None:
    """Remove what other versions of the code made, but for the last few, and the boards longest not looked at."""
    every = home().parent
    for old in sorted(every.glob("*"), key=_age)[:-MOST_VERSIONS]:
        shutil.rmtree(old, ignore_errors=True)
    boards = [one for one in every.glob("*/*") if one.name != FILES]
    for old in sorted(boards, key=_age)[:-MOST_BOARDS]:
        shutil.rmtree(old, ignore_errors=True)


def _age(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0
