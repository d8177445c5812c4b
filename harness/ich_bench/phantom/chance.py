"""Where the drawn heads get their randomness: uniforms, normals and smooth fields, all from PCG64's raw output.

NumPy may change how `Generator.normal` or `Generator.random` use the stream; the 64-bit numbers of PCG64 itself are
fixed by its algorithm. Everything here is made from them by the arithmetic written below, in float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

Floats = NDArray[np.float64]
Item = TypeVar("Item")

FIELD_HALF_MM = (96.0, 114.0, 102.0)  # a field covers the head and some air around it

# Wichura 1988, algorithm AS 241 (PPND7): the inverse normal distribution to about 1 part in 10**7.
_MIDDLE = ((3.3871327179, 50.434271938, 159.29113202, 59.109374720), (1.0, 17.895169469, 78.757757664, 67.187563600))
_TAIL = ((1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103), (1.0, 0.73700164250, 0.12021132975))
_FAR = ((6.6579051150, 3.0812263860, 0.42868294337, 0.017337203997), (1.0, 0.24197894225, 0.012258202635))


def raw(rng: np.random.Generator, count: int) -> NDArray[np.uint64]:
    """Return the generator's next 64-bit numbers, as its algorithm gives them."""
    drawn: NDArray[np.uint64] = rng.bit_generator.random_raw(count)
    return drawn


def uniform(rng: np.random.Generator) -> float:
    """Return one uniform draw from [0, 1): the upper 53 bits of a raw number, divided by 2**53."""
    return float(int(raw(rng, 1)[0]) >> 11) * 2.0**-53


def uniforms(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return uniform draws from [0, 1)."""
    drawn: Floats = (raw(rng, math.prod(shape)) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return drawn.reshape(shape)


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """Return one uniform draw from [low, high)."""
    return low + (high - low) * uniform(rng)


def normal(rng: np.random.Generator, mean: float, sd: float) -> float:
    """Return one normal draw, kept within two and a half standard deviations."""
    return mean + sd * min(2.5, max(-2.5, _quantile(uniform(rng) + 2.0**-54)))


def _quantile(share: float) -> float:
    """Return where the standard normal distribution reaches this share, in (0, 1)."""
    q = share - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        return q * _ratio(_MIDDLE, r)
    r = math.sqrt(-math.log(min(share, 1.0 - share)))
    found = _ratio(_TAIL, r - 1.6) if r <= 5.0 else _ratio(_FAR, r - 5.0)
    return math.copysign(found, q)


def _ratio(polynomials: tuple[Sequence[float], Sequence[float]], r: float) -> float:
    above, below = (sum(c * r**power for power, c in enumerate(each)) for each in polynomials)
    return above / below


def normals(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return draws of mean 0 and standard deviation 1, nearly normal: the sum of a raw number's four 16-bit quarters.

    The sum of four uniforms lies within 3.5 standard deviations; filtered, as noise and fields are, it is as good as
    normal.
    """
    quarters = raw(rng, math.prod(shape)).view(np.uint16).reshape(*shape, 4)
    total = quarters[..., 0].astype(np.float64)
    for part in range(1, 4):
        total += quarters[..., part]
    total -= 2.0 * 65535.0
    total *= math.sqrt(12.0 / (4.0 * (65536.0**2 - 1.0)))
    return total


def chance(rng: np.random.Generator, share: float) -> bool:
    """Return True in this share of all draws."""
    return uniform(rng) < share


def one_of(rng: np.random.Generator, items: Sequence[Item]) -> Item:
    """Return one of the items, each as likely."""
    return items[int(uniform(rng) * len(items))]


def weighted(rng: np.random.Generator, items: Sequence[tuple[Item, float]]) -> Item:
    """Return one of the items of (item, share), as likely as its share."""
    left = uniform(rng) * sum(share for _, share in items)
    for item, share in items:
        left -= share
        if left < 0:
            return item
    return items[-1][0]


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
    values = gaussian_filter(normals(rng, shape), correlation_mm / spacing_mm, mode="reflect", truncate=3.0)
    return Field(values=values / values.std(), spacing_mm=spacing_mm)


def creases(field: Field) -> Field:
    """Return how far each place is from where the field is zero, in mm, with the field's sign (to first order)."""
    slopes = np.gradient(field.values, field.spacing_mm)
    steepness = np.sqrt(sum(slope * slope for slope in slopes))
    return Field(values=field.values / np.maximum(steepness, 0.04), spacing_mm=field.spacing_mm)
