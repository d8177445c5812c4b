"""Would another ε in Dice have ranked the same masks otherwise: mean Dice with every ε, from the voxel counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import rankdata

from ich_bench.board.model import Board, Floats
from ich_bench.errors import IchBenchError
from ich_bench.statistics import kendall_tau_b

STEPS = tuple(step / 20 for step in range(21))  # 0, 0.05, … 1 voxel
OWN = 1.0  # the benchmark's ε (Spahr 2023)


@dataclass(frozen=True, kw_only=True, eq=False)
class Counts:
    """The voxel counts of one row's predictions: arrays (predictions,), one a case and training run.

    `case` numbers the case of each prediction. Counts are NaN where the mask is missing or the file withholds them.
    """

    slug: str
    case: NDArray[np.int64]
    tp: Floats
    fp: Floats
    fn: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class EpsilonRanks:
    """Mean Dice and the order by it for each ε: a description, without a test.

    `mean`, `ranks` and `n` are (steps, methods): mean Dice over the cohort, its rank (1 is the largest mean, equal
    means share the smallest rank), and the cases with a value (0/0, a healthy head left empty with ε = 0, has none).
    `tau` is Kendall's τ-b of each step's order against that with ε = 1; NaN for fewer than two methods.
    `missing` maps a row without counts to the reason.
    """

    cohort: str
    epsilons: tuple[float, ...]
    slugs: tuple[str, ...]
    mean: Floats
    ranks: Floats
    n: NDArray[np.int64]
    tau: Floats
    missing: dict[str, str]


def epsilon_ranks(board: Board, cohort: str, epsilons: Sequence[float] = STEPS) -> EpsilonRanks:
    """Return mean Dice of the ranked rows with each ε on `ich` or `all`, read from their score files.

    Dice is (2TP + ε)/(2TP + FP + FN + ε) of each mask, averaged over the training runs of a case, then over the cases,
    as the board's own. Rows whose file withholds the counts stand in `missing`. Files that have gone raise no error:
    their rows are missing too.
    """
    place = {case_id: number for number, case_id in enumerate(board.scores.cases)}
    found: list[Counts] = []
    missing: dict[str, str] = {}
    for row in board.rows:
        if not row.ranked or row.submission is None:
            continue
        file = row.submission.score_file(board.dataset, board.scheme, board.profile)
        try:
            counts = None if file is None else _counts(row.slug, file.table(), place)
        except (IchBenchError, OSError) as fault:
            missing[row.slug] = f"its score file cannot be read now: {fault}"
            continue
        if counts is None or np.isnan(counts.tp + counts.fp + counts.fn).any():
            missing[row.slug] = "its score file withholds the voxel counts"
        else:
            found.append(counts)
    return ranks_of(found, board.scores.of(cohort), cohort=cohort, epsilons=epsilons, missing=missing)


def ranks_of(
    rows: Sequence[Counts],
    inside: NDArray[np.bool_],
    *,
    cohort: str,
    epsilons: Sequence[float] = STEPS,
    missing: dict[str, str] | None = None,
) -> EpsilonRanks:
    """Return the same from counts; `inside` says which cases (by number) belong to the cohort."""
    steps = [*epsilons, OWN]
    mean = np.full((len(steps), len(rows)), np.nan)
    n = np.zeros((len(steps), len(rows)), dtype=np.int64)
    for column, one in enumerate(rows):
        for line, epsilon in enumerate(steps):
            mean[line, column], n[line, column] = _mean_dice(one, inside, epsilon)
    own = mean[-1]
    ranks = np.array([_ranks(line) for line in mean]).reshape(mean.shape)
    tau = np.array([kendall_tau_b(line, ranks[-1]) if len(own) > 1 else np.nan for line in ranks[:-1]])
    return EpsilonRanks(
        cohort=cohort,
        epsilons=tuple(epsilons),
        slugs=tuple(one.slug for one in rows),
        mean=mean[:-1],
        ranks=ranks[:-1],
        n=n[:-1],
        tau=tau,
        missing=missing or {},
    )


def _mean_dice(one: Counts, inside: NDArray[np.bool_], epsilon: float) -> tuple[float, int]:
    with np.errstate(invalid="ignore"):
        dice = (2 * one.tp + epsilon) / (2 * one.tp + one.fp + one.fn + epsilon)
    known = ~np.isnan(dice)
    runs = np.bincount(one.case[known], minlength=len(inside))
    summed = np.bincount(one.case[known], weights=dice[known], minlength=len(inside))
    held = (runs > 0) & inside
    return (float((summed[held] / runs[held]).mean()), int(held.sum())) if held.any() else (float("nan"), 0)


def _ranks(means: Floats) -> Floats:
    ranks = np.full(means.shape, np.nan)
    known = ~np.isnan(means)
    ranks[known] = rankdata(-np.round(means[known], 12), method="min")
    return ranks


def _counts(slug: str, table: pa.Table, place: Mapping[str, int]) -> Counts:
    """Return the counts of the run on all the training data; cases that the board does not show are left out."""
    case = np.array([place.get(one, -1) for one in table.column("case_id").to_pylist()], dtype=np.int64)
    kept = np.array([not name for name in table.column("budget").to_pylist()], dtype=np.bool_) & (case >= 0)
    tp, fp, fn = (
        table.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)[kept] for name in ("tp", "fp", "fn")
    )
    return Counts(slug=slug, case=case[kept], tp=tp, fp=fp, fn=fn)
