"""How does a drawn head look? Slices in blood, brain and bone windows, the mask outlined, as a PNG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, zoom

from ich_bench.errors import IchBenchError, UsageError, did_you_mean
from ich_bench.phantom import library
from ich_bench.phantom.letters import write_on
from ich_bench.phantom.plan import RECIPES, PlannedHead, planned
from ich_bench.volume import open_mask, read_ct

Pixels = NDArray[np.uint8]  # (rows, columns, red-green-blue)
WINDOWS = {"blood": (80.0, 200.0), "brain": (40.0, 80.0), "bone": (600.0, 2800.0)}  # level, width in HU
OUTLINE = (255, 60, 60)
SLICES = 6  # a head's montage has so many columns
TILE = 200  # pixels, of the longer side of a slice
_GAP = 4


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """What a montage needs of one head: HU and mask, (x, y, z), and its spacing."""

    case_id: str
    hu: NDArray[np.int16] | NDArray[np.float32]
    mask: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]
    signs: tuple[int, int, int]  # which way the axes run in the world


@dataclass(frozen=True, kw_only=True)
class Made:
    """A picture that was written, and what is where in it."""

    path: Path
    legend: str


def picture_of(
    what: str,
    out: Path | None = None,
    *,
    heads: int = 6,
    progress: Callable[[int, int], None] | None = None,
) -> Made:
    """Write a PNG of one case (windows down, slices across) or of a dataset's first heads (heads down, windows across).

    What lies in the cache is taken from there; else the head is drawn now, and not kept. UsageError for what is
    neither a case nor a drawn dataset.
    """
    path = out or Path(f"{what}.png")
    if what in RECIPES:
        scans = []
        chosen = planned(what)[:heads]
        for head in chosen:
            scans.append((head, scanned(head)))
            if progress is not None:
                progress(len(scans), len(chosen))
        rows = [_head_row(head, scan) for head, scan in scans]
        legend = f"{what}: one head a row, the slice with most blood; {_windows()}; red: the reference."
    else:
        head = _case(what)
        rows = window_rows(scanned(head))
        legend = f"{what} (site {head.site}): slices counted from 0 at the low end; {_windows()}; red: the reference."
    write_png(path, joined(rows))
    return Made(path=path, legend=legend + " Drawn, no patient.")


def window_rows(scan: Scanned, slices: Sequence[int] | None = None) -> list[list[Pixels]]:
    """Return tiles of one head: a window a row, a slice a column, lettered."""
    slices = slices_shown(scan) if slices is None else slices
    rows = [[tile(scan, k, window) for k in slices] for window in WINDOWS]
    for window, row in zip(WINDOWS, rows, strict=True):
        for k, one in zip(slices, row, strict=True):
            write_on(one, f"{window} {k}")
    return rows


def _head_row(head: PlannedHead, scan: Scanned) -> list[Pixels]:
    k = fullest(scan)
    row = [tile(scan, k, window) for window in WINDOWS]
    for words, one in zip((head.case_id, f"site {head.site}", f"slice {k}"), row, strict=True):
        write_on(one, words)
    return row


def scanned(head: PlannedHead) -> Scanned:
    """Return CT and reference of a planned head: from the cache where it lies there, else drawn."""
    dataset = head.case_id.rsplit("-", 1)[0]
    folder = library.default_folder(dataset) if dataset in RECIPES else Path()
    if dataset in RECIPES and not library.missing([head], folder):
        ct = read_ct(folder / "ct" / f"{head.case_id}.nii.gz")
        mask = open_mask(folder / "masks" / f"{head.case_id}.nii.gz").voxels()
        return _scanned(head.case_id, ct.hu, mask, ct.geometry.spacing_mm, ct.geometry.matrix)
    one = head.drawn()
    return _scanned(head.case_id, one.hu, one.reference, one.geometry.spacing_mm, one.geometry.matrix)


def slices_shown(scan: Scanned, count: int = SLICES) -> list[int]:
    """Return slices that show the head and its bleed: spread over the bleed, or over the head's middle."""
    ill = np.flatnonzero(scan.mask.any(axis=(0, 1)))
    depth = scan.hu.shape[2]
    low, high = (ill[0], ill[-1]) if ill.size else (depth // 4, depth * 3 // 4)
    short = count - (high - low + 1)
    if short > 0:
        low, high = max(0, low - short // 2), min(depth - 1, high + (short + 1) // 2)
    return sorted({int(k) for k in np.rint(np.linspace(low, high, min(count, depth)))})


def tile(scan: Scanned, k: int, window: str, size: int = TILE, *, outlined: bool = True) -> Pixels:
    """Return one slice as a radiologist sees it (front up, the patient's right on the left), the mask outlined."""
    level, width = WINDOWS[window]
    grey = np.clip((scan.hu[:, :, k].astype(np.float64) - (level - width / 2)) / width * 255.0, 0, 255)
    mask = scan.mask[:, :, k]
    if scan.signs[0] > 0:
        grey, mask = grey[::-1], mask[::-1]
    if scan.signs[1] > 0:
        grey, mask = grey[:, ::-1], mask[:, ::-1]
    sx, sy, _ = scan.spacing_mm
    longest = max(grey.shape[0] * sx, grey.shape[1] * sy)
    scale = (size * sx / longest, size * sy / longest)
    shown = np.rint(zoom(grey.T, scale[::-1], order=1)).clip(0, 255).astype(np.uint8)
    inside = zoom(mask.T.astype(np.float64), scale[::-1], order=1) >= 0.5
    pixels = np.repeat(shown[:, :, None], 3, axis=2)
    if outlined:
        pixels[inside & ~binary_erosion(inside)] = OUTLINE
    return pixels


def joined(rows: Sequence[Sequence[Pixels]]) -> Pixels:
    """Return tiles as one picture, rows from the top, on black."""
    height = max(one.shape[0] for row in rows for one in row)
    width = max(one.shape[1] for row in rows for one in row)
    across = max(len(row) for row in rows)
    whole = np.zeros((len(rows) * (height + _GAP) - _GAP, across * (width + _GAP) - _GAP, 3), np.uint8)
    for r, row in enumerate(rows):
        for c, one in enumerate(row):
            y, x = r * (height + _GAP), c * (width + _GAP)
            whole[y : y + one.shape[0], x : x + one.shape[1]] = one
    return whole


def write_png(path: Path, pixels: Pixels) -> None:
    """Write a PNG; IchBenchError where its name has another ending or the disk refuses."""
    import SimpleITK

    if path.suffix.lower() != ".png":
        raise UsageError(f"{path.name} is no PNG: the picture's name should end in .png.")
    part = path.with_name(f".{path.stem}.part.png")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image = SimpleITK.GetImageFromArray(pixels, isVector=True)
        SimpleITK.WriteImage(image, str(part), useCompression=True, compressionLevel=9)
        part.replace(path)
    except (OSError, RuntimeError) as fault:
        part.unlink(missing_ok=True)
        told = fault.strerror if isinstance(fault, OSError) else "the disk refuses"
        raise IchBenchError(f"cannot write {path}: {told}. Free space, or name another place with -o.") from fault


def _scanned(
    case_id: str,
    hu: NDArray[np.int16] | NDArray[np.float32],
    mask: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    affine: NDArray[np.float64],
) -> Scanned:
    x, y, z = (1 if affine[axis, axis] > 0 else -1 for axis in range(3))
    return Scanned(case_id=case_id, hu=hu, mask=mask, spacing_mm=spacing_mm, signs=(x, y, z))


def fullest(scan: Scanned) -> int:
    """Return the slice with the most blood, or one a little above the middle of a healthy head."""
    area = scan.mask.sum(axis=(0, 1))
    return int(area.argmax()) if area.any() else int(scan.hu.shape[2] * 0.55)


def _case(case_id: str) -> PlannedHead:
    known = {head.case_id: head for dataset in RECIPES for head in planned(dataset)}
    if case_id not in known:
        hint = did_you_mean(case_id, [*RECIPES, *known], count=1)
        raise UsageError(f"{case_id!r} is neither a drawn head, such as phantom-007, nor a drawn dataset. {hint}")
    return known[case_id]


def _windows() -> str:
    return ", ".join(f"{name} ({level:g}/{width:g} HU)" for name, (level, width) in WINDOWS.items())
