"""Which tasks go to a worker together? About as many voxels in each chunk, the largest volumes first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ich_bench.runs.task import Outcome, Task

Chunk = tuple[tuple[int, Task], ...]  # tasks with their place in the run
Numbered = tuple[int, Outcome]
CHUNKS_PER_WORKER = 8  # so many that no worker waits long for the last one, so few that handing out costs nothing


def chunks(tasks: Sequence[tuple[int, Task]], workers: int) -> list[Chunk]:
    """Return the tasks in chunks of about one size in voxels, largest volumes first: a long one never comes last."""
    sized = sorted(((voxel_bytes(task), index, task) for index, task in tasks), key=lambda one: (-one[0], one[1]))
    enough = sum(size for size, _, _ in sized) / (workers * CHUNKS_PER_WORKER)
    made: list[Chunk] = []
    chunk: list[tuple[int, Task]] = []
    held = 0
    for size, index, task in sized:
        if chunk and held + size > enough:
            made.append(tuple(chunk))
            chunk, held = [], 0
        chunk.append((index, task))
        held += size
    return [*made, tuple(chunk)] if chunk else made


def voxel_bytes(task: Task) -> int:
    """Return the bytes of voxels in a task's mask, by the gzip trailer where there is one; no more than a hint."""
    path = task.prediction.path if task.prediction else task.case.reference
    try:
        return max(1, _gzip_content(path) if path and path.suffix == ".gz" else path.stat().st_size if path else 1)
    except OSError:  # said in full when the task is run
        return 1


def _gzip_content(path: Path) -> int:
    with path.open("rb") as file:
        file.seek(-4, 2)
        return int.from_bytes(file.read(4), "little")
