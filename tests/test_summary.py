"""What a score table becomes: cohorts, strata, runs, sensitivity lines."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from ich_bench.metrics.profiles import PROFILES
from ich_bench.metrics.suite import COLUMNS, METRICS, score
from ich_bench.tables.cohorts import Cohort
from ich_bench.tables.summary import RunSummary, summarise
from scored import row, scores


def only(rows: list[dict], **about: object) -> RunSummary:
    (run,) = summarise(scores(rows, **about)).runs
    return run


def ich(rows: list[dict], **about: object) -> Cohort:
    return only(rows, **about).cohort("ich")


HEALTHY_CLEAN = {"has_ich": False, "dice": 1.0, "fp": 0, "volume_pred_ml": 0.0, "status": "empty_prediction"}


def healthy_wrong(case_id: str, voxels: int, ml: float) -> dict:
    return row(case_id, has_ich=False, dice=1 / (voxels + 1), fp=voxels, volume_pred_ml=ml, status="scored")


@pytest.mark.parametrize("profile", PROFILES)
def test_no_table_is_too_small_to_be_summed_up(profile: str) -> None:
    tables = [[], [row("a", profile=profile)], [row("h", profile=profile, has_ich=False)]]
    for rows in tables:
        json.dumps(summarise(scores(rows, profile=profile)).as_dict(), allow_nan=False)


def test_each_cohort_has_its_own_n_and_mean() -> None:
    run = only([row("a", dice=0.5), row("b", dice=0.7), healthy_wrong("h", 3, 0.1)])
    means = {
        cohort.name: (cohort.volumes, cohort.metrics["dice"].n, cohort.metrics["dice"].mean) for cohort in run.cohorts
    }
    assert means == {
        "ich": (2, 2, pytest.approx(0.6)),
        "all": (3, 3, pytest.approx((0.5 + 0.7 + 0.25) / 3)),
        "healthy": (1, 1, 0.25),
    }
    assert run.cohort("ich").metrics["dice"].sd == pytest.approx(math.sqrt(2 * 0.1**2 / 1))


def test_a_metric_undefined_on_healthy_volumes_is_blank_in_all_not_the_mean_of_ich() -> None:
    run = only([row("a", hd95=10.0), row("h", **HEALTHY_CLEAN)])
    assert run.cohort("ich").metrics["hd95"].mean == 10
    assert run.cohort("all").metrics["hd95"].n == 0
    assert math.isnan(run.cohort("all").metrics["hd95"].mean)


def test_what_is_blank_in_all_is_what_score_leaves_undefined_on_a_healthy_volume() -> None:
    nothing = np.zeros((4, 4, 4), dtype=bool)
    something = nothing.copy()
    something[1, 1, 1] = True
    for prediction in (nothing, something):
        scored = score(nothing, prediction, (1.0, 1.0, 1.0))
        undefined = {name for name in METRICS if isinstance(scored[name], float) and math.isnan(scored[name])}
        assert undefined == {name for name in METRICS if "healthy: undefined" in COLUMNS[name].empty}


def test_clean_means_no_false_positive_voxel_and_a_missing_case_is_not_clean() -> None:
    missing = row("m", has_ich=False, dice=0.0, fp=None, volume_pred_ml=None, status="missing")
    healthy = only([row("a"), row("h", **HEALTHY_CLEAN), healthy_wrong("w", 1, 0.4), missing]).cohort("healthy")
    assert healthy.clean is not None
    assert (healthy.clean.count, healthy.clean.n) == (1, 3)
    assert healthy.missing == 1
    assert healthy.false_positives is not None
    # of 0 and 0.4 mL: the median is 0.2, the 95th percentile lies at 0.95 of the way
    assert healthy.false_positives.n == 2
    assert healthy.false_positives.median_ml == pytest.approx(0.2)
    assert healthy.false_positives.p95_ml == pytest.approx(0.38)


def test_training_runs_are_averaged_per_volume_first_and_keep_their_own_spread() -> None:
    rows = [
        row("a", seed=0, dice=0.2),
        row("b", seed=0, dice=0.6),
        row("a", seed=1, dice=0.4),
        row("b", seed=1, dice=1.0),
    ]
    cohort = ich(rows)
    dice = cohort.metrics["dice"]
    assert (cohort.volumes, cohort.predictions, dice.n) == (2, 4, 2)
    assert dice.mean == pytest.approx(0.55)  # of 0.3 and 0.8
    assert dice.sd == pytest.approx(0.5 / math.sqrt(2))
    assert dice.seed_sd == pytest.approx(0.3 / math.sqrt(2))  # of the runs' means 0.4 and 0.7


def test_one_training_run_has_no_spread_between_runs() -> None:
    assert math.isnan(ich([row("a", seed=3), row("b", seed=3)]).metrics["dice"].seed_sd)


def test_a_case_predicted_once_per_fold_counts_once() -> None:
    rows = [row("a", fold=fold, dice=dice) for fold, dice in enumerate((0.1, 0.2, 0.3, 0.4))] + [row("b", dice=0.75)]
    dice = ich(rows).metrics["dice"]
    assert (dice.n, dice.mean) == (2, pytest.approx(0.5))  # of 0.25 and 0.75


def test_budgets_are_summed_up_apart() -> None:
    runs = summarise(scores([row("a", budget="10-0", dice=0.2), row("a", budget="50-0", dice=0.6)])).runs
    assert [(run.budget, run.cohort("ich").metrics["dice"].mean) for run in runs] == [("10-0", 0.2), ("50-0", 0.6)]


def test_precision_of_non_empty_predictions_leaves_the_empty_ones_out_and_counts_them() -> None:
    cohort = ich([row("a", precision=0.5), row("b", precision=1.0, status="empty_prediction")])
    assert cohort.metrics["precision"].mean == 0.75
    assert cohort.precision_nonempty is not None
    assert (cohort.precision_nonempty.n, cohort.precision_nonempty.mean) == (1, 0.5)
    assert (cohort.empty, cohort.predictions) == (1, 2)


def test_a_missing_mask_detects_nothing_and_is_on_the_wrong_side_of_30_ml() -> None:
    missing = row(
        "m", detected=0.0, volume_ref_ml=1.0, volume_pred_ml=None, false_lesions=None, fp=None, status="missing"
    )
    cohort = ich([row("a", volume_ref_ml=30.0, volume_pred_ml=2.0), missing])
    assert cohort.detected is not None
    assert (cohort.detected.count, cohort.detected.n) == (1, 2)
    assert cohort.same_side_of_30_ml is not None
    assert (cohort.same_side_of_30_ml.count, cohort.same_side_of_30_ml.n) == (1, 2)
    assert cohort.volume_agreement is not None
    assert (cohort.volume_agreement.n, cohort.volume_agreement.bias_ml) == (1, -28)


def test_exactly_30_ml_is_not_above_the_threshold() -> None:
    cohort = ich(
        [row("a", volume_ref_ml=30.0, volume_pred_ml=30.1), row("b", volume_ref_ml=31.0, volume_pred_ml=300.0)]
    )
    assert cohort.same_side_of_30_ml is not None
    assert cohort.same_side_of_30_ml.count == 1


def test_patients_are_called_positive_when_any_of_their_masks_is_not_empty() -> None:
    rows = [
        row("a", patient_id="p", status="empty_prediction"),
        row("b", patient_id="p"),
        row("c", patient_id="q", status="empty_prediction"),
        row("h", **HEALTHY_CLEAN),
        healthy_wrong("w", 1, 0.1),
        healthy_wrong("v", 2, 0.1),
    ]
    cohort = only(rows).cohort("all")
    assert cohort.sensitivity is not None
    assert cohort.specificity is not None
    assert (cohort.sensitivity.count, cohort.sensitivity.n) == (1, 2)
    assert (cohort.specificity.count, cohort.specificity.n) == (1, 3)


def test_without_negatives_there_is_no_sensitivity_and_no_specificity() -> None:
    cohort = only([row("a")]).cohort("all")
    assert cohort.sensitivity is None
    assert cohort.specificity is None


def test_strata_meet_without_gap_or_overlap_and_hold_volumes_with_ich_only() -> None:
    sizes = (0.99, 1.0, 4.99, 5.0, 30.0, 30.01)
    rows = [
        row(f"v{number}", volume_ref_ml=ml, spacing_z_mm=2.0 if number else 1.99) for number, ml in enumerate(sizes)
    ]
    strata = {part.name: part.volumes for part in only([*rows, row("h", **HEALTHY_CLEAN)]).strata}
    assert strata == {"< 1 mL": 1, "1–5 mL": 2, "5–30 mL": 2, "> 30 mL": 1, "thin (< 2 mm)": 1, "thick (≥ 2 mm)": 5}


def test_subtypes_may_overlap_and_those_nobody_labelled_are_no_stratum() -> None:
    rows = [row("a", iph=True, ivh=True, dice=0.2), row("b", iph=True, ivh=False, dice=0.4), row("c")]
    strata = {part.name: part for part in only(rows).strata if part.by == "subtype"}
    assert {name: part.volumes for name, part in strata.items()} == {"iph": 2, "ivh": 1}
    assert strata["iph"].metrics["dice"].mean == pytest.approx(0.3)


def test_fold_means_are_shown_with_their_volumes() -> None:
    rows = [
        row("a", dice=0.2, volume_ref_ml=4.0),
        row("b", dice=0.4, volume_ref_ml=8.0),
        row("h", fold=1, **HEALTHY_CLEAN),
    ]
    first, second = only(rows).folds
    assert (first.fold, first.n, first.dice, first.median_volume_ref_ml) == (0, 2, pytest.approx(0.3), 6.0)
    assert (second.fold, second.n) == (1, 0)
    assert math.isnan(second.dice)


def test_the_lowest_cases_come_with_their_reason() -> None:
    rows = [row("a", dice=0.5), row("b", dice=0.1, status="empty_prediction"), row("c", dice=0.0, status="missing")]
    assert [(low.case_id, low.reason) for low in only(rows).lowest] == [
        ("c", "missing"),
        ("b", "empty prediction"),
        ("a", ""),
    ]


@pytest.mark.parametrize(
    ("dataset", "odd"), [("hssayeni", "070"), ("seg-cq500", "CQ500-CT-108"), ("instance2022", "052")]
)
def test_each_real_dataset_gets_a_line_without_its_oddity(dataset: str, odd: str) -> None:
    rows = [
        row(odd, dataset=dataset, dice=0.0),
        row("x", dataset=dataset, dice=0.5),
        row("y", dataset=dataset, dice=0.7),
    ]
    line = only(rows).sensitivity[0]
    assert (line.left_out, line.metric) == (odd, "dice")
    assert (line.with_case.n, line.with_case.mean) == (3, pytest.approx(0.4))
    assert (line.without.n, line.without.mean) == (2, pytest.approx(0.6))


def test_there_is_no_sensitivity_line_where_the_oddity_was_not_scored() -> None:
    assert only([row("049", dataset="hssayeni")]).sensitivity == ()
    assert only([row("052", dataset="hssayeni")]).sensitivity == ()


def test_instance_means_over_an_infinite_distance_are_infinite_and_json_says_so() -> None:
    rows = [row("a", profile="instance2022", hd100=math.inf), row("b", profile="instance2022", hd100=1.0)]
    summary = summarise(scores(rows, profile="instance2022"))
    assert summary.runs[0].cohort("ich").metrics["hd100"].mean == math.inf
    told = summary.as_dict()["runs"][0]["cohorts"][0]["metrics"]["hd100"]
    assert (told["mean"], told["sd"]) == ("inf", None)


def test_wang_pools_counts_per_fold_and_takes_the_mean_over_folds() -> None:
    def wang(case_id: str, fold: int, tp: int, fp: int, fn: int, per_slice: float, slices: int) -> dict:
        given = {"tp": tp, "fp": fp, "fn": fn, "dice_slice_mean": per_slice, "iou_slice_mean": per_slice}
        return row(case_id, profile="wang2020", fold=fold, positive_slices=slices, **given)

    healthy = row("h", profile="wang2020", has_ich=False, fp=1000, dice_slice_mean=math.nan, positive_slices=0)
    rows = [wang("a", 0, 1, 1, 0, 0.5, 1), wang("b", 0, 3, 1, 2, 0.9, 3), wang("c", 1, 1, 0, 0, 1.0, 2), healthy]
    run = only(rows, profile="wang2020")
    assert run.pooled is not None
    # fold 0: tp 4, fp 2, fn 2: Dice 8/12, Jaccard 4/8; fold 1: 1 and 1
    assert run.pooled.dice == pytest.approx((8 / 12 + 1) / 2)
    assert run.pooled.jaccard == pytest.approx((4 / 8 + 1) / 2)
    # slices of fold 0: (1·0.5 + 3·0.9)/4 = 0.8; of fold 1: 1
    assert run.pooled.slice_mean_dice == pytest.approx(0.9)
    assert (run.pooled.runs, run.pooled.slices) == (2, 6)
    assert [cohort.name for cohort in run.cohorts] == ["ich"]


def test_wang_without_the_counts_of_a_missing_case_is_undefined_not_flattering() -> None:
    missing = row("m", profile="wang2020", tp=None, fp=None, fn=None, tn=None, dice=0.0, status="missing")
    run = only([row("a", profile="wang2020"), missing], profile="wang2020")
    assert run.pooled is not None
    assert math.isnan(run.pooled.dice)


def test_a_case_that_the_authors_left_out_does_not_count() -> None:
    cohort = ich(
        [row("070", profile="hssayeni2020", dice=math.nan), row("071", profile="hssayeni2020", dice=0.4)],
        profile="hssayeni2020",
    )
    assert (cohort.volumes, cohort.metrics["dice"].n, cohort.metrics["dice"].mean) == (2, 1, 0.4)


def test_the_summary_says_what_the_score_file_says_of_itself() -> None:
    told = summarise(scores([row("a")], status="partial", folds=[1], warnings=["w"], cases_absent=["b"])).as_dict()
    assert (told["status"], told["folds"], told["warnings"], told["cases_absent"]) == ("partial", [1], ["w"], ["b"])
