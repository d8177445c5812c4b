"""Pieces become jobs of a cluster, each once; Slurm is told which wait for which, and when time is up they go on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("submitit")

import small_heads
from ich_bench.errors import IchBenchError, UsageError
from ich_bench_baselines import cluster, pieces
from ich_bench_baselines.experiment import jobs_of
from ich_bench_baselines.pieces import DONE, WAITING, state

SBATCH = """#!/bin/sh
cat "$1" >> {home}/files
echo x >> {home}/count
echo "Submitted batch job $(wc -l < {home}/count)"
"""
SACCT = """#!/bin/sh
echo "JobID|State|NodeList"
for one in 1 2 3 4; do echo "$one|$(cat {home}/state)|node"; done
"""


@pytest.fixture(scope="module")
def heads() -> Path:
    return small_heads.mini()


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Commands of Slurm that only write down what they were given; returns a function: state → what was submitted."""
    home = tmp_path / "slurm"
    home.mkdir()
    for name, text in {"sbatch": SBATCH, "sacct": SACCT, "srun": "#!/bin/sh\n"}.items():
        path = home / name
        path.write_text(text.format(home=home))
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}{os.pathsep}{os.environ['PATH']}")

    def given(now: str) -> str:
        (home / "state").write_text(now)
        files = home / "files"
        text = files.read_text() if files.is_file() else ""
        files.write_text("")
        return text

    given("PENDING")
    return given


def pretext_jobs(out: Path) -> tuple[Any, ...]:
    return jobs_of(
        small_heads.tiny_job(out, method="binary-classification", pool="phantom-pool:2"), folds=[0, 1], seeds=[0, 1]
    )


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # submitit leaves its processes running
def test_each_piece_is_one_job_which_is_done_and_then_never_handed_over_again(heads: Path, tmp_path: Path) -> None:
    jobs = jobs_of(small_heads.tiny_job(tmp_path / "out", heads, "unet-ich-only"), folds=[0, 1])
    assert cluster.submit(jobs, "local", {"timeout_min": 20}) == jobs
    assert cluster.submit(jobs, "local", {"timeout_min": 20}) == ()  # queued, running or done
    for _ in range(2400):
        if all(state(job).name == DONE for job in jobs):
            break
        time.sleep(0.1)
    assert [state(job).name for job in jobs] == [DONE, DONE]
    assert all(pieces.checkpoint_of(job).is_file() for job in jobs)
    assert cluster.submit(jobs, "local", {}) == ()


def test_on_slurm_the_first_fold_of_each_seed_trains_the_pretext_and_the_others_wait(
    tmp_path: Path, slurm: Callable[[str], str]
) -> None:
    jobs = pretext_jobs(tmp_path / "out")
    assert cluster.submit(jobs, "slurm", {"slurm_partition": "gpu", "gpus_per_node": 1}) == jobs
    files = [part for part in slurm("PENDING").split("#!/bin/bash") if part.strip()]
    waits = [line for part in files for line in part.splitlines() if "--dependency" in line]
    assert len(files) == 4
    assert waits == ["#SBATCH --dependency=afterany:1", "#SBATCH --dependency=afterany:3"]
    assert all("--partition=gpu" in part and "--gpus-per-node=1" in part for part in files)
    assert all("--time=1440" in part for part in files)  # a day, not submitit's five minutes
    assert state(jobs[1]) == pieces.State(name=WAITING, reason="queued as 2 of slurm", host=state(jobs[1]).host)


def test_what_slurm_has_dropped_is_handed_over_again(tmp_path: Path, slurm: Callable[[str], str]) -> None:
    jobs = pretext_jobs(tmp_path / "out")[:2]
    cluster.submit(jobs, "slurm", {})
    assert cluster.submit(jobs, "slurm", {}) == ()
    slurm("CANCELLED by 1000")
    assert cluster.submit(jobs, "slurm", {}) == jobs


def test_a_job_whose_time_is_up_asks_to_be_queued_again_with_the_same_piece(tmp_path: Path) -> None:
    job = small_heads.tiny_job(tmp_path)
    import submitit

    again = cluster.Work().checkpoint(job)
    assert isinstance(again, submitit.helpers.DelayedSubmission)
    assert (type(again.function), again.args) == (cluster.Work, (job,))


def test_parameters_are_numbers_where_they_are_written_so() -> None:
    pairs = (("timeout_min", "600"), ("slurm_partition", "gpu"), ("slurm_constraint", "a100|h100"), ("mem_gb", "1.5"))
    assert cluster.parameters(pairs) == {
        "timeout_min": 600,
        "slurm_partition": "gpu",
        "slurm_constraint": "a100|h100",
        "mem_gb": 1.5,
    }


def test_wrong_clusters_and_parameters_are_told_in_words(
    tmp_path: Path, slurm: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = pretext_jobs(tmp_path / "out")
    with pytest.raises(UsageError, match="Did you mean slurm"):
        cluster.submit(jobs, "slrum", {})
    with pytest.raises(UsageError, match="slurm_partion"):
        cluster.submit(jobs, "slurm", {"slurm_partion": "gpu"})
    (tmp_path / "slurm" / "sbatch").write_text("#!/bin/sh\necho no such account >&2\nexit 1\n")
    with pytest.raises(IchBenchError, match=r"(?s)slurm takes no job.*no such account"):
        cluster.submit(jobs, "slurm", {})
    assert {state(job).name for job in jobs} == {WAITING}
    monkeypatch.setitem(__import__("sys").modules, "submitit", None)
    with pytest.raises(IchBenchError, match=r"ich-bench\[cluster\]"):
        cluster.submit(jobs, "slurm", {})
