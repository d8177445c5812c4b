"""Which pairs of methods differ, and which volumes are hard for whom: p-values and Dice as heat maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ich_bench.board.model import Floats
from ich_bench.report.labelled import Label
from ich_bench.report.style import SMALL_POINT, WIDTH_IN, colour, drawing, new_figure

_BINS = (0.001, 0.01, 0.05)
# From p < 0.001 to p < 0.05: the row's method is better (blue) or worse (orange) than the column's; else no colour.
_BETTER = ("#123f78", "#3f7fc4", "#a5cbed")
_WORSE = ("#8a3c04", "#d9781d", "#f6c795")
_SAME, _DIAGONAL = "#e8e6e1", "#ffffff00"
SIDE_BY_SIDE_UP_TO = 16  # methods; more need a picture a map
_FOUR_ABREAST_UP_TO = 3
_PRINTED_UP_TO = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class PMap:
    """p-values of every pair, and the difference row minus column times the metric's sign (> 0: the row is better)."""

    title: str
    p: Floats
    advantage: Floats


def p_maps(maps: Sequence[PMap], methods: Sequence[Label]) -> Any:
    """Return the maps, two abreast (one below the other for many methods); p is printed where there is room."""
    count = len(methods)
    across = 1 if count > SIDE_BY_SIDE_UP_TO else 2 if count > _FOUR_ABREAST_UP_TO else 4
    across = min(across, len(maps))
    lines = -(-len(maps) // across)
    names = 0.5 + 0.06 * max(len(label.name) for label in methods)
    side = min(0.42, (WIDTH_IN - names - 0.2 * across) / across / max(count, 1))
    wide = min(WIDTH_IN, max(4.8, names + across * (count * side + 0.25)))
    with drawing():
        figure = new_figure(wide, lines * (count * side + 0.55) + 0.45)
        axes = figure.subplots(lines, across, squeeze=False)
        for number, (axis, one) in enumerate(zip(axes.flat, maps, strict=False)):
            _p_map(axis, one, methods, names=number % across == 0)
        for axis in axes.flat[len(maps) :]:
            axis.set_visible(False)
        _p_legend(figure)
    return figure


def _p_map(axis: Any, one: PMap, methods: Sequence[Label], *, names: bool) -> None:
    from matplotlib.colors import to_rgba

    count = len(methods)
    picture = np.zeros((count, count, 4))
    size = min(SMALL_POINT, 46 / max(count, 7))
    for row in range(count):
        for column in range(count):
            shade = _DIAGONAL if row == column else _shade(one.p[row, column], one.advantage[row, column])
            picture[row, column] = to_rgba(shade)
            if row != column and count <= _PRINTED_UP_TO:
                axis.text(column, row, _p_text(one.p[row, column]), fontsize=size, ha="center", va="center",
                          color="#fdfdfd" if shade in (*_BETTER[:2], *_WORSE[:1]) else "#1b1b1b")  # fmt: skip
    edges, few = np.arange(count + 1) - 0.5, count <= SIDE_BY_SIDE_UP_TO
    rule = 0.4 if few else 0
    axis.pcolormesh(edges, edges, picture, edgecolors=colour("rule"), linewidth=rule, rasterized=not few)
    axis.set_ylim(count - 0.5, -0.5)
    axis.set_aspect("equal")
    axis.set_title(one.title, pad=12 if count <= 60 else 6, fontsize=SMALL_POINT + 1)
    small = min(SMALL_POINT, 320 / max(count, 20))
    axis.xaxis.tick_top()
    axis.set_xticks(
        range(count), [str(place + 1) for place in range(count)], fontsize=min(small, 5.5, 200 / max(count, 1))
    )
    written = [f"{label.name}  {place + 1}" if names else str(place + 1) for place, label in enumerate(methods)]
    axis.set_yticks(range(count), written, fontsize=small)
    axis.tick_params(length=0, pad=1.5)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _shade(p: float, advantage: float) -> str:
    if not p < _BINS[-1] or not abs(advantage) > 0:
        return _SAME
    return (_BETTER if advantage > 0 else _WORSE)[sum(p >= edge for edge in _BINS)]


def _p_text(p: float) -> str:
    if np.isnan(p):
        return "–"
    return "<.001" if p < 0.001 else f"{p:.3f}"[1:] if p < 0.0995 else "1" if p >= 0.995 else f"{p:.2f}"[1:]


def _p_legend(figure: Any) -> None:
    from matplotlib.patches import Patch

    words = ("p < .001", "p < .01", "p < .05")
    handles = [Patch(color=shade, label=f"row better, {word}") for shade, word in zip(_BETTER, words, strict=True)]
    handles += [Patch(color=shade, label=f"row worse, {word}") for shade, word in zip(_WORSE, words, strict=True)]
    handles.append(Patch(color=_SAME, label="p ≥ .05"))
    order = [0, 3, 1, 4, 2, 5, 6]
    figure.legend(handles=[handles[at] for at in order], loc="outside lower center", ncols=4, frameon=False,
                  fontsize=SMALL_POINT, handlelength=1.2, columnspacing=1.4)  # fmt: skip


def case_map(values: Floats, cases: Sequence[str], methods: Sequence[Label], *, healthy: int = 0) -> Any:
    """Return Dice of every case (a line each) and method (a column each); what is NaN is crossed out.

    Args:
        values: (cases, methods), 0 to 1.
        cases: what stands beside each line.
        methods: the columns.
        healthy: how many of the last lines are heads without hemorrhage; a rule is drawn above them.
    """
    count, columns = values.shape
    cell = float(np.clip(8.4 / max(count, 1), 0.036, 0.17))
    every = int(np.ceil(0.085 / cell))
    with drawing():
        names = max((len(label.name) for label in methods), default=0)
        wide = min(WIDTH_IN, max(3.6, 1.6 + 0.7 * columns))
        figure = new_figure(wide, count * cell + 0.055 * names + 0.75)
        axis = figure.subplots()
        image = axis.pcolormesh(
            np.arange(columns + 1) - 0.5, np.arange(count + 1) - 0.5, np.ma.masked_invalid(values), cmap="cividis",
            vmin=0, vmax=1, rasterized=count * columns > 2500,
        )  # fmt: skip
        gone = np.argwhere(np.isnan(values))
        if len(gone):
            axis.plot(gone[:, 1], gone[:, 0], "x", color=colour("warn"), markersize=max(2.0, min(4.0, cell * 30)))
        if 0 < healthy < count:
            axis.axhline(count - healthy - 0.5, color=colour("warn"), linewidth=1.2)
        axis.set_ylim(count - 0.5, -0.5)
        axis.set_xlim(-0.5, columns - 0.5)
        small = min(SMALL_POINT, cell * every * 62)
        axis.set_yticks(range(0, count, every), cases[::every], fontsize=small)
        axis.xaxis.tick_top()
        upright = 90 if columns > 1 else 0
        fitting = min(SMALL_POINT, 250 / max(columns, 20))
        axis.set_xticks(range(columns), [label.name for label in methods], rotation=upright, fontsize=fitting)
        axis.tick_params(length=0, pad=2)
        bar = figure.colorbar(image, ax=axis, location="bottom", aspect=45, pad=0.02, shrink=0.7)
        bar.set_label("Dice of a volume", fontsize=SMALL_POINT)
        bar.outline.set_visible(False)
    return figure
