"""Which number did each case get, under one training budget: the rows of a score table, one value a case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ich_bench.board.model import Floats
from ich_bench.cases import SUBTYPES
from ich_bench.metrics.profiles import PROFILES
from ich_bench.submissions.publish import DECIMALS, metric_columns
from ich_bench.tables.describe import Share, share

FACTS = ("volume_ref_ml", "spacing_z_mm", *SUBTYPES)
NO_SEED = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """One training budget of one score table, a value a case in the order of `cases`.

    `values` maps a metric to an array over the cases: the mean over training runs (and over the several folds of a
    scheme that trains on one fold), undefined predictions left out. `by_seed` maps it to (seeds, cases). `voxels`
    counts those of the reference, NaN where the file withholds them.
    """

    budget: str | None
    cases: tuple[str, ...]
    seeds: tuple[int, ...]
    has_ich: NDArray[np.bool_]
    fold: NDArray[np.int64]
    facts: Mapping[str, Floats]
    voxels: Floats
    values: Mapping[str, Floats]
    by_seed: Mapping[str, Floats]
    empty: Floats
    missing: Floats
    sensitivity: Share | None
    specificity: Share | None


def scored(table: pa.Table, profile: str, *, coarse: bool = False) -> Iterator[Scored]:
    """Yield each training budget of a score table, all the training data first; rows may come in any order.

    `coarse` rounds what a file of metrics holds to its four decimals.
    """
    budgets = np.array([name or "" for name in table.column("budget").to_pylist()], dtype=object)
    for name in sorted(set(budgets)):
        yield _scored(table.filter(pa.array(budgets == name)), profile, name or None, coarse=coarse)


def _scored(table: pa.Table, profile: str, budget: str | None, *, coarse: bool) -> Scored:
    ids = table.column("case_id").to_pylist()
    cases = tuple(sorted(set(ids)))
    place = {case_id: number for number, case_id in enumerate(cases)}
    case = np.array([place[one] for one in ids], dtype=np.int64)
    seed = _whole(table, "seed")
    fold = _whole(table, "fold")
    order = np.lexsort((fold, seed, case))  # the same sums in the same order, however the rows are shuffled
    case, seed, fold = case[order], seed[order], fold[order]
    first = np.searchsorted(case, np.arange(len(cases)))
    columns = {name: _floats(table, name)[order] for name in PROFILES[profile].columns}
    if coarse:
        columns |= {name: np.round(columns[name], DECIMALS) for name in metric_columns(profile)}
    status = np.array(table.column("status").to_pylist(), dtype=object)[order]
    has_ich = np.array(table.column("has_ich").to_pylist(), dtype=np.bool_)[order]
    columns |= _derived(columns, status, has_ich)
    seeds = tuple(int(one) for one in np.unique(seed) if one != NO_SEED)
    hit, missed = (_floats(table, name)[order] for name in ("tp", "fn"))
    called = np.where(status == "missing", ~has_ich, status == "scored").astype(np.float64)
    patients = np.array(table.column("patient_id").to_pylist(), dtype=object)[order]
    both = len(set(has_ich.tolist())) == 2
    return Scored(
        budget=budget,
        cases=cases,
        seeds=seeds,
        has_ich=has_ich[first],
        fold=fold[first],
        facts={
            name: _known(_floats(table, name)[order], first, len(case))
            if name in table.column_names
            else np.full(len(cases), np.nan)
            for name in FACTS
        },
        voxels=_known(hit + missed, first, len(case)),
        values={name: _mean(column, case, len(cases)) for name, column in columns.items()},
        by_seed={
            name: np.array([_mean(column[seed == one], case[seed == one], len(cases)) for one in seeds])
            for name, column in columns.items()
        }
        if len(seeds) > 1
        else {},
        empty=_mean((status == "empty_prediction").astype(np.float64), case, len(cases)),
        missing=_mean((status == "missing").astype(np.float64), case, len(cases)),
        sensitivity=_called(patients, seed, fold, has_ich, called, ich=True) if both else None,
        specificity=_called(patients, seed, fold, has_ich, called, ich=False) if both else None,
    )


def _derived(
    columns: Mapping[str, Floats], status: NDArray[np.object_], has_ich: NDArray[np.bool_]
) -> dict[str, Floats]:
    """Return what follows from the status: `clean` on healthy heads, `precision_nonempty` where anything is predicted.

    A mask on a healthy head is clean when it is empty; a missing one is not.
    """
    derived = {"clean": np.where(has_ich, np.nan, (status == "empty_prediction").astype(np.float64))}
    if "precision" in columns:
        derived["precision_nonempty"] = np.where(status == "scored", columns["precision"], np.nan)
    return derived


def _called(
    patients: NDArray[np.object_],
    seed: NDArray[np.int64],
    fold: NDArray[np.int64],
    has_ich: NDArray[np.bool_],
    called: Floats,
    *,
    ich: bool,
) -> Share:
    """Return the share of patients called rightly; a patient of several scans is called when one of them is."""
    scans: dict[tuple[str, int, int], tuple[bool, float]] = {}
    for key, sick, yes in zip(zip(patients, seed, fold, strict=True), has_ich, called, strict=True):
        before = scans.get(key, (False, 0.0))
        scans[key] = (before[0] or bool(sick), max(before[1], float(yes)))
    runs: dict[str, list[float]] = {}
    for (patient, _, _), (sick, yes) in scans.items():
        if sick == ich:
            runs.setdefault(patient, []).append(yes if ich else 1 - yes)
    return share(np.array([np.mean(one) for one in runs.values()], dtype=np.float64))


def _mean(column: Floats, case: NDArray[np.int64], cases: int) -> Floats:
    """Return the mean of each case's values that are defined; NaN where none is. A mean over inf is inf."""
    known = ~np.isnan(column)
    count = np.bincount(case[known], minlength=cases)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = np.bincount(case[known], weights=column[known], minlength=cases) / count
    return mean


def _known(column: Floats, first: NDArray[np.int64], rows: int) -> Floats:
    """Return the largest known value of each case (a case has but one), NaN where every one is withheld."""
    filled = np.where(np.isnan(column), -np.inf, column)
    found = np.maximum.reduceat(filled, first) if rows else filled
    return np.where(np.isneginf(found), np.nan, found)


def _floats(table: pa.Table, name: str) -> Floats:
    column = table.column(name).cast(pa.float64()) if table.column(name).type != pa.bool_() else None
    if column is None:
        return np.array([np.nan if one is None else float(one) for one in table.column(name).to_pylist()])
    values: Floats = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return values


def _whole(table: pa.Table, name: str) -> NDArray[np.int64]:
    return np.array([NO_SEED if one is None else int(one) for one in table.column(name).to_pylist()], dtype=np.int64)


def on_cases(values: Floats, mine: Sequence[str], cases: Sequence[str]) -> Floats:
    """Return values over `mine` as values over `cases`, NaN where mine has none; the last axis is that of cases."""
    place = {case_id: number for number, case_id in enumerate(mine)}
    found = np.array([place.get(case_id, -1) for case_id in cases], dtype=np.int64)
    if not len(mine):
        return np.full((*values.shape[:-1], len(cases)), np.nan)
    return np.where(found >= 0, values[..., np.maximum(found, 0)], np.nan)
