"""What does a method score on one dataset after training on another: train × test as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from ich_bench_app.charts.ground import names_axis

_DARK_BELOW = 0.6  # of viridis from 0 to 1: pale letters stand on the colours below


def transfer_map(cells: pd.DataFrame, lines: Sequence[str], columns: Sequence[str], *, dark: bool) -> Any:
    """Return the map: `line` (method and its training data, of `lines`) × `tested` (of `columns`), `dice` in colour.

    Further columns: `method`, `trained`, `text`, `home` (bool: tested where it was trained, outlined), `low`, `high`.
    """
    told = [
        alt.Tooltip("method:N"),
        alt.Tooltip("trained:N", title="trained on"),
        alt.Tooltip("tested:N", title="tested on"),
        alt.Tooltip("dice:Q", title="mean Dice", format=".3f"),
        alt.Tooltip("low:Q", title="95 % from", format=".3f"),
        alt.Tooltip("high:Q", title="to", format=".3f"),
    ]
    tight = alt.Scale(paddingInner=0.06, paddingOuter=0)
    top = alt.Axis(orient="top", title="tested on", labelAngle=-30, ticks=False, domain=False, labelLimit=110)
    base = alt.Chart(cells).encode(
        x=alt.X("tested:N", sort=list(columns), scale=tight, axis=top),
        y=alt.Y("line:N", sort=list(lines), scale=tight, axis=names_axis(longest_px=190)),
        tooltip=told,
    )
    colour = alt.Color("dice:Q", scale=alt.Scale(scheme="viridis", domain=[0, 1]),
                       legend=alt.Legend(orient="bottom", title="mean Dice on ich", gradientLength=180))  # fmt: skip
    letter = alt.condition(f"datum.dice > {_DARK_BELOW}", alt.value("#1b1b1b"), alt.value("#fdfdfd"))
    edge = "#fdfdfd" if dark else "#16191d"
    return alt.layer(
        base.mark_rect(invalid="filter").encode(color=colour),
        base.transform_filter("datum.home").mark_rect(fill=None, stroke=edge, strokeWidth=2),
        base.mark_text(fontSize=11).encode(text="text:N", color=letter),
    ).properties(height=max(70, 32 * len(lines)))
