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
from ich_bench.report.style import drawing, new_figure

Plane = npt.NDArray[Any]

WINDOWS_HU: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"brain": (0.0, 80.0), "blood": (-20.0, 180.0), "spahr2023": (-50.0, 150.0)}
)
OVERLAYS = ("errors", "outlines")
# Okabe and Ito 2008: told apart by readers with any kind of colour vision, on grey.
HIT, EXTRA, MISSED, REFERENCE = "#009E73", "#D55E00", "#56B4E9", "#F0E442"
_PAPER, _INK = "white", "#16191d"
_SCALE_MM = 50.0


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
    width_in = 7.2 if len(columns) <= 4 else 1.2 * (len(columns) + 2)
    side = (width_in - 0.1) / (len(columns) + 2)
    tall = [_height_over_width(row) * side for row in rows]
    heights = [part for one in tall for part in ([one, side * 0.9] if three_d else [one])]
    with drawing():
        figure = new_figure(width_in, sum(heights) + 0.16 * len(rows) + 0.5)
        figure.set_facecolor(_PAPER)
        figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
        grid = figure.add_gridspec(len(heights), len(columns) + 2, height_ratios=heights)
        for number, row in enumerate(rows):
            at = number * (2 if three_d else 1)
            axes = [figure.add_subplot(grid[at, column]) for column in range(len(columns) + 2)]
            _draw_row(axes, row, window_hu, overlay)
            if number == 0:
                for axis, name in zip(axes, ["CT", "reference", *columns], strict=True):
                    axis.set_title(_short(name, side), fontsize=7, loc="center", color=_INK, pad=3)
            if three_d:
                below = [figure.add_subplot(grid[at + 1, column]) for column in range(len(columns) + 2)]
                _draw_solids(below, row)
        _legend(figure, overlay, window_hu if any(row.ct is not None for row in rows) else None)
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
    axis.plot([right - length, right], [low, low], color="white", linewidth=1.4, solid_capstyle="butt")
    axis.text(
        right - length / 2,
        low - down * 0.015,
        f"{_SCALE_MM:g} mm",
        color="white",
        fontsize=5.5,
        ha="center",
        va="bottom",
    )
    axis.set_xlim(-0.5, across - 0.5)
    axis.set_ylim(down - 0.5, -0.5)


def _draw_solids(axes: Sequence[Any], row: CaseRow) -> None:
    for axis, solid in zip(axes[1:], [row.solid, *(panel.solid for panel in row.panels)], strict=True):
        if solid is not None:
            axis.imshow(solid.picture, aspect="equal", interpolation="bilinear")
    for axis in axes:
        axis.set_axis_off()
    seen = "3-D, seen from\nthe front, left\nand above" if row.solid is not None else ""
    axes[0].text(0.5, 0.5, seen, transform=axes[0].transAxes, fontsize=6.5, color=_INK, ha="center", va="center")


def _legend(figure: Any, overlay: str, window_hu: tuple[float, float] | None) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    if overlay == "outlines":
        handles: list[Any] = [
            Line2D([], [], color=REFERENCE, label="reference"),
            Line2D([], [], color=EXTRA, label="prediction"),
        ]
    else:
        named = {REFERENCE: "reference", HIT: "true positive", EXTRA: "false positive", MISSED: "false negative"}
        handles = [Patch(facecolor=colour, label=label) for colour, label in named.items()]
    if window_hu is not None:
        handles.append(Patch(facecolor="none", label=f"window {window_hu[0]:g} to {window_hu[1]:g} HU"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=6.5,
                  labelcolor=_INK, handlelength=1.2, handleheight=0.8, columnspacing=1.2)  # fmt: skip


def _short(name: str, side_in: float) -> str:
    """Return a name that fits its column: broken at hyphens and spaces, in three lines at most."""
    import textwrap

    from ich_bench.escape import printable

    room = max(8, int(side_in / 0.055))
    lines = textwrap.wrap(printable(name), room) or [""]
    return "\n".join(lines[:3]) + ("…" if len(lines) > 3 else "")
