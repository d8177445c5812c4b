"""How a drawn head lies in the scanner, and what the scanner does to it: grid, partial volume, blur, noise, padding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ich_bench.geometry import Geometry
from ich_bench.phantom.chance import Floats, between, chance, normals

PADDING_HU = -1024
_LOW_MM, _HIGH_MM = -52.0, 82.0  # a whole scan, from the orbits to above the vertex
_MIDDLE_MM = 10.0  # where a scan too short for a whole head is centred: the ventricles


@dataclass(frozen=True, kw_only=True)
class Scan:
    """One acquisition: the grid, and how the head was held.

    The grid runs leftwards, forwards and upwards (LAS, as dcm2niix writes). `tilt_deg` is the gantry's: it shears the
    affine. `turn_deg` is the head's own (yaw, roll, pitch), `shift_mm` how far it lies off the centre.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    tilt_deg: float = 0.0
    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shift_mm: tuple[float, float] = (0.0, 0.0)
    noise_hu: float = 3.6
    blur_mm: float = 0.6

    @property
    def geometry(self) -> Geometry:
        """Return the grid in the world, whose origin is the head's."""
        return Geometry.of(self.shape, self._affine)

    @property
    def span_mm(self) -> tuple[float, float]:
        """Return the heights of the head between which a bleed may be centred so that the scan shows it."""
        low, high = self._heights
        margin = 0.2 * (high - low)
        return max(low + margin, -34.0), min(high - margin, 48.0)

    @property
    def samples(self) -> int:
        """Return how many thin planes stand for one slice, so that thick slices mix what they cut through."""
        return max(1, round(self.spacing_mm[2] / 1.8))

    @property
    def _heights(self) -> tuple[float, float]:
        thick = self.shape[2] * self.spacing_mm[2]
        whole = _HIGH_MM - _LOW_MM
        return (_HIGH_MM - thick, _HIGH_MM) if thick >= whole else (_MIDDLE_MM - thick / 2, _MIDDLE_MM + thick / 2)

    @property
    def _affine(self) -> Floats:
        sx, sy, sz = self.spacing_mm
        tilt = np.deg2rad(self.tilt_deg)
        affine = np.diag([-sx, sy * np.cos(tilt), sz, 1.0])
        affine[2, 1] = sy * np.sin(tilt)
        middle = affine[:3, :3] @ ((np.array(self.shape) - 1) / 2)
        affine[:3, 3] = (self.shift_mm[0], self.shift_mm[1], sum(self._heights) / 2) - middle
        return affine

    def place(self, k: int, box: tuple[slice, slice]) -> tuple[Floats, Floats, Floats]:
        """Return the head millimetres of slice k's samples within an in-plane box: three (samples, x, y) arrays."""
        sub = (np.arange(self.samples) + 0.5) / self.samples - 0.5
        i = np.arange(self.shape[0], dtype=np.float64)[None, box[0], None]
        j = np.arange(self.shape[1], dtype=np.float64)[None, None, box[1]]
        index = (i, j, k + sub[:, None, None])
        to_head = _rotation(self.turn_deg) @ self._affine[:3]
        full = np.broadcast_shapes(*(part.shape for part in index))
        x, y, z = (np.broadcast_to(sum(row[n] * index[n] for n in range(3)) + row[3], full) for row in to_head)
        return np.array(x), np.array(y), np.array(z)

    def box(self, half_mm: tuple[float, float]) -> tuple[slice, slice]:
        """Return the in-plane indices that may hold any part of a head of these half sizes."""
        spans = []
        for axis, half in enumerate(half_mm):
            middle = (self.shape[axis] - 1) / 2
            reach = half / self.spacing_mm[axis]
            off = self.shift_mm[axis] / self.spacing_mm[axis] * (1 if axis == 0 else -1)
            low, high = max(0, int(middle + off - reach)), min(self.shape[axis], int(middle + off + reach) + 2)
            spans.append(slice(low, max(high, low + 1)))
        return spans[0], spans[1]


def draw_scan(
    rng: np.random.Generator,
    *,
    shape: tuple[int, int, int] | None = None,
    thickness_mm: float | None = None,
    tilt_deg: float | None = None,
) -> Scan:
    """Return an acquisition, drawn: mostly 5 mm slices, some thinner, a third of the gantries tilted.

    The field of view stays about 230 mm whatever the shape; a scan with few slices shows the middle of the head.
    """
    view_mm = between(rng, 218.0, 242.0)
    thick = 5.0 if chance(rng, 0.75) else round(between(rng, 3.0, 4.5), 1)
    tilted = between(rng, 6.0, 22.0) if chance(rng, 0.35) else 0.0
    turn = (between(rng, -7, 7), between(rng, -4, 4), between(rng, -10, 10))
    shift = (between(rng, -7, 7), between(rng, -7, 7))
    dose = between(rng, 3.0, 4.3)
    blur = between(rng, 0.5, 0.65)
    thick = thick if thickness_mm is None else thickness_mm
    across, along, slices = shape or (256, 256, round((_HIGH_MM - _LOW_MM) / thick))
    return Scan(
        shape=(across, along, slices),
        spacing_mm=(round(view_mm / across, 4), round(view_mm / across, 4), thick),
        tilt_deg=round(tilted if tilt_deg is None else tilt_deg, 2),
        turn_deg=turn,
        shift_mm=shift,
        noise_hu=dose * (5.0 / max(thick, 0.6)) ** 0.5,
        blur_mm=blur,
    )


def acquire(planes: Floats, scan: Scan, rng: np.random.Generator) -> NDArray[np.int16]:
    """Return the CT as the scanner writes it: blurred in plane, noisy, cut to the round field of view, int16.

    The planes of HU come as (z, x, y), the CT leaves as (x, y, z).

    The noise is band-limited as reconstruction filters make it, and stronger in the middle of a head than at its edge.
    """
    pixel = scan.spacing_mm[0]
    seen = gaussian_filter(planes, (0, scan.blur_mm / pixel, scan.blur_mm / pixel), truncate=3.0)
    white = normals(rng, planes.shape)
    fine, coarse = max(0.45, 0.42 / pixel), max(1.2, 1.5 / pixel)
    noise = gaussian_filter(white, (0, fine, fine), truncate=3.0)
    noise -= 0.8 * gaussian_filter(white, (0, coarse, coarse), truncate=2.5)
    i, j = np.ogrid[: scan.shape[0], : scan.shape[1]]
    away = np.hypot(i - (scan.shape[0] - 1) / 2, j - (scan.shape[1] - 1) / 2) * pixel
    strength = scan.noise_hu * (0.85 + 0.4 * np.exp(-((away / 55.0) ** 2)))
    noise *= strength / noise.std()
    seen += noise
    seen[:, away > scan.shape[0] / 2 * pixel] = PADDING_HU
    stored = np.clip(np.rint(seen), PADDING_HU, 3071).astype(np.int16)
    return np.ascontiguousarray(stored.transpose(1, 2, 0))


def headrest(scan: Scan) -> Floats:
    """Return the HU the headrest adds to any slice, (x, y): a thin shell behind the head."""
    x, y, _ = (part[0] for part in scan.place(scan.shape[2] // 2, (slice(None), slice(None))))
    ring = np.abs(np.sqrt((x / 92.0) ** 2 + ((y - 10.0) / 121.0) ** 2) - 1.0) * 100.0
    rest: Floats = 1150.0 * np.clip(1.4 - ring / max(1.0, scan.spacing_mm[0]), 0.0, 1.0) * (y < 30.0)
    return rest


def _rotation(turn_deg: tuple[float, float, float]) -> Floats:
    yaw, roll, pitch = np.deg2rad(turn_deg)
    about_z = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(roll), 0, np.sin(roll)], [0, 1, 0], [-np.sin(roll), 0, np.cos(roll)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    turned: Floats = about_z @ about_y @ about_x
    return turned
