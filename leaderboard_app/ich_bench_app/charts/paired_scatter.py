"""Which of two methods is better on each case: a point a case, the diagonal between them."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from ich_bench_app.charts.ground import AHEAD, ahead_scale, shade

PICKED = "picked"  # the selection that a click sets


def paired_scatter(points: pd.DataFrame, low: float, high: float, *, dark: bool) -> Any:
    """Return the points (x: A, y: B) on axes from `low` to `high`, the diagonal on which both are equal.

    `points` has a line a case: `case`, `head` ("with ICH", "healthy"), `a`, `b`, `difference`, `ahead` (one of AHEAD).
    A click sets the selection PICKED to the case.
    """
    span = alt.Scale(domain=[low, high], nice=False, zero=False)
    line = (
        alt.Chart(pd.DataFrame({"a": [low, high], "b": [low, high]}))
        .mark_line(color=shade("muted", dark=dark), strokeDash=[4, 3], strokeWidth=1)
        .encode(x="a:Q", y="b:Q")
    )
    few = points["head"].nunique() < 2
    shape = alt.Shape("head:N", scale=alt.Scale(domain=["with ICH", "healthy"], range=["circle", "triangle-up"]),
                      legend=None if few else alt.Legend(title=None, orient="top"))  # fmt: skip
    dots = (
        alt.Chart(points)
        .mark_point(
            filled=True, size=70, opacity=0.75, stroke=shade("ink", dark=dark), strokeWidth=0.4, cursor="pointer"
        )
        .encode(
            x=alt.X("a:Q", scale=span, title="A", axis=alt.Axis(tickCount=5)),
            y=alt.Y("b:Q", scale=span, title="B", axis=alt.Axis(tickCount=5)),
            color=alt.Color("ahead:N", scale=ahead_scale(dark=dark), legend=alt.Legend(title=None, orient="bottom")),
            shape=shape,
            tooltip=[
                alt.Tooltip("case:N", title="case"),
                alt.Tooltip("a:Q", title="A", format=".4~f"),
                alt.Tooltip("b:Q", title="B", format=".4~f"),
                alt.Tooltip("difference:Q", title="A minus B", format="+.4~f"),
                alt.Tooltip("ahead:N", title="case goes to"),
            ],
        )
        .add_params(alt.selection_point(name=PICKED, fields=["case"]))
    )
    return alt.layer(line, dots).properties(height=340)


__all__ = ["AHEAD", "PICKED", "paired_scatter"]
