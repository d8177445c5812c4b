"""Which lesions were found, and which were made up.

A lesion is a 26-connected component of at least 0.01 mL; smaller specks are ignored in both masks. Where no component
of a reference with hemorrhage is that large, its largest one sets the size that counts in this volume, so that lesion
recall and precision are defined on every volume with hemorrhage, whatever is predicted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ich_bench.metrics.masks import Mask, dilated

SMALLEST_ML = 0.01
_SLACK_ML = 1e-9

Sizes = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class LesionScores:
    """Lesion recall and precision in [0, 1] (NaN on a healthy volume), and the number of made-up lesions."""

    lesion_recall: float
    lesion_precision: float
    false_lesions: int


def lesion_scores(reference: Mask, prediction: Mask, voxel_volume_mm3: float) -> LesionScores:
    """Return what was found and what was made up, lesion by lesion.

    A reference lesion is found when at least 10 % of its voxels are covered by the prediction (the whole mask, specks
    included). A predicted lesion is true when at least 10 % of its voxels lie in the reference (the whole mask) dilated
    by one voxel in its 26-neighbourhood. Where nothing of that size is predicted in a volume with hemorrhage,
    precision is 0.
    """
    return judged(*_components(reference, prediction), *_components(prediction, dilated(reference)), voxel_volume_mm3)


def judged(
    reference_sizes: Sizes, covered: Sizes, predicted_sizes: Sizes, supported: Sizes, voxel_volume_mm3: float
) -> LesionScores:
    """Return the scores from each lesion's voxels, and how many of them lie in the other (dilated) mask."""
    smallest = max(1, math.ceil((SMALLEST_ML - _SLACK_ML) * 1000 / voxel_volume_mm3))
    if reference_sizes.size:
        smallest = min(smallest, int(reference_sizes.max()))
    real = reference_sizes >= smallest
    claimed = predicted_sizes >= smallest
    found = int(np.count_nonzero(real & (10 * covered >= reference_sizes)))
    true = int(np.count_nonzero(claimed & (10 * supported >= predicted_sizes)))
    lesions, claims = int(np.count_nonzero(real)), int(np.count_nonzero(claimed))
    return LesionScores(
        lesion_recall=found / lesions if lesions else math.nan,
        lesion_precision=math.nan if not lesions else true / claims if claims else 0.0,
        false_lesions=claims - true,
    )


def detected(tp: int, reference_voxels: int) -> float:
    """Return 1 where at least 10 % of the reference is covered, else 0; NaN on a healthy volume."""
    return float(10 * tp >= reference_voxels) if reference_voxels else math.nan


def _components(mask: Mask, other: Mask) -> tuple[Sizes, Sizes]:
    """Return each component's voxels, and how many of them lie in the other mask."""
    from scipy import ndimage

    labels, number = ndimage.label(mask, structure=np.ones((3, 3, 3), dtype=bool))
    sizes = np.bincount(labels[mask], minlength=number + 1)[1:]
    shared = np.bincount(labels[mask & other], minlength=number + 1)[1:]
    return sizes.astype(np.int64), shared.astype(np.int64)
