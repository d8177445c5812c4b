"""What would a human reader have outlined? The reference is drawn from the truth with a reader's usual errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_closing,
    binary_erosion,
    binary_opening,
    distance_transform_edt,
    find_objects,
    gaussian_filter,
    label,
)
from scipy.special import ndtri

from ich_bench.phantom.chance import Floats, between, chance, normal, normals

Mask = NDArray[np.bool_]
_MARGIN_MM = 6.0  # around a lesion, in which its outline may move
_AROUND = np.ones((3, 3, 1), bool)  # in plane
_WHOLE = np.ones((3, 3, 3), bool)  # 26 neighbours make a component


@dataclass(frozen=True, kw_only=True)
class ReaderParameters:
    """How a reader errs. Values are chosen so that Dice between truth and reference lies where readers' does."""

    jitter_mm: tuple[float, float] = (0.5, 0.8)  # standard deviation of the outline in a slice, drawn once a head
    correlation_mm: float = 4.0  # along the outline, in plane
    between_slices_mm: float = 3.0  # and from slice to slice: a thin slice is outlined like its neighbour
    bone_rim_mm: float = 1.0  # so near the inner table the outline follows the bone, which is seen
    bone_jitter: float = 0.3  # share of the jitter by which it still strays inwards there
    bias_mm: float = 0.05  # standard deviation of how much too wide or too tight a whole component is outlined
    bias_share: float = 0.1  # of its depth, added to `bias_mm`: the edge of a large clot is soft …
    bias_most_mm: float = 1.0  # … but no reader strays further than this: about two pixels
    thin_bias_mm: float = 0.5  # instead of `bias_mm` for SAH: thin blood is drawn thicker or thinner
    missed_end: float = 0.15  # how often the first or the last slice (about 5 mm) of a component is left out
    end_mm: float = 5.0  # how much of thin slices counts as the first or the last
    end_area: float = 0.7  # of the largest slice; a larger end is never missed
    least_strand_px: float = 2.0  # strands of SAH thinner than this are dropped or bridged
    dropped: float = 0.6  # share of the thin stretches that are dropped; the others are drawn wider and bridged
    bone: float = 0.28  # share of the components with bone in reach that take in some (INSTANCE 2022: 23 of 204 do)
    bone_hu: float = 140.0  # above, it is bone (INSTANCE 2022 was counted so)
    bone_reach_mm: float = 1.6  # how far into the bone they go
    least_mm2: float = 3.0  # in one slice, a smaller piece is not outlined
    least_ml: float = 0.08  # a smaller fragment beside larger ones is left out
    least_share: float = 0.03  # and so is one this much smaller than the largest


def read(
    truth: Mapping[str, Mask],
    hu: NDArray[np.int16],
    cavity: Mask,
    spacing_mm: tuple[float, float, float],
    rng: np.random.Generator,
    parameters: ReaderParameters | None = None,
) -> dict[str, Mask]:
    """Return what a reader outlines, by subtype.

    Outlines move in plane by a smooth random amount, end slices are missed, strands of SAH thinner than two pixels are
    dropped or bridged, and some components take in bone. A component of which nothing would be left is kept as it is.

    Args:
        truth: what bled, boolean (x, y, z) by subtype.
        hu: the CT; only bone is looked up in it.
        cavity: the space inside the skull; only components that take in bone leave it.
        spacing_mm: voxel size.
        rng: where chance comes from.
        parameters: how the reader errs; the usual when None.
    """
    parameters = parameters or ReaderParameters()
    reference = {}
    for subtype, mask in truth.items():
        outlined = np.zeros_like(mask)
        reference[subtype] = outlined
        if not mask.any():
            continue
        thin = subtype == "sah"  # many shreds, outlined together
        jitter_sd = between(rng, *parameters.jitter_mm)
        for box, one in _components(mask, spacing_mm, whole=thin):
            soft = cavity[box] & (hu[box] <= parameters.bone_hu)
            soft &= binary_erosion(cavity[box], _AROUND, border_value=1) | one
            drawn = _outlined(one, soft, spacing_mm, rng, parameters, jitter_sd=jitter_sd, thin=thin)
            if chance(rng, parameters.bone):
                drawn |= _with_bone(drawn, hu[box], spacing_mm, parameters)
            outlined[box] |= drawn if drawn.any() else one
        fragments, count = label(outlined, _WHOLE)
        if count > 1:
            each_ml = np.bincount(fragments.ravel()) * float(np.prod(spacing_mm)) / 1000.0
            each_ml[0] = 0.0
            large = each_ml >= max(parameters.least_ml, parameters.least_share * each_ml.max())
            large[0] = False
            if large.any():
                outlined &= large[fragments]
    return reference


def _components(
    mask: Mask, spacing_mm: tuple[float, float, float], *, whole: bool
) -> Iterator[tuple[tuple[slice, ...], Mask]]:
    """Yield each component of a mask in a box with some margin, as (box, the component there)."""
    margin = [int(np.ceil(_MARGIN_MM / spacing_mm[0])), int(np.ceil(_MARGIN_MM / spacing_mm[1])), 1]
    around = _wider(find_objects(mask.astype(np.uint8))[0], margin, mask.shape)
    if whole:
        yield around, mask[around]
        return
    components, _ = label(mask[around], _WHOLE)
    for number, found in enumerate(find_objects(components), start=1):
        inner = _wider(found, margin, components.shape)
        box = tuple(slice(a.start + b.start, a.start + b.stop) for a, b in zip(around, inner, strict=True))
        yield box, components[inner] == number


def _wider(box: tuple[slice, ...], margin: list[int], shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(
        slice(max(0, part.start - more), min(size, part.stop + more))
        for part, more, size in zip(box, margin, shape, strict=True)
    )


def _outlined(
    one: Mask, allowed: Mask, spacing_mm: tuple[float, float, float], rng: np.random.Generator,
    parameters: ReaderParameters, *, jitter_sd: float, thin: bool,
) -> Mask:  # fmt: skip
    """Return one component as outlined slice by slice."""
    moved = jitter_sd * _waves(one.shape, spacing_mm, rng, parameters)
    area = one.sum(axis=(0, 1))
    filled = np.nonzero(area)[0]
    depth = float(_depth_mm(one[:, :, area.argmax()], spacing_mm).max())
    least = parameters.thin_bias_mm if thin else parameters.bias_mm
    moved += normal(rng, 0.0, least + min(parameters.bias_share * depth, parameters.bias_most_mm))
    _follow_bone(moved, allowed, spacing_mm, parameters)
    kept = np.ones(one.shape[2], bool)
    ends = max(1, round(parameters.end_mm / spacing_mm[2] / 2)) if spacing_mm[2] < parameters.end_mm else 1
    for end in (filled[:ends], filled[::-1][:ends]):
        small = area[end].max() < parameters.end_area * area.max()
        if chance(rng, parameters.missed_end) and small:
            kept[end] = False
    drawn = np.zeros_like(one)
    coin = _waves(one.shape, spacing_mm, rng, parameters) if thin else moved
    for k in filled:
        if kept[k]:
            plane = one[:, :, k]
            if thin:
                plane = _strands(plane, coin[:, :, k], parameters)
            drawn[:, :, k] = _depth_mm(plane, spacing_mm) + moved[:, :, k] > 0
            drawn[:, :, k] = _without_specks(drawn[:, :, k], parameters.least_mm2 / (spacing_mm[0] * spacing_mm[1]))
    return drawn & allowed


def _follow_bone(
    moved: Floats, allowed: Mask, spacing_mm: tuple[float, float, float], parameters: ReaderParameters
) -> None:
    """Keep the outline to the inner table, in place: there it is seen, and hardly drawn too far inside."""
    wide = max(1, round(parameters.bone_rim_mm / spacing_mm[0]))
    block = np.ones((2 * wide + 1, 2 * wide + 1, 1), bool)
    rim = allowed & ~binary_erosion(allowed, block, border_value=1)
    moved[rim & (moved < 0)] *= parameters.bone_jitter


def _waves(
    shape: tuple[int, ...], spacing_mm: tuple[float, float, float], rng: np.random.Generator,
    parameters: ReaderParameters,
) -> Floats:  # fmt: skip
    """Return a smooth field of standard deviation 1 over the box."""
    width = [parameters.correlation_mm / 2 / spacing_mm[0], parameters.correlation_mm / 2 / spacing_mm[1]]
    through = parameters.between_slices_mm / 2 / spacing_mm[2]
    sigma = [*width, through if through > 0.5 else 0.0]
    pad = [int(np.ceil(3 * each)) for each in sigma]
    padded = tuple(size + 2 * more for size, more in zip(shape, pad, strict=True))
    field: Floats = gaussian_filter(normals(rng, padded), sigma, truncate=3.0)
    scale = float(np.prod([1.0 if each == 0 else np.sqrt(2 * np.sqrt(np.pi) * each) for each in sigma]))
    inner = tuple(slice(more, more + size) for more, size in zip(pad, shape, strict=True))
    return scale * field[inner]


def _depth_mm(plane: Mask, spacing_mm: tuple[float, float, float]) -> Floats:
    """Return the distance to the outline, in mm; positive inside."""
    pixel = spacing_mm[:2]
    if not plane.any():
        return np.full(plane.shape, -99.0)
    inside = distance_transform_edt(np.pad(plane, 1), sampling=pixel)[1:-1, 1:-1]
    outside = distance_transform_edt(~plane, sampling=pixel)
    half = 0.25 * (pixel[0] + pixel[1])
    depth: Floats = np.where(plane, inside - half, half - outside)
    return depth


def _strands(plane: Mask, coin: Floats, parameters: ReaderParameters) -> Mask:
    """Return a slice of SAH in which strands of less than two pixels are dropped here and bridged there."""
    wide = int(np.ceil(parameters.least_strand_px))
    thick = binary_opening(plane, np.ones((wide, wide), bool))
    fine = plane & ~thick
    bridged = binary_closing(np.pad(plane, 2), np.ones((3, 3), bool))[2:-2, 2:-2]
    drop = coin < ndtri(parameters.dropped)
    drawn: Mask = np.where(drop, plane & ~fine, bridged)
    return drawn


def _without_specks(plane: Mask, least_px: float) -> Mask:
    parts, count = label(plane, np.ones((3, 3), bool))
    if count < 1:
        return plane
    large = np.bincount(parts.ravel()) >= least_px
    large[0] = False
    kept: Mask = large[parts]
    return kept


def _with_bone(
    drawn: Mask, hu: NDArray[np.int16], spacing_mm: tuple[float, float, float], parameters: ReaderParameters
) -> Mask:
    """Return the bone within reach of the outline, slice by slice."""
    bone = hu > parameters.bone_hu
    taken = np.zeros_like(drawn)
    for k in range(drawn.shape[2]):
        if drawn[:, :, k].any():
            near = _depth_mm(drawn[:, :, k], spacing_mm) > -parameters.bone_reach_mm
            taken[:, :, k] = bone[:, :, k] & near
    return taken
