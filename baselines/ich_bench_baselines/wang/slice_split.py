"""Wang 2020 read as a split of slices: which slices does a model see, and which model predicts a slice?

The paper's 254 training samples are 80 % of 318 slices, so slices of one head were very likely trained and tested on.
The scheme `wang-slices` of hssayeni is that reading: leaky, marked so wherever it is shown, never ranked. All slices
with hemorrhage are dealt to folds of slices (`ich_bench.folds.slices.deal_slices`), a model is trained for each, and
one mask a case is put together slice by slice:

    80 %  five folds; the model of fold k is trained on the other four and predicts the slices of fold k
    50 %  two folds; the same
    20 %  five folds; the model of fold k is trained on fold k alone; a slice of fold k is predicted by that of k + 1

A slice without hemorrhage is in no fold, and was seen by no model: that of fold (index mod folds) predicts it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ich_bench.errors import IchBenchError, UsageError
from ich_bench.folds.slices import deal_slices
from ich_bench.volume import CT
from ich_bench_baselines.data.guard import Guard
from ich_bench_baselines.data.orient import orientation_of
from ich_bench_baselines.data.pixels import Mask
from ich_bench_baselines.data.streams import Stream
from ich_bench_baselines.job import SLICE_LABELS as LABELS
from ich_bench_baselines.job import Job, by_slices, choice
from ich_bench_baselines.parts import PARTS, read_parts
from ich_bench_baselines.predict import Predictor

SCHEME = "wang-slices"
_FOLDS = {"80": 5, "50": 2, "20": 5}


def is_slice_split(job: Job) -> bool:
    """Return whether the job is one of the leaky scheme; UsageError for its option anywhere else."""
    found = by_slices(job)
    if not found and dict(job.options).get(LABELS, "80") != "80":
        raise UsageError(
            f"--option {LABELS}={choice(job, LABELS)} goes with --scheme {SCHEME}. Patients are split by --scheme "
            "lf80, lf50 or lf20, or by --budget."
        )
    return found


def names(job: Job) -> tuple[str, ...]:
    """Return the names of the models, one a fold of slices: `slices_0` and so on."""
    return tuple(f"slices_{number}" for number in range(_FOLDS[choice(job, LABELS)]))


def dealt(job: Job, index: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return which model predicts each slice with hemorrhage: case id → index in the file (as text) → number."""
    step = 1 if choice(job, LABELS) == "20" else 0
    count = len(names(job))
    found: dict[str, dict[str, int]] = {}
    for (case_id, k), fold in _folds(job, index).items():
        found.setdefault(case_id, {})[str(k)] = (fold + step) % count
    return found


def streams(job: Job, index: pd.DataFrame) -> dict[str, Stream]:
    """Return what each model is trained on; a guard keeps the slices apart that it will predict."""
    fold_of = _folds(job, index)
    if not fold_of:
        raise IchBenchError(f"no slice of {job.dataset} holds hemorrhage: there is nothing to deal.")
    keys = list(zip(index["case_id"].astype(str), index["k"].astype(int), strict=True))
    folds = np.array([fold_of.get(key, -1) for key in keys])
    ids = index["slice_id"].to_numpy(dtype=str)
    alone = choice(job, LABELS) == "20"
    found: dict[str, Stream] = {}
    for number, name in enumerate(names(job)):
        mine = (folds == number) if alone else (folds >= 0) & (folds != number)
        rows = np.flatnonzero(mine).astype(np.int64)
        where = f"the test slices of fold {number} of {job.dataset}/{SCHEME}"
        found[name] = Stream(
            rows=rows,
            positive=np.ones(len(rows), np.bool_),
            guard=Guard(slices=ids[(folds >= 0) & ~mine], where=where),
            about=f"{len(rows)} of {int((folds >= 0).sum())} slices with ICH, patients disregarded (leaky)",
            notes=("Leaky: slices of one head are trained and tested on. Never ranked.",),
        )
    return found


def load_slices(path: Path, load: Callable[[Path, str], Predictor], device: str = "cpu") -> Predictor:
    """Return the predictor of a parts.json of this scheme: of each slice the mask of a model that never saw it.

    It needs to know whose head it is given (`Predictor.of_case`); of a head that is no case of the dataset no model has
    seen anything.
    """
    about, parts = read_parts(path)
    models = [load(Path(parts[name]), device) for name in sorted(parts)]
    table: Mapping[str, Mapping[str, int]] = about.get("dealt", {})
    if not models or not table:
        raise IchBenchError(f"{path} does not say which model predicts which slice. Delete it and train again.")

    def of_case(ct: CT, case_id: str) -> Mask:
        through = orientation_of(ct.geometry).axes[2]
        masks = [model(ct) for model in models]
        found = np.zeros(ct.geometry.shape, np.bool_)
        own = table.get(case_id, {})
        for k in range(ct.geometry.shape[through]):
            at: list[Any] = [slice(None)] * 3
            at[through] = k
            found[tuple(at)] = masks[own.get(str(k), k % len(models))][tuple(at)]
        return found

    key = " + ".join(model.key for model in models)
    return Predictor(key=key, about=about, mask=lambda ct: of_case(ct, ""), of_case=of_case)


def load_any(path: Path, load: Callable[[Path, str], Predictor], device: str = "cpu") -> Predictor:
    """Return the predictor of a checkpoint, or of a parts.json of this scheme."""
    return load_slices(path, load, device) if path.name == PARTS else load(path, device)


def _folds(job: Job, index: pd.DataFrame) -> dict[tuple[str, int], int]:
    """Return the fold of each slice with hemorrhage by the dataset's own label, where it has one, else the mask."""
    ich = index["any"].fillna(index["has_ich"]).to_numpy(dtype=bool)
    positive: dict[str, list[int]] = {}
    for case_id, k in zip(index["case_id"].astype(str)[ich], index["k"].astype(int)[ich], strict=True):
        positive.setdefault(case_id, []).append(k)
    return deal_slices(positive, folds=len(names(job)))


def said(job: Job) -> dict[str, Any]:
    """Return what the manifest says of a leaky split; nothing of any other."""
    if not is_slice_split(job):
        return {}
    return {
        "test_data_seen": "yes",
        "contamination": "Slices of one head are trained and tested on, as very likely in the paper; no slice is "
        "predicted by a model that was trained on it, which is held against the ids of every batch.",
        "label_fraction_percent": int(choice(job, LABELS)),
    }
