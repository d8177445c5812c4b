"""Bleeds among the vessels: thin blood in sulci and cisterns, from an aneurysm or a blow, in patches."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ich_bench.phantom.anatomy import Anatomy, Shell, Spaces
from ich_bench.phantom.bleed import Bleed, Index, Place, Point, ball, draw_blood
from ich_bench.phantom.bleed_size import Lattice
from ich_bench.phantom.chance import Floats, between, normal, smooth_field
from ich_bench.phantom.lesion_parameters import LesionParameters, Span

_FARTHEST_MM = 75.0
_PATCH_MM = 7.0  # how uneven its reach is
_NOTHING_MM = -0.3  # fluid at most this thin holds none


@dataclass(frozen=True, kw_only=True)
class Sah(Bleed):
    """Blood in all fluid within a ragged distance of its source; `film_mm` is how far it coats the brain beside it."""

    far_mm: float
    film_mm: float

    @property
    def reach_mm(self) -> float:
        """Return a distance from the centre beyond which there is no blood."""
        return self.far_mm + 2.6 * _PATCH_MM

    def near(self, place: Place, shell: Shell) -> Index:
        """Return which of the places lie within reach."""
        return ball(place, self.centre, self.reach_mm)

    def inside_mm(self, place: Place, shell: Shell, spaces: Spaces) -> Floats:
        """Return the depth inside the blood."""
        depth = np.maximum(spaces.sulcus_mm, spaces.cistern_mm) + self.film_mm
        wet = np.nonzero(depth > -1.5)
        if wet[0].size:
            x, y, z = (part[wet] for part in place)
            depth[wet] = np.minimum(depth[wet], self.far_mm - self.needed_mm((x, y, z)))
        return np.minimum(depth, np.minimum(shell.vault_mm, shell.floor_mm))

    def needed_mm(self, place: Place) -> Floats:
        """Return the distance at which blood reaches the places."""
        x, y, z = place
        away = np.sqrt((x - self.centre[0]) ** 2 + (y - self.centre[1]) ** 2 + (z - self.centre[2]) ** 2)
        needed: Floats = away + _PATCH_MM * self.lumps.at(x, y, z)
        return needed


def draw_sah(
    rng: np.random.Generator, head: Anatomy, lattice: Lattice, side: float, span_mm: Span, volume_ml: float,
    parameters: LesionParameters, beside: Point | None = None,
) -> Sah:  # fmt: skip
    """Return a bleed into sulci and cisterns of about this volume, drawn; `beside` another bleed at times."""
    drawn = between(rng, 0.0, 1.0)
    wide, long, high = head.half_width_mm / 65.5, head.half_length_mm / 82.0, head.height_mm / 70.0
    if drawn < 0.3:  # an aneurysm: basal cisterns
        x, y, z = between(rng, 0.0, 12.0), between(rng, 4.0, 18.0), between(rng, -20.0, -8.0)
    elif drawn < 0.5:  # an aneurysm of the middle cerebral artery: Sylvian fissure
        x, y, z = between(rng, 30.0, 42.0), between(rng, -6.0, 14.0), between(rng, -8.0, 8.0)
    else:  # a blow: sulci of the convexity
        x, y, z = between(rng, 38.0, 54.0), between(rng, -50.0, 42.0), between(rng, 8.0, 46.0)
    centre = (side * x * wide, y * long, min(max(z * high, span_mm[0]), span_mm[1]))
    if beside is not None and drawn >= 0.4:
        centre = tuple(part + normal(rng, 0.0, 14.0) for part in beside)  # type: ignore[assignment]
    blood = draw_blood("sah", rng, parameters, venous_hu=head.sinus_hu, middle_y_mm=centre[1])
    bleed = Sah(
        subtype="sah", side=side, centre=centre, volume_ml=volume_ml, hu=blood.hu, blood=blood,
        lumps=smooth_field(rng, 6.0), far_mm=0.0, film_mm=between(rng, 0.2, 0.7),
    )  # fmt: skip
    fluid = np.maximum(lattice.spaces.sulcus_mm, lattice.spaces.cistern_mm) + bleed.film_mm
    needed = np.where(fluid > 0, bleed.needed_mm(lattice.place), np.inf)
    return replace(bleed, far_mm=min(_FARTHEST_MM, max(4.0, lattice.size_for(needed, volume_ml))))
