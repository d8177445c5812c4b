"""What does one line of the board say beside its scores: badges, detection, agreement of volumes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ich_bench.board.entries import Entry
from ich_bench.board.model import CaseScores, Row, Standing
from ich_bench.tables.cohorts import DECISION_ML, FalsePositives
from ich_bench.tables.describe import Share, agreement, quantile, share

HEADS_DIFFER = "heads differ"  # how the warning about drawn heads begins that are not the frozen ones


def row_of(entry: Entry, scores: CaseScores, standings: Mapping[str, Mapping[str, Standing]]) -> Row:
    """Return the row of an entry that has a run on all the training data."""
    run = entry.run
    manifest, file = entry.submission.manifest, entry.file
    place = scores.slugs.index(entry.slug)
    column = {metric: values[:, place] for metric, values in scores.values.items()}
    ich, healthy = scores.has_ich, ~scores.has_ich
    predicted_ml = column.get("volume_pred_ml", np.full(len(ich), np.nan))
    reference_ml = scores.facts["volume_ref_ml"]
    wrong_ml = predicted_ml[healthy & ~np.isnan(predicted_ml)]
    return Row(
        slug=entry.slug,
        method=manifest.method or entry.slug,
        team=manifest.team,
        kind=entry.kind,
        ranked=entry.ranked,
        reason=entry.reason if entry.kind == "measured" else f"{entry.kind} row",
        badges=_badges(entry),
        scheme=file.scheme,
        budget=run.budget,
        regime=manifest.regime,
        supervision=manifest.supervision,
        labels=manifest.labels_needed,
        paper=manifest.paper,
        seeds=run.seeds,
        volumes=len(run.cases),
        empty_share=float(run.empty[run.has_ich].mean()) if run.has_ich.any() else float("nan"),
        superseded=entry.superseded,
        earlier=entry.earlier,
        warnings=file.warnings,
        standings=standings,
        detected=_shared(column, "detected", ich),
        clean=_shared(column, "clean", healthy),
        false_positives=FalsePositives(
            n=len(wrong_ml), median_ml=quantile(wrong_ml, 0.5), p95_ml=quantile(wrong_ml, 0.95)
        )
        if len(wrong_ml)
        else None,
        sensitivity=run.sensitivity,
        specificity=run.specificity,
        same_side_of_30_ml=_same_side(reference_ml[ich], predicted_ml[ich], scores.missing[ich, place]),
        volume_agreement=agreement(reference_ml, predicted_ml)
        if (~np.isnan(reference_ml) & ~np.isnan(predicted_ml)).any()
        else None,
        submission=entry.submission,
    )


def _badges(entry: Entry) -> tuple[str, ...]:
    manifest, file, run = entry.submission.manifest, entry.file, entry.full
    found = [] if entry.submission.submitted else ["not submitted"]
    if entry.kind != "measured":
        return (*found, entry.kind)
    found += [file.level] if entry.submission.submitted else []
    if run is not None and len(run.seeds) < 2:
        found.append("no training" if manifest.supervision == "none" else "one training run")
    found += [manifest.regime] if manifest.regime and manifest.regime != "cv" else []
    found += [file.status] if file.status != "complete" else []
    found += [HEADS_DIFFER] if any(warning.startswith(HEADS_DIFFER) for warning in file.warnings) else []
    found += ["leaky scheme"] if file.leaky else []
    found += ["test-fold"] if "test-fold" in (manifest.checkpoint_selection, manifest.postprocessing_chosen_on) else []
    found += [f"test data seen: {manifest.test_data_seen}"] if manifest.test_data_seen != "no" else []
    found += ["superseded"] if entry.superseded else []
    return tuple(found)


def _shared(column: Mapping[str, np.ndarray], metric: str, inside: np.ndarray) -> Share | None:
    return share(column[metric][inside]) if metric in column and inside.any() else None


def _same_side(reference_ml: np.ndarray, predicted_ml: np.ndarray, missing: np.ndarray) -> Share | None:
    """Return on which share of the volumes prediction and reference fall on the same side of 30 mL."""
    if not reference_ml.size or np.isnan(reference_ml).any():
        return None
    same = ((reference_ml > DECISION_ML) == (predicted_ml > DECISION_ML)).astype(np.float64)
    known = np.where(np.isnan(predicted_ml), np.nan, same)
    return share(np.where(missing > 0, 0.0, known))
