"""The slice viewer on a page: what can be chosen, the pictures, and the numbers of the case beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from ich_bench.board import wording as say
from ich_bench.board.model import Board, Row
from ich_bench.metrics.suite import COLUMNS
from ich_bench.phantom.montage import WINDOWS
from ich_bench_app import controls, page, text
from ich_bench_app.viewer import heads, picture, places
from ich_bench_app.viewer.heads import Head, Marked
from ich_bench_app.viewer.masks import NotShownError, Run, mask_of, runs_of
from ich_bench_app.viewer.position import hint

NONE = "–"  # no second method
FREE = "free"
ZOOMS = {"head": "head", "lesion": "around the lesion", "whole": "whole slice"}
_OVERLAY_SAID = {"fill": "tint and outlines", "outline": "outlines", "off": "none"}
_FIRST_ROWS = ("dice", "nsd_2mm", "volume_ref_ml", "volume_pred_ml", "rvd", "hd95", "assd", "precision", "recall")
_SIDE, _SIDE_ALONE = 620, 720  # pixels of a picture's longer side
_LEGEND = (("reference", "solid: reference"), ("prediction", "dashed: prediction"), *picture.WORDS.items())


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture: whose mask it shows (None: the reference alone), and why there is none where it is not shown."""

    row: Row | None
    run: Run | None = None
    marks: Marked | None = None
    why: str = ""

    @property
    def name(self) -> str:
        """Return whose mask it is, as it is written on the page."""
        return "reference" if self.row is None else text.plain(self.row.slug)


@dataclass(frozen=True, kw_only=True)
class Look:
    """How the slices are shown: level and width in HU, overlay, zoom."""

    window: str
    level: float
    width: float
    overlay: str
    zoom: str


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
    elif case_id in board.scores.cases:
        _numbers(board, case_id, [Panel(row=row) for row in rows])
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
        kinds = [name.upper() for name in ("iph", "ivh", "edh", "sdh", "sah") if facts[name][at] == 1]
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
    k = _slice(head, marks, board.dataset)
    wide = 2 if len(panels) > 1 else 1
    *pictures, beside = st.columns([3] * wide + [2], gap="medium") if wide == 2 else st.columns([5, 3], gap="medium")
    for place, panel in zip(pictures, panels, strict=True):
        with place:
            _picture(head, panel, k, shown, longest=_SIDE if wide == 2 else _SIDE_ALONE, key=board.dataset)
    with beside:
        st.image(
            _hint((board.dataset, head.case_id, str(head.geometry)), k, head),
            alt=f"Position: the head from the side and from the front; slice {k + 1} of {head.slices} is the line, "
            "the reference is tinted.",
            caption="From the side and from the front: reference tinted, this slice as a line.",
        )
        if head.case_id in board.scores.cases:
            _numbers(board, head.case_id, panels)
    if shown.overlay != "off":
        with st.container(horizontal=True, gap="small"):
            for name, words in _LEGEND:
                if (shown.overlay == "fill" and marks) or name in ("reference", "prediction"):
                    st.image(_swatch(name, words), width=int(len(words) * 6.5) + 46, alt=f"Legend: {words}")


def _look() -> Look:
    window = controls.choose("Window", [*WINDOWS, FREE], key="window", default="blood", show=_window_said)
    level, width = WINDOWS.get(window, WINDOWS["blood"])
    if window == FREE:
        level = st.number_input("Level, HU", -1024, 3071, 60, 5, key=controls.bound("level"), bind="query-params")
        width = st.number_input("Width, HU", 1, 4096, 120, 10, key=controls.bound("width"), bind="query-params")
    overlay = controls.choose("Overlay", picture.OVERLAYS, key="overlay", show=_OVERLAY_SAID.__getitem__)
    zoom = controls.choose("Zoom", list(ZOOMS), key="zoom", show=ZOOMS.__getitem__)
    return Look(window=window, level=float(level), width=float(width), overlay=overlay, zoom=zoom)


def _window_said(name: str) -> str:
    if name == FREE:
        return "free: level and width"
    level, width = WINDOWS[name]
    return f"{name} ({level:g} / {width:g} HU)"


def _slice(head: Head, marks: Sequence[Marked], dataset: str) -> int:
    """Return the slice to show, from 0; the address and the slider count from 1."""
    if head.slices < 2:
        return 0
    wrong, blood = heads.most_error(marks), heads.most_hemorrhage(head)
    at = next((one for one in (wrong, blood) if one is not None), head.slices // 2)
    _settle((dataset, head.case_id), head.slices, at)
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
    asked = st.query_params.get("slice", "") if before is None else str(st.session_state.get("slice", ""))
    fits = asked.isascii() and asked.isdigit() and 1 <= int(asked[:6]) <= count
    if not fits or before not in (None, what):
        st.session_state["slice"] = at + 1


def _go(k: int | None) -> None:
    if k is not None:
        st.session_state["slice"] = k + 1


def _picture(head: Head, panel: Panel, k: int, shown: Look, *, longest: int, key: str) -> None:
    marks = panel.marks
    box = head.box(shown.zoom, *([marks.box] if marks is not None else []))
    if panel.row is not None:
        st.markdown(f"**{text.markdown_of(panel.row.slug)}**")
    if panel.why:
        st.caption(f":material/info: {panel.why} Shown: the reference alone.")
    run = panel.run
    which = (key, head.case_id, str(head.geometry), int(head.area.sum()), panel.name,
             "" if marks is None or run is None else f"{run.name} {run.file.sha256}")  # fmt: skip
    edges = (box[0].start, box[0].stop, box[1].start, box[1].stop)
    drawn = _png(which, k, shown.level, shown.width, shown.overlay, edges, longest, head, marks)
    st.image(drawn, width="stretch", alt=_seen(head, panel, k, shown))
    if marks is not None:
        tp, fp, fn = int(marks.tp[k]), int(marks.fp[k]), int(marks.fn[k])
        st.caption(f"This slice: TP {tp:,} · FP {fp:,} · FN {fn:,} voxels" + _outside(head, marks, k, edges))
    elif int(head.area[k]):
        st.caption(f"This slice: {int(head.area[k]):,} voxels of reference")


def _outside(head: Head, marks: Marked, k: int, edges: tuple[int, int, int, int]) -> str:
    """Return how much of the masks lies beyond the shown part, in words."""
    rows, columns = slice(edges[0], edges[1]), slice(edges[2], edges[3])
    either = head.view.plane(head.reference.plane(k) | marks.mask.plane(k))
    beyond = int(either.sum()) - int(either[rows, columns].sum())
    return f" · {beyond:,} of them beyond the shown part" if beyond else ""


def _seen(head: Head, panel: Panel, k: int, shown: Look) -> str:
    """Return in words what the picture shows."""
    window = f"{shown.window} window, level {shown.level:g}, width {shown.width:g} HU"
    blood = f"{int(head.area[k])} voxels of reference" if head.area[k] else "no reference"
    found = [f"CT of {head.case_id}, slice {k + 1} of {head.slices}, {window}: {blood}"]
    if panel.marks is not None:
        one = panel.marks
        found.append(f"{panel.name}: {one.tp[k]} voxels hit, {one.fn[k]} missed, {one.fp[k]} added")
    return "; ".join(found)


@st.cache_data(max_entries=200, show_spinner=False)
def _png(which: tuple[str | int, ...], k: int, level: float, width: float, overlay: str,
         edges: tuple[int, int, int, int], longest: int, _head: Head, _marks: Marked | None) -> bytes:  # fmt: skip
    rows, columns = slice(edges[0], edges[1]), slice(edges[2], edges[3])
    turn = _head.view.plane
    one = picture.Slice(
        hu=turn(_head.ct.plane(k))[rows, columns],
        reference=turn(_head.reference.plane(k))[rows, columns],
        prediction=None if _marks is None else turn(_marks.mask.plane(k))[rows, columns],
        pixel_mm=_head.pixel_mm,
        sides=("R", "L", "A", "P") if _head.view.right_on_left else ("", "", "", ""),
    )
    return picture.png(one, level=level, width=width, overlay=overlay, longest=longest)


@st.cache_data(max_entries=200, show_spinner=False)
def _hint(which: tuple[str, ...], k: int, _head: Head) -> bytes:
    return hint(_head.scout, k, sides=bool(_head.view.right_on_left))


@st.cache_data(max_entries=16, show_spinner=False)
def _swatch(name: str, words: str) -> bytes:
    return picture.swatch(name, words)


def _numbers(board: Board, case_id: str, panels: Sequence[Panel]) -> None:
    """Show what the rows score on this case, from the board."""
    rows = [one.row for one in panels if one.row is not None]
    if not rows:
        return
    scores = board.scores
    at = scores.cases.index(case_id)
    places_of = [scores.slugs.index(row.slug) for row in rows]
    names = [
        *(one for one in _FIRST_ROWS if one in scores.values),
        *(one for one in scores.values if one not in _FIRST_ROWS),
    ]
    table = pd.DataFrame({"metric": [_with_unit(one) for one in names]})
    for row, place in zip(rows, places_of, strict=True):
        table[text.plain(row.slug)] = [say.number(float(scores.values[one][at, place]), one) for one in names]
    said = {scores.missing[at, place] > 0: "a case without a mask counts as missed" for place in places_of}
    told = "; ".join(f"{row.slug} dice {_dice(board, at, one)}" for row, one in zip(rows, places_of, strict=True))
    st.dataframe(table, hide_index=True, height=min(38 + 35 * len(names), 400), alt=f"Scores of {case_id}: {told}")
    several = [row for row in rows if len(row.seeds) > 1]
    notes = [said[True]] if True in said else []
    notes += [f"numbers are the mean over {len(several[0].seeds)} training runs"] if several else []
    if notes:
        st.caption("; ".join(notes).capitalize() + ".")


def _dice(board: Board, at: int, place: int) -> str:
    return say.number(float(board.scores.values["dice"][at, place])) if "dice" in board.scores.values else say.BLANK


def _with_unit(metric: str) -> str:
    unit = COLUMNS[metric].unit if metric in COLUMNS else ""
    return f"{metric}, {unit}" if unit in ("mm", "mL") and not metric.endswith("_ml") else metric
