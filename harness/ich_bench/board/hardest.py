"""Which heads are hard, and on which do the methods differ most?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ich_bench.board.model import Board, Floats
from ich_bench.board.pairs import judged, sign_of
from ich_bench.cases import SUBTYPES

ORDERS = ("hardest", "fold")


@dataclass(frozen=True, kw_only=True)
class CaseLine:
    """One case over the measured methods in one metric; NaN where no method has a value.

    `n` counts the methods with a value. `spread` is highest minus lowest (0 for one method); `best` and `worst` are
    slugs ("" where there is none). For a metric that is best at 0, `mean` and the order go by its size. `empty` and
    `missing` count methods, fractional where training runs disagree.
    """

    case_id: str
    fold: int
    has_ich: bool
    volume_ref_ml: float
    subtypes: tuple[str, ...]
    n: int
    mean: float
    lowest: float
    highest: float
    spread: float
    best: str
    worst: str
    empty: float
    missing: float


def case_lines(board: Board, cohort: str, metric: str, *, order: str = "hardest") -> tuple[CaseLine, ...]:
    """Return the cases of a cohort, hardest first or in the order of the fold file (`order`: one of ORDERS).

    Hard is what the measured methods together do badly on: their mean; rows of calibration and ceiling do not count.
    Cases of equal difficulty keep the order of the fold file, and so do all cases of a metric that is a description.
    Cases on which no method has a value come last.
    """
    scores = board.scores
    inside = np.flatnonzero(scores.of(cohort)) if len(scores.cases) else np.array([], dtype=np.int64)
    columns = np.array([scores.slugs.index(row.slug) for row in board.measured], dtype=np.int64)
    values = judged(scores.values[metric][np.ix_(inside, columns)], metric) if metric in scores.values else None
    if values is None or not columns.size:
        return ()
    known = ~np.isnan(values)
    sign = sign_of(metric)
    slugs = [scores.slugs[column] for column in columns]
    lines = [
        _line(board, int(case), values[place][known[place]], np.flatnonzero(known[place]), slugs, columns, sign)
        for place, case in enumerate(inside)
    ]
    if order == "fold" or not sign:
        return tuple(lines)
    return tuple(sorted(lines, key=lambda line: math.inf if math.isnan(line.mean) else sign * round(line.mean, 12)))


def _line(board: Board, case: int, values: Floats, at: NDArray[np.int64], slugs: Sequence[str],
          columns: NDArray[np.int64], sign: int) -> CaseLine:  # fmt: skip
    scores = board.scores
    some = bool(values.size)
    lowest, highest = (float(values.min()), float(values.max())) if some else (math.nan, math.nan)
    first, last = (int(at[values.argmin()]), int(at[values.argmax()])) if some else (-1, -1)
    best, worst = (last, first) if sign >= 0 else (first, last)
    return CaseLine(
        case_id=scores.cases[case],
        fold=int(scores.fold[case]),
        has_ich=bool(scores.has_ich[case]),
        volume_ref_ml=float(scores.facts["volume_ref_ml"][case]),
        subtypes=tuple(name for name in SUBTYPES if scores.facts[name][case] == 1),
        n=int(values.size),
        mean=float(values.mean()) if some else math.nan,
        lowest=lowest,
        highest=highest,
        spread=0.0 if highest == lowest else highest - lowest,
        best=slugs[best] if some else "",
        worst=slugs[worst] if some else "",
        empty=float(np.nansum(scores.empty[case, columns])),
        missing=float(np.nansum(scores.missing[case, columns])),
    )
