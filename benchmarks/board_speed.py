"""How long does a full board take, and how much memory: METHODS rows on the 226 cases of the three real datasets.

    python benchmarks/board_speed.py            # 200 methods: every pair tested, in every family, on every dataset
    python benchmarks/board_speed.py 1000

Makes score files with made-up numbers (not timed), then reads, tests and writes the boards as `ich-bench leaderboard`
does, with all 20,000 sign vectors. Prints seconds a stage and the peak of resident memory.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from boards import dice_like, write_run
from ich_bench.board import public
from ich_bench.board.pairs import DRAWS
from ich_bench.board.show import show
from ich_bench.datasets import card

DATASETS = ("seg-cq500", "hssayeni", "instance2022")


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Print how long a stage took."""
    start, busy = time.perf_counter(), time.process_time()
    yield
    print(
        f"{name:<28}{time.perf_counter() - start:8.1f} s  ({time.process_time() - busy:.1f} s of processor)", flush=True
    )


def make(folder: Path, methods: int) -> list[Path]:
    """Write a run a method, with scores on every dataset."""
    rng = np.random.default_rng(0)
    shifts = rng.normal(0, 0.05, size=methods)
    runs = [folder / f"method-{number:04d}" for number in range(methods)]
    for dataset in DATASETS:
        scores = dice_like(rng, methods, card(dataset).cases, shifts)
        for number, run in enumerate(runs):
            write_run(run, dataset, scores[:, number])
    return runs


def main(methods: int) -> None:
    """Time each stage of the boards."""
    cases = sum(card(dataset).cases for dataset in DATASETS)
    print(f"{methods} methods x {cases} cases, {DRAWS:,} sign vectors")
    with tempfile.TemporaryDirectory() as folder:
        with stage("(making score files)"):
            runs = make(Path(folder), methods)
        (Path(folder) / "none").mkdir()
        start, busy = time.perf_counter(), time.process_time()
        with stage("reading manifests and files"):
            sources = public.gather(submissions=Path(folder) / "none", runs=runs)
        for dataset in DATASETS:
            with stage(f"board of {dataset}"):
                board = public.board_of(card(dataset), sources, scheme=None, profile=None, metrics=(), draws=DRAWS)
            with stage("  as text, CSV and JSON"):
                sizes = [len(show(board, format=format)) for format in ("table", "csv", "json")]
            tested = len(board.pairs) * board.ranked * (board.ranked - 1) // 2
            print(f"  {tested:,} tests in {len(board.pairs)} families; {sum(sizes) / 1e6:.1f} MB of text")
        print(f"{'all':<28}{time.perf_counter() - start:8.1f} s  ({time.process_time() - busy:.1f} s of processor)")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
