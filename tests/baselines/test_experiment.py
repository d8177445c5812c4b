"""One call trains, predicts and scores a method; stopped anywhere, the same call goes on."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import small_heads  # noqa: E402
from ich_bench.datasets import load_dataset  # noqa: E402
from ich_bench.errors import IchBenchError, UsageError  # noqa: E402
from ich_bench.folds import load_scheme  # noqa: E402
from ich_bench.predictions.manifest import read_tables  # noqa: E402
from ich_bench.runs.store import read_scores  # noqa: E402
from ich_bench.submissions.schema import check  # noqa: E402
from ich_bench.submissions.submit import submit  # noqa: E402
from ich_bench.volume import open_mask, read_ct  # noqa: E402
from ich_bench_baselines import experiment, manifest, pieces, segment, train  # noqa: E402
from ich_bench_baselines.experiment import jobs_of, run  # noqa: E402
from ich_bench_baselines.job import Job, folder, predictions_folder  # noqa: E402
from ich_bench_baselines.planned import planned  # noqa: E402
from ich_bench_baselines.spahr import cavity, icm  # noqa: E402
from ich_bench_baselines.spahr.cavity_report import lost, overlap  # noqa: E402

CV4 = load_scheme("phantom-mini")


@pytest.fixture(scope="module")
def heads() -> Path:
    return small_heads.mini()


@pytest.mark.slow
def test_a_run_of_two_folds_ends_in_scores_and_a_manifest_that_can_be_submitted(heads: Path, tmp_path: Path) -> None:
    done = run(small_heads.tiny_job(tmp_path / "out", heads), folds=[0, 1], seeds=[3])
    assert done.manifest == tmp_path / "out/unet-mixed/submission.toml"
    tables, problems = read_tables(done.manifest)
    assert not problems
    said, problems = check(tables or {})
    assert not problems
    assert (said.method, said.regime, said.seeds, said.training_data, said.external_data) == (
        *("unet-mixed", "cv", (3,), ("phantom-mini",), ()),
    )
    assert (said.supervision, said.labels_needed, said.checkpoint_selection) == ("supervised", ("voxel",), "last")
    assert said.baseline == ""  # of a smoke training no claim is tested
    hours = sum(
        float(row["seconds"]) / 3600
        for fold in (0, 1)
        for row in csv.DictReader(
            (tmp_path / f"out/unet-mixed/phantom-mini/cv4/seed_3/fold_{fold}/log.csv").read_text().splitlines()
        )
    )
    assert said.training_hours == pytest.approx(hours, rel=0.01)
    assert said.annotated_patients is not None
    assert 1 <= said.annotated_patients <= 9
    assert said.annotated_ml is not None
    assert said.annotated_ml > 0
    assert said.hardware
    assert done.scores is not None
    rows = read_scores(done.scores.path).to_pylist()
    tested = {*CV4.test_cases(0), *CV4.test_cases(1)}
    assert {row["case_id"] for row in rows} == tested
    assert {(row["seed"], row["status"]) for row in rows} == {(3, "scored")}
    made = submit([done.folder], "tiny", submissions=tmp_path / "submissions", predictions=done.folder)
    assert made.submission.manifest.method == "unet-mixed"
    assert done.submit_command == f"ich-bench submit {done.folder} --name ich-bench-unet-mixed"


@pytest.mark.slow
def test_a_run_stopped_before_its_scores_goes_on_without_training_or_predicting_again(
    heads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = small_heads.tiny_job(tmp_path / "out", heads)
    real = experiment.evaluate

    def stopped(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "evaluate", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(job, folds=[1])
    masks = {path.name: path.stat().st_mtime_ns for path in predictions_folder(replace(job, fold=1)).iterdir()}
    assert set(masks) == {f"{case}.nii.gz" for case in CV4.test_cases(1)}

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("trained or predicted again")

    monkeypatch.setattr(experiment, "evaluate", real)
    monkeypatch.setattr(train, "fit", never)
    monkeypatch.setattr("ich_bench_baselines.predict._write", never)
    done = run(job, folds=[1])
    assert done.scores is not None
    assert done.scores.scores.num_rows == len(masks)
    assert {path.name: path.stat().st_mtime_ns for path in predictions_folder(replace(job, fold=1)).iterdir()} == masks


@pytest.mark.slow
def test_the_row_with_icm_takes_the_plain_rows_checkpoint_and_only_removes_voxels_outside_the_cavity(
    heads: Path, tmp_path: Path
) -> None:
    job = small_heads.tiny_job(tmp_path, heads)
    run(job, folds=[0])
    plain = folder(job) / "last.ckpt"
    before = plain.read_bytes()
    cut = replace(job, method="unet-mixed-icm")
    done = run(cut, folds=[0])
    assert plain.read_bytes() == before
    assert not (folder(cut) / "last.ckpt").exists()
    own = replace(job, method="intracranial-cavity")
    model = cavity.load_cavity(folder(own) / "parts.json")
    for case in load_dataset("phantom-mini", heads).cases:
        if case.case_id in CV4.test_cases(0):
            masks = [open_mask(predictions_folder(one) / f"{case.case_id}.nii.gz").voxels() for one in (job, cut)]
            assert case.ct is not None
            assert np.array_equal(masks[1], masks[0] & model(read_ct(case.ct)))
    assert done.manifest is not None
    said, problems = check(read_tables(done.manifest)[0] or {})
    assert not problems
    assert said.labels_needed == ("voxel", "cavity")
    assert "drawn cavities of phantom-mini" in said.postprocessing
    assert said.external_data == ()
    judged = run(own, folds=[0])
    assert judged.scores is None
    assert {row.case_id for row in judged.cavity} == set(CV4.test_cases(0))
    assert all(0 <= row.dice <= 1 for row in judged.cavity)


def test_a_run_has_a_job_for_each_seed_and_fold_and_one_a_seed_where_it_was_trained_elsewhere() -> None:
    job = Job(method="unet-mixed", dataset="phantom-mini", out=Path("out"))
    assert [(one.seed, one.fold) for one in jobs_of(job, seeds=[0, 5], folds=[3, 1, 3])] == [
        *((0, 3), (0, 1), (5, 3), (5, 1)),
    ]
    assert len(jobs_of(job)) == 4
    elsewhere = replace(job, dataset="phantom-test", train_on="phantom-mini")
    assert [(one.seed, one.fold) for one in jobs_of(elsewhere, seeds=[0, 1])] == [(0, 0), (1, 0)]
    with pytest.raises(UsageError, match="has no fold 4"):
        jobs_of(job, folds=[4])


def test_cases_that_a_fold_may_be_tested_on_are_those_of_its_file() -> None:
    from ich_bench.cases import Case

    job = Job(method="unet-mixed", dataset="phantom-mini", out=Path("out"), fold=2)
    cases = [Case(case_id=row.case_id, patient_id=row.patient_id, ct=None, reference=None) for row in CV4.rows]
    assert {case.case_id for case in pieces.test_cases(job, cases)} == set(CV4.test_cases(2))
    elsewhere = replace(job, train_on="phantom", fold=0)
    assert len(pieces.test_cases(elsewhere, cases)) == 12
    with pytest.raises(IchBenchError, match="none of the test cases of fold 2"):
        pieces.test_cases(job, [])


def test_a_plan_without_data_says_what_is_not_known_and_draws_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ICH_BENCH_CACHE", str(tmp_path / "cache"))
    job = small_heads.tiny_job(tmp_path / "out")
    plan = planned(job, seeds=[0, 1])
    assert [(one.train_cases, one.test_cases, one.slices, one.steps, one.hours) for one in plan] == (
        [(9, 3, None, None, None)] * 8
    )
    assert not (tmp_path / "cache").exists()
    assert len(planned(replace(job, method="unet-mixed-icm"), folds=[0])) == 3


@pytest.mark.slow
def test_a_plan_counts_slices_and_steps_and_gives_hours_only_after_a_measured_training(
    heads: Path, tmp_path: Path
) -> None:
    job = small_heads.tiny_job(tmp_path / "out", heads, epochs=2)
    settings = experiment.method("unet-mixed").settings(job)
    slices = segment.trained_slices(job, settings.slices)
    (before,) = planned(job, folds=[0])
    count = len(segment.stream_of(job, slices, settings.slices))
    assert (before.slices, before.steps, before.hours) == (count, 2 * math.ceil(count / 4), None)
    segment.train_segmentation(job, settings)
    (after,) = planned(job, folds=[0])
    log = list(csv.DictReader((folder(job) / "log.csv").read_text().splitlines()))
    speed = np.median([float(row["slices_per_s"]) for row in log])
    assert after.hours == pytest.approx(2 * count / speed / 3600)


def test_hours_count_each_training_once_and_each_seed_alone(tmp_path: Path) -> None:
    trained = {}
    for seed, fold, seconds in ((0, 0, 1800), (0, 1, 1800), (1, 0, 5400), (1, 1, 1800)):
        job = Job(method="unet-mixed", dataset="phantom-mini", out=tmp_path, seed=seed, fold=fold)
        folder(job).mkdir(parents=True)
        (folder(job) / "log.csv").write_text(f"epoch,seconds\n1,{seconds / 2}\n2,{seconds / 2}\n")
        facts = {"machine": "a GPU", "annotated_patients": 8 + fold, "annotated_slices": 30, "annotated_ml": 100 + fold}
        (folder(job) / "about.json").write_text(json.dumps(facts))
        trained[job] = folder(job) / "last.ckpt"
    said = manifest.manifest(trained)
    assert said["training_hours"] == 1.5  # seed 0: 1 h, seed 1: 2 h
    assert (said["annotated_patients"], said["annotated_slices"], said["seeds"]) == (8.5, 30, [0, 1])
    assert said["annotated_ml"] == 100.5  # folds of 100 and 101 mL
    assert said["hardware"] == "a GPU"
    second = predictions_folder(Job(method="unet-mixed", dataset="phantom", out=tmp_path))
    second.mkdir(parents=True)
    both = manifest.manifest(trained)
    assert both["training_data"] == ["phantom", "phantom-mini"]
    assert not {"annotated_patients", "annotated_slices", "annotated_ml", "training_hours"} & set(both)
    assert "phantom, phantom-mini, each by itself" in both["about"]
    assert check(both)[1] == []
    assert said["baseline"] == "unet-mixed"
    assert check(said)[1] == []


def test_a_manifest_says_elsewhere_pool_and_schedule(tmp_path: Path) -> None:
    def said(**more: Any) -> dict[str, Any]:
        job = Job(**{"method": "unet-mixed", "dataset": "phantom-mini", "out": tmp_path, **more})
        return manifest.manifest({job: folder(job) / "last.ckpt"})

    other = said(train_on="phantom")
    assert (other["regime"], other["training_data"]) == ("from:phantom", ["phantom"])
    assert other["method"] == "unet-mixed-from-phantom"  # else it would supersede the one of the folds on the board
    pool = said(pool="phantom-pool:20")
    assert (pool["regime"], pool["external_data"]) == ("cv+external", ["phantom-pool"])
    smoke = said(schedule="smoke")
    assert "its scores say nothing about the method" in smoke["about"]
    assert "baseline" not in smoke
    assert "training_hours" not in smoke  # none was measured
    for one in (other, pool, smoke):
        assert check(one)[1] == []


def test_the_cavitys_dice_and_the_lost_share_are_those_counted_by_hand() -> None:
    known = np.zeros((4, 4, 1), bool)
    known[:2] = True  # 8 voxels
    found = np.zeros((4, 4, 1), bool)
    found[1:3] = True  # 8 voxels, 4 of them the same
    assert overlap(found, known) == 0.5
    assert lost(found, known) == 0.5
    assert math.isnan(overlap(found, None))
    assert math.isnan(lost(found, np.zeros((4, 4, 1), bool)))
    assert math.isnan(lost(found, None))


def test_which_cavity_goes_with_a_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(method="unet-mixed-icm", dataset="hssayeni", out=Path("out"), fold=4, budget="20-1")
    here: set[str] = set()
    monkeypatch.setattr(cavity, "has_cavities", lambda one: one.trained_dataset in here)
    assert cavity.cavity_job(job) is None
    assert icm.said(job)["labels_needed"] == ["voxel"]
    here.add("seg-cq500")
    own = cavity.cavity_job(job)
    assert own is not None
    assert (own.method, own.train_on, own.budget) == ("intracranial-cavity", "seg-cq500", None)
    assert icm.said(job)["external_data"] == ["seg-cq500"]
    assert "distilled" in icm.said(job)["postprocessing"]
    fold_by_fold = cavity.cavity_job(replace(job, dataset="seg-cq500"))
    assert fold_by_fold is not None
    assert (fold_by_fold.train_on, fold_by_fold.fold) == (None, 4)
    assert icm.said(replace(job, dataset="seg-cq500"))["external_data"] == []
