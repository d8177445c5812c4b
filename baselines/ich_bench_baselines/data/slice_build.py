"""How does a cache of slices come to lie on disk: by several processes, resumed where it stopped, never half there?

Each chunk (a case, a drawn head, some hundred files of a pool) becomes one compressed file, written beside its place
and renamed. Once all are there they are joined in a folder of the builder's own, which is then renamed to the cache's
name, and the chunks go. So a build that was killed continues, several builders at once share the chunks, and no reader
ever sees half a cache. Files are written, not mapped: a full disk is then an error and not the end of the process.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from ich_bench.errors import IchBenchError, InputError, Problem, VolumeError
from ich_bench.phantom.library import spread
from ich_bench_baselines.data.pixels import Window
from ich_bench_baselines.data.slice_parts import at_work, chunks_of, listed, sweep
from ich_bench_baselines.data.slices import ABOUT, INDEX, SliceSet, index_table, is_whole, open_slices, shelf

Bytes = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]
_PACKED = 0.5  # chunks are compressed to less than this
_BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, kw_only=True)
class Made:
    """The slices of one chunk: arrays (n, side, side) by kind, one line of the index each, and what was odd."""

    arrays: dict[str, npt.NDArray[Any]]
    rows: list[dict[str, Any]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One piece of the work; `make(*given)` is a function of a module, so that another process can call it."""

    name: str
    make: Callable[..., Made]
    given: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a cache will hold. `count` says how many slices that will be, at least about; asked only before building."""

    dataset: str
    key: str
    window: Window
    side: int
    kinds: tuple[str, ...]
    chunks: tuple[Chunk, ...]
    count: Callable[[], int]
    notes: tuple[str, ...] = ()
    pixel_bytes: int | None = None  # of all kinds together; None: one each
    finish: Callable[[list[dict[str, Any]]], tuple[str, ...]] = field(default=lambda rows: ())

    @property
    def folder(self) -> Path:
        """Return where the cache lies or will lie."""
        return shelf() / f"{self.dataset}-{self.key}"


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large a cache will be, in bytes: at rest, and at most while it is made."""

    slices: int
    at_rest: int
    while_made: int


def size_of(plan: Plan) -> Size:
    """Return how large the cache of a plan will be."""
    slices = plan.count()
    at_rest = slices * plan.side**2 * (plan.pixel_bytes or len(plan.kinds))
    return Size(slices=slices, at_rest=at_rest, while_made=round(at_rest * (1 + _PACKED)))


def build(
    plan: Plan, *, jobs: int = 1, progress: Progress | None = None, tell: Callable[[str], None] | None = None
) -> SliceSet:
    """Return the slices of a plan, made now where they are not there yet.

    Args:
        plan: From `slice_cases.plan`, `pools.phantom_pool` or `pools.dicom_pool`.
        jobs: Worker processes; 0: every core, up to 8. What comes out does not depend on them.
        progress: Called with (chunks done, chunks in all).
        tell: Called with one sentence before anything is written: how much, and where.

    Raises:
        InputError: with everything that is wrong with every case.
        IchBenchError: the disk is too small or full, or a worker was killed; what was made is kept.
    """
    if is_whole(plan.folder):
        return open_slices(plan.folder)
    parts = chunks_of(plan.folder)
    sweep(plan.folder.parent)
    if _waiting(plan, parts):
        _make_room(plan, parts, tell)
    begun = parts.exists()
    with contextlib.ExitStack() as held:
        with _in_words(plan.folder):
            held.enter_context(at_work(parts))
        waiting = _waiting(plan, parts)
        shared = begun and len(waiting) == len(plan.chunks)  # another began just now: start from the other end
        try:
            _make_all(plan, parts, waiting[::-1] if shared else waiting, jobs, progress)
            _join(plan, parts)
        except FileNotFoundError:  # another builder was faster, and its chunks are gone
            if not is_whole(plan.folder):
                raise IchBenchError(f"the parts in {parts} were removed while they were made. Try again.") from None
        shutil.rmtree(parts, ignore_errors=True)
    return open_slices(plan.folder)


def _waiting(plan: Plan, parts: Path) -> list[Chunk]:
    return [chunk for chunk in plan.chunks if not _path(parts, chunk).is_file()]


def _make_all(plan: Plan, parts: Path, waiting: Sequence[Chunk], jobs: int, progress: Progress | None) -> None:
    done, faults = len(plan.chunks) - len(waiting), []
    for fault in spread(_make, [(parts, chunk) for chunk in waiting], jobs=jobs):
        faults += [fault] if fault is not None else []
        done += 1
        if progress is not None:
            progress(done, len(plan.chunks))
    if faults:
        raise InputError(f"{len(faults)} of {len(plan.chunks)} parts of {plan.dataset} cannot be read:", sorted(faults))


def _make(parts: Path, chunk: Chunk) -> Problem | None:
    """Make one chunk and write it, unless another has by now; return what is wrong with its input."""
    path = _path(parts, chunk)
    if path.is_file():
        return None
    try:
        made = chunk.make(*chunk.given)
    except VolumeError as fault:
        return fault.at(chunk.name)
    except (IchBenchError, OSError) as fault:
        return Problem(where=chunk.name, what=str(fault))
    lines = json.dumps({"rows": made.rows, "notes": made.notes}, ensure_ascii=False).encode()
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    with _in_words(parts):
        try:
            with aside.open("wb") as file:
                np.savez_compressed(file, lines=np.frombuffer(lines, np.uint8), allow_pickle=False, **made.arrays)
                _settle(file)
            aside.replace(path)
        finally:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)
    return None


def _join(plan: Plan, parts: Path) -> None:
    """Write the cache from its chunks into a folder of our own and give it its name."""
    rows: list[dict[str, Any]] = []
    notes = list(plan.notes)
    for chunk in plan.chunks:
        lines = json.loads(_read(plan, parts, chunk, "lines").tobytes())
        rows += lines["rows"]
        notes += lines["notes"]
    if not rows:
        raise IchBenchError(f"{plan.dataset} gave no slice at all. " + " ".join(notes[:5]))
    notes += plan.finish(rows)
    own = plan.folder.with_name(f".{plan.folder.name}.{uuid.uuid4().hex}.part")
    try:
        with _in_words(plan.folder):
            own.mkdir(parents=True)
            for kind in plan.kinds:
                _write_array(own / f"{kind}.npy", (len(rows), plan.side, plan.side), _all(plan, parts, kind))
            with (own / INDEX).open("wb") as file:
                pq.write_table(index_table(rows), file, compression="zstd")
                _settle(file)
            about = {
                "dataset": plan.dataset,
                "key": plan.key,
                "window_hu": plan.window.ends_hu,
                "side": plan.side,
                "slices": len(rows),
                "notes": notes,
                "bytes": {path.name: path.stat().st_size for path in sorted(own.iterdir())},
            }
            with (own / ABOUT).open("wb") as file:
                file.write(json.dumps(about, indent=1, ensure_ascii=False).encode())
                _settle(file)
            _give_name(own, plan.folder)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _give_name(own: Path, folder: Path) -> None:
    """Rename a whole cache to its place; one that is there and whole stays, one that is damaged goes."""
    if folder.exists() and not is_whole(folder):
        damaged = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
        folder.rename(damaged)
        shutil.rmtree(damaged, ignore_errors=True)
    try:
        own.rename(folder)
    except OSError:
        if not is_whole(folder):  # else another builder was faster: its bytes are the same
            raise


def _all(plan: Plan, parts: Path, kind: str) -> Iterator[Bytes]:
    for chunk in plan.chunks:
        yield _read(plan, parts, chunk, kind)


def _read(plan: Plan, parts: Path, chunk: Chunk, kind: str) -> Bytes:
    """Return one array of a chunk; a chunk that is damaged (the power failed) is made again."""
    for attempt in range(2):
        try:
            with _path(parts, chunk).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                read: Bytes = arrays[kind]
                return read
        except FileNotFoundError:
            raise
        except _BROKEN as fault:
            if attempt:
                raise IchBenchError(
                    f"{_path(parts, chunk)} cannot be read: {fault}. Delete it and try again."
                ) from None
            _path(parts, chunk).unlink(missing_ok=True)
            wrong = _make(parts, chunk)
            if wrong is not None:
                raise InputError(f"a part of {plan.dataset} cannot be read:", [wrong]) from None
    raise AssertionError("unreachable")


def _write_array(path: Path, shape: tuple[int, ...], arrays: Iterator[Bytes]) -> None:
    first = next(arrays)
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(first.dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for one in chain([first], arrays):
            file.write(np.ascontiguousarray(one).tobytes())
        _settle(file)


def _settle(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _make_room(plan: Plan, parts: Path, tell: Callable[[str], None] | None) -> None:
    """Say how large the cache will be; IchBenchError where the disk cannot hold it."""
    size = size_of(plan)
    there = plan.folder
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free + sum(one.stat().st_size for one in listed(parts))
    told = f"{_told(size.at_rest)} in {plan.folder} ({_told(size.while_made)} while they are made)"
    if tell is not None:
        tell(f"{plan.dataset}: about {size.slices:,} slices of {plan.side} × {plan.side}, {told}")
    if free < size.while_made:
        raise IchBenchError(
            f"the slices of {plan.dataset} need {told}; {_told(free)} are free. Free space there, or name "
            "another folder in ICH_BENCH_CACHE."
        )


@contextlib.contextmanager
def _in_words(folder: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as fault:
        raise IchBenchError(
            f"cannot write {folder}: {fault.strerror or fault}. Free space there, or name another folder in "
            "ICH_BENCH_CACHE. What was made is kept: the same command continues."
        ) from fault


def _path(parts: Path, chunk: Chunk) -> Path:
    return parts / f"{chunk.name}.npz"


def _told(size: int) -> str:
    """Return bytes in the unit that leaves a number from 1 on: 14.1 GB, 7.8 MB, 111 kB."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
