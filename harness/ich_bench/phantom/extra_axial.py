"""Bleeds between skull and brain: the lens that sutures stop (EDH), the crescent that they do not (SDH)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ich_bench.phantom.anatomy import Anatomy, Shell, Spaces, along_falx, tentorium_mm
from ich_bench.phantom.bleed import Bleed, Index, Place, draw_blood, held
from ich_bench.phantom.bleed_size import Lattice
from ich_bench.phantom.chance import Floats, between, smooth_field
from ich_bench.phantom.lesion_parameters import LesionParameters, Span

_THICKEST_MM = {"edh": 32.0, "sdh": 24.0}
_SUTURE_MM = 3.0  # within this distance of a suture the dura does not let go


@dataclass(frozen=True, kw_only=True)
class ExtraAxial(Bleed):
    """Blood of some thickness under the inner table: `thick_mm` at its middle, less to the rim (`profile`)."""

    thick_mm: float
    half_mm: tuple[float, float]  # EDH: half the chord along y and z; SDH: half its length and height
    rough: float

    def near(self, place: Place, shell: Shell) -> Index:
        """Return which of the places lie under the skull and over its middle's thickness."""
        x, y, z = place
        far_y, far_z = self.half_mm
        under = (shell.vault_mm < 1.4 * self.thick_mm + 2.0) & (shell.vault_mm > -2.0) & (x * self.side > 0)
        return np.nonzero(under & (np.abs(y - self.centre[1]) < far_y + 1) & (np.abs(z - self.centre[2]) < far_z + 1))

    def inside_mm(self, place: Place, shell: Shell, spaces: Spaces) -> Floats:
        """Return the depth inside the blood."""
        return np.minimum(self.thickness_mm(place) - shell.vault_mm, np.minimum(shell.vault_mm, shell.floor_mm))

    def thickness_mm(self, place: Place) -> Floats:
        """Return how far the blood stands off the inner table here; 0 where it does not."""
        return self.thick_mm * self.profile(place)

    def profile(self, place: Place) -> Floats:
        """Return the thickness here, as a share of that at the middle."""
        x, y, z = place
        far_y, far_z = self.half_mm
        share = np.zeros(x.shape)
        rim = 1.0 - ((y - self.centre[1]) / far_y) ** 2 - ((z - self.centre[2]) / far_z) ** 2
        if self.subtype == "edh":
            rim = rim - ((x - self.centre[0]) / max(far_y, far_z)) ** 2
        over = np.nonzero((rim > 0) & (x * self.side > 2.0))
        if over[0].size:
            some: Place = (x[over], y[over], z[over])
            wavy = 1.0 + self.rough * self.lumps.at(*some)
            if self.subtype == "edh":
                share[over] = wavy * rim[over] * np.clip(suture_mm(some, self) / _SUTURE_MM, 0.0, 1.0)
            else:
                share[over] = wavy * np.sqrt(rim[over]) * np.clip((some[0] * self.side - 2.0) / 6.0, 0.0, 1.0)
        return share

    def pull(self, place: Place, radius: Floats) -> Place:
        """Return where the tissue was: pushed to the other side, the midline with it."""
        return _aside(self, place, radius, min(14.0, 0.5 * self.thick_mm))


@dataclass(frozen=True, kw_only=True)
class Sheet(Bleed):
    """A subdural along the falx (`wall` 0) or on the tentorium (`wall` 1): a sheet of some thickness on one side."""

    wall: int
    thick_mm: float
    half_mm: tuple[float, float]  # along the sheet, from its middle
    rough: float

    def near(self, place: Place, shell: Shell) -> Index:
        """Return which of the places lie on the sheet's side of its wall, and near it."""
        off = self.off_mm(place)
        return np.nonzero((off > -2.0) & (off < 1.6 * self.thick_mm + 2.0) & (shell.vault_mm > -1.0))

    def inside_mm(self, place: Place, shell: Shell, spaces: Spaces) -> Floats:
        """Return the depth inside the blood."""
        off = self.off_mm(place)
        depth = np.minimum(off, self.thick_mm * self.profile(place) - off)
        return np.minimum(depth, np.minimum(shell.vault_mm, shell.floor_mm))

    def off_mm(self, place: Place) -> Floats:
        """Return how far the places stand off the wall, on the sheet's side."""
        x, y, z = place
        return x * self.side - 0.5 if self.wall == 0 else z - tentorium_mm(x, y) - 0.5

    def profile(self, place: Place) -> Floats:
        """Return the thickness here, as a share of that at the middle."""
        x, y, z = place
        along, across = (y, z) if self.wall == 0 else (x, y)
        middle = (self.centre[1], self.centre[2]) if self.wall == 0 else (self.centre[0], self.centre[1])
        rim = 1.0 - ((along - middle[0]) / self.half_mm[0]) ** 2 - ((across - middle[1]) / self.half_mm[1]) ** 2
        there = along_falx(y, z) if self.wall == 0 else (y < -12.0) & (x * self.side > 3.0)
        return np.where(there, np.sqrt(np.maximum(rim, 0.0)) * (1.0 + self.rough * self.lumps.at(x, y, z)), 0.0)

    def pull(self, place: Place, radius: Floats) -> Place:
        """Return where the tissue was: a little to the other side."""
        return _aside(self, place, radius, min(5.0, 0.25 * self.thick_mm)) if self.wall == 0 else place


def _aside(bleed: Bleed, place: Place, radius: Floats, shift_mm: float) -> Place:
    x, y, z = place
    square = (x - bleed.centre[0]) ** 2 + (y - bleed.centre[1]) ** 2 + (z - bleed.centre[2]) ** 2
    return x + bleed.side * shift_mm * held(radius) * np.exp(square * (-1.0 / 75.0**2)), y, z


def draw_edh(
    rng: np.random.Generator, head: Anatomy, lattice: Lattice, side: float, span_mm: Span, volume_ml: float,
    parameters: LesionParameters,
) -> ExtraAxial:  # fmt: skip
    """Return a lens of about this volume, drawn: most over temple and parietal bone, some front or back."""
    drawn = between(rng, 0.0, 1.0)
    if drawn < 0.72:
        y, z = between(rng, -38.0, 8.0), between(rng, -8.0, 34.0)
    elif drawn < 0.9:
        y, z = between(rng, 38.0, 56.0), between(rng, 6.0, 36.0)
    else:
        y, z = between(rng, -74.0, -66.0), between(rng, -6.0, 18.0)
    y, z = y * head.half_length_mm / 82.0, min(max(z * head.height_mm / 70.0, span_mm[0]), span_mm[1])
    bend = max(0.05, 1.0 - (y / head.half_length_mm) ** 2 - (z / head.height_mm) ** 2)
    x = head.half_width_mm * float(np.sqrt(bend))
    blood = draw_blood("edh", rng, parameters, venous_hu=head.sinus_hu, middle_y_mm=y)
    chord = 21.0 * float(np.clip(volume_ml, 0.3, 150.0) / 8.0) ** 0.30 * between(rng, 0.85, 1.2)
    bleed = ExtraAxial(
        subtype="edh", side=side, centre=(side * x, y, z), volume_ml=volume_ml, hu=blood.hu, blood=blood,
        lumps=smooth_field(rng, 7.0), thick_mm=1.0,
        half_mm=(chord * between(rng, 0.9, 1.25), chord * between(rng, 0.9, 1.25)), rough=0.08,
    )  # fmt: skip
    return _fitted(bleed, lattice)


def draw_sdh(
    rng: np.random.Generator, head: Anatomy, lattice: Lattice, side: float, span_mm: Span, volume_ml: float,
    parameters: LesionParameters,
) -> Bleed:  # fmt: skip
    """Return a subdural of about this volume, drawn: most over a hemisphere, some along the falx or the tentorium."""
    drawn = between(rng, 0.0, 1.0)
    middle = between(rng, -25.0, 15.0)
    blood = draw_blood("sdh", rng, parameters, venous_hu=head.sinus_hu, middle_y_mm=middle)
    lumps = smooth_field(rng, 8.0)
    rough = between(rng, 0.12, 0.28)
    wide = float(np.clip(volume_ml / 15.0, 0.01, 4.0)) ** 0.3 * between(rng, 0.85, 1.2)
    if drawn < 0.2 and volume_ml < 25.0:
        wall = 0 if drawn < 0.12 else 1
        centre = (0.0, between(rng, -45.0, 35.0), between(rng, 28.0, 44.0))
        if wall == 1:
            centre = (side * between(rng, 16.0, 28.0), between(rng, -46.0, -32.0), -4.0)
        sheet = Sheet(
            subtype="sdh", side=side, centre=centre, volume_ml=volume_ml, hu=blood.hu, blood=blood, lumps=lumps,
            wall=wall, thick_mm=1.0, half_mm=(42.0 * wide, 26.0 * wide), rough=rough,
        )  # fmt: skip
        off = sheet.off_mm(lattice.place)
        return replace(sheet, thick_mm=_thick(lattice, off, sheet.profile(lattice.place), volume_ml, 14.0))
    z = min(max(between(rng, 4.0, 32.0), span_mm[0]), span_mm[1])
    bleed = ExtraAxial(
        subtype="sdh", side=side, centre=(side * 0.9 * head.half_width_mm, middle, z), volume_ml=volume_ml,
        hu=blood.hu, blood=blood, lumps=lumps, thick_mm=1.0,
        half_mm=(min(90.0, 52.0 * wide), min(70.0, 34.0 * wide)), rough=rough,
    )  # fmt: skip
    return _fitted(bleed, lattice)


def _fitted(bleed: ExtraAxial, lattice: Lattice) -> ExtraAxial:
    most = _THICKEST_MM[bleed.subtype]
    thick = _thick(lattice, lattice.shell.vault_mm, bleed.profile(lattice.place), bleed.volume_ml, most)
    return replace(bleed, thick_mm=thick)


def _thick(lattice: Lattice, off_mm: Floats, profile: Floats, volume_ml: float, most_mm: float) -> float:
    """Return the thickness in the middle at which the volume is held; at least what a slice can show."""
    needed = np.full(off_mm.shape, np.inf)
    over = (profile > 0.03) & (off_mm > 0)
    needed[over] = off_mm[over] / profile[over]
    return min(most_mm, max(1.2, lattice.size_for(needed, volume_ml)))


def suture_mm(place: Place, bleed: Bleed) -> Floats:
    """Return the distance to the nearest of the sutures that part the bleed's bone from the next; negative beyond."""
    x, y, z = place
    coronal, lambdoid = 27.0 - 0.22 * z, -60.0 + 0.25 * z - 0.25 * (np.abs(x) - 30.0)
    cx, cy, cz = bleed.centre
    front, back = cy > 27.0 - 0.22 * cz, cy < -60.0 + 0.25 * cz - 0.25 * (abs(cx) - 30.0)
    if front:
        return y - coronal
    if back:
        return lambdoid - y
    return np.minimum(coronal - y, y - lambdoid)
