"""Where do two tests of the same pairs disagree, and how large a difference could have been found."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ich_bench.board.model import ALPHA, CaseScores, Floats, Pairs
from ich_bench.board.pairs import judged
from ich_bench.statistics import paired_differences

Signs = NDArray[np.int8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdicts:
    """Every pair twice: K × K arrays, entry (i, j) is 1 where i is significantly better than j, -1 worse, else 0.

    `welch` is the uncorrected test of the papers, `paired` the step-down max-T test that ranks. `changed` marks the
    pairs on which they differ. `pairs` counts all of them, `separated_welch`, `separated_paired` and `differ` those
    with a verdict and those that changed. `mdd` is the median over the pairs of the minimal detectable difference.
    """

    welch: Signs
    paired: Signs
    changed: NDArray[np.bool_]
    pairs: int
    separated_welch: int
    separated_paired: int
    differ: int
    mdd: float


def verdicts(found: Pairs) -> Verdicts:
    """Return the verdicts of Welch's test and of the paired one on every pair."""
    merit = found.sign * found.difference
    with np.errstate(invalid="ignore"):
        side = np.nan_to_num(np.sign(merit)).astype(np.int8)
        welch = np.where(found.welch_p < ALPHA, side, 0).astype(np.int8)
        paired = np.where(found.p_max_t < ALPHA, side, 0).astype(np.int8)
    changed = welch != paired
    upper = np.triu_indices(len(found.slugs), 1)
    known = np.array([]) if found.mdd is None else found.mdd[upper][np.isfinite(found.mdd[upper])]
    return Verdicts(
        welch=welch,
        paired=paired,
        changed=changed,
        pairs=len(upper[0]),
        separated_welch=int((welch[upper] != 0).sum()),
        separated_paired=int((paired[upper] != 0).sum()),
        differ=int(changed[upper].sum()),
        mdd=float(np.median(known)) if known.size else math.nan,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class CasePairs:
    """Two rows case by case, on the cases where both have a value; `difference` is first minus second."""

    cases: tuple[str, ...]
    has_ich: NDArray[np.bool_]
    first: Floats
    second: Floats
    difference: Floats


def case_pairs(scores: CaseScores, first: str, second: str, *, cohort: str, metric: str) -> CasePairs:
    """Return the values of two rows on the cases of a cohort that both hold; rvd by its size, as it is judged.

    A case that one of them has not been scored on is left out, as `--common-cases` does. KeyError for an unknown
    metric, ValueError for an unknown row.
    """
    one, other = (judged(scores.values[metric][:, scores.slugs.index(slug)], metric) for slug in (first, second))
    held = scores.of(cohort) & ~(np.isnan(one) | np.isnan(other))
    places = np.flatnonzero(held)
    return CasePairs(
        cases=tuple(scores.cases[place] for place in places),
        has_ich=scores.has_ich[places],
        first=one[places],
        second=other[places],
        difference=paired_differences(one[places], other[places]) if places.size else np.array([]),
    )
