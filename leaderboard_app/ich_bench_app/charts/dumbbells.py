"""Who of two is ahead on which kind of volume: two means a line, joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from ich_bench_app.charts.ground import FIRST, SECOND, names_axis, shade


def dumbbells(lines: pd.DataFrame, order: Sequence[str], *, dark: bool) -> Any:
    """Return a line a stratum: A as a filled circle, B as a hollow diamond; grey where few volumes stand behind it.

    `lines` has `name` (one of `order`), `n`, `a`, `b`, `difference`, `few` (bool).
    """
    muted = shade("muted", dark=dark)
    y = alt.Y("name:N", sort=list(order), axis=names_axis())
    told = [
        alt.Tooltip("name:N", title="volumes"),
        alt.Tooltip("n:Q", title="n"),
        alt.Tooltip("a:Q", title="A", format=".4~f"),
        alt.Tooltip("b:Q", title="B", format=".4~f"),
        alt.Tooltip("difference:Q", title="A minus B", format="+.4~f"),
    ]
    joined = alt.Chart(lines).mark_rule(color=muted, strokeWidth=2).encode(y=y, x="a:Q", x2="b:Q", tooltip=told)
    long = pd.concat(
        [lines.assign(who=who, value=lines[column]) for who, column in (("A", "a"), ("B", "b"))], ignore_index=True
    )
    scale = alt.Scale(domain=["A", "B"], range=[FIRST[dark], SECOND[dark]])
    points = (
        alt.Chart(long)
        .mark_point(size=110, strokeWidth=2.2, filled=False)
        .encode(
            y=y,
            x=alt.X("value:Q", title="mean", scale=alt.Scale(zero=False, padding=12)),
            shape=alt.Shape("who:N", scale=alt.Scale(domain=["A", "B"], range=["circle", "diamond"]),
                            legend=alt.Legend(title=None, orient="top")),
            color=alt.Color("who:N", scale=scale, legend=alt.Legend(title=None, orient="top")),
            opacity=alt.condition("datum.few", alt.value(0.4), alt.value(1.0)),
            tooltip=told,
        )
    )  # fmt: skip
    return alt.layer(joined, points).properties(height=max(80, 28 * len(order)))
