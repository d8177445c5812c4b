"""The slice viewer on a page: what can be chosen, which slice, and how pictures and numbers stand together."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ich_bench.board import wording as say
from ich_bench.board.model import Board, Row
from ich_bench.cases import SUBTYPES
from ich_bench.phantom.montage import WINDOWS
from ich_bench_app import controls, page, text
from ich_bench_app.viewer import heads, picture, places
from ich_bench_app.viewer.heads import Head, Marked
from ich_bench_app.viewer.masks import NotShownError, mask_of, runs_of
from ich_bench_app.viewer.panels import Look, Panel, show_legend, show_numbers, show_picture, show_position

NONE = "–"  # no second method
FREE = "free"
ZOOMS = ("head", "lesion", "whole")
_WINDOWS_SAID = ", ".join(f"{name} {level:g} / {width:g}" for name, (level, width) in WINDOWS.items())
_OVERLAY_SAID = "fill: tints and outlines; outline: outlines alone; off: the CT as it is"
_ZOOM_SAID = "head: the slice without the air around it; lesion: around the reference; whole: everything scanned"
_SIDE, _SIDE_ALONE = 640, 760  # pixels of a picture's longer side


@st.fragment
def viewer(board: Board, cases: Sequence[str], first_case: str, first_method: str | None) -> None:
    """Show the slices of a case; only this part runs again while a visitor moves through it."""
    st.subheader("Slices", anchor=False)
    with st.container(horizontal=True):
        case_id = controls.choose("Case", cases, key="case", default=first_case)
        rows = _chosen_rows(board, first_method)
    head = _head(board, case_id)
    if head is not None:
        panels = [_panel(board, row, case_id, head, number) for number, row in enumerate(rows)] or [Panel(row=None)]
        st.caption(_about(board, head))
        _slices(board, head, panels)
    else:
        show_numbers(board, case_id, [Panel(row=row) for row in rows])
    page.end(board)


def _chosen_rows(board: Board, first_method: str | None) -> list[Row]:
    slugs = [row.slug for row in board.rows]
    if not slugs:
        return []
    first = controls.choose("Method", slugs, key="first", default=first_method)
    second = controls.choose("Beside it", [NONE, *(one for one in slugs if one not in (first, NONE))], key="second",
                             help="A second method on the same slice, moving in step.")  # fmt: skip
    return [board.row(slug) for slug in (first, second) if slug != NONE or slug in slugs]


def _head(board: Board, case_id: str) -> Head | None:
    """Return the case's images; else say why there are none."""
    case = places.images_of(board.dataset, case_id)
    found = case if isinstance(case, places.Absent) else heads.head_of(board.dataset, case)
    if isinstance(found, places.Absent):
        st.info(found.words, icon=":material/hide_image:")
        if found.command:
            st.code(found.command, language="bash")
        return None
    return found


def _panel(board: Board, row: Row, case_id: str, head: Head, number: int) -> Panel:
    runs = {run.name: run for run in runs_of(board, row, case_id)}
    if not runs:
        return Panel(row=row, why="This method has no prediction of this case.")
    name = next(iter(runs))
    if len(runs) > 1:
        key = ("run", "run_second")[number]
        name = controls.choose(f"Training run of {text.markdown_of(row.slug)}", list(runs), key=key)
    try:
        return Panel(row=row, run=runs[name], marks=mask_of(board, row, runs[name], head))
    except NotShownError as fault:
        return Panel(row=row, run=runs[name], why=str(fault))


def _about(board: Board, head: Head) -> str:
    """Return what is known of the case in a line."""
    spacing = " × ".join(f"{mm:.2f}" for mm in head.geometry.spacing_mm)
    shape = " × ".join(str(count) for count in head.ct.shape)
    found = [f"**{text.markdown_of(head.case_id)}**"]
    if head.case_id in board.scores.cases:
        at = board.scores.cases.index(head.case_id)
        facts = board.scores.facts
        ml = say.number(float(facts["volume_ref_ml"][at]), "volume_ref_ml")
        kinds = [name.upper() for name in SUBTYPES if facts[name][at] == 1]
        found.append(f"reference {ml} mL" if board.scores.has_ich[at] else "healthy head")
        found += [", ".join(kinds)] * bool(kinds) + [f"fold {board.scores.fold[at]}"]
    tilt = head.geometry.shear_deg
    found += [f"{shape} voxels of {spacing} mm"] + [f"gantry tilt {tilt:.1f}°"] * (tilt > 0.5)
    sides = "patient's right on the left, front up" if head.view.right_on_left else "shown as stored: not axial"
    return " · ".join([*found, sides])


def _slices(board: Board, head: Head, panels: Sequence[Panel]) -> None:
    with st.container(horizontal=True):
        shown = _look()
    marks = [one.marks for one in panels if one.marks is not None]
    k = _slice(board, head, marks)
    box = head.box(shown.zoom, *(one.box for one in marks))
    pair = len(panels) > 1
    places_of = st.columns(2 if pair else [5, 3], gap="medium")
    for place, panel in zip(places_of, panels, strict=False):
        with place:
            show_picture(board.dataset, head, panel, k, shown, box, longest=_SIDE if pair else _SIDE_ALONE)
    if pair:
        show_legend(shown, errors=bool(marks))
        left, right = st.columns([2, 3], gap="medium")
        with left:
            show_position(board.dataset, head, k)
        with right:
            show_numbers(board, head.case_id, panels)
        return
    with places_of[1]:
        show_position(board.dataset, head, k)
        show_numbers(board, head.case_id, panels)
    show_legend(shown, errors=bool(marks))


def _look() -> Look:
    said = f"Level and width in HU: {_WINDOWS_SAID}; free: your own."
    window = controls.choose("Window", [*WINDOWS, FREE], key="window", default="blood", help=said)
    level, width = WINDOWS.get(window, WINDOWS["blood"])
    if window == FREE:
        level = st.number_input("Level, HU", -1024, 3071, 60, 5, key=controls.bound("level_hu"), bind="query-params")
        width = st.number_input("Width, HU", 1, 4096, 120, 10, key=controls.bound("width_hu"), bind="query-params")
    overlay = controls.choose("Overlay", picture.OVERLAYS, key="overlay", help=_OVERLAY_SAID)
    zoom = controls.choose("Zoom", ZOOMS, key="zoom", help=_ZOOM_SAID)
    return Look(window=window, level=float(level), width=float(width), overlay=overlay, zoom=zoom)


def _slice(board: Board, head: Head, marks: Sequence[Marked]) -> int:
    """Return the slice to show, from 0; the address and the slider count from 1."""
    if head.slices < 2:
        return 0
    wrong, blood = heads.most_error(marks), heads.most_hemorrhage(head)
    at = next((one for one in (blood, wrong) if one is not None), head.slices // 2)
    _settle((board.dataset, head.case_id), head.slices, at)
    number = st.slider("Slice (arrow keys move it)", 1, head.slices, key=controls.bound("slice"), bind="query-params",
                       help="Counted from 1 in the order of the file.")  # fmt: skip
    with st.container(horizontal=True, gap="small"):
        st.button("Slice with most error", on_click=_go, args=(wrong,), disabled=wrong is None, key="most_error",
                  icon=":material/error_outline:")  # fmt: skip
        st.button("Slice with most hemorrhage", on_click=_go, args=(blood,), disabled=blood is None, key="most_blood",
                  icon=":material/water_drop:")  # fmt: skip
    return min(int(number), head.slices) - 1


def _settle(what: tuple[str, str], count: int, at: int) -> None:
    """Begin a case on slice `at`, unless the address names one; a number that this case does not have is dropped."""
    before = st.session_state.get("_slices_of")
    st.session_state["_slices_of"] = what
    asked = str(st.session_state.get("slice", st.query_params.get("slice", "")))
    fits = asked.isascii() and asked.isdigit() and 1 <= int(asked[:6]) <= count
    if not fits or before not in (None, what):
        st.session_state["slice"] = at + 1


def _go(k: int | None) -> None:
    if k is not None:
        st.session_state["slice"] = k + 1
