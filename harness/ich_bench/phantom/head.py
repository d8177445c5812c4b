"""What one drawn head is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ich_bench.cases import SUBTYPES
from ich_bench.geometry import Geometry


@dataclass(frozen=True, kw_only=True)
class Head:
    """A drawn head CT with everything known about it; all arrays are (x, y, z) on `geometry`.

    `hu` is int16. `reference` is the mask that is scored: the union of `subtype_masks`, which hold one boolean array
    for each of SUBTYPES. `cavity` is the space inside the skull; every mask lies within it.
    """

    case_id: str
    patient_id: str
    hu: NDArray[np.int16]
    geometry: Geometry
    reference: NDArray[np.bool_]
    cavity: NDArray[np.bool_]
    subtype_masks: Mapping[str, NDArray[np.bool_]]

    @property
    def has_ich(self) -> bool:
        """Return whether anything bled."""
        return bool(self.reference.any())

    @property
    def subtypes(self) -> dict[str, bool]:
        """Return a flag of the volume for each of SUBTYPES."""
        return {subtype: bool(self.subtype_masks[subtype].any()) for subtype in SUBTYPES}

    @property
    def slice_subtypes(self) -> dict[str, NDArray[np.bool_]]:
        """Return flags of the slices (axis 2) for each of SUBTYPES."""
        return {subtype: np.asarray(self.subtype_masks[subtype].any(axis=(0, 1))) for subtype in SUBTYPES}
