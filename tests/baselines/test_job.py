"""A job names one training and one folder; what there is not is refused before anything is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from ich_bench.errors import UsageError
from ich_bench.folds import load_budget, load_scheme
from ich_bench.predictions.listing import list_masks
from ich_bench_baselines import job as jobs
from ich_bench_baselines.job import Job

OUT = Path("out")


def job(**more: Any) -> Job:
    return Job(**{"method": "unet-mixed", "dataset": "phantom", "out": OUT, **more})


def test_a_training_lies_in_one_folder_by_method_dataset_scheme_budget_seed_and_fold() -> None:
    assert jobs.folder(job(fold=2, seed=7)) == OUT / "unet-mixed/phantom/cv5/seed_7/fold_2"
    assert jobs.folder(job(budget="20-1")) == OUT / "unet-mixed/phantom/cv5/budget-20-1/seed_0/fold_0"
    assert jobs.folder(job(dataset="phantom-test", train_on="phantom")) == OUT / "unet-mixed/phantom/all/seed_0"


def test_masks_lie_where_evaluate_looks_for_their_scheme_budget_seed_and_fold(tmp_path: Path) -> None:
    one = job(out=tmp_path, fold=3, seed=4, budget="10-2")
    mask = jobs.predictions_folder(one) / "phantom-000.nii.gz"
    mask.parent.mkdir(parents=True)
    mask.write_bytes(b"")
    (found,) = list_masks(jobs.submission_folder(one), dataset="phantom", scheme=load_scheme("phantom")).masks
    assert (found.scheme, found.budget, found.seed, found.fold, found.rest) == ("cv5", "10-2", 4, 3, "phantom-000")


def test_masks_of_a_model_trained_elsewhere_go_to_a_submission_of_their_own() -> None:
    one = job(dataset="phantom-test", train_on="phantom")
    assert jobs.submission_folder(one) == OUT / "unet-mixed-from-phantom"
    assert jobs.predictions_folder(one).relative_to(jobs.submission_folder(one)).parts[1:] == (
        *("phantom-test", "external", "seed_0"),
    )


def test_a_model_trained_elsewhere_sees_all_cases_of_there() -> None:
    one = job(dataset="phantom-test", train_on="phantom")
    scheme, fold = jobs.trained(one)
    assert scheme.test_cases(fold) == ()
    assert set(jobs.training_cases(one)) == {row.case_id for row in load_scheme("phantom").rows}


def test_an_option_other_than_the_usual_one_names_a_submission_of_its_own() -> None:
    plain = job(method="local-contrastive", options=(("aligned", "no"),))
    other = job(method="local-contrastive", options=(("aligned", "yes"),))
    assert (jobs.choice(plain, "aligned"), jobs.choice(other, "aligned")) == ("no", "yes")
    assert jobs.submission_folder(plain) == OUT / "local-contrastive"
    assert jobs.submission_folder(other) == OUT / "local-contrastive-aligned-yes"
    assert jobs.folder(other) == OUT / "local-contrastive-aligned-yes/phantom/cv5/seed_0/fold_0"


def test_a_budget_is_the_frozen_one() -> None:
    assert jobs.training_cases(job(budget="20-1", fold=3)) == load_budget("phantom", "cv5", 3, 20, 1)
    assert jobs.training_cases(job(fold=3)) == load_scheme("phantom").train_cases(3)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"dataset": "phantm"}, "Did you mean phantom?"),
        ({"dataset": "phantom-pool"}, "is a pool"),
        ({"fold": 5}, "has no fold 5; it has 0, 1, 2, 3, 4"),
        ({"budget": "30-0"}, "such as 20-1"),
        ({"budget": "half"}, "such as 20-1"),
        ({"schedule": "fast"}, "no schedule 'fast'"),
        ({"variant": "ours"}, "no variant 'ours'"),
        ({"precision": "fp8"}, "no precision 'fp8'"),
        ({"batch": 0}, "--batch 0"),
        ({"side": 100}, "multiples of 16"),
        ({"width": 5}, "even number"),
        ({"seed": -1}, "--seed -1"),
        ({"options": (("aligned", "yes"),)}, "no options of its own"),
        ({"method": "local-contrastive", "options": (("alligned", "yes"),)}, "Did you mean aligned?"),
        ({"method": "local-contrastive", "options": (("aligned", "maybe"),)}, "knows no, yes"),
        ({"method": "local-contrastive", "options": (("aligned", "yes"), ("aligned", "no"))}, "given twice"),
        ({"dataset": "phantom-test"}, "only tested on"),
        ({"train_on": "phantom"}, "is the dataset itself"),
        ({"train_on": "phantom-test"}, "nothing may be trained on it"),
        ({"train_on": "phantom-mini", "budget": "20-1"}, "--budget"),
    ],
)
def test_what_there_is_not_is_refused_in_words(more: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as fault:
        jobs.check(job(**more))
    assert words in str(fault.value)


def test_a_job_that_there_is_passes() -> None:
    jobs.check(job(budget="50-2", fold=4))
    jobs.check(job(dataset="cq500-negative", train_on="phantom"))
