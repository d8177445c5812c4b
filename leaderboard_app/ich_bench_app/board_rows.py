"""The leaderboard's tables: the ranked rows, the baseline above them, what is no method, what papers print."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd
import streamlit as st

from ich_bench.board import wording as say
from ich_bench.board.against import against
from ich_bench.board.model import Board, Row
from ich_bench.board.printed import BADGE, printed
from ich_bench.submissions.model import ReportedRow
from ich_bench_app import board_table, look
from ich_bench_app.text import markdown_of, plain

NO_BASELINE = "none"
_WHOLE = 25  # rows that are shown without scrolling in the table
_ROW_PX = 35


def measured(
    board: Board,
    rows: Sequence[Row],
    cohort: str,
    metric: str,
    *,
    baseline: str,
    asked: Sequence[str],
    known: Mapping[str, board_table.Column],
) -> Row | None:
    """Show the measured rows, the baseline pinned above them; return the row that a visitor has chosen, or None."""
    shown = [row for row in rows if row.kind == "measured"]
    deltas = against(board, baseline, cohort, metric) if baseline else {}
    at = board_table.about(board, cohort, metric, baseline, deltas)
    if baseline:
        st.caption(f"Baseline: the row that every Δ is measured from{_untested(board, baseline, cohort, metric)}")
        pinned = board_table.frame_of([board.row(baseline)], at, asked, known)
        st.dataframe(
            pinned,
            hide_index=True,
            column_config=board_table.config(at, known),
            key="baseline-row",
            alt=f"The baseline, {plain(baseline)}",
            placeholder="",
        )
    if not shown:
        return None
    made = board_table.frame_of(shown, at, asked, known)
    height: int | Literal["content"] = "content" if len(shown) <= _WHOLE else _ROW_PX * (_WHOLE + 1)
    seen = hashlib.sha256(repr((board.dataset, [row.slug for row in shown])).encode("utf-8", "replace")).hexdigest()
    event = st.dataframe(
        made,
        hide_index=True,
        column_config=board_table.config(at, known),
        height=height,
        key=f"rows-{seen[:12]}",
        on_select="rerun",
        selection_mode="single-row",
        placeholder="",
        alt=f"Leaderboard of {board.dataset}: {len(shown)} methods by {metric} on {cohort}",
    )
    picked = event["selection"]["rows"] if event else []
    return shown[picked[0]] if picked and picked[0] < len(shown) else None


def _untested(board: Board, baseline: str, cohort: str, metric: str) -> str:
    pairs = board.pairs.get((cohort, metric))
    if pairs is None:
        return f". {metric} is not tested on {cohort} here: `ich-bench leaderboard {board.dataset} --metric {metric}`."
    if baseline not in pairs.slugs:
        return ". It is not ranked, so no difference to it is tested."
    return "."


def orientation(board: Board, rows: Sequence[Row], cohort: str, metric: str) -> None:
    """Show the calibration and ceiling rows, which are no methods and have no rank."""
    shown = [row for row in rows if row.kind != "measured" and row.standing(cohort, metric) is not None]
    if not shown:
        return
    st.subheader("For orientation, never ranked", anchor=False)
    st.caption("◇ needs no method: where the bottom is. △ is made from the reference itself: where the top is.")
    at = board_table.about(board, cohort, metric)
    known = board_table.columns(board, cohort, metric)
    names = [name for name in ("score", "interval", "nsd_2mm", "clean", "badges") if name in known]
    made = board_table.frame_of(shown, at, names, known).drop(columns="rank")
    st.dataframe(
        made,
        hide_index=True,
        column_config=board_table.config(at, known),
        key="orientation",
        alt=f"{len(shown)} calibration rows of {board.dataset}",
        placeholder="",
    )


def reported(board: Board, rows: Sequence[ReportedRow]) -> None:
    """Show what papers print about this dataset: as printed, with source, n and protocol, and no rank."""
    if not rows:
        return
    st.subheader("❝ Reported, as printed; never ranked", anchor=False)
    st.caption(f"{BADGE[0].upper()}{BADGE[1:]}. Each line is under its own protocol, which stands below the table.")
    st.dataframe(
        reported_table(rows),
        hide_index=True,
        key="reported",
        placeholder="",
        row_height=_ROW_PX,
        height="content" if len(rows) <= _WHOLE else _ROW_PX * 16,
        column_config={
            "kind": st.column_config.TextColumn("kind", help=look.KIND_HELP),
        },
        alt=f"{len(rows)} published numbers on {board.dataset}, never ranked",
    )
    with st.expander(f"Protocols and caveats of {len({row.source for row in rows})} sources"):
        for text in protocols(rows):
            st.markdown(text)


def reported_table(rows: Sequence[ReportedRow]) -> pd.DataFrame:
    """Return a line a published row, its numbers in the benchmark's units as the board's text has them."""
    metrics = list(dict.fromkeys(metric for row in rows for metric in row.metrics))
    return pd.DataFrame(
        [
            {
                "method": plain(row.method),
                "kind": look.KIND["reported"],
                "source": plain(row.source),
                "on": plain(row.subset or row.cohort),
                "n": say.BLANK if row.n is None else f"{row.n} {row.unit_of_n}".strip(),
                **{metric: printed(row.metrics.get(metric), metric) for metric in metrics},
                "as printed": plain("; ".join(f"{name} {found.text}" for name, found in row.metrics.items())),
                "like this benchmark": "protocol is close" if row.same_protocol else "another protocol",
            }
            for row in rows
        ]
    )


def protocols(rows: Sequence[ReportedRow]) -> list[str]:
    """Return a paragraph a source and protocol, with caveats and what the benchmark has corrected, as Markdown."""
    groups: dict[tuple[str, str], list[ReportedRow]] = {}
    for row in rows:
        groups.setdefault((row.source, row.protocol), []).append(row)
    made = []
    for (source, protocol), group in groups.items():
        caveats = dict.fromkeys(caveat for row in group for caveat in row.caveats)
        corrected = dict.fromkeys(found.corrected for row in group for found in row.metrics.values() if found.corrected)
        lines = [f"**{markdown_of(source)}** ({len(group)} row{'s' * (len(group) != 1)}): {markdown_of(protocol)}"]
        lines += [f"- {markdown_of(caveat)}" for caveat in caveats]
        lines += [f"- corrected: {markdown_of(what)}" for what in corrected]
        made.append("\n".join([lines[0], "", *lines[1:]]))
    return made
