"""What do all charts share: the colours of a ground, names that tell rows apart, sizes by their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt

from ich_bench.board.model import Row
from ich_bench.escape import printable
from ich_bench.report.labelled import declared, level_text
from ich_bench.report.style import ROLES, supervision_order
from ich_bench_app.look import KIND, SHAPE

# From p < 0.001 to p < 0.05: better in blues, worse in oranges, as in the reports; readable on white and on near-black.
BETTER = ("#123f78", "#3f7fc4", "#a5cbed")
WORSE = ("#8a3c04", "#d9781d", "#f6c795")
_SAME = ("#e8e6e1", "#343a42")
FIRST, SECOND = ("#0072B2", "#56B4E9"), ("#D55E00", "#E69F00")  # Okabe and Ito's, by ground


_ORIENTATION = {"calibration": KIND["calibration"], "ceiling": KIND["ceiling"]}
_LEVEL_OF = {level_text(name): name for name in sorted([*SHAPE, ""], key=supervision_order)}
# What a mark says by its shape, in the legend's order: the level of supervision, or that a row is for orientation.
LEVELS: Mapping[str, str] = {
    **{text: SHAPE.get(name, "cross") for text, name in _LEVEL_OF.items()},
    **dict.fromkeys(_ORIENTATION.values(), "stroke"),
}


def level(row: Row) -> str:
    """Return the key of LEVELS of a row."""
    found = _ORIENTATION.get(row.kind) or level_text(declared(row))
    return found if found in LEVELS else level_text("")


def level_scale(levels: Sequence[str], *, dark: bool) -> alt.Scale:
    """Return the colours of some of LEVELS."""
    return alt.Scale(domain=list(levels), range=[shade(_LEVEL_OF.get(name) or "muted", dark=dark) for name in levels])


def shade(role: str, *, dark: bool) -> str:
    """Return the colour of a role of the reports on a ground; that of quiet text for an unknown role."""
    return ROLES[role if role in ROLES else "muted"][dark]


def same(*, dark: bool) -> str:
    """Return the colour of a cell that says nothing."""
    return _SAME[dark]


def names(slugs: Sequence[str]) -> Mapping[str, str]:
    """Return a name for the eye a slug: what does not print written out, no two alike."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for slug in slugs:
        base = printable(slug)
        name, number = base, 2
        while name in taken:
            name, number = f"{base} ({number})", number + 1
        taken.add(name)
        found[slug] = name
    return found


def line_px(count: int) -> int:
    """Return the height of a line of a chart with so many lines."""
    return 30 if count <= 8 else 24 if count <= 30 else 18 if count <= 80 else 14


def names_axis(label_px: float = 12, longest_px: float = 150) -> alt.Axis:
    """Return an axis of names: no title, no ticks, every one shown, cut where a telephone needs the room."""
    return alt.Axis(
        title=None,
        ticks=False,
        domain=False,
        grid=False,
        labelLimit=longest_px,
        labelOverlap=False,
        labelPadding=8,
        labelFontSize=label_px,
    )


def numbers_axis(count: int) -> alt.Axis:
    """Return an axis of numbers over so many columns, from which numbers are dropped that would touch."""
    return alt.Axis(
        orient="top", title=None, ticks=False, domain=False, labelAngle=0, labelOverlap=True, labelSeparation=1,
        labelFontSize=12 if count <= 12 else 9,
    )  # fmt: skip


AHEAD = ("▲ A better", "▼ B better", "equal")


def ahead_scale(*, dark: bool) -> alt.Scale:
    """Return the colours of who is ahead on a case."""
    return alt.Scale(domain=list(AHEAD), range=[FIRST[dark], SECOND[dark], shade("muted", dark=dark)])


def apart(values: Sequence[float], gap: float) -> list[float]:
    """Return where labels stand that belong beside values: in their order, at least `gap` apart, pushed upwards."""
    order = sorted(range(len(values)), key=lambda at: (values[at], at))
    found = [0.0] * len(values)
    last = float("-inf")
    for at in order:
        last = found[at] = max(values[at], last + gap)
    return found
