"""How large a difference could each pair have shown: minimal detectable differences as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from ich_bench_app.charts.ground import names_axis, numbers_axis
from ich_bench_app.charts.pair_map import PRINTED_UP_TO, cell_px


def mdd_map(cells: pd.DataFrame, lines: Sequence[str]) -> Any:
    """Return the map; columns `line`, `column`, `first`, `second`, `mdd`, `mdd_text` as in `pair_map`."""
    count = len(lines)
    base = alt.Chart(cells).encode(
        x=alt.X("column:O", axis=numbers_axis(count), scale=alt.Scale(paddingInner=0.04, paddingOuter=0)),
        y=alt.Y("line:N", sort=list(lines), scale=alt.Scale(paddingInner=0.04, paddingOuter=0),
                axis=names_axis(min(12, max(5, cell_px(count) - 2)))),
        tooltip=[
            alt.Tooltip("first:N", title="row"),
            alt.Tooltip("second:N", title="column"),
            alt.Tooltip("mdd:Q", title="detectable with 80 % power", format=".4~f"),
        ],
    )  # fmt: skip
    middle = float(cells["mdd"].median()) if cells["mdd"].notna().any() else 0.0
    colour = alt.Color(
        "mdd:Q",
        scale=alt.Scale(scheme="viridis", zero=True),
        legend=alt.Legend(orient="bottom", title="minimal detectable difference", gradientLength=180),
    )
    layers = [base.mark_rect(invalid="filter").encode(color=colour)]
    if count <= PRINTED_UP_TO:
        layers.append(
            base.mark_text(fontSize=11 if count <= 6 else 9, invalid="filter").encode(
                text="mdd_text:N",
                color=alt.condition(f"datum.mdd > {middle!r}", alt.value("#1b1b1b"), alt.value("#fdfdfd")),
            )
        )
    return alt.layer(*layers).properties(height=max(90, count * cell_px(count)))
