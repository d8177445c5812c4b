"""Bleeds into the brain's tissue: an irregular blob, deep, lobar, in the cerebellum or the brainstem, with oedema."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ich_bench.phantom.anatomy import Anatomy, Shell, Spaces
from ich_bench.phantom.bleed import Bleed, Index, Place, Point, ball, draw_blood, held
from ich_bench.phantom.bleed_size import Lattice, size_for
from ich_bench.phantom.chance import Floats, between, normal, smooth_field
from ich_bench.phantom.lesion_parameters import LesionParameters, Span

# Where (head mm, right side), how often of all (textbook shares), and the largest volume that fits, in mL.
_SEATS: tuple[tuple[Point, float, float], ...] = (
    ((27.0, 1.0, 5.0), 0.33, 110.0),  # putamen
    ((11.0, -13.0, 7.0), 0.15, 30.0),  # thalamus
    ((30.0, 40.0, 22.0), 0.13, 130.0),  # frontal lobe
    ((34.0, -36.0, 32.0), 0.12, 130.0),  # parietal lobe
    ((46.0, -10.0, -8.0), 0.11, 80.0),  # temporal lobe
    ((24.0, -62.0, 16.0), 0.06, 70.0),  # occipital lobe
    ((20.0, -52.0, -34.0), 0.07, 25.0),  # cerebellum
    ((2.0, -18.0, -27.0), 0.03, 7.0),  # pons
)
_LOBE_SPREAD = 0.75  # how far the lobes of a blob lie apart, in radii
_LEVELLED_ML = 10.0  # no levels in smaller ones
_FITTED = 3  # rounds in which the size is fitted to the volume


@dataclass(frozen=True, kw_only=True)
class Iph(Bleed):
    """A blob of overlapping ellipsoids; `lobes` are their centres and half axes for a blob of radius 1."""

    radius_mm: float
    turn: tuple[float, float]  # cosine and sine of the long axis against the front
    lobes: tuple[tuple[Point, Point], ...]
    rough: float  # of its radius
    wall_mm: float  # how thick the ventricle's wall is that holds it back

    @property
    def rough_mm(self) -> float:
        """Return how far its outline strays."""
        return self.rough * self.radius_mm + 0.4

    @property
    def reach_mm(self) -> float:
        """Return a distance from the centre beyond which there is neither blood nor oedema."""
        return 2.1 * self.radius_mm + 2.0 * self.rough_mm + 1.8 * self.oedema_mm + 2.0

    def near(self, place: Place, shell: Shell) -> Index:
        """Return which of the places lie within reach."""
        return ball(place, self.centre, self.reach_mm)

    def inside_mm(self, place: Place, shell: Shell, spaces: Spaces) -> Floats:
        """Return the depth inside the blob; it stays in the brain and out of the ventricles."""
        cos, sin = self.turn
        x, y = (place[0] - self.centre[0]) * self.side, place[1] - self.centre[1]
        u, v, w = cos * x + sin * y, cos * y - sin * x, place[2] - self.centre[2]
        depth = np.full(x.shape, -9.0)
        for (a, b, c), (p, q, r) in self.lobes:
            size = self.radius_mm
            apart = np.sqrt(((u / size - a) / p) ** 2 + ((v / size - b) / q) ** 2 + ((w / size - c) / r) ** 2)
            depth = np.maximum(depth, (1.0 - apart) * min(p, q, r))
        depth = depth * self.radius_mm + self.rough_mm * self.lumps.at(*place)
        depth = np.minimum(depth, spaces.cortex_mm + 1.0)
        kept: Floats = np.minimum(depth, self.wall_mm - spaces.ventricle_mm)
        return kept

    def pull(self, place: Place, radius: Floats) -> Place:
        """Return where the tissue was: pushed away all around, and the midline with it, more by a larger bleed."""
        x, y, z = place
        dx, dy, dz = x - self.centre[0], y - self.centre[1], z - self.centre[2]
        square = dx * dx + dy * dy + dz * dz + 1e-6
        free = held(radius)
        cube = square * np.sqrt(square)
        gap = 0.6 * self.volume_ml * 1000.0 * 3 / (4 * np.pi)
        share = np.cbrt(np.maximum(1.0 - gap * free / cube, 0.02))
        shift = min(12.0, 0.09 * self.volume_ml) if self.centre[2] > -20.0 and abs(self.centre[0]) > 8.0 else 0.0
        aside = self.side * shift * free * np.exp(square * (-1.0 / 70.0**2))
        return self.centre[0] + dx * share + aside, self.centre[1] + dy * share, self.centre[2] + dz * share


def draw_iph(
    rng: np.random.Generator, head: Anatomy, lattice: Lattice, side: float, span_mm: Span, volume_ml: float,
    parameters: LesionParameters,
) -> Iph:  # fmt: skip
    """Return a bleed into the tissue of about this volume, drawn."""
    (x, y, z), ceiling_ml = _seat(rng, span_mm)
    volume_ml = min(volume_ml, ceiling_ml * between(rng, 0.8, 1.0))
    wide, long, high = head.half_width_mm / 65.5, head.half_length_mm / 82.0, head.height_mm / 70.0
    centre = (
        side * (x + normal(rng, 0.0, 3.0)) * wide,
        (y + normal(rng, 0.0, 5.0)) * long,
        min(max((z + normal(rng, 0.0, 4.0)) * high, span_mm[0]), span_mm[1]),
    )
    lobes = [((0.0, 0.0, 0.0), (between(rng, 0.65, 0.9), between(rng, 0.9, 1.25), between(rng, 0.75, 1.1)))]
    for _ in range(1 + int(between(rng, 0.0, 3.0))):
        away = tuple(normal(rng, 0.0, _LOBE_SPREAD / 1.5) for _ in range(3))
        half = tuple(between(rng, 0.35, 0.7) for _ in range(3))
        lobes.append(((away[0], away[1], away[2]), (half[0], half[1], half[2])))
    angle = normal(rng, 0.3, 0.5)
    lumps = smooth_field(rng, 5.0)
    rough = between(rng, 0.05, 0.16)
    blood = draw_blood("iph", rng, parameters, venous_hu=head.sinus_hu, middle_y_mm=centre[1])
    if volume_ml < _LEVELLED_ML:
        blood = replace(blood, above_hu=0.0)
    ratio = between(rng, *parameters.oedema_share)
    oedema_hu = between(rng, *parameters.oedema_hu)
    burst = between(rng, -0.5, 1.5)
    bleed = Iph(
        subtype="iph", side=side, centre=centre, volume_ml=volume_ml, hu=blood.hu, blood=blood, lumps=lumps,
        oedema_hu=oedema_hu, radius_mm=(volume_ml * 3000.0 / (4 * np.pi)) ** (1 / 3),
        turn=(float(np.cos(angle)), float(np.sin(angle))), lobes=tuple(lobes), rough=rough, wall_mm=burst,
    )  # fmt: skip
    for _ in range(_FITTED):
        depth, each_ml = lattice.depths(bleed, bleed.reach_mm)
        held_ml = max(float((depth > 0).sum()) * each_ml, 0.02 * volume_ml)
        grown = min(1.5, max(0.6, (volume_ml / held_ml) ** (1 / 3)))
        bleed = replace(bleed, radius_mm=bleed.radius_mm * grown)
    depth, each_ml = lattice.depths(bleed, 1.5 * bleed.radius_mm + 4.0)
    held_ml = float((depth > 0).sum()) * each_ml
    return replace(bleed, oedema_mm=max(0.5, size_for(-depth, (1.0 + ratio) * held_ml, each_ml)))


def _seat(rng: np.random.Generator, span_mm: Span) -> tuple[Point, float]:
    seats = [seat for seat in _SEATS if span_mm[0] <= seat[0][2] <= span_mm[1]] or _SEATS[:2]
    drawn = between(rng, 0.0, 1.0) * sum(share for _, share, _ in seats)
    for place, share, ceiling_ml in seats:
        drawn -= share
        if drawn < 0:
            return place, ceiling_ml
    return seats[-1][0], seats[-1][2]
