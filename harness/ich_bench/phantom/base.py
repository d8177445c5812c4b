"""How high is the skull base? Three fossae as steps, the petrous ridges across, sella, clivus and foramen magnum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from ich_bench.phantom.chance import FIELD_HALF_MM, Field, Floats

_STEP_MM = 1.5
_SMOOTH_MM = 1.6
_HIGHEST_MM = 14.0  # above, the base is too far away to matter


@dataclass(frozen=True, kw_only=True)
class Base:
    """The height of the skull base in head millimetres, and how steep it is, on a grid of 1.5 mm over x and y."""

    height_mm: Floats
    flat: Floats  # 1 where level, less where steep: turns heights into distances

    def depth_mm(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Return about how far the places lie above the skull base."""
        far = z - 20.0  # a plane well below, so that depths go on smoothly
        low = np.nonzero(z < _HIGHEST_MM + 26.0)
        found = np.maximum(far + 40.0, 30.0)
        if low[0].size:
            index = [(x[low] + FIELD_HALF_MM[0]) / _STEP_MM, (y[low] + FIELD_HALF_MM[1]) / _STEP_MM]
            height = map_coordinates(self.height_mm, index, order=1, mode="nearest")
            flat = map_coordinates(self.flat, index, order=1, mode="nearest")
            found[low] = np.minimum((z[low] - height) * flat, found[low])
        return found


def draw_base(lumps: Field, bumps: Field, grown: float) -> Base:
    """Return the skull base of a head this large (1 an adult's), uneven by the head's own fields."""
    lines = [-half + _STEP_MM * np.arange(int(2 * half / _STEP_MM) + 1, dtype=np.float64) for half in FIELD_HALF_MM[:2]]
    x: Floats
    y: Floats
    x, y = np.meshgrid(*lines, indexing="ij")
    level = np.full(x.shape, -30.0)
    warp = bumps.at(x, y, level)
    height: Floats = _height(x / grown + 1.1 * warp, y / grown + 1.1 * bumps.at(y, x, level)) * grown
    height = height + 1.8 * lumps.at(x, y, level) + 0.7 * warp
    height = gaussian_filter(height, _SMOOTH_MM / _STEP_MM, truncate=3.0)
    slope = np.gradient(height, _STEP_MM)
    return Base(height_mm=height, flat=1.0 / np.sqrt(1.0 + slope[0] ** 2 + slope[1] ** 2))


def _step(rise: Floats) -> Floats:
    """Return 0 to 1 as `rise` goes from -1 to 1, smoothly."""
    held = np.clip(0.5 + 0.5 * rise, 0.0, 1.0)
    return held * held * (3.0 - 2.0 * held)


def _height(x: Floats, y: Floats) -> Floats:
    side = np.abs(x)
    front = _step((y - 24.0 - 5.0 * _step((side - 30.0) / 14.0)) / 6.0)
    along = np.clip(((side - 16.0) * 42.0 + (-9.0 - y) * 27.0) / (42.0**2 + 27.0**2), 0.0, 1.0)
    crest = -9.0 - 27.0 * np.clip((side - 16.0) / 42.0, 0.0, 1.2)  # where along y the petrous ridge runs
    clivus = _step((-19.0 - y) / 11.0)
    mix = _step((side - 13.0) / 5.0)
    behind = clivus + mix * (_step((crest - 1.0 - y) / 6.0) - clivus)
    fossa = -45.0 + 4.0 * _step((side - 40.0) / 16.0)
    sella = -34.0 - 3.0 * np.exp(-((side / 7.0) ** 2) - ((y - 2.0) / 5.0) ** 2)
    sella = sella + 7.0 * np.exp(-((side / 7.0) ** 2) - ((y + 8.0) / 3.0) ** 2)  # dorsum
    middle = sella + (fossa - sella) * _step((side - 14.0) / 6.0)
    ridge = (side - 16.0 - 42.0 * along) ** 2 + (-9.0 - y - 27.0 * along) ** 2
    roof = -27.0 + 7.0 * np.exp(-(((side - 30.0) / 14.0) ** 2)) - 7.0 * np.exp(-((side / 9.0) ** 2))
    roof = roof + 6.0 * np.exp(-((side / 2.4) ** 2) - ((y - 58.0) / 9.0) ** 2)  # crista galli
    hole = 26.0 * np.exp(-((side / 13.0) ** 4) - ((y + 32.0) / 15.0) ** 4)
    low = -57.0 - hole + 4.0 * np.exp(-((side / 4.0) ** 2)) * _step((-54.0 - y) / 8.0)
    base = front * roof + behind * (1 - front) * low + (1 - front) * (1 - behind) * middle
    found: Floats = base + (14.0 + 3.0 * along) * np.exp(-ridge / 50.0)
    return found
