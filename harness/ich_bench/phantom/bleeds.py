"""The five subtypes of bleed, each with its habit: where it lies, which shape it takes, how dense it is.

A bleed is a function of the place: `depth_mm` is positive inside. `pull` says how far the brain was moved by it.
HU by age: fresh 48–80, older 34–44 (hard to tell from brain); volumes log-normal around the usual medians.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from ich_bench.phantom.anatomy import Anatomy, Shell, Spaces
from ich_bench.phantom.chance import Field, Floats, between, chance, normal, one_of, smooth_field

Span = tuple[float, float]
Place = tuple[Floats, Floats, Floats]

_IPH_SITES = (
    (27.0, 1.0, 5.0),  # putamen
    (11.0, -13.0, 7.0),  # thalamus
    (30.0, 38.0, 22.0),  # frontal lobe
    (32.0, -38.0, 30.0),  # parietal lobe
    (48.0, -14.0, -6.0),  # temporal lobe
    (20.0, -52.0, -34.0),  # cerebellum
)


@dataclass(frozen=True, kw_only=True)
class Bleed:
    """One bleed: `centre` and `size_mm` are its habit's own; `side` is 1 on the right, -1 on the left."""

    subtype: str
    side: float
    centre: tuple[float, float, float]
    size_mm: tuple[float, float, float]
    hu: float
    oedema_mm: float = 0.0
    lumps: Field

    def depth_mm(self, place: Place, shell: Shell, spaces: Spaces) -> Floats:
        """Return the depth inside the bleed, in mm; negative outside."""
        x, y, z = place
        cx, cy, cz = self.centre
        inside = np.full_like(x, -99.0)
        near = np.nonzero((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2 < self.reach_mm**2)
        some = Spaces(**{each.name: getattr(spaces, each.name)[near] for each in fields(spaces)})
        inside[near] = _HABITS[self.subtype](self, (x[near], y[near], z[near]), shell.at(near), some)
        return inside

    @property
    def reach_mm(self) -> float:
        """Return a distance from the centre beyond which there is neither blood nor oedema."""
        return {"iph": 2.0 * max(self.size_mm) + self.oedema_mm, "sah": self.size_mm[0] + 26.0}.get(self.subtype, 999.0)

    def thickness_mm(self, place: Place) -> Floats:
        """Return how far an extra-axial bleed stands off the inner table here; 0 where it does not, and for others."""
        x, y, z = place
        cx, cy, cz = self.centre
        if self.subtype == "edh":
            rim = 1.0 - ((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2) / self.size_mm[1] ** 2
            thick: Floats = self.size_mm[0] * np.maximum(rim, 0.0)
            return thick
        if self.subtype == "sdh":
            rim = 1.0 - ((y - cy) / self.size_mm[1]) ** 2 - ((z - cz) / self.size_mm[2]) ** 2
            wavy = self.size_mm[0] * (1.0 + 0.22 * self.lumps.at(x, y, z))
            return np.where(x * self.side > 2.0, wavy * np.sqrt(np.maximum(rim, 0.0)), 0.0)
        return np.zeros_like(x)

    def pull(self, place: Place, radius: Floats) -> Place:
        """Return where the tissue at these places was before the bleed moved it (mass effect)."""
        x, y, z = place
        apart = (x - self.centre[0], y - self.centre[1], z - self.centre[2])
        away = np.sqrt(apart[0] ** 2 + apart[1] ** 2 + apart[2] ** 2) + 1e-6
        held = np.clip(1.0 - radius**4, 0.0, 1.0)  # the skull does not give
        if self.subtype == "iph":
            gap = 0.7 * float(np.prod(self.size_mm))
            share = np.cbrt(np.maximum(away**3 - gap * held, 0.02 * away**3)) / away
            return tuple(middle + part * share for middle, part in zip(self.centre, apart, strict=True))  # type: ignore[return-value]
        if self.subtype in ("edh", "sdh"):
            shift = self.side * 0.55 * self.size_mm[0] * held * np.exp(-((away / 75.0) ** 2))
            return x + shift, y, z
        return place


def draw_bleed(subtype: str, rng: np.random.Generator, head: Anatomy, span_mm: Span) -> Bleed:
    """Return a bleed of the subtype, drawn, somewhere between two heights of the head (`span_mm`)."""
    side = 1.0 if chance(rng, 0.5) else -1.0
    fresh = chance(rng, {"sdh": 0.6, "edh": 0.9, "ivh": 1.0, "sah": 1.0}.get(subtype, 0.8))
    hu = normal(rng, 59.0, 6.5) if fresh else between(rng, 35.0, 44.0)
    centre, size_mm, oedema_mm = _DRAWS[subtype](rng, head, side, span_mm)
    return Bleed(
        subtype=subtype,
        side=side,
        centre=centre,
        size_mm=size_mm,
        hu=hu - (6.0 if subtype in ("sah", "ivh") else 0.0),
        oedema_mm=oedema_mm,
        lumps=smooth_field(rng, 6.0),
    )


Drawn = tuple[tuple[float, float, float], tuple[float, float, float], float]


def _draw_iph(rng: np.random.Generator, head: Anatomy, side: float, span_mm: Span) -> Drawn:
    inside = [site for site in _IPH_SITES if span_mm[0] <= site[2] <= span_mm[1]]
    x, y, z = one_of(rng, inside or _IPH_SITES[:2])
    volume_ml = float(np.clip(np.exp(normal(rng, np.log(11.0), 0.8)), 1.0, 60.0))
    half = (volume_ml * 1000.0 * 3 / (4 * np.pi)) ** (1 / 3)
    ratio = between(rng, 0.75, 1.0)
    centre = (side * x + normal(rng, 0, 2), y + normal(rng, 0, 3), _within(z + normal(rng, 0, 3), span_mm))
    return centre, (half * ratio, half / ratio, half), between(rng, 2.0, 9.0)


def _draw_ivh(rng: np.random.Generator, head: Anatomy, side: float, span_mm: Span) -> Drawn:
    level = between(rng, -48.0, -30.0)  # blood sinks to the back of a patient lying face up
    return (0.0, level, 10.0), (between(rng, 4.0, 22.0), 1.0, 1.0), 0.0


def _draw_edh(rng: np.random.Generator, head: Anatomy, side: float, span_mm: Span) -> Drawn:
    y, z = between(rng, -40.0, 35.0), _within(between(rng, -8.0, 34.0), span_mm)
    x = head.half_width_mm * np.sqrt(max(0.1, 1 - (y / head.half_length_mm) ** 2 - (z / head.height_mm) ** 2))
    return (side * float(x), y, z), (between(rng, 9.0, 20.0), between(rng, 27.0, 36.0), 0.0), 0.0


def _draw_sdh(rng: np.random.Generator, head: Anatomy, side: float, span_mm: Span) -> Drawn:
    centre = (side * 60.0, between(rng, -20.0, 15.0), _within(between(rng, 5.0, 35.0), span_mm))
    return centre, (between(rng, 4.0, 9.0), between(rng, 42.0, 66.0), between(rng, 24.0, 42.0)), 0.0


def _draw_sah(rng: np.random.Generator, head: Anatomy, side: float, span_mm: Span) -> Drawn:
    if chance(rng, 0.5):  # from an aneurysm: the basal cisterns and a Sylvian fissure
        x, y, z = between(rng, 18.0, 34.0), between(rng, 6.0, 16.0), between(rng, -14.0, 2.0)
    else:  # from a blow: sulci of the convexity
        x, y, z = between(rng, 38.0, 52.0), between(rng, -40.0, 35.0), between(rng, 15.0, 42.0)
    return (side * x, y, _within(z, span_mm)), (between(rng, 24.0, 38.0), 0.0, 0.0), 0.0


def _iph(bleed: Bleed, place: Place, shell: Shell, spaces: Spaces) -> Floats:
    apart = [((p - c) / s) ** 2 for p, c, s in zip(place, bleed.centre, bleed.size_mm, strict=True)]
    bumps = 0.22 * bleed.lumps.at(*place)
    inside: Floats = (1.0 + bumps - np.sqrt(apart[0] + apart[1] + apart[2])) * min(bleed.size_mm)
    return np.minimum(inside, spaces.cortex_mm + 1.0)


def _ivh(bleed: Bleed, place: Place, shell: Shell, spaces: Spaces) -> Floats:
    level = bleed.centre[1] + np.where(place[0] * bleed.side > 4, bleed.size_mm[0], 0.0)
    return np.minimum(spaces.ventricle_mm, level - place[1] + 1.5 * bleed.lumps.at(*place))


def _extra_axial(bleed: Bleed, place: Place, shell: Shell, spaces: Spaces) -> Floats:
    return np.minimum(bleed.thickness_mm(place) - shell.vault_mm, np.minimum(shell.vault_mm, shell.floor_mm))


def _sah(bleed: Bleed, place: Place, shell: Shell, spaces: Spaces) -> Floats:
    apart = [(p - c) ** 2 for p, c in zip(place, bleed.centre, strict=True)]
    reach = bleed.size_mm[0] + 6.0 * bleed.lumps.at(*place) - np.sqrt(apart[0] + apart[1] + apart[2])
    return np.minimum(np.maximum(spaces.sulcus_mm, spaces.cistern_mm) + 0.7, reach)


_DRAWS: dict[str, Callable[[np.random.Generator, Anatomy, float, Span], Drawn]] = {
    "iph": _draw_iph, "ivh": _draw_ivh, "edh": _draw_edh, "sdh": _draw_sdh, "sah": _draw_sah,
}  # fmt: skip
_HABITS: dict[str, Callable[[Bleed, Place, Shell, Spaces], Floats]] = {
    "iph": _iph, "ivh": _ivh, "edh": _extra_axial, "sdh": _extra_axial, "sah": _sah,
}  # fmt: skip


def _within(z: float, span_mm: Span) -> float:
    return min(max(z, span_mm[0]), span_mm[1])
