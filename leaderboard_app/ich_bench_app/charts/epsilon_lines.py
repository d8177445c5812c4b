"""How does the order change with ε: τ against the benchmark's own ε, and the mean Dice of each method."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from ich_bench_app.charts.bump import PALETTE
from ich_bench_app.charts.ground import shade

HEIGHT = 260


def tau_line(steps: pd.DataFrame, chosen: float, *, dark: bool) -> Any:
    """Return τ over ε; the chosen step is marked. `steps` has `epsilon` and `tau`."""
    told = [alt.Tooltip("epsilon:Q", title="ε", format=".2f"), alt.Tooltip("tau:Q", title="τ-b", format=".3f")]
    y = alt.Y("tau:Q", title="τ-b against ε = 1", scale=alt.Scale(domain=[min(0.0, _least(steps)), 1.02], nice=False))
    base = alt.Chart(steps).encode(x=_x(), y=y, tooltip=told)
    return alt.layer(
        _rule(chosen, dark=dark),
        base.mark_line(color=PALETTE[0], strokeWidth=2),
        base.mark_point(filled=True, size=45, color=PALETTE[0]),
    ).properties(height=HEIGHT)


def mean_lines(means: pd.DataFrame, chosen: float, *, dark: bool) -> Any:
    """Return mean Dice over ε, a line a method, the chosen step marked.

    `means` has `epsilon`, `method`, `mean`, `rank`, `n`, `colour` (an index of PALETTE, -1 for grey), `label` (where
    the method's name stands).
    """
    grey = shade("mean", dark=dark)
    tints = alt.Color(
        "colour:O", scale=alt.Scale(domain=[-1, *range(len(PALETTE))], range=[grey, *PALETTE]), legend=None
    )
    told = [
        alt.Tooltip("method:N"),
        alt.Tooltip("epsilon:Q", title="ε", format=".2f"),
        alt.Tooltip("mean:Q", title="mean Dice", format=".4f"),
        alt.Tooltip("rank:Q", format="~r"),
        alt.Tooltip("n:Q", title="volumes with a Dice"),
    ]
    base = alt.Chart(means).encode(
        x=_x(),
        y=alt.Y("mean:Q", title="mean Dice", scale=alt.Scale(zero=False, padding=8)),
        detail="method:N",
        color=tints,
        tooltip=told,
        opacity=alt.condition("datum.colour >= 0", alt.value(1.0), alt.value(0.5)),
    )
    ends = (
        alt.Chart(means)
        .transform_filter("datum.epsilon == 1 && datum.colour >= 0")
        .mark_text(align="right", dx=-6, dy=-8, fontSize=11, limit=150, color=shade("ink", dark=dark))
        .encode(x=_x(), y=alt.Y("label:Q"), text="method:N")
    )
    return alt.layer(
        _rule(chosen, dark=dark), base.mark_line(strokeWidth=2), base.mark_point(filled=True, size=28), ends
    ).properties(height=HEIGHT)


def _x() -> alt.X:
    return alt.X("epsilon:Q", title="ε, voxels", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=5))


def _rule(chosen: float, *, dark: bool) -> Any:
    at = pd.DataFrame({"epsilon": [chosen]})
    return alt.Chart(at).mark_rule(color=shade("ink", dark=dark), strokeDash=[4, 3]).encode(x=_x())


def _least(steps: pd.DataFrame) -> float:
    known = steps["tau"].dropna()
    return float(known.min()) - 0.02 if len(known) else 0.0
