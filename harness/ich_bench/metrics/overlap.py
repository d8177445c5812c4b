"""How far do two masks overlap, in voxels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ich_bench.metrics.masks import Mask


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Voxels of a pair: true positive, false positive, false negative, true negative."""

    tp: int
    fp: int
    fn: int
    tn: int


@dataclass(frozen=True, kw_only=True)
class SliceMeans:
    """Dice and Jaccard without ε, averaged over the slices (axis 2) in which the reference is positive."""

    dice: float
    iou: float
    slices: int


def count(reference: Mask, prediction: Mask) -> Counts:
    """Return the four counts over the whole volume."""
    tp = int(np.count_nonzero(reference & prediction))
    fp = int(np.count_nonzero(prediction)) - tp
    fn = int(np.count_nonzero(reference)) - tp
    return Counts(tp=tp, fp=fp, fn=fn, tn=reference.size - tp - fp - fn)


def dice(counts: Counts, epsilon: float) -> float:
    """Return (2TP + ε)/(2TP + FP + FN + ε), in [0, 1]; NaN where that is 0/0 (Spahr 2023, Sec. 2.4, with ε = 1)."""
    return _ratio(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn, epsilon)


def iou(counts: Counts, epsilon: float) -> float:
    """Return (TP + ε)/(TP + FP + FN + ε), in [0, 1]; NaN where that is 0/0."""
    return _ratio(counts.tp, counts.tp + counts.fp + counts.fn, epsilon)


def precision(counts: Counts, epsilon: float) -> float:
    """Return (TP + ε)/(TP + FP + ε), in [0, 1]: 1 for an empty prediction; NaN where that is 0/0."""
    return _ratio(counts.tp, counts.tp + counts.fp, epsilon)


def recall(counts: Counts, epsilon: float) -> float:
    """Return (TP + ε)/(TP + FN + ε), in [0, 1]: 1 on a healthy volume; NaN where that is 0/0."""
    return _ratio(counts.tp, counts.tp + counts.fn, epsilon)


def slice_means(reference: Mask, prediction: Mask) -> SliceMeans:
    """Return per-slice Dice and Jaccard, averaged over reference-positive slices; NaN where there is none."""
    positive = np.flatnonzero(reference.any(axis=(0, 1)))
    if positive.size == 0:
        return SliceMeans(dice=math.nan, iou=math.nan, slices=0)
    each = [count(reference[:, :, z], prediction[:, :, z]) for z in positive]
    return SliceMeans(
        dice=math.fsum(dice(one, 0.0) for one in each) / len(each),
        iou=math.fsum(iou(one, 0.0) for one in each) / len(each),
        slices=len(each),
    )


def _ratio(part: int, whole: int, epsilon: float) -> float:
    below = whole + epsilon
    return (part + epsilon) / below if below > 0 else math.nan
