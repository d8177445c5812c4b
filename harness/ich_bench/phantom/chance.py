"""Where the drawn heads get their randomness: uniforms, normals and smooth fields from one explicit generator.

Everything is made from `Generator.random`, whose stream NumPy's bit generators fix, and computed in float64: the same
seed gives the same head wherever the library runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.special import ndtri

Floats = NDArray[np.float64]
Item = TypeVar("Item")

FIELD_HALF_MM = (96.0, 114.0, 102.0)  # a field covers the head and some air around it


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """Return one uniform draw from [low, high)."""
    return low + (high - low) * float(rng.random())


def normals(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return standard normal draws: the inverse normal distribution of uniforms, so that the stream never changes."""
    drawn: Floats = ndtri(rng.random(shape) + 2.0**-54)
    return drawn


def normal(rng: np.random.Generator, mean: float, sd: float) -> float:
    """Return one normal draw, kept within two and a half standard deviations."""
    return mean + sd * min(2.5, max(-2.5, float(normals(rng, (1,))[0])))


def chance(rng: np.random.Generator, share: float) -> bool:
    """Return True in this share of all draws."""
    return bool(rng.random() < share)


def one_of(rng: np.random.Generator, items: Sequence[Item]) -> Item:
    """Return one of the items, each as likely."""
    return items[int(rng.random() * len(items))]


@dataclass(frozen=True, kw_only=True)
class Field:
    """A smooth random function of the place in the head, of mean 0 and standard deviation 1."""

    values: Floats
    spacing_mm: float

    def at(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Return the field at places in head millimetres (trilinear; constant beyond its edge)."""
        index = [(place + half) / self.spacing_mm for place, half in zip((x, y, z), FIELD_HALF_MM, strict=True)]
        found: Floats = map_coordinates(self.values, index, order=1, mode="nearest")
        return found


def smooth_field(rng: np.random.Generator, correlation_mm: float) -> Field:
    """Return a field whose bumps are about three `correlation_mm` wide."""
    spacing_mm = max(2.5, correlation_mm / 1.4)
    shape = tuple(int(2 * half / spacing_mm) + 2 for half in FIELD_HALF_MM)
    values = gaussian_filter(normals(rng, shape), correlation_mm / spacing_mm, mode="reflect")
    return Field(values=values / values.std(), spacing_mm=spacing_mm)


def creases(field: Field) -> Field:
    """Return how far each place is from where the field is zero, in mm, with the field's sign (to first order)."""
    slopes = np.gradient(field.values, field.spacing_mm)
    steepness = np.sqrt(sum(slope * slope for slope in slopes))
    return Field(values=field.values / np.maximum(steepness, 0.04), spacing_mm=field.spacing_mm)
