"""How does an activation map become a pseudo-mask without any drawn one: brain, brighter class, what hangs together?

Each step is a function of arrays. Nothing is learned and nothing chosen on masks: the abstract of Ramananda 2025 says
"refined in an unsupervised manner" and no more, so the steps and their values are ours; those of the skull were looked
at on the drawn heads of phantom-mini.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ich_bench_baselines.data.pixels import Window
from ich_bench_baselines.paper import ours

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
_PLUS, _EIGHT = ndimage.generate_binary_structure(2, 1), ndimage.generate_binary_structure(2, 2)
_STEPS = 50  # of k-means; two classes settle in fewer


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """Lengths are shares of the slice's side, areas shares of the slice: 256² has 65,536 pixels."""

    smooth: float = ours(1 / 256, "standard deviation: one pixel of 256 takes the noise of thin slices away")
    bone_hu: float = ours(110.0, "brighter than any blood; the window cuts bone at 150 HU, and thin bone is averaged")
    close: tuple[float, ...] = ours((5 / 256, 10 / 256, 20 / 256), "sutures; thin bone; sinuses: the first that helps")
    least_inside: float = ours(0.02, "a ring that holds less is none")
    rim: float = ours(2 / 256, "the brightest pixels beside bone are partly bone")
    soft_hu: tuple[float, float] = ours((20.0, 100.0), "brain and blood; below is CSF and fat, above is calcification")
    near: float = ours(0.2, "of the map's maximum in the brain: the pseudo-mask lies where the map is at least this")
    sure: float = ours(0.5, "of that maximum: every part of the pseudo-mask reaches such a place")
    least_step_hu: float = ours(12.0, "grey and white matter differ by up to 10 HU: less than this is no blood")
    least_blood_hu: float = ours(40.0, "clotted blood is brighter than grey matter (37 to 41 HU)")
    least_area: float = ours(20 / 65536, "smaller parts are noise")


def hounsfield(image: npt.NDArray[np.uint8], window: Window) -> Floats:
    """Return a stored slice in HU: 0 is the window's lower end, 255 its upper end."""
    step = (window.high_hu - window.low_hu) / 255
    return (image.astype(np.float32) * np.float32(step) + np.float32(window.low_hu)).astype(np.float32)


def inside_skull(hu: Floats, settings: Refinement) -> Mask:
    """Return what a ring of bone encloses in a slice, less its rim; all False where there is no such ring.

    The bone is grown, filled and shrunk by discs, the smallest first, until it holds `least_inside` of the slice.
    """
    side = max(hu.shape)
    bone = hu >= settings.bone_hu
    rim = _disc(_pixels(settings.rim, side))
    for share in settings.close:
        reach = _pixels(share, side)
        disc, cut = _disc(reach), slice(reach + 1, -reach - 1)
        grown = ndimage.binary_dilation(np.pad(bone, reach + 1), disc)
        held = ndimage.binary_erosion(ndimage.binary_fill_holes(grown, _PLUS), disc)[cut, cut]
        inside = largest(ndimage.binary_erosion(held & ~bone, rim))
        if inside.sum() >= settings.least_inside * hu.size:
            return inside
    return np.zeros(hu.shape, np.bool_)


def two_means(values: Floats) -> tuple[float, float]:
    """Return the centres of two classes of numbers, the lower first, by k-means from their median and 99th percentile.

    That start keeps a small bright class apart, where one from the extremes would split the large one. NaN, NaN for
    fewer than two values; equal centres where all are equal.
    """
    if len(values) < 2:
        return float("nan"), float("nan")
    low, high = float(np.median(values)), float(np.percentile(values, 99))
    for _ in range(_STEPS):
        bright = values > (low + high) / 2
        if bright.all() or not bright.any():
            break
        after = float(values[~bright].mean(dtype=np.float64)), float(values[bright].mean(dtype=np.float64))
        if after == (low, high):
            break
        low, high = after
    return low, high


def largest(mask: Mask) -> Mask:
    """Return the largest part of a mask, the first of several; parts touch by their edges."""
    parts, count = ndimage.label(mask, _PLUS)
    if count < 2:
        return mask
    sizes = np.bincount(parts.ravel())[1:]
    found: Mask = parts == int(sizes.argmax()) + 1
    return found


def reached(mask: Mask, sure: Mask) -> Mask:
    """Return the parts of a mask that hold a sure place; parts touch by their edges or corners."""
    parts, _ = ndimage.label(mask, _EIGHT)
    kept = np.unique(parts[sure & mask])
    found: Mask = np.isin(parts, kept[kept > 0])
    return found


def without_small(mask: Mask, least: int) -> Mask:
    """Return the parts of a mask that have so many pixels; parts touch by their edges or corners."""
    parts, _ = ndimage.label(mask, _EIGHT)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    found: Mask = (sizes >= least)[parts] & mask
    return found


def pseudo_mask(image: npt.NDArray[np.uint8], cam: Floats, window: Window, settings: Refinement) -> Mask:
    """Return the pseudo-mask of one slice with ICH; all False where the map or the densities show none.

    Args:
        image: The stored slice, uint8 (side, side).
        cam: Its activation map from 0 to 1, (side, side).
        window: Of the slice.
        settings: Thresholds.
    """
    hu = hounsfield(image, window)
    smooth = ndimage.gaussian_filter(hu, settings.smooth * max(hu.shape))
    inside = inside_skull(hu, settings)
    top = float(cam[inside].max(initial=0.0))  # of the brain: what the map says of bone and air is no matter
    near = inside & (cam >= settings.near * top) & (cam > 0)
    low, high = settings.soft_hu
    soft = near & (smooth >= low) & (smooth <= high)
    tissue, blood = two_means(smooth[soft])
    if not blood - tissue >= settings.least_step_hu:
        return np.zeros(hu.shape, np.bool_)
    cut = max((tissue + blood) / 2, settings.least_blood_hu)
    found = reached(soft & (smooth >= cut), cam >= settings.sure * top)
    least = max(1, round(settings.least_area * hu.size))
    return np.asarray(ndimage.binary_fill_holes(without_small(found, least)))


def _pixels(share: float, side: int) -> int:
    return max(1, round(share * side))


def _disc(radius: int) -> Mask:
    row, column = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    found: Mask = row * row + column * column <= radius * radius
    return found
