"""Which cases and methods does the page of cases show: order, filters, how many, and where the viewer begins."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ich_bench.board.hardest import ORDERS, CaseLine, case_lines
from ich_bench.board.model import Board
from ich_bench.board.strata import parts
from ich_bench.folds import load_scheme
from ich_bench_app import controls, page
from ich_bench_app.viewer import places, section

ANY = "any"
METHODS, CASES = ("25", "50", "100", "all"), ("60", "120", "all")
_ORDER_SAID = "hardest: worst mean over the methods first; fold: as in the fold file"
_FILTERS = {"subtype": "Subtype", "reference volume": "Volume", "slice thickness": "Slices"}
_KEYS = {"subtype": "subtype", "reference volume": "volume", "slice thickness": "thickness"}


def order() -> str:
    """Return in which order cases stand: one of `hardest.ORDERS`."""
    return controls.choose("Order", ORDERS, key="order", help=_ORDER_SAID)


def filtered(board: Board, cohort: str, metric: str, by: str) -> tuple[CaseLine, ...]:
    """Return the cases that pass the filters, in order; a filter that nobody here can apply is not shown."""
    lines = case_lines(board, cohort, metric, order=by)
    if cohort == "healthy":
        return lines
    found = [part for part in parts(board.scores) if not part.unknown]
    place = {case_id: number for number, case_id in enumerate(board.scores.cases)}
    for trait, label in _FILTERS.items():
        inside = {part.name: part.inside for part in found if part.by == trait and part.inside.any()}
        if len(inside) < 2:
            continue
        asked = controls.choose(label, [ANY, *inside], key=_KEYS[trait], help="Heads with hemorrhage alone have one.")
        if asked != ANY:
            lines = tuple(line for line in lines if inside[asked][place[line.case_id]])
    return lines


def part(board: Board, lines: Sequence[CaseLine]) -> tuple[tuple[CaseLine, ...], tuple[str, ...]]:
    """Return the first cases and methods that the map shows; how many is asked only where there are many."""
    slugs = tuple(row.slug for row in board.rows)
    few, methods = tuple(lines), slugs
    if len(slugs) > int(METHODS[0]) or len(lines) > int(CASES[0]):
        with st.container(horizontal=True):
            if len(slugs) > int(METHODS[0]):
                methods = slugs[: _count(controls.choose("Methods in the map", _upto(METHODS, slugs), key="methods"))]
            if len(lines) > int(CASES[0]):
                few = few[: _count(controls.choose("Cases in the map", _upto(CASES, lines), key="cases"))]
        left = [f"{len(methods)} of {len(slugs)} methods"] * (len(methods) < len(slugs))
        left += [f"{len(few)} of {len(lines)} cases"] * (len(few) < len(lines))
        if left:
            st.caption(f"The map shows the first {' and '.join(left)}.")
    return few, methods


def go_to(cell: tuple[str, str] | None) -> None:
    """Let the viewer show the case and the method of a cell that was clicked."""
    if cell is not None:
        st.session_state["case"], st.session_state["first"] = cell


def view_slices(board: Board, lines: Sequence[CaseLine]) -> None:
    """Show the viewer on any case of the board, these first; it begins with the method in the address."""
    asked = st.query_params.get("method", "")
    slugs = [row.slug for row in board.rows]
    cases = tuple(dict.fromkeys((*(line.case_id for line in lines), *board.scores.cases)))
    section.viewer(board, cases, cases[0], asked if asked in slugs else None)


def reference_only(board: Board) -> None:
    """Show the viewer where no method is on the board, if the images are on this machine."""
    cases = tuple(row.case_id for row in load_scheme(board.dataset, board.scheme).rows)
    if cases and places.here(board.dataset):
        section.viewer(board, cases, cases[0], None)
    else:
        page.end(board)


def _upto(counts: Sequence[str], things: Sequence[object]) -> list[str]:
    return [one for one in counts if one == "all" or int(one) < len(things)]


def _count(asked: str) -> int | None:
    return None if asked == "all" else int(asked)
