"""Does memory stay flat as heads are drawn? Prints the process's resident memory after each tenth of N heads.

Run it with `python benchmarks/phantom_memory.py [N]`, 200 heads by default, of 96×96×26 voxels, every subtype and site
in turn.
Heads are independent: nothing is kept from one to the next but tables that depend on the grid (a few MiB).
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np

from ich_bench.cases import SUBTYPES
from ich_bench.phantom.draw import draw

HEADS = 200


def main(count: int) -> None:
    first = 0.0
    print("heads  resident MiB  peak MiB")
    for number in range(count):
        rng = np.random.Generator(np.random.PCG64(number))
        bleeds = () if number % 6 == 5 else (SUBTYPES[number % 6],)
        draw(f"head-{number}", rng, site="abcd"[number % 4], bleeds=bleeds, shape=(96, 96, 26))
        if (number + 1) % max(1, count // 10) == 0:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            first = first or peak
            print(f"{number + 1:5}  {resident_mib():12.0f}  {peak:8.0f}", flush=True)
    print(f"peak grew by {peak - first:.0f} MiB from the first tenth to the last")


def resident_mib() -> float:
    """Return the memory that the process holds now (Linux; NaN elsewhere)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return float("nan")
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else HEADS)
