"""How is a metric spread over the volumes of each kind, method by method: boxes with their points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from ich_bench_app.charts.ground import level_scale, line_px, shade

PICKED = "picked"  # the selection that a click on a point sets
_PALE = 0.35


def boxes(
    lines: pd.DataFrame, points: pd.DataFrame, labels: Sequence[str], *, unit: bool, title: str, dark: bool
) -> Any:
    """Return a line a group's heading and a line a method below it; pale where few volumes stand behind a box.

    Args:
        lines: `place` (from 0, its label is `labels[place]`), `heading` ("" on a method's line), `method`, `group`,
            `level`, `n`, `mean`, `q1`, `median`, `q3`, `low`, `high`, `few`, `boxed` (bool).
        points: `place`, `spread` (-1 to 1), `case`, `value`, `method`, `group`, `level`, `few`.
        labels: what stands beside each line.
        unit: whether values lie in 0 to 1.
        title: what the values are.
        dark: whether the ground is dark.
    """
    called = alt.param(name="labels", value=list(labels))
    axis = alt.Axis(title=None, ticks=False, domain=False, labelLimit=150, labelOverlap=False, grid=False,
                    labelExpr="labels[datum.value]")  # fmt: skip
    y = alt.Y("place:O", axis=axis, scale=alt.Scale(domain=list(range(len(labels))), paddingInner=0.15))
    span = alt.Scale(domain=[0, 1]) if unit else alt.Scale(zero=False, nice=True)
    levels = sorted(set(lines.loc[lines["heading"] == "", "level"]))
    legend = alt.Legend(title=None, orient="top", columns=2, symbolOpacity=1) if len(levels) > 1 else None
    colour = alt.Color("level:N", scale=level_scale(levels, dark=dark), legend=legend)
    pale = alt.condition("datum.few", alt.value(_PALE), alt.value(1.0))
    told = [
        alt.Tooltip("method:N"), alt.Tooltip("group:N", title="volumes"), alt.Tooltip("n:Q"),
        *(alt.Tooltip(f"{name}:Q", format=".4~f") for name in ("mean", "median", "q1", "q3")),
    ]  # fmt: skip
    drawn = alt.Chart(lines).transform_filter("datum.heading == ''")
    boxed = drawn.transform_filter("datum.boxed")
    ink, grey = shade("ink", dark=dark), shade("mean", dark=dark)
    x = alt.X("value:Q", scale=span, title=title, axis=alt.Axis(tickCount=5))
    layers = [
        boxed.mark_rule(strokeWidth=1.2).encode(
            y=y, x=alt.X("low:Q", scale=span, title=title), x2="high:Q", color=colour, opacity=pale
        ),
        boxed.mark_bar(fillOpacity=0.28, strokeWidth=1).encode(
            y=y, x=alt.X("q1:Q", scale=span), x2="q3:Q", color=colour, stroke=colour, opacity=pale, tooltip=told
        ),
        alt.Chart(points)
        .mark_point(filled=True, size=22, cursor="pointer")
        .encode(
            y=y,
            yOffset=alt.YOffset("spread:Q", scale=alt.Scale(domain=[-1.4, 1.4])),
            x=x,
            color=colour,
            opacity=alt.condition("datum.few", alt.value(0.4), alt.value(0.75)),
            tooltip=[
                alt.Tooltip("case:N"), alt.Tooltip("value:Q", format=".4~f"), alt.Tooltip("method:N"),
                alt.Tooltip("group:N", title="volumes"),
            ],
        )
        .add_params(alt.selection_point(name=PICKED, fields=["case"])),
        drawn.mark_tick(color=grey, thickness=2.5, bandSize=line_px(len(labels)) * 0.7).encode(
            y=y, x=alt.X("mean:Q", scale=span), opacity=pale, tooltip=told
        ),
        drawn.mark_tick(color=ink, thickness=2, bandSize=line_px(len(labels)) * 0.7).encode(
            y=y, x=alt.X("median:Q", scale=span), opacity=pale, tooltip=told
        ),
        alt.Chart(lines)
        .transform_filter("datum.heading != ''")
        .mark_text(align="left", fontWeight="bold", fontSize=13, dx=2)
        .encode(y=y, x=alt.value(0), text="heading:N",
                color=alt.condition("datum.few", alt.value(shade("muted", dark=dark)), alt.value(ink))),
    ]  # fmt: skip
    return alt.layer(*layers).add_params(called).properties(height=max(90, line_px(len(labels)) * len(labels)))
