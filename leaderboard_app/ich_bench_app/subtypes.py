"""How is a metric spread over subtypes, sizes and thicknesses: what the Subtypes page shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ich_bench.board import wording as say
from ich_bench.board.model import Board
from ich_bench.board.spread import LEAST_FOR_A_BOX, LEAST_TO_TRUST, Group, groups
from ich_bench.metrics.suite import COLUMNS
from ich_bench_app import controls, frame, page, pickers
from ich_bench_app.charts import boxes
from ich_bench_app.charts.ground import level, names

KINDS = ("subtype", "reference volume", "slice thickness")
BEST = 6  # methods drawn at first
_CASES_PAGE = "views/cases.py"


def choose_methods(board: Board) -> tuple[str, ...]:
    """Return the rows to draw, by default the first ones of the board, in display order."""
    slugs = [row.slug for row in board.rows]
    best = [row.slug for row in board.measured][:BEST]
    chosen = pickers.many("Methods", slugs, key="methods", default=best, placeholder="choose methods",
                          help=f"At first the {BEST} with the highest mean Dice.")  # fmt: skip
    return chosen or tuple(best)


def drawn(
    board: Board, found: Sequence[Group], slugs: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame, list[str], int]:
    """Return lines, points and labels as `charts.boxes` wants them, and how many infinite values are not drawn."""
    called, levels = names(slugs), {row.slug: level(row) for row in board.rows}
    lines: list[dict[str, Any]] = []
    points: list[pd.DataFrame] = []
    labels: list[str] = []
    beyond = 0
    for group in (one for one in found if not one.unknown):
        title = group.name.upper() if group.by == "subtype" and group.name != "all ICH" else group.name
        counts = sorted({box.stat.n for box in group.boxes})
        n = f"n = {counts[0]}" if len(counts) == 1 else f"n = {counts[0]} to {counts[-1]}"
        few = group.volumes < LEAST_TO_TRUST
        blank = {"method": "", "group": title, "level": "", "few": few, "boxed": False, "n": group.volumes}
        lines.append({"place": len(labels), "heading": f"{title}, {n}", **blank})
        labels.append("")
        for box in group.boxes:
            stat, short = box.stat, box.stat.n < LEAST_TO_TRUST
            lines.append({
                "place": len(labels), "heading": "", "method": called[box.slug], "group": title, "n": stat.n,
                "level": levels[box.slug], "mean": stat.mean, "q1": stat.q1, "median": stat.median, "q3": stat.q3,
                "low": box.low, "high": box.high, "few": short, "boxed": stat.n >= LEAST_FOR_A_BOX,
            })  # fmt: skip
            finite = np.isfinite(box.values)
            beyond += int((~finite).sum())
            even = 2 * (((np.arange(len(box.values)) + 0.809017) * 0.618034) % 1) - 1  # the same every time
            points.append(
                pd.DataFrame(
                    {
                        "place": len(labels),
                        "spread": even,
                        "case": [board.scores.cases[place] for place in box.cases],
                        "value": box.values,
                        "method": called[box.slug],
                        "group": title,
                        "level": levels[box.slug],
                        "few": short,
                    }
                )[finite]
            )
            labels.append(called[box.slug] + ("" if len(counts) == 1 else f" (n = {stat.n})"))
    empty = pd.DataFrame(columns=["place", "spread", "case", "value", "method", "group", "level", "few"])
    kept = [one for one in points if len(one)]
    return pd.DataFrame(lines), pd.concat(kept, ignore_index=True) if kept else empty, labels, beyond


def show(board: Board, by: str, metric: str, slugs: Sequence[str]) -> None:
    """Show the boxes of one kind of strata with their points, or why there are none; a click on a point opens it."""
    found = groups(board.scores, by, metric, slugs)
    if not found:
        st.info(f"{board.dataset} holds no volume with hemorrhage: there is nothing to divide by {by}. "
                "The Healthy heads page shows what is measured here.", icon=":material/info:")  # fmt: skip
        return
    for one in found:
        if one.unknown:
            st.info(f"**{one.by}**: {one.unknown}.", icon=":material/help:")
    lines, points, labels, beyond = drawn(board, found, slugs)
    if points.empty:
        st.info("No volume has a number in this metric for these methods.", icon=":material/info:")
        return
    event = frame.chart(
        partial(_boxes, lines, points, labels, metric),
        name=f"{board.dataset}-{by.replace(' ', '-')}-{metric}",
        alt_text=f"Boxes with points of {metric} on {board.dataset} by {by}, {len(slugs)} methods. {_finding(found)}",
        table=partial(summary, found, slugs),
        selection=boxes.PICKED,
    )
    case = frame.clicked(event, boxes.PICKED, "case")
    if case in board.scores.cases:
        page.go(_CASES_PAGE, {"dataset": board.dataset, "scheme": board.scheme, "cohort": "ich",
                              "metric": metric, "case": str(case)})  # fmt: skip
    more = f" {beyond} infinite values are not drawn." * bool(beyond)
    st.caption(
        f"{controls.about_metric(metric)}. A point is a volume; a click opens it. Box: quartiles, whiskers up to 1.5 "
        f"times their distance, no box below n = {LEAST_FOR_A_BOX}. Line: median; grey line: mean. Pale: fewer than "
        f"{LEAST_TO_TRUST} volumes.{' A volume may hold several subtypes.' * (by == 'subtype')}{more} "
        "Seeds are averaged per volume. A description: no test is made on strata."
    )
    with st.expander("The numbers", icon=":material/table:"):
        st.dataframe(summary(found, slugs), hide_index=True, column_config=_columns(metric),
                     alt="n, mean, SD and quartiles of each method on each kind of volume")  # fmt: skip


def _boxes(lines: pd.DataFrame, points: pd.DataFrame, labels: Sequence[str], metric: str, dark: bool) -> Any:
    unit = metric in COLUMNS and COLUMNS[metric].range == (0.0, 1.0)
    return boxes.boxes(lines, points, labels, unit=unit, title=controls.about_metric(metric).split(",")[0], dark=dark)


def _finding(found: Sequence[Group]) -> str:
    parts = []
    for group in found:
        best = max((box for box in group.boxes if box.stat.n), key=lambda box: box.stat.median, default=None)
        if best is not None:
            parts.append(f"{group.name} (n = {group.volumes}): largest median {say.number(best.stat.median)}")
    return "; ".join(parts) + "." * bool(parts)


def summary(found: Sequence[Group], slugs: Sequence[str]) -> pd.DataFrame:
    """Return a line a group and method: n, mean, SD, median, quartiles."""
    called = names(slugs)
    return pd.DataFrame(
        [
            (group.by, group.name, called[box.slug], box.stat.n, box.stat.mean, box.stat.sd, box.stat.median,
             box.stat.q1, box.stat.q3)
            for group in found for box in group.boxes
        ],
        columns=["by", "volumes", "method", "n", "mean", "SD", "median", "q1", "q3"],
    )  # fmt: skip


def _columns(metric: str) -> dict[str, Any]:
    number = st.column_config.NumberColumn(format=f"%.{say.decimals(metric)}f")
    return dict.fromkeys(("mean", "SD", "median", "q1", "q3"), number)
