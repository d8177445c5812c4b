"""How is a number, an interval, a rank or a p-value written on a board."""

from __future__ import annotations

import math

from ich_bench.board.model import Row, Standing
from ich_bench.metrics.suite import COLUMNS
from ich_bench.tables.describe import Share, Stat
from ich_bench.tables.layout import NO_BREAK

BLANK = "–"
_DECIMALS = {"": 3, "mm": 1, "mL": 2, "count": 1, "yes/no": 3}


def decimals(metric: str) -> int:
    """Return how many decimals a metric is printed with."""
    return _DECIMALS[COLUMNS[metric].unit] if metric in COLUMNS else 3


def number(value: float, metric: str = "dice", *, sign: bool = False) -> str:
    """Return a value of a metric, "–" where it is undefined; no "-0.000"."""
    if math.isnan(value):
        return BLANK
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    rounded = round(value, decimals(metric)) + 0.0
    return f"{rounded:{'+' if sign else ''}.{decimals(metric)}f}"


def spread(stat: Stat, metric: str) -> str:
    """Return "mean ± SD", or "median [quartiles]" of a metric that is summed up by its median."""
    if not stat.n:
        return BLANK
    if metric in COLUMNS and COLUMNS[metric].summary == "median":
        return together(f"{number(stat.median, metric)} [{number(stat.q1, metric)}, {number(stat.q3, metric)}]")
    return together(f"{number(stat.mean, metric)} ± {number(stat.sd, metric)}")


def interval(low: float, high: float, metric: str, *, sign: bool = False) -> str:
    """Return "[low, high]", "–" where there is none."""
    if math.isnan(low) or math.isnan(high):
        return BLANK
    return together(f"[{number(low, metric, sign=sign)}, {number(high, metric, sign=sign)}]")


def rank(standing: Standing | None) -> str:
    """Return "2 [1–4]": the rank, and in brackets the ranks that the data do not exclude; "–" where there is none."""
    if standing is None or standing.rank is None:
        return BLANK
    return together(f"{standing.rank} [{standing.rank}–{standing.rank_high}]")


def share(found: Share | None) -> str:
    """Return "33/36 92 % [78–97]" with Wilson's interval."""
    if found is None or not found.n:
        return BLANK
    count = f"{found.count:.1f}".removesuffix(".0")
    return together(f"{count}/{found.n} {percent(found.share)} % [{percent(found.low)}–{percent(found.high)}]")


def percent(value: float) -> str:
    """Return a share as whole percents."""
    return BLANK if math.isnan(value) else f"{100 * value:.0f}"


def p_value(value: float) -> str:
    """Return a p-value with three decimals, "<.001" below."""
    if math.isnan(value):
        return BLANK
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def name(row: Row) -> str:
    """Return what a row is called in a table: its slug, with a mark where it is not ranked."""
    return row.slug if row.ranked or row.kind != "measured" else f"{row.slug} *"


def together(text: str) -> str:
    """Return text at which no line is broken."""
    return text.replace(" ", NO_BREAK)
