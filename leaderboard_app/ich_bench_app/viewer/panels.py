"""What stands in the viewer: a method's picture of a slice, where the slice lies, the legend, the case's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from ich_bench.board import wording as say
from ich_bench.board.model import Board, Row
from ich_bench.metrics.suite import COLUMNS
from ich_bench_app import text
from ich_bench_app.viewer import picture
from ich_bench_app.viewer.heads import Box, Head, Marked
from ich_bench_app.viewer.masks import Run
from ich_bench_app.viewer.position import hint

_FIRST_ROWS = ("dice", "nsd_2mm", "volume_ref_ml", "volume_pred_ml", "rvd", "hd95", "assd", "precision", "recall")
_LEGEND = {"reference": "solid: reference", "prediction": "dashed: prediction", **picture.WORDS}


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


def show_picture(dataset: str, head: Head, panel: Panel, k: int, shown: Look, box: Box, *, longest: int) -> None:
    """Show one method's picture of slice `k`, with what was hit, missed and added on it in numbers."""
    marks = panel.marks
    if panel.row is not None:
        st.markdown(f"**{text.markdown_of(panel.row.slug)}**")
    if panel.why:
        st.caption(f":material/info: {panel.why} Shown: the reference alone.")
    run = panel.run
    which = (dataset, head.case_id, head.made, panel.name,
             "" if marks is None or run is None else f"{run.name} {run.file.sha256}")  # fmt: skip
    edges = (box[0].start, box[0].stop, box[1].start, box[1].stop)
    drawn = _png(which, k, shown.level, shown.width, shown.overlay, edges, longest, head, marks)
    st.image(drawn, width="stretch", alt=_seen(head, panel, k, shown))
    if marks is not None:
        tp, fp, fn = int(marks.tp[k]), int(marks.fp[k]), int(marks.fn[k])
        st.caption(f"This slice: TP {tp:,} · FP {fp:,} · FN {fn:,} voxels" + _outside(head, marks, k, edges))
    elif int(head.area[k]):
        st.caption(f"This slice: {int(head.area[k]):,} voxels of reference")


def show_position(dataset: str, head: Head, k: int) -> None:
    """Show where in the head slice `k` lies."""
    st.image(
        _hint((dataset, head.case_id, head.made), k, head),
        alt=f"Position: the head from the side and from the front; slice {k + 1} of {head.slices} is the line, "
        "the reference is tinted.",
        caption="From the side and from the front: reference tinted, this slice as a line.",
    )


def show_legend(shown: Look, *, errors: bool) -> None:
    """Show what lines and tints mean, in words; nothing where there is no overlay."""
    names = ["reference"] * (shown.overlay != "off") + ["prediction"] * (shown.overlay != "off" and errors)
    names += picture.CLASSES if shown.overlay == "fill" and errors else ()
    with st.container(horizontal=True, gap="small"):
        for name in names:
            words = _LEGEND[name]
            st.image(_swatch(name, words), width=int(len(words) * 6.5) + 46, alt=f"Legend: {words}")


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


@st.cache_data(max_entries=120, show_spinner=False)
def _png(which: tuple[str, ...], k: int, level: float, width: float, overlay: str,
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


@st.cache_data(max_entries=120, show_spinner=False)
def _hint(which: tuple[str, ...], k: int, _head: Head) -> bytes:
    return hint(_head.scout, k, sides=bool(_head.view.right_on_left))


@st.cache_data(max_entries=16, show_spinner=False)
def _swatch(name: str, words: str) -> bytes:
    return picture.swatch(name, words)


def show_numbers(board: Board, case_id: str, panels: Sequence[Panel]) -> None:
    """Show what the rows score on this case, from the board."""
    rows = [one.row for one in panels if one.row is not None]
    if not rows or case_id not in board.scores.cases:
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
    told = "; ".join(
        f"{text.plain(row.slug)} dice {_dice(board, at, one)}" for row, one in zip(rows, places_of, strict=True)
    )
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
