"""Does memory stay flat as the pool grows? Prints peak memory and seconds for 10, 100, 1000 drawn heads.

Run it with `python benchmarks/phantom_pool.py [N ...]`; `--shape X Y Z` sets the grid (default 64 64 12), `--write`
writes the files in RSNA's layout. Each count is a process of its own that reads every slice of the stream once.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time

STREAM = """
import resource, sys
from ich_bench.phantom import pool
count, shape = int(sys.argv[1]), tuple(map(int, sys.argv[2:5]))
seen = positive = 0
for one in pool.slices(count, shape=shape):
    seen, positive = seen + 1, positive + one.labels["any"]
print(seen, positive, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
WRITE = """
import resource, sys
from pathlib import Path
from ich_bench.phantom import pool_files
count, shape = int(sys.argv[1]), tuple(map(int, sys.argv[2:5]))
folder = pool_files.write(Path(sys.argv[5]) / "pool", count, shape=shape)
seen = sum(1 for _ in (folder / pool_files.FOLDER).iterdir())
print(seen, 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def main(counts: list[int], shape: list[int], *, write: bool) -> None:
    """Print a line a count."""
    print(f" heads  slices  positive  peak MiB  seconds   ({'x'.join(map(str, shape))})")
    for count in counts:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            command = [sys.executable, "-c", WRITE if write else STREAM, str(count), *map(str, shape), scratch]
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        seen, positive, kilobytes = map(int, told)
        share = "–" if write else f"{100 * positive / seen:.1f} %"
        print(f"{count:6}  {seen:6}  {share:>8}  {kilobytes / 1024:8.0f}  {time.monotonic() - began:7.0f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", nargs="*", type=int, default=[10, 100, 1000])
    parser.add_argument("--shape", nargs=3, type=int, default=[64, 64, 12])
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    main(given.counts, given.shape, write=given.write)
