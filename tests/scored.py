"""Score tables written by hand, for the tests of what is made from score tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from ich_bench.metrics.profiles import PROFILES
from ich_bench.runs import store

ABOUT = {
    "suite": 1, "epsilon": 1.0, "tolerances_mm": {}, "harness": "0", "engine": "none", "scheme": "cv5",
    "fold_sha256": "0" * 64, "dataset_sha256": "1" * 64, "status": "complete", "folds": [0, 1], "cases_absent": [],
    "warnings": [], "libraries": {},
}  # fmt: skip
UNDEFINED_ON_HEALTHY = ("hd95", "hd100", "assd", "rvd", "abs_rvd", "lesion_recall", "lesion_precision", "detected")


def row(case_id: str, *, profile: str = "native", has_ich: bool = True, **given: Any) -> dict[str, Any]:
    """Return one row of a score file; what is not given has a harmless value (NaN where undefined on healthy)."""
    values: dict[str, Any] = {
        "submission": "method", "dataset": "phantom-mini", "scheme": "cv5", "budget": None, "seed": None, "fold": 0,
        "case_id": case_id, "patient_id": case_id, "has_ich": has_ich,
        "iph": None, "ivh": None, "edh": None, "sdh": None, "sah": None,
        "spacing_x_mm": 0.5, "spacing_y_mm": 0.5, "spacing_z_mm": 5.0, "shear_deg": 0.0,
        "tp": 1 if has_ich else 0, "fp": 0, "fn": 0, "tn": 7, "status": "scored" if has_ich else "empty_prediction",
        "prediction_sha256": "2" * 64,
    }  # fmt: skip
    for name in PROFILES[profile].columns:
        values[name] = math.nan if not has_ich and name in UNDEFINED_ON_HEALTHY else 1.0
    values |= {"false_lesions": 0, "volume_ref_ml": 10.0 * has_ich, "volume_pred_ml": 10.0 * has_ich}
    return values | given


def scores(rows: Sequence[Mapping[str, Any]], *, profile: str = "native", **about: Any) -> pa.Table:
    """Return the rows as a score table."""
    return store.table(rows, profile=profile, provenance=ABOUT | {"profile": profile} | about)
