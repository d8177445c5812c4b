"""How is a slice changed before the network sees it: moved, flipped, brightened, blurred, cropped?

A batch is changed at once, on its own device: `draw` takes the numbers of all slices from one generator, `apply`
changes the images by them and `follow` moves masks the same way. A step's generator is made from (seed, epoch, step),
so a step does not depend on what was drawn before it.

Departures from the paper (Spahr 2023, Sec. 2.3.2 and 2.6.1) and its code:

1. Slices are changed at 256², after the resizing; the paper resizes last.
2. Translation, rotation, scaling, flip and crop are composed and the slice is read once, bilinearly; the code reads it
   anew for each, and crops after contrast, brightness and blur.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor

from ich_bench_baselines.paper import code, ours, paper

CROP_TRIES = 10
BLUR_REACH = 4.0  # the kernel ends at so many standard deviations, rounded, as in SciPy


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Ranges, drawn evenly; as they stand here they change nothing.

    `translate`: share of the side, both ways. `scale`: 1.1 makes the head larger. `flip`: how often left and right
    change. `chance`: how often each of contrast (a factor), brightness (added) and blur (standard deviation in pixels)
    is applied; images are clipped to [0, 1] after each. `crop_area`, `crop_ratio` (width by height, drawn evenly in its
    logarithm): what is kept of the slice and brought to full size.
    """

    translate: float = ours(0.0, "no translation where a method names none")
    rotate_deg: float = ours(0.0, "no rotation where a method names none")
    scale: tuple[float, float] = ours((1.0, 1.0), "no scaling where a method names none")
    flip: float = ours(0.0, "no flip where a method names none")
    chance: float = ours(0.5, "as often as the contrastive methods, where there is a range to draw from")
    contrast: tuple[float, float] = ours((1.0, 1.0), "no change where a method names none")
    brightness: tuple[float, float] = ours((0.0, 0.0), "no change where a method names none")
    blur_px: tuple[float, float] = ours((0.0, 0.0), "no blur where a method names none")
    crop_area: tuple[float, float] = ours((1.0, 1.0), "no crop where a method names none")
    crop_ratio: tuple[float, float] = ours((1.0, 1.0), "no crop where a method names none")


@dataclass(frozen=True, kw_only=True)
class SliceAugmentation(Augmentation):
    """Of the segmentation trainings and of context restoration."""

    translate: float = paper(0.1, "Sec. 2.3.2")
    rotate_deg: float = paper(15.0, "Sec. 2.3.2", code=code(10.0, "configs of the U-Net and context trainings"))
    scale: tuple[float, float] = paper((0.9, 1.1), "Sec. 2.3.2")
    flip: float = paper(0.5, "Sec. 2.3.2")


@dataclass(frozen=True, kw_only=True)
class ClassifierAugmentation(SliceAugmentation):
    """Of the binary and multi-label classifications, whose code has the paper's rotation."""

    rotate_deg: float = paper(15.0, "Sec. 2.3.2")


@dataclass(frozen=True, kw_only=True)
class GlobalContrastAugmentation(Augmentation):
    """Of the two views in the contrast of whole slices; the paper names the changes, the code the ranges."""

    translate: float = paper(0.15, "Sec. 2.6.1.2")
    rotate_deg: float = paper(90.0, "Sec. 2.6.1.2", code=code(45.0, "config of the contrastive training"))
    scale: tuple[float, float] = paper((0.8, 1.2), "Sec. 2.6.1.2")
    flip: float = paper(0.5, "Sec. 2.6.1.2")
    chance: float = paper(0.5, "Sec. 2.6.1.2")
    contrast: tuple[float, float] = code((0.5, 1.4), "config of the contrastive training")
    brightness: tuple[float, float] = code((-0.25, 0.25), "config of the contrastive training")
    blur_px: tuple[float, float] = code((0.1, 1.5), "config of the contrastive training")
    crop_area: tuple[float, float] = code((0.5, 1.0), "config of the contrastive training")
    crop_ratio: tuple[float, float] = code((0.8, 1.25), "config of the contrastive training")


@dataclass(frozen=True, kw_only=True)
class LocalContrastAugmentation(Augmentation):
    """Of the two views in the contrast of regions: no flip, which would take left for right."""

    translate: float = paper(
        0.15, "Sec. 2.6.1.3, where '0.15 %' stands for 15 %", code=code(0.1, "config of the local contrast")
    )
    rotate_deg: float = paper(45.0, "Sec. 2.6.1.3")
    scale: tuple[float, float] = paper(
        (0.8, 1.2), "Sec. 2.6.1.3", code=code((0.9, 1.1), "config of the local contrast")
    )
    flip: float = paper(0.0, "Sec. 2.6.1.3")
    chance: float = paper(0.5, "Sec. 2.6.1.3")
    contrast: tuple[float, float] = code((0.7, 1.3), "config of the local contrast")
    brightness: tuple[float, float] = ours(
        (-0.25, 0.25),
        "Sec. 2.6.1.3 names no range; that of the contrast of whole slices",
        code=code((0.0, 0.0), "config of the local contrast has none"),
    )
    blur_px: tuple[float, float] = ours((0.1, 1.5), "Sec. 2.6.1.3 names no range; that of the contrast of whole slices")
    crop_area: tuple[float, float] = code((0.7, 1.0), "config of the local contrast")
    crop_ratio: tuple[float, float] = ours(
        (0.8, 1.25), "Sec. 2.6.1.3 names no range; that of the contrast of whole slices"
    )


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What was drawn for n slices.

    `shift` (n, 2): rows down, columns right, in shares of the side. `angle_deg` (n,): counter-clockwise. `scale`,
    `contrast`, `brightness`, `blur_px` (n,). `flip` (n,): yes or no. `crop` (n, 4): top, left, height, width of what is
    kept, in shares of the side. `moves`: whether anything can; `blur_reach_px`: of the widest kernel, 0 for none.
    """

    shift: Tensor
    angle_deg: Tensor
    scale: Tensor
    flip: Tensor
    crop: Tensor
    contrast: Tensor
    brightness: Tensor
    blur_px: Tensor
    moves: bool
    blur_reach_px: int


class Pair(NamedTuple):
    """Images (n, 1, h, w) as float32 in [0, 1] and masks (n, m, h, w) as bool, changed by the same numbers."""

    images: Tensor
    masks: Tensor


def pair(images: Tensor, masks: Tensor, settings: Augmentation, generator: torch.Generator) -> Pair:
    """Return a batch and its masks (reference, cavity, …), augmented together."""
    drawn = draw(settings, len(images), generator)
    at = grid(drawn, images) if drawn.moves else None
    return Pair(images=apply(images, drawn, at), masks=follow(masks, drawn, at))


def generator(*numbers: int, device: str = "cpu") -> torch.Generator:
    """Return a generator on a device that depends on these numbers alone, such as seed, epoch and step."""
    state = int(np.random.SeedSequence(list(numbers)).generate_state(1, np.uint64)[0] >> np.uint64(1))
    return torch.Generator(device=device).manual_seed(state)


def draw(settings: Augmentation, count: int, generator: torch.Generator) -> Drawn:
    """Return the numbers for `count` slices, on the generator's device; each slice has its own."""

    def even(low: float, high: float, *shape: int) -> Tensor:
        share = torch.rand(count, *shape, generator=generator, device=generator.device, dtype=torch.float64)
        return low + (high - low) * share

    def sometimes(span: tuple[float, float], none: float) -> Tensor:
        value, applied = even(*span), even(0.0, 1.0) < settings.chance
        return torch.where(applied, value, none)

    shift = even(-settings.translate, settings.translate, 2)
    angle_deg = even(-settings.rotate_deg, settings.rotate_deg)
    scale = even(*settings.scale)
    flip = even(0.0, 1.0) < settings.flip
    area = even(*settings.crop_area, CROP_TRIES)
    ratio = torch.exp(even(math.log(settings.crop_ratio[0]), math.log(settings.crop_ratio[1]), CROP_TRIES))
    corner = even(0.0, 1.0, 2)
    still = (settings.translate, settings.rotate_deg, settings.scale, settings.flip) == (0.0, 0.0, (1.0, 1.0), 0.0)
    return Drawn(
        shift=shift,
        angle_deg=angle_deg,
        scale=scale,
        flip=flip,
        crop=_crop(area, ratio, corner),
        contrast=sometimes(settings.contrast, 1.0),
        brightness=sometimes(settings.brightness, 0.0),
        blur_px=sometimes(settings.blur_px, 0.0),
        moves=not still or (settings.crop_area, settings.crop_ratio) != ((1.0, 1.0), (1.0, 1.0)),
        blur_reach_px=int(BLUR_REACH * settings.blur_px[1] + 0.5),
    )


def apply(images: Tensor, drawn: Drawn, at: Tensor | None = None) -> Tensor:
    """Return images (n, 1, h, w), uint8 in 0…255 or float in [0, 1], changed as drawn: float32 in [0, 1].

    `at` is `grid(drawn, images)`, where it is known already.
    """
    found = images.to(torch.float32) / 255.0 if images.dtype == torch.uint8 else images.to(torch.float32)
    if drawn.moves:
        at = grid(drawn, found) if at is None else at
        found = F.grid_sample(found, at, mode="bilinear", padding_mode="zeros", align_corners=False)
    found = (found * _each(drawn.contrast, found)).clamp(0.0, 1.0)
    found = (found + _each(drawn.brightness, found)).clamp(0.0, 1.0)
    return _blurred(found, drawn).clamp(0.0, 1.0) if drawn.blur_reach_px else found


def follow(masks: Tensor, drawn: Drawn, at: Tensor | None = None) -> Tensor:
    """Return masks (n, m, h, w) moved as the images are, nearest neighbour, False beyond the edge: bool."""
    found = masks != 0
    if not drawn.moves:
        return found
    at = grid(drawn, found) if at is None else at
    moved = F.grid_sample(found.float(), at, mode="nearest", padding_mode="zeros", align_corners=False)
    return moved > 0.5


def source(drawn: Drawn, height: int, width: int) -> Tensor:
    """Return, per slice, the affine from a place after the changes to its place before them: (n, 2, 3).

    Places are (row, column) in pixels from the slice's centre, of a slice of this size; float64 on the drawn device.
    """
    sides = torch.stack([torch.full_like(drawn.scale, height), torch.full_like(drawn.scale, width)], dim=-1)
    angle = torch.deg2rad(drawn.angle_deg.double())
    turn = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()], dim=-1).reshape(-1, 2, 2)
    mirror = torch.stack([torch.ones_like(drawn.scale), 1.0 - 2.0 * drawn.flip.to(drawn.scale.dtype)], dim=-1)
    before_crop = turn * (mirror / drawn.scale[:, None])[:, None, :]
    corner, kept = drawn.crop[:, :2], drawn.crop[:, 2:]
    middle = (corner + kept / 2.0 - 0.5) * sides
    linear = before_crop * kept[:, None, :]
    offset = (before_crop * middle[:, None, :]).sum(dim=-1) - drawn.shift * sides
    return torch.cat([linear, offset[..., None]], dim=-1)


def grid(drawn: Drawn, like: Tensor) -> Tensor:
    """Return where each pixel is read, (n, h, w, 2) as `grid_sample` takes it, for a batch (n, …, h, w) such as `like`.

    Whole-pixel shifts, flips and quarter turns are exact where the sides are powers of two.
    """
    height, width = like.shape[-2:]
    return sampled_at(source(drawn, height, width).to(like.device, torch.float32), height, width)


def sampled_at(affine: Tensor, height: int, width: int) -> Tensor:
    """Return the same from affines (n, 2, 3) between places (row, column) from the centre, in pixels."""
    row = torch.arange(height, device=affine.device, dtype=affine.dtype)[None, :, None] - (height - 1) / 2
    column = torch.arange(width, device=affine.device, dtype=affine.dtype)[None, None, :] - (width - 1) / 2
    one = affine[:, :, :, None, None]
    # written out: a matrix product may be rounded to ten bits on a GPU
    from_row = one[:, 0, 0] * row + one[:, 0, 1] * column + one[:, 0, 2]
    from_column = one[:, 1, 0] * row + one[:, 1, 1] * column + one[:, 1, 2]
    return torch.stack([from_column * (2.0 / width), from_row * (2.0 / height)], dim=-1)


def _crop(area: Tensor, ratio: Tensor, corner: Tensor) -> Tensor:
    """Return (n, 4) from several tries a slice: the first that fits, else the whole slice."""
    tries = torch.stack([(area / ratio).sqrt(), (area * ratio).sqrt()], dim=-1)
    fits = (tries <= 1.0).all(dim=-1)
    first = fits.int().argmax(dim=1)
    kept = tries[torch.arange(len(tries), device=tries.device), first]
    kept = torch.where(fits.any(dim=1, keepdim=True), kept, 1.0)
    return torch.cat([corner * (1.0 - kept), kept], dim=-1)


def _each(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.device, like.dtype)[:, None, None, None]


def _blurred(images: Tensor, drawn: Drawn) -> Tensor:
    """Return images each under its own Gaussian, rows then columns; 0 leaves one as it is; edges are continued."""
    reach = drawn.blur_reach_px
    taps = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    sigma = drawn.blur_px.to(images.device, images.dtype)[:, None]
    bell = torch.exp(-0.5 * (taps / sigma.clamp(min=1e-3)) ** 2)
    weights = torch.where(taps.abs() <= torch.floor(BLUR_REACH * sigma + 0.5), bell, 0.0)
    weights = weights / weights.sum(dim=1, keepdim=True)
    found = images
    for axis in (-2, -1):
        size = found.shape[axis]
        edges = (0, 0, reach, reach) if axis == -2 else (reach, reach, 0, 0)
        padded = F.pad(found, edges, mode="replicate")
        found = torch.zeros_like(images)
        for tap in range(2 * reach + 1):
            found = found.addcmul(padded.narrow(axis, tap, size), weights[:, tap, None, None, None])
    return found
