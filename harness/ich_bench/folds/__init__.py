"""The frozen folds and training budgets: which case is tested in which fold, and which patients may be trained on."""

from __future__ import annotations

import csv
import hashlib
import io
from functools import cache
from pathlib import Path

from ich_bench.cases import FoldRow, Scheme
from ich_bench.errors import IchBenchError, UsageError, did_you_mean
from ich_bench.folds.table import SCHEMES, SchemeFacts

BUDGETS = (10, 20, 50, 100)
DRAWS = (0, 1, 2)
_HERE = Path(__file__).parent


def schemes_of(dataset_id: str) -> tuple[str, ...]:
    """Return the names of a dataset's fold schemes, the official one first; UsageError for an unknown dataset."""
    return tuple(_facts(dataset_id))


@cache
def load_scheme(dataset_id: str, name: str | None = None) -> Scheme:
    """Return a frozen fold scheme, the official one where no name is given; UsageError lists the known."""
    facts = _facts(dataset_id)
    name = next(iter(facts)) if name is None else name
    if name not in facts:
        raise UsageError(f"{dataset_id} has no fold scheme {name!r}. {did_you_mean(name, facts)}")
    fact = facts[name]
    content = _bytes(dataset_id, f"{name}.csv")
    rows = tuple(
        FoldRow(case_id=row["case_id"], patient_id=row["patient_id"], fold=int(row["fold"]))
        for row in csv.DictReader(io.StringIO(content.decode("ascii")))
    )
    return Scheme(
        dataset=dataset_id,
        name=name,
        rows=rows,
        sha256=hashlib.sha256(content).hexdigest(),
        about=fact.about,
        trains_on_fold=fact.trains_on_fold,
        leaky=fact.leaky,
        validation=_validation(rows, first=fact.validation) if fact.validation else {},
    )


@cache
def load_budget(dataset_id: str, scheme: str | None, fold: int, budget: int, draw: int) -> tuple[str, ...]:
    """Return the case ids that a model of this fold may be trained on at this budget, in fold-file order.

    Budgets are shares in percent of the training patients of the fold, nested (10 within 20 within 50 within 100), in
    three draws; ICH and healthy are drawn apart and at least two heads with ICH are in each. Test folds never change.

    Args:
        dataset_id: A trainable dataset.
        scheme: The dataset's official scheme, or None for it; the others have no frozen budgets.
        fold: From 0.
        budget: One of `BUDGETS`.
        draw: One of `DRAWS`.
    """
    frozen = load_scheme(dataset_id, scheme)
    if fold not in frozen.folds:
        raise UsageError(f"{dataset_id}/{frozen.name} has no fold {fold}; it has {_listed(frozen.folds)}.")
    if budget not in BUDGETS:
        raise UsageError(f"there is no budget of {budget} %; there are {_listed(BUDGETS)}.")
    if draw not in DRAWS:
        raise UsageError(f"there is no draw {draw}; there are {_listed(DRAWS)}.")
    held = _budget_table(dataset_id, frozen.name)[draw, fold]
    return tuple(case_id for case_id in frozen.train_cases(fold) if held[case_id] <= budget)


def budget_sha256(dataset_id: str, scheme: str | None = None) -> str:
    """Return the SHA-256 of the frozen budget file's bytes; UsageError where there is none."""
    return hashlib.sha256(_budget_bytes(dataset_id, load_scheme(dataset_id, scheme).name)).hexdigest()


@cache
def _budget_table(dataset_id: str, scheme: str) -> dict[tuple[int, int], dict[str, int]]:
    table: dict[tuple[int, int], dict[str, int]] = {}
    for row in csv.DictReader(io.StringIO(_budget_bytes(dataset_id, scheme).decode("ascii"))):
        table.setdefault((int(row["draw"]), int(row["fold"])), {})[row["case_id"]] = int(row["budget"])
    return table


def _budget_bytes(dataset_id: str, scheme: str) -> bytes:
    official = schemes_of(dataset_id)[0]
    if not (_HERE / dataset_id / f"{scheme}.budgets.csv").is_file():
        known = [d for d in SCHEMES if (_HERE / d / f"{next(iter(SCHEMES[d]))}.budgets.csv").is_file()]
        raise UsageError(
            f"{dataset_id}/{scheme} has no training budgets: they are frozen for the official schemes of "
            f"{', '.join(known)}" + (f" ({dataset_id}: {official})." if dataset_id in known else ".")
        )
    return _bytes(dataset_id, f"{scheme}.budgets.csv")


def _validation(rows: tuple[FoldRow, ...], *, first: int) -> dict[int, tuple[str, ...]]:
    folds = sorted({row.fold for row in rows})
    return {fold: tuple(row.case_id for row in rows if row.fold != fold)[:first] for fold in folds}


def _facts(dataset_id: str) -> dict[str, SchemeFacts]:
    if dataset_id not in SCHEMES:
        raise UsageError(f"there are no folds for {dataset_id!r}. {did_you_mean(dataset_id, SCHEMES)}")
    return SCHEMES[dataset_id]


def _bytes(dataset_id: str, name: str) -> bytes:
    try:
        return (_HERE / dataset_id / name).read_bytes()
    except OSError as fault:
        raise IchBenchError(f"the fold file {dataset_id}/{name} is absent: install ich-bench again.") from fault


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(str(number) for number in numbers)
