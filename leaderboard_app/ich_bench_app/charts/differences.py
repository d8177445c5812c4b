"""By how much do two methods differ on each case: the differences in order of size."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from ich_bench_app.charts.ground import ahead_scale, shade

PICKED = "chosen"  # the selection that a click sets


def differences(bars: pd.DataFrame, mean: pd.DataFrame, *, dark: bool) -> Any:
    """Return a bar a case in order of size, the mean of all with its 95 % interval across them.

    Args:
        bars: `place` (from 1, the largest difference first), `case`, `a`, `b`, `difference`, `ahead` (one of AHEAD).
        mean: one line or none: `mean`, `low`, `high`.
        dark: whether the ground is dark.
    """
    count = len(bars)
    y = alt.Y("difference:Q", title="A minus B")
    x = alt.X("place:O", axis=None, scale=alt.Scale(paddingInner=0.1 if count <= 60 else 0, paddingOuter=0))
    drawn = (
        alt.Chart(bars)
        .mark_bar(cursor="pointer")
        .encode(
            x=x,
            y=y,
            color=alt.Color("ahead:N", scale=ahead_scale(dark=dark), legend=alt.Legend(title=None, orient="bottom")),
            tooltip=[
                alt.Tooltip("case:N", title="case"),
                alt.Tooltip("difference:Q", title="A minus B", format="+.4~f"),
                alt.Tooltip("a:Q", title="A", format=".4~f"),
                alt.Tooltip("b:Q", title="B", format=".4~f"),
                alt.Tooltip("ahead:N", title="case goes to"),
            ],
        )
        .add_params(alt.selection_point(name=PICKED, fields=["case"]))
    )
    ink = shade("ink", dark=dark)
    told = [
        alt.Tooltip("mean:Q", title="mean difference", format="+.4~f"),
        alt.Tooltip("low:Q", title="95 % from", format="+.4~f"),
        alt.Tooltip("high:Q", title="to", format="+.4~f"),
    ]
    band = alt.Chart(mean).mark_rect(color=ink, opacity=0.14).encode(y=alt.Y("low:Q"), y2="high:Q", tooltip=told)
    line = alt.Chart(mean).mark_rule(color=ink, strokeWidth=1.5, strokeDash=[5, 3]).encode(y="mean:Q", tooltip=told)
    return alt.layer(drawn, band, line).properties(height=340)
