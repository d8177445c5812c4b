"""What does the head look like at nodes 2 mm apart? Every depth and density that the painting needs, once a head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from ich_bench.phantom.anatomy import Anatomy, Shell, Spaces, cortex_of, shell, spaces, tentorium_mm
from ich_bench.phantom.bleed import Bleed, Place
from ich_bench.phantom.chance import Floats
from ich_bench.phantom.face import around
from ich_bench.phantom.grid import Axis, axis, planes
from ich_bench.phantom.scanner import Scan

NUCLEI = (  # deep grey matter: centre and half axes in mm, mirrored
    ((12.5, 17.0, 12.0), (4.0, 8.0, 9.0)),  # caudate head
    ((24.0, 3.0, 4.0), (6.0, 15.0, 9.0)),  # lentiform
    ((10.0, -13.0, 6.0), (8.0, 13.0, 8.0)),  # thalamus
)
PAINTED = (
    "vault", "cavity", "bone", "skin", "muscle", "base", "air", "soft", "soft_hu", "suture", "grain",
    "cortex", "fold", "width", "end", "ventricle", "cistern", "across", "brain_hu", "extra_hu", "sinus",
    "falx", "transverse", "tentorium", "taut",
)  # fmt: skip
SLOPED = ("vault", "cavity", "fold", "ventricle", "cistern", "cortex", "tentorium")  # slabs average over their slopes
FOR_BLEEDS = (
    "vault",
    "floor",
    "bone",
    "radius",
    "lumps",
    "fold",
    "width",
    "end",
    "ventricle",
    "cistern",
    "cortex",
    "across",
)
NAMES = (*PAINTED, "floor", "radius", "lumps")
AT = {name: number for number, name in enumerate(NAMES)}
_INNER_MM = 7.0  # nodes this far outside the cavity still count for the cavity's voxels


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Fields at nodes, (planes, x, fields, y), in the order of NAMES; depths inside each bleed, (planes, x, y)."""

    stack: Floats
    bled: tuple[Floats, ...]
    x: Axis
    y: Axis
    box: tuple[slice, slice]
    every: int  # slices between two planes

    def between(self, k: int, share: float, fields: Sequence[int] | slice) -> Floats:
        """Return fields, (x, fields, y), at a height within slice k: 0 its lower face, 1 its upper."""
        plane, part = divmod(k, self.every)
        t = (part + share) / self.every
        low, high = self.stack[plane][:, fields], self.stack[plane + 1][:, fields]
        mixed: Floats = low + t * (high - low)
        return mixed

    def slope(self, k: int, fields: Sequence[int]) -> Floats:
        """Return by how much fields change across slice k, (x, fields, y)."""
        plane = k // self.every
        change: Floats = (self.stack[plane + 1][:, fields] - self.stack[plane][:, fields]) * (1.0 / self.every)
        return change


def survey(head: Anatomy, bleeds: Sequence[Bleed], scan: Scan) -> Survey:
    """Return the head at the nodes of a scan."""
    box = scan.box((head.half_width_mm * 1.06 + 20.0, head.half_length_mm * 1.02 + 31.0))
    xs = axis(box[0].start, box[0].stop, scan.spacing_mm[0])
    ys = axis(box[1].start, box[1].stop, scan.spacing_mm[1])
    heights, every = planes(scan.shape[2], scan.spacing_mm[2])
    x, y, z = scan.head_mm(xs.nodes[None, :, None], ys.nodes[None, None, :], heights[:, None, None])
    outline = shell(head, x, y, z)
    lifted: Floats = sum((bleed.thickness_mm((x, y, z)) for bleed in bleeds), np.zeros(1))
    cavity = np.minimum(outline.vault_mm, outline.floor_mm)
    surface = np.minimum(outline.vault_mm - lifted, outline.floor_mm)
    stack = np.empty((len(heights), len(xs.nodes), len(NAMES), len(ys.nodes)))
    known = {
        "vault": outline.vault_mm, "cavity": cavity, "floor": outline.floor_mm, "radius": outline.radius,
        "lumps": outline.lumps, "cortex": cortex_of(head, surface),
    }  # fmt: skip
    for name, values in known.items():
        stack[:, :, AT[name]] = values
    outer = np.nonzero((cavity < 5.0) & (outline.vault_mm > np.where((z < 0.0) & (y > 40.0), -90.0, -42.0)))
    _outside(head, _at((x, y, z), outer), outline.at(outer), stack, outer)
    inner = np.nonzero(cavity > -_INNER_MM)
    before: Place = _at((x, y, z), inner)
    inside = outline.at(inner)
    for bleed in bleeds:
        before = bleed.pull(before, inside.radius)
    fluid = _inside(head, before, inside, stack[:, :, AT["cortex"]][inner], stack, inner)
    some = _at((x, y, z), inner)
    bled = []
    for bleed in bleeds:
        depth = np.full(x.shape, -99.0)
        depth[inner] = bleed.depth_mm(some, inside, fluid)
        bled.append(depth)
    return Survey(stack=stack, bled=tuple(bled), x=xs, y=ys, box=box, every=every)


def _at(place: Place, index: tuple[NDArray[np.intp], ...]) -> Place:
    return place[0][index], place[1][index], place[2][index]


_OUTSIDE = {
    "skin": ("skin_mm", -40.0), "muscle": ("muscle_mm", 1.0), "bone": ("vault_bone_mm", 6.0),
    "base": ("base_mm", -30.0), "air": ("air_mm", -30.0), "soft": ("soft_mm", -30.0), "soft_hu": ("soft_hu", 40.0),
    "suture": ("suture_mm", 9.0), "grain": ("grain", 0.0),
}  # fmt: skip


def _outside(head: Anatomy, place: Place, outline: Shell, stack: Floats, index: tuple[NDArray[np.intp], ...]) -> None:
    found = around(head, *place, outline)
    inner_skin = stack[:, :, AT["vault"]] > 0
    for name, (field, elsewhere) in _OUTSIDE.items():
        values = np.full(inner_skin.shape, elsewhere)
        if name == "skin":
            values[inner_skin] = 40.0
        values[index] = getattr(found, field)
        stack[:, :, AT[name]] = values


def _inside(
    head: Anatomy, before: Place, outline: Shell, cortex: Floats, stack: Floats, index: tuple[NDArray[np.intp], ...]
) -> Spaces:
    fluid = spaces(head, *before, outline, cortex)
    x, y, z = before
    grain = head.grain.at(y, x, z)
    rim = head.brightening_hu * np.exp(np.minimum(-outline.vault_mm, 0.0) / (0.6 * head.brightening_mm))
    half = 3.8 * np.clip(1.0 - outline.vault_mm / 8.5, -2.0, 1.3) - np.where((y < 20) | (z > 40), 0.0, 2.0)
    hung = np.minimum(((y + 6) / 50) ** 2 + ((z - 2) / 34) ** 2 - 1.0, 0.04 * (z + 14.0))
    notch = np.sqrt((x / 17.0) ** 2 + ((y + 20.0) / 25.0) ** 2) - 1.0
    tent = 0.83 * (z - tentorium_mm(x, y) + 0.8 * head.bumps.at(z, x, y))
    taut = np.clip(np.minimum(4.0 * notch, -0.12 * (y + 14.0)), 0.0, 1.0)  # none in its notch
    tube = 2.9 - np.sqrt((z + 13.0 + 0.10 * np.abs(x)) ** 2 + np.minimum(outline.vault_mm - 3.0, 9.0) ** 2)
    values = {
        "fold": (fluid.fold_mm, 5.0), "width": (fluid.width_mm, 0.2), "end": (fluid.end_mm, -20.0),
        "ventricle": (fluid.ventricle_mm, -30.0), "cistern": (fluid.cistern_mm, -30.0),
        "across": (fluid.across_mm + 0.5 * head.bumps.at(z, y, 0.0 * x), 30.0),
        "brain_hu": (_brain(head, before, fluid), head.white_hu),
        "extra_hu": (rim + head.parameters.noise.texture_hu * outline.lumps + 0.55 * grain, 0.0),
        "sinus": (np.where(z > -12, np.maximum(half, -9.0), -9.0), -9.0),
        "falx": (np.clip(12.0 * hung, 0.0, 0.8), 0.0),
        "tentorium": (tent, 9.0),
        "taut": (taut, 0.0),
        "transverse": (np.where(y < -38.0, np.maximum(tube, -5.0), -5.0), -5.0),
    }  # fmt: skip
    for name, (found, elsewhere) in values.items():
        plane = np.full((stack.shape[0], stack.shape[1], stack.shape[3]), elsewhere)
        plane[index] = found
        stack[:, :, AT[name]] = plane
    return fluid


def _brain(head: Anatomy, place: Place, fluid: Spaces) -> Floats:
    """Return the HU under the cortex: white matter, deep nuclei, cerebellum, brain stem, dark rims of the old."""
    x, y, z = place
    side = np.abs(x)
    deep = np.zeros(x.shape)
    near = np.nonzero((side < 36) & (np.abs(z - 6) < 18) & (np.abs(y) < 32))
    if near[0].size:
        points = (side[near], y[near], z[near])
        for centre, half in NUCLEI:
            apart = [((p - c) / h) ** 2 for p, c, h in zip(points, centre, half, strict=True)]
            depth = (1.0 - np.sqrt(apart[0] + apart[1] + apart[2])) * min(half)
            deep[near] = np.maximum(deep[near], np.clip(0.5 + depth / 3.0, 0.0, 1.0))
    below = np.clip((tentorium_mm(x, y) - z) / 4.0, 0.0, 1.0) * np.clip((-10.0 - y) / 14.0, 0.0, 1.0)
    folia = 0.55 + 0.25 * np.sin(2.6 * np.sqrt((y + 28.0) ** 2 + (z + 28.0) ** 2) + 0.08 * side) * np.clip(
        (side - 5) / 9, 0, 1
    )
    deep = np.maximum(deep, below * folia)
    hu = head.white_hu + deep * (head.grey_hu - head.white_hu)
    dark = (
        head.atrophy**2
        * head.parameters.build.leukoaraiosis_hu
        * np.exp(np.minimum(fluid.ventricle_mm, 0.0) / 6.0)
        * np.clip(z / 12.0, 0.0, 1.0)
    )
    return hu - dark * (1.0 - deep)


def visible_ml(found: Survey, scan: Scan) -> list[float]:
    """Return about how much of each bleed lies at the nodes, in mL: to reject bleeds that fall outside the scan."""
    node = reduce(lambda a, b: a * b, (found.x.nodes[1] - found.x.nodes[0], found.y.nodes[1] - found.y.nodes[0]))
    each = node * scan.spacing_mm[0] * scan.spacing_mm[1] * scan.spacing_mm[2] * found.every / 1000.0
    return [float((depth > 0).sum()) * each for depth in found.bled]
