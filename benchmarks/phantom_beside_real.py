"""Do drawn heads pass for CT at a glance? Writes pictures of a real head beside drawn ones, slice by slice.

Run it with `python benchmarks/phantom_beside_real.py --real PATH [--out FOLDER] [--seed N]`, where PATH is a head CT as
NIfTI or a folder of DICOM slices. Each PNG shows one height in three windows (blood W80 L40, stroke W40 L35, bone W2000
L500) as rows; columns are the real head and one drawn head of each site. It needs no more than the harness itself. The
pictures hold a real patient's slices: they are for looking, not for the repository.
"""

from __future__ import annotations

import argparse
import struct
import zlib
from pathlib import Path

import numpy as np
import pydicom

from ich_bench.phantom.draw import draw
from ich_bench.phantom.scanner import Scan, draw_scan
from ich_bench.volume import read_ct

WINDOWS = {"blood": (80, 40), "stroke": (40, 35), "bone": (2000, 500)}
SITES = "abc"
_SIZE = 400  # pixels of one picture


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--real", type=Path, help="a head CT: NIfTI, or a folder of DICOM slices")
    asked.add_argument("--out", type=Path, default=Path("beside-real"))
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--sites", default=SITES)
    asked.add_argument("--bleeds", default="", help="subtypes that bled in the drawn heads, comma-separated")
    options = asked.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    columns = [real(options.real)] if options.real else []
    bleeds = tuple(filter(None, options.bleeds.split(",")))
    columns += [drawn(site, options.seed + number, bleeds) for number, site in enumerate(options.sites)]
    for step in range(12):
        rows = [
            np.hstack([windowed(head[:, :, round(step / 11 * (head.shape[2] - 1))], *window) for head in columns])
            for window in WINDOWS.values()
        ]
        path = options.out / f"height-{step:02}.png"
        write_png(path, np.vstack(rows))
        print(path)


def drawn(site: str, seed: int, bleeds: tuple[str, ...]) -> np.ndarray:
    """Return the HU of a drawn head, (x, y, z), running rightwards and forwards on the screen as radiologists look."""
    rng = np.random.Generator(np.random.PCG64(seed))
    scan: Scan = draw_scan(rng, site=site, shape=(512, 512, 27), thickness_mm=5.0)
    return draw("drawn", rng, site=site, bleeds=bleeds, scan=scan).hu


def real(path: Path) -> np.ndarray:
    """Return the HU of a real head in the same orientation."""
    if path.is_dir():
        slices = [pydicom.dcmread(file) for file in sorted(path.glob("*.dcm"))]
        slices.sort(key=lambda each: float(each.ImagePositionPatient[2]))
        planes = [each.pixel_array.T * float(each.RescaleSlope) + float(each.RescaleIntercept) for each in slices]
        return np.stack(planes, axis=-1)[:, ::-1]
    found = read_ct(path)
    hu, affine = np.asarray(found.hu), found.geometry.matrix
    for axis, sign in enumerate((-1, 1, 1)):
        if np.sign(affine[axis, axis]) != sign:
            hu = np.flip(hu, axis)
    return hu


def windowed(plane: np.ndarray, width: float, level: float) -> np.ndarray:
    """Return a slice as 8-bit grey, front upwards, resized to one size by nearest neighbour."""
    grey = np.clip((plane.astype(np.float64) - (level - width / 2)) * (255 / width), 0, 255).astype(np.uint8).T[::-1]
    side = max(grey.shape)
    index = (np.arange(_SIZE) * side / _SIZE).astype(int)
    square = np.zeros((side, side), np.uint8)
    square[: grey.shape[0], : grey.shape[1]] = grey
    return square[np.ix_(index, index)]


def write_png(path: Path, grey: np.ndarray) -> None:
    """Write an 8-bit grey picture, (rows, columns)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.tobytes() for row in grey)
    head = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], 8, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows, 6)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


if __name__ == "__main__":
    main()
