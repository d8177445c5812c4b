"""What is in each fold of a scheme: how many heads, how thick, which subtypes, how large the bleeds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ich_bench.cases import SUBTYPES, Scheme
from ich_bench.datasets import expected
from ich_bench.places import config_folder
from ich_bench.tables.cohorts import THIN_BELOW_MM

Facts = Mapping[str, Mapping[str, Any]]
HEADER = ("fold", "n", "ICH", "healthy", "thin", "thick", *SUBTYPES, "mL: Q1", "median", "Q3")


def composition(scheme: Scheme, index: Facts | None = None) -> str:
    """Return a table, one line a fold and one for all: heads, ICH, healthy, thin, thick, subtypes, volume quartiles.

    Args:
        scheme: Its folds; where a fold is what is trained on (`lf20`), the line counts that fold's own cases.
        index: Facts by case id (has_ich, spacing_z_mm, lesion_ml, subtypes); None for what `prepare` wrote, else what
            is known of the dataset without the data. What is unknown is a dash, never a zero.
    """
    rows = (HEADER, *lines_of(scheme, index))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    note = f"thin: slices less than {THIN_BELOW_MM:g} mm apart; – unknown without the data"
    return "\n".join(
        [*lines, f"({note}; `ich-bench prepare {scheme.dataset}` finds out)" if "–" in str(rows) else ""]
    ).rstrip()


def lines_of(scheme: Scheme, index: Facts | None = None) -> tuple[tuple[str, ...], ...]:
    """Return the lines of `composition` as cells under `HEADER`: a line a fold, then one for all."""
    facts = known_facts(scheme.dataset) if index is None else index
    parts = [(str(fold), [row for row in scheme.rows if row.fold == fold]) for fold in scheme.folds]
    return tuple(
        (name, *_cells([facts.get(row.case_id, {}) for row in rows])) for name, rows in (*parts, ("all", scheme.rows))
    )


def known_facts(dataset_id: str) -> dict[str, dict[str, Any]]:
    """Return the facts by case id that `prepare` found here, over those known of the dataset without the data."""
    total, cases = expected(dataset_id)
    z_mm = total.spacing_z_mm
    thick = z_mm is not None and (z_mm[0] >= THIN_BELOW_MM or z_mm[1] < THIN_BELOW_MM)
    facts: dict[str, dict[str, Any]] = {}
    for case_id, case in cases.items():
        spacing = case.spacing_mm[2] if case.spacing_mm else z_mm[0] if thick and z_mm else None
        facts[case_id] = {
            "has_ich": case.has_ich,
            "spacing_z_mm": spacing,
            "lesion_ml": case.lesion_ml,
            "subtypes": case.subtypes,
        }
    path = config_folder() / "index" / f"{dataset_id}.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))["cases"]
        return facts | {case["case_id"]: {**case, "spacing_z_mm": case["spacing_mm"][2]} for case in kept}
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return facts  # never prepared, or the index is another version's


def _cells(cases: Sequence[Mapping[str, Any]]) -> list[str]:
    ich = [case.get("has_ich") for case in cases]
    z_mm = [case.get("spacing_z_mm") for case in cases]
    cells = [str(len(cases)), _count(ich, want=True), _count(ich, want=False)]
    thin = [None if mm is None else mm < THIN_BELOW_MM for mm in z_mm]
    cells += [_count(thin, want=True), _count(thin, want=False)]
    for name in SUBTYPES:
        cells.append(_count([(case.get("subtypes") or {}).get(name) for case in cases], want=True))
    volumes = [case.get("lesion_ml") for case in cases if case.get("has_ich")]
    if not volumes or None in volumes:
        return [*cells, "–", "–", "–"]
    return [*cells, *(f"{value:.1f}" for value in np.percentile(np.array(volumes, dtype=np.float64), (25, 50, 75)))]


def _count(flags: Sequence[bool | None], *, want: bool) -> str:
    return "–" if None in flags else str(sum(flag is want for flag in flags))
