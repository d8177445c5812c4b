"""What no tool can beat: a bare process that imports NumPy and inflates all masks in pieces, passing once over each."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

try:
    from zlib_ng import zlib_ng as zlib
except ImportError:
    import zlib

INPUT_PIECE = 4096  # bytes; what one of these inflates to stays in the processor's cache


def passed_over(path: Path) -> int:
    """Return the largest byte of a gzip file's content."""
    stream, largest = zlib.decompressobj(wbits=31), 0
    with path.open("rb") as file:
        while piece := file.read(INPUT_PIECE):
            inflated = stream.decompress(piece)
            if inflated:
                largest = max(largest, int(np.frombuffer(inflated, np.uint8).max()))
    return largest


folder, out = Path(sys.argv[1]), Path(sys.argv[2])
paths = sorted(folder.glob("*/*.nii.gz"))
out.write_text("".join(f"{path.name},{passed_over(path)}\n" for path in paths))
