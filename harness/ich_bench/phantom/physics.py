"""What do X-rays do to a drawn slice? Beam hardening between bones, noise by path length, streaks of motion.

All on a grid of 64 × 64 over the field of view: parallel projection in 60 views and its way back. Brooks 1976 and
Joseph 1978 describe how hardening shows: in the reconstruction of the square of the rays' length in bone.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.fft import irfft, rfft
from scipy.sparse import csr_array

from ich_bench.phantom.chance import Floats
from ich_bench.phantom.grid import cubic_weights

SIDE = 64
VIEWS = 60
_BINS = 92
_HARDENING = 2.1  # HU per square millimetre of dense bone, so that bands between the petrous bones reach -10 to -25
_TEMPERED = 1.9  # ours: makes noise 1.3-1.6 times as strong in the middle as at the edge (Kalender 2011), and …
_BONE = 0.8  # … what bone stops beyond its density: 1.5-2 times as strong between the petrous bones
_DARKEST_HU = 45.0
_IN_AIR = 2.0  # noise in air is 1, in the middle of a head ten times as much and more
_WATER_PER_MM = 0.019  # attenuation at the beam's mean energy, about 70 keV


@lru_cache(maxsize=1)
def projector() -> tuple[csr_array, csr_array, Floats]:
    """Return the (rays, pixels) matrix, its transpose, and the rays' weight at each pixel (its row sums)."""
    middle = (SIDE - 1) / 2
    y, x = (part.ravel() - middle for part in np.mgrid[:SIDE, :SIDE].astype(np.float64))
    rows, weights = [], []
    for view in range(VIEWS):
        angle = np.pi * view / VIEWS
        bins = x * np.cos(angle) + y * np.sin(angle) + (_BINS - 1) / 2
        left = np.floor(bins).astype(np.intp)
        part = bins - left
        rows += [view * _BINS + left, view * _BINS + left + 1]
        weights += [1.0 - part, part]
    pixels = np.tile(np.arange(SIDE * SIDE), 2 * VIEWS)
    shape = (VIEWS * _BINS, SIDE * SIDE)
    forward = csr_array((np.concatenate(weights), (np.concatenate(rows), pixels)), shape=shape)
    return forward, csr_array(forward.T), np.asarray(forward.sum(axis=1)).reshape(-1, 1)


@lru_cache(maxsize=16)
def _shrink(count: int) -> csr_array:
    """Return the (64, count) matrix of means of neighbouring voxels."""
    edges = np.linspace(0.0, count, SIDE + 1)
    rows, columns, weights = [], [], []
    for number in range(SIDE):
        low, high = edges[number], edges[number + 1]
        for column in range(int(low), min(count, int(np.ceil(high)))):
            rows.append(number)
            columns.append(column)
            weights.append((min(high, column + 1) - max(low, column)) / (high - low))
    return csr_array((weights, (rows, columns)), shape=(SIDE, count))


@lru_cache(maxsize=16)
def _grow(count: int) -> csr_array:
    """Return the (count, 64) matrix of cubic interpolation back."""
    at = (np.arange(count) + 0.5) * SIDE / count - 0.5
    return cubic_weights(np.clip(at, 1.0, SIDE - 2.001), SIDE)


def shrunk(plane: Floats) -> Floats:
    """Return a plane (y, x) at 64 × 64."""
    rows = _shrink(plane.shape[0]) @ plane
    small: Floats = (_shrink(plane.shape[1]) @ np.ascontiguousarray(rows.T)).T
    return small


def grown(small: Floats, shape: tuple[int, int]) -> Floats:
    """Return a plane (y, x) of the shape from 64 × 64."""
    rows = _grow(shape[1]) @ np.ascontiguousarray(small.T)
    full: Floats = _grow(shape[0]) @ np.ascontiguousarray(rows.T)
    return full


def project(small: Floats, cell_mm: float) -> Floats:
    """Return the rays' sums, (rays, planes), of planes (planes, 64, 64), times the length of a cell in mm."""
    rays: Floats = projector()[0] @ np.ascontiguousarray(small.reshape(len(small), -1).T)
    rays *= cell_mm
    return rays


def back(rays: Floats, cell_mm: float) -> Floats:
    """Return planes (planes, 64, 64) reconstructed from rays: filtered (Ram-Lak with a Hann window), back-projected."""
    sums = rays.reshape(VIEWS, _BINS, -1)
    padded = 2 * _BINS
    frequency = np.arange(padded // 2 + 1) / padded
    filtered = rfft(sums, padded, axis=1)
    filtered *= (frequency * (0.5 + 0.5 * np.cos(2 * np.pi * frequency)) * (np.pi / VIEWS / cell_mm))[
        None, :, None
    ] * 2.0
    sums = irfft(filtered, padded, axis=1)[:, :_BINS]
    flat = projector()[1] @ np.ascontiguousarray(sums).reshape(VIEWS * _BINS, -1)
    planes: Floats = np.ascontiguousarray(flat.T).reshape(-1, SIDE, SIDE)
    return planes


def hardening(small: Floats, cell_mm: float, strength: float) -> Floats:
    """Return what beam hardening adds, in HU: dark bands between dense bones, above all at the skull base.

    Scanners correct for a head of the usual vault; what is left grows with the bone that a plane's rays meet beyond it.

    Args:
        small: HU as (planes, 64, 64).
        cell_mm: size of a cell.
        strength: 1 for the usual scanner.
    """
    rays = project(np.maximum(small - 150.0, 0.0) / 1000.0, cell_mm)
    met = rays.mean(axis=0)
    usual = max(float(np.median(met)), 1e-6)
    left = np.clip(2.2 * (met / usual - 1.05), 0.10, 1.0) * (_HARDENING * strength)
    added = back(rays * rays, cell_mm)
    for plane, hu, share in zip(added, small, left, strict=True):
        brain = (hu > 0.0) & (hu < 80.0)
        plane -= np.median(plane[brain]) if brain.any() else 0.0
        plane *= -share
    return np.clip(added, -_DARKEST_HU, 0.5 * _DARKEST_HU, out=added)


def loudness(small: Floats, cell_mm: float) -> Floats:
    """Return the standard deviation of the noise, relative to that in the middle of a head, as (planes, 64, 64).

    Each ray's variance is the exponential of its attenuation, tempered as by a bow-tie filter and the tube's current.
    """
    stopped = np.maximum(small + 1000.0, 0.0) + _BONE * np.maximum(small - 150.0, 0.0)
    rays = project(stopped / 1000.0, cell_mm * _WATER_PER_MM)
    np.exp(np.minimum(_TEMPERED * rays, 14.0), out=rays)
    _, transposed, _ = projector()
    flat = (transposed @ rays) * (1.0 / VIEWS)
    planes: Floats = np.sqrt(np.ascontiguousarray(flat.T)).reshape(-1, SIDE, SIDE)
    middle = np.median(planes[:, SIDE // 2 - 6 : SIDE // 2 + 6, SIDE // 2 - 6 : SIDE // 2 + 6], axis=(1, 2))
    held = middle > _IN_AIR
    if 0 < 2 * np.count_nonzero(held) < len(middle):  # a scan that is mostly air: the middle of what is a head
        middle = middle[held]
    return planes * (1.0 / float(np.median(middle)))


def streaks(small: Floats, cell_mm: float, moved_mm: float, first: int, views: int) -> Floats:
    """Return what a jerk adds to one plane, in HU: some views were taken of a head that had moved sideways."""
    rays = project(small[None] / 1000.0 + 1.0, cell_mm).reshape(VIEWS, _BINS)
    shifted = rays.copy()
    chosen = (first + np.arange(views)) % VIEWS
    bins = np.arange(_BINS, dtype=np.float64)
    for view in chosen:
        shifted[view] = np.interp(bins + moved_mm / cell_mm, bins, rays[view])
    added: Floats = back((shifted - rays).reshape(-1, 1), cell_mm)[0] * 1000.0
    return added
