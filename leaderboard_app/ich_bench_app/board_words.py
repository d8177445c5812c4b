"""What stands around the leaderboard's table: choices, banner, links of a chosen row, what is hidden and why."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ich_bench.board.model import Board, Row
from ich_bench.submissions.model import ReportedRow
from ich_bench_app import board_filters, board_table, controls, data, methods, pickers
from ich_bench_app.board_filters import KINDS, Filter
from ich_bench_app.board_rows import NO_BASELINE
from ich_bench_app.text import markdown_of


def baseline(board: Board) -> str:
    """Return the slug of the row that differences are measured from, "" for none."""
    if len(board.measured) < 2:
        return ""
    chosen = controls.choose(
        "Baseline",
        (NO_BASELINE, *(row.slug for row in board.measured)),
        key="baseline",
        help="Pins this row above the table and shows every row's difference to it.",
    )
    return "" if chosen == NO_BASELINE else chosen


def heading(board: Board) -> None:
    """Show what the board is about in a line, and its banner."""
    unranked, made = len(board.measured) - board.ranked, len(board.rows) - len(board.measured)
    rest = {"measured and not ranked": unranked, "for orientation": made, "reported": len(board.reported)}
    counted = [f"{board.ranked} ranked", *(f"{n} {what}" for what, n in rest.items() if n)]
    st.caption(f"{board.title}. {board.cases} cases, {board.with_ich} with hemorrhage; {', '.join(counted)}.")
    if board.banner:
        st.warning(markdown_of(board.banner), icon=":material/info:")


def filters(board: Board, cohort: str, metric: str) -> tuple[Filter, tuple[str, ...]]:
    """Return which rows and which columns to show, chosen in one line of controls."""
    known = board_table.columns(board, cohort, metric)
    usual = board_table.default_columns(board, known)
    if not board.rows:
        return Filter(), usual
    with st.expander("Rows and columns", icon=":material/filter_list:", expanded=False), st.container(horizontal=True):
        find = pickers.words("Find", key="find", placeholder="in id, name or team")
        supervision = pickers.many("Supervision", board_filters.supervisions(board), key="supervision")
        labels = pickers.many(
            "Labels needed", board_filters.labels(board), key="labels", help="Rows that needed any of these."
        )
        kinds = pickers.many("Kind", KINDS, key="kind")
        columns = pickers.many(
            "Columns",
            [name for name in dict.fromkeys((*usual, *known)) if name not in ("rank", "method")],
            key="columns",
            default=usual,
            placeholder="rank and method only",
            help="Rank and method are always there.",
        )
    return Filter(find=find, supervision=supervision, labels=labels, kinds=kinds), columns


def hidden(board: Board, asked: Filter, rows: Sequence[Row]) -> None:
    """Say how many rows a filter hides, and that ranks stay; nothing where none does."""
    if asked.hides:
        nothing = "" if rows else " Nothing fits: change the filter under Rows and columns."
        st.markdown(f"**{board_filters.told(board, rows)}**{nothing}")


def links(board: Board, picked: Row | None, cohort: str, metric: str, baseline: str) -> None:
    """Show where a chosen row leads to: its own page, and the comparison with the baseline or the first row."""
    if picked is None:
        st.caption("Tick a row to open its page or to compare it.")
        return
    names = methods.names(data.sources())
    at = {"dataset": board.dataset, "scheme": board.scheme, "cohort": cohort, "metric": metric}
    others = [row.slug for row in board.measured if row.slug != picked.slug]
    other = baseline if baseline and baseline != picked.slug else next(iter(others), "")
    with st.container(horizontal=True):
        st.page_link(
            "views/method.py",
            label=f"Method: {markdown_of(picked.slug)}",
            icon=":material/article:",
            query_params={"method": methods.name_of(picked, names)},
        )
        if other:
            st.page_link(
                "views/compare_two.py",
                label=f"Compare with {markdown_of(other)}",
                icon=":material/compare_arrows:",
                query_params={**at, "first": picked.slug, "second": other},
            )
    for text in [picked.reason and f"Not ranked: {picked.reason}", *picked.chips, *picked.warnings]:
        if text:
            st.markdown(f"- {markdown_of(text)}")


def reported_of(board: Board, asked: Filter, cohort: str) -> tuple[ReportedRow, ...]:
    """Return the published rows that the filter leaves, those on the cohort first."""
    wanted = asked.find.casefold()
    found = [
        row
        for row in board.reported
        if (not wanted or any(wanted in one.casefold() for one in (row.method, row.method_id, row.source)))
        and (not asked.supervision or row.supervision in asked.supervision)
    ]
    return tuple(sorted(found, key=lambda row: row.cohort != cohort))


def notes(board: Board) -> None:
    """Show the board's notes, and where a row may be that is not on it."""
    told = [f"- {markdown_of(note)}" for note in board.notes]
    older = sum(row.superseded for row in board.rows)
    if older:
        told.append(f"- {older} older version{'s' * (older != 1)} of a method stand{'s' * (older == 1)} here unranked.")
    if told:
        st.subheader("To know", anchor=False)
        st.markdown("\n".join(told))
    st.page_link(
        "views/about.py",
        label="A row is missing? See the list of changes, and which files were left out",
        icon=":material/history:",
        query_params={},
    )
