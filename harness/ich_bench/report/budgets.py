"""How much Dice does a method get for what was annotated: patients, slices, millilitres?"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ich_bench.board.model import Board, Efficiency
from ich_bench.report.labelled import Label, labels
from ich_bench.report.pictures import Picture
from ich_bench.report.style import SMALL_POINT, WIDTH_IN, colour, drawing, new_figure
from ich_bench.report.whiskers import levels

AXES = (("patients", "annotated patients"), ("slices", "annotated slices"), ("annotated_ml", "annotated mL"))
_NAMED = 8  # so many methods fit into a legend beside the panels


@dataclass(frozen=True, kw_only=True)
class Line:
    """One method: its trainings in ascending order of what was annotated."""

    label: Label
    points: tuple[Efficiency, ...]


def label_efficiency(board: Board, names: Mapping[str, str]) -> Picture | None:
    """Return Dice against annotated patients, slices and mL, a panel each; None where nothing of it is known."""
    by_slug: dict[str, list[Efficiency]] = {}
    for one in board.efficiency:
        if not math.isnan(one.dice.stat.mean) and any(_known(one, axis) for axis, _ in AXES):
            by_slug.setdefault(one.slug, []).append(one)
    rows = [row for row in board.measured if row.slug in by_slug]
    if not rows:
        return None
    lines = [
        Line(label=label, points=tuple(sorted(by_slug[row.slug], key=lambda one: one.share)))
        for row, label in zip(rows, labels(rows, dict(names)), strict=True)
    ]
    trainings = sum(len(line.points) for line in lines)
    said = ", ".join(f"{line.label.name} {line.points[-1].dice.stat.mean:.2f}" for line in lines[:12])
    return Picture(
        name=f"{board.dataset}-{board.scheme}-label-efficiency",
        draw=partial(_draw, lines),
        caption=(
            f"Mean Dice on {board.dataset} (heads with ICH) against what of it was annotated for training, mean over "
            f"folds; {trainings} trainings of {len(lines)} methods, bars: 95 % interval. Lines join the means of a "
            "method's budgets. External data and slice labels are not counted here."
        ),
        alt=f"Dice on all annotated data: {said}{' and more' if len(lines) > 12 else ''}.",
    )


def _known(one: Efficiency, axis: str) -> bool:
    value = float(getattr(one, axis))
    return not math.isnan(value) and value > 0


def _draw(lines: Sequence[Line]) -> Any:
    panels = [(axis, title) for axis, title in AXES if any(_known(one, axis) for line in lines for one in line.points)]
    with drawing():
        figure = new_figure(WIDTH_IN, 2.7)
        for panel, (axis, title) in zip(
            figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels, strict=True
        ):
            for line in lines:
                _line(panel, axis, line)
            panel.set_xscale("log")
            panel.minorticks_off()
            ticks = _ticks([float(getattr(one, axis)) for line in lines for one in line.points if _known(one, axis)])
            panel.set_xticks(ticks, [f"{tick:,g}" for tick in ticks])
            panel.set_title(title, fontsize=SMALL_POINT + 1)
            panel.grid(axis="both", color=colour("rule"), linewidth=0.5)
            panel.set_axisbelow(True)
        figure.axes[0].set_ylabel("mean Dice (ich)")
        figure.axes[0].set_ylim(bottom=0)
        if len(lines) <= _NAMED:
            handles, named = figure.axes[0].get_legend_handles_labels()
            figure.legend(handles, named, loc="outside lower center", ncols=min(4, len(named)), frameon=False,
                          fontsize=SMALL_POINT, columnspacing=1.4)  # fmt: skip
        else:
            levels(figure, [line.label for line in lines])
    return figure


def _line(panel: Any, axis: str, line: Line) -> None:
    shade = colour(line.label.role)
    found = [one for one in line.points if _known(one, axis)]
    by_share: dict[float, list[Efficiency]] = {}
    for one in found:
        by_share.setdefault(one.share, []).append(one)
        if not math.isnan(one.dice.low):
            at = float(getattr(one, axis))
            panel.plot(
                [at, at], [max(0.0, one.dice.low), min(1.0, one.dice.high)], color=shade, linewidth=0.9, alpha=0.6
            )
    across = [statistics.fmean(float(getattr(one, axis)) for one in some) for some in by_share.values()]
    up = [statistics.fmean(one.dice.stat.mean for one in some) for some in by_share.values()]
    panel.plot(across, up, "-", color=shade, linewidth=1.1)
    where = [float(getattr(one, axis)) for one in found]
    panel.plot(where, [one.dice.stat.mean for one in found], line.label.marker, color=shade, markersize=4.5,
               label=line.label.name)  # fmt: skip


def _ticks(values: Sequence[float]) -> list[float]:
    """Return round numbers that span the values: 1, 2 or 5 times a power of ten."""
    low, high = min(values), max(values)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    round_ones = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    inside = [one for one in round_ones if low / 2.5 <= one <= high * 2.5]
    return inside if len(inside) <= 5 else [one for one in inside if math.log10(one).is_integer()]
