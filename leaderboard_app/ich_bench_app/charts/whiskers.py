"""How sure is a number of each method: a mark and its interval, a line a method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from ich_bench_app.charts.ground import LEVELS, level_scale, line_px, names_axis, shade


def whiskers(
    lines: pd.DataFrame,
    order: Sequence[str],
    *,
    title: str,
    words: tuple[str, str, str],
    dark: bool,
    scale: alt.Scale | None = None,
    axis: alt.Axis | None = None,
    hollow: bool = False,
) -> Any:
    """Return a line a method: the mark at `value`, shaped and coloured by supervision, the interval across it.

    Args:
        lines: `name` (one of `order`), `method`, `level` (a key of LEVELS), `value`, `low`, `high`, `text`.
        order: the names from the top.
        title: what is drawn.
        words: what `value`, `low` and `high` are, for the tooltip.
        dark: whether the ground is dark.
        scale: of the numbers; from their own smallest to largest by default.
        axis: of the numbers.
        hollow: draw a tick at `high`, where the mark is no middle of the interval.
    """
    px = line_px(len(order))
    y = alt.Y("name:N", sort=list(order), axis=names_axis(min(12, px - 2)))
    levels = [name for name in LEVELS if (lines["level"] == name).any()]
    legend = alt.Legend(title=None, orient="bottom", columns=2, symbolSize=90) if len(levels) > 1 else None
    shades = level_scale(levels, dark=dark)
    shapes = alt.Scale(domain=levels, range=[LEVELS[name] for name in levels])
    x: dict[str, Any] = {"scale": scale or alt.Scale(zero=False), "title": title} | (
        {} if axis is None else {"axis": axis}
    )
    told = [
        alt.Tooltip("name:N", title="row"),
        alt.Tooltip("method:N"),
        *(
            alt.Tooltip(f"{field}:Q", title=word, format=".4~f")
            for field, word in zip(("value", "low", "high"), words, strict=True)
        ),
        alt.Tooltip("text:N", title="in words"),
    ]
    base = alt.Chart(lines).encode(y=y, color=alt.Color("level:N", scale=shades, legend=legend), tooltip=told)
    layers = [base.mark_rule(strokeWidth=2.4, strokeCap="round").encode(x=alt.X("low:Q", **x), x2="high:Q")]
    if hollow:
        layers.append(base.mark_tick(thickness=2, bandSize=px * 0.5).encode(x=alt.X("high:Q", **x)))
    layers.append(
        base.mark_point(
            filled=True, size=70 if px > 14 else 40, opacity=1, stroke=shade("band", dark=dark), strokeWidth=0.6
        ).encode(x=alt.X("value:Q", **x), shape=alt.Shape("level:N", scale=shapes, legend=legend))
    )
    return alt.layer(*layers).properties(height=max(70, px * len(order)))
