"""How does a head lie in the scanner, and what does the scanner make of it? Grid, blur, noise, padding."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fftfreq, irfft2, rfft2, rfftfreq

from ich_bench.geometry import Geometry
from ich_bench.phantom import physics
from ich_bench.phantom.chance import Floats, between, chance, raw, weighted
from ich_bench.phantom.parameters import PARAMETERS, Parameters, site_of

PADDING_HU = -1024
_LOWEST_HU, _HIGHEST_HU = -1024, 3071
_LOW_MM, _HIGH_MM = -52.0, 82.0  # the least of a whole scan, from the orbits to above the vertex
_AIR_SHARE, _MOST_AIR_MM = 0.3, 16.0  # how much of what a longer scan adds lies above the vertex
_LONGEST_MM = 200.0  # no scan of a head is longer: a grid of many slices gets thinner ones instead
_MIDDLE_MM = 10.0  # where a scan too short for a whole head is centred: the ventricles
_THIN_MM = 2.4  # slices thinner than this share some of their noise with their neighbours
_SHARED_NOISE = 0.45  # how much: their correlation


@dataclass(frozen=True, kw_only=True)
class Scan:
    """One acquisition: the grid, how the head was held, and the scanner's habits.

    The grid runs leftwards, forwards and upwards (LAS, as dcm2niix writes). `tilt_deg` is the gantry's: it shears the
    affine. `turn_deg` is the head's own (yaw, roll, pitch), `shift_mm` how far it lies off the centre.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    tilt_deg: float = 0.0
    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shift_mm: tuple[float, float] = (0.0, 0.0)
    kernel: str = "standard"
    noise_hu: float = 3.6
    peak_per_mm: float = 0.21
    fwhm_mm: float = 1.3
    boost: float = 0.1
    offset_hu: float = 0.0
    gain: float = 1.0
    hardening: float = 1.0
    padding_hu: int = PADDING_HU
    motion: tuple[tuple[float, float, int, int], ...] = ()  # (height in the scan 0-1, mm moved, first view, views)

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
    def _heights(self) -> tuple[float, float]:
        thick = self.shape[2] * self.spacing_mm[2]
        whole = _HIGH_MM - _LOW_MM
        if thick < whole:
            return _MIDDLE_MM - thick / 2, _MIDDLE_MM + thick / 2
        top = _HIGH_MM + min(_MOST_AIR_MM, _AIR_SHARE * (thick - whole))
        return top - thick, top

    @property
    def _affine(self) -> Floats:
        sx, sy, sz = self.spacing_mm
        tilt = np.deg2rad(self.tilt_deg)
        affine = np.diag([-sx, sy * np.cos(tilt), sz, 1.0])
        affine[2, 1] = sy * np.sin(tilt)
        middle = affine[:3, :3] @ ((np.array(self.shape) - 1) / 2)
        affine[:3, 3] = (self.shift_mm[0], self.shift_mm[1], sum(self._heights) / 2) - middle
        return affine

    @property
    def _to_head(self) -> Floats:
        turned: Floats = _rotation(self.turn_deg) @ self._affine[:3]
        return turned

    def head_mm(self, i: Floats, j: Floats, k: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the head millimetres x, y, z of voxel indices, which may be fractions; arrays that broadcast."""
        matrix = self._to_head
        x, y, z = (row[0] * i + (row[1] * j + (row[2] * k + row[3])) for row in matrix)
        return x, y, z

    def index_of(self, place: tuple[float, float, float]) -> tuple[float, float, float]:
        """Return the voxel index, in fractions, of a place in head millimetres."""
        matrix = self._to_head
        i, j, k = np.linalg.solve(matrix[:, :3], np.array(place) - matrix[:, 3])
        return float(i), float(j), float(k)

    def box(self, half_mm: tuple[float, float]) -> tuple[slice, slice]:
        """Return the in-plane indices that may hold any part of a head of these half sizes."""
        spans = []
        for axis, half in enumerate(half_mm):
            middle = (self.shape[axis] - 1) / 2
            reach = half / self.spacing_mm[axis]
            off = -self.shift_mm[axis] / self.spacing_mm[axis] * (-1 if axis == 0 else 1)
            low, high = max(0, int(middle + off - reach)), min(self.shape[axis], int(middle + off + reach) + 2)
            spans.append(slice(low, max(high, low + 1)))
        return spans[0], spans[1]


def draw_scan(
    rng: np.random.Generator,
    *,
    site: str = "b",
    shape: tuple[int, int, int] | None = None,
    thickness_mm: float | None = None,
    tilt_deg: float | None = None,
    parameters: Parameters = PARAMETERS,
) -> Scan:
    """Return an acquisition at a site, drawn.

    The field of view does not depend on the shape; a scan with few slices shows the middle of the head.

    Args:
        rng: where chance comes from.
        site: whose scanner.
        shape: voxels; 256 × 256 and as many slices as a whole head needs when None.
        thickness_mm: of a slice; when None drawn, or what makes the shape as long as a scan of a head.
        tilt_deg: of the gantry; drawn when None.
        parameters: what heads are made from.
    """
    where = site_of(site)
    view_mm = between(rng, *where.view_mm)
    length_mm = between(rng, *where.length_mm)
    thick = weighted(rng, where.thickness_mm)
    tilted = between(rng, *where.tilt_deg) if chance(rng, where.tilt_share) else 0.0
    yaw, roll, pitch = where.turn_deg
    turn = (between(rng, -yaw, yaw), between(rng, -roll, roll), between(rng, -pitch, pitch))
    shift = (between(rng, -6, 6), between(rng, -6, 6))
    noise_hu = between(rng, *where.noise_5mm_hu)
    fwhm_mm = between(rng, *where.fwhm_mm)
    if shape is not None and shape[2] * thick > _LONGEST_MM:
        thick = round(length_mm / shape[2], 2)
    thick = thick if thickness_mm is None else thickness_mm
    across, along, slices = shape or (256, 256, round(length_mm / thick))
    peak_low, peak_high = parameters.noise.peak_per_mm
    scan = Scan(
        shape=(across, along, slices),
        spacing_mm=(round(view_mm / across, 4), round(view_mm / across, 4), thick),
        tilt_deg=round(tilted if tilt_deg is None else tilt_deg, 2),
        turn_deg=turn,
        shift_mm=shift,
        kernel=where.kernel,
        noise_hu=noise_hu * (5.0 / max(thick, 0.6)) ** 0.5,
        peak_per_mm=float(np.clip(0.31 / fwhm_mm, peak_low, peak_high)),
        fwhm_mm=fwhm_mm,
        boost=between(rng, *where.boost),
        offset_hu=between(rng, *where.offset_hu),
        gain=between(rng, *where.gain),
        hardening=between(rng, *where.hardening),
        padding_hu=weighted(rng, where.padding_hu),
    )
    if not chance(rng, parameters.at_site(site).mimics.motion_share):
        return scan
    middle = between(rng, 0.2, 0.8)
    jerks = [
        (middle + between(rng, -0.06, 0.06), between(rng, 0.8, 2.2), int(between(rng, 0, 60)), int(between(rng, 6, 16)))
        for _ in range(3)
    ]
    return replace(scan, motion=tuple(jerks))


def acquire(planes: Floats, scan: Scan, rng: np.random.Generator) -> NDArray[np.int16]:
    """Return the CT as the scanner writes it: hardened, blurred, noisy, cut to the round field of view, int16.

    Args:
        planes: HU as (z, y, x); used up.
        scan: the acquisition.
        rng: where the noise comes from.

    Returns:
        The CT as (x, y, z).
    """
    slices, rows, columns = planes.shape
    pixel = scan.spacing_mm[0]
    cell_mm = pixel * max(rows, columns) / physics.SIDE
    small = np.stack([physics.shrunk(plane) for plane in planes])
    added = physics.hardening(small, cell_mm, scan.hardening)
    for height, moved, first, views in scan.motion:
        k = min(slices - 1, max(0, int(height * slices)))
        added[k] += physics.streaks(small[k], cell_mm, moved, first, views)
    loud = physics.loudness(small, cell_mm) * scan.noise_hu
    fy, fx = fftfreq(rows, pixel)[:, None], rfftfreq(columns, pixel)[None]
    square = fy * fy + fx * fx
    transfer = _transfer(square, scan)
    power = _noise_amplitude(square, scan)
    outside = _outside_view(rows, columns)
    stored = np.empty(planes.shape, np.int16)
    kept = _SHARED_NOISE if scan.spacing_mm[2] < _THIN_MM else 0.0
    spectrum = np.zeros((rows, columns // 2 + 1), np.complex128)
    for k in range(slices):
        plane = planes[k]
        plane += np.maximum(plane, 0.0) * (scan.gain - 1.0)
        plane += physics.grown(added[k], (rows, columns)) + scan.offset_hu
        clean = rfft2(plane)
        clean *= transfer
        fresh = _white(rng, spectrum.shape)
        fresh *= power
        spectrum = kept * spectrum + (1.0 - kept * kept) ** 0.5 * fresh
        seen = irfft2(spectrum, s=(rows, columns))
        seen *= physics.grown(loud[k], (rows, columns))
        seen += irfft2(clean, s=(rows, columns), overwrite_x=True)
        np.rint(seen, out=seen)
        np.maximum(seen, _LOWEST_HU, out=seen)
        np.minimum(seen, _HIGHEST_HU, out=seen)
        seen[outside] = scan.padding_hu
        stored[k] = seen
    return stored.transpose(2, 1, 0)


def _transfer(square: Floats, scan: Scan) -> Floats:
    """Return the in-plane transfer function at squared frequencies: a Gaussian, raised at middle ones by the boost."""
    steep = (np.pi * scan.fwhm_mm) ** 2 / (4.0 * np.log(2.0))
    middle = square * (scan.fwhm_mm / 0.42) ** 2
    found: Floats = np.exp(-steep * square) * (1.0 + 2.2 * scan.boost * middle)
    return found


def _noise_amplitude(square: Floats, scan: Scan) -> Floats:
    """Return the root of the noise power at squared frequencies, scaled so that the noise has standard deviation 1.

    The power rises with frequency as filtered back-projection makes it, peaks, and falls as the kernel does
    (Solomon 2012).
    """
    peak = 2.0 * scan.peak_per_mm**2
    power = (np.sqrt(square) + 0.04 * scan.peak_per_mm) * np.exp(-square / peak)
    half = power.copy()
    half[:, 1 : -1 if square.shape[1] > 2 else None] *= 2.0
    amplitude: Floats = np.sqrt(power * (1.0 / max(float(half.sum()), 1e-12)))
    return amplitude


def _white(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.complex128]:
    """Return a white spectrum, scaled for an inverse transform that keeps the standard deviation.

    Each part is the sum of two 16-bit halves of 32 bits of raw output; a voxel sums over thousands of them.
    """
    rows, half = shape
    drawn = raw(rng, rows * half)
    low = np.uint64(0x0000FFFF0000FFFF)
    pairs = ((drawn & low) + ((drawn >> np.uint64(16)) & low)).view(np.uint32)
    parts = pairs.astype(np.float64)
    parts -= 65535.0
    parts *= rows * (2 * half - 2) * (3.0 / (65536.0**2)) ** 0.5
    return parts.view(np.complex128).reshape(shape)


def _outside_view(rows: int, columns: int) -> NDArray[np.bool_]:
    j, i = np.ogrid[:rows, :columns]
    away = np.hypot(i - (columns - 1) / 2, j - (rows - 1) / 2)
    return np.asarray(away > max(rows, columns) / 2)


def headrest(scan: Scan) -> Floats:
    """Return the HU of the headrest in any slice, (y, x): a thin shell behind the head; -1000 elsewhere."""
    matrix = scan._affine
    i, j = np.arange(scan.shape[0])[None, :], np.arange(scan.shape[1])[:, None]
    x = matrix[0, 0] * i + matrix[0, 3]
    y = matrix[1, 1] * j + matrix[1, 3]
    ring = np.abs(np.sqrt((x / 94.0) ** 2 + ((y - 14.0) / 126.0) ** 2) - 1.0) * 100.0
    shell = np.clip(1.3 - ring / max(1.0, scan.spacing_mm[0]), 0.0, 1.0) * np.clip((30.0 - y) / 3.0, 0.0, 1.0)
    rest: Floats = -1000.0 + 1080.0 * shell
    return rest


def _rotation(turn_deg: tuple[float, float, float]) -> Floats:
    yaw, roll, pitch = np.deg2rad(turn_deg)
    about_z = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(roll), 0, np.sin(roll)], [0, 1, 0], [-np.sin(roll), 0, np.cos(roll)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    turned: Floats = about_z @ about_y @ about_x
    return turned
