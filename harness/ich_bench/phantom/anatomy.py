"""What a head without a bleed is made of: skull, scalp, brain, fluid, and what looks like blood but is not.

All places are head millimetres: x to the right, y to the front, z up, the origin between the thalami; a "depth" is
positive inside. Shapes are closed formulas of the place, so that any grid, tilt and slice thickness can be sampled.
HU and sizes are textbook ranges for adults at 120 kV.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from ich_bench.phantom.chance import Field, Floats, between, chance, creases, normal, smooth_field

# A lateral ventricle as tubes of the right side (mirrored to the left): from, to, radius at both ends, in mm.
_VENTRICLE = (
    ((15.0, 36.0, 5.0), (6.0, 10.0, 15.0), 3.6, 4.6),  # frontal horn
    ((6.0, 12.0, 18.0), (13.0, -22.0, 22.0), 4.8, 5.4),  # body
    ((13.0, -22.0, 21.0), (23.0, -40.0, 8.0), 5.4, 6.6),  # atrium
    ((23.0, -40.0, 8.0), (17.0, -66.0, 6.0), 5.4, 2.4),  # occipital horn
    ((25.0, -38.0, 4.0), (31.0, -4.0, -18.0), 2.6, 1.2),  # temporal horn
)
_NO_FLOOR_MM = 15.0  # above, the skull base is too far away to matter
_MIDLINE_VENTRICLES = (
    ((0.0, 2.0, 0.0), (2.2, 13.0, 9.0)),  # third
    ((0.0, -33.0, -33.0), (7.0, 5.0, 9.0)),  # fourth
)
# Cisterns: centre and half axes in mm, mirrored.
_CISTERNS = (
    ((0.0, 14.0, -19.0), (10.0, 8.0, 4.5)),  # suprasellar
    ((15.0, -19.0, -12.0), (1.8, 9.0, 6.0)),  # ambient
    ((0.0, -29.0, -4.0), (9.0, 3.5, 7.0)),  # quadrigeminal
    ((0.0, -62.0, -46.0), (14.0, 9.0, 8.0)),  # cisterna magna
)
_SYLVIAN = (
    ((35.0, -12.0, 0.0), (36.0, 15.0, 0.0), 0.9, 1.3),  # over the insula
    ((36.0, 9.0, 0.0), (60.0, 3.0, 1.0), 1.2, 2.2),  # out to the surface
)
NUCLEI = (  # deep grey matter: centre and half axes in mm, mirrored
    ((12.0, 17.0, 12.0), (4.5, 9.0, 9.0)),  # caudate head
    ((25.0, 3.0, 4.0), (7.0, 16.0, 9.0)),  # lentiform
    ((10.0, -13.0, 6.0), (8.0, 13.0, 8.0)),  # thalamus
)


@dataclass(frozen=True, kw_only=True)
class Calcification:
    """A speck of calcium: centre, half axes in mm, HU."""

    centre: tuple[float, float, float]
    half_mm: tuple[float, float, float]
    hu: float


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """One person's head. Half axes are those of the intracranial cavity."""

    half_width_mm: float
    half_length_mm: float
    height_mm: float
    skull: float  # thickness relative to the usual
    scalp_mm: float
    atrophy: float  # 0 young, 1 old: wide ventricles and sulci, dark white matter around them
    grey_hu: float
    white_hu: float
    csf_hu: float
    sinus_hu: float
    brightening_hu: float  # beam hardening under the inner table: a false rim of blood
    calcium: tuple[Calcification, ...]
    lumps: Field  # slow: shape of the skull, density
    folds: Field  # mm from the nearest sulcus, on the brain's surface
    grain: Field  # quick: diploë, texture


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """Return a person, drawn."""
    size = normal(rng, 1.0, 0.025)
    return Anatomy(
        half_width_mm=normal(rng, 65.5, 1.8) * size,
        half_length_mm=normal(rng, 82.0, 2.2) * size,
        height_mm=normal(rng, 70.0, 1.8) * size,
        skull=normal(rng, 1.0, 0.15),
        scalp_mm=between(rng, 4.0, 7.0),
        atrophy=between(rng, 0.0, 1.0),
        grey_hu=normal(rng, 38.0, 1.2),
        white_hu=normal(rng, 28.5, 1.2),
        csf_hu=normal(rng, 8.0, 2.0),
        sinus_hu=normal(rng, 52.0, 6.0),
        brightening_hu=between(rng, 4.0, 9.0),
        calcium=tuple(_draw_calcium(rng)),
        lumps=smooth_field(rng, 22.0),
        folds=creases(smooth_field(rng, 5.0)),
        grain=smooth_field(rng, 2.5),
    )


def _draw_calcium(rng: np.random.Generator) -> list[Calcification]:
    specks = []
    if chance(rng, 0.65):
        half = between(rng, 1.5, 3.0)
        centre = (0.0, -25.0, between(rng, 2.0, 6.0))
        specks.append(Calcification(centre=centre, half_mm=(half, half, half), hu=between(rng, 80, 300)))
    if chance(rng, 0.55):
        for side in (-1.0, 1.0):
            half = between(rng, 1.5, 3.5)
            centre = (side * 21.0, -39.0, between(rng, 8.0, 12.0))
            specks.append(Calcification(centre=centre, half_mm=(half, 2 * half, half), hu=between(rng, 80, 250)))
    if chance(rng, 0.3):
        centre = (0.5, between(rng, 35.0, 55.0), between(rng, 25.0, 45.0))
        half_mm = (1.3, between(rng, 3.0, 7.0), between(rng, 3.0, 7.0))
        specks.append(Calcification(centre=centre, half_mm=half_mm, hu=between(rng, 100, 500)))
    return specks


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
    """Return where the places, (samples, x, y), lie with respect to the skull."""
    middle = len(x) // 2
    lumps = np.broadcast_to(head.lumps.at(x[middle], y[middle], z[middle]), x.shape)
    a, b = head.half_width_mm, head.half_length_mm
    across = (x / (a * (1.0 - 0.09 * y / b))) ** 2
    along = (y / b) ** 2
    up = (z / np.where(z > 0, head.height_mm, 1.15 * head.height_mm)) ** 2
    radius = np.sqrt(np.maximum(across + along + up - 0.12 * across * along, 1e-6))
    vault = np.sqrt(x * x + y * y + z * z) * (1.0 / radius - 1.0) + 1.2 * lumps
    temple = np.exp(-(((z + 14) / 22) ** 2) - ((y - 12) / 32) ** 2) * np.minimum(across, 1.0)
    bone = 6.2 + 0.9 * lumps + 2.0 * np.clip(-y / b - 0.6, 0, 1) * 2.5 + 1.0 * np.clip(y / b - 0.5, 0, 1) - 3.2 * temple
    return Shell(
        radius=radius,
        vault_mm=vault,
        floor_mm=z - (_floor(x, y) if z.min() < _NO_FLOOR_MM else -25.0) - 1.5 * lumps,
        bone_mm=np.maximum(bone * head.skull, 1.8),
        lumps=lumps,
    )


def _floor(x: Floats, y: Floats) -> Floats:
    """Return the height of the skull base: three fossae as steps, the petrous ridges across."""
    side = np.abs(x)
    front = 0.5 * (1 + np.tanh((y - 26.0) / 5.0))
    behind = 0.5 * (1 + np.tanh((-14.0 - y) / 5.0))
    middle = -26.0 - 17.0 * (0.5 * (1 + np.tanh((side - 16.0) / 4.0)))
    along = np.clip(((side - 18.0) * 40.0 + (-10.0 - y) * 26.0) / (40.0**2 + 26.0**2), 0.0, 1.0)
    ridge = (side - 18.0 - 40.0 * along) ** 2 + (-10.0 - y - 26.0 * along) ** 2
    roof = -26.0 + 6.0 * np.exp(-(((side - 30.0) / 13.0) ** 2)) - 4.0 * np.exp(-((x / 8.0) ** 2))  # over the orbits
    return front * roof + behind * -60.0 + (1 - front - behind) * middle + (13.0 + 9.0 * along) * np.exp(-ridge / 70.0)


@dataclass(frozen=True, kw_only=True)
class Spaces:
    """Places seen from the fluid: depths in mm, positive inside."""

    ventricle_mm: Floats
    cistern_mm: Floats  # cisterns and fissures
    sulcus_mm: Floats
    cortex_mm: Floats  # depth below the brain's surface, sulci not counted


def spaces(head: Anatomy, x: Floats, y: Floats, z: Floats, outline: Shell, cortex_mm: Floats) -> Spaces:
    """Return where the places (of the brain as it was before a bleed moved it) lie with respect to its fluid."""
    side = np.abs(x)
    wide = 0.75 + 0.55 * head.atrophy
    tubes = [_tube(side, y, z, *tube, scale=wide) for tube in _VENTRICLE]
    ventricle = reduce(np.maximum, [*tubes, *(_pocket(x, y, z, *each) for each in _MIDLINE_VENTRICLES)])
    pockets = [_pocket(side, y, z, *each) for each in _CISTERNS]
    bent = y + 1.8 * np.sin(side / 5.0)
    sylvian = [_tube(side, bent, 0.35 * z, *tube, scale=wide) for tube in _SYLVIAN]
    fissure = 0.5 + 1.2 * wide * np.exp(-cortex_mm / 12.0) - side
    fissure = np.where(along_falx(y, z), fissure, -99.0)
    shrink = np.sqrt(np.maximum(outline.radius, 0.1))
    fold = np.abs(head.folds.at(x / shrink, y / shrink, z / shrink)) * shrink
    depth = 14.0 + 4.0 * outline.lumps + 3.0 * np.sin(x / 6.0 + z / 5.0) * np.sin(y / 7.0)
    width = (0.5 + 1.1 * head.atrophy) * np.clip(1.3 - cortex_mm / depth, 0.1, 1.0) + 0.2
    sulcus = np.minimum(np.minimum(width - fold, 0.6 * (depth - cortex_mm)), 40.0 * (outline.radius - 0.6))
    return Spaces(
        ventricle_mm=ventricle,
        cistern_mm=reduce(np.maximum, [*pockets, *sylvian, fissure]),
        sulcus_mm=sulcus,
        cortex_mm=cortex_mm,
    )


def _tube(
    x: Floats, y: Floats, z: Floats, start: tuple[float, float, float], end: tuple[float, float, float],
    thick_start: float, thick_end: float, *, scale: float,
) -> Floats:  # fmt: skip
    """Return the depth inside a tube between two points."""
    (ax, ay, az), (bx, by, bz) = start, end
    dx, dy, dz = bx - ax, by - ay, bz - az
    along = np.clip(((x - ax) * dx + (y - ay) * dy + (z - az) * dz) / (dx * dx + dy * dy + dz * dz), 0.0, 1.0)
    away = np.sqrt((x - ax - dx * along) ** 2 + (y - ay - dy * along) ** 2 + (z - az - dz * along) ** 2)
    return scale * (thick_start + (thick_end - thick_start) * along) - away


def _pocket(
    x: Floats, y: Floats, z: Floats, centre: tuple[float, float, float], half: tuple[float, float, float]
) -> Floats:
    """Return about the depth inside an ellipsoid."""
    apart = [((place - middle) / axis) ** 2 for place, middle, axis in zip((x, y, z), centre, half, strict=True)]
    return (1.0 - np.sqrt(apart[0] + apart[1] + apart[2])) * min(half)


def along_falx(y: Floats, z: Floats) -> NDArray[np.bool_]:
    """Return where the falx parts the hemispheres: all around the corpus callosum."""
    parted: NDArray[np.bool_] = (z > -14) & (((y + 6) / 50) ** 2 + ((z - 2) / 34) ** 2 > 1)
    return parted
