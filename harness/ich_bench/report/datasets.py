"""What do the datasets of a report hold: cases, slices, spacing, volumes, subtypes (Spahr 2023, Table 1)?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ich_bench.board.model import Board
from ich_bench.cases import SUBTYPES
from ich_bench.datasets import DATASETS, card, expected
from ich_bench.datasets.found import ExpectedCase
from ich_bench.places import config_folder
from ich_bench.report.tables import BLANK, Row, Table
from ich_bench.tables.composition import known_facts

Facts = Mapping[str, Any]
DRAWN = "phantom"


def prepared() -> tuple[str, ...]:
    """Return the datasets that `prepare` has read on this machine; pools for pre-training are none."""
    index = config_folder() / "index"
    return tuple(name for name in DATASETS if (index / f"{name}.json").is_file() and not card(name).pool)


def datasets_table(boards: Sequence[Board]) -> Table:
    """Return a column a dataset: those reported on, then others that are prepared here; unknown is a dash.

    What the score files say comes first, then what `prepare` found, then the card.
    """
    scored = {board.dataset: board for board in boards}
    names = [*scored, *(name for name in prepared() if name not in scored)]
    facts = [_facts(name, scored.get(name)) for name in names]
    lines = {
        "volumes": _each(facts, lambda rows: str(len(rows))),
        "with ICH": _each(facts, lambda rows: _count(rows, "has_ich", want=True)),
        "healthy": _each(facts, lambda rows: _count(rows, "has_ich", want=False)),
        "slices": _each(facts, lambda rows: _sum(rows, "slices")),
        "slices with ICH": _each(facts, lambda rows: _sum(rows, "slices_positive")),
        "in-plane spacing, mm": _each(facts, lambda rows: _range(rows, "spacing_x_mm")),
        "between slices, mm": _each(facts, lambda rows: _range(rows, "spacing_z_mm")),
        "hemorrhage, mL: median [quartiles]": _each(facts, _volumes),
        **{
            f"volumes with {subtype.upper()}": _each(facts, lambda rows, name=subtype: _count(rows, name, want=True))  # type: ignore[misc]
            for subtype in SUBTYPES
        },
    }
    drawn = any(name.startswith(DRAWN) for name in names)
    return Table(
        name="datasets",
        title="Datasets",
        caption=(
            f"After Spahr 2023, Table 1. Smallest to largest spacing where volumes differ. {BLANK}: not known on this "
            "machine (`ich-bench prepare` finds out). A volume may hold several subtypes."
            + (" Datasets named phantom are drawn: no patient is involved." if drawn else "")
        ),
        header=("", *(f"{name} (drawn)" if name.startswith(DRAWN) else name for name in names)),
        rows=tuple(Row(name=name, cells=tuple(cells)) for name, cells in lines.items()),
    )


def _facts(dataset: str, board: Board | None) -> Sequence[Facts]:
    """Return the facts of each case, None where unknown."""
    found: dict[str, dict[str, Any]] = {}
    if board is not None:
        held = board.scores
        for at, case_id in enumerate(held.cases):
            known = {name: _known(values[at]) for name, values in held.facts.items()}
            found[case_id] = {"has_ich": bool(held.has_ich[at]), **known, "lesion_ml": known.get("volume_ref_ml")}
    stated = expected(dataset)[1]
    drawn = _drawn_slices(dataset)
    for case_id, fact in known_facts(dataset).items():
        one, said = found.setdefault(case_id, {}), stated.get(case_id, ExpectedCase())
        shape, spacing = fact.get("shape") or said.shape, fact.get("spacing_mm") or said.spacing_mm
        more = {
            "has_ich": fact.get("has_ich"),
            "spacing_z_mm": fact.get("spacing_z_mm"),
            "lesion_ml": fact.get("lesion_ml"),
            "slices_positive": fact.get("slices_positive", drawn.get(case_id)),
            "slices": shape[2] if shape else None,
            "spacing_x_mm": spacing[0] if spacing else None,
            **(fact.get("subtypes") or said.subtypes or {}),
        }
        one.update({name: value for name, value in more.items() if one.get(name) is None})
    about = card(dataset)
    if not found:
        return [{} for _ in range(about.cases)]
    return list(found.values())


def _drawn_slices(dataset: str) -> dict[str, int]:
    """Return the slices with hemorrhage of each drawn head that already lies on this machine; nothing is drawn."""
    if not dataset.startswith(DRAWN):
        return {}
    import csv

    from ich_bench.phantom.library import default_folder

    count: dict[str, int] = {}
    try:
        with (default_folder(dataset) / "slices.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                count[row["case_id"]] = count.get(row["case_id"], 0) + (float(row["reference_mm2"]) > 0)
    except (OSError, ValueError, KeyError):
        return {}
    return count


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _each(facts: Sequence[Sequence[Facts]], say: Callable[[Sequence[Facts]], str]) -> list[str]:
    return [say(rows) for rows in facts]


def _count(rows: Sequence[Facts], name: str, *, want: bool) -> str:
    values = [row.get(name) for row in rows if name == "has_ich" or row.get("has_ich") is not False]
    if not values and rows:
        return "0"
    return BLANK if None in values or not values else str(sum(bool(value) is want for value in values))


def _sum(rows: Sequence[Facts], name: str) -> str:
    values = [row.get(name) for row in rows]
    return BLANK if None in values or not values else f"{sum(int(value) for value in values if value is not None):,}"


def _range(rows: Sequence[Facts], name: str) -> str:
    values = [float(value) for row in rows if (value := row.get(name)) is not None]
    if len(values) < len(rows) or not values:
        return BLANK
    low, high = (f"{value:.3f}".rstrip("0").rstrip(".") for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _volumes(rows: Sequence[Facts]) -> str:
    values = [row.get("lesion_ml") for row in rows if row.get("has_ich")]
    if not values or None in values:
        return BLANK
    low, middle, high = np.percentile(np.array(values, dtype=np.float64), (25, 50, 75))
    return f"{middle:.1f} [{low:.1f}, {high:.1f}]"
