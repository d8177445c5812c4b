"""Where in the head is the slice: the head from the side and from the front, with the reference and a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ich_bench.report.view import View
from ich_bench_app import look
from ich_bench_app.viewer.picture import encoded, font

_LOW_HU, _HIGH_HU = -600.0, 1400.0
_HEIGHT = 240  # pixels
_GAP = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Scout:
    """A head seen from the side (front to the left) and from the front (its right on the left), top up.

    `side` and `front` are grey, (slices, pixels), the uppermost slice first; `side_reference`, `front_reference` say
    where reference lies behind a pixel. `pixel_mm` are the sizes down, along the side view, along the front view.
    """

    side: NDArray[np.uint8]
    front: NDArray[np.uint8]
    side_reference: NDArray[np.bool_]
    front_reference: NDArray[np.bool_]
    pixel_mm: tuple[float, float, float]
    upside_down: bool

    def line_of(self, k: int) -> int:
        """Return the row of slice `k` of the file (axis 2, from 0)."""
        return k if self.upside_down else len(self.side) - 1 - k


def scout_of(
    hu: NDArray[Any], reference: NDArray[np.bool_], view: View, spacing_mm: tuple[float, float, float]
) -> Scout:
    """Return the two views of a head, as an X-ray would show it."""
    across_mm, along_mm, down_mm = view.turned_spacing_mm(spacing_mm)
    count = hu.shape[2]
    views: tuple[list[Any], list[Any], list[Any], list[Any]] = ([], [], [], [])
    for k in range(count):
        plane = np.clip(view.plane(hu[:, :, k]).astype(np.float32), _LOW_HU, _HIGH_HU) - _LOW_HU
        mask = view.plane(reference[:, :, k])
        for held, line in zip(views, (plane.mean(1), plane.mean(0), mask.any(1), mask.any(0)), strict=True):
            held.append(line)
    upside_down = view.flips[2]  # the first slice is then the uppermost
    stacks = [np.array(held)[:: 1 if upside_down else -1] for held in views]
    return Scout(
        side=_as_grey(stacks[0]),
        front=_as_grey(stacks[1]),
        side_reference=stacks[2].astype(np.bool_),
        front_reference=stacks[3].astype(np.bool_),
        pixel_mm=(down_mm, along_mm, across_mm),
        upside_down=upside_down,
    )


def hint(scout: Scout, k: int, *, sides: bool) -> bytes:
    """Return both views side by side as PNG, slice `k` as a line; with letters where the orientation is known."""
    down_mm, along_mm, across_mm = scout.pixel_mm
    tall_mm = len(scout.side) * down_mm
    widest_mm = max(scout.side.shape[1] * along_mm, scout.front.shape[1] * across_mm)
    per_mm = _HEIGHT / max(tall_mm, widest_mm)
    high = max(8, round(tall_mm * per_mm))
    pictures = [
        _view(grey, mask, (max(8, round(grey.shape[1] * mm * per_mm)), high))
        for grey, mask, mm in (
            (scout.side, scout.side_reference, along_mm),
            (scout.front, scout.front_reference, across_mm),
        )
    ]
    y = (scout.line_of(k) + 0.5) / len(scout.side) * high
    whole = Image.new("RGB", (sum(one.width for one in pictures) + _GAP, high), "#000000")
    pen = ImageDraw.Draw(whole)
    face = font(20)
    x = 0
    for one, letters in zip(pictures, (("A", "P"), ("R", "L")), strict=True):
        whole.paste(one, (x, 0))
        pen.line([(x, y), (x + one.width - 1, y)], fill="#000000", width=5)
        pen.line([(x, y), (x + one.width - 1, y)], fill=look.SKY, width=2)
        if sides:
            pen.text((x + 4, high - 4), letters[0], fill="#ffffff", font=face, anchor="ld")
            pen.text((x + one.width - 5, high - 4), letters[1], fill="#ffffff", font=face, anchor="rd")
        x += one.width + _GAP
    return encoded(whole)


def _view(grey: NDArray[np.uint8], mask: NDArray[np.bool_], size: tuple[int, int]) -> Image.Image:
    under = Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR).convert("RGB")
    if not mask.any():
        return under
    inside = Image.fromarray(mask.astype(np.uint8) * 190).resize(size, Image.Resampling.BILINEAR)
    under.paste(Image.new("RGB", size, look.YELLOW), (0, 0), inside)
    return under


def _as_grey(view: NDArray[Any]) -> NDArray[np.uint8]:
    high = float(np.quantile(view, 0.995)) or 1.0
    return np.asarray(np.rint(np.clip(view / high, 0, 1) ** 0.8 * 235), dtype=np.uint8)
