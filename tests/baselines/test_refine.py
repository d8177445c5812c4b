"""Each step from an activation map to a pseudo-mask, against values worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ich_bench_baselines.data.pixels import BRAIN, TISSUE
from ich_bench_baselines.ramananda.refine import (
    Refinement,
    hounsfield,
    inside_skull,
    largest,
    pseudo_mask,
    reached,
    two_means,
    without_small,
)

HOW = Refinement()


def head(side: int = 64, *, gap: int = 0) -> np.ndarray:
    """A square of brain at 34 HU in a ring of bone, three pixels thick, with a gap in its upper side; air around it."""
    hu = np.full((side, side), -50.0, np.float32)
    hu[8:-8, 8:-8] = 150.0
    hu[11:-11, 11:-11] = 34.0
    if gap:
        hu[8:11, side // 2 : side // 2 + gap] = 34.0
    return hu


def stored(hu: np.ndarray) -> np.ndarray:
    """As the window [-50, 150] stores it."""
    return np.round((hu + 50) * 255 / 200).clip(0, 255).astype(np.uint8)


def test_a_stored_slice_comes_back_in_hounsfield_units() -> None:
    image = np.array([[0, 51, 255]], np.uint8)
    assert hounsfield(image, BRAIN).tolist() == [[-50.0, pytest.approx(-10.0), 150.0]]  # 51 = 255 / 5 of 200 HU
    assert hounsfield(image, TISSUE).tolist() == [[0.0, pytest.approx(120.0), 600.0]]


def test_inside_the_skull_is_what_the_bone_encloses_less_its_rim() -> None:
    found = inside_skull(head(), HOW)
    assert found.sum() == 40 * 40  # 42 pixels within the bone, one of rim on each side: 2 / 256 of 64 is one at least
    assert found[12:52, 12:52].all()


@pytest.mark.parametrize("gap", [1, 3, 8])
def test_a_gap_in_the_bone_is_closed(gap: int) -> None:
    found = inside_skull(head(gap=gap), HOW)  # up to 2 · 5 pixels: 20 / 256 of 64
    assert found[14:52, 12:52].all()
    assert 40 * 40 <= found.sum() <= 42 * 42


def test_without_a_ring_of_bone_nothing_is_inside() -> None:
    assert not inside_skull(head(gap=30), HOW).any()
    assert not inside_skull(np.full((64, 64), 34.0, np.float32), HOW).any()
    assert not inside_skull(np.full((64, 64), 150.0, np.float32), HOW).any()


def test_two_means_finds_the_centres_of_two_groups() -> None:
    values = np.array([30, 32, 34, 60, 64], np.float32)
    assert two_means(values) == (32.0, 62.0)


def test_two_means_keeps_a_small_bright_group_apart_where_halving_the_range_of_the_large_one_would_not() -> None:
    tissue = np.repeat(np.arange(30, 39, dtype=np.float32), 100)  # 900 values, mean 34
    low, high = two_means(np.concatenate([tissue, np.full(30, 66, np.float32)]))
    assert (low, high) == (34.0, 66.0)


def test_two_means_of_equal_values_has_no_step_and_of_one_value_none_at_all() -> None:
    low, high = two_means(np.full(5, 40, np.float32))
    assert low == high == 40.0
    assert all(math.isnan(one) for one in two_means(np.array([40], np.float32)))


def test_the_largest_part_touches_by_edges() -> None:
    mask = np.array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1]], bool)
    assert largest(mask).tolist() == (np.arange(16).reshape(4, 4) < 2).tolist()  # two parts of two: the first
    mask[1, 1] = True
    assert largest(mask).sum() == 4


def test_only_parts_that_reach_a_sure_place_stay() -> None:
    mask = np.array([[1, 1, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]], bool)
    sure = np.zeros((4, 4), bool)
    sure[0, 0] = sure[2, 2] = True
    assert reached(mask, sure).tolist() == [[True, True, False, False], [False, True, False, False], *[[False] * 4] * 2]
    assert not reached(mask, np.zeros((4, 4), bool)).any()


def test_small_parts_go_and_parts_touch_by_corners() -> None:
    mask = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]], bool)
    assert without_small(mask, 3).sum() == 3
    assert without_small(mask, 4).sum() == 0
    assert without_small(mask, 1).tolist() == mask.tolist()
    assert not without_small(np.zeros((3, 3), bool), 1).any()


def bleed() -> tuple[np.ndarray, np.ndarray]:
    """A head with a bleed of 12 × 12 pixels at 66 HU, and another of the same size far away."""
    hu, mask = head(), np.zeros((64, 64), bool)
    mask[20:32, 20:32] = True
    hu[mask] = 66.0
    hu[38:50, 38:50] = 66.0
    return hu, mask


def around(mask: np.ndarray, far: float = 12.0) -> np.ndarray:
    """A map that falls evenly from the mask's middle to 0."""
    row, column = np.mgrid[: mask.shape[0], : mask.shape[1]]
    middle = [np.flatnonzero(mask.any(axis=axis)).mean() for axis in (1, 0)]
    return (1 - np.hypot(row - middle[0], column - middle[1]) / far).clip(0).astype(np.float32)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_the_pseudo_mask_is_the_bleed_that_the_map_points_at_and_no_other() -> None:
    hu, mask = bleed()
    found = pseudo_mask(stored(hu), around(mask), BRAIN, HOW)
    assert dice(found, mask) > 0.93
    assert not found[34:, 34:].any()


def test_what_the_map_says_of_bone_and_air_does_not_dim_the_brain() -> None:
    hu, mask = bleed()
    dim = around(mask) * 0.1
    dim[:6] = 1.0  # air above the head
    assert (pseudo_mask(stored(hu), dim, BRAIN, HOW) == pseudo_mask(stored(hu), around(mask), BRAIN, HOW)).all()


def test_a_map_of_brain_alone_gives_no_pseudo_mask_whatever_its_noise() -> None:
    hu, mask = bleed()
    quiet = head() + np.random.default_rng(0).normal(0, 3, hu.shape).astype(np.float32)
    assert not pseudo_mask(stored(quiet), around(mask), BRAIN, HOW).any()
    assert not pseudo_mask(stored(hu), np.zeros((64, 64), np.float32), BRAIN, HOW).any()


def test_grey_matter_beside_white_is_no_blood() -> None:
    hu, mask = bleed()
    hu[hu == 66.0] = 39.0  # 5 HU above the brain of 34
    assert not pseudo_mask(stored(hu), around(mask), BRAIN, HOW).any()
    assert not pseudo_mask(stored(hu), around(mask), BRAIN, replace(HOW, least_step_hu=1.0)).any()  # still below 40 HU


def test_bone_its_rim_and_calcification_under_the_map_are_no_blood() -> None:
    everywhere = np.ones((64, 64), np.float32)
    assert not pseudo_mask(stored(head()), everywhere, BRAIN, HOW).any()  # the smoothed rim of bone is above 40 HU
    hu = head()
    hu[28:36, 28:36] = 145.0
    assert not pseudo_mask(stored(hu), around(hu == 145.0), BRAIN, HOW).any()


def test_a_bleed_smaller_than_the_least_area_is_noise() -> None:
    hu, mask = head(), np.zeros((64, 64), bool)
    mask[30:34, 30:34] = True
    hu[mask] = 70.0
    how = replace(HOW, smooth=1e-6)
    assert pseudo_mask(stored(hu), around(mask), BRAIN, how).sum() == 16
    assert not pseudo_mask(stored(hu), around(mask), BRAIN, replace(how, least_area=17 / 4096)).any()
