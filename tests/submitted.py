"""Submissions drawn for a test: score files of whole schemes, manifests, and tiny datasets in their native layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from folders import GEOMETRY, Mask, box, empty, lopsided
from ich_bench.datasets import expected
from ich_bench.folds import load_scheme
from ich_bench.runs import store
from ich_bench.submissions.written import toml_value
from ich_bench.volume import write_mask
from scored import row, scores

MANIFEST: Mapping[str, Any] = {
    "method": "Small U-Net", "team": "Us", "licence": "Apache-2.0", "supervision": "supervised",
    "labels_needed": ["voxel"], "regime": "cv", "training_data": ["seg-cq500"], "external_data": [],
    "checkpoint_selection": "last", "postprocessing_chosen_on": "none", "test_data_seen": "no",
}  # fmt: skip


def manifest(**changed: Any) -> str:
    """Return the text of a sound submission.toml with some keys changed; None takes a key away."""
    said = {name: value for name, value in (dict(MANIFEST) | changed).items() if value is not None}
    return "".join(f"{name} = {toml_value(value)}\n" for name, value in said.items())


def run(
    out: Path,
    dataset: str = "seg-cq500",
    *,
    scheme: str | None = None,
    seeds: tuple[int | None, ...] = (None,),
    dice: Callable[[str, int], float] = lambda case_id, number: 0.5,
    change: Callable[[dict[str, Any]], None] = lambda row: None,
    text: str | None = None,
    **about: Any,
) -> Path:
    """Write OUT as `evaluate` would: a whole scheme with a Dice for each case id and number; return OUT."""
    frozen = load_scheme(dataset, scheme)
    bleeds = {name: one.has_ich for name, one in expected(dataset)[1].items()}
    rows = []
    for seed in seeds:
        for number, one in enumerate(frozen.rows):
            has_ich = bleeds.get(one.case_id) is not False
            made = row(
                one.case_id, has_ich=has_ich, submission=out.name, dataset=dataset, scheme=frozen.name, seed=seed,
                fold=one.fold, patient_id=one.patient_id, **(of_dice(dice(one.case_id, number)) if has_ich else {}),
                prediction_sha256=f"{number + 1000 * (seed or 0):064x}",
            )  # fmt: skip
            change(made)
            rows.append(made)
    facts = {"scheme": frozen.name, "fold_sha256": frozen.sha256, "folds": list(frozen.folds), "leaky": frozen.leaky}
    store.write_scores(scores(rows, **(facts | about)), out / "scores" / f"{dataset}.parquet")
    if text is not None:
        (out / "submission.toml").write_text(text, encoding="utf-8")
    return out


def of_dice(dice: float) -> dict[str, Any]:
    """Return counts, and the four overlap metrics they give with ε = 1, with about this Dice: tp of 1000 each."""
    tp = round(1000 * dice)
    rest = 1000 - tp
    return {
        "tp": tp, "fp": rest, "fn": rest, "dice": (2 * tp + 1) / 2001, "precision": (tp + 1) / 1001,
        "recall": (tp + 1) / 1001, "iou": (tp + 1) / (2001 - tp),
    }  # fmt: skip


def tiny(root: Path, dataset: str = "seg-cq500") -> Path:
    """Write a dataset of tiny heads in its native layout, every case with a bleed of its own; return its folder."""
    for number, one in enumerate(load_scheme(dataset).rows):
        if dataset == "seg-cq500":
            home = root / "Seg-CQ500" / "data" / "volumes" / one.case_id
            ct, label = home / "CT.nii", home / "ICH_mask.nii.gz"
        else:
            ct, label = (root / "train_2" / kind / f"{one.case_id}.nii.gz" for kind in ("data", "label"))
        for path, voxels in ((ct, empty()), (label, lopsided(number))):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_mask(path, voxels, GEOMETRY)
    return root


def guesses(folder: Path, dataset: str = "seg-cq500") -> Path:
    """Write a mask for each case of `tiny`: the bleed with a block of its own beside it; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(load_scheme(dataset).rows):
        write_mask(folder / f"{one.case_id}.nii.gz", guess(number), GEOMETRY)
    return folder


def guess(number: int) -> Mask:
    """Return the prediction for the case of this number: no two cases have the same."""
    mask = lopsided(number) | box((12, 13 + number % 7), (12, 13 + number // 7 % 8), (4, 5))
    mask[19, number % 20, 5] = True
    mask[18, number // 20, 5] = True
    return np.asarray(mask)
