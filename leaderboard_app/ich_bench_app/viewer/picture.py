"""How does one slice look: the CT in a window, what was hit, missed and added on it, as a PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ich_bench_app import look
from ich_bench_app.viewer.contour import Loop, dashes, loops

Grey = NDArray[np.uint8]
Voxels = NDArray[np.bool_]
OVERLAYS = ("fill", "outline", "off")
CLASSES = ("hit", "missed", "added")
WORDS = {"hit": "hit (TP)", "missed": "missed (FN)", "added": "added (FP)"}
REFERENCE, PREDICTION = look.YELLOW, "#FFFFFF"
DASH = (7.0, 5.0)  # pixels on, off
_GREYS, _TINTS = 144, 32  # of 256 colours: greys of the CT, then tints of each class, then the lines
_OPACITY = 0.5
_SCALE_MM = (100, 50, 20, 10, 5, 2, 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice:
    """One slice as rows and columns of a picture: HU, reference, prediction (None: none is shown).

    `pixel_mm` is the height and the width of a pixel. `sides` are the letters at the left, right, upper and lower
    border ("" where the orientation is not known).
    """

    hu: NDArray[Any]
    reference: Voxels
    prediction: Voxels | None
    pixel_mm: tuple[float, float]
    sides: tuple[str, str, str, str] = ("", "", "", "")


def windowed(hu: NDArray[Any], level: float, width: float) -> Grey:
    """Return HU as grey 0 to 255: black at level - width/2 and below, white at level + width/2 and above."""
    shown = (hu.astype(np.float32) - (level - width / 2)) * (255.0 / width)
    return np.asarray(np.rint(np.clip(shown, 0.0, 255.0)), dtype=np.uint8)


def classes(reference: Voxels, prediction: Voxels | None) -> dict[str, Voxels]:
    """Return which voxels were hit (TP), missed (FN) and added (FP); nothing was where no prediction is shown."""
    if prediction is None:
        return {name: np.zeros_like(reference) for name in CLASSES}
    return {"hit": reference & prediction, "missed": reference & ~prediction, "added": prediction & ~reference}


def png(one: Slice, *, level: float, width: float, overlay: str, longest: int) -> bytes:
    """Return a slice as PNG, its longer side so many pixels long; a millimetre is as long across as it is down.

    With "fill" the classes are tinted: hit evenly, missed in stripes, added in dots. With "fill" and "outline" the
    reference's edge is a solid line, the prediction's a dashed one.
    """
    rows, columns = one.hu.shape
    down_mm, across_mm = rows * one.pixel_mm[0], columns * one.pixel_mm[1]
    per_mm = longest / max(down_mm, across_mm)
    size = max(1, round(across_mm * per_mm)), max(1, round(down_mm * per_mm))
    grey = Image.fromarray(windowed(one.hu, level, width)).resize(size, Image.Resampling.BICUBIC)
    written = _annotated(grey, one, per_mm)
    index = (np.asarray(grey, dtype=np.uint16) * (_GREYS - 1) // 255).astype(np.uint8)
    if overlay == "fill":
        _tint(index, classes(one.reference, one.prediction))
    ink = np.asarray(written)
    index[ink > 0] = np.maximum(index, ink * np.uint16(_GREYS - 1) // 255)[ink > 0].astype(np.uint8)
    drawn = Image.fromarray(index)
    drawn.putpalette(_palette())
    if overlay != "off":
        scale = size[0] / columns, size[1] / rows
        _outline(drawn, one.reference, scale, _GREYS + 3 * _TINTS, dashed=False)
        if one.prediction is not None:
            _outline(drawn, one.prediction, scale, _GREYS + 3 * _TINTS + 1, dashed=True)
    return encoded(drawn)


def encoded(image: Image.Image) -> bytes:
    """Return an image as the bytes of a PNG."""
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=4)
    return out.getvalue()


def swatch(name: str, words: str) -> bytes:
    """Return a line of the legend as PNG: a class ("hit", "missed", "added"), "reference" or "prediction", in words."""
    face = font(26)
    wide = 74 + int(face.getlength(words)) + 14
    index = np.full((44, wide), _GREYS // 3, dtype=np.uint8)
    box = np.zeros(index.shape, dtype=np.bool_)
    box[8:36, 10:60] = True
    if name in CLASSES:
        _tint(index, {one: box if one == name else np.zeros_like(box) for one in CLASSES})
    drawn = Image.fromarray(index)
    drawn.putpalette(_palette())
    if name == "reference":
        _outline(drawn, box, (1.0, 1.0), _GREYS + 3 * _TINTS, dashed=False)
    if name == "prediction":
        _outline(drawn, box, (1.0, 1.0), _GREYS + 3 * _TINTS + 1, dashed=True)
    whole = drawn.convert("RGB")
    ImageDraw.Draw(whole).text((74, 22), words, fill="#ffffff", font=face, anchor="lm")
    return encoded(whole)


def font(size: float) -> Any:
    """Return the letters that come with Pillow."""
    return ImageFont.load_default(size)


def scale_mm(shown_mm: float) -> int:
    """Return the length of the scale bar: the longest round one within a third of the picture."""
    return next((mm for mm in _SCALE_MM if mm <= shown_mm / 3), _SCALE_MM[-1])


def _tint(index: Grey, masks: dict[str, Voxels]) -> None:
    """Replace the grey of the classes by their tints; patterns tell them apart where colours do not."""
    down, across = index.shape
    y, x = np.ogrid[:down, :across]
    pattern = {
        "hit": np.True_,
        "missed": (x + y) % 9 < 5,
        "added": ((x % 8 - 4) ** 2 + (y % 8 - 4) ** 2 < 9),
    }
    for place, name in enumerate(CLASSES):
        mask = masks[name]
        if mask.any():
            rows, columns = (np.arange(n) * m // n for n, m in zip(index.shape, mask.shape, strict=True))
            inside = mask[np.ix_(rows, columns)] & pattern[name]
            tint = _GREYS + place * _TINTS + index.astype(np.uint16) * _TINTS // _GREYS
            index[inside] = tint[inside].astype(np.uint8)


def _outline(drawn: Image.Image, mask: Voxels, scale: tuple[float, float], index: int, *, dashed: bool) -> None:
    pen = ImageDraw.Draw(drawn)
    lines: list[Loop] = [[(x * scale[0], y * scale[1]) for x, y in loop] for loop in loops(mask)]
    for line in lines:
        pen.line(line, fill=0, width=4 if not dashed else 3)
    for line in lines:
        for piece in dashes(line, *DASH) if dashed else [line]:
            pen.line(piece, fill=index, width=2)


def _annotated(grey: Image.Image, one: Slice, per_mm: float) -> Image.Image:
    """Return letters and scale bar as a layer; the CT is made dark around them, so that they are read on bone."""
    wide, high = grey.size
    layer = Image.new("L", grey.size, 0)
    pen = ImageDraw.Draw(layer)
    size = max(11.0, min(22.0, max(wide, high) / 32))
    face = font(size)
    edge = size * 0.4
    places = (
        (edge, high / 2, "lm"),
        (wide - edge, high / 2, "rm"),
        (wide / 2, edge, "ma"),
        (wide / 2, high - edge, "md"),
    )
    for letter, (x, y, anchor) in zip(one.sides, places, strict=True):
        if letter:
            pen.text((x, y), letter, fill=255, font=face, anchor=anchor)
    bar_mm = scale_mm(wide / per_mm)
    right, bottom = wide - 1.2 * size, high - 0.9 * size
    left = right - bar_mm * per_mm
    pen.line([(left, bottom), (right, bottom)], fill=255, width=3)
    for x in (left, right):
        pen.line([(x, bottom - 0.3 * size), (x, bottom + 0.3 * size)], fill=255, width=2)
    pen.text(((left + right) / 2, bottom - 0.35 * size), f"{bar_mm} mm", fill=255, font=face, anchor="md")
    grey.paste(0, (0, 0), layer.filter(ImageFilter.MaxFilter(5)))
    return layer


def _palette() -> list[int]:
    greys = np.linspace(0, 255, _GREYS)
    colours: list[Sequence[float]] = [(g, g, g) for g in greys]
    for name in CLASSES:
        tone = _rgb(look.OVERLAY[name])
        for under in np.linspace(0, 255, _TINTS):
            colours.append([under * (1 - _OPACITY) + part * _OPACITY for part in tone])
    colours += [_rgb(REFERENCE), _rgb(PREDICTION)]
    return [round(part) for colour in colours for part in colour]


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
