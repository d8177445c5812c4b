"""Are these voxel values a mask, and if not, what are they."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ich_bench.errors import UsageError, VolumeError

_RELATIVE = 1e-6  # docs/protocol.md, What is checked: Voxels
_MOST_COUNTED = 256  # more different values than this are an image, not labels


class MaskValues:
    """What was met so far in a volume that comes block by block.

    Without labels a mask is a subset of {0, 1} or of {0, 255}, within 1e-6 relative, after scaling. With labels, the
    values that are one of them count and every other whole number is background.
    """

    def __init__(self, *, labels: frozenset[float] | None, slope: float, option: str | None = "--labels") -> None:
        """Start with no value met; `option` is what names other values in the words for the user (None: nothing)."""
        if labels is not None and (not labels or not all(np.isfinite(label) and label != 0 for label in labels)):
            raise UsageError("labels are the values that count as hemorrhage: at least one, and never 0.")
        self._labels = labels
        self._slope = slope
        self._option = option
        self._counts: Counter[float] = Counter()  # whole numbers met, 0 left out
        self._alone: Counter[int] = Counter()  # whole numbers that were alone in their block, as stored
        self._uncounted = False
        self._not_numbers = self._fractions = 0
        self._least, self._most = 0.0, 0.0  # of every finite value met

    def inside(self, block: npt.NDArray[Any]) -> npt.NDArray[np.bool_] | None:
        """Return which voxels of a block are in the mask; None where all are 0."""
        if not block.view(np.uint8).max():  # a voxel whose bytes are all 0 is 0 in every type
            return None
        nonzero: npt.NDArray[np.bool_] = block != 0
        if not nonzero.any():
            return None
        if self._labels is None and block.dtype.kind in "ui":
            value = block.max()
            if np.array_equal(block == value, nonzero):  # one value beside 0: looked at once, at the end
                self._alone[int(value)] += int(np.count_nonzero(nonzero))
                return nonzero
        values = block[nonzero].astype(np.float64) * self._slope
        inside = np.zeros(len(block), dtype=np.bool_)
        inside[nonzero] = self._taken(values)
        return inside

    def refuse_unless_mask(self) -> None:
        """Raise VolumeError where the values met make no mask, saying which they are and what to do."""
        for value, times in self._alone.items():
            self._taken(np.array([value], dtype=np.float64) * self._slope, times)
        self._alone.clear()
        if self._not_numbers:
            raise VolumeError(
                f"{_voxels(self._not_numbers, 'is', 'are')} NaN or infinite.", "Save the mask with 0 and 1."
            )
        if self._fractions:
            raise self._soft()
        met = set(self._counts)
        if self._labels is None and (self._uncounted or not (met <= {1.0} or met <= {255.0})):
            raise self._unknown()

    def _taken(self, values: npt.NDArray[np.float64], times: int = 1) -> npt.NDArray[np.bool_]:
        finite = np.isfinite(values)
        if not finite.all():
            self._not_numbers += times * int((~finite).sum())
            values = np.where(finite, values, 0.0)
        self._least, self._most = min(self._least, float(values.min())), max(self._most, float(values.max()))
        whole = np.rint(values)
        near = np.abs(values - whole) <= _RELATIVE * np.abs(whole)
        listed = self._listed(values)
        self._fractions += times * int((~near & ~listed & finite).sum())
        if self._labels is not None:
            return listed
        if not self._uncounted:
            kinds, counts = np.unique(whole[near & finite], return_counts=True)
            self._counts.update(dict(zip(kinds.tolist(), (counts * times).tolist(), strict=True)))
            self._uncounted = len(self._counts) > _MOST_COUNTED
        return np.ones(len(values), dtype=np.bool_)

    def _listed(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        listed = np.zeros(len(values), dtype=np.bool_)
        for label in self._labels or ():
            listed |= np.abs(values - label) <= _RELATIVE * abs(label)
        return listed

    def _soft(self) -> VolumeError:
        if self._least >= 0 and self._most <= 1 + _RELATIVE:
            return VolumeError("holds values between 0 and 1 (a probability map).", "Threshold it first; 0.5 is usual.")
        return VolumeError(
            f"holds fractions, from {self._least:g} to {self._most:g} (logits, or an image).",
            "Save the mask with 0 and 1.",
        )

    def _unknown(self) -> VolumeError:
        if self._uncounted:
            return VolumeError(
                f"holds over {_MOST_COUNTED} different values, from {self._least:g} to {self._most:g} (an image?).",
                "Save the mask with 0 and 1.",
            )
        listed = ", ".join(f"{value:g} ({_voxels(count)})" for value, count in sorted(self._counts.items())[:12])
        more = f" and {len(self._counts) - 12} more" if len(self._counts) > 12 else ""
        if self._least < 0:
            return VolumeError(f"holds negative values: {listed}{more}.", "Save the mask with 0 and 1.")
        return VolumeError(
            f"holds the values {listed}{more} beside 0; 0 and 1, or 0 and 255, were expected.",
            "Save the mask with 0 and 1"
            + (f", or name the values that count as hemorrhage: `{self._option} 1,3`." if self._option else "."),
        )


def _voxels(count: int, one: str = "", several: str = "") -> str:
    return f"{count} voxel{'s' * (count != 1)} {one if count == 1 else several}".rstrip()
