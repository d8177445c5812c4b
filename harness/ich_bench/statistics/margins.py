"""Which difference of mean Dice counts as none: declared once, before any result."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DEFAULT_MARGIN = 0.05
# About the smallest margin that can be shown at 80 % power with a paired SD of 0.10 (0.15 on phantom-test).
EQUIVALENCE_MARGINS: Mapping[str, float] = MappingProxyType({"instance2022": 0.03, "phantom-test": 0.03})


def equivalence_margin(dataset: str) -> float:
    """Return the margin of `tost` on this dataset, in Dice: 0.05, and 0.03 where the volumes suffice for it."""
    return EQUIVALENCE_MARGINS.get(dataset, DEFAULT_MARGIN)
