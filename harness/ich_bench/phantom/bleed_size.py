"""How large must a bleed be drawn so that it holds a given volume? Measured on a coarse lattice of the cavity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ich_bench.phantom.anatomy import Anatomy, Shell, Spaces, cortex_of, shell, spaces
from ich_bench.phantom.chance import Floats

if TYPE_CHECKING:
    from ich_bench.phantom.bleed import Bleed, Place

_STEP_MM = 3.0
_ACROSS = 17  # places across a cube in which a compact bleed is measured


@dataclass(frozen=True, kw_only=True)
class Lattice:
    """Places inside one person's cavity, each standing for `each_ml`, seen from skull and fluid before any bleed."""

    head: Anatomy
    place: Place
    shell: Shell
    spaces: Spaces
    each_ml: float

    def size_for(self, needed: Floats, volume_ml: float) -> float:
        """Return the size at which a bleed holds the volume.

        Args:
            needed: at each place, the least size at which the bleed takes it in; inf where it never does.
            volume_ml: the volume; less is held where the places do not suffice.
        """
        return size_for(needed, volume_ml, self.each_ml)

    def depths(self, bleed: Bleed, half_mm: float) -> tuple[Floats, float]:
        """Return the depths in a bleed at places of the cavity around its centre, before it moves the brain.

        Also returns how many mL each place stands for; the places fill a cube of this half side.
        """
        steps = half_mm * ((np.arange(_ACROSS) + 0.5) / _ACROSS * 2.0 - 1.0)
        grid = np.meshgrid(*(middle + steps for middle in bleed.centre), indexing="ij")
        x, y, z = (np.ascontiguousarray(part.ravel()) for part in grid)
        place, outline, fluid = seen(self.head, (x, y, z))
        return bleed.inside_mm(place, outline, fluid), (2.0 * half_mm / _ACROSS) ** 3 / 1000.0


def size_for(needed: Floats, volume_ml: float, each_ml: float) -> float:
    """Return the size at which places that stand for `each_ml` hold the volume; see `Lattice.size_for`."""
    reached = np.sort(needed[np.isfinite(needed)])
    if not reached.size:
        return 0.0
    return float(np.interp(volume_ml / each_ml - 0.5, np.arange(len(reached)), reached))


def lattice_of(head: Anatomy) -> Lattice:
    """Return the lattice of a person: a few ten thousand places."""
    half = (head.half_width_mm * 1.1, head.half_length_mm * 1.05)
    low, high = -1.0 * head.height_mm, 1.02 * head.height_mm
    axes = [np.arange(-half[0], half[0], _STEP_MM), np.arange(-half[1], half[1], _STEP_MM)]
    z, x, y = (part.ravel() for part in np.meshgrid(np.arange(low, high, _STEP_MM), *axes, indexing="ij"))
    inner = (x / half[0]) ** 2 + (y / half[1]) ** 2 + (z / (1.18 * high)) ** 2 < 1.0
    x, y, z = x[inner], y[inner], z[inner]
    number = np.arange(x.size)  # shifted by fractions that never repeat, lest thin layers fall between the places
    x = x + _STEP_MM * ((number * 0.7548776662466927) % 1.0 - 0.5)
    y = y + _STEP_MM * ((number * 0.5698402909980532) % 1.0 - 0.5)
    z = z + _STEP_MM * ((number * 0.3247179572447460) % 1.0 - 0.5)
    place, outline, fluid = seen(head, (x, y, z))
    return Lattice(head=head, place=place, shell=outline, spaces=fluid, each_ml=_STEP_MM**3 / 1000.0)


def seen(head: Anatomy, place: Place) -> tuple[Place, Shell, Spaces]:
    """Return the places inside the cavity, of flat arrays, with how they lie to skull and fluid before any bleed."""
    outline = shell(head, *(part[None] for part in place)).at(
        (np.zeros(place[0].size, np.intp), np.arange(place[0].size))
    )
    inner = np.nonzero((outline.vault_mm > 0) & (outline.floor_mm > 0))
    x, y, z = (part[inner] for part in place)
    outline = outline.at(inner)
    cortex = cortex_of(head, np.minimum(outline.vault_mm, outline.floor_mm))
    return (x, y, z), outline, spaces(head, x, y, z, outline, cortex)
