"""What does a method do on heads without hemorrhage: what the Healthy heads page shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from ich_bench.board import wording as say
from ich_bench.board.model import Board, Row
from ich_bench.board.offenders import offences
from ich_bench.datasets import card
from ich_bench_app import controls, data, frame, page
from ich_bench_app.charts.ground import level, names
from ich_bench_app.charts.whiskers import whiskers

CASES_PAGE = "views/cases.py"
ORDERS = ("clean rate", "board")
_LISTED = 200  # offences in the table; the CSV holds all


def with_healthy(board: Board) -> tuple[Row, ...]:
    """Return the rows that were scored on healthy heads, in display order."""
    return tuple(row for row in board.rows if row.clean is not None and row.clean.n)


def elsewhere(dataset: str) -> tuple[str, ...]:
    """Return the other datasets that hold healthy heads, those with rows here first."""
    held = data.held()
    found = [name for name in data.datasets() if name != dataset and card(name).cases > (card(name).with_ich or 0)]
    return tuple(sorted(found, key=lambda name: name not in held))


def none_here(board: Board) -> None:
    """Say that a board holds no healthy head, and where there are some."""
    heads = card(board.dataset)
    told = (
        "holds volumes with hemorrhage only" if heads.cases == heads.with_ich else "was scored on no healthy head yet"
    )
    st.info(f"**{board.dataset}** {told}: there is no clean rate here. Overlap alone does not tell what a method does "
            "on a head that does not bleed, and most heads in an emergency room do not. Healthy heads are in:",
            icon=":material/info:")  # fmt: skip
    with st.container(horizontal=True):
        for name in elsewhere(board.dataset):
            heads = card(name)
            st.page_link("views/healthy_heads.py", label=f"{name} ({heads.cases - (heads.with_ich or 0)} healthy)",
                         icon=":material/arrow_forward:", query_params={"dataset": name})  # fmt: skip


def ordered(rows: Sequence[Row], order: str, shown: int) -> tuple[Row, ...]:
    """Return the first rows of the board, as it has them or by clean rate, the highest first."""
    kept = rows[:shown]
    if order == ORDERS[0]:
        return tuple(sorted(kept, key=lambda row: -(row.clean.share if row.clean else 0.0)))
    return tuple(kept)


def clean_lines(rows: Sequence[Row]) -> pd.DataFrame:
    """Return a line a row: clean rate in percent with Wilson's interval, as `charts.whiskers` wants it."""
    called = names([row.slug for row in rows])
    return pd.DataFrame(
        [
            (called[row.slug], row.method, level(row), 100 * clean.share, 100 * clean.low, 100 * clean.high,
             say.share(clean))
            for row in rows if (clean := row.clean) is not None
        ],
        columns=["name", "method", "level", "value", "low", "high", "text"],
    )  # fmt: skip


def volume_lines(rows: Sequence[Row]) -> pd.DataFrame:
    """Return a line a row whose predicted volumes are known: median and 95th percentile in mL on healthy heads."""
    called = names([row.slug for row in rows])
    found = []
    for row in rows:
        wrong = row.false_positives
        if wrong is not None:
            median, p95 = (say.number(ml, "volume_pred_ml") for ml in (wrong.median_ml, wrong.p95_ml))
            text = f"median {median} mL, 95th percentile {p95} mL, n = {wrong.n}"
            found.append(
                (called[row.slug], row.method, level(row), wrong.median_ml, wrong.median_ml, wrong.p95_ml, text)
            )
    return pd.DataFrame(found, columns=["name", "method", "level", "value", "low", "high", "text"])


def charts(board: Board, rows: Sequence[Row], every: Sequence[Row]) -> None:
    """Show clean rates and false-positive volumes, a line a row; the CSV holds all rows."""
    clean, volumes = clean_lines(rows), volume_lines(rows)
    n = max((row.clean.n for row in rows if row.clean is not None), default=0)
    sure = sorted(zip(clean["value"], clean["name"], strict=True))
    left, right = st.columns(2)
    with left:
        st.subheader("Left clean", anchor=False)
        st.caption(f"Share of {n} healthy heads without a single predicted voxel, with Wilson's 95 % interval.")
        frame.chart(
            partial(_clean, clean),
            name=f"{board.dataset}-clean",
            alt_text=f"Clean rates with intervals of {len(clean)} rows on {n} healthy heads of {board.dataset}: "
            f"highest {sure[-1][1]} {sure[-1][0]:.0f} %, lowest {sure[0][1]} {sure[0][0]:.0f} %.",
            table=partial(table, every),
        )
    with right:
        st.subheader("Predicted on healthy heads", anchor=False)
        if volumes.empty:
            st.info("The score files of this dataset withhold volumes.", icon=":material/lock:")
            return
        st.caption("Median mL (mark) and 95th percentile (tick): every mL here is a false positive.")
        frame.chart(
            partial(_volumes, volumes),
            name=f"{board.dataset}-false-positive-ml",
            alt_text=f"Median and 95th percentile of predicted mL on healthy heads, {len(volumes)} rows; the largest "
            f"95th percentile is {say.number(float(volumes['high'].max()), 'volume_pred_ml')} mL.",
            table=partial(table, every),
        )


def _clean(lines: pd.DataFrame, dark: bool) -> Any:
    axis, scale = alt.Axis(values=[0, 25, 50, 75, 100]), alt.Scale(domain=[-2, 102], nice=False)
    words = ("clean, %", "95 % from", "to")
    return whiskers(lines, list(lines["name"]), title="left clean, %", words=words, dark=dark, scale=scale, axis=axis)


def _volumes(lines: pd.DataFrame, dark: bool) -> Any:
    most = float(lines["high"].max())
    ticks = [tick for tick in (0, 0.1, 1, 10, 100, 1000) if tick <= max(1.0, 3 * most)]
    return whiskers(lines, list(lines["name"]), title="mL", words=("median mL", "median", "95th percentile"), dark=dark,
                    scale=alt.Scale(type="symlog", constant=0.1, domain=[-0.02, max(1.0, 1.2 * most)]),
                    axis=alt.Axis(values=ticks, format="~r"), hollow=True)  # fmt: skip


def table(rows: Sequence[Row]) -> pd.DataFrame:
    """Return a line a row: clean heads with Wilson's interval, predicted mL, how patients are called."""
    made = []
    for row in rows:
        clean, wrong, called = row.clean, row.false_positives, row.specificity
        if clean is not None:
            made.append({
                "method": row.slug, "kind": row.kind, "healthy heads": clean.n, "clean": clean.count,
                "clean rate": clean.share, "low": clean.low, "high": clean.high,
                "median mL": None if wrong is None else wrong.median_ml,
                "p95 mL": None if wrong is None else wrong.p95_ml,
                "specificity": None if called is None or not called.n else called.share,
            })  # fmt: skip
    return pd.DataFrame(made)


def numbers(rows: Sequence[Row]) -> None:
    """Show the table behind the charts."""
    percent = st.column_config.NumberColumn(format="percent")
    ml = st.column_config.NumberColumn(format="%.2f")
    with st.expander("The numbers", icon=":material/table:"):
        columns = dict.fromkeys(("clean rate", "low", "high", "specificity"), percent)
        columns |= {"median mL": ml, "p95 mL": ml, "clean": st.column_config.NumberColumn(format="%.1f")}
        st.dataframe(table(rows), hide_index=True, column_config=columns,
                     alt="Clean rate and predicted mL on healthy heads, a line a row")  # fmt: skip


def worst(board: Board, rows: Sequence[Row]) -> None:
    """Show which healthy heads were called bleeding by whom, the most mL first; a click on a line opens the head."""
    st.subheader("Worst offenders", anchor=False)
    measured = [row.slug for row in rows if row.kind == "measured"]
    found = offences(board.scores, measured)
    if not found:
        clean = all(row.clean is not None and row.clean.count == row.clean.n for row in rows if row.kind == "measured")
        told = "Every healthy head was left clean." if clean else "The score files withhold predicted volumes."
        st.info(told, icon=":material/info:")
        return
    called = names(board.scores.slugs)
    made = pd.DataFrame(
        [(one.case_id, called[one.slug], one.predicted_ml, one.rows) for one in found],
        columns=["head", "method", "predicted mL", "methods on this head"],
    )
    listed = f" The first {_LISTED} of {len(made):,} are listed; the CSV holds all." * (len(made) > _LISTED)
    st.caption(f"Healthy heads with the most predicted mL. Choose a line to open the head on the Cases page.{listed}")
    event = st.dataframe(
        made[:_LISTED],
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="offenders",
        column_config={"predicted mL": st.column_config.NumberColumn(format="%.2f")},
        alt=f"Predictions on healthy heads, largest first: {made.iloc[0]['head']} by {made.iloc[0]['method']}",
    )
    frame.downloads(f"{board.dataset}-offenders", table=made)
    if event.selection.rows:
        one = found[event.selection.rows[0]]
        page.go(CASES_PAGE, {"dataset": board.dataset, "scheme": board.scheme, "cohort": "healthy",
                             "case": one.case_id, "first": one.slug})  # fmt: skip


def choose_order() -> str:
    """Return in which order the rows stand."""
    return controls.choose("Order", ORDERS, key="order", help="No rank is drawn from healthy heads.")
