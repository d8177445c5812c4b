"""What is wrong with a committed score file by itself: its provenance, folds, cases, ranges, and sums?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ich_bench.errors import IchBenchError, Problem
from ich_bench.escape import printable
from ich_bench.folds import load_scheme
from ich_bench.metrics.profiles import PROFILES
from ich_bench.metrics.suite import COLUMNS, SUITE
from ich_bench.runs import store
from ich_bench.submissions.model import ScoreFile
from ich_bench.submissions.publish import bleeding, masks_sha256, metric_columns
from ich_bench.submissions.schema import FILE

SLACK = 1e-9  # real numbers of one input agree that closely across machines and library versions
_TOLD = 20
_STATUSES = ("scored", "empty_prediction", "missing")
# Defined on every volume with hemorrhage, whatever was predicted.
_WITH_ICH = (
    "dice", "precision", "recall", "iou", "nsd_2mm", "nsd_1mm", "nsd_0p42mm", "hd95", "hd100", "assd", "rvd", "abs_rvd",
    "detected",
)  # fmt: skip


def own_faults(file: ScoreFile, slug: str) -> list[Problem]:
    """Return what is wrong with a score file by itself: its provenance, folds, cases, ranges, and sums."""
    where = f"{slug}/scores/{file.path.name}"
    try:
        table = file.table()
        about, rows = store.provenance(table), table.to_pylist()
    except IchBenchError as fault:
        return [Problem(where=where, what=str(fault))]
    if file.suite != SUITE:
        what = f"was scored under suite {file.suite}; this version checks suite {SUITE}."
        return [Problem(where=where, what=what, mend="Score the predictions again, then submit them again.")]
    told = [
        *_provenance(file, about),
        *_identity(file, rows),
        *_references(file, rows),
        *_ranges(file, rows),
        *_sums(file, rows),
    ]
    more = [f"… and {len(told) - _TOLD} more faults."] if len(told) > _TOLD else []
    return [Problem(where=where, what=what) for what in [*told[:_TOLD], *more]]


def _provenance(file: ScoreFile, about: Mapping[str, Any]) -> Iterator[str]:
    for name in ("suite", "profile", "fold_sha256", "dataset_sha256", "status", "harness"):
        if about.get(name) != getattr(file, name):
            told, listed = printable(str(about.get(name)))[:70], printable(str(getattr(file, name)))[:70]
            yield f"its {name} is {told}; {FILE} says {listed}."
    frozen = load_scheme(file.dataset, file.scheme)
    if file.fold_sha256 != frozen.sha256:
        yield f"was scored on other folds than {file.dataset}/{file.scheme} (sha256 {frozen.sha256[:12]}…)."
    if file.leaky != frozen.leaky:
        yield f"key leaky is {file.leaky}; {file.dataset}/{file.scheme} is {frozen.leaky}."


def _identity(file: ScoreFile, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield which cases, folds and runs are not those of the frozen scheme."""
    frozen = load_scheme(file.dataset, file.scheme)
    folds = {fold: set(frozen.test_cases(fold)) for fold in frozen.folds}
    runs: dict[tuple[Any, Any], list[tuple[int, str]]] = {}
    for row in rows:
        place = f"case {printable(str(row['case_id']))}, fold {row['fold']}"
        if (row["dataset"], row["scheme"]) != (file.dataset, file.scheme):
            yield f"{place}: is a row of {printable(str(row['dataset']))}/{printable(str(row['scheme']))}."
        if row["case_id"] not in folds.get(row["fold"], ()):
            yield f"{place}: {file.dataset}/{file.scheme} does not test it there."
        runs.setdefault((row["budget"], row["seed"]), []).append((row["fold"], row["case_id"]))
    wanted = {(fold, case) for fold, cases in folds.items() for case in cases if fold in file.folds}
    for (budget, seed), listed in runs.items():
        run = ", ".join(f"{n} {v}" for n, v in (("budget", budget), ("seed", seed)) if v is not None) or "its one run"
        twice = sorted({case for case in listed if listed.count(case) > 1})
        if twice:
            yield f"{run} holds case {twice[0][1]} of fold {twice[0][0]} twice."
        lacking = sorted(wanted - set(listed))
        if lacking and file.status != "partial":
            yield f"{run} lacks {len(lacking)} of {len(wanted)} cases (case {lacking[0][1]}), but says it is whole."
    if file.status == "complete" and set(file.folds) != set(frozen.folds):
        yield f"says it is complete, but scores folds {', '.join(map(str, file.folds))} only."
    if file.published == "full" and masks_sha256(rows) != file.masks_sha256:
        yield f"the hashes of its masks are not those that {FILE} was written for."


def _references(file: ScoreFile, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield whose patient, hemorrhage, spacing, status or missing value cannot be: none of these needs the masks."""
    patients = {row.case_id: row.patient_id for row in load_scheme(file.dataset, file.scheme).rows}
    bleeds, native = bleeding(file.dataset), file.profile == "native"
    needed = [name for name in _WITH_ICH if native and name in PROFILES["native"].columns]
    for row in rows:
        place = f"case {printable(str(row['case_id']))}, fold {row['fold']}"
        if row["patient_id"] != patients.get(row["case_id"], row["patient_id"]):
            yield f"{place}: its patient is {patients[row['case_id']]}, not {printable(str(row['patient_id']))}."
        if row["has_ich"] != bleeds.get(row["case_id"], row["has_ich"]):
            yield f"{place}: has_ich is {row['has_ich']}; {file.dataset} says otherwise."
        if row["status"] not in _STATUSES:
            yield f"{place}: status {printable(str(row['status']))!r} is none of {', '.join(_STATUSES)}."
        if row["status"] == "missing" and file.status != "imputed":
            yield f"{place}: its mask is missing, but the file says it is {file.status}."
        lost = [name for name in needed if row["has_ich"] and math.isnan(row[name])]
        if lost:
            yield f"{place}: {', '.join(lost)} cannot be undefined on a volume with hemorrhage."
        if file.published == "metrics" or not native or row["tp"] is None:
            continue
        if row["has_ich"] != (row["tp"] + row["fn"] > 0):
            yield f"{place}: has_ich is {row['has_ich']}, but the reference has {row['tp'] + row['fn']} voxels."
        if (row["status"] == "empty_prediction") != (row["tp"] + row["fp"] == 0):
            yield f"{place}: status {printable(str(row['status']))}, but the mask has {row['tp'] + row['fp']} voxels."
        if not all(row[f"spacing_{axis}_mm"] > 0 for axis in "xyz"):
            yield f"{place}: a spacing is not above 0 mm."


def _ranges(file: ScoreFile, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    names = metric_columns(file.profile) if file.published == "metrics" else PROFILES[file.profile].columns
    for row in rows:
        for name in names:
            low, high = COLUMNS[name].range
            value = row[name]
            if value is not None and not math.isnan(value) and not low - SLACK <= value <= high + SLACK:
                yield f"case {printable(row['case_id'])}: {name} is {value:g}, outside [{low:g}, {high:g}]."


def _sums(file: ScoreFile, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield overlap metrics that do not follow from the counts beside them."""
    profile = PROFILES[file.profile]
    if file.published == "metrics" or profile.dice_per_slice:
        return
    e = profile.epsilon
    for row in rows:
        tp, fp, fn = row["tp"], row["fp"], row["fn"]
        if tp is None or fp is None or fn is None or row["status"] == "missing" or math.isnan(row["dice"]):
            continue
        sums = {
            "dice": (2 * tp + e, 2 * tp + fp + fn + e),
            "precision": (tp + e, tp + fp + e),
            "recall": (tp + e, tp + fn + e),
            "iou": (tp + e, tp + fp + fn + e),
        }
        for name, (above, below) in sums.items():
            if name in profile.columns and below and abs(row[name] - above / below) > SLACK:
                yield (
                    f"case {printable(row['case_id'])}, fold {row['fold']}: {name} is {row[name]:.6f}, but its counts "
                    f"(tp {tp}, fp {fp}, fn {fn}) give {above / below:.6f}."
                )
