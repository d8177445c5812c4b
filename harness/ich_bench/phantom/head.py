"""What one drawn head is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ich_bench.cases import SUBTYPES
from ich_bench.geometry import Geometry

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """How a head was drawn and scanned; nothing of it is needed to score."""

    version: int
    site: str
    age_years: float
    female: bool
    spacing_mm: tuple[float, float, float]
    tilt_deg: float
    kernel: str
    noise_hu: float  # aimed at, in brain
    offset_hu: float
    padding_hu: int
    bleeds: tuple[str, ...]
    mimics: tuple[str, ...]  # what was drawn that is in no mask


@dataclass(frozen=True, kw_only=True)
class Head:
    """A drawn head CT with everything known about it; all arrays are (x, y, z) on `geometry`.

    `hu` is int16. `reference` is the mask that is scored, as a reader draws it: the union of `subtype_masks`, which
    hold one boolean array for each of SUBTYPES. `truth` is what truly bled, voxels at least half blood: the union of
    `truth_masks`. `cavity` is the space inside the skull.
    """

    case_id: str
    patient_id: str
    hu: NDArray[np.int16]
    geometry: Geometry
    reference: Mask
    cavity: Mask
    subtype_masks: Mapping[str, Mask]
    truth: Mask
    truth_masks: Mapping[str, Mask]
    facts: Facts

    @property
    def has_ich(self) -> bool:
        """Return whether anything bled."""
        return bool(self.reference.any())

    @property
    def subtypes(self) -> dict[str, bool]:
        """Return a flag of the volume for each of SUBTYPES."""
        return {subtype: bool(self.subtype_masks[subtype].any()) for subtype in SUBTYPES}

    @property
    def slice_subtypes(self) -> dict[str, Mask]:
        """Return flags of the slices (axis 2) for each of SUBTYPES."""
        return {subtype: np.asarray(self.subtype_masks[subtype].any(axis=(0, 1))) for subtype in SUBTYPES}
