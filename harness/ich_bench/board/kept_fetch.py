"""Where on this machine are the submissions that an address names: fetched once, results alone, of limited size."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import uuid
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from ich_bench.errors import IchBenchError
from ich_bench.escape import printable
from ich_bench.places import cache_folder
from ich_bench.submissions.load import REPORTED

MOST_FILES = 20_000
MOST_BYTES = 2_000_000_000
MOST_FILE_BYTES = 64_000_000
_BLOCK_BYTES = 1 << 20
_SLUG = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_RESULT = rf"{_SLUG}/submission\.toml|{_SLUG}/scores/[a-z0-9.-]+\.parquet|{REPORTED}/[A-Za-z0-9._-]+\.toml"
_NAMED = re.compile(rf"(?P<root>(?:.*/)?)(?P<result>{_RESULT})")
_HELP = "pip install 'ich-bench[app]'"
Tick = Callable[[int, int], None]


def is_url(place: str | Path) -> bool:
    """Return whether a place is an address such as https://… or s3://…, not a folder of this machine."""
    return "://" in str(place)


def fetched(url: str, *, tick: Tick | None = None) -> Path:
    """Return a folder in the cache with the submissions of an address, fetched anew; nothing is kept of a failed try.

    Args:
        url: A folder that fsspec can list, or a .zip, such as https://example.org/board.zip or s3://bucket/submissions.
            Of it come `<slug>/submission.toml`, `<slug>/scores/*.parquet` and `reported/*.toml`, also where they lie
            below a top folder; all else stays there.
        tick: Called with (files fetched, files in all).

    Raises:
        IchBenchError: nothing answers there, it holds no submission, or more than MOST_FILES or MOST_BYTES.
    """
    place = cache_folder() / "fetched" / hashlib.sha256(url.encode()).hexdigest()[:16]
    part = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.part")
    shown = printable(url)
    try:
        part.mkdir(parents=True)
        count = _fetch(url, part, tick or (lambda done, total: None))
        if not count:
            raise IchBenchError(f"{shown} holds no <slug>/submission.toml. Name the folder of submissions.")
        shutil.rmtree(place, ignore_errors=True)
        part.rename(place)
    except ImportError as fault:
        raise IchBenchError(f"{shown} cannot be fetched: {fault}. For https: {_HELP}.") from fault
    except IchBenchError:
        raise
    except Exception as fault:  # each file system raises its own
        said = printable(str(fault).split("\n")[0]) or type(fault).__name__
        raise IchBenchError(f"{shown} cannot be fetched: {said}. Check the address and who may read it.") from fault
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return place


def _fetch(url: str, folder: Path, tick: Tick) -> int:
    import fsspec  # type: ignore[import-not-found, import-untyped, unused-ignore]

    system, root = fsspec.core.url_to_fs(url)
    if root.endswith(".zip"):
        archive = folder / ".archive"
        with system.open(root, "rb") as source:
            _copy(source, archive, MOST_BYTES)
        with zipfile.ZipFile(archive) as packed:
            entries = {one.filename: one for one in packed.infolist() if not one.is_dir()}
            count = _take(entries, folder, lambda name: packed.open(entries[name]), tick)
        archive.unlink()
        return count
    names = {str(path)[len(root) :].strip("/"): path for path in _below(system, root)}
    return _take(names, folder, lambda name: system.open(names[name], "rb"), tick)


def _below(system: Any, root: str) -> Iterator[str]:
    """Yield the files a submissions folder may have: two levels of folders deep, no deeper."""
    for number, path in enumerate(system.find(root, maxdepth=3)):
        if number > MOST_FILES:
            raise IchBenchError(f"there are more than {MOST_FILES:,} files. Name the folder of submissions itself.")
        yield path


def _take(names: Mapping[str, Any], folder: Path, opened: Callable[[str], IO[bytes]], tick: Tick) -> int:
    """Copy the results among files below the folder that most of them lie in, and return how many."""
    matched = {name: found for name in names if (found := _NAMED.fullmatch(name))}
    if len(matched) > MOST_FILES:
        raise IchBenchError(f"there are more than {MOST_FILES:,} score files.")
    roots = Counter(found["root"] for found in matched.values() if not found["result"].endswith(".parquet"))
    root = min(roots, key=lambda one: (-roots[one], len(one)), default="")
    wanted = {name: found["result"] for name, found in matched.items() if found["root"] == root}
    left = MOST_BYTES
    for number, (name, result) in enumerate(sorted(wanted.items()), start=1):
        with opened(name) as source:
            left -= _copy(source, folder / result, min(left, MOST_FILE_BYTES))
        tick(number, len(wanted))
    return len(wanted)


def _copy(source: IO[bytes], target: Path, most: int) -> int:
    """Copy at most so many bytes into a file and return how many; IchBenchError where there are more."""
    target.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with contextlib.closing(target.open("xb")) as out:
        while block := source.read(_BLOCK_BYTES):
            count += len(block)
            if count > most:
                raise IchBenchError(f"{printable(target.name)} is larger than {most / 1e6:.0f} MB.")
            out.write(block)
    return count
