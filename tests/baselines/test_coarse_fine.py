"""qayyum-coarse-fine: no coarse mask that the fine stage learns from, or is tested with, has seen the head it is of."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nnunetv2")

import small_heads  # noqa: E402
from ich_bench.cases import Case, Dataset  # noqa: E402
from ich_bench.datasets import load_dataset  # noqa: E402
from ich_bench.errors import IchBenchError, UsageError  # noqa: E402
from ich_bench.folds import load_scheme  # noqa: E402
from ich_bench.volume import read_ct  # noqa: E402
from ich_bench_baselines.anywhere import predict_anywhere  # noqa: E402
from ich_bench_baselines.job import Job, folder  # noqa: E402
from ich_bench_baselines.methods import method, qayyum_coarse_fine, reported  # noqa: E402
from ich_bench_baselines.parts import read_parts, seconds, trainings  # noqa: E402
from ich_bench_baselines.qayyum import coarse_fine  # noqa: E402
from ich_bench_baselines.qayyum.coarse import load_coarse  # noqa: E402
from ich_bench_baselines.qayyum.coarse_fine import inner_parts, others  # noqa: E402

CV4 = load_scheme("phantom-mini")
TRAINED, TESTED = set(CV4.train_cases(0)), set(CV4.test_cases(0))


@pytest.fixture(scope="module")
def heads() -> Path:
    return small_heads.mini()


@pytest.fixture(scope="module")
def cases(heads: Path) -> tuple[Case, ...]:
    return tuple(one for one in load_dataset("phantom-mini", heads).cases if one.case_id in TRAINED)


def job_of(out: Path, heads: Path, **more: Any) -> Job:
    return small_heads.tiny_job(out, heads, "qayyum-coarse-fine", **{"batch": 2, "side": 64, **more})  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def trained(heads: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Path, list[set[str]]]:
    """Train one fold, and note the cases of each coarse training."""
    job = job_of(tmp_path_factory.mktemp("both"), heads)
    real, seen = coarse_fine.train_coarse, []

    def noted(job: Job, *, cases: Any, to: Path, settings: Any) -> Path:
        seen.append(set(cases))
        return real(job, cases=cases, to=to, settings=settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coarse_fine, "train_coarse", noted)
        path = method("qayyum-coarse-fine").train(job)
    return job, path, seen


def test_each_coarse_mask_the_fine_stage_learns_from_is_of_a_network_that_has_not_seen_its_patient(
    trained: tuple[Job, Path, list[set[str]]],
) -> None:
    job, _, seen = trained
    assert len(seen) == 2  # the inner folds of smoke
    masked: set[str] = set()
    for number, fitted in enumerate(seen):
        home = folder(job) / f"coarse_inner_{number}" / "masks"
        held = {path.name.removesuffix(".nii.gz") for path in home.iterdir()}
        assert held == TRAINED - fitted
        assert not fitted & TESTED
        masked |= held
    assert masked == TRAINED
    assert set(json.loads((folder(job) / "fine/nnunet/given.json").read_text())["cases"]) == TRAINED
    described = json.loads((folder(job) / "fine/nnunet/dataset.json").read_text())
    assert described["channel_names"] == {"0": "CT", "1": "noNorm"}


def test_all_its_trainings_count_for_the_hours_and_the_coarse_one_is_that_of_qayyum_coarse(
    trained: tuple[Job, Path, list[set[str]]],
) -> None:
    job, path, _ = trained
    _, parts = read_parts(path)
    assert set(parts) == {"segmentation", "coarse", "coarse_inner_0", "coarse_inner_1"}
    assert Path(parts["coarse"]).resolve().parent == folder(replace(job, method="qayyum-coarse")).resolve()
    runs = trainings(path)
    assert len(runs) == 4
    assert all(seconds(run) > 0 for run in runs)
    with (folder(job) / "fine/log.csv").open() as lines:
        assert [row["epoch"] for row in csv.DictReader(lines)] == ["0", "1"]


def test_a_heads_mask_depends_on_its_coarse_mask(trained: tuple[Job, Path, list[set[str]]], heads: Path) -> None:
    both = method("qayyum-coarse-fine").load(trained[1], "cpu")
    case = next(one for one in load_dataset("phantom-mini", heads).cases if one.case_id in TESTED)
    assert case.ct is not None
    ct = read_ct(case.ct)
    assert both(ct).shape == small_heads.SHAPE
    _, parts = read_parts(trained[1])
    coarse = load_coarse(Path(parts["coarse"]))
    assert both.key.endswith(f" after {coarse.key}")
    assert both.probability is not None
    other = coarse_fine.load_nnunet(Path(parts["segmentation"]), second=lambda ct: ~coarse(ct))
    assert other.probability is not None
    assert not np.array_equal(both.probability(ct), other.probability(ct))
    with pytest.raises(IchBenchError, match="takes 2 channels"):
        coarse_fine.load_nnunet(Path(parts["segmentation"]))


def test_its_checkpoint_writes_a_folder_for_a_closed_challenge(
    trained: tuple[Job, Path, list[set[str]]], heads: Path, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    case = load_dataset("phantom-mini", heads).cases[0]
    assert case.ct is not None
    (closed / "A-17.nii.gz").write_bytes(case.ct.read_bytes())
    files, _ = predict_anywhere(trained[1].parent, str(closed), tmp_path / "masks")
    assert [path.name for path in files] == ["A-17.nii.gz"]


def test_given_again_it_trains_nothing_twice(
    trained: tuple[Job, Path, list[set[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, path, _ = trained
    before = {one: one.stat().st_mtime_ns for one in folder(job).rglob("*.ckpt")}
    monkeypatch.setattr("ich_bench_baselines.nnunet.process.run", lambda *_: pytest.fail("trained again"))
    monkeypatch.setattr("ich_bench_baselines.predict._write", lambda *_: pytest.fail("predicted again"))
    assert method("qayyum-coarse-fine").train(job) == path
    assert {one: one.stat().st_mtime_ns for one in folder(job).rglob("*.ckpt")} == before


def test_inner_folds_hold_each_patient_once_and_spread_those_with_ich(cases: tuple[Case, ...]) -> None:
    folds = inner_parts(cases, 3, seed=0)
    assert sorted(case.case_id for fold in folds for case in fold) == sorted(TRAINED)
    assert [len(fold) for fold in folds] == [3, 3, 3]  # nine cases
    with_ich = [sum(coarse_fine._has_ich(case) for case in fold) for fold in folds]
    assert max(with_ich) - min(with_ich) <= 1
    assert inner_parts(cases, 3, seed=0) == folds
    assert inner_parts(cases, 3, seed=1) != folds
    assert len(inner_parts(cases, 50, seed=0)) == 9


def test_two_scans_of_a_patient_are_held_out_together(cases: tuple[Case, ...]) -> None:
    twins = (*cases[:-1], replace(cases[-1], patient_id=cases[0].patient_id))
    folds = inner_parts(twins, 4, seed=0)
    [home] = [fold for fold in folds if cases[0] in fold]
    assert twins[-1] in home
    apart = tuple(case for case in home if case != twins[-1])  # a fold that splits the patient
    with pytest.raises(IchBenchError, match="kept apart as an inner fold"):
        others(twins, apart)


def test_a_single_patient_has_no_inner_folds(cases: tuple[Case, ...]) -> None:
    with pytest.raises(IchBenchError, match="need two patients"):
        inner_parts(cases[:1], 5, seed=0)


def test_a_test_case_in_the_training_part_is_refused(
    heads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(tmp_path, heads)
    dataset, guard = coarse_fine.training_part(job)
    whole = load_dataset("phantom-mini", heads)
    leaky: Dataset = replace(dataset, cases=(*dataset.cases, whole.case(sorted(TESTED)[0])))
    monkeypatch.setattr(coarse_fine, "training_part", lambda job: (leaky, guard))
    monkeypatch.setattr(coarse_fine, "train_coarse", lambda *_, **__: pytest.fail("trained on a test case"))
    with pytest.raises(IchBenchError, match="the test part of fold 0"):
        method("qayyum-coarse-fine").train(job)


def test_the_ablation_trains_nnunet_alone_in_a_folder_of_its_own(
    heads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def noted(job: Job, settings: Any, **more: Any) -> Path:
        asked.append((settings, more))
        return folder(job) / "last.ckpt"

    monkeypatch.setattr(qayyum_coarse_fine, "train_nnunet", noted)
    job = job_of(tmp_path, heads, options=(("stage", "nnunet-alone"),))
    assert "qayyum-coarse-fine-stage-nnunet-alone" in str(method("qayyum-coarse-fine").train(job))
    assert asked == [(qayyum_coarse_fine.settings(job).fine, {})]
    assert [row[0] for row in qayyum_coarse_fine.stages(job)] == ["fine"]
    assert qayyum_coarse_fine.said(job) == {"contamination": coarse_fine.CONTAMINATION}
    with pytest.raises(UsageError, match="leave --pool away"):
        method("qayyum-coarse-fine").train(replace(job, pool="rsna"))


def test_the_papers_patch_and_epochs_and_the_flat_patch_of_thick_slices(tmp_path: Path) -> None:
    job = Job(method="qayyum-coarse-fine", dataset="instance2022", out=tmp_path)
    fine = qayyum_coarse_fine.settings(job).fine
    assert (fine.patch, fine.epochs, fine.configuration) == ((128, 128, 128), 500, "3d_fullres")  # Sec. 2.3
    flat = qayyum_coarse_fine.settings(replace(job, options=(("patch", "planned"),)))
    assert (flat.fine.patch, flat.fine.batch_size, flat.fine.epochs, flat.inner_folds) == (None, None, 500, 5)
    assert [row[0] for row in qayyum_coarse_fine.stages(job)] == [
        *(f"coarse, inner fold {number}" for number in range(5)), "coarse", "fine",
    ]  # fmt: skip


def test_the_papers_numbers_stand_beside_the_method() -> None:
    assert any(row.metrics["dice"].text.startswith("0.65") for row in reported("qayyum-coarse-fine"))
