"""How good is a cavity: its Dice, and how much of the reference's hemorrhage lies outside it?"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from ich_bench.cases import Case, Dataset
from ich_bench.errors import IchBenchError
from ich_bench.volume import open_mask
from ich_bench_baselines.data.pixels import Mask
from ich_bench_baselines.data.slice_cases import cavity_file
from ich_bench_baselines.job import Job, predictions_folder, submission_folder, tested

FILE = "cavity-{dataset}.csv"


@dataclass(frozen=True, kw_only=True)
class CavityRow:
    """One head: Dice with the known cavity, and the share of reference ICH outside the predicted one; NaN: none."""

    seed: int
    fold: int
    case_id: str
    dice: float
    ich_lost: float


def report_cavity(jobs: Sequence[Job], dataset: Dataset) -> tuple[CavityRow, ...]:
    """Return one row a head and seed, and write them as cavity-<dataset>.csv into the method's folder."""
    rows = []
    for job in jobs:
        tests = set(tested(job).test_cases(job.fold)) if not job.elsewhere else {case.case_id for case in dataset.cases}
        for case in dataset.cases:
            if case.case_id in tests:
                rows.append(_row(job, dataset, case))
    path = submission_folder(jobs[0]) / FILE.format(dataset=dataset.id)
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([one.name for one in fields(CavityRow)])
            writer.writerows(astuple(row) for row in rows)
    except OSError as fault:
        raise IchBenchError(f"cannot write {path}: {fault.strerror or fault}.") from fault
    return tuple(rows)


def _row(job: Job, dataset: Dataset, case: Case) -> CavityRow:
    predicted = open_mask(predictions_folder(job) / f"{case.case_id}.nii.gz", trusted=True).voxels()
    return CavityRow(
        seed=job.seed,
        fold=job.fold,
        case_id=case.case_id,
        dice=overlap(predicted, _mask(cavity_file(dataset, case), predicted)),
        ich_lost=lost(predicted, _mask(case.reference, predicted)),
    )


def overlap(predicted: Mask, known: Mask | None) -> float:
    """Return 2·|both| / (|one| + |other|); NaN where no cavity is known or both are empty."""
    total = 0 if known is None else int(predicted.sum()) + int(known.sum())
    return math.nan if known is None or not total else 2 * int((predicted & known).sum()) / total


def lost(predicted: Mask, reference: Mask | None) -> float:
    """Return the share of the reference's voxels outside the predicted cavity; NaN where there is no hemorrhage."""
    if reference is None or not reference.any():
        return math.nan
    return int((reference & ~predicted).sum()) / int(reference.sum())


def _mask(path: Path | None, like: Mask) -> Mask | None:
    return (
        None
        if path is None
        else open_mask(path, trusted=True).voxels(expected_shape=(like.shape[0], like.shape[1], like.shape[2]))
    )
