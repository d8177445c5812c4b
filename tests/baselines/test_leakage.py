"""The leakage study: four cells of one U-Net, resumable, and never a submission."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import small_heads  # noqa: E402
from ich_bench.errors import IchBenchError, UsageError  # noqa: E402
from ich_bench.folds import load_scheme  # noqa: E402
from ich_bench_baselines import train  # noqa: E402
from ich_bench_baselines.data.loader import Pool  # noqa: E402
from ich_bench_baselines.job import Job  # noqa: E402
from ich_bench_baselines.methods import unet_ich_only  # noqa: E402
from ich_bench_baselines.parts import about_of  # noqa: E402
from ich_bench_baselines.segment import trained_slices  # noqa: E402
from ich_bench_baselines.studies import leakage  # noqa: E402
from ich_bench_baselines.studies.leakage import CHOSEN, SPLITS, dice_of, mean_dice, sides, study  # noqa: E402


@pytest.fixture(scope="module")
def heads() -> Path:
    return small_heads.mini()


@pytest.fixture
def job(heads: Path, tmp_path: Path) -> Job:
    found: Job = small_heads.tiny_job(tmp_path / "out", heads, "unet-ich-only", epochs=3)
    return found


def slices_of(job: Job) -> Any:
    return trained_slices(job, unet_ich_only.settings(job).slices)


def test_mean_dice_by_hand() -> None:
    # 2 of 3 + 1 pixels shared once: 2·1/(3 + 1) = 0.5; nothing shared: 0; the same two pixels: 1
    assert mean_dice([(2, 3, 1), (0, 5, 2), (4, 2, 2)]) == pytest.approx(0.5)


def test_the_counts_of_a_network_that_marks_all_that_is_bright_are_those_of_numpy(tmp_path: Path) -> None:
    images, masks = np.zeros((3, 8, 8), np.uint8), np.zeros((3, 8, 8), np.uint8)
    images[0, :2, :2], masks[0, :2, :4] = 200, 1  # 4 marked, 8 true, 4 shared
    images[1, 5, 5], masks[1, 0, 0] = 200, 1  # 1, 1, none
    images[2, :, :], masks[2, 0, :] = 200, 1  # 64, 8, 8
    slices = small_heads.crafted_slices(tmp_path, images, masks, ["a", "b", "c"])
    network = torch.nn.Conv2d(1, 1, 1)
    torch.nn.init.constant_(network.weight, 1.0)
    torch.nn.init.constant_(network.bias, -0.5)
    assert dice_of(network, slices, np.array([0, 2, 1]), "cpu") == [(8, 4, 8), (16, 64, 8), (0, 1, 1)]


def test_both_splits_test_the_same_slices_once_each_and_train_on_none_of_them(job: Job) -> None:
    slices = slices_of(job)
    patients = slices.index["patient_id"].to_numpy(str)
    tested: dict[str, list[int]] = {}
    shared = {}
    for split in SPLITS:
        shared[split] = 0
        for fold in load_scheme("phantom-mini").folds:
            stream, rows = sides(slices, replace(job, fold=fold), split)
            tested.setdefault(split, []).extend(rows.tolist())
            assert not set(stream.rows) & set(rows)
            shared[split] += len(set(patients[stream.rows]) & set(patients[rows]))
            assert slices.index["has_ich"].iloc[stream.rows].all()
            wrong = replace(stream, rows=rows, positive=np.ones(len(rows), bool))
            with pytest.raises(IchBenchError, match="kept apart"):
                list(Pool.on("cpu", slices, wrong).epoch(0, 8, seed=0))
    ich = [row for row in range(len(slices)) if slices.masks[row].any()]
    assert sorted(tested["patients"]) == sorted(tested["slices"]) == ich
    assert shared["patients"] == 0
    assert shared["slices"] > 0  # which is the leak


def test_the_four_cells_are_written_marked_and_not_trained_twice(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    real = train.fit

    def stopped(*given: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return real(*given, **more)

    monkeypatch.setattr(train, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        study(job, folds=[0, 1])
    assert not list(job.out.rglob("leakage.csv"))
    said: list[str] = []
    found = study(job, folds=[0, 1], stage=said.append)
    assert calls == 5  # two folds of the patients were done; one of slices is trained again, and the last
    assert said[0] == "split by patients · seed 0 · fold 0 (1/2)"
    assert [(cell.split, cell.checkpoint) for cell in found.cells] == [(a, b) for a in SPLITS for b in CHOSEN]
    rows = list(csv.DictReader(found.path.read_text("utf-8").splitlines()))
    assert [row["leaks"] for row in rows] == [
        "none",
        "checkpoint chosen on the test fold",
        "slices of one head on both sides",
        "slices of one head on both sides, checkpoint chosen on the test fold",
    ]
    assert {row["mark"] for row in rows} == {"leakage study: never a submission"}
    for cell, row in zip(found.cells, rows, strict=True):
        assert float(row["dice_slices"]) == pytest.approx(cell.dice_slices, abs=1e-6)
        assert int(row["slices"]) == cell.slices > 0
    for last, chosen in (found.cells[:2], found.cells[2:]):
        assert chosen.dice_slices >= last.dice_slices  # the best of a list that has the last in it
        assert chosen.slices == last.slices
    monkeypatch.setattr(train, "fit", lambda *_, **__: pytest.fail("trained again"))
    again = study(job, folds=[0, 1])
    assert again == found
    assert all(len(line) <= 80 for line in found.text().splitlines())
    assert "never a submission" in found.text()


def test_a_scored_fold_is_that_of_the_weights_whether_or_not_the_training_was_cut(job: Job, tmp_path: Path) -> None:
    whole = study(job, folds=[0, 1])
    other = replace(job, out=tmp_path / "other")
    real, calls = leakage.mean_dice, 0

    def stops(counts: Any) -> float:
        nonlocal calls
        calls += 1
        if calls == 2:  # after the second epoch of the first fold
            raise KeyboardInterrupt
        return real(counts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leakage, "mean_dice", stops)
        with pytest.raises(KeyboardInterrupt):
            study(other, folds=[0, 1])
    assert study(other, folds=[0, 1]).cells == whole.cells


def test_nothing_of_it_can_be_predicted_with_or_submitted(job: Job) -> None:
    from ich_bench_baselines.methods import known

    study(job, folds=[0, 1])
    paths = list((job.out / "leakage").rglob("*.ckpt"))
    assert paths
    for path in paths:
        with pytest.raises(UsageError, match="there is no method 'leakage-study'"):
            known(about_of(path)["method"])
    assert not list(job.out.rglob("submission.toml"))
    assert not list(job.out.rglob("*.nii.gz"))


def test_schemes_that_are_no_folds_of_patients_are_told(job: Job) -> None:
    for scheme in ("wang-slices", "lf20"):
        with pytest.raises(UsageError, match="needs folds of patients that test every case once"):
            study(replace(job, dataset="hssayeni", scheme=scheme, data=None))
    with pytest.raises(UsageError, match="phantom-test/external has none"):
        study(replace(job, dataset="phantom-test", data=None))
