"""Bleeds into the ventricles: blood sunk to the occipital horns, one side fuller than the other, or a cast."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ich_bench.phantom.anatomy import Anatomy, Shell, Spaces
from ich_bench.phantom.bleed import Bleed, Index, Place, draw_blood
from ich_bench.phantom.bleed_size import Lattice
from ich_bench.phantom.chance import Floats, between, chance, smooth_field
from ich_bench.phantom.lesion_parameters import LesionParameters

_MIDLINE_MM = 3.5  # nearer to the middle lie the third and fourth ventricles
_FARTHEST_MM = 62.0
_FILM_MM, _WIDEST_MM = 0.2, 4.0
_FULL = 0.85  # a ventricle that blood fills so far is distended by more


@dataclass(frozen=True, kw_only=True)
class Ivh(Bleed):
    """Blood up to a level, which lies `uneven_mm` lower on the other side; a cast also has a front in the horns."""

    level_mm: float  # the y up to which blood stands on its own side
    uneven_mm: float
    rough_mm: float
    swell_mm: float  # how far blood distends the ventricle's walls
    midline_mm: float  # how much farther the blood reaches in the third and fourth ventricle

    def near(self, place: Place, shell: Shell) -> Index:
        """Return which of the places may be ventricle."""
        x, y, z = place
        return np.nonzero((np.abs(x) < 52.0) & (y < self.level_mm + 12.0 + max(0.0, self.midline_mm)) & (z < 62.0))

    def inside_mm(self, place: Place, shell: Shell, spaces: Spaces) -> Floats:
        """Return the depth inside the blood; it fills what it fills from wall to wall."""
        depth = np.minimum(spaces.ventricle_mm + self.swell_mm, 12.0)
        wet = np.nonzero(depth > -1.5)
        if wet[0].size:
            some = tuple(part[wet] for part in place)
            depth[wet] = np.minimum(depth[wet], self.level_mm - self.needed_mm(some))  # type: ignore[arg-type]
        return depth

    def needed_mm(self, place: Place) -> Floats:
        """Return the level at which blood reaches the places."""
        x, y, _ = place
        uneven = np.where(x * self.side < -_MIDLINE_MM, self.uneven_mm, 0.0)
        middle = np.where(np.abs(x) < _MIDLINE_MM, self.midline_mm, 0.0)
        rough = self.rough_mm * self.lumps.at(*place) if self.rough_mm else 0.0
        needed: Floats = y + uneven - middle + rough
        return needed


def draw_ivh(
    rng: np.random.Generator, head: Anatomy, lattice: Lattice, side: float, volume_ml: float,
    parameters: LesionParameters,
) -> Ivh:  # fmt: skip
    """Return a bleed into the ventricles of about this volume, or of all they hold, drawn."""
    cast = chance(rng, 0.25 if volume_ml > 6.0 else 0.08)
    blood = draw_blood("ivh", rng, parameters, venous_hu=head.sinus_hu, middle_y_mm=-40.0)
    ventricle = lattice.spaces.ventricle_mm
    swell = min(_WIDEST_MM, max(_FILM_MM, lattice.size_for(-ventricle, volume_ml / _FULL)))
    bleed = Ivh(
        subtype="ivh",
        side=side,
        centre=(0.0, -25.0, 10.0),
        volume_ml=volume_ml,
        hu=blood.hu,
        blood=blood,
        lumps=smooth_field(rng, 5.0),
        level_mm=_FARTHEST_MM,
        uneven_mm=between(rng, 40.0, 90.0) if cast else between(rng, 0.0, 16.0),
        rough_mm=between(rng, 6.0, 12.0) if cast else between(rng, 0.0, 1.2),
        swell_mm=swell,
        midline_mm=between(rng, 0.0, 45.0) if cast or chance(rng, 0.25) else -60.0,
    )
    needed = np.where(ventricle > -swell, bleed.needed_mm(lattice.place), np.inf)
    level = min(_FARTHEST_MM, lattice.size_for(needed, volume_ml))
    return replace(bleed, level_mm=level)
