"""Where does the edge of a mask run, as lines that a pen can follow: whole, or in dashes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
Loop = list[Point]


def loops(mask: NDArray[np.bool_]) -> list[Loop]:
    """Return the edges of a mask (rows, columns) as closed lines of corners (column, row) between the pixels.

    A pixel at row r and column c spans c to c + 1 and r to r + 1. The last corner of a loop is its first; corners at
    which the line goes straight on are left out.
    """
    inside = np.pad(mask, 1)
    core = inside[1:-1, 1:-1]
    following: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for neighbour, begin, end in (
        (inside[:-2, 1:-1], (0, 0), (1, 0)),  # above: along the upper side, inside at the right hand
        (inside[1:-1, 2:], (1, 0), (1, 1)),
        (inside[2:, 1:-1], (1, 1), (0, 1)),
        (inside[1:-1, :-2], (0, 1), (0, 0)),
    ):
        rows, columns = np.nonzero(core & ~neighbour)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            start = (column + begin[0], row + begin[1])
            following.setdefault(start, []).append((column + end[0], row + end[1]))
    found = []
    while following:
        start = next(iter(following))
        line = [start]
        at = start
        while True:
            ways = following[at]
            after = ways.pop()
            if not ways:
                del following[at]
            line.append(after)
            at = after
            if at == start:
                break
        found.append(_straightened(line))
    return found


def dashes(loop: Sequence[Point], on: float, off: float) -> Iterator[Loop]:
    """Yield the pieces of a line that a dashed pen draws: `on` long, then `off` left out, and so on along it."""
    drawing, left = True, on
    piece: Loop = [loop[0]]
    for (x0, y0), (x1, y1) in pairwise(loop):
        length = abs(x1 - x0) + abs(y1 - y0)  # edges run along the axes
        done = 0.0
        while length - done > left:
            done += left
            point = (x0 + (x1 - x0) * done / length, y0 + (y1 - y0) * done / length)
            if drawing:
                piece.append(point)
                yield piece
            piece = [point]
            drawing, left = not drawing, off if drawing else on
        left -= length - done
        if drawing:
            piece.append((x1, y1))
    if drawing and len(piece) > 1:
        yield piece


def _straightened(line: list[tuple[int, int]]) -> Loop:
    kept: Loop = [line[0]]
    for before, here, after in zip(line[:-2], line[1:-1], line[2:], strict=True):
        if (here[0] - before[0], here[1] - before[1]) != (after[0] - here[0], after[1] - here[1]):
            kept.append(here)
    kept.append(line[-1])
    return kept
