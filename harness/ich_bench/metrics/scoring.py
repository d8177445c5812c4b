"""What does one pair of masks score."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ich_bench.errors import UsageError, VolumeError, did_you_mean
from ich_bench.metrics import lesions, overlap, surface, volumes
from ich_bench.metrics.masks import Mask, as_mask, as_pair, as_spacing, dilated, on_square
from ich_bench.metrics.pair import Pair, packed_pair, plain_pair
from ich_bench.metrics.profiles import OVERLAP, Profile, find_profile
from ich_bench.metrics.side import Side

Row = dict[str, float | int | None]
Spacing = tuple[float, float, float]

ENGINES = ("fast", "reference")
_PERCENTILES = {"hd95": 95.0, "hd100": 100.0}
_DISTANCES = ("hd95", "hd100", "assd")
_SURFACE = frozenset({"nsd_2mm", "nsd_1mm", "nsd_0p42mm", *_DISTANCES})
_LESIONS = frozenset({"lesion_recall", "lesion_precision", "false_lesions"})

_UNKNOWN_WHEN_MISSING = frozenset({"tp", "fp", "fn", "tn", "volume_pred_ml", "false_lesions"})


def score(
    reference: Any,
    prediction: Any,
    spacing_mm: Any,
    *,
    voxel_volume_mm3: float | None = None,
    profile: str = "native",
    legacy_dilation: bool = False,
    engine: str = "fast",
) -> Row:
    """Return tp, fp, fn, tn and the metrics of the profile for one volume, in the order of the score file.

    Args:
        reference: the true mask in (x, y, z) order: bool, or the numbers 0 and 1 (or 0 and 255) of any type.
        prediction: the predicted mask on the same grid.
        spacing_mm: three voxel spacings in (x, y, z) order; rounded to 6 decimals.
        voxel_volume_mm3: |det(affine)| where the grid is sheared; else the product of the spacings.
        profile: a name of PROFILES.
        legacy_dilation: for `spahr2023` only: dilate the reference in-plane before it is sampled.
        engine: `fast`, or `reference`: the plain path through the surface-distance package. The values are the same
            (counts to the voxel, distances to 1e-9).

    Counts are ints over the whole volume (on the profile's own grid and slices); metrics are floats, NaN where
    undefined, which depends on the reference only; `false_lesions` is an int.

    Raises:
        VolumeError: an array that is no mask, shapes that differ, a spacing that is none.
        UsageError: an unknown profile or engine, or `legacy_dilation` under another profile than `spahr2023`.
    """
    chosen = find_profile(profile)
    if legacy_dilation and chosen.name != "spahr2023":
        raise UsageError(f"legacy_dilation belongs to the profile 'spahr2023', not to {chosen.name!r}. Leave it out.")
    true, predicted = as_pair(reference, prediction)
    spacing = as_spacing(spacing_mm)
    voxel_mm3 = _voxel_volume(voxel_volume_mm3, spacing)
    true, predicted = _counted(true, predicted, chosen, legacy_dilation=legacy_dilation)
    if find_engine(engine) == "reference":
        pair = plain_pair(true, predicted)
    else:
        pair = packed_pair(Side.of(true), Side.of(predicted))
    means = overlap.slice_means(true, predicted) if chosen.positive_slices else None
    return _row(pair, spacing, voxel_mm3, chosen, means)


def score_sides(
    reference: Side, prediction: Side, spacing_mm: Spacing, *, voxel_volume_mm3: float, profile: str = "native"
) -> Row:
    """Return what `score` returns, of masks on the same grid that are packed already.

    ValueError for a profile that counts on a grid or on slices of its own (`Profile.as_it_lies`).
    """
    chosen = find_profile(profile)
    if not chosen.as_it_lies:
        raise ValueError(f"{profile} counts on another grid than the masks lie on")
    return _row(packed_pair(reference, prediction), as_spacing(spacing_mm), voxel_volume_mm3, chosen, None)


def find_engine(name: str) -> str:
    """Return the name of a known engine; UsageError with the known names for another."""
    if name not in ENGINES:
        raise UsageError(f"there is no engine {name!r}. {did_you_mean(str(name), ENGINES)}")
    return name


def score_missing(
    reference: Any, spacing_mm: Any, *, voxel_volume_mm3: float | None = None, profile: str = "native"
) -> Row:
    """Return the worst values of a case that was not predicted, with the keys of `score`.

    As in docs/protocol.md, Missing cases. Counts, predicted volume and false lesions are None. Overlap, NSD, lesion
    metrics and `detected` are 0, distances the diagonal of the grid (infinite under `instance2022`), `rvd` -1,
    `abs_rvd` 1, and the whole reference volume is the volume error. On a healthy volume overlap and NSD are 0 and the
    rest is NaN, but for its reference volume of 0. Profiles that count positive slices only give NaN where there is
    none.
    """
    true = as_mask(reference, "reference")
    row = score(true, np.zeros_like(true), spacing_mm, voxel_volume_mm3=voxel_volume_mm3, profile=profile)
    return worst(row, has_ich=bool(true.any()))


def worst(row: Row, *, has_ich: bool) -> Row:
    """Return what a missing case gets (see `score_missing`), from the row of an empty prediction."""
    for name, value in row.items():
        if name in _UNKNOWN_WHEN_MISSING:
            row[name] = None
        elif (name in OVERLAP or name.startswith("nsd_")) and not math.isnan(value or 0.0):
            row[name] = 0.0  # neither ε nor health lends a missing case anything
        elif name == "abs_volume_error_ml" and not has_ich:
            row[name] = math.nan
    return row


def _counted(true: Mask, predicted: Mask, profile: Profile, *, legacy_dilation: bool) -> tuple[Mask, Mask]:
    """Return the masks on the grid and slices that the profile counts."""
    if profile.side is not None:
        if legacy_dilation:
            true = dilated(true, [axis for axis in (0, 1) if true.shape[axis] > profile.side])
        true, predicted = on_square(true, profile.side), on_square(predicted, profile.side)
    if profile.positive_slices:
        positive = true.any(axis=(0, 1))
        true, predicted = true[:, :, positive], predicted[:, :, positive]
    return true, predicted


def _row(pair: Pair, spacing: Spacing, voxel_mm3: float, profile: Profile, means: overlap.SliceMeans | None) -> Row:
    counts = pair.counts
    reference_voxels, predicted_voxels = counts.tp + counts.fn, counts.tp + counts.fp
    values: Row = {name: getattr(overlap, name)(counts, profile.epsilon) for name in OVERLAP}
    if means is not None:
        values |= {"dice_slice_mean": means.dice, "iou_slice_mean": means.iou, "positive_slices": float(means.slices)}
        values |= {"dice": means.dice} if profile.dice_per_slice else {}
    if not _SURFACE.isdisjoint(profile.columns):
        values |= _surface(pair, spacing, profile)
    values |= _volumes(reference_voxels, predicted_voxels, voxel_mm3)
    if not _LESIONS.isdisjoint(profile.columns):
        values |= vars(pair.lesions(voxel_mm3))
    values["detected"] = lesions.detected(counts.tp, reference_voxels)
    row: Row = vars(counts).copy()
    return row | {name: values[name] for name in profile.columns}


def _surface(pair: Pair, spacing: Spacing, profile: Profile) -> Row:
    """Return NSD and distances; what an empty mask gives is decided here, before any surface is asked for."""
    true, predicted = pair.counts.tp + pair.counts.fn, pair.counts.tp + pair.counts.fp
    if not true:
        agreed = 0.0 if predicted else 1.0
        return {**dict.fromkeys(profile.tolerances_mm, agreed), **dict.fromkeys(_DISTANCES, math.nan)}
    if not predicted:
        diagonal_mm = math.sqrt(sum((n * step) ** 2 for n, step in zip(pair.shape, spacing, strict=True)))
        empty_mm = diagonal_mm if profile.empty_distance_mm is None else profile.empty_distance_mm
        return {**dict.fromkeys(profile.tolerances_mm, 0.0), **dict.fromkeys(_DISTANCES, empty_mm)}
    record = pair.surfaces(spacing)
    row: Row = {name: surface.nsd(record, tolerance) for name, tolerance in profile.tolerances_mm.items()}
    row |= {name: surface.hausdorff(record, percentile) for name, percentile in _PERCENTILES.items()}
    return row | {"assd": surface.assd(record)}


def _volumes(reference_voxels: int, predicted_voxels: int, voxel_mm3: float) -> Row:
    difference = volumes.relative_difference(reference_voxels, predicted_voxels)
    return {
        "rvd": difference,
        "abs_rvd": abs(difference),
        "volume_ref_ml": volumes.volume_ml(reference_voxels, voxel_mm3),
        "volume_pred_ml": volumes.volume_ml(predicted_voxels, voxel_mm3),
        "abs_volume_error_ml": volumes.volume_ml(abs(predicted_voxels - reference_voxels), voxel_mm3),
    }


def _voxel_volume(given_mm3: float | None, spacing_mm: Spacing) -> float:
    """Return the volume of a voxel in mm³; VolumeError where the one given is none."""
    if given_mm3 is None:
        return math.prod(spacing_mm)
    try:
        volume_mm3 = float(given_mm3)
    except (TypeError, ValueError):
        volume_mm3 = math.nan
    if not (math.isfinite(volume_mm3) and volume_mm3 > 0):
        raise VolumeError(f"voxel_volume_mm3 is {given_mm3!r}; expected a positive number of mm³, |det(affine)|.")
    return volume_mm3
