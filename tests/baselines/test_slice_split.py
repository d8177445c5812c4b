"""Wang's leaky split of slices: no slice is predicted by a model that saw it, and it is marked so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ich_bench.errors import IchBenchError, UsageError  # noqa: E402
from ich_bench.folds.slices import deal_slices  # noqa: E402
from ich_bench.phantom.layouts import hssayeni  # noqa: E402
from ich_bench.runs.store import provenance  # noqa: E402
from ich_bench.submissions.schema import check as check_manifest  # noqa: E402
from ich_bench.volume import read_ct  # noqa: E402
from ich_bench_baselines.data.guard import Guard  # noqa: E402
from ich_bench_baselines.data.loader import Pool  # noqa: E402
from ich_bench_baselines.experiment import run  # noqa: E402
from ich_bench_baselines.job import Job, check, folder, predictions_folder  # noqa: E402
from ich_bench_baselines.methods import wang_supervised  # noqa: E402
from ich_bench_baselines.parts import read_parts  # noqa: E402
from ich_bench_baselines.predict import Predictor  # noqa: E402
from ich_bench_baselines.segment import trained_slices  # noqa: E402
from ich_bench_baselines.wang import slice_split  # noqa: E402
from ich_bench_baselines.wang import training as wang_train  # noqa: E402

SHAPE = (48, 40, 8)


@pytest.fixture(scope="module")
def download(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hssayeni.write(tmp_path_factory.mktemp("download"), shape=SHAPE)


def job_of(download: Path, out: Path, **more: Any) -> Job:
    given: dict[str, Any] = {
        "method": "wang-supervised",
        "dataset": "hssayeni",
        "scheme": "wang-slices",
        "out": out,
        "data": download,
        "schedule": "smoke",
        "width": 4,
        "side": 32,
        "epochs": 1,
        "batch": 4,
    }
    return Job(**given | more)


@pytest.mark.parametrize(("labels", "models", "seen"), [("80", 5, 0.8), ("50", 2, 0.5), ("20", 5, 0.2)])
def test_every_slice_is_predicted_by_a_model_that_never_saw_it(
    download: Path, tmp_path: Path, labels: str, models: int, seen: float
) -> None:
    job = job_of(download, tmp_path, options=(("labels", labels),))
    index = trained_slices(job, wang_supervised.settings(job).slices).index
    streams = slice_split.streams(job, index)
    dealt = slice_split.dealt(job, index)
    positive = index.loc[index["any"].astype(bool)]
    assert list(streams) == [f"slices_{number}" for number in range(models)]
    assert sum(len(own) for own in dealt.values()) == len(positive)
    for case_id, k, slice_id in zip(positive["case_id"], positive["k"], positive["slice_id"], strict=True):
        stream = streams[f"slices_{dealt[case_id][str(k)]}"]
        assert slice_id not in set(index["slice_id"].iloc[stream.rows])
        assert slice_id in stream.guard.slices
    for stream in streams.values():
        assert index["any"].iloc[stream.rows].all()
        assert abs(len(stream) / len(positive) - seen) < 2 / len(positive)
        assert stream.guard.cases == stream.guard.patients == frozenset()


def test_the_folds_of_slices_are_the_harnesss_own(download: Path, tmp_path: Path) -> None:
    from ich_bench.datasets import hssayeni as reader

    job = job_of(download, tmp_path)
    index = trained_slices(job, wang_supervised.settings(job).slices).index
    marked = reader.slice_labels(download)
    positive = {case: [k for k, flags in own.items() if any(flags.values())] for case, own in marked.items()}
    wanted = deal_slices(positive, folds=5)
    found = slice_split.dealt(job, index)
    assert {(case, int(k)): fold for case, own in found.items() for k, fold in own.items()} == wanted


def test_a_batch_with_a_slice_that_is_tested_is_refused(download: Path, tmp_path: Path) -> None:
    job = job_of(download, tmp_path)
    slices = trained_slices(job, wang_supervised.settings(job).slices)
    streams = slice_split.streams(job, slices.index)
    wrong = replace(streams["slices_0"], rows=streams["slices_1"].rows, positive=streams["slices_1"].positive)
    with pytest.raises(IchBenchError, match=r"kept apart as the test slices of fold 0 of hssayeni/wang-slices"):
        list(Pool.on("cpu", slices, wrong).epoch(0, 8, seed=0))


def test_one_mask_a_case_is_put_together_slice_by_slice(tmp_path: Path, download: Path) -> None:
    """Model 0 marks nothing, model 1 everything: what is marked is what model 1 predicts."""
    from ich_bench.datasets import load_dataset
    from ich_bench_baselines.parts import write_parts

    case = next(one for one in load_dataset("hssayeni", download).cases if one.case_id == "050")
    assert case.ct is not None
    ct = read_ct(case.ct)

    def load(path: Path, device: str) -> Predictor:
        full = path.parent.name == "slices_1"
        return Predictor(key=path.parent.name, about={}, mask=lambda ct: np.full(ct.geometry.shape, full))

    parts: Mapping[str, Path | str] = {f"slices_{n}": tmp_path / f"slices_{n}/last.ckpt" for n in range(2)}
    path = write_parts(tmp_path, "wang-supervised", parts, {"dealt": {"050": {"2": 0, "3": 1, "4": 1}}})
    whole = slice_split.load_any(path, load)
    # slices 2, 3, 4 as dealt; the others, seen by nobody, by their number: odd ones from model 1
    assert whole(ct, "050").any(axis=(0, 1)).tolist() == [False, True, False, True, True, True, False, True]
    # a head that is no case of the dataset: odd slices
    assert whole(ct).any(axis=(0, 1)).tolist() == [False, True] * 4
    assert whole.key == "slices_0 + slices_1"


def test_a_run_is_marked_leaky_everywhere_and_lies_in_a_submission_of_its_own(download: Path, tmp_path: Path) -> None:
    job = job_of(download, tmp_path)
    done = run(job)
    assert done.folder == tmp_path / "wang-supervised-by-slices"
    (path,) = done.checkpoints.values()
    about, parts = read_parts(path)
    assert about["leaky"] is True
    assert sorted(parts) == [f"slices_{number}" for number in range(5)]
    assert len(list(predictions_folder(job).glob("*.nii.gz"))) == len(hssayeni.CASES)
    assert done.scores is not None
    assert provenance(done.scores.scores)["leaky"] is True
    assert done.manifest is not None
    import tomllib

    said = tomllib.loads(done.manifest.read_text("utf-8"))
    assert check_manifest(said)[1] == []
    assert said["test_data_seen"] == "yes"
    assert "Slices of one head are trained and tested on" in said["contamination"]
    assert said["label_fraction_percent"] == 80
    checkpoints = sorted(folder(job).glob("slices_*/last.ckpt"))
    before = [one.stat().st_mtime_ns for one in checkpoints]
    run(job)
    assert [one.stat().st_mtime_ns for one in checkpoints] == before


def test_in_a_training_each_model_is_shown_its_own_slices_alone(
    download: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: dict[str, Counter[str]] = {}
    real = Guard.hand_out

    def noted(self: Guard, case_ids: Any, patient_ids: Any, slice_ids: Any) -> None:
        kept = list(slice_ids)
        shown.setdefault(self.where, Counter()).update(kept)
        real(self, case_ids, patient_ids, kept)

    monkeypatch.setattr(Guard, "hand_out", noted)
    job = job_of(download, tmp_path, options=(("labels", "50"),))
    wang_supervised.train(job)
    one, other = (set(found) for found in shown.values())
    assert one
    assert other
    assert not one & other
    assert folder(job) == tmp_path / "wang-supervised-labels-50-by-slices/hssayeni/wang-slices/seed_0/fold_0"


def test_what_does_not_go_with_the_split_is_told_in_words(download: Path, tmp_path: Path) -> None:
    check(job_of(download, tmp_path))
    with pytest.raises(UsageError, match="only tested on"):
        check(job_of(download, tmp_path, method="unet-mixed"))
    with pytest.raises(UsageError, match=r"name --option labels=50 or 20"):
        check(job_of(download, tmp_path, budget="20-1"))
    by_patients = job_of(download, tmp_path, scheme="lf80", options=(("labels", "20"),))
    with pytest.raises(UsageError, match=r"labels=20 goes with --scheme wang-slices.*lf20"):
        wang_train.train_wang(by_patients, wang_supervised.settings(by_patients), "supervised")


def test_label_fractions_of_patients_train_on_the_frozen_folds(tmp_path: Path) -> None:
    """lf20 trains on fold k itself and predicts all others; lf80 the reverse."""
    from ich_bench.folds import load_scheme
    from ich_bench_baselines.job import training_cases

    for name, trains_on_fold in (("lf80", False), ("lf50", False), ("lf20", True)):
        scheme = load_scheme("hssayeni", name)
        for fold in scheme.folds:
            job = job_of(tmp_path, tmp_path, scheme=name, fold=fold)
            mine = {row.case_id for row in scheme.rows if (row.fold == fold) == trains_on_fold}
            assert set(training_cases(job)) == mine
            assert not mine & set(scheme.test_cases(fold))


def test_the_semi_supervised_training_reads_the_split_too(
    download: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tiny_pool
    from ich_bench_baselines.methods import chen_alternating

    found = tiny_pool.use(monkeypatch, tmp_path / "pool")
    monkeypatch.setattr(wang_train, "build", lambda plan, **_: found)
    options = (("labels", "50"),)
    job = job_of(download, tmp_path, method="chen-alternating", pool="phantom-pool:1", options=options)
    _, parts = read_parts(chen_alternating.train(job))
    assert sorted(parts) == ["slices_0", "slices_1"]
    assert chen_alternating.said(job)["label_fraction_percent"] == 50
