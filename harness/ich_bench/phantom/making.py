"""What was `phantom make` asked for, does it make sense, and who writes it?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ich_bench.errors import UsageError, did_you_mean
from ich_bench.phantom import library
from ich_bench.phantom.plan import RECIPES

POOL = ("pool", "phantom-pool")
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


def write(asked: Asked, progress: Callable[[int, int], None] | None = None) -> Path:
    """Write what was asked for and return where it lies; UsageError for what makes no sense together."""
    if asked.layout is not None and asked.layout not in LAYOUTS:
        raise UsageError(f"there is no layout {asked.layout!r}. {did_you_mean(asked.layout, LAYOUTS)}")
    if asked.dataset not in (*RECIPES, *POOL):
        known = did_you_mean(asked.dataset, (*RECIPES, "pool"))
        raise UsageError(f"there is no drawn dataset {asked.dataset!r}. {known}")
    if asked.dataset in POOL:
        return _pool(asked, progress)
    if asked.seed is not None or asked.clean:
        option = "--seed" if asked.seed is not None else "--clean"
        raise UsageError(f"{option} belongs to the pool: the heads of {asked.dataset} are frozen.")
    if asked.layout is not None:
        return _native(asked, progress)
    return library.make(
        asked.dataset, asked.out, heads=asked.heads, site=asked.site, jobs=asked.jobs, progress=progress
    )


def _pool(asked: Asked, progress: Callable[[int, int], None] | None) -> Path:
    raise UsageError("the pool is not there yet")


def _native(asked: Asked, progress: Callable[[int, int], None] | None) -> Path:
    raise UsageError("layouts are not there yet")
