"""Where do places lie in a head, seen from its skull and from its fluid?

All places are head millimetres: x to the right, y to the front, z up, the origin between the thalami; a "depth" is
positive inside. Shapes are formulas of the place, so that any grid, tilt and slice thickness can be sampled.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from ich_bench.phantom.chance import Floats
from ich_bench.phantom.person import Anatomy, draw_anatomy

__all__ = ["Anatomy", "Shell", "Spaces", "along_falx", "cortex_of", "draw_anatomy", "shell", "spaces", "tentorium_mm"]

Point = tuple[float, float, float]
# A lateral ventricle as tubes of the right side (mirrored to the left): from, to, radius at both ends, in mm.
_VENTRICLE: tuple[tuple[Point, Point, float, float], ...] = (
    ((12.5, 33.0, 8.0), (6.0, 12.0, 15.0), 2.6, 4.2),  # frontal horn
    ((6.5, 13.0, 18.0), (12.0, -22.0, 23.0), 4.2, 4.6),  # body
    ((12.0, -22.0, 22.0), (23.0, -39.0, 9.0), 4.6, 6.0),  # atrium
    ((23.0, -39.0, 9.0), (19.0, -62.0, 6.0), 5.0, 1.4),  # occipital horn
    ((25.0, -38.0, 4.0), (31.0, -6.0, -18.0), 2.3, 1.0),  # temporal horn
)
_THIRD = ((0.0, 1.0, 0.0), (1.7, 13.0, 9.0))
_FOURTH = ((0.0, -34.0, -33.0), (6.5, 4.5, 9.0))
_CAVUM = ((0.0, 14.0, 14.0), (3.2, 11.0, 6.0))
# Cisterns of the right side: centre and half axes in mm, mirrored.
_CISTERNS: tuple[tuple[Point, Point], ...] = (
    ((0.0, 13.0, -20.0), (10.0, 8.0, 7.0)),  # suprasellar
    ((11.0, 16.0, -19.0), (11.0, 3.4, 4.5)),  # its arms
    ((0.0, -31.0, -4.0), (9.0, 4.0, 8.0)),  # quadrigeminal
    ((13.0, -13.0, -35.0), (8.0, 3.4, 6.0)),  # cerebellopontine angle
    ((0.0, -66.0, -50.0), (13.0, 8.0, 9.0)),  # cisterna magna
)
_SYLVIAN: tuple[tuple[Point, Point, float, float], ...] = (
    ((35.0, -16.0, 0.5), (36.0, 13.0, 0.0), 1.0, 1.6),  # over the insula
    ((35.0, 9.0, -0.3), (62.0, 3.0, 0.0), 1.7, 2.2),  # out to the surface
    ((35.0, 12.0, -0.5), (18.0, 14.0, -2.4), 1.3, 1.6),  # down to the suprasellar cistern
)
_SHEET = 0.13  # the Sylvian fissures are sheets: this much of a tube's roundness upwards
_ADULT_WIDTH_MM, _ADULT_LENGTH_MM, _ADULT_HEIGHT_MM = 66.0, 82.5, 71.0


@dataclass(frozen=True, kw_only=True)
class Shell:
    """Places seen from the skull: `radius` is 1 on the inner table; depths in mm, positive inside."""

    radius: Floats
    vault_mm: Floats  # depth below the inner table of the vault
    floor_mm: Floats  # height above the skull base
    bone_mm: Floats  # thickness of the vault here
    lumps: Floats  # the head's slow field here

    def at(self, index: tuple[NDArray[np.intp], ...]) -> Shell:
        """Return some of the places."""
        return Shell(**{each.name: getattr(self, each.name)[index] for each in fields(self)})


def shell(head: Anatomy, x: Floats, y: Floats, z: Floats) -> Shell:
    """Return where the places, arrays of one shape, lie with respect to the skull."""
    lumps = head.lumps.at(x, y, z)
    a, b = head.half_width_mm, head.half_length_mm
    r1, r2, r3, r4, phase = head.lean
    u, v = x / a, y / b
    w = z / np.where(z > 0, head.height_mm, 1.15 * head.height_mm)
    # widest behind the middle, narrow temples, flat sides; no two sides alike
    u = u / (1.0 - 0.10 * v - 0.05 * v * v + 0.04 * np.clip(-w, 0.0, 1.0))
    across, along, up = u * u, v * v, w * w
    radius = np.sqrt(np.maximum(across + along + up - 0.26 * across * along - 0.10 * up * (across + along), 1e-6))
    turn = r1 * u * v + r2 * u * w + r3 * (across - along) + r4 * np.cos(3.0 * v + 4.0 * u + phase)
    radius = radius * (1.0 + turn)
    place_mm = np.sqrt(x * x + y * y + z * z)
    rough = head.bumps.at(x, y, z)
    vault = place_mm * (1.0 / radius - 1.0) + 1.3 * lumps + 0.8 * rough
    front, back = np.clip(v - 0.45, 0.0, 1.0), np.clip(-v - 0.55, 0.0, 1.0)
    temple = np.exp(-(((z + 14) / 22) ** 2) - ((y - 12) / 32) ** 2) * np.minimum(across, 1.0)
    knob = np.exp(-((x / 15.0) ** 2) - ((z + 14.0) / 13.0) ** 2) * np.clip(-2.0 * v - 1.0, 0.0, 1.0)
    usual = head.parameters.skull
    parietal = usual.parietal_mm
    bone = parietal + 1.4 * lumps + 2.4 * (usual.frontal_mm - parietal) * front
    bone = bone + 2.0 * (usual.occipital_mm - parietal) * back - (parietal - usual.temporal_mm) * temple
    bone = bone + (usual.protuberance_mm - 9.0) * knob - 0.9 * rough
    floor = head.base.depth_mm(x, y, z) - 0.8 * rough
    thick = np.maximum(bone * head.skull, 1.0 if head.infant else 1.8)
    if head.craniectomy is not None:
        thick = np.minimum(thick, np.maximum(away_mm(head.craniectomy, x, y, z) * 1.5, -6.0))
    return Shell(radius=radius, vault_mm=vault, floor_mm=floor, bone_mm=thick, lumps=lumps)


def away_mm(opening: tuple[float, float, float, float], x: Floats, y: Floats, z: Floats) -> Floats:
    """Return how far outside the rim of a surgeon's opening the places lie; negative within."""
    cx, cy, cz, radius = opening
    near = np.sqrt(((x - cx) * 0.5) ** 2 + (y - cy) ** 2 + (z - cz) ** 2) - radius
    return np.where(x * cx > 0, near, 99.0)


def tentorium_mm(x: Floats, y: Floats) -> Floats:
    """Return the height of the tentorium: highest at its notch, lowest where the transverse sinuses run."""
    fall: Floats = 10.0 - 0.42 * np.abs(x) - 0.5 * np.maximum(-36.0 - y, 0.0)
    return fall


@dataclass(frozen=True, kw_only=True)
class Spaces:
    """Places seen from the fluid: depths in mm, positive inside."""

    ventricle_mm: Floats
    cistern_mm: Floats  # cisterns and fissures
    sulcus_mm: Floats
    cortex_mm: Floats  # depth below the brain's surface, sulci not counted
    fold_mm: Floats  # distance from the middle of the nearest sulcus, signed
    width_mm: Floats  # half width a sulcus has here
    end_mm: Floats  # distance to where sulci end
    across_mm: Floats  # distance from the midline as the brain was, to the right positive


def cortex_of(head: Anatomy, surface_mm: Floats) -> Floats:
    """Return the depth below the brain's surface, from the depth below what covers it."""
    return surface_mm - 0.9 - 1.5 * head.atrophy


def spaces(head: Anatomy, x: Floats, y: Floats, z: Floats, outline: Shell, cortex_mm: Floats) -> Spaces:
    """Return where the places (of the brain as it was before a bleed moved it) lie with respect to its fluid."""
    sway = head.bumps.at(x, y, z)
    swell = head.bumps.at(-x, 0.8 * y - 5.0, z + 9.0)
    shrink = np.maximum(outline.radius, 0.15) ** 0.7
    fx, fy, fz = x / shrink, y / shrink, z / shrink
    fold = head.folds.at(fx + 1.5 * sway, fy + 1.5 * swell, fz) * shrink
    wide_mm, long_mm = head.half_width_mm / _ADULT_WIDTH_MM, head.half_length_mm / _ADULT_LENGTH_MM
    ux, uy, uz = x / wide_mm + 0.7 * sway, y / long_mm + 1.0 * swell, z * _ADULT_HEIGHT_MM / head.height_mm + 0.8 * sway
    side = np.abs(ux)
    ventricle = np.full(x.shape, -30.0)
    inner = np.nonzero((side < 42) & (uy > -80) & (uy < 50) & (uz > -50) & (uz < 42))
    if inner[0].size:
        ventricle[inner] = _ventricles(head, ux[inner], side[inner], uy[inner], uz[inner]) * wide_mm
    cistern = np.full(x.shape, -30.0)
    low = np.nonzero(uz < 16)
    if low[0].size:
        cistern[low] = _cisterns(head, ux[low], side[low], uy[low], uz[low], sway[low]) * wide_mm
    gap = 0.35 + (0.5 + 1.6 * head.atrophy) * np.exp(np.minimum(-cortex_mm, 0.0) / 12.0)
    gap = np.where(along_falx(y, z), gap * (1.0 + 0.5 * swell), -9.0) - np.abs(x + 0.7 * sway)
    depth = 11.0 + 4.5 * outline.lumps + 4.5 * swell + 4.0 * head.atrophy
    young, added = head.parameters.build.sulcus_mm
    width = (young + added * head.atrophy) * np.clip(1.25 - cortex_mm / (depth + 4.0), 0.12, 1.0) + 0.15
    width = np.where(z < -18.0, 0.55 * width, width) * (1.0 + 0.35 * sway)
    end = np.minimum(0.6 * (depth - cortex_mm), 40.0 * (outline.radius - 0.58))
    return Spaces(
        ventricle_mm=ventricle,
        cistern_mm=np.maximum(cistern, gap),
        sulcus_mm=np.minimum(width - np.abs(fold), end),
        cortex_mm=cortex_mm,
        fold_mm=fold,
        width_mm=width,
        end_mm=end,
        across_mm=x,
    )


def _ventricles(head: Anatomy, x: Floats, side: Floats, y: Floats, z: Floats) -> Floats:
    tubes = [_tube(side, y, z, *tube, scale=head.ventricle) for tube in _VENTRICLE]
    lateral = reduce(np.maximum, tubes)
    # the caudate nucleus and the thalamus bulge into it from the side
    lateral = np.minimum(lateral, 1.2 * np.sqrt((side - 15.5 - head.ventricle) ** 2 + (z - 11.0) ** 2 + 4.0) - 5.0)
    lateral = np.minimum(lateral, side - 0.9)  # septum
    wide = 0.5 + 0.6 * head.ventricle
    third = _pocket(x / wide, y, z, *_THIRD)
    fourth = _pocket(x, y, z, *_FOURTH)
    found = np.maximum(np.maximum(lateral, third), fourth)
    return np.maximum(found, _pocket(x, y, z, *_CAVUM)) if head.cavum else found


def _cisterns(head: Anatomy, x: Floats, side: Floats, y: Floats, z: Floats, sway: Floats) -> Floats:
    wide = 0.8 + 0.5 * head.atrophy
    pockets = [_pocket(side, y, z, *each) for each in _CISTERNS]
    bent = y + 2.2 * np.sin(side / 5.0) + 3.0 * sway
    curved = side + 2.5 * np.cos(y / 9.0) + 1.6 * sway - 1.5
    sylvian = reduce(np.maximum, [_tube(curved, bent, _SHEET * z, *tube, scale=wide) for tube in _SYLVIAN])
    sylvian = sylvian + 0.7 * sway - 0.25
    # fluid around the brain stem: midbrain, pons, medulla; wide at the sides, where the stem is not attached
    stem = np.interp(z, (-56.0, -46.0, -31.0, -18.0, -4.0), (9.0, 11.5, 18.0, 15.0, 14.0)) + 1.4 * sway
    ring = (0.5 + 0.065 * np.minimum(side, 18.0)) * wide + 0.5 * sway
    ring = ring - np.abs(np.sqrt(0.85 * side * side + 1.3 * (y + 15.0) ** 2) - stem)
    ring = ring - 2.2 * np.maximum(1.0 - side / 9.0, 0.0)
    ahead = np.where(z < -22.0, 0.5 * (y + 12.0), 0.5 * (-9.0 - y))
    ring = np.minimum(np.minimum(ring, -5.0 - z), ahead)
    return reduce(np.maximum, [*pockets, sylvian, ring]) + 0.7 * (wide - 1.0)


def _tube(
    x: Floats, y: Floats, z: Floats, start: Point, end: Point, thick_start: float, thick_end: float, *, scale: float
) -> Floats:
    """Return the depth inside a tube between two points."""
    (ax, ay, az), (bx, by, bz) = start, end
    dx, dy, dz = bx - ax, by - ay, bz - az
    length = dx * dx + dy * dy + dz * dz
    px, py, pz = x - ax, y - ay, z - az
    along = np.clip(px * (dx / length) + py * (dy / length) + pz * (dz / length), 0.0, 1.0)
    px, py, pz = px - dx * along, py - dy * along, pz - dz * along
    return scale * (thick_start + (thick_end - thick_start) * along) - np.sqrt(px * px + py * py + pz * pz)


def _pocket(x: Floats, y: Floats, z: Floats, centre: Point, half: Point) -> Floats:
    """Return about the depth inside an ellipsoid."""
    px, py, pz = (x - centre[0]) / half[0], (y - centre[1]) / half[1], (z - centre[2]) / half[2]
    return (1.0 - np.sqrt(px * px + py * py + pz * pz)) * min(half)


def along_falx(y: Floats, z: Floats) -> NDArray[np.bool_]:
    """Return where the falx parts the hemispheres: all around the corpus callosum."""
    py, pz = (y + 6) / 50, (z - 2) / 34
    parted: NDArray[np.bool_] = (z > -14) & (py * py + pz * pz > 1)
    return parted
