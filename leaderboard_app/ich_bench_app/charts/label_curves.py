"""How does Dice grow with what was annotated: a curve a method, a point a training budget and draw."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from ich_bench_app.charts.bump import PALETTE
from ich_bench_app.charts.ground import LEVELS, shade

HEIGHT = 380
_LOG_FROM = 5  # times: where amounts span as much, the small budgets would stand on one spot


def label_curves(
    points: pd.DataFrame, curves: pd.DataFrame, *, title: str, goal: float, goal_text: str, dark: bool
) -> Any:
    """Return curves through the means of the draws, every draw a point with its interval, the reference's Dice dashed.

    Args:
        points: `method`, `level` (a key of LEVELS), `budget`, `amount`, `dice`, `low`, `high`, `n`, `colour` (an index
            of PALETTE, -1 for grey).
        curves: `method`, `amount`, `dice`, `share`, `draws`, `colour`, `last` (bool), `label` (where the name stands).
        title: what is counted.
        goal: Dice of the reference on all its labels; NaN for none.
        goal_text: what stands on the dashed line.
        dark: whether the ground is dark.
    """
    grey, ink = shade("mean", dark=dark), shade("ink", dark=dark)
    amounts = points["amount"]
    log = bool(len(amounts)) and amounts.min() > 0 and amounts.max() / amounts.min() >= _LOG_FROM
    scale = alt.Scale(type="log", nice=False, padding=24) if log else alt.Scale(zero=False, padding=24)
    x = alt.X("amount:Q", title=title, scale=scale, axis=alt.Axis(format="~s", tickCount=6))
    y = alt.Y("dice:Q", title="mean Dice on ich", scale=alt.Scale(zero=False, padding=12))
    domain = [-1, *range(len(PALETTE))]
    tints = alt.Color("colour:O", scale=alt.Scale(domain=domain, range=[grey, *PALETTE]), legend=None)
    levels = [name for name in LEVELS if (points["level"] == name).any()]
    shapes = alt.Shape(
        "level:N",
        scale=alt.Scale(domain=levels, range=[LEVELS[name] for name in levels]),
        legend=alt.Legend(title=None, orient="bottom", columns=2) if len(levels) > 1 else None,
    )
    told = [
        alt.Tooltip("method:N"),
        alt.Tooltip("budget:N"),
        alt.Tooltip("amount:Q", title="annotated", format=".1~f"),
        alt.Tooltip("dice:Q", title="mean Dice", format=".3f"),
        alt.Tooltip("low:Q", title="95 % from", format=".3f"),
        alt.Tooltip("high:Q", title="to", format=".3f"),
    ]
    pale = alt.condition("datum.colour >= 0", alt.value(1.0), alt.value(0.5))
    dots = alt.Chart(points).encode(x=x, color=tints, opacity=pale, tooltip=told)
    line = alt.Chart(curves).encode(x=x, y=y, color=tints, detail="method:N", opacity=pale)
    layers = [
        dots.mark_rule(strokeWidth=1).encode(y=alt.Y("low:Q"), y2="high:Q"),
        line.mark_line(strokeWidth=2),
        dots.mark_point(filled=True, size=75).encode(y=y, shape=shapes),
        line.transform_filter("datum.last && datum.colour >= 0")
        .mark_text(align="right", dy=-12, fontSize=11, limit=150, color=ink)
        .encode(y=alt.Y("label:Q"), text="method:N", color=alt.value(ink)),
    ]
    if goal == goal:
        at = pd.DataFrame({"dice": [goal], "text": [goal_text]})
        flat = alt.Chart(at).encode(y=y)
        layers.append(flat.mark_rule(color=ink, strokeDash=[5, 4]))
        layers.append(
            flat.mark_text(align="left", dx=4, dy=-7, fontSize=11, color=shade("muted", dark=dark)).encode(
                x=alt.value(0), text="text:N"
            )
        )
    return alt.layer(*layers).properties(height=HEIGHT)
