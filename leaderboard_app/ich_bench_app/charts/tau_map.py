"""How alike do two ways of ranking order the methods: Kendall's τ between schemes as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from ich_bench_app.charts.ground import names_axis

_DARK_BELOW = 0.55  # of viridis: pale letters stand on the colours below


def tau_map(cells: pd.DataFrame, schemes: Sequence[str]) -> Any:
    """Return the map; `cells` has `first` and `second` (of `schemes`), `letter` (the column's), `tau`, `text`."""
    letters = list(dict.fromkeys(cells["letter"]))
    x = alt.X("letter:N", sort=letters, scale=alt.Scale(paddingInner=0.04, paddingOuter=0),
              axis=alt.Axis(orient="top", title=None, ticks=False, domain=False, labelAngle=0))  # fmt: skip
    y = alt.Y("first:N", sort=list(schemes), scale=alt.Scale(paddingInner=0.04, paddingOuter=0), axis=names_axis())
    told = [
        alt.Tooltip("first:N"),
        alt.Tooltip("second:N", title="against"),
        alt.Tooltip("tau:Q", title="τ-b", format=".3f"),
    ]
    base = alt.Chart(cells).encode(x=x, y=y, tooltip=told)
    colour = alt.Color("tau:Q", scale=alt.Scale(scheme="viridis", domain=[-1, 1]),
                       legend=alt.Legend(orient="bottom", title="Kendall's τ-b", gradientLength=180))  # fmt: skip
    letter = alt.condition(f"datum.tau > {_DARK_BELOW}", alt.value("#1b1b1b"), alt.value("#fdfdfd"))
    return alt.layer(
        base.mark_rect(invalid="filter").encode(color=colour),
        base.mark_text(fontSize=11).encode(text="text:N", color=letter),
    ).properties(height=34 * len(schemes))
