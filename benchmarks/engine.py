"""How fast is `ich-bench evaluate` beside every peer that installs, and beside the floor? Whole processes, in turn.

    python benchmarks/engine.py FOLDER [--copies 4] [--rounds 3] [--only ich-bench floor surface-distance]
           [--python PYTHON ...]

Makes the twelve-volume set in FOLDER (`engine_set.py`), then runs each tool in turn, round after round, one process
each, and prints the median wall and CPU seconds, the ratios to us (the median of the ratios within a round) and the
peak memory. A peer is looked for in each PYTHON in turn; one that none of them can import is named as absent, with
the reason. A tool whose first run took longer than --once seconds is not run again. Our output folder is new in every
run, and so is our cache, but for `ich-bench-warm`, which meets references that one run before the first has seen.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
OURS, WARM, FLOOR = "ich-bench", "ich-bench-warm", "floor"
MODULES = {  # what must import, its distribution, and what it computes
    WARM: ("ich_bench", "ich-bench", "the same, references seen before"),
    FLOOR: ("numpy", "numpy", "inflates and passes once over both masks"),
    "surface-distance": ("surface_distance", "surface-distance", "overlap, NSD, HD95, ASSD"),
    "nnunet": ("nnunetv2", "nnunetv2", "Dice, IoU, counts; no distance"),
    "monai": ("monai.metrics", "monai", "Dice, NSD, HD95, ASSD"),
    "metrics-reloaded": ("MetricsReloaded.metrics.pairwise_measures", "MetricsReloaded", "Dice, IoU, NSD, HD95, ASSD"),
    "panoptica": ("panoptica", "panoptica", "Dice, IoU, RVD, NSD, HD95, ASSD, lesions"),
    "mesh-metrics": ("MeshMetrics", "pymeshmetrics", "NSD, HD95, ASSD"),
    "simpleitk": ("SimpleITK", "SimpleITK", "Dice, Jaccard, NSD, HD95, ASSD"),
    "medpy": ("medpy.metric", "medpy", "overlap, HD95, ASSD; no NSD"),
}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool that can run here."""

    name: str
    python: str
    version: str
    computes: str


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What one process took; `peak_mib` is that of its largest process."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    failed: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the volumes lie, or will")
    parser.add_argument("--copies", type=int, default=1, help="the twelve volumes so many times over")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[OURS, *MODULES], choices=[OURS, *MODULES])
    parser.add_argument("--python", nargs="+", default=[], help="interpreters to look for peers in, after this one")
    parser.add_argument("--once", type=float, default=120, help="seconds after which a tool is not run again")
    parser.add_argument("--options", default="", help="further options of `ich-bench evaluate`, such as '--jobs 2'")
    asked = parser.parse_args()
    subprocess.run([sys.executable, HERE / "engine_set.py", asked.folder, "--copies", str(asked.copies)], check=True)
    tools, absent = found(asked.only, [sys.executable, *asked.python])
    names = ", ".join(tool.name for tool in tools)
    print(f"{12 * asked.copies} volumes, {asked.rounds} rounds of: {names}", file=sys.stderr)
    print(table(tools, measured(tools, asked.folder, asked.rounds, asked.once, asked.options.split())))
    for name, reason in absent.items():
        print(f"{name}: absent ({reason})")
    print(machine())


def found(names: Sequence[str], pythons: Sequence[str]) -> tuple[list[Tool], dict[str, str]]:
    """Return the tools that import in one of the interpreters, and why the others do not."""
    tools, absent = [], {}
    for name in names:
        module, distribution, computes = MODULES.get(name, ("ich_bench", "ich-bench", "every metric, Parquet, hashes"))
        probe = (
            f"import {module}; from importlib.metadata import version as v\n"
            f"try: print(v({distribution!r}))\nexcept Exception: print('?')"
        )
        for python in pythons:
            told = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=False)
            if told.returncode == 0:
                version = told.stdout.strip().splitlines()[-1]
                tools.append(Tool(name=name, python=python, version=version, computes=computes))
                break
            absent.setdefault(name, (told.stderr.strip().splitlines() or ["it ended without a word"])[-1])
        else:
            continue
        absent.pop(name, None)
    return tools, absent


def measured(
    tools: Sequence[Tool], folder: Path, rounds: int, once_s: float, options: Sequence[str]
) -> dict[str, list[Ran | None]]:
    """Return what each round took for each tool; None where a slow one was not run again."""
    taken: dict[str, list[Ran | None]] = {tool.name: [] for tool in tools}
    warm = tempfile.mkdtemp(prefix="engine-cache-")
    for tool in tools:
        if tool.name == WARM:
            run(command(tool, folder, options), warm)
    for number in range(rounds):
        for tool in tools:
            before = taken[tool.name][:1]
            if before and before[0] is not None and (before[0].wall_s > once_s or before[0].failed):
                taken[tool.name].append(None)
                continue
            cache = warm if tool.name == WARM else ""
            ran = run(command(tool, folder, options), cache)
            taken[tool.name].append(ran)
            failed = "  FAILED" if ran.failed else ""
            print(f"round {number + 1}  {tool.name:18} {ran.wall_s:8.2f} s{failed}", file=sys.stderr, flush=True)
    shutil.rmtree(warm)
    return taken


def command(tool: Tool, folder: Path, options: Sequence[str]) -> list[str]:
    """Return a tool's command line; the word OUT stands for a new folder."""
    if tool.name in (OURS, WARM):
        score = [tool.python, "-m", "ich_bench", "evaluate", str(folder / "reference"), str(folder / "prediction")]
        return [*score, "-o", "OUT/run", *(() if "--jobs" in options else ("--jobs", "1")), *options]
    driver = "floor.py" if tool.name == FLOOR else f"with_{tool.name.replace('-', '_')}.py"
    return [tool.python, str(HERE / "engine_peers" / driver), str(folder), "OUT/scores.csv"]


def run(words: Sequence[str], cache: str = "") -> Ran:
    """Run one command to its end in a process of its own: one thread for linear algebra, and `cache` or a new one."""
    out = tempfile.mkdtemp(prefix="engine-")
    words = [word.replace("OUT", out, 1) if word.startswith("OUT") else word for word in words]
    settings = {**os.environ, **ONE_THREAD, "ICH_BENCH_CACHE": cache or f"{out}/cache"}
    with (Path(out) / "said").open("w+") as said:
        began = time.perf_counter()
        child = subprocess.Popen(words, stdout=said, stderr=said, env=settings)
        _, status, used = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            print("".join(said.readlines()[-5:]), file=sys.stderr)
    shutil.rmtree(out)
    per_mib = 2**20 if sys.platform == "darwin" else 1024
    cpu_s, peak_mib = used.ru_utime + used.ru_stime, used.ru_maxrss / per_mib
    return Ran(wall_s=wall_s, cpu_s=cpu_s, peak_mib=peak_mib, failed=bool(child.returncode))


def table(tools: Sequence[Tool], taken: dict[str, list[Ran | None]]) -> str:
    """Return the results as a Markdown table, in order of CPU time."""
    ours = taken.get(OURS, [])
    rows = []
    for tool in tools:
        runs = [ran for ran in taken[tool.name] if ran is not None]
        if any(ran.failed for ran in runs):
            rows.append((float("inf"), f"| {tool.name} {tool.version} | {tool.computes} | failed | | | | |"))
            continue
        pairs = [(ran, own) for ran, own in zip(taken[tool.name], ours, strict=False) if ran is not None and own]
        cpu = f"{median(ran.cpu_s / own.cpu_s for ran, own in pairs):.3g}" if pairs else ""
        wall = f"{median(ran.wall_s / own.wall_s for ran, own in pairs):.3g}" if pairs else ""
        wall_s, cpu_s = median(ran.wall_s for ran in runs), median(ran.cpu_s for ran in runs)
        peak = max(ran.peak_mib for ran in runs)
        numbers = f"{wall_s:.2f} | {cpu_s:.2f} | {wall} | {cpu} | {peak:.0f}"
        rows.append((cpu_s, f"| {tool.name} {tool.version} | {tool.computes} | {numbers} |"))
    head = "| tool | computes | wall s | CPU s | wall / ours | CPU / ours | peak MiB |\n|---|---|--:|--:|--:|--:|--:|"
    return "\n".join([head, *(row for _, row in sorted(rows))])


def machine() -> str:
    """Return what this ran on, in a line."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
