"""What is a bleed: a function of the place, whatever its subtype, and how dense its blood is.

All places are head millimetres: x to the right, y to the front, z up; a depth is positive inside. Arrays of any one
shape; flat arrays of the places that matter are fastest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ich_bench.phantom.anatomy import Shell, Spaces
from ich_bench.phantom.chance import Field, Floats, between, chance, normal
from ich_bench.phantom.lesion_parameters import LesionParameters

Place = tuple[Floats, Floats, Floats]
Point = tuple[float, float, float]
Index = tuple[NDArray[np.intp], ...]

OUTSIDE_MM = -99.0
_TEXTURE_HU = 3.0
_LEVEL_MM = 1.0  # half the width of the step at a level


@dataclass(frozen=True, kw_only=True)
class Blood:
    """How dense the blood of one bleed is.

    `hu` is its mean; `swirl_hu` is added where blood has not clotted yet, `above_hu` in front of the level at
    `level_mm` (the patient lies face up, so red cells sink to the back).
    """

    hu: float
    swirl_hu: float = 0.0
    above_hu: float = 0.0
    level_mm: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Bleed(ABC):
    """One bleed. `side` is 1 on the right, -1 on the left; `volume_ml` is what it was drawn to hold."""

    subtype: str
    side: float
    centre: Point
    volume_ml: float
    hu: float
    blood: Blood
    lumps: Field  # its own roughness, bumps of about a centimetre
    oedema_mm: float = 0.0  # how far the oedema reaches
    oedema_hu: float = 21.0

    @abstractmethod
    def near(self, place: Place, shell: Shell) -> Index:
        """Return which of the places can hold blood or oedema at all."""

    @abstractmethod
    def inside_mm(self, place: Place, shell: Shell, spaces: Spaces) -> Floats:
        """Return the depth inside the bleed at places near it; call `depth_mm`."""

    @property
    def reach_mm(self) -> float:
        """Return a distance from the centre beyond which there is neither blood nor oedema."""
        return 999.0

    def depth_mm(self, place: Place, shell: Shell, spaces: Spaces) -> Floats:
        """Return the depth inside the bleed, in mm; negative outside.

        Args:
            place: where, with the brain moved as it is now.
            shell: the places seen from the skull.
            spaces: the fluid there, of the brain as it was before the bleed moved it.
        """
        depth = np.full(place[0].shape, OUTSIDE_MM)
        near = self.near(place, shell)
        if near[0].size:
            x, y, z = (part[near] for part in place)
            depth[near] = self.inside_mm((x, y, z), shell.at(near), some(spaces, near))
        return depth

    def thickness_mm(self, place: Place) -> Floats:
        """Return how far an extra-axial bleed stands off the inner table here; 0 where it does not, and for others."""
        return np.zeros(place[0].shape)

    def pull(self, place: Place, radius: Floats) -> Place:
        """Return where the tissue at these places was before the bleed moved it (mass effect)."""
        return place

    def blood_hu(self, place: Place) -> Floats:
        """Return the HU of the blood at places inside the bleed."""
        rough = self.lumps.at(place[1], place[0], place[2])
        hu = self.hu + _TEXTURE_HU * rough
        if self.blood.swirl_hu:
            hu = hu + self.blood.swirl_hu * np.clip(1.6 * self.lumps.at(place[2], place[1], place[0]) - 0.6, 0.0, 1.0)
        if self.blood.above_hu:
            above = np.clip(0.5 + (place[1] - self.blood.level_mm) / (2 * _LEVEL_MM), 0.0, 1.0)
            hu = hu + self.blood.above_hu * above
        return hu

    def oedema_share(self, place: Place, depth_mm: Floats) -> Floats:
        """Return how much of the tissue at these places, this deep in the bleed (negative outside), is oedema."""
        if not self.oedema_mm:
            return np.zeros_like(depth_mm)
        share = np.zeros_like(depth_mm)
        near = np.nonzero((depth_mm > -2.0 * self.oedema_mm - 4.0) & (depth_mm < 1.0))
        if near[0].size:
            reach = self.oedema_mm * (1.0 + 0.45 * self.lumps.at(*(part[near] for part in place)))
            share[near] = np.clip(0.5 + (depth_mm[near] + reach) / 4.0, 0.0, 1.0)
        return share


def some(spaces: Spaces, index: Index) -> Spaces:
    """Return some of the places."""
    return Spaces(**{each.name: getattr(spaces, each.name)[index] for each in fields(spaces)})


def ball(place: Place, centre: Point, reach_mm: float) -> Index:
    """Return which places lie within a distance of the centre."""
    x, y, z = place
    return np.nonzero((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2 < reach_mm**2)


def held(radius: Floats) -> Floats:
    """Return how freely tissue moves: not at all at the skull (radius 1)."""
    square = radius * radius
    return np.clip(1.0 - square * square, 0.0, 1.0)


def draw_blood(
    subtype: str, rng: np.random.Generator, parameters: LesionParameters, *, venous_hu: float, middle_y_mm: float
) -> Blood:
    """Return how dense a bleed of the subtype is, by its age and by the haematocrit (from venous blood's HU).

    `middle_y_mm` is about where the bleed's middle lies from back to front: levels lie near it.
    """
    hyper, acute, subacute, _ = parameters.of(subtype).ages
    drawn = between(rng, 0.0, 1.0)
    pale = between(rng, *parameters.anaemia_hu) * (venous_hu - 10.0 < 30.0)
    mean = min(90.0, max(50.0, normal(rng, *parameters.acute_hu)))
    swirl = between(rng, *parameters.swirl_hu)
    level = middle_y_mm + between(rng, -6.0, 3.0)
    days = between(rng, 4.0, 20.0)
    decline = between(rng, *parameters.decline_hu_a_day)
    if subtype == "sah":
        old = 8.0 if drawn >= hyper + acute else 0.0
        return Blood(hu=max(28.0, between(rng, *parameters.sah_hu) - 0.5 * pale - old))
    if drawn < hyper:
        hu = between(rng, *parameters.hyperacute_hu) - pale
        return Blood(hu=hu, swirl_hu=min(0.0, swirl - pale - hu))
    if drawn < hyper + acute:
        levelled = subtype == "iph" and chance(rng, parameters.fluid_level)
        thinned = 8.0 if subtype == "ivh" else 0.0  # mixed with fluid
        return Blood(hu=mean - pale - thinned, above_hu=-25.0 if levelled else 0.0, level_mm=level)
    if drawn < hyper + acute + subacute:
        if subtype == "sdh":
            return Blood(hu=between(rng, *parameters.subacute_hu) - 0.3 * pale)
        return Blood(hu=max(30.0, mean - pale - decline * (days - 3.0)))
    hu = between(rng, *parameters.chronic_hu)
    if chance(rng, parameters.layered):
        return Blood(hu=between(rng, 40.0, 60.0), above_hu=hu - 50.0, level_mm=level)
    return Blood(hu=hu)
