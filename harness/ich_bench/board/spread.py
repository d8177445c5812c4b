"""How is a metric spread over the volumes of each subtype, size and thickness: boxes and the points behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ich_bench.board.model import CaseScores, Floats
from ich_bench.board.strata import parts
from ich_bench.tables.describe import Stat, describe

LEAST_FOR_A_BOX = 5  # volumes: quartiles of fewer say nothing
LEAST_TO_TRUST = 10  # volumes: what rests on fewer is shown in grey
_REACH = 1.5  # Tukey's whiskers, in distances of the quartiles


@dataclass(frozen=True, kw_only=True, eq=False)
class Box:
    """One row on the volumes of a group: `stat`, Tukey's whiskers (`low`, `high`), and each volume's value.

    `cases` are indices into `CaseScores.cases`, with `values` beside them; volumes without a value are left out. The
    whiskers end at the outermost values within 1.5 quartile distances of the box, NaN without a finite value.
    """

    slug: str
    stat: Stat
    low: float
    high: float
    cases: tuple[int, ...]
    values: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """The volumes with ICH that share a trait; `unknown` says why where nobody here can say which they are."""

    by: str
    name: str
    volumes: int
    boxes: tuple[Box, ...]
    unknown: str = ""


def groups(scores: CaseScores, by: str, metric: str, slugs: Sequence[str]) -> tuple[Group, ...]:
    """Return all volumes with ICH, then each part of one kind of stratum, with a box for each of the rows.

    Args:
        scores: the board's values.
        by: "subtype", "reference volume" or "slice thickness".
        metric: one of `scores.values`.
        slugs: rows, in the order wanted.

    Empty where no head bleeds. KeyError for an unknown metric, ValueError for an unknown row.
    """
    if not scores.has_ich.any():
        return ()
    columns = [scores.values[metric][:, scores.slugs.index(slug)] for slug in slugs]
    found = [("all ICH", scores.has_ich, "")]
    found += [(part.name, part.inside, part.unknown) for part in parts(scores) if part.by == by]
    return tuple(
        Group(
            by=by,
            name=name,
            volumes=int(inside.sum()),
            boxes=() if unknown else tuple(_box(slug, one, inside) for slug, one in zip(slugs, columns, strict=True)),
            unknown=unknown,
        )
        for name, inside, unknown in found
    )


def _box(slug: str, column: Floats, inside: np.ndarray) -> Box:
    places = np.flatnonzero(inside & ~np.isnan(column))
    values = column[places]
    stat = describe(values)
    finite = values[np.isfinite(values)]
    reach = _REACH * (stat.q3 - stat.q1) if np.isfinite([stat.q1, stat.q3]).all() else np.inf
    near = finite[(finite >= stat.q1 - reach) & (finite <= stat.q3 + reach)] if finite.size else finite
    return Box(
        slug=slug,
        stat=stat,
        low=float(near.min()) if near.size else float("nan"),
        high=float(near.max()) if near.size else float("nan"),
        cases=tuple(places.tolist()),
        values=values,
    )
