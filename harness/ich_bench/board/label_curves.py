"""How many labels does a method save: dice against what was annotated, as curves that can be compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ich_bench.board.model import Efficiency

AMOUNTS = ("patients", "slices", "annotated_ml")
REFERENCE = "unet-mixed"  # the fully supervised baseline that labels are saved against


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Mean dice of one row by what was annotated: a point a budget, its draws averaged, from little to much.

    `amounts` are in the unit asked for (mean over the folds), `shares` in percent of the training patients, `draws`
    counts the draws behind each point.
    """

    slug: str
    method: str
    amounts: tuple[float, ...]
    dice: tuple[float, ...]
    shares: tuple[float, ...]
    draws: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Saving:
    """A row beside the reference.

    `amount` and `dice` are those of its largest budget. `area` is the mean height of its curve (in dice) over the range
    of amounts `low` to `high` that every curve of two points or more covers; NaN without such a range.
    `for_reference` is what it needs for the reference's full dice, `reference_needs` what the reference needs for this
    row's; NaN where it is never reached. `saved` = 1 - for_reference / the reference's full amount: the share of the
    labels that it saves, negative where it needs more. `at_most` says that even its smallest budget is good enough:
    it may need less.
    """

    slug: str
    method: str
    amount: float
    dice: float
    area: float
    low: float
    high: float
    for_reference: float
    reference_needs: float
    saved: float
    at_most: bool = False


def curves(points: Sequence[Efficiency], amount: str = "patients") -> tuple[Curve, ...]:
    """Return a curve a row, in the order of `points`; points whose amount or dice is not known are left out.

    `amount` is one of AMOUNTS. The draws of a share are averaged, amounts and dice alike.
    """
    if amount not in AMOUNTS:
        raise ValueError(f"{amount!r} is none of {', '.join(AMOUNTS)}")
    made: dict[str, dict[float, list[tuple[float, float]]]] = {}
    names = {one.slug: one.method for one in points}
    for one in points:
        pair = (float(getattr(one, amount)), one.dice.stat.mean)
        if all(math.isfinite(value) for value in pair):
            made.setdefault(one.slug, {}).setdefault(one.share, []).append(pair)
    return tuple(_curve(slug, names[slug], shares) for slug, shares in made.items())


def _curve(slug: str, method: str, shares: dict[float, list[tuple[float, float]]]) -> Curve:
    points = sorted((*np.mean(pairs, axis=0).tolist(), share, len(pairs)) for share, pairs in shares.items())
    return Curve(
        slug=slug,
        method=method,
        amounts=tuple(point[0] for point in points),
        dice=tuple(point[1] for point in points),
        shares=tuple(point[2] for point in points),
        draws=tuple(int(point[3]) for point in points),
    )


def area(curve: Curve, low: float, high: float) -> float:
    """Return the mean height of a curve, straight between its points, from `low` to `high`: a dice in [0, 1].

    NaN where the curve does not cover the range, or the range is empty.
    """
    if not low < high or low < curve.amounts[0] or high > curve.amounts[-1]:
        return math.nan
    inner = [one for one in curve.amounts if low < one < high]
    x = np.array([low, *inner, high])
    return float(np.trapezoid(np.interp(x, curve.amounts, curve.dice), x) / (high - low))


def needed(curve: Curve, dice: float) -> float:
    """Return the smallest amount at which a curve reaches a dice, straight between its points; NaN where it never does.

    Where the first point reaches it already, its amount is returned: less may do.
    """
    if not math.isfinite(dice):
        return math.nan
    for place, reached in enumerate(curve.dice):
        if reached >= dice:
            if place == 0:
                return curve.amounts[0]
            x0, x1, y0, y1 = *curve.amounts[place - 1 : place + 1], *curve.dice[place - 1 : place + 1]
            return x0 + (x1 - x0) * (dice - y0) / (y1 - y0)
    return math.nan


def savings(found: Sequence[Curve], reference: str | None) -> tuple[Saving, ...]:
    """Return every curve beside that of the reference (a slug; None: no reference, areas only), in the same order."""
    several = [one for one in found if len(one.amounts) > 1]
    low = max((one.amounts[0] for one in several), default=math.nan)
    high = min((one.amounts[-1] for one in several), default=math.nan)
    if not low < high:
        low = high = math.nan
    base = next((one for one in found if one.slug == reference), None)
    return tuple(_saving(one, base, low, high) for one in found)


def _saving(one: Curve, base: Curve | None, low: float, high: float) -> Saving:
    enough = math.nan if base is None else needed(one, base.dice[-1])
    full = math.nan if base is None else base.amounts[-1]
    return Saving(
        slug=one.slug,
        method=one.method,
        amount=one.amounts[-1],
        dice=one.dice[-1],
        area=area(one, low, high) if len(one.amounts) > 1 else math.nan,
        low=low,
        high=high,
        for_reference=enough,
        reference_needs=math.nan if base is None else needed(base, one.dice[-1]),
        saved=1 - enough / full if full > 0 else math.nan,
        at_most=base is not None and one.dice[0] >= base.dice[-1],
    )
