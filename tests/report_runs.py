"""OUT folders written by hand, for the tests of reports: a few cases, made-up scores, no mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import scored
from ich_bench.folds import load_scheme
from ich_bench.runs import store

DATASET = "phantom-mini"
SUBTYPES = ("iph", "ivh", "edh", "sdh", "sah")


def run(
    folder: Path,
    dice: Sequence[float] | None = None,
    *,
    dataset: str = DATASET,
    with_ich: int = 8,
    manifest: str = "",
    subtypes: bool = True,
    shift: float = 0.0,
    about: Mapping[str, Any] | None = None,
    **given: Any,
) -> Path:
    """Write OUT/scores/<dataset>.parquet: the first `with_ich` cases of the official scheme hold ICH, the rest none.

    Each case of number i with ICH gets dice 0.5 + 0.04·(i mod 8) + shift, unless `dice` says it; a healthy head is
    clean when its number is even, else 100 voxels are predicted there.
    """
    scheme = load_scheme(dataset)
    rows = []
    for number, line in enumerate(scheme.rows):
        ich = number < with_ich
        value = float(np.clip(0.5 + 0.04 * (number % 8) + shift, 0, 1)) if dice is None else dice[number % len(dice)]
        flags = {name: ich and number % 5 == at if subtypes else None for at, name in enumerate(SUBTYPES)}
        clean = number % 2 == 0
        scores = {"dice": value, "precision": value, "recall": value, "iou": value / 2, "nsd_2mm": value, "hd95": 9.0,
                  "detected": 1.0, "volume_ref_ml": 1.0 + number}  # fmt: skip
        if not ich:
            value = 1.0 if clean else 1 / 101
            status = "empty_prediction" if clean else "scored"
            scores = {"dice": value, "precision": value, "fp": 0 if clean else 100,
                      "volume_pred_ml": 0.0 if clean else 0.5, "status": status}  # fmt: skip
        rows.append(scored.row(line.case_id, has_ich=ich, dataset=dataset, scheme=scheme.name, fold=line.fold,
                               submission=folder.name, **{**flags, **scores, **given}))  # fmt: skip
    table = scored.scores(rows, **{"scheme": scheme.name, "fold_sha256": scheme.sha256, **(about or {})})
    store.write_scores(table, folder / "scores" / f"{dataset}.parquet")
    if manifest:
        (folder / "submission.toml").write_text(manifest, "utf-8")
    return folder
