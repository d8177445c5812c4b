"""How far is every row from one of them: the paired differences to a baseline, as the board has tested them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ich_bench.board.model import Board


@dataclass(frozen=True, kw_only=True)
class Delta:
    """One row minus the baseline in a metric's unit, with its paired 95 % t interval and the corrected p.

    `verdict` is "better", "worse" or "not separated": what the board's own test says (step-down max-T over all pairs).
    """

    difference: float
    low: float
    high: float
    p: float
    verdict: str


def against(board: Board, baseline: str, cohort: str, metric: str) -> Mapping[str, Delta]:
    """Return the difference of each ranked row to a baseline, by slug; nothing is tested again.

    Rows that the board has not tested are left out, and so is the baseline; empty where the metric has no tests on the
    cohort, or the baseline is not ranked.
    """
    pairs = board.pairs.get((cohort, metric))
    if pairs is None or baseline not in pairs.slugs:
        return {}
    other = pairs.slugs.index(baseline)
    better = pairs.better
    found = {}
    for place, slug in enumerate(pairs.slugs):
        difference, p = float(pairs.difference[place, other]), float(pairs.p_max_t[place, other])
        if place == other or math.isnan(difference) or math.isnan(p):
            continue
        found[slug] = Delta(
            difference=difference,
            low=float(pairs.low[place, other]),
            high=float(pairs.high[place, other]),
            p=p,
            verdict="better" if better[place, other] else "worse" if better[other, place] else "not separated",
        )
    return found
