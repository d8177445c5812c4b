"""How is a slice turned so that a radiologist reads it: front of the head up, the patient's right on the left?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ich_bench.geometry import Geometry


@dataclass(frozen=True, kw_only=True)
class View:
    """How the voxel axes are turned: `transposed` where the first runs along the head, then `flips`.

    Where the third axis does not run from foot to head (or back), nothing is turned and `right_on_left` is None.
    """

    transposed: bool
    flips: tuple[bool, bool, bool]  # of the turned axes: across, down, up
    right_on_left: bool | None

    @classmethod
    def of(cls, geometry: Geometry) -> View:
        """Return the view of a grid, tilted heads by their nearest axes."""
        letters = geometry.orientation
        if letters[2] not in "IS":
            return cls(transposed=False, flips=(False, False, False), right_on_left=None)
        transposed = letters[0] in "AP"
        across, down = (letters[1], letters[0]) if transposed else (letters[0], letters[1])
        return cls(transposed=transposed, flips=(across == "R", down == "A", letters[2] == "I"), right_on_left=True)

    def plane(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a slice (first two axes) as rows and columns of a picture."""
        turned = stored if self.transposed else stored.T
        return turned[:: -1 if self.flips[1] else 1, :: -1 if self.flips[0] else 1]

    def turned(self, volume: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Return a volume whose axes grow to the left, to the back and upwards."""
        turned = volume.swapaxes(0, 1) if self.transposed else volume
        return turned[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]

    def turned_spacing_mm(self, spacing_mm: Sequence[float]) -> tuple[float, float, float]:
        """Return the spacing of the turned axes."""
        x, y, z = spacing_mm
        return (y, x, z) if self.transposed else (x, y, z)
