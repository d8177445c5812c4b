"""How does a pool of weakly labelled slices become a cache, and which of its slices are held out?

A pool has no masks. `phantom_pool` draws heads one at a time in each worker, so that memory does not grow with their
number. `dicom_pool` reads RSNA 2019 (a folder or the zip as it is), or drawn slices written in its layout.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ich_bench.datasets import pool as files
from ich_bench.datasets import where
from ich_bench.errors import IchBenchError, Problem, UsageError
from ich_bench.phantom import pool as drawn
from ich_bench.phantom.plan import Shape
from ich_bench.phantom.records import drawn_with
from ich_bench.runs.store import file_sha256
from ich_bench.volume import CT
from ich_bench_baselines.data.orient import orientation_of, spacing_in_slices, upright
from ich_bench_baselines.data.pixels import BRAIN, SIDE, Window, image_of, images_of
from ich_bench_baselines.data.slice_build import Chunk, Made, Plan
from ich_bench_baselines.data.slices import LABELS, key_of

Selection = Literal["balanced", "ich", "all"]
SELECTIONS: tuple[Selection, ...] = ("balanced", "ich", "all")
TRAIN, HELD_OUT, UNUSED = "train", "held-out", "unused"
_FILES_A_CHUNK, _FILES_A_CHUNK_ZIP = 256, 4096  # opening RSNA's zip takes seconds: its list has 874,000 names
_SLICES_A_HEAD = 62  # about: 40 of sites b and c, 107 of site a


def phantom_pool(
    heads: int,
    *,
    seed: int = 0,
    window: Window = BRAIN,
    side: int = SIDE,
    sites: Sequence[str] = drawn.SITES,
    shape: Shape | None = None,
    clean: bool = False,
) -> Plan:
    """Return the plan of a cache of the first `heads` heads of a drawn pool; arguments as in `ich_bench.phantom.pool`.

    Its key is that of these arguments, the pool's version, and the versions of ich-bench, NumPy and SciPy.
    """
    if heads < 1:
        raise UsageError(f"a pool of {heads} heads holds nothing: ask for one at least.")
    drawn.planned_head(0, sites=sites)  # refuses sites that are not the pool's
    made_from = {
        "pool": drawn.POOL_VERSION,
        "drawn_with": drawn_with(),
        "heads": heads,
        "seed": seed,
        "window": window.ends_hu,
        "side": side,
        "sites": list(sites),
        "shape": None if shape is None else list(shape),
        "clean": clean,
    }
    chunks = [
        Chunk(name=f"head-{n:07}", make=made_head, given=(n, seed, tuple(sites), shape, clean, window, side))
        for n in range(heads)
    ]
    each = _SLICES_A_HEAD if shape is None else shape[2]
    return Plan(
        dataset="phantom-pool",
        key=key_of(made_from),
        window=window,
        side=side,
        kinds=("images",),
        chunks=tuple(chunks),
        count=lambda: heads * each,
    )


def made_head(
    number: int, seed: int, sites: Sequence[str], shape: Shape | None, clean: bool, window: Window, side: int
) -> Made:
    """Return the slices of one drawn head with its weak labels, from foot to head."""
    one = next(drawn.heads(number + 1, seed=seed, first=number, sites=sites, shape=shape, clean=clean))
    head, way = one.head, orientation_of(one.head.geometry)
    rows, columns, count = way.shape(head.hu.shape)
    spacing = dict(zip(("row", "column", "slice"), spacing_in_slices(head.geometry), strict=True))
    lines = []
    for place in range(count):
        k = way.native_slice(place, count)
        lines.append(
            {
                **{"slice_id": f"{head.case_id}/{k}", "case_id": head.case_id, "patient_id": head.patient_id},
                **{"k": k, "place": place, "rows": rows, "columns": columns, "position_mm": place * spacing["slice"]},
                **{name: bool(one.labels[name][k]) for name in LABELS},
                **{f"spacing_{name}_mm": mm for name, mm in spacing.items()},
            }
        )
    images = np.stack(list(images_of(CT(hu=head.hu, geometry=head.geometry), window, side)))
    return Made(arrays={"images": images}, rows=lines)


def dicom_pool(
    source: str | Path | None = None,
    *,
    dataset: str = "rsna",
    selection: Selection = "balanced",
    seed: int = 42,
    limit: int | None = None,
    window: Window = BRAIN,
    side: int = SIDE,
) -> Plan:
    """Return the plan of a cache of RSNA's slices: the first step reads its table and the names of its files.

    Each slice is turned as its file says to lie front to back, right to left; one that does not say is taken as it is.
    A file that cannot be read, or is not axial, is left out and told in `SliceSet.notes`, and none takes its place. Its
    key is that of the table's bytes, and of the names and sizes of all files: to read 180 GB for a key would take
    longer than to make the cache.

    Args:
        source: The folder or the zip; None: where `prepare` or ICH_BENCH_DATA say.
        dataset: `rsna`, or `phantom-pool` for drawn slices in its layout.
        selection: `balanced`: all slices with ICH and as many without, drawn by the seed (107,933 of each; Spahr 2023,
            Sec. 2.6). `ich`: those with ICH. `all`.
        seed: Of the draw.
        limit: Only the first so many of the selection, in order of their ids, for a look.
        window: What of the Hounsfield scale is kept.
        side: Pixels a side.
    """
    if selection not in SELECTIONS:
        raise UsageError(f"there is no selection {selection!r}; there are {', '.join(SELECTIONS)}.")
    pool = files.open_pool(where(dataset, source))
    table, problems = files.labels(pool)
    there = table.loc[table.index.isin(list(pool.slices))]
    chosen = _selected(there, selection, seed)[:limit]
    if not chosen:
        raise IchBenchError(f"{pool.source} holds no slice that {files.TABLE} labels: is it the whole download?")
    zipped = pool.source.is_file()
    step = _FILES_A_CHUNK_ZIP if zipped else _FILES_A_CHUNK
    chunks = []
    for start in range(0, len(chosen), step):
        ids = chosen[start : start + step]
        part = replace(pool, slices={one: pool.slices[one] for one in ids}, table=None)
        flags = {one: dict(zip(LABELS, row, strict=True)) for one, *row in there.loc[ids, list(LABELS)].itertuples()}
        chunks.append(Chunk(name=f"files-{start:07}", make=made_files, given=(part, flags, window, side)))
    made_from = {
        **{"pool": dataset, "files": _fingerprint(pool), "selection": selection, "seed": seed, "limit": limit},
        **{"window": window.ends_hu, "side": side, "turned": True},
    }
    absent = len(table) - len(there)
    return Plan(
        dataset=dataset,
        key=key_of(made_from),
        window=window,
        side=side,
        kinds=("images",),
        chunks=tuple(chunks),
        count=partial(len, chosen),
        notes=(*map(str, problems), *((f"{absent:,} labelled slices have no file.",) if absent else ())),
        finish=_placed,
    )


def made_files(pool: files.Pool, flags: dict[str, dict[str, bool]], window: Window, side: int) -> Made:
    """Return those slices of a pool that can be read, in order of their ids, and what was wrong with the others."""
    headers, broken = files.headers(pool)
    known = {one.slice_id: one for one in headers}
    images, lines, unread = [], [], list[Problem]()
    for slice_id, hu in files.read_slices(pool, list(known), unread):
        one = known[slice_id]
        if hu.ndim != 2 or 0 in hu.shape:
            unread.append(Problem(where=f"{slice_id}.dcm", what=f"holds an array of shape {hu.shape}; it is skipped."))
            continue
        turned = upright(hu, one.along, one.down, one.spacing_mm)
        if turned is None:
            unread.append(Problem(where=f"{slice_id}.dcm", what="is no axial slice; it is skipped."))
            continue
        image, spacing_mm = turned
        images.append(image_of(image, window, side))
        lines.append(
            {
                **{"slice_id": slice_id, "case_id": one.series, "patient_id": one.patient_id, "k": -1, "place": -1},
                **{"rows": image.shape[0], "columns": image.shape[1], "unsaid": one.along is None},
                **{name: bool(flags[slice_id][name]) for name in LABELS},
                **{"spacing_row_mm": spacing_mm[0], "spacing_column_mm": spacing_mm[1]},
                "position_mm": None if np.isnan(one.position_mm) else one.position_mm,
            }
        )
    stack = np.stack(images) if images else np.zeros((0, side, side), np.uint8)
    return Made(arrays={"images": stack}, rows=lines, notes=tuple(str(one) for one in (*broken, *unread)))


def parts(
    index: pd.DataFrame,
    *,
    by: Literal["patient", "slice"] = "patient",
    held_out: int = files.HELD_OUT_SLICES,
    balanced: bool = True,
    seed: int = 42,
) -> npt.NDArray[np.str_]:
    """Return of each slice of a pool whether it is `train`, `held-out` or `unused`.

    Held out are `held_out` slices, half with ICH and half without (at most a tenth of the pool; Spahr 2023, Sec. 2.6:
    5,000). By patient: patients in an order drawn by the seed, until theirs are enough; what else they have is
    `unused`, so that no patient stands on both sides. By slice, as the paper's code does (`--variant code`): patients
    then stand on both sides.

    Args:
        index: `slice_id`, `patient_id` and `any` of each slice.
        by: What is drawn.
        held_out: How many.
        balanced: All slices with ICH and as many without, drawn by the seed; the others are `unused`. By slice: always.
        seed: Of the draws.
    """
    if by not in ("patient", "slice"):
        raise UsageError(f"a pool is split by patient or by slice, not by {by!r}.")
    if index["any"].isna().any():
        raise IchBenchError("some slices of the pool have no label: they cannot be split.")
    ich = index["any"].to_numpy(dtype=bool)
    names = index["slice_id"].to_numpy(dtype=str)
    table = pd.DataFrame({"any": ich}, index=names)
    kept = np.isin(names, _selected(table, "balanced" if balanced or by == "slice" else "all", seed))
    half = min(held_out, int(kept.sum()) // 10) // 2
    part = np.where(kept, TRAIN, UNUSED).astype("<U8")
    if half == 0:
        return part
    if by == "slice":
        part[np.isin(names, files.split_papers_slices(table, held_out=2 * half, seed=seed)[1])] = HELD_OUT
        return part
    codes, patients = pd.factorize(index["patient_id"], sort=True)
    place = np.empty(len(patients), dtype=np.intp)
    place[_order(len(patients), seed)] = np.arange(len(patients))
    turn = place[codes]  # of each slice: when its patient is drawn
    kinds = (kept & ich, kept & ~ich)
    totals = [np.cumsum(np.bincount(turn[kind], minlength=len(patients))) for kind in kinds]
    if min(total[-1] for total in totals) < half:
        raise IchBenchError(f"the pool has fewer than {half} slices of a kind to hold out: take a larger pool.")
    mine = turn <= max(int(np.argmax(total >= half)) for total in totals)
    part[mine] = UNUSED
    for number, kind in enumerate(kinds, start=1):
        rows = np.flatnonzero(mine & kind)
        part[rows[_order(len(rows), seed + number)[:half]]] = HELD_OUT
    if not (part[ich] == TRAIN).any():
        raise IchBenchError(
            "after holding out slices by patient none with ICH is left to train on: take a larger pool."
        )
    return part


def _selected(table: pd.DataFrame, selection: Selection, seed: int) -> list[str]:
    if selection == "balanced":
        return files.split_papers_slices(table, held_out=0, seed=seed)[0]
    return [str(one) for one in (table.index[table["any"]] if selection == "ich" else table.index)]


def _fingerprint(pool: files.Pool) -> str:
    """Return the hash of the table and of the names and sizes of all files, or of the zip's own list."""
    digest = hashlib.sha256()
    if pool.source.is_file():
        with zipfile.ZipFile(pool.source) as archive:
            for info in sorted(archive.infolist(), key=lambda one: one.filename):
                digest.update(f"{info.filename} {info.file_size} {info.CRC}\n".encode())
        return digest.hexdigest()
    for slice_id in sorted(pool.slices):
        digest.update(f"{slice_id} {(pool.source / pool.slices[slice_id]).stat().st_size}\n".encode())
    if pool.table is not None:
        digest.update(file_sha256(pool.source / pool.table).encode())
    return digest.hexdigest()


def _placed(rows: list[dict[str, Any]]) -> tuple[str, ...]:
    """Number the slices of each series that are here from foot to head, by their position."""
    series: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        series.setdefault(row["case_id"], []).append(row)
    for group in series.values():
        group.sort(key=lambda row: (row["position_mm"] is None, row["position_mm"] or 0.0, row["slice_id"]))
        for place, row in enumerate(group):
            row["place"] = place
    unsaid = sum(row["unsaid"] for row in rows)
    if not unsaid:
        return ()
    return (f"{unsaid:,} slices do not say how they lie: they are taken as front to back, right to left.",)


def _order(count: int, seed: int) -> npt.NDArray[np.intp]:
    """Return a permutation that no later NumPy changes: the order of PCG64's raw output."""
    return np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")
