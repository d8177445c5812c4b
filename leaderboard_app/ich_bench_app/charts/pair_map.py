"""Which of two methods is better, for every pair: p-values as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from ich_bench_app.charts.ground import BETTER, WORSE, names_axis, numbers_axis, same, shade

BINS = ("▲ p < .001", "▲ p < .01", "▲ p < .05", "p ≥ .05", "▼ p < .05", "▼ p < .01", "▼ p < .001", "not tested")
PRINTED_UP_TO = 10  # methods: p stands in the cells
MARKED_UP_TO = 40  # methods: ▲ or ▼ stands in the cells


def pair_map(cells: pd.DataFrame, lines: Sequence[str], *, dark: bool) -> Any:
    """Return the map, the row's method against the column's: ▲ and blue where it is better, ▼ and orange where worse.

    Args:
        cells: A line a cell: `line` (one of `lines`), `column` (its number from 1), `first`, `second`, `bin` (one of
            BINS), `mark`, `p_text`, `p`, `difference`, `mdd`, `changed` (outlined), `said` (the verdict in words).
        lines: The rows from the top, the numbers that stand over the columns, then the names.
        dark: whether the ground is dark.
    """
    count = len(lines)
    cells = cells.assign(letter=cells["bin"].map(_letters(dark=dark)))
    colours = [*BETTER, same(dark=dark), *WORSE[::-1], shade("rule", dark=dark)]
    held = len(BINS) if (cells["bin"] == BINS[-1]).any() else len(BINS) - 1
    scale = alt.Scale(domain=list(BINS[:held]), range=colours[:held])
    x = alt.X("column:O", axis=numbers_axis(count), scale=alt.Scale(paddingInner=0.04, paddingOuter=0))
    y = alt.Y("line:N", sort=list(lines), scale=alt.Scale(paddingInner=0.04, paddingOuter=0),
              axis=names_axis(min(12, max(5, cell_px(count) - 2))))  # fmt: skip
    base = alt.Chart(cells).encode(
        x=x,
        y=y,
        tooltip=[
            alt.Tooltip("first:N", title="row"),
            alt.Tooltip("second:N", title="column"),
            alt.Tooltip("said:N", title="verdict"),
            alt.Tooltip("p:Q", title="p", format=".4~g"),
            alt.Tooltip("difference:Q", title="row minus column", format="+.4~f"),
            alt.Tooltip("mdd:Q", title="detectable with 80 % power", format=".4~f"),
            alt.Tooltip("outlined:N", title="the other test says"),
        ],
    )
    legend = alt.Legend(orient="bottom", columns=3, symbolType="square", symbolStrokeWidth=0, title=None)
    layers = [
        base.mark_rect().encode(color=alt.Color("bin:N", scale=scale, legend=legend)),
        base.transform_filter("datum.changed").mark_rect(
            fill=None, stroke=shade("ink", dark=dark), strokeWidth=2.5 if count <= MARKED_UP_TO else 1
        ),
    ]
    if count <= MARKED_UP_TO:
        printed = count <= PRINTED_UP_TO
        size = 11 if count <= 6 else 9 if printed else max(6, min(11, cell_px(count) - 8))
        letters = alt.Color("letter:N", scale=None)
        marks = base.mark_text(fontSize=size, dy=-7 if printed else 0).encode(text="mark:N", color=letters)
        layers.append(marks)
        if printed:
            layers.append(base.mark_text(fontSize=size, dy=7).encode(text="p_text:N", color=letters))
    return alt.layer(*layers).properties(height=max(90, count * cell_px(count)))


def _letters(*, dark: bool) -> dict[str, str]:
    """Return the colour of the letters on each bin's colour."""
    pale, deep, ink = "#fdfdfd", "#1b1b1b", shade("ink", dark=dark)
    return dict(zip(BINS, (pale, pale, deep, ink, deep, deep, pale, ink), strict=True))


def cell_px(count: int) -> int:
    """Return the height of a cell."""
    return 46 if count <= 6 else 36 if count <= PRINTED_UP_TO else 22 if count <= 30 else 14 if count <= 60 else 8
