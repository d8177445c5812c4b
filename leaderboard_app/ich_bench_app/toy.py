"""What do the metrics do when two blobs are moved and sized: a small volume, scored as any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ich_bench.board import wording as say
from ich_bench.metrics import overlap, surface
from ich_bench.metrics.profiles import PROFILES
from ich_bench.metrics.scoring import score
from ich_bench.metrics.suite import METRICS

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]
FIELD_MM = (100.0, 100.0, 60.0)
SPACINGS: Mapping[str, Spacing] = {
    "0.5 x 0.5 x 5": (0.5, 0.5, 5.0),
    "0.5 x 0.5 x 2.5": (0.5, 0.5, 2.5),
    "1 x 1 x 1": (1.0, 1.0, 1.0),
    "2 x 2 x 2": (2.0, 2.0, 2.0),
}
OWN_EPSILON, OWN_TOLERANCE_MM = "dice_epsilon", "nsd_tolerance"
_SECOND = (-36.0, 0.0, 0.0, 5.0)  # x, y, z of the centre and radius, mm: a small bleed that nobody predicts
_FALSE = (0.0, -36.0, 0.0, 4.0)  # a small blob that nobody drew
_TOLD = ("dice", "nsd_2mm", "hd95", "rvd", "lesion_recall", "false_lesions")


@dataclass(frozen=True, kw_only=True)
class Toy:
    """What the sliders say; lengths in mm. The prediction lies beside the reference by `right_mm`, `back_mm`, `up_mm`.

    Positive `right_mm` is to the right of the picture. `healthy` empties the reference, `empty` the prediction;
    `second` adds a bleed that is missed, `false` a blob that is made up. `epsilon` is in voxels.
    """

    spacing: str = "0.5 x 0.5 x 5"
    reference_mm: float = 30.0
    prediction_mm: float = 30.0
    right_mm: float = 4.0
    back_mm: float = 0.0
    up_mm: float = 0.0
    healthy: bool = False
    empty: bool = False
    second: bool = False
    false: bool = False
    epsilon: float = 1.0
    tolerance_mm: float = 2.0

    @property
    def spacing_mm(self) -> Spacing:
        """Return the voxel spacing in mm."""
        return SPACINGS[self.spacing]


def masks(toy: Toy) -> tuple[Mask, Mask]:
    """Return reference and prediction, (x, y, z): voxels whose centre lies in a ball are inside."""
    spacing = toy.spacing_mm
    shape = tuple(round(mm / step) for mm, step in zip(FIELD_MM, spacing, strict=True))
    axes = np.ogrid[tuple(slice(0, n) for n in shape)]
    x, y, z = ((axis + 0.5) * step - mm / 2 for axis, step, mm in zip(axes, spacing, FIELD_MM, strict=True))

    def ball(cx: float, cy: float, cz: float, radius_mm: float) -> Mask:
        return np.asarray((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2 <= radius_mm**2)

    nothing = np.zeros(shape, dtype=np.bool_)
    reference = nothing if toy.healthy else ball(0, 0, 0, toy.reference_mm / 2)
    if toy.second and not toy.healthy:
        reference = reference | ball(*_SECOND)
    prediction = nothing if toy.empty else ball(toy.right_mm, toy.back_mm, toy.up_mm, toy.prediction_mm / 2)
    if toy.false and not toy.empty:
        prediction = prediction | ball(*_FALSE)
    return reference, prediction


def values_of(toy: Toy, reference: Mask, prediction: Mask) -> dict[str, float]:
    """Return the counts and every native metric as `ich_bench.score` gives them, then two of the visitor's own.

    `dice_epsilon` is Dice with the chosen ε, `nsd_tolerance` the surface Dice at the chosen tolerance; an empty mask
    gives the latter what it gives every surface Dice.
    """
    row = {name: float(value or 0) for name, value in score(reference, prediction, toy.spacing_mm).items()}
    counts = overlap.Counts(**{name: int(row[name]) for name in ("tp", "fp", "fn", "tn")})
    row[OWN_EPSILON] = overlap.dice(counts, toy.epsilon)
    known = {mm: row[name] for name, mm in PROFILES["native"].tolerances_mm.items()}
    row[OWN_TOLERANCE_MM] = known.get(toy.tolerance_mm, row["nsd_2mm"])
    if toy.tolerance_mm not in known and reference.any() and prediction.any():
        box = np.logical_or(reference, prediction)
        spans = tuple(_span(box, axis) for axis in range(3))
        record = surface.surfaces(reference[spans], prediction[spans], toy.spacing_mm)
        row[OWN_TOLERANCE_MM] = surface.nsd(record, toy.tolerance_mm)
    return row


def changed(before: Toy, after: Toy, old: Mapping[str, float], new: Mapping[str, float]) -> str:
    """Return what was changed and what that did to the scores, in one sentence; "" where nothing was."""
    what = [_move(one.name, getattr(before, one.name), getattr(after, one.name)) for one in fields(Toy)
            if getattr(before, one.name) != getattr(after, one.name)]  # fmt: skip
    if not what:
        return ""
    names = [OWN_EPSILON] * (before.epsilon != after.epsilon)
    names += [OWN_TOLERANCE_MM] * (before.tolerance_mm != after.tolerance_mm)
    told = []
    for name in (*names, *_TOLD):
        then, now = (say.number(values[name], name) for values in (old, new))
        if then != now:
            told.append(f"{title(name, after)} {then} → {now}")
    return (
        f"{'; '.join(what)}: " + (", ".join(told) if told else "no score here changed by as much as is printed") + "."
    )


def why(toy: Toy, values: Mapping[str, float]) -> str:
    """Return why the scores are what they are, where a convention decides and not the overlap."""
    fp, fn = int(values["fp"]), int(values["fn"])
    if toy.healthy and not fp:
        return (
            "No hemorrhage, and none predicted: overlap and surface Dice are 1 (with ε = 0, Dice would be 0/0). "
            "Distances, relative volumes and lesion metrics are undefined, never 0."
        )
    if toy.healthy:
        return (
            f"A healthy head with {fp:,} voxels predicted: Dice is 1/({fp:,} + 1), the same for one large blob as for "
            "scattered specks of that number; surface Dice is 0. The smaller ε is, the nearer to 0 is Dice."
        )
    if toy.empty:
        return (
            f"Hemorrhage, and nothing predicted: Dice is 1/({fn:,} + 1), precision is 1 (so it is never ranked "
            f"alone), and distances are the grid's diagonal, {say.number(values['hd95'], 'hd95')} mm."
        )
    if not values["tp"]:
        return "The masks do not meet: Dice is near 0 wherever the prediction lies; only distances tell near from far."
    return ""


def title(name: str, toy: Toy) -> str:
    """Return what a value is called."""
    if name == OWN_EPSILON:
        return f"dice with ε = {toy.epsilon:g}"
    if name == OWN_TOLERANCE_MM:
        return f"surface Dice at {toy.tolerance_mm:g} mm"
    return name


def direction(name: str) -> str:
    """Return which values of a metric are better: "higher", "lower", "zero" or "none"."""
    return METRICS[name].direction if name in METRICS else "higher"


def _move(name: str, before: object, after: object) -> str:
    if isinstance(before, bool) or isinstance(after, bool):
        words = {
            "healthy": ("hemorrhage again in the reference", "the head is healthy now"),
            "empty": ("a prediction again", "the prediction is empty now"),
            "second": ("without the second bleed", "a second bleed, which is missed"),
            "false": ("without the false blob", "a false blob, far from any bleed"),
        }
        return words[name][bool(after)].capitalize()
    said = {
        "spacing": "Voxels",
        "reference_mm": "Reference",
        "prediction_mm": "Prediction",
        "right_mm": "Prediction across",
        "back_mm": "Prediction along",
        "up_mm": "Prediction up",
        "epsilon": "ε",
        "tolerance_mm": "Tolerance",
    }
    unit = " voxels" if name == "epsilon" else " mm"
    shown = (f"{one:g}" if isinstance(one, float | int) else str(one) for one in (before, after))
    return f"{said[name]} {' → '.join(shown)}{unit}"


def _span(inside: Mask, axis: int) -> slice:
    held = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
    return slice(int(held[0]), int(held[-1]) + 1)
