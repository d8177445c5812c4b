"""How is Dice spread over the volumes of each subtype, method by method, ordered by the labels that each needs?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ich_bench.board.model import Floats
from ich_bench.report.labelled import Label, level_text
from ich_bench.report.style import SMALL_POINT, WIDTH_IN, colour, drawing, new_figure

LEAST_FOR_A_BOX = 5  # below, the points alone are drawn: quartiles of so few say nothing
_TWO_LINES_UP_TO = 14  # methods: more stand in one tall line of panels


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Volumes that share a trait: an array (volumes, methods), NaN where a method has no value."""

    name: str
    values: Floats


def subtype_boxes(groups: Sequence[Group], methods: Sequence[Label], metric: str = "Dice") -> Any:
    """Return boxes with their points, a panel a group: mean grey, median black, n printed, coloured by supervision."""
    count = len(methods)
    lines = 1 if count > _TWO_LINES_UP_TO or len(groups) <= 3 else 2
    across = -(-len(groups) // lines)
    row_in = 0.2 if count > _TWO_LINES_UP_TO else 0.24
    with drawing():
        figure = new_figure(WIDTH_IN, lines * (count * row_in + 0.5) + 0.35)
        axes = figure.subplots(lines, across, sharex=True, sharey=True, squeeze=False)
        for axis, group in zip(axes.flat, groups, strict=False):
            _panel(axis, group, methods)
        for axis in axes.flat[len(groups) :]:
            axis.set_visible(False)
        axes[0][0].set_ylim(count - 0.5, -0.5)
        for axis in axes[:, 0]:
            axis.set_yticks(range(count), [one.name for one in methods])
        for axis in axes.flat:
            axis.set_xlim(-0.03, 1.03)
            axis.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        figure.supxlabel(f"{metric} of a volume", fontsize=SMALL_POINT + 1)
        _legend(figure, methods)
    return figure


def _panel(axis: Any, group: Group, methods: Sequence[Label]) -> None:
    known = [column[~np.isnan(column)] for column in group.values.T]
    counts = {len(column) for column in known} or {0}
    n = f"n = {counts.pop()}" if len(counts) == 1 else f"n = {min(counts)} to {max(counts)}"
    axis.set_title(f"{group.name}, {n}", pad=4, fontsize=SMALL_POINT + 0.5)
    axis.grid(axis="x", color=colour("rule"), linewidth=0.5)
    axis.set_axisbelow(True)
    axis.tick_params(axis="x", labelbottom=True)
    for place, (values, method) in enumerate(zip(known, methods, strict=True)):
        if len(values):
            _box(axis, place, np.sort(values), colour(method.role))


def _box(axis: Any, place: int, values: Floats, shade: str) -> None:
    from matplotlib.patches import Rectangle

    spread = (np.arange(len(values)) * 0.618034) % 1  # even, and the same every time
    axis.plot(values, place - 0.3 + 0.6 * spread, ".", color=shade, markersize=3.2, alpha=0.75, markeredgewidth=0)
    low, high = np.quantile(values, (0.25, 0.75))
    if len(values) >= LEAST_FOR_A_BOX:
        reach = 1.5 * (high - low)
        ends = values[values >= low - reach].min(), values[values <= high + reach].max()
        for begin, end in ((ends[0], low), (high, ends[1])):
            axis.plot([begin, end], [place, place], color=shade, linewidth=0.9, solid_capstyle="butt")
        axis.add_patch(
            Rectangle(
                (low, place - 0.32), high - low, 0.64, facecolor=shade, alpha=0.28, edgecolor=shade, linewidth=0.8
            )
        )
    for value, role, width in ((values.mean(), "mean", 1.6), (np.median(values), "ink", 1.3)):
        axis.plot([value, value], [place - 0.36, place + 0.36], color=colour(role), linewidth=width)


def _legend(figure: Any, methods: Sequence[Label]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    levels = dict.fromkeys((one.supervision, one.role) for one in methods)
    handles: list[Any] = [Patch(color=colour(role), alpha=0.7, label=level_text(name)) for name, role in levels]
    handles += [
        Line2D([], [], color=colour("mean"), linewidth=1.8, label="mean"),
        Line2D([], [], color=colour("ink"), linewidth=1.5, label="median"),
    ]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=min(5, len(handles)), frameon=False, fontsize=SMALL_POINT,
        handlelength=1.2, columnspacing=1.4,
    )  # fmt: skip
