"""What the layout writers share: heads drawn for case ids, arrays turned, NIfTI as other software writes it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from ich_bench.cases import SUBTYPES
from ich_bench.errors import UsageError
from ich_bench.geometry import Geometry
from ich_bench.phantom.draw import draw
from ich_bench.phantom.head import Head
from ich_bench.phantom.scanner import Scan, draw_scan

SMALL = (128, 128, 12)  # quick to draw; the real scans have 512 × 512 voxels a slice
_OUTSIDE_HU = -1024  # no tissue is darker: padding of whatever value
Array = NDArray[Any]
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "  # what macOS writes as `._name`


def generator(seed: int, case_id: str) -> np.random.Generator:
    """Return the case's own generator: a case's head does not depend on which others are drawn."""
    return np.random.Generator(np.random.PCG64([seed, zlib.crc32(case_id.encode())]))


def drawn(
    case_id: str,
    bleeds: Sequence[str],
    *,
    seed: int,
    shape: tuple[int, int, int],
    thickness_mm: float,
    site: str = "b",
    tilt_deg: float = 0.0,
    blood_hu: float | None = None,
) -> Head:
    """Return a head for this case, on a grid of this shape."""
    rng = generator(seed, case_id)
    scan: Scan = draw_scan(rng, site=site, shape=shape, thickness_mm=thickness_mm, tilt_deg=tilt_deg)
    return draw(case_id, rng, site=site, bleeds=bleeds, scan=scan, blood_hu=blood_hu)


def assigned(
    heads: Iterable[Head] | None,
    cases: Sequence[str],
    with_ich: Callable[[str], bool] | None,
    make: Callable[[str], Head],
) -> Iterator[tuple[str, Head]]:
    """Yield each case with its head: drawn, or the next of those given that bleeds, or not, as the case does.

    Heads that are given in the cases' order are taken one at a time, so that memory holds one. `with_ich` None takes
    any head.
    """
    if heads is None:
        yield from ((case_id, make(case_id)) for case_id in cases)
        return
    coming = iter(heads)
    waiting: list[Head] = []
    for case_id in cases:
        wanted = None if with_ich is None else with_ich(case_id)
        head = next((one for one in chain(waiting, _kept(coming, waiting)) if wanted in (None, one.has_ich)), None)
        if head is None:
            kind = {True: "with a bleed", False: "without a bleed", None: "of any kind"}[wanted]
            raise UsageError(
                f"case {case_id} needs a head {kind}, and there is none left: give more heads, fewer cases."
            )
        waiting = [one for one in waiting if one is not head]
        yield case_id, head


def _kept(coming: Iterator[Head], waiting: list[Head]) -> Iterator[Head]:
    """Yield heads as they come, keeping those that are passed over."""
    for head in coming:
        waiting.append(head)
        yield head


def bleeds_in_turn(index: int) -> tuple[str, ...]:
    """Return what bled in the n-th head of a layout: each subtype in turn, then two at once."""
    return (SUBTYPES[index % 6],) if index % 6 < 5 else ("iph", "ivh")


def turned(array: Array, geometry: Geometry, signs: tuple[int, int, int]) -> tuple[Array, Geometry]:
    """Return the same voxels in the same world, the index axes running along these signs of x, y and z."""
    affine = geometry.matrix
    for axis, sign in enumerate(signs):
        if np.sign(affine[axis, axis]) != sign:
            affine[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
            affine[:3, axis] *= -1
            array = np.flip(array, axis)
    return array, Geometry.of(geometry.shape, affine)


def padded(hu: Array, padding_hu: int) -> Array:
    """Return the HU with another value outside the scanner's field of view."""
    return np.where(hu <= _OUTSIDE_HU, np.int16(padding_hu), hu)


def write_nifti(path: Path, array: Array, geometry: Geometry) -> None:
    """Write a NIfTI as other software does: this dtype, these values, sform only; nothing is tidied."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image: Any = nib.Nifti1Image(array, geometry.matrix)  # type: ignore[no-untyped-call]  # nibabel's
    image.to_filename(path)


def write_lines(path: Path, rows: Sequence[Sequence[object]]) -> None:
    """Write a CSV file."""
    import csv

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def marks(flags: Mapping[str, bool], names: Sequence[str]) -> list[int]:
    """Return the flags as 0 and 1 in this order of subtypes."""
    return [int(flags[name]) for name in names]
