"""How fast is a head drawn? Prints seconds by stage for 256×256×32 and 512×512×32, on one thread.

Run it with `OMP_NUM_THREADS=1 python benchmarks/phantom_speed.py [SIZE ...]`. Seconds are the processor's own (what
other programs take is left out), the least of three heads. The last line compares with the plain way: every depth and
density worked out by its formula at every voxel, instead of at nodes 2 mm apart.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from ich_bench.phantom import draw as drawing
from ich_bench.phantom import grid

SIZES = (256, 512)
SLICES = 32
STAGES = {  # what draw() calls, by the name that it has there
    "person": ("draw_anatomy", "draw_mimics"),
    "bleeds": ("draw_bleeds",),
    "nodes": ("survey",),
    "voxels": ("paint",),
    "scanner": ("acquire",),
    "reader": ("read",),
}
BLEEDS = {"healthy": (), "IPH + IVH": ("iph", "ivh"), "SDH + SAH": ("sdh", "sah")}


def main(sizes: tuple[int, ...]) -> None:
    print(f"{'grid':<12} {'head':<10} " + " ".join(f"{stage:>8}" for stage in STAGES) + f" {'all':>8}")
    for size in sizes:
        for name, bleeds in BLEEDS.items():
            runs = [timed(size, bleeds, seed) for seed in (1, 1, 1)]
            best = min(runs, key=lambda run: run["all"])
            cells = " ".join(f"{best[stage]:8.2f}" for stage in (*STAGES, "all"))
            print(f"{size}×{size}×{SLICES:<3} {name:<10} {cells}", flush=True)
    quick, plain = nodes_and_voxels(512, grid.NODE_MM), nodes_and_voxels(512, 0.0)
    ratio = f"{plain / quick:.1f} times as long"
    print(f"\nnodes and voxels of 512×512×8: {quick:.2f} s; the plain way {plain:.2f} s, {ratio}")


def timed(size: int, bleeds: tuple[str, ...], seed: int) -> dict[str, float]:
    """Return the processor's seconds of one head, by stage."""
    spent = dict.fromkeys(STAGES, 0.0)
    with watched(spent):
        start = time.process_time()
        draw(size, SLICES, bleeds, seed)
        spent["all"] = time.process_time() - start
    return spent


def draw(size: int, slices: int, bleeds: tuple[str, ...], seed: int) -> None:
    rng = np.random.Generator(np.random.PCG64(seed))
    scan = drawing.draw_scan(rng, site="c", shape=(size, size, slices), thickness_mm=5.0 if slices > 20 else 2.5)
    drawing.draw("one", rng, site="c", bleeds=bleeds, scan=scan)


@contextmanager
def watched(spent: dict[str, float]) -> Iterator[None]:
    """Add up the time within each stage."""
    with mock.patch.multiple(
        drawing,
        **{name: counted(getattr(drawing, name), spent, stage) for stage, names in STAGES.items() for name in names},
    ):
        yield


def counted(function: Callable[..., Any], spent: dict[str, float], stage: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        start = time.process_time()
        try:
            return function(*args, **kwargs)
        finally:
            spent[stage] += time.process_time() - start

    return call


def nodes_and_voxels(size: int, node_mm: float) -> float:
    """Return the seconds for nodes and voxels of eight slices; with `node_mm` 0 there is a node at every voxel."""
    spent = dict.fromkeys(STAGES, 0.0)
    with mock.patch.object(grid, "NODE_MM", node_mm), watched(spent):
        draw(size, 8, (), 1)
    return spent["nodes"] + spent["voxels"]


if __name__ == "__main__":
    main(tuple(int(argument) for argument in sys.argv[1:]) or SIZES)
