"""How much annotation does a method need: dice against annotated patients, slices and mL."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ich_bench.board.align import Scored
from ich_bench.board.entries import Entry
from ich_bench.board.model import PRIMARY, Efficiency
from ich_bench.board.numbers import standings
from ich_bench.errors import UsageError
from ich_bench.folds import load_budget, load_scheme

Facts = Mapping[str, Mapping[str, float]]


def efficiency(entries: Sequence[Entry], facts: Facts, *, seed: int) -> Iterator[Efficiency]:
    """Yield a point for each training budget of each row that is trained on this dataset, by slug, then by share.

    `facts` maps a case to "volume_ref_ml" and "slices_with_ich", as far as they are known. A manifest's own count of
    what was annotated stands for the run on all the data.
    """
    for entry in sorted(entries, key=lambda one: one.slug):
        if entry.kind != "measured" or not entry.submission.manifest.regime.startswith("cv"):
            continue
        found = [_point(entry, run, facts, seed) for run in entry.runs if run.has_ich.any()]
        yield from sorted(found, key=lambda one: (one.share, -1 if one.draw is None else one.draw))


def _point(entry: Entry, run: Scored, facts: Facts, seed: int) -> Efficiency:
    manifest = entry.submission.manifest
    share, draw = 100.0, None
    if run.budget is not None:
        percent, number = run.budget.split("-")
        share, draw = float(percent), int(number)
    patients, slices, ml = 0.0, 0.0, 0.0  # of a method that says it learns from other labels than masks
    if manifest.needs_masks or not manifest.labels_needed:
        patients, slices, ml = _annotated(entry, run, facts, share, draw)
    if run.budget is None:
        share = share if manifest.label_fraction_percent is None else manifest.label_fraction_percent
        patients = patients if manifest.annotated_patients is None else manifest.annotated_patients
        slices = slices if manifest.annotated_slices is None else manifest.annotated_slices
        ml = ml if manifest.annotated_ml is None else manifest.annotated_ml
    dice = run.values[PRIMARY[1]][run.has_ich][:, None]
    return Efficiency(
        slug=entry.slug,
        method=manifest.method or entry.slug,
        budget=run.budget,
        share=share,
        draw=draw,
        patients=patients,
        slices=slices,
        annotated_ml=ml,
        dice=standings(dice, "dice", [math.nan], (seed,))[0],
    )


def _annotated(entry: Entry, run: Scored, facts: Facts, share: float, draw: int | None) -> tuple[float, float, float]:
    """Return the mean over folds of the annotated training patients, their slices with hemorrhage, their mL."""
    dataset, scheme = entry.file.dataset, load_scheme(entry.file.dataset, entry.file.scheme)
    patient = {row.case_id: row.patient_id for row in scheme.rows}
    numbers = []
    for fold in scheme.folds:
        held = scheme.train_cases(fold)
        if draw is not None:
            try:
                held = load_budget(dataset, scheme.name, fold, int(share), draw)
            except UsageError:  # the scheme has no frozen budgets: what was trained on is not known
                return math.nan, math.nan, math.nan
        known = [facts.get(case_id, {}) for case_id in held]
        numbers.append(
            [
                len({patient[case_id] for case_id in held}),
                sum(fact.get("slices_with_ich", math.nan) for fact in known),
                sum(fact.get("volume_ref_ml", math.nan) for fact in known),
            ]
        )
    patients, slices, ml = np.mean(numbers, axis=0).tolist()
    return patients, slices, ml
