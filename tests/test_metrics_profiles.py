"""Each published protocol, by hand."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from ich_bench.errors import UsageError
from ich_bench.metrics.masks import Mask
from ich_bench.metrics.profiles import PROFILES, pooled
from ich_bench.metrics.suite import score, score_missing

MM = (0.5, 0.5, 5.0)
COUNTS = ("tp", "fp", "fn", "tn")


def empty(shape: tuple[int, int, int]) -> Mask:
    return np.zeros(shape, dtype=bool)


def numbers(row: dict[str, float | int | None], *names: str) -> list[float]:
    return [float(row[name]) for name in names]  # type: ignore[arg-type]


def test_there_are_five_profiles_and_native_is_the_first() -> None:
    assert list(PROFILES) == ["native", "spahr2023", "instance2022", "hssayeni2020", "wang2020"]


def test_profiles_say_which_epsilon_and_tolerances_they_use() -> None:
    assert [profile.epsilon for profile in PROFILES.values()] == [1.0, 1.0, 1e-5, 0.0, 0.0]
    assert dict(PROFILES["native"].tolerances_mm) == {"nsd_2mm": 2.0, "nsd_1mm": 1.0, "nsd_0p42mm": 0.42}
    assert dict(PROFILES["instance2022"].tolerances_mm) == {"nsd_0p42mm": 0.42}


def test_only_hssayeni2020_leaves_a_patient_out() -> None:
    assert {name: dict(profile.leaves_out) for name, profile in PROFILES.items() if profile.leaves_out} == {
        "hssayeni2020": {"hssayeni": ("070",)}
    }


# spahr2023 (Spahr 2023, Sec. 2.4 and 2.5.2, and the authors' code)


def test_spahr_counts_on_256_by_256_a_slice() -> None:
    # At 512, output row i is source row 2i + 1: a block of 20 x 20 keeps 10 x 10 voxels, its shifted copy too.
    reference, prediction = empty((512, 512, 3)), empty((512, 512, 3))
    reference[100:120, 100:120, 1] = True
    prediction[110:130, 100:120, 1] = True  # half of it
    found = score(reference, prediction, MM, profile="spahr2023")
    assert numbers(found, *COUNTS) == [50, 50, 50, 256 * 256 * 3 - 150]
    assert numbers(found, "dice", "precision", "recall", "iou") == pytest.approx(
        [101 / 201, 51 / 101, 51 / 101, 51 / 151]
    )


def test_spahr_enlarges_a_smaller_slice_and_leaves_256_alone() -> None:
    small = empty((128, 256, 2))
    small[10, 20, 0] = True
    found = score(small, small, MM, profile="spahr2023")
    assert numbers(found, *COUNTS) == [2, 0, 0, 256 * 256 * 2 - 2]  # one row becomes two


def test_spahr_healthy_volumes_decay_with_voxels_counted_at_256() -> None:
    healthy, prediction = empty((512, 512, 1)), empty((512, 512, 1))
    assert numbers(score(healthy, healthy, MM, profile="spahr2023"), "dice", "precision", "recall") == [1, 1, 1]
    prediction[100:106, 100:106, 0] = True  # 36 voxels, n = 9 at 256
    assert numbers(score(healthy, prediction, MM, profile="spahr2023"), "dice", "precision", "recall") == [0.1, 0.1, 1]
    prediction[:] = False
    prediction[100, 100, 0] = True  # a voxel that is not sampled at all
    assert score(healthy, prediction, MM, profile="spahr2023")["dice"] == 1.0


def test_spahr_a_missed_hemorrhage_has_full_precision() -> None:
    reference = empty((256, 256, 1))
    reference[:3, :3, 0] = True
    found = score(reference, empty((256, 256, 1)), MM, profile="spahr2023")
    assert numbers(found, "dice", "precision", "recall") == pytest.approx([1 / 10, 1, 1 / 10])


def test_spahr_recall_over_all_volumes_is_that_of_the_hemorrhages_diluted_by_39_ones() -> None:
    # Table 3's identity: recall on all 75 = (36 R_ICH + 39 · 100 %)/75, whatever is predicted on healthy volumes.
    rng = np.random.default_rng(0)
    shape = (256, 256, 1)
    with_ich, healthy = [], []
    for _ in range(36):
        reference = empty(shape)
        reference[:8, :8, 0] = True
        prediction = reference & (rng.random(shape) < rng.random())
        with_ich.append(score(reference, prediction, MM, profile="spahr2023")["recall"] or 0.0)
    for _ in range(39):
        prediction = rng.random(shape) < 0.01 * rng.random()
        healthy.append(score(empty(shape), prediction, MM, profile="spahr2023")["recall"] or 0.0)
    assert 0.2 < statistics.mean(with_ich) < 0.8
    assert statistics.mean(with_ich + healthy) == pytest.approx((36 * statistics.mean(with_ich) + 39) / 75)
    assert pytest.approx(73.49, abs=0.005) == (36 * 44.77 + 39 * 100) / 75  # the paper's own row "ICH-only"


@pytest.mark.parametrize(
    ("radius", "ratio", "dice"), [(5, 2.0, 0.67), (10, 1.30, 0.87), (20, 1.14, 0.93), (40, 1.06, 0.97)]
)
def test_spahr_legacy_dilation_grows_discs_as_the_old_resize_did(radius: int, ratio: float, dice: float) -> None:
    # Discs at 512²; the published emulation gives areas at 256² of 2.0, 1.30, 1.14 and 1.06 times the plain mask.
    x, y, _ = np.ogrid[:512, :512, :1]
    disc = ((x - 256) ** 2 + (y - 256) ** 2 <= radius**2).reshape(512, 512, 1)
    plain = score(disc, disc, MM, profile="spahr2023")
    legacy = score(disc, disc, MM, profile="spahr2023", legacy_dilation=True)
    before, after = numbers(plain, "tp")[0], sum(numbers(legacy, "tp", "fn"))
    assert after / before == pytest.approx(ratio, abs=0.005)
    assert numbers(legacy, "fp") == [0], "the reference only is dilated"
    assert numbers(legacy, "dice")[0] == pytest.approx(dice, abs=0.01)


def test_spahr_legacy_dilation_is_a_square_in_the_slice_and_only_where_the_slice_shrinks() -> None:
    # At 512, voxels 100 and 101 of a slice are grown to 99 ... 102, of which 99 and 101 are sampled: 2 x 2 for 1.
    reference = empty((512, 512, 3))
    reference[100:102, 100:102, 1] = True
    nothing = empty((512, 512, 3))
    assert score(reference, nothing, MM, profile="spahr2023")["fn"] == 1
    assert score(reference, nothing, MM, profile="spahr2023", legacy_dilation=True)["fn"] == 4
    native = empty((256, 256, 3))
    native[100, 100, 1] = True
    assert score(native, native & False, MM, profile="spahr2023", legacy_dilation=True)["fn"] == 1


@pytest.mark.parametrize("name", [name for name in PROFILES if name != "spahr2023"])
def test_legacy_dilation_belongs_to_spahr2023_only(name: str) -> None:
    mask = empty((4, 4, 4))
    with pytest.raises(UsageError, match="spahr2023"):
        score(mask, mask, MM, profile=name, legacy_dilation=True)


# instance2022 (the organisers' evaluation.py)


def test_instance_scores_a_pair_as_the_organisers_do() -> None:
    # Two voxels three apart along x at 0.4 mm: no overlap, planes at 0, 0.4 and at 1.2, 1.6 mm.
    reference, prediction = empty((12, 9, 7)), empty((12, 9, 7))
    reference[2, 3, 3] = prediction[5, 3, 3] = True
    found = score(reference, prediction, (0.4, 0.4, 5.0), profile="instance2022")
    assert numbers(found, "dice", "nsd_0p42mm", "hd100", "abs_rvd") == pytest.approx([1e-5 / (2 + 1e-5), 0, 1.2, 0])
    prediction[3, 3, 3] = True  # now a neighbour too, at the far voxel's price: V 2 against 1
    found = score(reference, prediction, (0.4, 0.4, 5.0), profile="instance2022")
    # Reference planes 2, 3 -> 0.4, 0; prediction planes 3, 4, 5, 6 -> 0, 0.4, 0.8, 1.2. All corners alike: 4 of 6 near.
    assert numbers(found, "nsd_0p42mm", "hd100", "abs_rvd") == pytest.approx([4 / 6, 1.2, 1.0])
    assert found["dice"] == pytest.approx(1e-5 / (3 + 1e-5))


def test_instance_dice_has_its_own_epsilon() -> None:
    reference, prediction = empty((4, 4, 4)), empty((4, 4, 4))
    reference[0, 0, :2] = True
    prediction[0, 0, 1:3] = True
    assert score(reference, prediction, MM, profile="instance2022")["dice"] == pytest.approx((2 + 1e-5) / (4 + 1e-5))


def test_instance_an_empty_prediction_is_infinitely_far() -> None:
    reference = empty((4, 4, 4))
    reference[0, 0, :2] = True
    found = score(reference, empty((4, 4, 4)), MM, profile="instance2022")
    assert numbers(found, "dice", "nsd_0p42mm", "hd100", "abs_rvd") == pytest.approx([1e-5 / 2.00001, 0, math.inf, 1])
    assert statistics.fmean([3.0, numbers(found, "hd100")[0]]) == math.inf
    missing = score_missing(reference, MM, profile="instance2022")
    assert numbers(missing, "dice", "nsd_0p42mm", "hd100", "abs_rvd") == [0, 0, math.inf, 1]


def test_instance_healthy_volumes_have_overlap_and_no_distance() -> None:
    healthy, prediction = empty((4, 4, 4)), empty((4, 4, 4))
    prediction[0, 0, :2] = True
    clean = score(healthy, healthy, MM, profile="instance2022")
    dirty = score(healthy, prediction, MM, profile="instance2022")
    assert numbers(clean, "dice", "nsd_0p42mm") == [1, 1]
    assert numbers(dirty, "dice", "nsd_0p42mm") == pytest.approx([1e-5 / (2 + 1e-5), 0])
    for row in (clean, dirty, score_missing(healthy, MM, profile="instance2022")):
        assert all(math.isnan(value) for value in numbers(row, "hd100", "abs_rvd"))


# hssayeni2020 (Hssayeni 2020) and wang2020 (Wang 2020, Table 1)


def slices() -> tuple[Mask, Mask]:
    """Return a pair on 256 x 256 x 4: slice 0 half right, slice 1 missed, slice 2 a false alarm, slice 3 nothing."""
    reference, prediction = empty((256, 256, 4)), empty((256, 256, 4))
    reference[:4, 0, 0] = True
    prediction[2:6, 0, 0] = True  # tp 2, fp 2, fn 2: Dice 1/2, Jaccard 1/3
    reference[:10, 0, 1] = True  # fn 10: 0, 0
    prediction[:, :, 2] = True
    return reference, prediction


def test_hssayeni_averages_dice_over_positive_slices() -> None:
    found = score(*slices(), MM, profile="hssayeni2020")
    assert list(found) == [*COUNTS, "dice"]
    assert numbers(found, *COUNTS, "dice") == [2, 2, 12, 2 * 256 * 256 - 16, 0.25]  # (1/2 + 0)/2


def test_hssayeni_counts_on_the_native_grid() -> None:
    reference = empty((10, 10, 2))
    reference[0, 0, 0] = True
    assert numbers(score(reference, reference, MM, profile="hssayeni2020"), *COUNTS, "dice") == [1, 0, 0, 99, 1]


def test_wang_pools_the_counts_of_positive_slices() -> None:
    found = score(*slices(), MM, profile="wang2020")
    assert numbers(found, *COUNTS) == [2, 2, 12, 2 * 256 * 256 - 16]
    assert numbers(found, "dice", "iou") == [4 / 18, 2 / 16]
    assert numbers(found, "dice_slice_mean", "iou_slice_mean", "positive_slices") == pytest.approx([1 / 4, 1 / 6, 2])


def test_wang_chooses_positive_slices_on_the_256_grid() -> None:
    reference = empty((512, 512, 2))
    reference[100, 100, 0] = True  # not sampled: the slice is not positive
    reference[101, 101, 1] = True
    assert numbers(score(reference, reference, MM, profile="wang2020"), "tp", "dice", "positive_slices") == [1, 1, 1]
    gone = reference.copy()
    gone[:, :, 1] = False
    assert math.isnan(numbers(score(gone, gone, MM, profile="wang2020"), "dice")[0])


def test_wang_pools_a_run_before_dice_and_jaccard() -> None:
    # Volumes (tp, fp, fn) = (9, 1, 1) and (0, 5, 15): 18/(18 + 22) and 9/(9 + 22); the mean of volumes would be .45.
    run = pooled([9, 0], [1, 5], [1, 15])
    assert run == (18 / 40, 9 / 31)
    assert run.jaccard == pytest.approx(run.dice / (2 - run.dice))
    assert math.isnan(pooled([0], [0], [0]).dice)
    assert math.isnan(pooled([], [], []).jaccard)


TABLE_1 = "31 18, 33 20, 44 28, 61 44, 31 18, 42 27, 61 44, 44 28, 51 34, 67 50"  # Dice and Jaccard, in %


@pytest.mark.parametrize("printed", TABLE_1.split(", "))
def test_wang_all_ten_printed_pairs_are_pooled_pairs(printed: str) -> None:
    # With tp = 50 D and fp = fn = 50 (1 - D) voxels, Dice is D %, and Jaccard rounds to the one printed beside it.
    dice, jaccard = (int(number) for number in printed.split())
    run = pooled(50 * dice, 50 * (100 - dice), 50 * (100 - dice))
    assert run.dice == dice / 100
    assert round(100 * run.jaccard) == jaccard


@pytest.mark.parametrize("name", ["hssayeni2020", "wang2020"])
def test_without_a_positive_slice_there_is_nothing_to_average(name: str) -> None:
    healthy = empty((8, 8, 3))
    for row in (
        score(healthy, healthy, MM, profile=name),
        score(healthy, ~healthy, MM, profile=name),
        score_missing(healthy, MM, profile=name),
    ):
        assert math.isnan(numbers(row, "dice")[0])
    assert numbers(score(healthy, ~healthy, MM, profile=name), *COUNTS) == [0, 0, 0, 0]


@pytest.mark.parametrize(("name", "zeros"), [("hssayeni2020", 1), ("wang2020", 4), ("spahr2023", 4)])
def test_a_missed_and_a_missing_case_score_nothing(name: str, zeros: int) -> None:
    reference, _ = slices()
    missing = score_missing(reference, MM, profile=name)
    assert [missing[count] for count in COUNTS] == [None] * 4
    assert numbers(missing, *PROFILES[name].columns)[:zeros] == [0.0] * zeros
    if name != "spahr2023":  # without ε an empty prediction is as bad; with it, precision is 1
        missed = score(reference, empty((256, 256, 4)), MM, profile=name)
        assert numbers(missed, *PROFILES[name].columns)[:zeros] == [0.0] * zeros


@pytest.mark.parametrize("name", PROFILES)
def test_a_perfect_mask_is_perfect_under_every_profile(name: str) -> None:
    reference, _ = slices()
    assert score(reference, reference, MM, profile=name)["dice"] == 1.0
