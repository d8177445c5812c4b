"""What looks like blood and is none, or hides it: calcium, tumours, stains, old infarcts, shunts. In no mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ich_bench.phantom.chance import Field, Floats, between, chance, normal, one_of
from ich_bench.phantom.parameters import Parameters
from ich_bench.phantom.person import Anatomy

Point = tuple[float, float, float]
Place = tuple[Floats, Floats, Floats]


@dataclass(frozen=True, kw_only=True)
class Mimic:
    """One of them: an ellipsoid with bumps, or a tube from `centre` - `half_mm` to `centre` + `half_mm`."""

    name: str
    centre: Point
    half_mm: Point
    hu: float
    lumps: Field
    rough: float = 0.25
    tube_mm: float = 0.0  # radius of a tube; 0 for an ellipsoid
    soft_mm: float = 0.0  # width of its edge, where it fades
    strength: float = 1.0
    within: str = ""  # "brain", "cavity" or anywhere

    @property
    def reach_mm(self) -> float:
        """Return a distance from the centre beyond which there is nothing of it."""
        size = float(np.linalg.norm(self.half_mm)) if self.tube_mm else max(self.half_mm)
        return size * (1.0 + 2.5 * self.rough) + self.soft_mm + self.tube_mm + 16.0  # with what a bleed may move it

    def depth_mm(self, place: Place) -> Floats:
        """Return the depth inside, in mm."""
        x, y, z = (part - middle for part, middle in zip(place, self.centre, strict=True))
        if self.tube_mm:
            hx, hy, hz = self.half_mm
            along = np.clip((x * hx + y * hy + z * hz) / (hx * hx + hy * hy + hz * hz), -1.0, 1.0)
            return self.tube_mm - np.sqrt((x - hx * along) ** 2 + (y - hy * along) ** 2 + (z - hz * along) ** 2)
        hx, hy, hz = self.half_mm
        away = np.sqrt((x / hx) ** 2 + (y / hy) ** 2 + (z / hz) ** 2)
        return (1.0 + self.rough * self.lumps.at(place[0], place[1], place[2]) - away) * min(self.half_mm)

    def per_mm(self, pixel_mm: float) -> float:
        """Return how steep its edge is."""
        return 1.0 / max(self.soft_mm, 0.6, 0.9 * pixel_mm)


_TUMOURS = ((58.0, 5.0, 22.0), (10.0, 45.0, 36.0), (50.0, -40.0, 28.0), (12.0, 40.0, -16.0))  # on dura
_INFARCTS = (
    (28.0, 34.0, 14.0),
    (44.0, -14.0, 16.0),
    (40.0, -44.0, 14.0),
    (22.0, -60.0, 4.0),
    (24.0, 4.0, 6.0),
    (24.0, -50.0, -36.0),
)
_STAINS = ((25.0, 3.0, 5.0), (46.0, 0.0, 16.0), (36.0, -30.0, 22.0))  # basal ganglia, insula, cortex


def draw_mimics(rng: np.random.Generator, head: Anatomy, parameters: Parameters) -> tuple[Mimic, ...]:
    """Return what this person has of them, drawn by the shares of `parameters.mimics`; infants have none."""
    shares = parameters.mimics
    grown = (head.half_width_mm / 66.0, head.half_length_mm / 82.5, head.height_mm / 71.0)
    found: list[Mimic] = []

    def add(name: str, centre: Point, half: Point, hu: float, **more: float | str) -> None:
        placed = (centre[0] * grown[0], centre[1] * grown[1], centre[2] * grown[2])
        field = head.bumps if max(half) > 6 else head.grain
        found.append(Mimic(name=name, centre=placed, half_mm=half, hu=hu, lumps=field, **more))  # type: ignore[arg-type]

    old = head.age_years >= 12
    if old and chance(rng, shares.pineal_share):
        half = between(rng, 1.2, 2.8)
        place = (normal(rng, 0, 0.6), -26.0 + normal(rng, 0, 1.0), between(rng, 1.0, 5.0))
        add("pineal", place, (half, half * between(rng, 1.0, 1.5), half), between(rng, *shares.pineal_hu))
    if old and chance(rng, shares.choroid_share):
        for side in (-1.0, 1.0):
            half = between(rng, 1.2, 3.0)
            place = (side * (21.0 + normal(rng, 0, 1.2)), -38.0 + normal(rng, 0, 2.0), between(rng, 6.0, 13.0))
            add("choroid", place, (half, half * between(rng, 1.3, 2.2), half), between(rng, *shares.choroid_hu))
    if old and chance(rng, shares.falx_share):
        for _ in range(1 + int(between(rng, 0.0, 2.99))):
            place = (0.4, one_of(rng, (1.0, 1.0, -1.0)) * between(rng, 38.0, 62.0), between(rng, 22.0, 44.0))
            shape = (between(rng, 0.9, 1.7), between(rng, 3.0, 9.0), between(rng, 3.0, 7.0))
            add("falx", place, shape, between(rng, *shares.falx_hu), rough=0.3)
    if old and chance(rng, shares.tumour_share):
        size = between(rng, 6.0, 15.0)
        place = _either_side(rng, _TUMOURS)
        shape = (size, size * between(rng, 0.9, 1.3), size)
        add("tumour", place, shape, between(rng, *shares.tumour_hu), rough=0.12, soft_mm=1.2, within="cavity")
    if old and chance(rng, shares.infarct_share * (0.4 + 1.2 * head.atrophy)):
        size = between(rng, 6.0, 17.0)
        place = _either_side(rng, _INFARCTS)
        shape = (size, size * between(rng, 0.9, 1.6), size * between(rng, 0.8, 1.3))
        hu = head.csf_hu + between(rng, 3.0, 11.0)
        add("infarct", place, shape, hu, rough=0.5, soft_mm=4.0, strength=0.95, within="cavity")
    if old and chance(rng, shares.stain_share):
        place = _either_side(rng, _STAINS)
        shape = (between(rng, 6.0, 11.0), between(rng, 10.0, 18.0), between(rng, 8.0, 13.0))
        hu, strength = between(rng, *shares.stain_hu), between(rng, 0.5, 0.9)
        add("stain", place, shape, hu, rough=0.4, soft_mm=5.0, strength=strength, within="brain")
    if chance(rng, shares.shunt_share):
        side = 1.0 if chance(rng, 0.5) else -1.0
        hu = between(rng, *shares.shunt_hu)
        # a tube from above the ear to the frontal horn, and its valve under the scalp
        add("shunt", (side * 26.0, -19.0, 39.0), (side * 20.0, -27.0, 23.0), hu, tube_mm=1.3)
        add("shunt", (side * 50.0, -52.0, 66.0), (4.0, 9.0, 3.0), 1.5 * hu, rough=0.0)
    return tuple(found)


def _either_side(rng: np.random.Generator, places: tuple[Point, ...]) -> Point:
    side = 1.0 if chance(rng, 0.5) else -1.0
    x, y, z = one_of(rng, places)
    return side * x, y, z
