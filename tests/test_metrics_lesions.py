"""Lesions found and made up, by hand. Voxels are 1 mm³, so that 0.01 mL is 10 of them, unless said otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from ich_bench.metrics.lesions import LesionScores, detected, lesion_scores
from ich_bench.metrics.masks import Mask

SHAPE = (60, 20, 6)
Bar = tuple[int, int, int]  # y, first x, voxels along x


def drawn(*bars: Bar) -> Mask:
    mask = np.zeros(SHAPE, dtype=bool)
    for y, start, length in bars:
        mask[start : start + length, y, 2] = True
    return mask


def scores(reference: Sequence[Bar], prediction: Sequence[Bar], voxel_mm3: float = 1.0) -> tuple[float, float, int]:
    found = lesion_scores(drawn(*reference), drawn(*prediction), voxel_mm3)
    return found.lesion_recall, found.lesion_precision, found.false_lesions


def test_two_of_three_found_and_one_of_three_made_up() -> None:
    reference = [(1, 0, 20), (6, 0, 20), (11, 0, 20)]
    prediction = [(1, 5, 12), (6, 5, 12), (16, 0, 12)]  # the third lies five rows below the last lesion
    assert scores(reference, prediction) == (pytest.approx(2 / 3), pytest.approx(2 / 3), 1)


def test_a_tenth_covered_is_found_and_less_is_not() -> None:
    # 3 of 30 voxels are exactly a tenth, 2 of 30 and 3 of 31 less; the prediction has 13 or 12 voxels, 10 outside.
    assert scores([(1, 20, 30)], [(1, 10, 13)])[0] == 1.0
    assert scores([(1, 20, 30)], [(1, 10, 12)])[0] == 0.0
    assert scores([(1, 20, 31)], [(1, 10, 13)])[0] == 0.0


def test_a_tenth_of_a_prediction_in_the_dilated_reference_makes_it_true() -> None:
    # The reference ends at x = 19, dilated at x = 20. A bar from x = 20 has one voxel in it: 1 of 10, but not 1 of 11.
    assert scores([(1, 5, 15)], [(1, 20, 10)]) == (0.0, 1.0, 0)
    assert scores([(1, 5, 15)], [(1, 20, 11)]) == (0.0, 0.0, 1)
    assert scores([(1, 5, 15)], [(1, 21, 10)]) == (0.0, 0.0, 1)


def test_the_reference_is_dilated_into_its_26_neighbourhood() -> None:
    reference, prediction = drawn((1, 5, 15)), np.zeros(SHAPE, dtype=bool)
    prediction[20:30, 2, 3] = True  # touches the last voxel (19, 1, 2) over a corner only: 1 of 10 in the dilation
    assert lesion_scores(reference, prediction, 1.0).lesion_precision == 1.0


def test_voxels_that_touch_at_a_corner_are_one_lesion() -> None:
    reference = np.zeros(SHAPE, dtype=bool)
    for step in range(6):
        reference[2 * step : 2 * step + 2, step, step] = True  # six pairs, each a corner further: 12 voxels
    prediction = np.zeros(SHAPE, dtype=bool)
    prediction[0:2, 0, 0] = True  # 2 of 12: found, as one lesion; of the six pairs alone none would count
    assert lesion_scores(reference, prediction, 1.0).lesion_recall == 1.0


def test_specks_below_a_hundredth_of_a_millilitre_are_ignored_in_both_masks() -> None:
    speck, lesion, far = (1, 0, 9), (6, 0, 20), (11, 0, 9)
    assert scores([speck, lesion], [lesion]) == (1.0, 1.0, 0)  # the missed speck is no lesion
    assert scores([lesion], [lesion, far]) == (1.0, 1.0, 0)  # nor is the made-up one
    assert scores([lesion], [lesion, (11, 0, 10)]) == (1.0, 0.5, 1)  # ten voxels are


def test_exactly_a_hundredth_of_a_millilitre_counts_whatever_the_rounding() -> None:
    # 100 voxels of 0.1 mm³ are 0.01 mL, though 0.1 is no binary number; 0.3333333333333333 mm³ takes 30 + a hair.
    mask = np.zeros((10, 10, 3), dtype=bool)
    mask[:, :, 1] = True
    assert lesion_scores(mask & False, mask, 0.1).false_lesions == 1
    mask[0, 0, 1] = False
    assert lesion_scores(mask & False, mask, 0.1).false_lesions == 0
    assert lesion_scores(drawn(), drawn((1, 0, 30)), 1 / 3).false_lesions == 1


def test_a_lesion_is_covered_by_specks_too() -> None:
    assert scores([(1, 0, 20)], [(1, 3, 2)]) == (1.0, 0.0, 0)  # 2 of 20 covered; nothing of lesion size is predicted


def test_an_empty_prediction_finds_nothing_and_makes_nothing_up() -> None:
    assert scores([(1, 0, 20)], []) == (0.0, 0.0, 0)


def test_on_a_healthy_volume_only_false_lesions_are_counted() -> None:
    for bars, number in (((), 0), (((1, 0, 20), (6, 0, 10), (11, 0, 9)), 2)):
        found = lesion_scores(drawn(), drawn(*bars), 1.0)
        assert math.isnan(found.lesion_recall)
        assert math.isnan(found.lesion_precision)
        assert found.false_lesions == number


def test_where_no_component_reaches_the_size_the_largest_one_sets_it() -> None:
    # 7 and 3 voxels of 1 mm³: 7 is what counts here, in both masks, whatever is predicted.
    reference = [(1, 0, 7), (6, 0, 3)]
    assert scores(reference, reference) == (1.0, 1.0, 0)
    assert scores(reference, []) == (0.0, 0.0, 0)
    assert scores(reference, [(6, 0, 3)]) == (0.0, 0.0, 0)
    assert scores(reference, [(1, 0, 7), (11, 0, 7), (16, 0, 6)]) == (1.0, 0.5, 1)


def test_a_perfect_mask_finds_all_and_makes_nothing_up() -> None:
    bars = [(1, 0, 20), (6, 0, 20)]
    assert lesion_scores(drawn(*bars), drawn(*bars), 1.0) == LesionScores(
        lesion_recall=1.0, lesion_precision=1.0, false_lesions=0
    )


@pytest.mark.parametrize(("tp", "voxels", "expected"), [(1, 10, 1.0), (1, 11, 0.0), (0, 5, 0.0), (5, 5, 1.0)])
def test_a_hemorrhage_is_detected_when_a_tenth_is_covered(tp: int, voxels: int, expected: float) -> None:
    assert detected(tp, voxels) == expected


def test_detection_is_undefined_without_hemorrhage() -> None:
    assert math.isnan(detected(0, 0))
