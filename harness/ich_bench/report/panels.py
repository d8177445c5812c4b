"""How are examples drawn: rows of cases, columns of CT, reference and each method, with Dice, outlines or errors?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from ich_bench.errors import UsageError, did_you_mean
from ich_bench.report.solid import Solid
from ich_bench.report.style import WIDTH_IN, drawing, new_figure

Plane = npt.NDArray[Any]

WINDOWS_HU: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"brain": (0.0, 80.0), "blood": (-20.0, 180.0), "spahr2023": (-50.0, 150.0)}
)
OVERLAYS = ("errors", "outlines")
# Okabe and Ito 2008: told apart by readers with any kind of colour vision, on grey.
HIT, EXTRA, MISSED, REFERENCE = "#009E73", "#D55E00", "#56B4E9", "#F0E442"
_PAPER, _INK = "white", "#16191d"
_SCALE_MM = 50.0
_LEFT_IN, _GAP_IN, _SIDE_IN = 0.34, 0.03, 1.2


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One method on one case: its mask on the shown slice (None: it has none), its Dice, and a word about it."""

    mask: Plane | None
    dice: float
    note: str = ""
    solid: Solid | None = None


@dataclass(frozen=True, kw_only=True)
class CaseRow:
    """One row of the figure. Planes are as seen: rows from the front of the head to the back, columns as displayed.

    `ct` is in HU, or None where there is none. `pixel_mm` is (down, across). `right_on_left` says that the patient's
    right is on the left of the picture; None where the header does not tell.
    """

    title: str
    ct: Plane | None
    reference: Plane
    panels: Sequence[Panel]
    pixel_mm: tuple[float, float]
    slice_text: str
    right_on_left: bool | None
    solid: Solid | None = None


def window(name: str) -> tuple[float, float]:
    """Return the window in HU of a name, or of "level,width"; UsageError for neither."""
    if name in WINDOWS_HU:
        return WINDOWS_HU[name]
    try:
        level, width = (float(part) for part in name.split(","))
    except ValueError:
        level, width = math.nan, math.nan
    if not (math.isfinite(level) and width > 0 and math.isfinite(width)):
        told = did_you_mean(name, WINDOWS_HU)
        raise UsageError(f"there is no window {name!r}. {told} Or level and width in HU, such as 40,80.")
    return level - width / 2, level + width / 2


def draw_cases(
    rows: Sequence[CaseRow],
    columns: Sequence[str],
    *,
    window_hu: tuple[float, float] = WINDOWS_HU["brain"],
    overlay: str = "errors",
    three_d: bool = False,
) -> Any:
    """Return the figure: a row a case (two with `three_d`), columns CT, reference, then `columns`; for 300 dpi.

    `overlay`: "errors" fills true positives, false positives and false negatives; "outlines" draws the reference's and
    the prediction's edges.
    """
    if overlay not in OVERLAYS:
        raise UsageError(f"there is no overlay {overlay!r}. {did_you_mean(overlay, OVERLAYS)}")
    count = len(columns) + 2
    side = (WIDTH_IN - _LEFT_IN) / count if count <= 6 else _SIDE_IN
    tall = [_height_over_width(row) * side for row in rows]
    below = side if three_d else 0.0
    lines = max(_short(name, side).count("\n") for name in columns) + 1
    top, bottom = 0.06 + 0.13 * lines, 0.28 if overlay == "errors" or not three_d else 0.42
    width_in, height_in = _LEFT_IN + count * side, top + bottom + sum(tall) + (below + _GAP_IN) * len(rows)
    with drawing():
        figure = new_figure(width_in, height_in, layout=None)
        figure.set_facecolor(_PAPER)
        down = top

        def line_of_axes(height: float) -> list[Any]:
            low = 1 - (down + height) / height_in
            wide = (side - _GAP_IN) / width_in
            lefts = [(_LEFT_IN + at * side) / width_in for at in range(count)]
            return [figure.add_axes((left, low, wide, height / height_in)) for left in lefts]

        for number, (row, height) in enumerate(zip(rows, tall, strict=True)):
            axes = line_of_axes(height)
            _draw_row(axes, row, window_hu, overlay)
            if number == 0:
                for axis, name in zip(axes, ["CT", "reference", *columns], strict=True):
                    axis.set_title(_short(name, side), fontsize=7, loc="center", color=_INK, pad=3)
            down += height + (0 if three_d else _GAP_IN)
            if three_d:
                _draw_solids(line_of_axes(below), row)
                down += below + _GAP_IN
        _legend(figure, overlay, window_hu if any(row.ct is not None for row in rows) else None, three_d)
    return figure


def _height_over_width(row: CaseRow) -> float:
    down, across = row.reference.shape
    return float(min(1.6, max(0.6, down * row.pixel_mm[0] / (across * row.pixel_mm[1]))))


def _draw_row(axes: Sequence[Any], row: CaseRow, window_hu: tuple[float, float], overlay: str) -> None:
    for axis in axes:
        _background(axis, row, window_hu)
    axes[0].set_ylabel(row.title, fontsize=6.5, color=_INK, labelpad=3)
    _say(axes[0], row.slice_text, "lower left")
    _scale_bar(axes[0], row)
    if row.right_on_left is not None:
        _say(axes[0], "R" if row.right_on_left else "L", "upper left")
    if overlay == "outlines":
        _outline(axes[1], row.reference, REFERENCE, row)
    else:
        _fill(axes[1], {REFERENCE: row.reference}, row)
    for axis, panel in zip(axes[2:], row.panels, strict=True):
        if panel.mask is not None and overlay == "outlines":
            _outline(axis, row.reference, REFERENCE, row)
            _outline(axis, panel.mask, EXTRA, row)
        elif panel.mask is not None:
            hit, extra = panel.mask & row.reference, panel.mask & ~row.reference
            _fill(axis, {HIT: hit, EXTRA: extra, MISSED: row.reference & ~panel.mask}, row)
        _say(axis, "Dice –" if math.isnan(panel.dice) else f"Dice {panel.dice:.2f}", "lower left")
        if panel.note:
            _say(axis, panel.note, "upper left")


def _background(axis: Any, row: CaseRow, window_hu: tuple[float, float]) -> None:
    shown = np.zeros(row.reference.shape) if row.ct is None else row.ct
    low, high = (0.0, 1.0) if row.ct is None else window_hu
    axis.imshow(shown, cmap="gray", vmin=low, vmax=high, aspect=row.pixel_mm[0] / row.pixel_mm[1], interpolation="none")
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)


def _fill(axis: Any, layers: Mapping[str, Plane], row: CaseRow) -> None:
    from matplotlib.colors import to_rgb

    picture = np.zeros((*row.reference.shape, 4))
    for colour, inside in layers.items():
        picture[inside.astype(bool)] = (*to_rgb(colour), 0.72)
    axis.imshow(picture, aspect=row.pixel_mm[0] / row.pixel_mm[1], interpolation="none")


def _outline(axis: Any, mask: Plane, colour: str, row: CaseRow) -> None:
    """Draw the edges of the pixels themselves, so that a mask of one pixel is a square and not a dot."""
    from matplotlib.collections import LineCollection

    held = np.pad(mask.astype(bool), 1)
    down, across = np.nonzero(held[1:, 1:-1] != held[:-1, 1:-1])
    lines = [((x - 0.5, y - 0.5), (x + 0.5, y - 0.5)) for y, x in zip(down, across, strict=True)]
    down, across = np.nonzero(held[1:-1, 1:] != held[1:-1, :-1])
    lines += [((x - 0.5, y - 0.5), (x - 0.5, y + 0.5)) for y, x in zip(down, across, strict=True)]
    axis.add_collection(LineCollection(lines, colors=colour, linewidths=0.7, capstyle="projecting"), autolim=False)


def _say(axis: Any, text: str, corner: str) -> None:
    up, _, left = corner.partition(" ")
    x, y = (0.03 if left == "left" else 0.97), (0.03 if up == "lower" else 0.97)
    box = {"facecolor": "black", "alpha": 0.55, "edgecolor": "none", "pad": 1.2}
    vertical = "bottom" if up == "lower" else "top"
    axis.text(x, y, text, transform=axis.transAxes, fontsize=6.5, color="white", ha=left, va=vertical, bbox=box)


def _scale_bar(axis: Any, row: CaseRow) -> None:
    length = _SCALE_MM / row.pixel_mm[1]
    down, across = row.reference.shape
    right, low = across * 0.96, down * 0.955
    if length > across * 0.8:
        return
    for colour, thickness in (("black", 2.6), ("white", 1.4)):  # seen on bone too
        axis.plot([right - length, right], [low, low], color=colour, linewidth=thickness, solid_capstyle="butt")
    box = {"facecolor": "black", "alpha": 0.55, "edgecolor": "none", "pad": 0.8}
    middle, above = right - length / 2, low - down * 0.022
    axis.text(middle, above, f"{_SCALE_MM:g} mm", color="white", fontsize=5.5, ha="center", va="bottom", bbox=box)
    axis.set_xlim(-0.5, across - 0.5)
    axis.set_ylim(down - 0.5, -0.5)


def _draw_solids(axes: Sequence[Any], row: CaseRow) -> None:
    solids = [row.solid, *(panel.solid for panel in row.panels)]
    shown = np.logical_or.reduce([one.picture[..., 3] > 0 for one in solids if one is not None])
    down, across = (np.flatnonzero(shown.any(axis=1 - axis)) for axis in (0, 1))
    if down.size:
        inside = np.s_[down[0] : down[-1] + 1, across[0] : across[-1] + 1]
        for axis, solid in zip(axes[1:], solids, strict=True):
            if solid is not None:
                axis.imshow(solid.picture[inside], aspect="equal", interpolation="bilinear")
    for axis in axes:
        axis.set_axis_off()
    about = "3-D from the front,\nleft and above;\nerrors where the masks\ndo not touch"
    axes[0].text(0.5, 0.5, about, transform=axes[0].transAxes, fontsize=6.5, color=_INK, ha="center", va="center")


def _legend(figure: Any, overlay: str, window_hu: tuple[float, float] | None, three_d: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    named = {REFERENCE: "reference", HIT: "true positive", EXTRA: "false positive", MISSED: "false negative"}
    handles: list[Any] = []
    if overlay == "outlines":
        edges = {REFERENCE: "reference", EXTRA: "prediction"}
        handles += [Line2D([], [], color=colour, label=label) for colour, label in edges.items()]
    if overlay == "errors" or three_d:
        in_3d = " (3-D)" if overlay == "outlines" else ""
        handles += [Patch(facecolor=colour, label=label + in_3d) for colour, label in named.items()]
    if window_hu is not None:
        handles.append(Patch(facecolor="none", label=f"window {window_hu[0]:g} to {window_hu[1]:g} HU"))
    columns = min(len(handles), 5 if overlay == "errors" else 4)
    small = {"fontsize": 6.5, "labelcolor": _INK, "handlelength": 1.2, "handleheight": 0.8, "columnspacing": 1.2}
    figure.legend(handles=handles, loc="lower center", ncols=columns, frameon=False, **small)


def _short(name: str, side_in: float) -> str:
    """Return a name that fits its column: broken at hyphens and spaces, in three lines at most."""
    import textwrap

    from ich_bench.escape import printable

    room = max(8, int(side_in / 0.055))
    lines = textwrap.wrap(printable(name), room) or [""]
    return "\n".join(lines[:3]) + ("…" if len(lines) > 3 else "")
