"""Which metrics does the benchmark report, and what does each of them mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from ich_bench.metrics.scoring import score, score_missing

__all__ = ["COLUMNS", "METRICS", "SUITE", "Metric", "score", "score_missing"]

SUITE: int = 1  # raised whenever a score moves; scores of different suites are never ranked together


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric of one volume.

    `direction`: which values are better ("zero": the nearer to 0; "none": a description). `symmetric`: the same when
    reference and prediction change places, both holding hemorrhage. `range`: closed; the upper end may be infinite.
    `empty`: what empty masks give. `summary`: how a cohort is summed up first. `ranked`: whether ranks are drawn from
    it, `reason`: why not ("" where they are). `integer`: a count, null where the case is missing.
    """

    name: str
    title: str
    unit: str
    direction: Literal["higher", "lower", "zero", "none"]
    symmetric: bool
    range: tuple[float, float]
    definition: str
    empty: str
    source: str
    summary: Literal["mean", "median"]
    ranked: bool = False
    reason: str = ""
    integer: bool = False


_UNIT = (0.0, 1.0)
_POSITIVE = (0.0, math.inf)
_SPAHR = "Spahr et al. 2023, Sec. 2.4 (ε = 1)"
_DEEPMIND = "Nikolov et al. 2018/2021 (surface-distance)"
_EMPTY_OVERLAP = "healthy and empty: 1; healthy with n voxels predicted: 1/(n+1); ICH and empty: 1/(FN+1)"
_EMPTY_NSD = "ICH and empty: 0; healthy and empty: 1; healthy with a prediction: 0"
_EMPTY_DISTANCE = "ICH and empty: the diagonal of the grid; healthy: undefined"
_EMPTY_LESION = "ICH and empty: 0; healthy: undefined"
_BESIDE = "descriptive: ranks come from dice and nsd_2mm"


def _nsd(name: str, tolerance: str, *, ranked: bool = False) -> Metric:
    return Metric(
        name=name,
        title=f"Surface Dice at {tolerance} mm",
        unit="",
        direction="higher",
        symmetric=True,
        range=_UNIT,
        definition=f"share of both surfaces, by area, that lies within {tolerance} mm of the other (slack 1e-6 mm)",
        empty=_EMPTY_NSD,
        source=_DEEPMIND + ("; INSTANCE 2022's tolerance" if tolerance == "0.42" else ""),
        summary="mean",
        ranked=ranked,
        reason="" if ranked else "mostly in-plane agreement below the slice spacing; kept for published rows",
    )


def _distance(name: str, title: str, definition: str) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit="mm",
        direction="lower",
        symmetric=True,
        range=_POSITIVE,
        definition=definition,
        empty=_EMPTY_DISTANCE,
        source=_DEEPMIND,
        summary="median",
        reason=_BESIDE + "; an empty prediction gets the diagonal, which is a convention",
    )


def _volume(name: str, title: str, definition: str, *, empty: str, error: bool = False) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit="mL",
        direction="lower" if error else "none",
        symmetric=error,
        range=_POSITIVE,
        definition=definition,
        empty=empty,
        source="this benchmark",
        summary="median",
        reason=_BESIDE if error else "a description of the volume, not a merit",
    )


_TABLE = (
    Metric(
        name="dice",
        title="Dice",
        unit="",
        direction="higher",
        symmetric=True,
        range=_UNIT,
        definition="(2TP + ε)/(2TP + FP + FN + ε), ε = 1 voxel",
        empty=_EMPTY_OVERLAP,
        source=_SPAHR,
        summary="mean",
        ranked=True,
    ),
    Metric(
        name="precision",
        title="Precision",
        unit="",
        direction="higher",
        symmetric=False,
        range=_UNIT,
        definition="(TP + ε)/(TP + FP + ε), ε = 1 voxel",
        empty="an empty prediction: 1; healthy with n voxels predicted: 1/(n+1)",
        source=_SPAHR,
        summary="mean",
        reason="never alone: an empty mask has precision 1",
    ),
    Metric(
        name="recall",
        title="Recall",
        unit="",
        direction="higher",
        symmetric=False,
        range=_UNIT,
        definition="(TP + ε)/(TP + FN + ε), ε = 1 voxel",
        empty="healthy: 1; ICH and empty: 1/(FN+1)",
        source=_SPAHR,
        summary="mean",
        reason="never alone: a mask of the whole brain has recall 1",
    ),
    Metric(
        name="iou",
        title="Jaccard index",
        unit="",
        direction="higher",
        symmetric=True,
        range=_UNIT,
        definition="(TP + ε)/(TP + FP + FN + ε), ε = 1 voxel",
        empty=_EMPTY_OVERLAP,
        source="Jaccard; ε as in Spahr et al. 2023",
        summary="mean",
        reason="orders volumes as dice does: a second rank would say the same thing twice",
    ),
    _nsd("nsd_2mm", "2", ranked=True),
    _nsd("nsd_1mm", "1"),
    _nsd("nsd_0p42mm", "0.42"),
    _distance(
        "hd95",
        "Hausdorff distance, 95 %",
        "smallest distance within which 95 % of a surface's area lies of the other; the larger of the two directions",
    ),
    _distance(
        "hd100", "Hausdorff distance", "largest distance from a surface to the other; the larger of the two directions"
    ),
    _distance(
        "assd",
        "Average symmetric surface distance",
        "mean distance over both surfaces together, weighted by area: (Σ area·d)/(Σ area)",
    ),
    Metric(
        name="rvd",
        title="Relative volume difference",
        unit="",
        direction="zero",
        symmetric=False,
        range=(-1.0, math.inf),
        definition="(V_pred - V_ref)/V_ref, sign kept",
        empty="ICH and empty: -1; healthy: undefined",
        source="this benchmark",
        summary="median",
        reason=_BESIDE + "; errors of both signs cancel in a mean",
    ),
    Metric(
        name="abs_rvd",
        title="Absolute relative volume difference",
        unit="",
        direction="lower",
        symmetric=False,
        range=_POSITIVE,
        definition="|V_pred - V_ref|/V_ref",
        empty="ICH and empty: 1; healthy: undefined",
        source="INSTANCE 2022 (RVD)",
        summary="median",
        reason=_BESIDE + "; an empty mask scores 1, better than many honest ones",
    ),
    _volume("volume_ref_ml", "Reference volume", "reference voxels x voxel volume", empty="healthy: 0"),
    _volume("volume_pred_ml", "Predicted volume", "predicted voxels x voxel volume", empty="empty: 0"),
    _volume(
        "abs_volume_error_ml",
        "Absolute volume error",
        "|V_pred - V_ref|",
        empty="ICH and empty: the reference volume; healthy: the predicted volume",
        error=True,
    ),
    Metric(
        name="lesion_recall",
        title="Lesion recall",
        unit="",
        direction="higher",
        symmetric=False,
        range=_UNIT,
        definition=(
            "share of reference lesions (26-connected, at least 0.01 mL) of which at least 10 % is covered by the "
            "prediction; where no component reaches 0.01 mL, the largest sets the size that counts"
        ),
        empty=_EMPTY_LESION,
        source="this benchmark",
        summary="mean",
        reason="a mask of the whole brain finds every lesion",
    ),
    Metric(
        name="lesion_precision",
        title="Lesion precision",
        unit="",
        direction="higher",
        symmetric=False,
        range=_UNIT,
        definition=(
            "share of predicted lesions (26-connected, at least 0.01 mL) of which at least 10 % lies in the reference "
            "dilated by one voxel (26-neighbourhood); 0 where nothing of that size is predicted"
        ),
        empty=_EMPTY_LESION,
        source="this benchmark",
        summary="mean",
        reason="one predicted lesion in the right place is enough for 1",
    ),
    Metric(
        name="false_lesions",
        title="False lesions",
        unit="count",
        direction="lower",
        symmetric=False,
        range=_POSITIVE,
        definition="predicted lesions (at least 0.01 mL) of which less than 10 % lies in the dilated reference",
        empty="an empty prediction: 0; healthy: every predicted lesion",
        source="this benchmark",
        summary="mean",
        reason="an empty mask has none",
        integer=True,
    ),
    Metric(
        name="detected",
        title="Detected",
        unit="yes/no",
        direction="higher",
        symmetric=False,
        range=_UNIT,
        definition="1 where at least 10 % of the reference volume is covered, else 0",
        empty=_EMPTY_LESION,
        source="this benchmark",
        summary="mean",
        reason="a mask of the whole brain detects everything; shown with its test, never ranked",
    ),
)


def _slice_column(name: str, title: str, definition: str, *, unit: str = "", merit: bool = True) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit=unit,
        direction="higher" if merit else "none",
        symmetric=False,
        range=_UNIT if merit else _POSITIVE,
        definition=definition,
        empty="no positive slice: undefined" if merit else "no positive slice: 0",
        source="Wang et al. 2020, Table 1",
        summary="mean",
        reason="a column of the profile wang2020, which is not ranked",
    )


METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _TABLE})

# METRICS, then the columns that only a published profile has.
COLUMNS: Mapping[str, Metric] = MappingProxyType(
    {
        **METRICS,
        "dice_slice_mean": _slice_column("dice_slice_mean", "Dice, mean of slices", "mean Dice of positive slices"),
        "iou_slice_mean": _slice_column("iou_slice_mean", "Jaccard, mean of slices", "mean Jaccard of positive slices"),
        "positive_slices": _slice_column(
            "positive_slices", "Positive slices", "slices with hemorrhage in the reference", unit="count", merit=False
        ),
    }
)
