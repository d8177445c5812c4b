"""Does memory stay flat as the number of volumes grows? Prints peak memory of `ich-bench evaluate` for 12, 48, 192.

Run it with `python benchmarks/memory.py [N ...]`; each run is a process of its own, scored by one worker, over drawn
blobs of 512 × 512 × 30 voxels at 0.45 × 0.45 × 5 mm.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ich_bench.geometry import Geometry
from ich_bench.volume import write_mask

SHAPE, SPACING_MM = (512, 512, 30), (0.45, 0.45, 5.0)
COUNTS = (12, 48, 192)


def main(counts: tuple[int, ...]) -> None:
    print(f"volumes  peak MiB   (thick, {'x'.join(map(str, SHAPE))}, one worker)")
    with tempfile.TemporaryDirectory() as scratch:
        for count in counts:
            folder = Path(scratch) / str(count)
            draw(folder, count)
            print(f"{count:7}  {peak_mib(folder):8.0f}", flush=True)


def draw(folder: Path, count: int) -> None:
    """Write `count` pairs of masks: two overlapping ellipsoids each, moved from case to case."""
    geometry = Geometry.of(SHAPE, np.diag([*SPACING_MM, 1.0]))
    grid = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij", sparse=True)
    for number in range(count):
        centre = np.array([200 + number % 50, 220 + number % 41, 14])
        for name, shift in (("reference", 0), ("prediction", 6)):
            inside = sum(
                ((axis - c) / r) ** 2 for axis, c, r in zip(grid, centre + shift // 3, (60, 45 + shift, 6), strict=True)
            )
            path = folder / name / f"case-{number:04d}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_mask(path, inside < 1, geometry)


def peak_mib(folder: Path) -> float:
    """Return the peak resident memory of one scoring process in MiB (kilobytes from the kernel, / 1024)."""
    probe = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-m", "ich_bench", "evaluate", str(folder / "reference"), str(folder / "prediction")]
    command += ["-o", str(folder / "out"), "--jobs", "1"]
    told = subprocess.run([sys.executable, "-c", probe, *command], capture_output=True, text=True, check=True)
    return float(told.stdout.strip().splitlines()[-1]) / 1024


if __name__ == "__main__":
    main(tuple(int(argument) for argument in sys.argv[1:]) or COUNTS)
