"""Whose are the half-made parts of a cache: of builders at work, of one that was stopped and may go on, or nobody's?

Builders of the same cache share its folder of chunks and hold a lock of it while they work; the lock of a process that
was killed is gone with it. Chunks that nobody holds stay, to go on from, until the cache is whole without them or
nobody has written to them for a week.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from ich_bench_baselines.data.slices import is_whole

CHUNKS = ".chunks"
_STALE_S, _GIVEN_UP_S = 3600.0, 7 * 24 * 3600.0


def chunks_of(cache: Path) -> Path:
    """Return the folder of a cache's chunks, beside it."""
    return cache.with_name(f".{cache.name}{CHUNKS}")


def listed(folder: Path) -> Sequence[Path]:
    """Return what is in a folder; nothing where it is not there."""
    return list(folder.iterdir()) if folder.is_dir() else []


@contextlib.contextmanager
def at_work(chunks: Path) -> Iterator[None]:
    """Hold a folder of chunks, made now where it is not there, until the end of the block: nobody sweeps it meanwhile.

    Several builders hold it at once. Where there are no locks (Windows, some shared disks) nothing is ever swept.
    """
    while True:
        chunks.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as held:
            try:
                import fcntl

                opened = os.open(chunks, os.O_RDONLY)
                held.callback(os.close, opened)
                with contextlib.suppress(OSError):
                    fcntl.flock(opened, fcntl.LOCK_SH)
                if not os.path.samestat(os.fstat(opened), chunks.stat()):
                    continue
            except FileNotFoundError:  # swept at this very moment: made anew
                continue
            except (ImportError, PermissionError):
                pass
            yield
            return


def sweep(shelf: Path) -> None:
    """Remove what killed builders left on a shelf: their own folders after an hour, chunks that nobody wants."""
    for part in shelf.glob(".*.part"):
        with contextlib.suppress(OSError):
            if _idle_s(part) > _STALE_S:
                shutil.rmtree(part)
    for chunks in shelf.glob(f".*{CHUNKS}"):
        with contextlib.suppress(OSError, ImportError):
            _sweep_chunks(chunks)


def _sweep_chunks(chunks: Path) -> None:
    """Remove chunks that nobody needs, unless a builder holds them; OSError where one does or nobody can tell."""
    import fcntl

    opened = os.open(chunks, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        cache = chunks.with_name(chunks.name.removeprefix(".").removesuffix(CHUNKS))
        if not is_whole(cache) and _idle_s(chunks) <= _GIVEN_UP_S:
            return
        aside = chunks.with_name(f"{chunks.name}.{uuid.uuid4().hex}.part")
        chunks.rename(aside)  # at once, so that a builder who comes now makes a new one
    finally:
        os.close(opened)
    shutil.rmtree(aside, ignore_errors=True)


def _idle_s(folder: Path) -> float:
    """Return for how long nobody has written to a folder or a file in it."""
    return time.time() - max(one.stat().st_mtime for one in (folder, *listed(folder)))
