"""What is the HU of every voxel of a slice? Edges drawn from depths, averaged over the slice's thickness.

A slice is a slab. Where a depth changes by d across it, an edge is a ramp of width hypot(d, pixel): the share of the
voxel on the inside. So that thick slices mix what they cut through, without painting any place twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ich_bench.phantom.anatomy import Shell, Spaces
from ich_bench.phantom.bleed import Bleed
from ich_bench.phantom.chance import Floats
from ich_bench.phantom.grid import spread
from ich_bench.phantom.mimics import Mimic
from ich_bench.phantom.person import Anatomy
from ich_bench.phantom.scanner import Scan
from ich_bench.phantom.survey import AT, FOR_BLEEDS, PAINTED, SLOPED, Survey

AIR_HU = -1000.0
_SKIN_MM = 1.9
_LAYER_MM = 1.7  # a bleed is sampled in layers about this thin
_PLACE = tuple[Floats, Floats, Floats]


@dataclass(frozen=True, kw_only=True)
class Blood:
    """Where one bleed is in one slice: voxels of the slice, (x, y) indices, and the share of each that is blood."""

    bleed: int
    i: np.ndarray
    j: np.ndarray
    share: Floats


@dataclass(frozen=True, kw_only=True)
class Painted:
    """One slice within the survey's box: HU and share of intracranial cavity, (y, x); blood, bleed by bleed."""

    hu: Floats
    cavity: Floats
    blood: tuple[Blood, ...]


def paint(
    head: Anatomy, bleeds: Sequence[Bleed], mimics: Sequence[Mimic], scan: Scan, found: Survey, k: int
) -> Painted:
    """Return slice k of the scan, painted."""
    fields = spread(found.between(k, 0.5, slice(0, len(PAINTED))), found.x.cubic, found.y.cubic)
    at = {name: fields[AT[name]] for name in PAINTED}
    edge = max(0.6, 0.9 * scan.spacing_mm[0])
    change = found.slope(k, [AT[name] for name in SLOPED])
    np.multiply(change, change, out=change)
    change += edge * edge
    np.sqrt(change, out=change)
    np.reciprocal(change, out=change)
    steep = dict(zip(SLOPED, spread(change, found.x.linear, found.y.linear), strict=True))
    hu = np.full(at["vault"].shape, AIR_HU)
    body = _window(at["skin"] > -edge)
    _outside(head, {name: values[body] for name, values in at.items()}, steep["vault"][body], edge, hu[body])
    cavity = _share(at["cavity"], steep["cavity"])
    core = _window(cavity > 0)
    if core[0].stop > core[0].start:
        some = {name: values[core] for name, values in at.items()}
        brain = _inside(head, some, {name: values[core] for name, values in steep.items()}, edge)
        _lay(hu[core], brain, cavity[core])
    for mimic in mimics:
        _paint_mimic(head, bleeds, mimic, scan, found, k, hu)
    blood = [_paint_bleed(bleed, number, scan, found, k, hu, cavity) for number, bleed in enumerate(bleeds)]
    return Painted(hu=hu, cavity=cavity, blood=tuple(part for part in blood if part is not None))


def _window(where: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and columns that hold any True; empty slices where none is."""
    spans = []
    for axis in (1, 0):
        held = np.nonzero(where.any(axis=axis))[0]
        spans.append(slice(int(held[0]), int(held[-1]) + 1) if held.size else slice(0, 0))
    return spans[0], spans[1]


def _share(depth_mm: Floats, per_mm: Floats | float) -> Floats:
    """Return how much of a voxel lies inside, from its depth and the edge's steepness: 0.5 on the border."""
    share = depth_mm * per_mm
    share += 0.5
    np.maximum(share, 0.0, out=share)
    np.minimum(share, 1.0, out=share)
    return share


def _lay(hu: Floats, value: Floats | float, share: Floats) -> None:
    """Lay a tissue over the HU, in place."""
    over = value - hu
    over *= share
    hu += over


def _outside(head: Anatomy, at: dict[str, Floats], steep: Floats, edge: float, hu: Floats) -> None:
    """Paint scalp, skull, skull base and face into `hu`; what is inside the cavity is painted over later."""
    sharp = 1.0 / edge
    skin, vault, grain = at["skin"], at["vault"], at["grain"]
    above = -(vault + at["bone"])
    _lay(hu, head.parameters.tissue.skin_hu, _share(skin, sharp))
    _lay(hu, head.fat_hu + 9.0 * grain, _share(np.minimum(skin - _SKIN_MM, above), sharp))
    _lay(hu, head.muscle_hu + 5.0 * grain, _share(np.minimum(at["muscle"] - above, skin - _SKIN_MM), sharp))
    if at["soft"].max(initial=-99.0) > -edge:
        _lay(hu, at["soft_hu"], _share(at["soft"], sharp))
    table = np.minimum(-vault, -above)
    bone = _share(table, np.minimum(steep, sharp))
    cut = np.minimum(np.maximum(at["suture"] * 0.9, 0.25), 1.0)
    bone *= cut
    marrow = _share(table - 1.7, 0.7)
    marrow *= (head.table_hu - head.diploe_hu) * (1.0 - 0.22 * grain)
    _lay(hu, head.table_hu - marrow, bone)
    base = at["base"]
    if base.max(initial=-99.0) > -edge:
        spongy = _share(base - 2.2, 0.5)
        spongy *= (0.45 - 0.20 * grain) * head.table_hu
        _lay(hu, 0.86 * head.table_hu - spongy, _share(base, sharp))
    if at["air"].max(initial=-99.0) > -edge:
        _lay(hu, AIR_HU + 30.0, _share(at["air"], sharp))


def _inside(head: Anatomy, at: dict[str, Floats], steep: dict[str, Floats], edge: float) -> Floats:
    """Return the HU of the cavity's content."""
    cortex, fold, end = at["cortex"], np.abs(at["fold"]), at["end"]
    per_fold = steep["fold"]
    sulcus = _share(fold + at["width"], per_fold)
    sulcus -= _share(fold - at["width"], per_fold)
    sulcus *= _share(end, 0.5)
    ribbon = np.minimum(cortex, np.maximum(fold - at["width"], -0.7 * end))
    grey = _share(3.0 - ribbon, 0.45 / (1.0 + edge * 0.2))
    hu = at["brain_hu"].copy()
    _lay(hu, head.grey_hu, grey)
    _lay(hu, head.csf_hu, sulcus)
    _lay(hu, head.csf_hu, _share(-cortex, steep["cortex"]))
    _lay(hu, head.csf_hu, _share(at["cistern"], steep["cistern"]))
    _lay(hu, head.csf_hu, _share(at["ventricle"], steep["ventricle"]))
    sheet, per_sheet = np.abs(at["tentorium"]), steep["tentorium"]
    cleft = _share(sheet + 0.9, per_sheet)
    cleft -= _share(sheet - 0.9, per_sheet)
    cleft *= at["taut"]
    _lay(hu, head.parameters.tissue.dura_hu - 6.0, cleft)
    side = np.abs(at["across"])
    sinus = at["sinus"]
    falx = _share(0.45 - side, 1.0 / edge)
    falx *= at["falx"]
    _lay(hu, head.parameters.tissue.dura_hu, falx)
    _lay(hu, head.sinus_hu, _share(np.maximum(sinus - side, at["transverse"]), 1.0 / edge))
    hu += at["extra_hu"]
    return hu


def _window_of(near: np.ndarray, found: Survey) -> tuple[slice, slice] | None:
    """Return the voxels of the box, (x, y), around the nodes that are near; None where none is."""
    if not near.any():
        return None
    spans = []
    for axis, (line, box) in enumerate(zip((found.x, found.y), found.box, strict=True)):
        held = np.nonzero(near.any(axis=1 - axis))[0]
        low, high = line.nodes[max(0, held[0] - 1)], line.nodes[min(len(line.nodes) - 1, held[-1] + 1)]
        low, high = (
            max(0, int(np.floor(low)) - box.start),
            min(box.stop - box.start, int(np.ceil(high)) + 1 - box.start),
        )
        spans.append(slice(low, max(low, high)))
    return spans[0], spans[1]


def _layers(scan: Scan) -> list[float]:
    count = max(1, round(scan.spacing_mm[2] / _LAYER_MM))
    return [(number + 0.5) / count for number in range(count)]


def _paint_bleed(
    bleed: Bleed, number: int, scan: Scan, found: Survey, k: int, hu: Floats, cavity: Floats
) -> Blood | None:
    """Paint one bleed and its oedema into the slice; return where it is."""
    plane = k // found.every
    depths = np.maximum(found.bled[number][plane], found.bled[number][plane + 1])
    reach = 4.0 + 2.2 * bleed.oedema_mm
    window = _window_of(depths > -reach, found)
    if window is None or window[0].start >= window[0].stop or window[1].start >= window[1].stop:
        return None
    wx, wy = found.x.linear[window[0]], found.y.linear[window[1]]
    rough = spread(np.ascontiguousarray(depths[:, None, :]), wx, wy)[0]
    rows, columns = np.nonzero((rough > -reach) & (cavity[window[1], window[0]] > 0))
    if not rows.size:
        return None
    jj, ii = rows + window[1].start, columns + window[0].start
    numbers = [AT[name] for name in FOR_BLEEDS]
    per_mm = 1.0 / max(0.6, 0.9 * scan.spacing_mm[0], 0.5 * scan.spacing_mm[2] / len(_layers(scan)))
    share, blood_hu, swollen = (np.zeros(rows.size) for _ in range(3))
    wx, wy = found.x.cubic[window[0]], found.y.cubic[window[1]]
    layers = _layers(scan)
    faces = [spread(found.between(k, face, numbers), wx, wy)[:, rows, columns] for face in (0.0, 1.0)]
    faces[1] -= faces[0]
    for height in layers:
        at = dict(zip(FOR_BLEEDS, faces[0] + height * faces[1], strict=True))
        place = scan.head_mm(
            ii + float(found.box[0].start), jj + float(found.box[1].start), np.full(ii.shape, k - 0.5 + height)
        )
        depth = bleed.depth_mm(place, _shell(at), _spaces(at))
        part = _share(depth, per_mm)
        bled = np.nonzero(part)[0]
        if bled.size:
            clot: Floats = bleed.blood_hu((place[0][bled], place[1][bled], place[2][bled]))
            clot *= part[bled]
            blood_hu[bled] += clot
            share += part
        if bleed.oedema_mm:
            wet = bleed.oedema_share(place, depth)
            wet *= _share(np.minimum(at["cortex"] - 2.0, -at["ventricle"]), 0.5)
            swollen += wet
    inside = cavity[jj, ii]
    if bleed.oedema_mm:
        swollen *= inside / len(layers)
        before = hu[jj, ii]
        hu[jj, ii] = np.minimum(before, before + 0.9 * swollen * (bleed.oedema_hu - before))
    bled = np.nonzero(share)[0]
    if not bled.size:
        return None
    jj, ii, mean_hu = jj[bled], ii[bled], blood_hu[bled] / share[bled]
    taken = np.minimum(share[bled] / len(layers), inside[bled])
    hu[jj, ii] += taken * (mean_hu - hu[jj, ii])
    return Blood(bleed=number, i=ii, j=jj, share=taken)


def _shell(at: dict[str, Floats]) -> Shell:
    return Shell(radius=at["radius"], vault_mm=at["vault"], floor_mm=at["floor"], bone_mm=at["bone"], lumps=at["lumps"])


def _spaces(at: dict[str, Floats]) -> Spaces:
    return Spaces(
        ventricle_mm=at["ventricle"], cistern_mm=at["cistern"],
        sulcus_mm=np.minimum(at["width"] - np.abs(at["fold"]), at["end"]), cortex_mm=at["cortex"],
        fold_mm=at["fold"], width_mm=at["width"], end_mm=at["end"], across_mm=at["across"],
    )  # fmt: skip


def _paint_mimic(
    head: Anatomy, bleeds: Sequence[Bleed], mimic: Mimic, scan: Scan, found: Survey, k: int, hu: Floats
) -> None:
    """Paint what looks like blood, or hides it, where the bleeds have moved it to."""
    centre = scan.index_of(mimic.centre)
    if abs(centre[2] - k) > mimic.reach_mm / scan.spacing_mm[2] + 1.0:
        return
    spans = []
    for axis in (0, 1):
        reach = mimic.reach_mm / scan.spacing_mm[axis]
        box = found.box[axis]
        low, high = int(centre[axis] - reach) - box.start, int(centre[axis] + reach) + 2 - box.start
        spans.append(np.arange(max(0, low), max(0, min(box.stop - box.start, high))))
    if not spans[0].size or not spans[1].size:
        return
    ii, jj = (part.ravel() for part in np.meshgrid(spans[0], spans[1], indexing="ij"))
    window = slice(int(spans[0][0]), int(spans[0][-1]) + 1), slice(int(spans[1][0]), int(spans[1][-1]) + 1)
    fields = [AT["radius"], AT["vault"], AT["cortex"], AT["ventricle"]]
    near = spread(found.between(k, 0.5, fields), found.x.cubic[window[0]], found.y.cubic[window[1]])
    radius, vault, cortex, ventricle = (part.T.ravel() for part in near)
    share = np.zeros(ii.shape)
    layers = _layers(scan)
    for height in layers:
        place = scan.head_mm(
            ii + float(found.box[0].start), jj + float(found.box[1].start), np.full(ii.shape, k - 0.5 + height)
        )
        for bleed in bleeds:
            place = bleed.pull(place, radius)
        share += _share(mimic.depth_mm(place), mimic.per_mm(scan.spacing_mm[0]))
    share *= mimic.strength / len(layers)
    if mimic.within == "brain":
        share *= _share(np.minimum(cortex, -ventricle), 0.6)
    elif mimic.within == "cavity":
        share *= _share(vault, 1.0)
    hu[jj, ii] += share * (mimic.hu - hu[jj, ii])
