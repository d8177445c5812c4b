"""One score table in numbers: per cohort and stratum, what was measured on how many volumes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ich_bench.metrics.profiles import PROFILES, Profile, pooled
from ich_bench.plain import PLAIN_SCHEME
from ich_bench.runs import store
from ich_bench.tables.cohorts import Cohort, Stratum, cohort_of, flagged, per_case, stats_of, strata_of
from ich_bench.tables.describe import Stat, describe, quantile

ODDITIES = {
    "hssayeni": ("070", "a chronic hemorrhage"),
    "seg-cq500": ("CQ500-CT-108", "451 mL in the published data, a quarter of all its reference volume"),
    "instance2022": ("052", "bone inside the reference"),
}
SENSITIVITY_METRICS = ("dice", "nsd_2mm")


@dataclass(frozen=True, kw_only=True)
class FoldMean:
    """Mean dice on `ich` in one fold: a diagnostic, shown with its volumes."""

    fold: int
    n: int
    dice: float
    median_volume_ref_ml: float


@dataclass(frozen=True, kw_only=True)
class LowCase:
    """A volume with ICH on which the method did badly; `reason` is "" where it simply did."""

    case_id: str
    dice: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """What a metric on `ich` becomes without one odd case."""

    left_out: str
    why: str
    metric: str
    with_case: Stat
    without: Stat


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """Wang 2020: counts added up per training run and fold, then the mean over them; the mean over slices beside.

    NaN where a case is missing, since its counts are unknown.
    """

    runs: int
    dice: float
    jaccard: float
    slices: int
    slice_mean_dice: float
    slice_mean_jaccard: float


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """One submission under one scheme and one training budget, all its training runs together."""

    submission: str
    scheme: str
    budget: str | None
    seeds: tuple[int, ...]
    volumes: int
    cohorts: tuple[Cohort, ...]
    strata: tuple[Stratum, ...]
    folds: tuple[FoldMean, ...]
    lowest: tuple[LowCase, ...]
    sensitivity: tuple[Sensitivity, ...]
    pooled: Pooled | None

    def cohort(self, name: str) -> Cohort:
        """Return the cohort of this name; KeyError where the profile has none."""
        return {cohort.name: cohort for cohort in self.cohorts}[name]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A score file in numbers, one entry of `runs` per submission, scheme and budget."""

    dataset: str
    profile: str
    suite: Any
    status: str
    folds: tuple[int, ...]
    fold_sha256: str
    dataset_sha256: str
    cases_absent: tuple[str, ...]
    warnings: tuple[str, ...]
    leaky: bool
    runs: tuple[RunSummary, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: NaN as None, infinities as "inf" and "-inf"."""
        plain: dict[str, Any] = _plain(self)
        return plain


def summarise(scores: pa.Table) -> Summary:
    """Return a score table in numbers.

    Several training runs of a volume (and the several folds of a scheme that trains on one fold) are averaged per
    volume first, so that each volume counts once. Cohorts without volumes are kept, with n = 0.
    """
    about = store.provenance(scores)
    profile = PROFILES[about["profile"]]
    rows = flagged(scores.to_pandas(), profile)
    runs = rows.groupby(["submission", "scheme", "budget"], sort=False, dropna=False) if len(rows) else ()
    return Summary(
        dataset=str(rows["dataset"].iloc[0]) if len(rows) else "",
        profile=profile.name,
        suite=about["suite"],
        status=about.get("status", "complete"),
        folds=tuple(about.get("folds", ())),
        fold_sha256=about.get("fold_sha256", ""),
        dataset_sha256=about.get("dataset_sha256", ""),
        cases_absent=tuple(about.get("cases_absent", ())),
        warnings=tuple(str(warning) for warning in about.get("warnings", ())),
        leaky=bool(about.get("leaky", False)),
        runs=tuple(_run(run, profile) for _, run in runs),
    )


def _run(rows: pd.DataFrame, profile: Profile) -> RunSummary:
    first, ich = rows.iloc[0], rows[rows["has_ich"]]
    cohorts = [cohort_of("ich", ich, profile)]
    if not profile.positive_slices:
        cohorts += [cohort_of("all", rows, profile), cohort_of("healthy", rows[~rows["has_ich"]], profile)]
    return RunSummary(
        submission=str(first["submission"]),
        scheme=str(first["scheme"]),
        budget=None if pd.isna(first["budget"]) else str(first["budget"]),
        seeds=tuple(sorted({int(seed) for seed in rows["seed"].dropna()})),
        volumes=rows["case_id"].nunique(),
        cohorts=tuple(cohorts),
        strata=tuple(strata_of(ich, profile)),
        folds=tuple(_fold_means(rows)),
        lowest=_lowest(ich),
        sensitivity=tuple(_sensitivity(str(first["dataset"]), ich, profile)),
        pooled=_pooled(ich) if profile.pooled else None,
    )


def _fold_means(rows: pd.DataFrame) -> Iterator[FoldMean]:
    sized = "volume_ref_ml" in rows
    for fold, inside in rows.groupby("fold"):
        cases = per_case(inside[inside["has_ich"]], ["dice", "volume_ref_ml"] if sized else ["dice"])
        dice = describe(cases["dice"].to_numpy(np.float64))
        median_ml = quantile(cases["volume_ref_ml"].to_numpy(np.float64), 0.5) if sized else math.nan
        yield FoldMean(fold=int(str(fold)), n=dice.n, dice=dice.mean, median_volume_ref_ml=median_ml)


def _lowest(ich: pd.DataFrame, count: int = 5) -> tuple[LowCase, ...]:
    cases = per_case(ich, ["dice", "missing", "empty"]).dropna(subset="dice").sort_values("dice", kind="stable")
    always = cases[["missing", "empty"]].to_numpy() == 1
    reasons = np.select([always[:, 0], always[:, 1]], ["missing", "empty prediction"], default="")
    lowest = list(zip(cases.index, cases["dice"], reasons, strict=True))[:count]
    return tuple(LowCase(case_id=str(name), dice=float(dice), reason=str(why)) for name, dice, why in lowest)


def _sensitivity(dataset: str, ich: pd.DataFrame, profile: Profile) -> Iterator[Sensitivity]:
    known = bool((ich["scheme"] != PLAIN_SCHEME).all())  # a plain folder may carry a dataset's name
    case_id, why = ODDITIES.get(dataset, ("", "")) if known else ("", "")
    here = ich["case_id"] == case_id
    if not here.any():
        return
    for metric in SENSITIVITY_METRICS:
        if metric in profile.columns and ich.loc[here, metric].notna().any():
            yield Sensitivity(
                left_out=case_id,
                why=why,
                metric=metric,
                with_case=stats_of(ich, [metric])[metric],
                without=stats_of(ich[~here], [metric])[metric],
            )


def _pooled(ich: pd.DataFrame) -> Pooled:
    runs = [run for _, run in ich.assign(seed=ich["seed"].fillna(-1)).groupby(["seed", "fold"])]
    sums = [
        pooled(run["tp"], run["fp"], run["fn"]) if run["tp"].notna().all() else (math.nan, math.nan) for run in runs
    ]
    slices = [run["positive_slices"].fillna(0) for run in runs]
    means = {
        name: [_weighted(run[name], weight) for run, weight in zip(runs, slices, strict=True)]
        for name in ("dice_slice_mean", "iou_slice_mean")
    }
    return Pooled(
        runs=len(runs),
        dice=_mean([dice for dice, _ in sums]),
        jaccard=_mean([jaccard for _, jaccard in sums]),
        slices=int(sum(weight.sum() for weight in slices)),
        slice_mean_dice=_mean(means["dice_slice_mean"]),
        slice_mean_jaccard=_mean(means["iou_slice_mean"]),
    )


def _weighted(values: pd.Series, weights: pd.Series) -> float:
    """Return the mean over slices: each volume's mean counts as often as it has positive slices."""
    total = float(weights.sum())
    return float((values.fillna(0) * weights).sum()) / total if total else math.nan


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else f"{value}"
    return value
