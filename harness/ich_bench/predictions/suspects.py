"""Was the data mirrored, shifted, re-spaced, transposed or inverted under an honest-looking header?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Pair = tuple[Mask, Mask, tuple[float, float, float]]
Numbers = npt.NDArray[np.float64]
T = TypeVar("T")

SUSPECT_BELOW_DICE = 0.5  # mean Dice on `ich` at which the data under the headers is looked at
GAIN = 0.2
SURE_DICE = 0.7  # what undoing a rare change must reach where there is only one case to judge by
_MOST_POINTS = 20_000  # voxels of a mask that are looked at; a larger mask is sampled
_FEWEST_CASES = 3  # fewer, and what is estimated over the cohort is a fit to each single case
_FEWEST_FOR_LINES = 8  # the same for a slope and an offset along each axis
_ESTIMATED, _RESIZING = 0.05, 0.1  # costs: of what is fitted to the cohort, and of what is more than a shift
_SIDES = ("left-right", "front-back", "top-bottom")
_ALL, _IN_PLANE = (True, True, True), (True, True, False)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change that may have been done to all masks alike, in words, and how a mask is brought back from it.

    Undone voxel i of an axis is taken from position i scaled by `factor` (or by spacing / `target_mm`) about the
    volume's corner or centre, moved by `shift`, counted from the other end where `flip`; all after the axes are put in
    `order`.
    """

    words: str
    order: tuple[int, int, int] = (0, 1, 2)
    flip: tuple[bool, bool, bool] = (False, False, False)
    shift: tuple[float, float, float] = (0, 0, 0)
    factor: tuple[float, float, float] = (1, 1, 1)
    target_mm: tuple[float | None, float | None, float | None] = (None, None, None)
    about_centre: bool = False
    inverted: bool = False
    cost: float = 0  # a simpler change is named as long as it gains at most this less
    common: bool = False  # so frequent a mistake that a gain on a single case is enough to name it

    @property
    def moves(self) -> bool:
        """Return whether it is a shift or a resizing, not a turn."""
        return not self.inverted and self.order == (0, 1, 2) and not any(self.flip)

    def places(self, axis: int, count: int, spacing_mm: float) -> npt.NDArray[np.int64]:
        """Return, for each undone voxel of an axis, the voxel of the mask that it is taken from; may lie outside."""
        at = self.taken_from(axis, np.arange(count, dtype=np.float64), count, spacing_mm)
        nearest: npt.NDArray[np.int64] = np.floor(at + 0.5 + 1e-9).astype(np.int64)
        return np.asarray(count - 1 - nearest) if self.flip[axis] else nearest

    def taken_from(self, axis: int, at: Numbers, count: Numbers | float, spacing_mm: Numbers | float) -> Numbers:
        """Return the position in the mask of undone positions along an axis, before rounding and mirroring."""
        target = self.target_mm[axis]
        scale = self.factor[axis] if target is None else spacing_mm / target
        fixed = (count - 1) / 2 if self.about_centre else -0.5
        return np.asarray((at - fixed) * scale + fixed + self.shift[axis])


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """Where references and predictions lie (cases × axes, in voxels): all that is kept of the pairs."""

    reference: Numbers
    prediction: Numbers
    shape: Numbers
    spacing_mm: Numbers

    def explained_by(self, change: Change) -> bool:
        """Return whether a shift or resizing halves how far the predictions' centres lie from where they should."""
        at = [change.taken_from(a, self.reference[:, a], self.shape[:, a], self.spacing_mm[:, a]) for a in range(3)]
        before = np.linalg.norm((self.prediction - self.reference) * self.spacing_mm, axis=1)
        after = np.linalg.norm((self.prediction - np.array(at).T) * self.spacing_mm, axis=1)
        return len(before) > 0 and bool(np.median(after) <= np.median(before) / 2)


@dataclass(frozen=True, kw_only=True)
class _Points:
    """The voxels of a mask: their number, and the indices (3, n) of a regular sample of them."""

    count: int
    at: npt.NDArray[np.int64]
    weight: float


def suspicions(pairs: Callable[[], Iterable[Pair]], mean_dice: float) -> tuple[str, ...]:
    """Return, in words, the one common change whose undoing raises the mean Dice (ε = 1) most, if by 0.2 or more.

    What has a size (a shift, another spacing) is estimated once over all cases and must help most of them, so that a
    method that is merely poor is not accused. Memory does not grow with the number of cases.

    Args:
        pairs: gives, each time it is called, (reference, prediction, spacing_mm) of the cases with hemorrhage; both
            masks bool, (x, y, z), of one shape. Gone through twice; pairs with an empty reference are left out.
        mean_dice: mean Dice of these cases as they are.
    """
    fixed = _fixed()
    scores, seen = _scored(pairs(), fixed)
    best = _best(fixed, scores, mean_dice, seen)
    estimated = _estimated(seen)
    if estimated:
        scores, _ = _scored(pairs(), estimated)
        found = _best(estimated, scores, mean_dice, seen)
        best = max((one for one in (best, found) if one), key=lambda one: one[1] - one[0].cost, default=None)
    if best is None:
        return ()
    change, dice = best
    return (f"the masks look {change.words}: with that undone the mean Dice would be {dice:.2f}, not {mean_dice:.2f}",)


def _scored(pairs: Iterable[Pair], changes: Sequence[Change]) -> tuple[Numbers, _Seen]:
    """Return the Dice of each case (row) as it is (column 0) and under each undone change, and where things lie."""
    rows, seen = [], []
    for reference, prediction, spacing_mm in pairs:
        inside, found = _points(reference), _points(prediction)
        if not inside.count or reference.shape != prediction.shape:
            continue
        rows.append([_dice(inside, found, prediction, spacing_mm, one) for one in (Change(words=""), *changes)])
        if 0 < found.count <= prediction.size // 2:
            seen.append((inside.at.mean(axis=1), found.at.mean(axis=1), reference.shape, spacing_mm))
    places = np.array(seen, dtype=np.float64).reshape(-1, 4, 3)
    where = _Seen(reference=places[:, 0], prediction=places[:, 1], shape=places[:, 2], spacing_mm=places[:, 3])
    return np.array(rows, dtype=np.float64).reshape(-1, 1 + len(changes)), where


def _best(changes: Sequence[Change], scores: Numbers, mean_dice: float, seen: _Seen) -> tuple[Change, float] | None:
    """Return the change that gains most, and the mean Dice it would give; None where none gains enough.

    It must help many cases, not one by luck; what is no common mistake must help nearly all, and what moves
    masks must also explain where they lie, so that masks that are only too large do not look resized.
    """
    best: tuple[Change, float] | None = None
    for column, change in enumerate(changes, start=1):
        if not len(scores):
            break
        dice = float(scores[:, column].mean())
        helped = float((scores[:, column] > scores[:, 0] + 0.05).mean())
        if dice < mean_dice + GAIN or helped < (0.4 if change.common else 0.75):
            continue
        if not change.common and (
            (len(scores) < 2 and dice < SURE_DICE) or (change.moves and not seen.explained_by(change))
        ):
            continue
        if best is None or dice - change.cost > best[1] - best[0].cost + 1e-9:  # at a tie what stands first
            best = change, dice
    return best


def _points(mask: Mask) -> _Points:
    flat = np.flatnonzero(mask)
    sample = flat[:: max(1, -(-len(flat) // _MOST_POINTS))]
    at = np.array(np.unravel_index(sample, mask.shape))
    return _Points(count=len(flat), at=at, weight=len(flat) / max(1, len(sample)))


def _dice(inside: _Points, found: _Points, prediction: Mask, spacing_mm: Sequence[float], change: Change) -> float:
    """Return the Dice (ε = 1) that a mask would have with the change undone; exact up to 20,000 voxels a mask."""
    if change.inverted and found.count > prediction.size // 2:  # else it is a mask that is small or empty
        both = inside.weight * np.count_nonzero(~prediction[tuple(inside.at)])
        return float((2 * both + 1) / (inside.count + prediction.size - found.count + 1))
    shape = [prediction.shape[source] for source in change.order]
    if change.inverted or tuple(shape) != prediction.shape or found.count > prediction.size // 2:
        return 1 / (inside.count + found.count + 1)
    source_of = [np.empty(0, dtype=np.int64)] * 3
    kept = np.ones(inside.at.shape[1], dtype=np.bool_)
    copies = np.ones(found.at.shape[1], dtype=np.int64)
    for axis, source in enumerate(change.order):
        places = change.places(axis, shape[axis], spacing_mm[axis])
        valid = (places >= 0) & (places < shape[axis])
        kept &= valid[inside.at[axis]]
        source_of[source] = places[inside.at[axis]]
        copies *= np.bincount(places[valid], minlength=shape[axis])[found.at[source]]
    both = inside.weight * np.count_nonzero(prediction[tuple(place[kept] for place in source_of)])
    return float((2 * both + 1) / (inside.count + found.weight * copies.sum() + 1))


def _fixed() -> list[Change]:
    """Return the changes that have no size to be estimated, the simplest first."""
    changes = [Change(words="inverted (hemorrhage 0, the rest 1)", inverted=True, common=True)]
    changes += [
        Change(words=f"shifted by one slice ({by:+d} along axis 2)", shift=(0, 0, by), common=True) for by in (1, -1)
    ]
    turns = [
        Change(words=_turned(order, flip), order=_each(order), flip=_each(flip), common=_is_common(order, flip))
        for order in permutations(range(3))
        for flip in product((False, True), repeat=3)
        if (order, any(flip)) != ((0, 1, 2), False)
    ]
    changes += sorted(turns, key=lambda one: (one.order != (0, 1, 2), one.order[2] != 2, sum(one.flip)))
    for about_centre, axes in product((False, True), (_ALL, _IN_PLANE)):
        for target in (1.0, 2.0, 0.5):
            words = f"re-spaced, resampled to {target:g} mm{_where(axes, about_centre=about_centre)}"
            targets = _each(target if on else None for on in axes)
            changes.append(Change(words=words, target_mm=targets, about_centre=about_centre, cost=_RESIZING))
        for factor in (0.5, 2.0):
            words = f"re-spaced, resized by {factor:g}{_where(axes, about_centre=about_centre)}"
            factors = _each(factor if on else 1.0 for on in axes)
            changes.append(Change(words=words, factor=factors, about_centre=about_centre, cost=_RESIZING))
    return changes


def _estimated(seen: _Seen) -> list[Change]:
    """Return the common shift and the common factor or spacing that explain best where the predictions lie."""
    reference, prediction, spacing_mm = seen.reference, seen.prediction, seen.spacing_mm
    if len(reference) < _FEWEST_CASES:
        return []
    middle = (seen.shape - 1) / 2
    changes = []
    typical = np.round(np.median(prediction - reference, axis=0))
    steps = sorted(product((0, 1, -1), repeat=3), key=lambda step: sum(map(abs, step)))
    shifts = [tuple(int(by) for by in typical + np.array(step)) for step in steps]
    shifts += [_each(by if at == axis else 0 for at, by in enumerate(shift)) for shift in shifts for axis in range(3)]
    for x, y, z in dict.fromkeys(shifts):
        legs = sum(by != 0 for by in (x, y, z))
        if legs:
            words = f"shifted by ({x}, {y}, {z}) voxels"
            changes.append(Change(words=words, shift=(x, y, z), cost=_ESTIMATED + 0.01 * (legs - 1)))
    for about_centre in (False, True):
        fixed = middle if about_centre else np.full_like(middle, -0.5)
        factor = _each(_slope(reference[:, a] - fixed[:, a], prediction[:, a] - fixed[:, a]) for a in range(3))
        mm = [
            _slope((reference[:, a] - fixed[:, a]) * spacing_mm[:, a], prediction[:, a] - fixed[:, a]) for a in range(3)
        ]
        about = "" if not about_centre else " about the centre"
        words = f"re-spaced, resized by ({', '.join(f'{one:.3g}' for one in factor)}){about}"
        changes.append(Change(words=words, factor=factor, about_centre=about_centre, cost=_RESIZING + _ESTIMATED))
        if min(mm) > 0.05:  # voxels of 20 mm and more are none of a head
            target = _each(1 / one for one in mm)
            words = f"re-spaced, resampled to about {'x'.join(f'{one:.2g}' for one in target)} mm{about}"
            changes.append(
                Change(words=words, target_mm=target, about_centre=about_centre, cost=_RESIZING + _ESTIMATED)
            )
    if len(reference) >= _FEWEST_FOR_LINES:
        lines = [_line(reference[:, a], prediction[:, a]) for a in range(3)]
        factor = _each(slope for slope, _ in lines)
        by = _each(start + 0.5 - 0.5 * slope for slope, start in lines)
        words = f"re-spaced, resized by ({', '.join(f'{one:.3g}' for one in factor)}) and moved"
        changes.append(Change(words=words, factor=factor, shift=by, cost=_RESIZING + _ESTIMATED))
    tidied = [replace(one, factor=_each(_tidy(factor) for factor in one.factor)) for one in changes]
    return [one for one in tidied if min(one.factor) >= 0.1 and max(one.factor) <= 10]


def _slope(along: Numbers, found: Numbers) -> float:
    """Return the slope through the origin of least absolute error: the median of ratios, weighted by distance."""
    kept = np.abs(along) > 1e-9
    if not kept.any():
        return 1.0
    ratio, weight = found[kept] / along[kept], np.abs(along[kept])
    order = np.argsort(ratio)
    share = np.cumsum(weight[order]) / weight.sum()
    return float(ratio[order][int(np.searchsorted(share, 0.5))])


def _line(along: Numbers, found: Numbers) -> tuple[float, float]:
    """Return Theil and Sen's slope and offset, medians over all pairs of cases; slope 1 where there is no spread."""
    one, other = np.triu_indices(min(len(along), 300), 1)
    apart = along[other] - along[one]
    kept = np.abs(apart) > 1
    slope = float(np.median((found[other] - found[one])[kept] / apart[kept])) if kept.any() else 1.0
    return slope, float(np.median(found - slope * along))


def _tidy(factor: float) -> float:
    return 1.0 if abs(factor - 1) < 0.01 else factor


def _turned(order: tuple[int, ...], flip: Sequence[bool]) -> str:
    mirrored = " and ".join(side for side, on in zip(_SIDES, flip, strict=True) if on)
    if order == (0, 1, 2):
        about = f" (axis {', '.join(str(axis) for axis in range(3) if flip[axis])})"
        turned = ", that is turned by 180 degrees in-plane" if tuple(flip) == (True, True, False) else ""
        return f"mirrored {mirrored}{about}{turned}"
    if order == (1, 0, 2):
        upright = " and mirrored top-bottom" if flip[2] else ""
        if flip[0] != flip[1]:
            return f"rotated by 90 degrees in-plane{upright}"
        return f"transposed in-plane (axes 0 and 1 swapped{', both mirrored' if flip[0] else ''}){upright}"
    return f"transposed (axes in the order {order})" + (f" and mirrored {mirrored}" if mirrored else "")


def _is_common(order: tuple[int, ...], flip: Sequence[bool]) -> bool:
    """Return whether a turn stays in the plane, or mirrors one axis: what array libraries do to each other's arrays."""
    return order[2] == 2 and (not flip[2] or (order == (0, 1, 2) and sum(flip) == 1))


def _where(axes: Sequence[bool], *, about_centre: bool) -> str:
    return (" in-plane" if not all(axes) else "") + (" about the centre" if about_centre else "")


def _each(values: Iterable[T]) -> tuple[T, T, T]:
    first, second, third = values
    return first, second, third
