"""How a drawn dataset comes to lie in a folder: head by head, by several processes, resumed where it stopped."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ich_bench.errors import IchBenchError, UsageError
from ich_bench.escape import printable
from ich_bench.phantom import watch
from ich_bench.phantom.head import Head
from ich_bench.phantom.plan import RECIPES, PlannedHead, planned
from ich_bench.phantom.records import (
    HEAD_COLUMNS,
    SLICE_COLUMNS,
    csv_bytes,
    facts_of,
    head_row,
    masks_of,
    read_heads,
    slice_rows,
    subtype_bits,
)
from ich_bench.places import cache_folder, write_json
from ich_bench.volume import open_mask, read_ct, write_ct, write_mask

Progress = Callable[[int, int], None]
HEADS, SLICES, MARK = "heads.csv", "slices.csv", "drawn.json"
VOLUMES = ("ct", "masks", "truth", "cavity", "subtypes", "truth_subtypes")
MOST_WORKERS = 8  # beyond that memory, not cores, is the limit
_STALE_S = 3600.0
_DONE = "done"  # a small file a head, written last: the head is whole


def home(dataset: str) -> Path:
    """Return the folder of a drawn dataset in the user's cache, drawn now where it is not there yet.

    Who set `ich_bench.phantom.watch.drawing` sees a progress bar.
    """
    folder = default_folder(dataset)
    if not missing(planned(dataset), folder) and (folder / HEADS).is_file():
        return folder
    with watch.drawing.get()(f"drawing {dataset}") as tick:
        return make(dataset, folder, jobs=0, progress=tick)


def default_folder(dataset: str) -> Path:
    """Return where a drawn dataset lies unless told otherwise: the cache folder, by its version."""
    planned(dataset)
    return cache_folder() / f"{dataset}-v{RECIPES[dataset].version}"


def make(
    dataset: str,
    folder: Path | None = None,
    *,
    heads: int | None = None,
    site: str | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Draw the heads of a dataset that are not there yet and return their folder.

    It holds `ct/<id>.nii.gz` (HU), `masks/` (the reference), `truth/`, `cavity/`, `subtypes/` and `truth_subtypes/`
    (sums of 1 IPH, 2 IVH, 4 EDH, 8 SDH, 16 SAH), `heads.csv` and `slices.csv`. Every file is written beside its place
    and then renamed, and a head counts as there once all of its files are. So a run that was stopped continues, and two
    processes may draw into one folder at once: the one that comes second starts from the other end.

    Args:
        dataset: `phantom`, `phantom-test`, `phantom-dev` or `phantom-mini`.
        folder: where; the user's cache folder when None.
        heads: only the first so many (of the site, where one is named).
        site: only the heads of this site.
        jobs: worker processes; 0 takes every core, up to 8.
        progress: called with (heads done, heads in all).
    """
    chosen = selected(dataset, heads=heads, site=site)
    return make_heads(dataset, chosen, folder or default_folder(dataset), jobs=jobs, progress=progress)


def make_heads(
    dataset: str, chosen: Sequence[PlannedHead], folder: Path, *, jobs: int = 1, progress: Progress | None = None
) -> Path:
    """Draw these heads of a dataset into a folder, as `make` does, and return it."""
    began = begin(folder, {"dataset": dataset, "version": RECIPES[dataset].version})
    _sweep(folder)
    waiting = missing(chosen, folder)
    done = len(chosen) - len(waiting)
    for _ in spread(_store, [(head, folder) for head in (waiting if began else waiting[::-1])], jobs=jobs):
        done += 1
        if progress is not None:
            progress(done, len(chosen))
    _write_tables(folder, [head for head in planned(dataset) if not missing([head], folder)])
    return folder


def selected(dataset: str, *, heads: int | None = None, site: str | None = None) -> tuple[PlannedHead, ...]:
    """Return the heads that are asked for; UsageError where there are none such."""
    plan = planned(dataset)
    if site is not None and site not in RECIPES[dataset].sites:
        raise UsageError(f"{dataset} has no heads of site {site!r}; it has {', '.join(RECIPES[dataset].sites)}.")
    if heads is not None and heads < 1:
        raise UsageError(f"there is nothing to draw: {heads} heads.")
    return tuple(head for head in plan if site in (None, head.site))[:heads]


def missing(heads: Sequence[PlannedHead], folder: Path) -> list[PlannedHead]:
    """Return those of the heads that are not whole in the folder."""
    return [head for head in heads if not all(path.is_file() for path in _files(folder, head.case_id))]


def read_head(folder: Path, case_id: str) -> Head:
    """Return a head as it lies in a folder that `make` wrote; IchBenchError where it does not."""
    rows = read_heads(folder / HEADS)
    if case_id not in rows:
        raise IchBenchError(f"{folder} holds no {case_id}. `ich-bench phantom make` draws it.")
    name = f"{case_id}.nii.gz"
    ct = read_ct(folder / "ct" / name)
    masks = {kind: open_mask(folder / kind / name).voxels() for kind in ("masks", "truth", "cavity")}
    bits = {kind: masks_of(read_ct(folder / kind / name).hu) for kind in ("subtypes", "truth_subtypes")}
    return Head(
        case_id=case_id,
        patient_id=rows[case_id]["patient_id"],
        hu=ct.hu.astype(np.int16, copy=False),
        geometry=ct.geometry,
        reference=masks["masks"],
        cavity=masks["cavity"],
        subtype_masks=bits["subtypes"],
        truth=masks["truth"],
        truth_masks=bits["truth_subtypes"],
        facts=facts_of(rows[case_id]),
    )


def spread(work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], *, jobs: int) -> Iterator[Any]:
    """Yield what the work returns for each of the arguments, as it is finished, by so many processes (0: all)."""
    workers = min(workers_for(jobs), len(arguments))
    if workers <= 1:
        for given in arguments:
            yield work(*given)
        return
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    try:
        with parallel_config(backend="loky", inner_max_num_threads=1):
            pool = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
            yield from pool(delayed(work)(*given) for given in arguments)
    except TerminatedWorkerError as fault:
        raise IchBenchError(
            "a worker process was killed, most likely because memory ran out. What was drawn is kept: "
            "the same command continues. Use fewer workers (--jobs 1) or a machine with more memory."
        ) from fault


def workers_for(jobs: int) -> int:
    """Return the number of worker processes: `jobs`, or every core this process may use, up to 8, for 0."""
    if jobs < 0:
        raise UsageError(f"jobs is {jobs}; expected the number of worker processes, or 0 for every core.")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return jobs or min(cores, MOST_WORKERS)


def write_aside(path: Path, content: bytes) -> None:
    """Write a file beside its place and rename it, so that a reader sees all of it or none."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(path)
    except OSError as fault:
        raise IchBenchError(f"cannot write {path}: {fault.strerror or fault}.") from fault
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _store(planned_head: PlannedHead, folder: Path) -> None:
    """Draw one head into the folder; what another process has drawn since is left as it is."""
    if not missing([planned_head], folder):
        return
    head = planned_head.drawn()
    aside = folder / f".{head.case_id}.{uuid.uuid4().hex}.part"
    name = f"{head.case_id}.nii.gz"
    try:
        write_volumes(head, aside)
        for kind in VOLUMES:
            (folder / kind).mkdir(exist_ok=True)
            (aside / kind / name).replace(folder / kind / name)
        record = {"head": head_row(head), "slices": slice_rows(head)}
        write_aside(folder / _DONE / f"{head.case_id}.json", json.dumps(record, ensure_ascii=False).encode())
    except (OSError, IchBenchError) as fault:
        told = f"cannot write {folder}: {fault.strerror or fault}." if isinstance(fault, OSError) else str(fault)
        raise IchBenchError(
            f"{told} Free space there, or name another folder with -o or ICH_BENCH_CACHE. What was drawn is kept: "
            "the same command continues."
        ) from fault
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_volumes(head: Head, folder: Path) -> None:
    """Write the volumes of one head below a folder."""
    name, grid = f"{head.case_id}.nii.gz", head.geometry
    write_ct(folder / "ct" / name, head.hu, grid)
    write_mask(folder / "masks" / name, head.reference, grid)
    write_mask(folder / "truth" / name, head.truth, grid)
    write_mask(folder / "cavity" / name, head.cavity, grid)
    for kind, masks in (("subtypes", head.subtype_masks), ("truth_subtypes", head.truth_masks)):
        write_ct(folder / kind / name, subtype_bits(masks), grid)  # small whole numbers, like HU


def _sweep(folder: Path) -> None:
    """Remove what a killed run left behind: parts that nobody has written to for an hour."""
    for part in folder.glob(".*.part"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > _STALE_S:
                shutil.rmtree(part) if part.is_dir() else part.unlink()


def _files(folder: Path, case_id: str) -> Iterator[Path]:
    yield folder / _DONE / f"{case_id}.json"
    for kind in VOLUMES:
        yield folder / kind / f"{case_id}.nii.gz"


def begin(folder: Path, mark: dict[str, Any]) -> bool:
    """Mark a folder as ours; return whether this is the first to draw there. IchBenchError where it is another's."""
    path = folder / MARK
    try:
        others = folder.exists() and (not folder.is_dir() or any(one.name[0] != "." for one in folder.iterdir()))
        if not path.is_file():  # asked last: another process may just have marked it
            if others:
                raise IchBenchError(
                    f"{folder} holds something else already. Name a new or empty folder for drawn heads."
                )
            write_json(path, mark)
            return True
        there = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as fault:
        raise IchBenchError(f"{path} cannot be read: {fault}. Name a new or empty folder for drawn heads.") from fault
    if there != mark:
        told = ", ".join(f"{name} {value}" for name, value in there.items()) if isinstance(there, dict) else "?"
        raise IchBenchError(f"{folder} holds other drawn heads ({printable(told)}). Name a new or empty folder.")
    return False


def _write_tables(folder: Path, heads: Sequence[PlannedHead]) -> None:
    """Write `heads.csv` and `slices.csv` of the heads that are there."""
    records = []
    for head in heads:
        path = folder / _DONE / f"{head.case_id}.json"
        try:
            records.append(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError) as fault:
            raise IchBenchError(f"{path} cannot be read: {fault}. Delete it; its head is drawn again.") from fault
    rows = [record["head"] for record in records]
    slices = [row for record in records for row in record["slices"]]
    for name, content in (
        (SLICES, csv_bytes(slices, SLICE_COLUMNS)),
        (HEADS, csv_bytes(rows, HEAD_COLUMNS)),
    ):
        if not (folder / name).is_file() or (folder / name).read_bytes() != content:
            write_aside(folder / name, content)
