"""Which of many pairs of methods differ, when all are tested at once: step-down max-T, and Holm beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ich_bench.statistics.samples import SLACK, Status, Values, complete
from ich_bench.statistics.signs import DRAWS, SignVectors, fixed_point

BLOCK_ROWS = 8192  # draws in work at once: a few lines of this many floats stay in the processor's cache


@dataclass(frozen=True, kw_only=True)
class MaxT:
    """Every pair of K methods tested on the same volumes.

    `p_adjusted`, `p_raw` and `mean_difference` are (K, K); entry [i, j] is about method i minus method j, p-values are
    two-sided and symmetric, with 1 on the diagonal. A method that takes no part has NaN in its row and column, and its
    entry of `status` says why. `n` counts the volumes, `draws` the sign vectors, `pairs` the family: those pairs whose
    scores are not equal on every volume.
    """

    p_adjusted: Values
    p_raw: Values
    mean_difference: Values
    n: int
    draws: int
    exact: bool
    pairs: int
    status: tuple[Status, ...]


def max_t(scores: ArrayLike, *, rng: np.random.Generator, draws: int = DRAWS, block_rows: int = BLOCK_ROWS) -> MaxT:
    """Return the paired sign-flip test of every pair of methods, with step-down max-T adjusted p-values.

    `scores` is (cases × methods). One sign vector a draw is shared by all pairs: with Y the signed column sums,
    T_ij = |Y_i − Y_j| / sqrt(sum of squared differences), and a pair's adjusted p counts the draws in which the largest
    T* among it and all less significant pairs reaches its T; adjusted p never falls from one pair to the next. Up to 14
    cases all sign vectors are used, above `draws` of them, p = (b + 1) / (draws + 1). Two methods with equal scores
    (within 1e-12) have p = 1 and their pair takes no part, so copies of a row cost nobody anything.

    The result depends on the rng's seed and on the order of the cases (sort by case id), never on the order of the
    methods, on `block_rows` or on the number of threads. Memory: about 8 · K · block_rows bytes and 200 for each pair.

    Sources: Westfall & Young, Resampling-Based Multiple Testing (1993), step-down max-T; Romano & Wolf, JASA 100 (2005)
    94-108, who show that the step-down procedure controls the family-wise error under any dependence of the statistics.
    """
    table, finite, statuses = complete(scores)
    n, count = table.shape
    places = np.flatnonzero(finite)
    p_adjusted, p_raw, mean_difference = (np.full((count, count), np.nan) for _ in range(3))
    if not places.size:
        return MaxT(
            p_adjusted=p_adjusted,
            p_raw=p_raw,
            mean_difference=mean_difference,
            n=n,
            draws=0,
            exact=False,
            pairs=0,
            status=statuses,
        )
    known = table[:, places]
    means = known.mean(axis=0)
    inside = np.ix_(places, places)
    mean_difference[inside] = means[:, None] - means[None, :]
    p_adjusted[inside] = p_raw[inside] = 1.0

    signs = SignVectors.draw(n, rng=rng, draws=draws)
    whole = fixed_point(known)
    left, right, norm = _different_pairs(whole)
    total = whole.sum(axis=0)
    observed = np.abs(total[left] - total[right]) / norm
    least_first = np.argsort(observed, kind="stable")
    left, right = left[least_first], right[least_first]
    scale, threshold = 1 / norm[least_first], observed[least_first] - SLACK
    alone, largest = _count_draws(whole, signs, left, right, scale, threshold, block_rows)
    raw, adjusted = signs.p_values(alone), signs.p_values(largest)
    adjusted = np.maximum.accumulate(adjusted[::-1])[::-1]  # from the most significant on, p never falls
    for matrix, line in ((p_raw, raw), (p_adjusted, adjusted)):
        matrix[places[left], places[right]] = matrix[places[right], places[left]] = line
    return MaxT(
        p_adjusted=p_adjusted,
        p_raw=p_raw,
        mean_difference=mean_difference,
        n=n,
        draws=signs.count,
        exact=signs.exact,
        pairs=len(left),
        status=statuses,
    )


def _different_pairs(whole: Values) -> tuple[NDArray[np.intp], NDArray[np.intp], Values]:
    """Return the pairs of methods that differ on any case, and the root of their summed squared differences."""
    rows = np.ascontiguousarray(whole.T)
    left, right, norm = [], [], []
    for first in range(len(rows) - 1):
        squares = np.square(rows[first + 1 :] - rows[first]).sum(axis=1)
        different = np.flatnonzero(squares)
        left.append(np.full(len(different), first))
        right.append(different + first + 1)
        norm.append(np.sqrt(squares[different]))
    if not left:
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0)
    return np.concatenate(left), np.concatenate(right), np.concatenate(norm)


def _count_draws(
    whole: Values,
    signs: SignVectors,
    left: NDArray[np.intp],
    right: NDArray[np.intp],
    scale: Values,
    threshold: Values,
    block_rows: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return per pair in how many draws its own T*, and the largest T* of all pairs up to it, reach the threshold.

    The pairs come least significant first, so one running maximum over them serves every pair. One pair after the
    other, each over a block of draws that stays in cache, is faster than larger blocks that do not.
    """
    alone, largest = np.zeros(len(left), np.int64), np.zeros(len(left), np.int64)
    pairs = list(zip(left.tolist(), right.tolist(), scale.tolist(), threshold.tolist(), strict=True))
    for block in signs.blocks(values=len(whole), rows=block_rows):
        sums = np.ascontiguousarray((block @ whole).T)
        t, running = np.empty(len(block)), np.zeros(len(block))
        reached = np.empty(len(block), dtype=np.bool_)
        for place, (first, second, times, least) in enumerate(pairs):
            np.subtract(sums[first], sums[second], out=t)
            np.abs(t, out=t)
            np.multiply(t, times, out=t)
            np.greater_equal(t, least, out=reached)
            alone[place] += np.count_nonzero(reached)
            np.maximum(running, t, out=running)
            np.greater_equal(running, least, out=reached)
            largest[place] += np.count_nonzero(reached)
    return alone, largest


def holm(p: ArrayLike) -> Values:
    """Return Holm's step-down adjusted p-values, in the order and shape given.

    NaN stays NaN and does not count in the family. Give the pairs once: the upper triangle of a symmetric matrix.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.
    """
    values = np.asarray(p, dtype=np.float64)
    adjusted = np.full(values.size, np.nan)
    known = np.flatnonzero(~np.isnan(values.ravel()))
    order = known[np.argsort(values.ravel()[known], kind="stable")]
    steps = np.arange(len(order), 0, -1) * values.ravel()[order]
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted.reshape(values.shape)
