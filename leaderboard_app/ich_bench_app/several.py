"""How many rows stand on a chart: the first ones of the board, as many as a visitor wants to see."""

from __future__ import annotations

from ich_bench_app import controls

SHOWN = (10, 25, 50, 100)
FIRST = 25


def how_many(count: int, label: str = "Rows on the charts") -> int:
    """Return how many of `count` rows are drawn, the first ones in display order; all where they are few."""
    if count <= SHOWN[0]:
        return count
    options = [str(one) for one in SHOWN if one < count] + [str(count)]
    told = "The first ones in the board's order. No test or rank changes; the CSV holds all of them."
    return int(controls.choose(label, options, key="first_n", default=str(min(FIRST, count)), help=told))
