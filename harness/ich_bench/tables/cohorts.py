"""Which volumes belong together, and what is counted over them: cohorts and strata of one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ich_bench.cases import SUBTYPES
from ich_bench.metrics.profiles import Profile
from ich_bench.metrics.suite import COLUMNS
from ich_bench.tables.describe import Agreement, Share, Stat, agreement, describe, quantile, share

THIN_BELOW_MM = 2.0
DECISION_ML = 30.0  # the volume above which evacuation is weighed
VOLUME_STRATA: Mapping[str, Callable[[pd.Series], pd.Series]] = {
    "< 1 mL": lambda ml: ml < 1,
    "1–5 mL": lambda ml: (ml >= 1) & (ml < 5),
    "5–30 mL": lambda ml: (ml >= 5) & (ml <= DECISION_ML),
    "> 30 mL": lambda ml: ml > DECISION_ML,
}


@dataclass(frozen=True, kw_only=True)
class FalsePositives:
    """Predicted mL over the healthy volumes with a prediction."""

    n: int
    median_ml: float
    p95_ml: float


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """A named set of volumes; what does not apply to it, or to the profile, is None.

    `predictions` counts volumes × training runs, `empty` and `missing` are among them.
    """

    name: str
    volumes: int
    patients: int
    predictions: int
    empty: int
    missing: int
    metrics: Mapping[str, Stat]
    precision_nonempty: Stat | None = None
    detected: Share | None = None
    clean: Share | None = None
    false_positives: FalsePositives | None = None
    sensitivity: Share | None = None
    specificity: Share | None = None
    same_side_of_30_ml: Share | None = None
    volume_agreement: Agreement | None = None


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """The volumes with ICH that share a trait."""

    by: str
    name: str
    volumes: int
    metrics: Mapping[str, Stat]
    detected: Share | None


def cohort_of(name: str, rows: pd.DataFrame, profile: Profile) -> Cohort:
    """Return the numbers of `ich`, `all` or `healthy` from that cohort's rows, which may be none."""
    known = [metric for metric in profile.columns if name == "ich" or _defined_on_healthy(metric)]
    undefined = dict.fromkeys(set(profile.columns) - set(known), describe(np.array([])))
    metrics = stats_of(rows, known) | undefined
    healthy, ich = name == "healthy", name == "ich"
    both = rows["has_ich"].nunique() == 2
    return Cohort(
        name=name,
        volumes=rows["case_id"].nunique(),
        patients=rows["patient_id"].nunique(),
        predictions=len(rows),
        empty=int(rows["empty"].sum()),
        missing=int(rows["missing"].sum()),
        metrics={metric: metrics[metric] for metric in profile.columns},
        precision_nonempty=stats_of(rows, ["precision_nonempty"])["precision_nonempty"]
        if "precision_nonempty" in rows and not healthy
        else None,
        detected=_share(rows, "detected") if ich else None,
        clean=_share(rows, "clean") if healthy else None,
        false_positives=_false_positives(rows) if healthy and "volume_pred_ml" in rows else None,
        sensitivity=_called(rows, has_ich=True) if both else None,
        specificity=_called(rows, has_ich=False) if both else None,
        same_side_of_30_ml=_share(rows, "same_side") if ich else None,
        volume_agreement=_agreement(rows) if "volume_pred_ml" in rows and not healthy else None,
    )


def stats_of(rows: pd.DataFrame, names: Sequence[str]) -> dict[str, Stat]:
    """Return each column over volumes, every volume once: its training runs and folds are averaged first."""
    cases = per_case(rows, names)
    runs = rows.groupby(["seed", "case_id"])[list(names)].mean().groupby("seed").mean()  # of rows with a seed
    return {
        name: describe(cases[name].to_numpy(np.float64), seed_sd=describe(runs[name].to_numpy(np.float64)).sd)
        for name in names
    }


def per_case(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return one line a case, in the table's order: the mean over its training runs and folds."""
    return rows.groupby("case_id", sort=False)[list(names)].mean()


def _share(rows: pd.DataFrame, name: str) -> Share | None:
    return share(per_case(rows, [name])[name].to_numpy(np.float64)) if name in rows else None


def _called(rows: pd.DataFrame, *, has_ich: bool) -> Share:
    """Return the share of patients with (without) ICH called so: positive where any of their masks is not empty."""
    runs = (
        rows.assign(seed=rows["seed"].fillna(-1)).groupby(["patient_id", "seed", "fold"])[["has_ich", "called"]].max()
    )
    called = runs.loc[runs["has_ich"] == has_ich, "called"].groupby("patient_id").mean().to_numpy(np.float64)
    return share(called if has_ich else 1 - called)


def _false_positives(rows: pd.DataFrame) -> FalsePositives:
    predicted_ml = per_case(rows, ["volume_pred_ml"])["volume_pred_ml"].dropna().to_numpy(np.float64)
    return FalsePositives(
        n=len(predicted_ml), median_ml=quantile(predicted_ml, 0.5), p95_ml=quantile(predicted_ml, 0.95)
    )


def _agreement(rows: pd.DataFrame) -> Agreement:
    cases = per_case(rows, ["volume_ref_ml", "volume_pred_ml"])
    return agreement(cases["volume_ref_ml"].to_numpy(np.float64), cases["volume_pred_ml"].to_numpy(np.float64))


def strata_of(ich: pd.DataFrame, profile: Profile) -> Iterator[Stratum]:
    """Return the parts of `ich` by reference volume, slice thickness and subtype, where these are known."""
    parts: list[tuple[str, str, pd.Series]] = []
    if "volume_ref_ml" in ich:
        parts += [("reference volume", name, inside(ich["volume_ref_ml"])) for name, inside in VOLUME_STRATA.items()]
    thin = ich["spacing_z_mm"] < THIN_BELOW_MM
    parts += [("slice thickness", "thin (< 2 mm)", thin), ("slice thickness", "thick (≥ 2 mm)", ~thin)]
    parts += [("subtype", name, ich[name] == 1) for name in SUBTYPES if ich[name].notna().any()]
    for by, name, inside in parts:
        rows = ich[inside]
        yield Stratum(
            by=by,
            name=name,
            volumes=rows["case_id"].nunique(),
            metrics=stats_of(rows, profile.columns),
            detected=_share(rows, "detected"),
        )


def flagged(rows: pd.DataFrame, profile: Profile) -> pd.DataFrame:
    """Return the rows with plain floats (null is NaN) and 0/1 columns for what is counted."""
    numbers = [*SUBTYPES, "tp", "fp", "fn", "tn", *profile.columns]
    rows = rows.astype(dict.fromkeys(numbers, np.float64))
    missing = rows["status"] == "missing"
    rows["missing"] = missing.astype(np.float64)
    rows["empty"] = (rows["status"] == "empty_prediction").astype(np.float64)
    # A missing case is neither clean nor on the right side, and called what it is not.
    rows["called"] = np.where(missing, ~rows["has_ich"], rows["status"] == "scored").astype(np.float64)
    # Where counts are withheld the status says the same: on a healthy volume an empty mask is one without an fp voxel.
    counted = np.where(rows["tp"].isna() & (rows["dice"].notna()), rows["empty"] == 1, rows["fp"] == 0)
    rows["clean"] = np.where(missing, 0.0, np.where(rows["dice"].isna(), np.nan, counted))
    if "volume_pred_ml" in rows:
        same = (rows["volume_pred_ml"] > DECISION_ML) == (rows["volume_ref_ml"] > DECISION_ML)
        unknown = rows["volume_ref_ml"].isna() | rows["volume_pred_ml"].isna()
        rows["same_side"] = np.where(missing, 0.0, np.where(unknown, np.nan, same))
    if "precision" in rows:
        rows["precision_nonempty"] = rows["precision"].where(rows["status"] == "scored")
    return rows


def _defined_on_healthy(metric: str) -> bool:
    return "healthy: undefined" not in COLUMNS[metric].empty
