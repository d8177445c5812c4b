"""Which case is hard for which method: the map of all scores, and the table of the hardest cases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from ich_bench.board import wording as say
from ich_bench.board.hardest import CaseLine
from ich_bench.board.model import Board
from ich_bench.metrics.suite import COLUMNS
from ich_bench_app import controls, frame, look, text

SIGNS = {"missing": "✕", "empty": "∅", "undefined": "–", "infinite": "∞"}
SIGNS_SAID = "✕ no mask handed in · ∅ empty mask · – undefined · ∞ infinite"
_ROW_PX = 22
_LABELLED_UP_TO = 90  # cases; more have their names in the tooltip only
_DARKER_IS = {"higher": False, "lower": True, "zero": True, "none": False}


def table_of(board: Board, lines: Sequence[CaseLine], slugs: Sequence[str], metric: str) -> pd.DataFrame:
    """Return one line a cell: method (`row` with a mark where it is no measured one), case, value, what is special."""
    scores = board.scores
    place = {case_id: number for number, case_id in enumerate(scores.cases)}
    at = np.array([place[line.case_id] for line in lines], dtype=np.int64)
    columns = np.array([scores.slugs.index(slug) for slug in slugs], dtype=np.int64)
    grid = np.ix_(at, columns)
    values, missing, empty = (one[grid].T.ravel() for one in (scores.values[metric], scores.missing, scores.empty))
    ml = np.tile([line.volume_ref_ml for line in lines], len(slugs))
    sign = np.full(values.size, "", dtype=object)
    sign[np.isnan(values)] = SIGNS["undefined"]
    sign[np.isinf(values)] = SIGNS["infinite"]
    sign[empty > 0] = SIGNS["empty"]
    sign[missing > 0] = SIGNS["missing"]
    return pd.DataFrame(
        {
            "method": np.repeat(np.array(slugs, dtype=object), len(lines)),
            "row": np.repeat(np.array([_named(board, slug) for slug in slugs], dtype=object), len(lines)),
            "case": np.tile(np.array([line.case_id for line in lines], dtype=object), len(slugs)),
            "value": values,
            "sign": sign,
            "ml": ml,
        }
    )


def chart_of(table: pd.DataFrame, lines: Sequence[CaseLine], slugs: Sequence[str], metric: str) -> Any:
    """Return the map: methods down, cases across, a click chooses a cell."""
    shown = table.assign(
        value=table["value"].where(np.isfinite(table["value"])),
        said=[say.number(one, metric) for one in table["value"]],
        volume=[say.number(one, "volume_ref_ml") for one in table["ml"]],
    )[["method", "row", "case", "value", "said", "sign", "volume"]]
    about = COLUMNS.get(metric)
    low, high = about.range if about is not None else (0.0, 1.0)
    domain = [low, high] if math.isfinite(low) and math.isfinite(high) else alt.Undefined
    pick = alt.selection_point(name="cell", fields=["method", "case"], on="click", clear=False, toggle=False)
    cases = [line.case_id for line in lines]
    base = alt.Chart(shown).encode(
        x=alt.X(
            "case:N",
            sort=cases,
            title=None,
            axis=alt.Axis(labels=len(cases) <= _LABELLED_UP_TO, labelAngle=-90, labelFontSize=10, ticks=False),
        ),
        y=alt.Y("row:N", sort=list(dict.fromkeys(table["row"])), title=None, axis=alt.Axis(ticks=False)),
        tooltip=[
            alt.Tooltip("row:N", title="method"),
            alt.Tooltip("case:N", title="case"),
            alt.Tooltip("said:N", title="value"),
            alt.Tooltip("sign:N", title="sign"),
            alt.Tooltip("volume:N", title="reference, mL"),
        ],
    )
    descending = _DARKER_IS.get(about.direction if about is not None else "higher", False)
    cells = base.mark_rect(stroke="#8b929b", strokeWidth=0.4, cursor="pointer").encode(
        color=alt.Color(
            "value:Q",
            scale=alt.Scale(scheme="viridis", domain=domain, reverse=descending),
            title=controls.about_metric(metric),
            legend=alt.Legend(orient="top", gradientLength=220),
        ),
        opacity=alt.condition("isValid(datum.value)", alt.value(1), alt.value(0.15)),
    )
    marked = base.transform_filter("datum.sign != ''")
    signs = [
        marked.mark_text(fontSize=12, fontWeight="bold", color=ink, dx=move, dy=move, tooltip=None).encode(
            text="sign:N"
        )
        for ink, move in (("#000000", 0.8), ("#ffffff", 0))
    ]
    height = max(70, _ROW_PX * len(slugs)) if len(slugs) <= 60 else max(600, 12 * len(slugs))
    return alt.layer(cells.add_params(pick), *signs).properties(height=height)


def show_map(board: Board, lines: Sequence[CaseLine], slugs: Sequence[str], metric: str) -> tuple[str, str] | None:
    """Show the map; return (case, method) of a cell that was clicked just now, None where none was."""
    table = table_of(board, lines, slugs, metric)
    counted = ", ".join(f"{int((table['sign'] == sign).sum())} {name}" for name, sign in SIGNS.items())
    event = frame.chart(
        chart_of(table, lines, slugs, metric),
        name=f"{board.dataset}-cases-{metric}",
        alt_text=f"Heat map of {metric}: {len(slugs)} methods down, {len(lines)} cases across, {counted}. "
        f"First case: {lines[0].case_id}, mean {say.number(lines[0].mean, metric)}.",
        table=table.drop(columns="row").rename(columns={"ml": "volume_ref_ml", "value": metric}),
        key="cells",
        selection="cell",
    )
    st.caption(f"{controls.about_metric(metric)}. {SIGNS_SAID}. Click a cell to see its slices below.")
    return _clicked(event)


def _clicked(event: Any) -> tuple[str, str] | None:
    """Return the cell that a click has chosen since the last run."""
    chosen = (event or {}).get("selection", {}).get("cell") or []
    cell = (str(chosen[0].get("case")), str(chosen[0].get("method"))) if chosen else None
    before = st.session_state.get("_cell")
    st.session_state["_cell"] = cell
    return cell if cell is not None and cell != before else None


def show_hardest(board: Board, lines: Sequence[CaseLine], metric: str) -> None:
    """Show the cases as a table, a line each, in the order they come in."""
    methods = len(board.measured)
    table = pd.DataFrame(
        {
            "case": [line.case_id for line in lines],
            "mean": [line.mean for line in lines],
            "lowest": [line.lowest for line in lines],
            "highest": [line.highest for line in lines],
            "spread": [line.spread for line in lines],
            "reference mL": [line.volume_ref_ml for line in lines],
            "subtypes": [subtypes_of(line) for line in lines],
            "best": [text.plain(line.best) for line in lines],
            "empty": [line.empty for line in lines],
            "missing": [line.missing for line in lines],
            "fold": [line.fold for line in lines],
        }
    )
    words = {
        "mean": f"Mean {metric} over the {methods} measured methods",
        "spread": "Highest minus lowest",
        "best": "The method that does best on this case",
        "empty": "Methods with an empty mask",
        "missing": "Methods without a mask",
        "fold": "The fold the case is tested in",
    }
    shown = {**dict.fromkeys(("mean", "lowest", "highest", "spread"), f"%.{say.decimals(metric)}f"),
             "reference mL": "%.2f", **dict.fromkeys(("empty", "missing", "fold"), "%g")}  # fmt: skip
    columns: dict[str, Any] = {
        name: st.column_config.NumberColumn(name, help=words.get(name), format=how) for name, how in shown.items()
    }
    columns["best"] = st.column_config.TextColumn("best", help=words["best"])
    st.dataframe(
        table,
        hide_index=True,
        column_config=columns,
        height=min(420, 38 + 35 * max(1, len(lines))),
        alt=f"Table of {len(lines)} cases with the mean of {metric} over {methods} methods",
    )
    frame.downloads(f"{board.dataset}-hardest-{metric}", table=table)


def _named(board: Board, slug: str) -> str:
    """Return a row's name in the map, with the mark of its kind where it is no method's."""
    row = board.row(slug)
    return slug if row.kind == "measured" else f"{look.kind(row)[0]} {slug}"


def subtypes_of(line: CaseLine) -> str:
    """Return the subtypes of a case in words; "healthy" for a head without hemorrhage."""
    if not line.has_ich:
        return "healthy"
    return ", ".join(name.upper() for name in line.subtypes) or say.BLANK
