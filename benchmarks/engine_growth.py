"""How do time and memory of `ich-bench evaluate` grow with the number of volumes and of workers? Whole processes.

    python benchmarks/engine_growth.py FOLDER [--volumes 12 48 192] [--jobs 1 2] [--rounds 3]

Makes each set below FOLDER (`engine_set.py`), runs all in turn, round after round, each with a cache and an output
folder of its own, and prints median wall and CPU seconds, seconds a volume, the gain over one worker (median of the
ratios within a round), and the peak memory of the largest process.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from statistics import median

from engine import HERE, Ran, machine, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the sets lie, or will")
    parser.add_argument("--volumes", nargs="+", type=int, default=[12, 48, 192])
    parser.add_argument("--jobs", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--options", default="", help="further options of `ich-bench evaluate`")
    asked = parser.parse_args()
    taken: dict[tuple[int, int], list[Ran]] = {}
    for volumes in asked.volumes:
        copies = max(1, volumes // 12)
        folder = asked.folder / str(12 * copies)
        subprocess.run([sys.executable, HERE / "engine_set.py", folder, "--copies", str(copies)], check=True)
    for number in range(asked.rounds):
        for volumes in asked.volumes:
            for jobs in asked.jobs:
                folder = asked.folder / str(12 * max(1, volumes // 12))
                words = [sys.executable, "-m", "ich_bench", "evaluate", str(folder / "reference")]
                words += [str(folder / "prediction"), "-o", "OUT/run", "--jobs", str(jobs), *asked.options.split()]
                ran = run(words)
                taken.setdefault((volumes, jobs), []).append(ran)
                print(f"round {number + 1}  {volumes} volumes, {jobs} workers  {ran.wall_s:.2f} s", file=sys.stderr)
    print("| volumes | workers | wall s | CPU s | wall s a volume | gain | peak MiB |\n|--:|--:|--:|--:|--:|--:|--:|")
    for (volumes, jobs), runs in taken.items():
        wall_s = median(ran.wall_s for ran in runs)
        alone = taken[volumes, asked.jobs[0]]
        gain = median(one.wall_s / ran.wall_s for one, ran in zip(alone, runs, strict=True))
        peak = max(ran.peak_mib for ran in runs)
        cpu_s = median(ran.cpu_s for ran in runs)
        print(f"| {volumes} | {jobs} | {wall_s:.2f} | {cpu_s:.2f} | {wall_s / volumes:.3f} | {gain:.2f} | {peak:.0f} |")
    print(machine())


if __name__ == "__main__":
    main()
