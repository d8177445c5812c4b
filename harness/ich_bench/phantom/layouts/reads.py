"""CQ500's `reads.csv`: what three readers marked in each scan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ich_bench.phantom.layouts.common import write_lines

_FINDINGS = (
    "ICH", "IPH", "IVH", "SDH", "EDH", "SAH", "BleedLocation-Left", "BleedLocation-Right", "ChronicBleed", "Fracture",
    "CalvarialFracture", "OtherFracture", "MassEffect", "MidlineShift",
)  # fmt: skip


def write_reads(
    path: Path, scans: Mapping[str, Mapping[str, bool]], rng: np.random.Generator, *, split: tuple[str, ...] = ()
) -> Path:
    """Write the table and return its path.

    Args:
        path: the file.
        scans: case id such as CQ500-CT-4 → its subtypes. All readers see every bleed there is.
        rng: in half of the scans with a bleed one reader marks one subtype too many.
        split: scans where one reader marks a hemorrhage that the other two do not see.
    """
    rows: list[list[object]] = [["name", "Category", *(f"R{n}:{finding}" for n in (1, 2, 3) for finding in _FINDINGS)]]
    for number, (name, flags) in enumerate(scans.items()):
        odd_reader, extra = int(rng.random() * 3), ("IPH", "IVH", "SDH", "EDH", "SAH")[int(rng.random() * 5)]
        disagrees = name in split or (any(flags.values()) and rng.random() < 0.5)
        row: list[object] = [name, ("B1", "B2")[number % 2]]
        for reader in range(3):
            seen = {subtype.upper() for subtype, flag in flags.items() if flag}
            if disagrees and reader == odd_reader:
                seen.add(extra)
            seen |= {"ICH", "BleedLocation-Left"} if seen else set()
            row += [int(finding in seen) for finding in _FINDINGS]
        rows.append(row)
    write_lines(path, rows)
    return path
