"""The table of metrics: every one has its fields, a value by hand, and a value in every row of the empty-mask table."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

import ich_bench
from ich_bench.errors import UsageError
from ich_bench.metrics.masks import Mask
from ich_bench.metrics.profiles import PROFILES
from ich_bench.metrics.suite import COLUMNS, METRICS, SUITE, score, score_missing

NAN = math.nan

# One pair for every metric, on a grid of 12 x 9 x 7 voxels of 1 x 1 x 10 mm (0.01 mL each).
# Reference: a bar of 2 voxels, x = 2, 3. Prediction: a bar of 3, x = 3, 4, 5. tp 1, fp 2, fn 1.
# Surface elements sit on the corners of voxels: 4 at each plane x = 2, 3, 4 and at x = 3, 4, 5, 6. At the ends of a bar
# one is a triangle: the vector (1x10, 1x10, 1x1)/8 has length √201/8 mm²; in between a strip: (0, 10, 1)/2 has √101/2.
# Distances from the reference: planes 2, 3, 4 -> 1, 0, 0 mm; from the prediction: planes 3, 4, 5, 6 -> 0, 0, 1, 2 mm.
SPACING = (1.0, 1.0, 10.0)
END, MIDDLE = 4 * math.sqrt(201) / 8, 4 * math.sqrt(101) / 2
AREA = (2 * END + MIDDLE) + (2 * END + 2 * MIDDLE)
HAND = {
    "dice": 3 / 6,  # (2 + 1)/(2 + 2 + 1 + 1)
    "precision": 2 / 4,  # (1 + 1)/(1 + 2 + 1)
    "recall": 2 / 3,  # (1 + 1)/(1 + 1 + 1)
    "iou": 2 / 5,  # (1 + 1)/(1 + 2 + 1 + 1)
    "nsd_2mm": 1.0,
    "nsd_1mm": (AREA - END) / AREA,  # all but plane 6 of the prediction
    "nsd_0p42mm": (2 * END + 2 * MIDDLE) / AREA,  # planes 3 and 4 of both
    "hd95": 2.0,  # from the prediction, only (END + 2 MIDDLE)/(2 END + 2 MIDDLE) = 87 % lie within 1 mm
    "hd100": 2.0,
    "assd": (END * 1 + MIDDLE * 1 + END * 2) / AREA,
    "rvd": 0.5,  # (3 - 2)/2
    "abs_rvd": 0.5,
    "volume_ref_ml": 0.02,
    "volume_pred_ml": 0.03,
    "abs_volume_error_ml": 0.01,
    "lesion_recall": 1.0,  # one of its two voxels is covered
    "lesion_precision": 1.0,  # two of its three lie in the reference dilated to x = 1 ... 4
    "false_lesions": 0,
    "detected": 1.0,
}

# The empty-mask table (traps 24 to 26). "ich" and "n": two bars of 10 voxels each, on a grid of 10 x 10 x 4
# voxels of 3 x 4 x 30 mm.
GRID, GRID_MM = (10, 10, 4), (3.0, 4.0, 30.0)
DIAGONAL = 130.0  # √(30² + 40² + 120²): 900 + 1600 + 14400 = 16900
ML = 20 * 0.36  # 20 voxels of 360 mm³
OVERLAP, NSD, DISTANCE = (
    ("dice", "precision", "recall", "iou"),
    ("nsd_2mm", "nsd_1mm", "nsd_0p42mm"),
    ("hd95", "hd100", "assd"),
)
UNDEFINED = dict.fromkeys((*DISTANCE, "rvd", "abs_rvd", "lesion_recall", "lesion_precision", "detected"), NAN)
EMPTY: dict[tuple[str, str], dict[str, float]] = {
    ("ich", "empty"): {
        "dice": 1 / 21,  # ε/(FN + ε)
        "precision": 1.0,
        "recall": 1 / 21,
        "iou": 1 / 21,
        **dict.fromkeys(NSD, 0.0),
        **dict.fromkeys(DISTANCE, DIAGONAL),
        "rvd": -1.0,
        "abs_rvd": 1.0,
        "volume_ref_ml": ML,
        "volume_pred_ml": 0.0,
        "abs_volume_error_ml": ML,
        "lesion_recall": 0.0,
        "lesion_precision": 0.0,
        "false_lesions": 0,
        "detected": 0.0,
    },
    ("healthy", "empty"): {
        **dict.fromkeys((*OVERLAP, *NSD), 1.0),
        **UNDEFINED,
        **dict.fromkeys(("volume_ref_ml", "volume_pred_ml", "abs_volume_error_ml"), 0.0),
        "false_lesions": 0,
    },
    ("healthy", "n"): {
        "dice": 1 / 21,  # 1/(n + 1)
        "precision": 1 / 21,
        "iou": 1 / 21,
        "recall": 1.0,
        **dict.fromkeys(NSD, 0.0),
        **UNDEFINED,
        "volume_ref_ml": 0.0,
        "volume_pred_ml": ML,
        "abs_volume_error_ml": ML,
        "false_lesions": 2,
    },
    ("ich", "n"): {
        # Two bars of ten against the same two bars: the row of the table that says "formula" and "computed".
        **dict.fromkeys((*OVERLAP, *NSD), 1.0),
        **dict.fromkeys((*DISTANCE, "rvd", "abs_rvd", "abs_volume_error_ml"), 0.0),
        "volume_ref_ml": ML,
        "volume_pred_ml": ML,
        **dict.fromkeys(("lesion_recall", "lesion_precision", "detected"), 1.0),
        "false_lesions": 0,
    },
}
COUNTS = {
    ("ich", "empty"): (0, 0, 20, 380),
    ("healthy", "empty"): (0, 0, 0, 400),
    ("healthy", "n"): (0, 20, 0, 380),
    ("ich", "n"): (20, 0, 0, 380),
}


def bars(*spans: tuple[int, int], shape: tuple[int, int, int] = (12, 9, 7), y: int = 5) -> Mask:
    mask = np.zeros(shape, dtype=bool)
    for start, stop in spans:
        mask[start:stop, y, 2] = True
    return mask


def table_mask(kind: str) -> Mask:
    mask = np.zeros(GRID, dtype=bool)
    if kind in ("ich", "n"):
        mask[:, 2, 1] = mask[:, 7, 1] = True
    return mask


def same(found: object, expected: object) -> bool:
    return bool(found == pytest.approx(expected, abs=1e-12, nan_ok=True))


def test_no_metric_is_forgotten_by_the_tests_of_this_file() -> None:
    assert list(HAND) == list(METRICS)
    for row in EMPTY.values():
        assert set(row) == set(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_the_value_worked_out_by_hand(name: str) -> None:
    found = score(bars((2, 4)), bars((3, 6)), SPACING)
    assert same(found[name], HAND[name])


def test_the_counts_are_those_of_the_whole_volume() -> None:
    found = score(bars((2, 4)), bars((3, 6)), SPACING)
    assert [found[name] for name in ("tp", "fp", "fn", "tn")] == [1, 2, 1, 12 * 9 * 7 - 4]


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("row", EMPTY, ids="-".join)
def test_every_cell_of_the_empty_mask_table(row: tuple[str, str], name: str) -> None:
    found = score(table_mask(row[0]), table_mask(row[1]), GRID_MM)
    assert same(found[name], EMPTY[row][name])
    assert tuple(found[count] for count in ("tp", "fp", "fn", "tn")) == COUNTS[row]


def test_a_healthy_volume_with_n_voxels_predicted_scores_one_over_n_plus_one() -> None:
    healthy = table_mask("healthy")
    for n in (1, 2, 7, 50):
        prediction = healthy.copy()
        prediction.reshape(-1)[:n] = True
        found = score(healthy, prediction, GRID_MM)
        assert same([found[name] for name in ("dice", "precision", "iou", "recall")], [1 / (n + 1)] * 3 + [1.0])


@pytest.mark.parametrize("name", METRICS)
def test_whether_a_value_is_defined_depends_on_the_reference_only(name: str) -> None:
    rng = np.random.default_rng(0)
    speck = np.zeros(GRID, dtype=bool)
    speck[0, 0, 0] = True
    predictions = [table_mask("healthy"), speck, table_mask("n"), rng.random(GRID) < 0.3, np.ones(GRID, dtype=bool)]
    for reference in (table_mask("healthy"), speck, table_mask("ich"), np.ones(GRID, dtype=bool)):
        for spacing in (GRID_MM, (0.3, 0.3, 0.3)):
            undefined = {math.isnan(score(reference, each, spacing)[name] or 0.0) for each in predictions}
            assert len(undefined) == 1


def test_a_missing_case_with_hemorrhage_gets_the_worst_values() -> None:
    expected: dict[str, float | None] = dict.fromkeys(("tp", "fp", "fn", "tn", "volume_pred_ml", "false_lesions"), None)
    expected |= dict.fromkeys((*OVERLAP, *NSD, "lesion_recall", "lesion_precision", "detected"), 0.0)
    expected |= dict.fromkeys(DISTANCE, DIAGONAL)
    expected |= {"rvd": -1.0, "abs_rvd": 1.0, "volume_ref_ml": ML, "abs_volume_error_ml": ML}
    found = score_missing(table_mask("ich"), GRID_MM)
    assert list(found) == list(score(table_mask("ich"), table_mask("ich"), GRID_MM))
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert (found[name] is None) if value is None else same(found[name], value), name


def test_a_missing_healthy_case_gets_zero_or_nothing() -> None:
    found = score_missing(table_mask("healthy"), GRID_MM)
    for name, value in found.items():
        if name in ("tp", "fp", "fn", "tn", "volume_pred_ml", "false_lesions"):
            assert value is None
        elif name in (*OVERLAP, *NSD, "volume_ref_ml"):
            assert value == 0.0
        else:
            assert math.isnan(value or 0.0), name


def test_values_are_python_numbers_in_the_order_of_the_score_file() -> None:
    found = score(bars((2, 4)), bars((3, 6)), SPACING)
    assert list(found) == ["tp", "fp", "fn", "tn", *METRICS]
    whole = {"tp", "fp", "fn", "tn", "false_lesions"}
    assert {name: type(value) for name, value in found.items()} == {
        name: int if name in whole else float for name in found
    }


def test_the_voxel_volume_defaults_to_the_product_of_the_spacings() -> None:
    mask = bars((2, 4))
    assert score(mask, mask, (0.5, 0.5, 5.0)) == score(mask, mask, (0.5, 0.5, 5.0), voxel_volume_mm3=1.25)


def test_an_unknown_profile_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'spahr'.*Did you mean spahr2023.*native.*wang2020"):
        score(bars((2, 4)), bars((2, 4)), SPACING, profile="spahr")
    with pytest.raises(UsageError, match="wang2020"):
        score_missing(bars((2, 4)), SPACING, profile="wang")


def test_score_is_a_library_call() -> None:
    assert ich_bench.score is score
    assert ich_bench.METRICS is METRICS
    assert ich_bench.SUITE == SUITE == 1


def test_metrics_stand_in_the_order_of_the_protocol() -> None:
    assert list(METRICS) == [
        "dice",
        "precision",
        "recall",
        "iou",
        "nsd_2mm",
        "nsd_1mm",
        "nsd_0p42mm",
        "hd95",
        "hd100",
        "assd",
        "rvd",
        "abs_rvd",
        "volume_ref_ml",
        "volume_pred_ml",
        "abs_volume_error_ml",
        "lesion_recall",
        "lesion_precision",
        "false_lesions",
        "detected",
    ]


@pytest.mark.parametrize("name", COLUMNS)
def test_every_metric_states_all_it_must(name: str) -> None:
    metric = COLUMNS[name]
    assert metric.name == name
    for field in ("title", "definition", "empty", "source"):
        assert getattr(metric, field).strip(), field
    assert metric.direction in ("higher", "lower", "zero", "none")
    assert metric.summary in ("mean", "median")
    assert metric.range[0] < metric.range[1]
    assert metric.ranked == (metric.reason == ""), "an unranked metric says why, a ranked one has no excuse"
    with pytest.raises(dataclasses.FrozenInstanceError):
        metric.ranked = True  # type: ignore[misc]


def test_ranks_come_from_dice_and_surface_dice_only() -> None:
    assert [name for name in COLUMNS if COLUMNS[name].ranked] == ["dice", "nsd_2mm"]


def test_only_false_lesions_is_a_whole_number() -> None:
    assert [name for name in COLUMNS if COLUMNS[name].integer] == ["false_lesions"]


@pytest.mark.parametrize("name", PROFILES)
def test_the_columns_of_a_profile_are_metrics_in_their_order(name: str) -> None:
    columns = PROFILES[name].columns
    assert list(columns) == [column for column in COLUMNS if column in columns]
    assert name != "native" or columns == tuple(METRICS)
    mask = bars((2, 4))
    assert list(score(mask, mask, SPACING, profile=name)) == ["tp", "fp", "fn", "tn", *columns]
    assert list(score_missing(mask, SPACING, profile=name)) == ["tp", "fp", "fn", "tn", *columns]


def test_every_column_belongs_to_a_profile() -> None:
    assert {column for profile in PROFILES.values() for column in profile.columns} == set(COLUMNS)
