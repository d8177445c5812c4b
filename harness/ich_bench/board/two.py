"""Who of two rows is ahead on which subtype, size and thickness."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ich_bench.board.model import Board
from ich_bench.board.pairs import sign_of
from ich_bench.tables.describe import Stat


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """Two rows on one stratum: their means, first minus second, and who is ahead ("first", "second", "" for neither).

    A description: no test stands behind it. `unknown` says why where nobody here can say which volumes these are.
    """

    by: str
    name: str
    volumes: int
    first: float
    second: float
    difference: float
    ahead: str
    unknown: str = ""


def ahead(board: Board, first: str, second: str, metric: str = "dice") -> Iterator[Ahead]:
    """Yield the strata of a board in its order; a metric that strata do not hold gives NaN."""
    for one in board.strata:
        means = [_mean(one.rows.get(slug, {}).get(metric)) for slug in (first, second)]
        difference = means[0] - means[1]
        merit = sign_of(metric) * round(difference, 12) if math.isfinite(difference) else 0.0
        yield Ahead(
            by=one.by,
            name=one.name,
            volumes=one.volumes,
            first=means[0],
            second=means[1],
            difference=difference,
            ahead="first" if merit > 0 else "second" if merit < 0 else "",
            unknown=one.unknown,
        )


def _mean(stat: Stat | None) -> float:
    return math.nan if stat is None else stat.mean
