"""Which place does each method hold, how sure is that, and how often does it leave a healthy head clean?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ich_bench.report.labelled import Label, level_text
from ich_bench.report.style import SMALL_POINT, WIDTH_IN, colour, drawing, new_figure, supervision_order


@dataclass(frozen=True, kw_only=True)
class Place:
    """A row of the board: mean with its 95 % interval, and its ranks (None: it has none).

    `kind` is "measured", "calibration", "ceiling" or "reported"; `n` the volumes behind the mean.
    """

    label: Label
    kind: str
    mean: float
    low: float = math.nan
    high: float = math.nan
    rank: int | None = None
    rank_high: int | None = None


@dataclass(frozen=True, kw_only=True)
class Healthy:
    """What a row does on healthy heads: clean rate with its interval, false-positive mL (median, 95th percentile)."""

    label: Label
    share: float
    low: float
    high: float
    median_ml: float
    p95_ml: float


def levels(figure: Any, labels: Sequence[Label]) -> None:
    """Print which colour and marker is which level of supervision, where there is more than one."""
    from matplotlib.lines import Line2D

    several = {(supervision_order(one.supervision), one.supervision, one.role, one.marker) for one in labels}
    found = [level for _, *level in sorted(several)]
    if len(found) < 2:
        return
    handles = [
        Line2D([], [], color=colour(role), marker=marker, linewidth=1.6, markersize=5, label=level_text(name))
        for name, role, marker in found
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), frameon=False,
                  fontsize=SMALL_POINT, columnspacing=1.4)  # fmt: skip


def rank_intervals(places: Sequence[Place], *, ceiling: float = math.nan, ranked: int = 0, metric: str = "Dice") -> Any:
    """Return two panels with a line a row: mean and interval (zone above the ceiling shaded), rank and its interval."""
    count = len(places)
    with drawing():
        figure = new_figure(WIDTH_IN, max(0.9, count * (0.2 if count > 14 else 0.24)) + 0.75)
        panels = figure.subplots(
            1, 2 if ranked else 1, sharey=True, squeeze=False, width_ratios=[3, 2] if ranked else None
        )[0]
        left = panels[0]
        for at, one in enumerate(places):
            _mean(left, at, one)
            if ranked and one.rank is not None and one.rank_high is not None:
                shade = colour(one.label.role)
                panels[1].plot([one.rank, one.rank_high], [at, at], color=shade, linewidth=2.2, solid_capstyle="round")
                panels[1].plot(one.rank, at, one.label.marker, color=shade, markersize=5.5)
        if not math.isnan(ceiling):
            left.axvspan(ceiling, 1.2, color=colour("band"), zorder=0, linewidth=0)
            left.axvline(ceiling, color=colour("muted"), linewidth=0.8, linestyle=(0, (4, 2)))
            left.text(ceiling, -0.62, "noise ceiling ", fontsize=5.5, color=colour("muted"), ha="right", va="center")
        left.set_xlim(-0.02, 1.02)
        left.set_ylim(count - 0.4, -0.8)
        left.set_yticks(range(count), [_named(one) for one in places])
        for one, text in zip(places, left.get_yticklabels(), strict=True):
            text.set_color(colour("ink" if one.kind == "measured" else "muted"))
        left.set_title(f"mean {metric} and 95 % interval", fontsize=SMALL_POINT + 1)
        if ranked:
            panels[1].set_title("rank, and the ranks not excluded", fontsize=SMALL_POINT + 1)
            panels[1].set_xlim(0.5, ranked + 0.5)
            panels[1].set_xticks(_whole(ranked))
        levels(figure, [one.label for one in places if one.kind == "measured"])
        for axis in panels:
            axis.grid(axis="x", color=colour("rule"), linewidth=0.5)
            axis.set_axisbelow(True)
    return figure


def _mean(axis: Any, at: int, one: Place) -> None:
    if math.isnan(one.mean):
        axis.text(0, at, "no value here", fontsize=SMALL_POINT, color=colour("muted"), va="center")
        return
    role = one.label.role if one.kind == "measured" else "muted"
    if not math.isnan(one.low):
        axis.plot([max(one.low, -0.02), min(one.high, 1.02)], [at, at], color=colour(role), linewidth=1.6)
    marker = {"reported": "D", "ceiling": "|", "calibration": "|"}.get(one.kind, one.label.marker)
    face = "none" if one.kind == "reported" else colour(role)
    axis.plot(
        one.mean, at, marker, markeredgecolor=colour(role), markerfacecolor=face, markersize=5.5, markeredgewidth=1.1
    )


def _named(one: Place) -> str:
    return one.label.name if one.kind == "measured" else f"{one.label.name} ({one.kind})"


def _whole(most: int) -> list[int]:
    step = max(1, -(-most // 8))
    return sorted({1, *range(step, most + 1, step), most} - ({most - 1} if step > 2 else set()))


def healthy_heads(rows: Sequence[Healthy]) -> Any:
    """Return two panels with a line a row: share of clean heads with Wilson's interval, false-positive mL."""
    count = len(rows)
    with drawing():
        figure = new_figure(WIDTH_IN, max(0.6, count * (0.2 if count > 14 else 0.24)) + 0.75)
        known = any(not math.isnan(one.median_ml) for one in rows)
        panels = figure.subplots(1, 1 + known, sharey=True, squeeze=False)[0]
        left = panels[0]
        for at, one in enumerate(rows):
            shade = colour(one.label.role)
            left.plot([one.low, one.high], [at, at], color=shade, linewidth=1.6)
            left.plot(one.share, at, one.label.marker, color=shade, markersize=5.5)
        left.set_yticks(range(count), [one.label.name for one in rows])
        left.set_ylim(count - 0.4, -0.6)
        left.set_xlim(-0.03, 1.03)
        left.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
        left.set_title("clean heads, 95 % interval", fontsize=SMALL_POINT + 1)
        if known:
            _false_positives(panels[1], rows)
        levels(figure, [one.label for one in rows])
        for axis in panels:
            axis.grid(axis="x", color=colour("rule"), linewidth=0.5)
            axis.set_axisbelow(True)
    return figure


def _false_positives(axis: Any, rows: Sequence[Healthy]) -> None:
    for at, one in enumerate(rows):
        if not math.isnan(one.median_ml):
            shade = colour(one.label.role)
            axis.plot([one.median_ml, one.p95_ml], [at, at], color=shade, linewidth=1.6)
            axis.plot(one.median_ml, at, one.label.marker, color=shade, markersize=5.5)
            axis.plot(one.p95_ml, at, "|", color=shade, markersize=7, markeredgewidth=1.4)
    axis.set_xscale("symlog", linthresh=0.1, linscale=0.6)
    axis.set_title("false-positive mL, median and 95th pct.", fontsize=SMALL_POINT + 1)
    most = max(one.p95_ml for one in rows if not math.isnan(one.p95_ml))
    ticks = [tick for tick in (0, 0.1, 1, 10, 100, 1000) if tick <= max(1.0, most * 3)]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_xlim(-0.02, max(1.5, most * 1.4))
    axis.minorticks_off()
