"""What do the boards of all datasets say together: the macro-mean, and train × test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ich_bench.board.model import PRIMARY, Board, Standing
from ich_bench.datasets import card

DRAWN = "phantom"  # datasets of this name are drawn: they never enter a mean over datasets


@dataclass(frozen=True, kw_only=True)
class MacroMean:
    """A method that is complete on every real dataset: the mean of its mean dice on `ich`. No rank is drawn from it."""

    slug: str
    method: str
    datasets: tuple[str, ...]
    mean: float


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Mean dice on `ich` of a row tested on one dataset by what it was trained on ("this dataset" for regime cv)."""

    slug: str
    method: str
    trained_on: str
    tested_on: str
    dice: Standing


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The boards of all datasets, the macro-mean over the real ones, and train × test."""

    boards: tuple[Board, ...]
    macro: tuple[MacroMean, ...]
    transfers: tuple[Transfer, ...]
    notes: tuple[str, ...] = ()


def macro_means(boards: Sequence[Board]) -> tuple[MacroMean, ...]:
    """Return the mean over the real datasets with ICH, of the methods that are ranked on all of them."""
    real = [board for board in boards if not board.dataset.startswith(DRAWN) and card(board.dataset).with_ich]
    means: dict[str, list[float]] = {}
    names: dict[str, str] = {}
    for board in real:
        for row in board.measured:
            standing = row.standing(*PRIMARY)
            if row.ranked and standing is not None:
                means.setdefault(row.slug, []).append(standing.stat.mean)
                names[row.slug] = row.method
    found = [
        MacroMean(
            slug=slug,
            method=names[slug],
            datasets=tuple(board.dataset for board in real),
            mean=sum(values) / len(values),
        )
        for slug, values in means.items()
        if len(values) == len(real)
    ]
    return tuple(sorted(found, key=lambda one: (-one.mean, one.method.casefold(), one.slug)))


def transfers(boards: Sequence[Board]) -> tuple[Transfer, ...]:
    """Return what each measured row scores by what it was trained on, where any was trained elsewhere."""
    found = []
    for board in boards:
        for row in board.measured:
            standing = row.standing(*PRIMARY)
            if standing is not None and row.regime and not row.superseded:
                trained = row.regime.removeprefix("from:") if row.regime.startswith("from:") else row.regime
                on = board.dataset if trained == "cv" else trained
                found.append(
                    Transfer(slug=row.slug, method=row.method, trained_on=on, tested_on=board.dataset, dice=standing)
                )
    return tuple(found) if any(one.trained_on != one.tested_on for one in found) else ()
