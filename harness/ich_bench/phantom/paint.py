"""Which HU, and whose tissue, lies at any place of a drawn head: anatomy and bleeds composed, before any scanner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ich_bench.phantom.anatomy import NUCLEI, Anatomy, Shell, Spaces, along_falx, shell, spaces
from ich_bench.phantom.bleeds import Bleed, Place
from ich_bench.phantom.chance import Floats

AIR_HU = -1000.0


@dataclass(frozen=True, kw_only=True)
class Painted:
    """HU of the places, how much of each is intracranial cavity, and how much of each is blood, bleed by bleed."""

    hu: Floats
    cavity: Floats
    blood: tuple[Floats, ...]


def paint(head: Anatomy, bleeds: Sequence[Bleed], place: Place, edge_mm: float) -> Painted:
    """Return what lies at the places.

    Args:
        head: the person.
        bleeds: what bled.
        place: x, y, z in head millimetres, three arrays of one shape.
        edge_mm: the width over which one tissue turns into the next: about one pixel.
    """
    outline = shell(head, *place)
    cavity = _share(np.minimum(outline.vault_mm, outline.floor_mm), edge_mm)
    hu = np.full_like(cavity, AIR_HU)
    blood = tuple(np.zeros_like(hu) for _ in bleeds)
    outer = np.nonzero((cavity < 1) & (outline.vault_mm > -(outline.bone_mm + head.scalp_mm + 8.0)))
    if outer[0].size:
        hu[outer] = _outside(head, outline.at(outer), _at(place, outer), edge_mm)
    inner = np.nonzero(cavity > 0)
    if inner[0].size:
        brain, shares = _inside(head, bleeds, _at(place, inner), outline.at(inner), edge_mm)
        hu[inner] += cavity[inner] * (brain - hu[inner])
        for filled, share in zip(blood, shares, strict=True):
            filled[inner] = np.minimum(share, cavity[inner])
    return Painted(hu=hu, cavity=cavity, blood=blood)


def _at(place: Place, index: tuple[NDArray[np.intp], ...]) -> Place:
    return place[0][index], place[1][index], place[2][index]


def _share(depth_mm: Floats, edge_mm: float) -> Floats:
    """Return how much of a sample lies inside, from its depth: 0.5 on the border."""
    return np.clip(0.5 + depth_mm / edge_mm, 0.0, 1.0)


def _over(hu: Floats, value: Floats | float, share: Floats) -> Floats:
    """Return the HU with a tissue laid over it."""
    return hu + share * (value - hu)


def _outside(head: Anatomy, outline: Shell, place: Place, edge_mm: float) -> Floats:
    """Return scalp, skull, skull base and face; what is inside the cavity is painted over later."""
    x, y, z = place
    grain = head.grain.at(x, y, z)
    temple = np.clip(1.0 - ((z + 12) / 34) ** 2 - ((y - 14) / 38) ** 2, 0.0, 1.0)
    muscle = 5.5 * temple + 0.8  # with the galea
    above = -outline.vault_mm - outline.bone_mm  # the outer table
    skin = head.scalp_mm + muscle - 0.8 - above
    hu = np.full_like(x, AIR_HU)
    hu = _over(hu, 30.0, _share(skin, edge_mm))
    hu = _over(hu, -85.0 + 12.0 * grain, _share(np.minimum(skin - 1.6, above), edge_mm))
    hu = _over(hu, 52.0 + 6.0 * grain, _share(muscle - above, edge_mm))
    hu = _over(hu, _face(place, outline, grain), _share(np.minimum(-outline.floor_mm, outline.vault_mm), edge_mm))
    table = np.minimum(-above, -outline.vault_mm)
    marrow = np.clip((table - 1.3) / 1.2, 0.0, 1.0)
    bone = 1350.0 + 90.0 * grain - marrow * (820.0 + 160.0 * grain)
    hu = _over(hu, bone, _share(table, edge_mm))
    base = np.minimum(np.minimum(-outline.floor_mm, np.where(y > 26, 2.0, 5.0) + outline.floor_mm), -above)
    return _over(hu, 900.0 + 160.0 * grain, _share(base, edge_mm))


def _face(place: Place, outline: Shell, grain: Floats) -> Floats:
    """Return what lies below the skull base: petrous bone with air cells, orbits, sinuses, muscle."""
    x, y, z = place
    side = np.abs(x)
    hu = 45.0 + 8.0 * grain
    petrous = (side > 14) & (side < 66) & (y > -50) & (y < -4) & (outline.floor_mm > -22)
    hu = np.where(petrous, np.where((grain > 0.9) & (side > 38), -450.0, 850.0 + 260.0 * grain), hu)
    orbit = ((side - 31) / 18) ** 2 + ((y - 62) / 22) ** 2 + ((z + 40) / 16) ** 2
    globe = ((side - 32) / 12) ** 2 + ((y - 73) / 12) ** 2 + ((z + 40) / 12) ** 2
    hu = np.where((y > 20) & (outline.floor_mm > -40) & (side < 12), np.where(np.abs(grain) < 0.35, 250.0, -900.0), hu)
    hu = np.where(orbit < 1, -80.0, hu)
    return np.where(globe < 1, 12.0, hu)


def _inside(
    head: Anatomy, bleeds: Sequence[Bleed], place: Place, outline: Shell, edge_mm: float
) -> tuple[Floats, list[Floats]]:
    """Return the HU of the cavity, and each bleed's share of it."""
    vault, floor = outline.vault_mm, outline.floor_mm
    thickness = [bleed.thickness_mm(place) for bleed in bleeds]
    surface = np.minimum(vault - sum(thickness), floor)  # below what lifts the brain off the skull
    before = place
    for bleed in bleeds:
        before = bleed.pull(before, outline.radius)
    cortex = surface - 0.9 - 1.5 * head.atrophy
    fluid = spaces(head, *before, outline, cortex)
    hu = _brain(head, before, fluid) + 0.8 * outline.lumps
    swollen = 1.0 - sum((np.clip(thick / 6.0, 0.0, 0.8) for thick in thickness), np.zeros_like(hu))
    hu = _over(hu, head.csf_hu, _share(fluid.sulcus_mm, 1.4 * edge_mm) * swollen)
    hu = _over(hu, head.csf_hu, _share(-cortex, edge_mm))
    hu = _over(hu, head.csf_hu, _share(fluid.cistern_mm, edge_mm))
    hu = _over(hu, head.csf_hu, _share(fluid.ventricle_mm, edge_mm))
    hu = _midline(head, before, vault, hu, edge_mm)
    for speck in head.calcium:
        apart = [((p - c) / h) ** 2 for p, c, h in zip(before, speck.centre, speck.half_mm, strict=True)]
        depth = (1.0 - np.sqrt(apart[0] + apart[1] + apart[2])) * min(speck.half_mm)
        hu = _over(hu, speck.hu, _share(depth, edge_mm))
    shares = []
    for bleed in bleeds:
        depth = bleed.depth_mm(place, outline, fluid)
        share = _share(depth, edge_mm)
        if bleed.oedema_mm:
            halo = np.clip(1.0 + depth / bleed.oedema_mm, 0.0, 1.0) * (fluid.cortex_mm > 2)
            hu = np.minimum(hu, _over(hu, 20.0, 0.9 * halo))
        bled = np.nonzero(share)[0]
        texture = 3.5 * bleed.lumps.at(place[1][bled], place[0][bled], place[2][bled])
        hu[bled] = _over(hu[bled], bleed.hu + texture, share[bled])
        shares.append(share)
    return hu + head.brightening_hu * np.exp(-np.maximum(vault, 0.0) / 5.0), shares


def _brain(head: Anatomy, place: Place, fluid: Spaces) -> Floats:
    """Return grey and white matter: a folded ribbon, deep nuclei, cerebellum, dark white matter of the old."""
    x, y, z = place
    ribbon = 3.2 - np.minimum(fluid.cortex_mm, -fluid.sulcus_mm)
    grey = _share(ribbon, 3.5)
    for centre, half in NUCLEI:
        apart = [((p - c) / h) ** 2 for p, c, h in zip((np.abs(x), y, z), centre, half, strict=True)]
        grey = np.maximum(grey, _share((1.0 - np.sqrt(apart[0] + apart[1] + apart[2])) * min(half), 3.0))
    below_tentorium = np.clip((-10.0 - 0.35 * (y + 20.0) - z) / 6.0, 0.0, 1.0) * np.clip((-8.0 - y) / 16.0, 0.0, 1.0)
    grey = np.maximum(grey, 0.6 * below_tentorium)
    hu = head.white_hu + grey * (head.grey_hu - head.white_hu)
    leuko = head.atrophy**2 * 9.0 * np.exp(-np.maximum(-fluid.ventricle_mm, 0.0) / 6.0) * np.clip(z / 12.0, 0.0, 1.0)
    return hu - leuko * (1.0 - grey)


def _midline(head: Anatomy, place: Place, vault: Floats, hu: Floats, edge_mm: float) -> Floats:
    """Return the HU with falx, tentorium and the sagittal sinus laid over it."""
    x, y, z = place
    falx = np.where(along_falx(y, z), 0.55 - np.abs(x), -9.0)
    hu = _over(hu, 58.0, 0.8 * _share(falx, edge_mm))
    sinus = np.where(z > -12, 3.6 * (1.0 - vault / 8.5) - np.abs(x), -9.0)
    sinus = np.where((y < 20) | (z > 40), sinus, sinus - 2.0)
    return _over(hu, head.sinus_hu, _share(sinus, edge_mm))
