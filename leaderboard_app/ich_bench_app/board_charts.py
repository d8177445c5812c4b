"""How do ranks and scores look with what is not known about them: a whisker a row, in the board's order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from ich_bench.board import wording as say
from ich_bench.board.model import PRIMARY, Board, Row, Standing
from ich_bench.board.pairs import sign_of
from ich_bench.board.sections import say_name
from ich_bench.report.style import supervision_order
from ich_bench_app import frame, look, several
from ich_bench_app.text import plain

_ROW_PX = 19  # height of a row
_AXIS_PX, _LEGEND_PX = 55, 18  # above the rows; a line of the legend below
_TALL = 34  # rows: a taller chart scrolls in a box of its own
_BOX_PX = 640
_DRAWN = {"calibration": "calibration row", "ceiling": "noise ceiling"}  # drawn hollow and dashed, in grey
_HOLLOW = {"calibration": "diamond", "ceiling": "triangle-up"}


def labels(rows: Sequence[Row]) -> Mapping[str, str]:
    """Return what each row is called on an axis, by slug: printable, short, no two the same."""
    found: dict[str, str] = {}
    for row in rows:
        name = plain(say.name(row))
        name = name if len(name) <= 40 else f"{name[:39]}…"
        number, taken = 2, set(found.values())
        base = name
        while name in taken:
            name, number = f"{base} ({number})", number + 1
        found[row.slug] = name
    return found


def points(rows: Sequence[Row], cohort: str, metric: str) -> pd.DataFrame:
    """Return a line a row: label, rank and its interval, score and its interval; None where there is none."""
    names = labels(rows)
    lines = []
    for row in rows:
        found = row.standing(cohort, metric)
        median = say_name(metric).startswith("median")
        stat = None if found is None else found.stat
        score = None if stat is None else stat.median if median else stat.mean
        low, high = _whisker(found, median=median)
        lines.append(
            {
                "row": names[row.slug],
                "kind": row.kind,
                "group": _DRAWN.get(row.kind, plain(row.supervision)),
                "rank": None if found is None else found.rank,
                "rank_high": None if found is None else found.rank_high,
                "score": _finite(score),
                "low": _finite(low),
                "high": _finite(high),
                "rank_text": say.rank(found) if found is not None and found.rank is not None else "not ranked",
                "score_text": say.BLANK if stat is None else say.spread(stat, metric),
                "interval_text": say.BLANK if found is None else say.interval(found.low, found.high, metric),
            }
        )
    return pd.DataFrame(lines)


def _whisker(found: Standing | None, *, median: bool) -> tuple[float | None, float | None]:
    """Return the ends of a score's whisker: quartiles around a median, else the interval of the mean."""
    if found is None:
        return None, None
    return (found.stat.q1, found.stat.q3) if median else (found.low, found.high)


def show(board: Board, rows: Sequence[Row], cohort: str, metric: str) -> None:
    """Show ranks and scores side by side, below each other where the screen is narrow."""
    if not rows:
        return
    every = points(rows, cohort, metric)
    of_method = every["kind"] == "measured"
    count = several.how_many(int(of_method.sum()), "Methods on the charts")
    shown = ~of_method | (of_method.cumsum() <= count)
    places = [
        *([_ranks] if every.loc[of_method & shown, "rank"].notna().any() else []),
        *([_scores] if every.loc[shown, "score"].notna().any() else []),
    ]
    if not places:
        return
    for draw, place in zip(places, st.columns(len(places), gap="medium"), strict=True):
        whole = every[of_method] if draw is _ranks else every
        with place:
            draw(board, whole[shown[whole.index]], whole, cohort, metric)


def _so_many(made: pd.DataFrame, every: pd.DataFrame, what: str) -> str:
    """Return how many rows are drawn, in words."""
    return f"{len(every)} {what}" if len(made) == len(every) else f"{len(made)} of {len(every)} {what}"


def _ranks(board: Board, made: pd.DataFrame, every: pd.DataFrame, cohort: str, metric: str) -> None:
    st.markdown(f"**Rank by {metric} on {cohort}** and the ranks not excluded")
    first = made.loc[made["rank"] == 1, "row"].tolist()
    widest = made.sort_values("rank", key=lambda ranks: made["rank_high"] - ranks, ascending=False).iloc[0]
    alt_text = (
        f"Rank of {_so_many(made, every, 'methods')} by {metric} on {cohort} of {board.dataset}, each with its "
        f"interval, in the board's order. {len(first)} share rank 1. "
        f"The widest interval is {widest['rank_text']} of {widest['row']}."
    )
    names = made["row"].tolist()
    y = alt.Y("row:N", sort=names, title=None)
    x = alt.X(
        "rank:Q",
        title=f"rank of {board.ranked}",
        axis=alt.Axis(tickMinStep=1, tickCount=6, format="d", orient="top"),
        scale=alt.Scale(domain=[1, max(2, board.ranked)], nice=False, padding=8),
    )
    tip = [
        alt.Tooltip("row:N", title="method"),
        alt.Tooltip("rank_text:N", title="rank [interval]"),
        alt.Tooltip("score_text:N", title=metric),
        alt.Tooltip("group:N", title="supervision"),
    ]
    base = alt.Chart(made).encode(y=y)
    drawn = alt.layer(
        base.mark_rule(strokeWidth=3, opacity=0.45).encode(x=x, x2="rank_high:Q", color=_colour(made), tooltip=tip),
        base.mark_tick(thickness=2, size=9).encode(x=alt.X("rank_high:Q"), color=_colour(made), tooltip=tip),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            x=x, color=_colour(made), shape=_shape(made), tooltip=tip
        ),
        base.transform_filter("!isValid(datum.rank)")
        .mark_text(align="left", fontStyle="italic", fontSize=11)
        .encode(x=alt.value(4), text="rank_text:N"),
    ).properties(height=_height(made))
    _place(drawn, made, every, f"ranks-{board.dataset}-{cohort}-{metric}", alt_text)


def _scores(board: Board, made: pd.DataFrame, every: pd.DataFrame, cohort: str, metric: str) -> None:
    median = say_name(metric).startswith("median")
    ends = "median and quartiles" if median else "mean and its 95 % interval"
    st.markdown(f"**{say_name(metric)} on {cohort}**: {ends}")
    known = made.dropna(subset=["score"])
    lost = len(made) - len(known)
    zone = (cohort, metric) == PRIMARY and math.isfinite(board.ceiling)
    alt_text = (
        f"{metric} on {cohort} of {board.dataset} for {_so_many(made, every, 'rows')} with whiskers, in the board's "
        f"order, from {say.number(float(known['score'].min()), metric)} "
        f"to {say.number(float(known['score'].max()), metric)}."
        + (f" The zone above the noise ceiling of {say.number(board.ceiling)} is shaded." if zone else "")
    )
    names = made["row"].tolist()
    y = alt.Y("row:N", sort=names, title=None)
    least, most = _ends(known, board.ceiling if zone else math.nan)
    better = {1: ", higher is better", -1: ", lower is better"}
    title = f"{say_name(metric)}{better.get(sign_of(metric), '')}"
    x = alt.X(
        "score:Q",
        title=title,
        axis=alt.Axis(orient="top", tickCount=6),
        scale=alt.Scale(domain=[least, most], zero=False, nice=False),
    )
    tip = [
        alt.Tooltip("row:N", title="row"),
        alt.Tooltip("score_text:N", title=metric),
        alt.Tooltip("interval_text:N", title="95 % of mean"),
        alt.Tooltip("rank_text:N", title="rank"),
        alt.Tooltip("group:N", title="is"),
    ]
    base = alt.Chart(made).encode(y=y)
    own = base.transform_filter("datum.kind == 'measured'")
    other = base.transform_filter("datum.kind != 'measured'")
    layers: list[Any] = []
    if zone:
        ground = alt.Chart(pd.DataFrame([{"from": board.ceiling, "to": most}]))
        layers.append(ground.mark_rect(opacity=0.5, color=look.colour("rule")).encode(x=alt.X("from:Q"), x2="to:Q"))
        layers.append(ground.mark_rule(strokeDash=[2, 2], strokeWidth=1.5).encode(x=alt.X("from:Q")))
    layers += [
        own.mark_rule(strokeWidth=3, opacity=0.45).encode(
            x=alt.X("low:Q"), x2="high:Q", color=_colour(made), tooltip=tip
        ),
        own.mark_point(filled=True, size=70, opacity=1).encode(
            x=x, color=_colour(made), shape=_shape(made), tooltip=tip
        ),
        other.mark_rule(strokeWidth=1.5, strokeDash=[4, 3]).encode(
            x=alt.X("low:Q"), x2="high:Q", color=_colour(made), tooltip=tip
        ),
        other.mark_point(filled=False, strokeWidth=2, size=60).encode(
            x=x, color=_colour(made), shape=_shape(made), tooltip=tip
        ),
    ]
    drawn = alt.layer(*layers).properties(height=_height(made))
    _place(drawn, made, every, f"scores-{board.dataset}-{cohort}-{metric}", alt_text)
    if zone:
        st.caption(
            f"Shaded: above the noise ceiling of {say.number(board.ceiling)}, where differences are within "
            "what two careful readers differ by."
        )
    if lost:
        st.caption(f"{lost} row{'s have' if lost > 1 else ' has'} no finite {metric} on {cohort} and no mark.")


def _place(drawn: Any, made: pd.DataFrame, every: pd.DataFrame, name: str, alt_text: str) -> None:
    """Show a chart, with `every` row in its table; one of many rows in a box that scrolls."""
    table = every.drop(columns=["rank_text", "score_text", "interval_text"]).rename(columns={"group": "supervision"})
    if len(made) > _TALL:
        with st.container(height=_BOX_PX, border=True):
            frame.chart(drawn, name=name, alt_text=alt_text, table=table)
        return
    frame.chart(drawn, name=name, alt_text=alt_text, table=table)


def _height(made: pd.DataFrame) -> int:
    lines = (made["group"].nunique() + 1) // 2
    return _ROW_PX * len(made) + _AXIS_PX + _LEGEND_PX * lines


def _groups(made: pd.DataFrame) -> list[str]:
    """Return what the rows are, fewest labels first, then the rows that are no methods."""
    found = list(dict.fromkeys(made["group"]))
    last = list(_DRAWN.values())
    return sorted(found, key=lambda one: (one in last, supervision_order(one), one))


def _colour(made: pd.DataFrame) -> Any:
    groups = _groups(made)
    colours = [look.colour("muted") if one in _DRAWN.values() else look.colour(one) for one in groups]
    return alt.Color(
        "group:N",
        title=None,
        scale=alt.Scale(domain=groups, range=colours),
        legend=alt.Legend(orient="bottom", columns=2),
    )


def _shape(made: pd.DataFrame) -> Any:
    groups = _groups(made)
    hollow = {_DRAWN[kind]: shape for kind, shape in _HOLLOW.items()}
    shapes = [hollow.get(one, look.SHAPE.get(one, "circle")) for one in groups]
    return alt.Shape(
        "group:N",
        title=None,
        scale=alt.Scale(domain=groups, range=shapes),
        legend=alt.Legend(orient="bottom", columns=2),
    )


def _ends(known: pd.DataFrame, ceiling: float) -> tuple[float, float]:
    """Return the ends of the axis: all whiskers, and some of the zone above the ceiling, with a margin."""
    seen = [float(one) for name in ("score", "low", "high") for one in known[name].dropna()]
    seen += [ceiling] if math.isfinite(ceiling) else []
    least, most = min(seen), max(seen)
    margin = 0.05 * (most - least) or 0.05 * (abs(most) or 1.0)
    return least - margin, most + margin


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
