"""Which rank does each method hold under each way of ranking: lines across the schemes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from ich_bench_app.charts.ground import shade

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")  # Okabe and Ito's, the first methods
LETTERS_PX = 14  # a line of letters
LABELLED_UP_TO = 25  # methods whose names stand at the lines' ends


def bump(places: pd.DataFrame, schemes: Sequence[str], *, dark: bool) -> Any:
    """Return a line a method over the schemes; the first ones coloured, their names at the last scheme.

    `places` has a line a method and scheme: `method`, `scheme` (of `schemes`), `letter` (what stands on the axis),
    `rank`, `colour` (an index of PALETTE, -1 for grey), `ends` (bool: the last scheme), `place` (that of its
    name).
    """
    grey = shade("mean", dark=dark)
    tints = alt.Color(
        "colour:O", scale=alt.Scale(domain=[-1, *range(len(PALETTE))], range=[grey, *PALETTE]), legend=None
    )
    most = float(places["rank"].max())
    x = alt.X("letter:N", sort=list(dict.fromkeys(places["letter"])), scale=alt.Scale(padding=0.4),
              axis=alt.Axis(title=None, orient="top", labelAngle=0, domain=False, ticks=False))  # fmt: skip
    y = alt.Y("rank:Q", title="rank", scale=alt.Scale(domain=[most + 0.5, 0.5], nice=False),
              axis=alt.Axis(tickMinStep=1, format="d", tickCount=min(10, int(most)), grid=False))  # fmt: skip
    told = [alt.Tooltip("method:N"), alt.Tooltip("scheme:N"), alt.Tooltip("rank:Q", format="~r")]
    base = alt.Chart(places).encode(x=x, y=y, detail="method:N", color=tints, tooltip=told)
    pale = alt.condition("datum.colour >= 0", alt.value(1.0), alt.value(0.45))
    layers = [
        base.mark_line(strokeWidth=2).encode(opacity=pale),
        base.mark_point(filled=True, size=60).encode(opacity=pale),
    ]
    if places["method"].nunique() <= LABELLED_UP_TO:
        layers.append(
            alt.Chart(places)
            .transform_filter("datum.ends")
            .mark_text(align="left", dx=8, fontSize=11, limit=130, color=shade("ink", dark=dark))
            .encode(x=x, y=alt.Y("place:Q", scale=alt.Scale(domain=[most + 0.5, 0.5], nice=False)), text="method:N")
        )
    return alt.layer(*layers).properties(height=height(most))


def height(most: float) -> int:
    """Return the height of the chart where the last rank is `most`."""
    return max(160, min(720, 24 * int(most) + 40))
