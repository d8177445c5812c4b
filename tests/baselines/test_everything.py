"""All methods run in turn; a failure costs one method, a kill costs nothing, and the overview says it all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import small_heads
from ich_bench.errors import IchBenchError
from ich_bench.submissions.terms import LABELS
from ich_bench_baselines import everything, forecast, overview, pieces
from ich_bench_baselines.alone import alone
from ich_bench_baselines.everything import groups, jobs_of_all, run_all
from ich_bench_baselines.experiment import jobs_of
from ich_bench_baselines.job import folder, predictions_folder
from ich_bench_baselines.methods import METHODS
from ich_bench_baselines.pieces import DONE, FAILED, RUNNING, WAITING, state


@pytest.fixture(scope="module")
def heads() -> Path:
    return small_heads.mini()


def two_methods(out: Path, heads: Path) -> tuple[Any, ...]:
    """Return a method without faults, and one whose pool there is not, two folds each."""
    good = small_heads.tiny_job(out, heads, "unet-ich-only")
    bad = small_heads.tiny_job(out, heads, "binary-classification", pool="phantom-pool:none")
    return jobs_of(good, folds=[0, 1]) + jobs_of(bad, folds=[0, 1])


def test_every_method_stands_in_the_plan_with_a_pool_where_it_needs_one(tmp_path: Path) -> None:
    jobs = jobs_of_all(small_heads.tiny_job(tmp_path), seeds=(0, 1))
    assert {job.method for job in jobs} == set(METHODS)
    for about in METHODS.values():
        pools = {job.pool for job in jobs if job.method == about.id}
        assert set(about.labels) <= set(LABELS)
        if about.pool_alone:
            assert pools == {None, "phantom-pool:24"}
        else:
            assert pools == ({"phantom-pool:24"} if everything.needs_pool(about) else {None})
    folds = [(job.seed, job.fold) for job in jobs if job.method == "unet-mixed"]
    assert folds == [(seed, fold) for seed in (0, 1) for fold in (0, 1, 2, 3)]
    assert everything.pool_for(small_heads.tiny_job(tmp_path, dataset="hssayeni", schedule="paper")) == "rsna"


def test_a_failure_costs_one_method_alone_and_its_reason_is_kept(heads: Path, tmp_path: Path) -> None:
    told: list[str] = []
    jobs = two_methods(tmp_path / "out", heads)
    states = run_all(jobs, folds=[0, 1], stage=told.append)
    assert [states[job].name for job in jobs] == [DONE, DONE, FAILED, FAILED]
    assert "there is no such pool" in states[jobs[2]].reason
    assert (tmp_path / "out/unet-ich-only/submission.toml").is_file()
    assert all(path.is_file() for path in map(pieces.checkpoint_of, jobs[:2]))
    text = overview.overview_text(states)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "2 done, 2 failed" in text
    assert [line.split()[:3] for line in text.splitlines() if line.startswith(("unet", "binary"))][:2] == [
        ["unet-ich-only", "✓✓", "2/2"],
        ["binary-classification", "✗✗", "0/2"],
    ]
    assert text.count("there is no such pool") == 1
    assert overview.failures(states) == 2
    assert any("binary-classification" in line and "failed" in line for line in told)
    rows = overview.overview_json(states)
    assert [(row["fold"], row["state"], row["scored"]) for row in rows] == [
        *((0, "done", True), (1, "done", True)),
        *((0, "failed", False), (1, "failed", False)),
    ]
    json.dumps(rows)

    again: list[str] = []
    good = jobs[:2]
    masks = {path: path.stat().st_mtime_ns for job in good for path in predictions_folder(job).iterdir()}
    run_all(good, folds=[0, 1], stage=again.append)
    assert again == []
    assert {path: path.stat().st_mtime_ns for path in masks} == masks
    assert [(job.method, job.fold) for job in everything.read_plan(tmp_path / "out")] == [
        ("unet-ich-only", 0),
        ("unet-ich-only", 1),
    ]
    assert {state(job).name for job in everything.read_plan(tmp_path / "out")} == {DONE}


CHILD = """
import sys
from pathlib import Path
import small_heads
from ich_bench_baselines.everything import run_all
from ich_bench_baselines.experiment import jobs_of
if __name__ == "__main__":
    job = small_heads.tiny_job(Path(sys.argv[1]), Path(sys.argv[2]), "unet-ich-only", epochs=8)
    run_all(jobs_of(job, folds=[0, 1]), folds=[0, 1])
"""


def test_a_killed_run_of_all_goes_on_to_the_same_masks_and_leaves_no_process(heads: Path, tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen([sys.executable, str(script), str(tmp_path / "killed"), str(heads)], env=environment)
    jobs = {
        name: jobs_of(small_heads.tiny_job(tmp_path / name, heads, "unet-ich-only", epochs=8), folds=[0, 1])
        for name in ("killed", "whole")
    }
    log = folder(jobs["killed"][0]) / "log.csv"
    while not log.is_file():
        assert child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    for _ in range(1200):
        if state(jobs["killed"][0]).name != RUNNING:
            break
        time.sleep(0.1)
    found = state(jobs["killed"][0])
    assert (found.name, found.reason) == (WAITING, "was interrupted")
    for some in jobs.values():
        assert {one.name for one in run_all(some, folds=[0, 1]).values()} == {DONE}
    masks = {
        name: {path.name: path.read_bytes() for job in some for path in predictions_folder(job).iterdir()}
        for name, some in jobs.items()
    }
    assert masks["killed"] == masks["whole"]
    scores = [tmp_path / name / "unet-ich-only/scores/phantom-mini.parquet" for name in jobs]
    assert all(path.is_file() for path in scores)


def test_a_process_that_is_killed_is_named_as_the_reason(heads: Path, tmp_path: Path) -> None:
    jobs = jobs_of(small_heads.tiny_job(tmp_path / "out", heads, "unet-ich-only", epochs=5000), folds=[0])
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        import multiprocessing

        for one in multiprocessing.active_children():
            os.kill(one.pid or 0, signal.SIGKILL)
            killed.append(one.pid or 0)

    states = run_all(jobs, folds=[0], progress=kill)
    assert killed
    assert states[jobs[0]].name == FAILED
    assert "ended by SIGKILL (memory may have run out)" in states[jobs[0]].reason


def test_a_piece_of_other_settings_in_the_same_place_is_waiting(tmp_path: Path) -> None:
    job = small_heads.tiny_job(tmp_path)
    pieces.note(job, DONE, seconds=3.0)
    assert state(job) == pieces.State(name=DONE, seconds=3.0, host=state(job).host)
    assert state(replace(job, epochs=2)).name == WAITING
    assert state(replace(job, jobs=5)).name == DONE
    with alone(pieces.place(job)):
        assert state(job).name == RUNNING
    pieces.place(job).write_text("{")
    assert state(job).name == WAITING


def test_an_overview_of_nothing_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(IchBenchError, match="run --all"):
        everything.read_plan(tmp_path)
    (tmp_path / "plan.json").write_text("[1]")
    with pytest.raises(IchBenchError, match="cannot be read"):
        everything.read_plan(tmp_path)


def test_the_forecast_has_disk_and_downloads_and_only_measured_hours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ICH_BENCH_DATA", raising=False)
    monkeypatch.setenv("ICH_BENCH_CONFIG", str(tmp_path / "config"))
    job = small_heads.tiny_job(tmp_path, method="unet-ich-only", dataset="hssayeni", schedule="paper")
    (found,) = forecast.forecast(jobs_of(job))
    assert (found.pieces, found.done, found.trainings, found.hours) == (10, 0, 10, None)
    assert found.bytes == 10 * 12 * 5_409_089
    assert found.absent == ("hssayeni",)
    text = forecast.forecast_text([found])
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "physionet" in text.lower()
    (drawn,) = forecast.forecast(jobs_of(small_heads.tiny_job(tmp_path, method="unet-ich-only")))
    assert drawn.absent == ()
    assert len(groups(jobs_of_all(small_heads.tiny_job(tmp_path)))) >= len(METHODS)
