"""Other people's code, on random blobs: DeepMind's surface-distance and SimpleITK give the same values."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its own short name
import surface_distance
from scipy import ndimage

from ich_bench.metrics.masks import Mask
from ich_bench.metrics.suite import score

SPACINGS = [(0.45, 0.45, 5.0), (0.45, 0.45, 0.625), (0.6, 0.6, 0.6), (3.0, 0.4, 2.0), (1.0, 1.0, 10.0)]
SEEDS = range(30)


@functools.cache
def blobs(seed: int) -> tuple[Mask, Mask, tuple[float, float, float]]:
    """Return two non-empty masks: two thresholds of related noise, pure noise, or one far from the other."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(8, 26, size=3))
    base = ndimage.gaussian_filter(rng.standard_normal(shape), rng.uniform(0.3, 2.0))
    other = base + rng.uniform(0, 1) * ndimage.gaussian_filter(rng.standard_normal(shape), 1.0)
    masks = [base > np.quantile(base, rng.uniform(0.6, 0.99)), other > np.quantile(other, rng.uniform(0.6, 0.99))]
    if seed % 5 == 4:
        masks[1] = np.roll(masks[1], shape[0] // 2, axis=0)
    return masks[0], masks[1], SPACINGS[seed % len(SPACINGS)]


@functools.cache
def ours(seed: int) -> dict[str, float | int | None]:
    return score(*blobs(seed))


@functools.cache
def record(seed: int) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = surface_distance.compute_surface_distances(*blobs(seed))
    return found


@pytest.mark.parametrize(("name", "tolerance_mm"), [("nsd_2mm", 2.0), ("nsd_1mm", 1.0), ("nsd_0p42mm", 0.42)])
@pytest.mark.parametrize("seed", SEEDS)
def test_surface_dice_is_deepminds(seed: int, name: str, tolerance_mm: float) -> None:
    expected = surface_distance.compute_surface_dice_at_tolerance(record(seed), tolerance_mm + 1e-6)
    assert ours(seed)[name] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("name", "percentile"), [("hd95", 95), ("hd100", 100)])
@pytest.mark.parametrize("seed", SEEDS)
def test_hausdorff_is_deepminds_but_for_ties_of_rank(seed: int, name: str, percentile: int) -> None:
    expected = surface_distance.compute_robust_hausdorff(record(seed), percentile)
    shares = [
        np.cumsum(record(seed)[side]) / record(seed)[side].sum() for side in ("surfel_areas_gt", "surfel_areas_pred")
    ]
    tie = percentile == 95 and min(np.abs(share - 0.95).min() for share in shares) <= 1e-9
    assert tie or ours(seed)[name] == pytest.approx(expected, abs=1e-9)


def test_ties_of_rank_are_rare_in_these_blobs() -> None:
    assert sum(ours(s)["hd95"] == surface_distance.compute_robust_hausdorff(record(s), 95) for s in SEEDS) >= 28


@pytest.mark.parametrize("seed", SEEDS)
def test_assd_is_deepminds_two_averages_weighted_by_area(seed: int) -> None:
    there, back = surface_distance.compute_average_surface_distance(record(seed))
    areas = [record(seed)[side].sum() for side in ("surfel_areas_gt", "surfel_areas_pred")]
    assert ours(seed)["assd"] == pytest.approx((there * areas[0] + back * areas[1]) / sum(areas), abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_overlap_and_volumes_are_simpleitks(seed: int) -> None:
    # ITK has no ε: it is added to its counts, from which dice and the others follow.
    reference, prediction, spacing = blobs(seed)
    images = [sitk.GetImageFromArray(mask.T.astype(np.uint8)) for mask in (reference, prediction)]
    for image in images:
        image.SetSpacing(spacing)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(images[1], images[0])  # (source, target): errors are taken of the target, the reference
    found = ours(seed)
    tp, fp, fn, tn = (int(found[name] or 0) for name in ("tp", "fp", "fn", "tn"))
    assert tp + fp + fn + tn == reference.size
    assert 2 * tp / (2 * tp + fp + fn) == pytest.approx(overlap.GetDiceCoefficient(), abs=1e-12)
    assert tp / (tp + fp + fn) == pytest.approx(overlap.GetJaccardCoefficient(), abs=1e-12)
    assert fn / (tp + fn) == pytest.approx(overlap.GetFalseNegativeError(), abs=1e-12)
    assert fp / (tp + fp) == pytest.approx(overlap.GetFalseDiscoveryRate(), abs=1e-12)
    shapes = [sitk.LabelShapeStatisticsImageFilter() for _ in images]
    for shape, image, name in zip(shapes, images, ("volume_ref_ml", "volume_pred_ml"), strict=True):
        shape.Execute(image)
        assert found[name] == pytest.approx(shape.GetPhysicalSize(1) / 1000, rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_lesions_are_simpleitks_components(seed: int) -> None:
    reference, prediction, spacing = blobs(seed)
    grown = sitk.GetArrayFromImage(
        sitk.BinaryDilate(sitk.GetImageFromArray(reference.T.astype(np.uint8)), [1, 1, 1], sitk.sitkBox)
    ).T.astype(bool)
    voxel_mm3 = float(np.prod(spacing))

    def components(mask: Mask) -> list[Mask]:
        image = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.T.astype(np.uint8)), True)
        labels = sitk.GetArrayFromImage(image).T
        return [labels == label for label in range(1, labels.max() + 1)]

    smallest = min(10 - 1e-6, max(one.sum() for one in components(reference)) * voxel_mm3)
    real, claimed = (
        [one for one in components(mask) if one.sum() * voxel_mm3 >= smallest] for mask in (reference, prediction)
    )
    found = sum(bool(10 * (one & prediction).sum() >= one.sum()) for one in real)
    true = sum(bool(10 * (one & grown).sum() >= one.sum()) for one in claimed)
    assert ours(seed)["lesion_recall"] == pytest.approx(found / len(real))
    assert ours(seed)["lesion_precision"] == pytest.approx(true / len(claimed) if claimed else 0.0)
    assert ours(seed)["false_lesions"] == len(claimed) - true
