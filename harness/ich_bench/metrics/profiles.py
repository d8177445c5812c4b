"""Under which published protocols can the same masks be scored again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ich_bench.errors import UsageError, did_you_mean

OVERLAP = ("dice", "precision", "recall", "iou")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One protocol: which masks it counts, with which ε, and the columns its score file holds.

    `columns` are in the order of METRICS. `side` brings every slice to so many voxels a side before counting;
    `positive_slices` counts only slices in which the reference (on that grid) is positive; `dice_per_slice` makes
    `dice` the mean over those slices; `pooled` adds up counts over a run before Dice and Jaccard are taken;
    `empty_distance_mm` is the distance where the prediction of a hemorrhage is empty (None: the diagonal of the grid).
    `leaves_out` names, per dataset, the cases the authors did not score.
    """

    name: str
    title: str
    epsilon: float
    columns: tuple[str, ...]
    about: str
    source: str
    tolerances_mm: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    leaves_out: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    side: int | None = None
    positive_slices: bool = False
    dice_per_slice: bool = False
    pooled: bool = False
    empty_distance_mm: float | None = None

    @property
    def as_it_lies(self) -> bool:
        """Return whether whole masks are counted, on the grid they lie on."""
        return self.side is None and not self.positive_slices


class Pooled(NamedTuple):
    """Dice and Jaccard of counts added up over a run, both in [0, 1]."""

    dice: float
    jaccard: float


def pooled(tp: npt.ArrayLike, fp: npt.ArrayLike, fn: npt.ArrayLike) -> Pooled:
    """Return Dice and Jaccard of the summed counts of a run, without ε; NaN where nothing was counted.

    They satisfy J = D/(2 - D), as all ten printed pairs of Wang 2020, Table 1 do.
    """
    hit, miss = int(np.sum(tp)), int(np.sum(fp)) + int(np.sum(fn))
    if hit + miss == 0:
        return Pooled(math.nan, math.nan)
    return Pooled(2 * hit / (2 * hit + miss), hit / (hit + miss))


def find_profile(name: str) -> Profile:
    """Return the profile of this name; UsageError with the known names where there is none."""
    if name not in PROFILES:
        raise UsageError(f"there is no profile {name!r}. {did_you_mean(str(name), PROFILES)}")
    return PROFILES[name]


_ALL = (
    Profile(
        name="native",
        title="the benchmark's own protocol",
        epsilon=1.0,
        columns=(
            *OVERLAP,
            *("nsd_2mm", "nsd_1mm", "nsd_0p42mm", "hd95", "hd100", "assd", "rvd", "abs_rvd"),
            *("volume_ref_ml", "volume_pred_ml", "abs_volume_error_ml"),
            *("lesion_recall", "lesion_precision", "false_lesions", "detected"),
        ),
        tolerances_mm=MappingProxyType({"nsd_2mm": 2.0, "nsd_1mm": 1.0, "nsd_0p42mm": 0.42}),
        about="Whole volumes on the CT's own grid, with ε = 1 voxel. The only profile that is ranked.",
        source="this benchmark",
    ),
    Profile(
        name="spahr2023",
        title="Spahr 2023: volumes of 256 x 256 slices",
        epsilon=1.0,
        columns=OVERLAP,
        side=256,
        about=(
            "Both masks are brought to 256 x 256 a slice by nearest neighbour before counting, with ε = 1. With "
            "`legacy_dilation` the reference is first dilated in-plane (3 x 3), as scikit-image before 0.20 did when "
            "it shrank an 8-bit mask."
        ),
        source="Spahr et al. 2023, Sec. 2.4 and 2.5.2, and the authors' code (UNet2D.evaluate)",
    ),
    Profile(
        name="instance2022",
        title="INSTANCE 2022: the challenge's evaluator",
        epsilon=1e-5,
        columns=("dice", "nsd_0p42mm", "hd100", "abs_rvd"),
        tolerances_mm=MappingProxyType({"nsd_0p42mm": 0.42}),
        empty_distance_mm=math.inf,
        about=(
            "ε = 1e-5, surface Dice at 0.42 mm, Hausdorff at percentile 100 (infinite where the prediction is empty) "
            "and the absolute relative volume difference. A mean over an infinite value is infinite."
        ),
        source="INSTANCE 2022, the organisers' evaluation.py",
    ),
    Profile(
        name="hssayeni2020",
        title="Hssayeni 2020: Dice per positive slice",
        epsilon=0.0,
        columns=("dice",),
        positive_slices=True,
        dice_per_slice=True,
        leaves_out=MappingProxyType({"hssayeni": ("070",)}),
        about=(
            "Dice without ε on every slice in which the reference is positive, averaged per patient; patient 070 "
            "(chronic) is left out, as in the authors' own scoring. The counts are those of the counted slices."
        ),
        source="Hssayeni et al. 2020, the authors' code",
    ),
    Profile(
        name="wang2020",
        title="Wang 2020: Dice and Jaccard pooled over a run",
        epsilon=0.0,
        columns=("dice", "iou", "dice_slice_mean", "iou_slice_mean", "positive_slices"),
        side=256,
        positive_slices=True,
        pooled=True,
        about=(
            "256 x 256 a slice, only slices in which the reference is positive, no ε. The board's numbers pool the "
            "counts of a run; `dice` and `iou` are those of one volume's pooled counts, beside the means of its slices."
        ),
        source="Wang et al. 2020, Table 1: all ten printed pairs satisfy J = D/(2 - D)",
    ),
)
PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in _ALL})
