"""The tables of words that stand below a part of a board: other ε, labels saved, the worst offenders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from ich_bench.board import wording as say
from ich_bench.board.epsilon import epsilon_ranks
from ich_bench.board.label_curves import AMOUNTS, REFERENCE, curves, savings
from ich_bench.board.model import Board, Row
from ich_bench.board.offenders import offences
from ich_bench.board.sections import Section

_STEPS = (0.0, 0.5, 1.0)
_WORST = 10


def epsilon(board: Board, rows: Sequence[Row]) -> Iterator[Section]:
    """Yield mean dice and place by it with ε = 0, 0.5 and 1, on all volumes; nothing below two methods with counts."""
    found = epsilon_ranks(board, "all", _STEPS) if board.official and board.ranked > 1 else None
    if found is None or len(found.slugs) < 2:
        return
    shown = {row.slug for row in rows}
    lines = [
        (
            slug,
            *(f"{found.ranks[step, at]:g}: {say.number(float(found.mean[step, at]))}" for step in range(len(_STEPS))),
        )
        for at, slug in enumerate(found.slugs)
        if slug in shown
    ]
    told = [
        (
            "τ-b",
            ", ".join(f"{say.number(float(tau))} at ε = {step:g}" for step, tau in zip(_STEPS, found.tau, strict=True)),
        )
    ]
    told += [(slug, f"left out: {why}") for slug, why in found.missing.items() if slug in shown]
    yield Section(
        title="place by mean dice on all volumes with another ε (no test); τ-b against ε = 1",
        header=("method", *(f"ε = {step:g}" for step in _STEPS)),
        rows=tuple(lines),
        lines=tuple(told),
    )


def saved(board: Board, rows: Sequence[Row]) -> Iterator[Section]:
    """Yield area under each curve and labels saved against `unet-mixed`, where a row has several budgets."""
    own = [
        row.slug for row in board.rows if row.submission is not None and row.submission.manifest.baseline == REFERENCE
    ]
    found = curves(board.efficiency, AMOUNTS[0])
    if not any(len(one.amounts) > 1 for one in found):
        return
    reference = next((slug for slug in (*own, REFERENCE) if slug in {one.slug for one in found}), None)
    lines = [
        (
            one.slug,
            say.number(one.area),
            _amount(one.for_reference),
            say.BLANK if one.saved != one.saved else f"{'≥ ' * one.at_most}{say.percent(one.saved)} %",
            _amount(one.reference_needs),
        )
        for one in savings(found, reference)
    ]
    yield Section(
        title=f"annotated patients saved against {reference or f'{REFERENCE} (not on this board)'}",
        header=("method", "area", "needs", "saved", "it needs"),
        rows=tuple(lines),
        lines=(
            ("area", "mean dice over the range of patients that every curve covers"),
            ("needs", "patients for the full dice of that row; it needs: what that row needs for this method's dice"),
        ),
    )


def _amount(value: float) -> str:
    return say.BLANK if value != value else f"{value:.1f}"


def worst(board: Board, rows: Sequence[Row]) -> Iterator[Section]:
    """Yield the largest predictions on healthy heads, where volumes are known."""
    found = offences(board.scores, [row.slug for row in rows], most=_WORST)
    if found:
        yield Section(
            title="most mL predicted on a healthy head; how many methods predict anything on it",
            header=("head", "method", "mL", "methods"),
            rows=tuple(
                (one.case_id, one.slug, say.number(one.predicted_ml, "volume_pred_ml"), str(one.rows)) for one in found
            ),
        )


# What stands below which of `sections.PARTS`.
FURTHER: Mapping[str, Callable[[Board, Sequence[Row]], Iterator[Section]]] = {
    "schemes": epsilon,
    "efficiency": saved,
    "healthy": worst,
}
