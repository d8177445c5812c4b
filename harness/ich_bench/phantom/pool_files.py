"""How is the pool written to a folder? In the layout of RSNA 2019, head by head, resumed where it stopped."""

from __future__ import annotations

import csv
import io
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ich_bench.errors import IchBenchError
from ich_bench.phantom import pool
from ich_bench.phantom.layouts.rsna import REPEATED, write_exam
from ich_bench.phantom.library import Progress, begin, spread, write_aside
from ich_bench.phantom.plan import Shape

FOLDER, TABLE = "stage_2_train", "stage_2_train.csv"
_LABELS = "labels"  # a small table a head, written last: the head is whole


def write(
    folder: Path,
    count: int,
    *,
    seed: int = 0,
    sites: Sequence[str] = pool.SITES,
    shape: Shape | None = None,
    clean: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Write the first `count` heads of a pool as `stage_2_train/ID_….dcm` with `stage_2_train.csv`; return the folder.

    Weak labels as `ich_bench.phantom.pool` has them, and the known defects of RSNA's files. A run that was stopped
    continues, a smaller pool is made larger, and memory does not grow with the count. Arguments as in `pool.heads`.
    """
    pool.planned_head(0, sites=sites)  # refuses sites that are not the pool's before anything is written
    about = {"dataset": "phantom-pool", "version": pool.POOL_VERSION, "seed": seed, "sites": "".join(sites)}
    begin(folder, {**about, "shape": list(shape or ()), "clean": clean})
    waiting = [number for number in range(count) if not _labels(folder, number).is_file()]
    done = count - len(waiting)
    work = [(folder, number, seed, tuple(sites), shape, clean) for number in waiting]
    for _ in spread(_write_head, work, jobs=jobs):
        done += 1
        if progress is not None:
            progress(done, count)
    _write_table(folder, count)
    return folder


def _write_head(folder: Path, number: int, seed: int, sites: tuple[str, ...], shape: Shape | None, clean: bool) -> None:
    one = next(pool.heads(number + 1, seed=seed, first=number, sites=sites, shape=shape, clean=clean))
    rng = np.random.Generator(np.random.PCG64([*pool.entropy(seed, number), 4]))
    aside = folder / f".{number}.{uuid.uuid4().hex}.part"
    try:
        rows = write_exam(aside, one.head, one.labels, rng, number)
        (folder / FOLDER).mkdir(exist_ok=True)
        for path in aside.iterdir():
            path.replace(folder / FOLDER / path.name)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        write_aside(_labels(folder, number), text.getvalue().encode())
    except OSError as fault:
        raise IchBenchError(
            f"cannot write {folder}: {fault.strerror or fault}. Free space there; the same command continues."
        ) from fault
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write_table(folder: Path, count: int) -> None:
    """Write the table of all heads that are asked for, with a few images repeated as in RSNA's own."""
    part = folder / f".{TABLE}.{uuid.uuid4().hex}.part"
    try:
        with part.open("wb") as table:
            table.write(b"ID,Label\n")
            for lines in _tables(folder, count):
                table.write(lines)
            first = _labels(folder, 0).read_bytes().splitlines(keepends=True)
            table.writelines(first[: 6 * REPEATED])
        part.replace(folder / TABLE)
    except OSError as fault:
        raise IchBenchError(
            f"cannot write {folder / TABLE}: {fault.strerror or fault}. Free space there; the same command continues."
        ) from fault
    finally:
        part.unlink(missing_ok=True)


def _tables(folder: Path, count: int) -> Iterator[bytes]:
    for number in range(count):
        yield _labels(folder, number).read_bytes()


def _labels(folder: Path, number: int) -> Path:
    return folder / _LABELS / f"{number:07}.csv"
