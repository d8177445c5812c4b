"""Which arrays are taken as masks, and which are refused in words."""

from __future__ import annotations

import numpy as np
import pytest

from ich_bench import score
from ich_bench.errors import IchBenchError, VolumeError
from ich_bench.metrics.masks import as_mask, as_spacing, dilated, on_square, union_box

CUBE = np.zeros((6, 5, 4), dtype=bool)
CUBE[2:4, 2:4, 1:3] = True
MM = (1.0, 1.0, 5.0)


@pytest.mark.parametrize("dtype", [bool, "u1", "i1", "i2", "u2", "i4", "i8", "f2", "f4", "f8", ">i2", ">f4"])
def test_zero_and_one_of_any_type_is_a_mask(dtype: str) -> None:
    assert score(CUBE.astype(dtype), CUBE, MM) == score(CUBE, CUBE, MM)


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8"])
def test_zero_and_255_is_a_mask(dtype: str) -> None:
    assert (as_mask(CUBE.astype(dtype) * np.dtype(dtype).type(255), "prediction") == CUBE).all()


def test_scaled_values_within_a_millionth_are_ones() -> None:
    assert (as_mask(CUBE * 0.9999995, "prediction") == CUBE).all()
    assert (as_mask(CUBE * 254.9999, "prediction") == CUBE).all()
    with pytest.raises(VolumeError, match="other than 0 and 1"):
        as_mask(CUBE * 0.99999, "prediction")


def test_memory_layout_does_not_matter() -> None:
    other = np.roll(CUBE, 1, axis=0)
    assert score(np.asfortranarray(CUBE), np.asfortranarray(other), MM) == score(CUBE, other, MM)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (CUBE * 0.4, "other than 0 and 1.*0.4.*[Tt]hreshold"),
        (CUBE * np.int8(-1), "other than 0 and 1.*-1"),
        (CUBE * np.uint8(4), "other than 0 and 1.*4"),
        (CUBE + np.roll(CUBE, 3, axis=0) * 255.0, "other than 0 and 1.*255"),
        (np.where(CUBE, np.nan, 0.0), "NaN in 8 voxels"),
        (np.where(CUBE, np.inf, 0.0), "inf"),
        (CUBE[..., None], r"4 axes \(shape \(6, 5, 4, 1\)\); expected 3"),
        (CUBE[0], "2 axes"),
        (CUBE[:0], "no voxels"),
        (CUBE.astype(complex), "complex"),
        (CUBE.astype(str), "type <U"),
        ([[[0], [1, 2]]], "cannot be read"),
        (None, "0 axes"),
    ],
)
def test_what_is_no_mask_is_refused_with_what_was_found(bad: object, words: str) -> None:
    for pair in ((CUBE, bad), (bad, CUBE)):
        with pytest.raises(VolumeError, match=words):
            score(*pair, MM)


def test_the_message_says_which_of_the_two_masks_it_is() -> None:
    with pytest.raises(VolumeError, match="the prediction"):
        score(CUBE, CUBE * 0.5, MM)
    with pytest.raises(VolumeError, match="the reference"):
        score(CUBE * 0.5, CUBE, MM)


def test_masks_of_different_shape_are_refused_with_both_shapes() -> None:
    with pytest.raises(IchBenchError, match=r"\(6, 5, 4\).*\(5, 6, 4\).*same grid"):
        score(CUBE, CUBE.transpose(1, 0, 2), MM)


@pytest.mark.parametrize(
    "bad", [(1, 1), (1, 1, 1, 1), (1, 1, 0), (1, 1, -5), (1, 1, np.nan), (1, np.inf, 1), (1, 1, 1e-9), "abc", 1.0, None]
)
def test_a_spacing_that_is_none_is_refused(bad: object) -> None:
    with pytest.raises(VolumeError, match="three positive numbers in mm"):
        score(CUBE, CUBE, bad)


@pytest.mark.parametrize("bad", [0, -1.0, np.nan, np.inf, "x"])
def test_a_voxel_volume_that_is_none_is_refused(bad: object) -> None:
    with pytest.raises(VolumeError, match="positive number of mm³"):
        score(CUBE, CUBE, MM, voxel_volume_mm3=bad)  # type: ignore[arg-type]


def test_spacing_is_freed_of_its_float32_error() -> None:
    assert as_spacing(np.float32([0.6, 0.45, 5.0])) == (0.6, 0.45, 5.0)


def test_the_union_box_holds_both_masks_and_nothing_more() -> None:
    far = np.zeros_like(CUBE)
    far[5, 0, 3] = True
    # CUBE fills x 2-3, y 2-3, z 1-2; the far voxel lies at (5, 0, 3).
    assert union_box(CUBE, far) == (slice(2, 6), slice(0, 4), slice(1, 4))
    assert union_box(CUBE, ~CUBE & CUBE) == (slice(2, 4), slice(2, 4), slice(1, 3))
    assert union_box(~CUBE & CUBE, ~CUBE & CUBE) is None


def test_dilation_reaches_all_26_neighbours_and_stops_at_the_border() -> None:
    mask = np.zeros((5, 5, 5), dtype=bool)
    mask[2, 2, 2] = True
    assert dilated(mask).sum() == 27
    assert dilated(mask, (0, 1)).sum() == 9
    corner = np.zeros((5, 5, 5), dtype=bool)
    corner[0, 0, 0] = True
    assert dilated(corner).sum() == 8  # 2 x 2 x 2 of the 27 lie inside
    assert corner.sum() == 1  # the mask itself is left alone


def test_rows_are_sampled_by_index_as_the_protocol_says() -> None:
    # floor((i + 0.5) * n / 4): n = 8 -> 1, 3, 5, 7; n = 6 -> 0, 2, 3, 5; n = 4 -> 0, 1, 2, 3; n = 2 -> 0, 0, 1, 1
    for n, rows in {8: [1, 3, 5, 7], 6: [0, 2, 3, 5], 4: [0, 1, 2, 3], 2: [0, 0, 1, 1]}.items():
        mask = np.random.default_rng(n).random((n, 4, 2)) < 0.5
        assert (on_square(mask, 4) == mask[rows]).all()
        assert (on_square(mask.transpose(1, 0, 2), 4) == mask.transpose(1, 0, 2)[:, rows]).all()
