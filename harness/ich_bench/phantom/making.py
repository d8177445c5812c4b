"""What was `phantom make` asked for, does it make sense, and who writes it?"""

from __future__ import annotations

import importlib
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ich_bench.errors import IchBenchError, UsageError, did_you_mean
from ich_bench.folds import load_scheme
from ich_bench.phantom import library
from ich_bench.phantom.layouts.hssayeni import has_ich
from ich_bench.phantom.library import Progress
from ich_bench.phantom.plan import RECIPES, PlannedHead

POOL = ("pool", "phantom-pool")
POOL_HEADS = 100
LAYOUTS = ("hssayeni", "seg-cq500", "instance2022", "rsna", "cq500-negative")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The options of `ich-bench phantom make`; None where nothing was said."""

    dataset: str
    out: Path | None = None
    heads: int | None = None
    site: str | None = None
    seed: int | None = None
    clean: bool = False
    layout: str | None = None
    jobs: int = 1


@dataclass(frozen=True, kw_only=True)
class Written:
    """Where the heads lie, and what there is to say about them."""

    folder: Path
    notes: tuple[str, ...] = ()


def write(asked: Asked, progress: Progress | None = None) -> Written:
    """Write what was asked for; UsageError for what makes no sense together."""
    if asked.layout is not None and asked.layout not in LAYOUTS:
        raise UsageError(f"there is no layout {asked.layout!r}. {did_you_mean(asked.layout, LAYOUTS)}")
    if asked.dataset not in (*RECIPES, *POOL):
        known = did_you_mean(asked.dataset, (*RECIPES, "pool"))
        raise UsageError(f"there is no drawn dataset {asked.dataset!r}. {known}")
    library.workers_for(asked.jobs)
    if asked.dataset in POOL:
        return _pool(asked, progress)
    if asked.seed is not None or asked.clean:
        option = "--seed" if asked.seed is not None else "--clean"
        raise UsageError(f"{option} belongs to the pool: the heads of {asked.dataset} are frozen.")
    if asked.layout is not None:
        return _native(asked, asked.layout, progress)
    folder = library.make(
        asked.dataset, asked.out, heads=asked.heads, site=asked.site, jobs=asked.jobs, progress=progress
    )
    return Written(folder=folder)


def _pool(asked: Asked, progress: Progress | None) -> Written:
    from ich_bench.phantom import pool, pool_files

    if asked.layout not in (None, "rsna"):
        raise UsageError(f"the pool is written in the layout rsna; {asked.layout} is a layout of cases with masks.")
    folder = pool_files.write(
        _named(asked),
        asked.heads or POOL_HEADS,
        seed=asked.seed or 0,
        sites=(asked.site,) if asked.site else pool.SITES,
        clean=asked.clean,
        jobs=asked.jobs,
        progress=progress,
    )
    return Written(folder=folder)


def _native(asked: Asked, layout: str, progress: Progress | None) -> Written:
    """Write a dataset's heads under a real one's ids, ill where those are ill; they are drawn in the cache first."""
    folder = _named(asked).resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise IchBenchError(f"{folder} holds something already. Name a new or empty folder for drawn heads.")
    wanted = library.selected(asked.dataset, heads=asked.heads, site=asked.site)
    named = _under_real_ids(wanted, layout)
    if not named:
        kind = "without" if layout == "cq500-negative" else "with"
        raise UsageError(f"nothing to draw: {layout} holds heads {kind} ICH, and none of those asked for is.")
    cache = library.default_folder(asked.dataset)
    library.make_heads(asked.dataset, list(named.values()), cache, jobs=asked.jobs, progress=progress)
    heads = (
        replace(library.read_head(cache, head.case_id), case_id=case_id, patient_id=case_id)
        for case_id, head in named.items()
    )
    part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    try:
        writer = importlib.import_module(f"ich_bench.phantom.layouts.{layout.replace('-', '_')}")
        writer.write(part, heads, cases=tuple(named))
        if folder.is_dir():
            folder.rmdir()
        part.rename(folder)
    except OSError as fault:
        raise IchBenchError(f"cannot write {folder}: {fault.strerror or fault}. Free space there.") from fault
    finally:
        shutil.rmtree(part, ignore_errors=True)
    left = len(wanted) - len(named)
    notes = (f"{left} of {len(wanted)} heads are left out: {layout} has no more cases of their kind.",) if left else ()
    return Written(folder=folder, notes=notes)


def _under_real_ids(heads: Sequence[PlannedHead], layout: str) -> dict[str, PlannedHead]:
    """Return the heads by the real dataset's case ids, ill heads to ill cases, in the order of the ids."""
    if layout == "rsna":
        return {f"exam-{number}": head for number, head in enumerate(heads)}
    ids = [row.case_id for row in load_scheme(layout).rows]
    ill = {case_id: has_ich(case_id) if layout == "hssayeni" else layout != "cq500-negative" for case_id in ids}
    waiting = {kind: [head for head in heads if head.has_ich is kind] for kind in (True, False)}
    return {case_id: waiting[ill[case_id]].pop(0) for case_id in ids if waiting[ill[case_id]]}


def _named(asked: Asked) -> Path:
    if asked.out is None:
        raise UsageError("name the folder to write to with -o DIR.")
    return asked.out
