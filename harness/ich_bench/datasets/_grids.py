"""How does a reference lie against its own CT, and is that a kind of mismatch that the dataset's card knows?"""

from __future__ import annotations

from dataclasses import dataclass

from ich_bench.geometry import Geometry, differences


@dataclass(frozen=True, kw_only=True)
class OffGrid:
    """What keeps a reference off its CT's grid, in words that follow "reference of 006"; empty where nothing does.

    `turned` says whether the voxel axes run in other directions (other orientation letters): taken by index, such a
    reference marks other tissue than it was drawn on, if its header is right.
    """

    words: tuple[str, ...]
    turned: bool


def off_grid(reference: Geometry, ct: Geometry) -> OffGrid:
    """Return how a reference of the CT's shape lies against it in the world."""
    told = differences(reference, ct, names=("CT",))
    words = tuple(sentences.split(". ")[0].rstrip(".") for sentences in told)  # what to do about it differs here
    return OffGrid(words=words, turned=bool(words) and reference.orientation != ct.orientation)
