"""Backends: the same bytes wherever the work is done, workers that do not fit refused, dead ones survived."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ich_bench
from ich_bench.cases import Case
from ich_bench.errors import IchBenchError, InputError, UsageError
from ich_bench.geometry import Geometry
from ich_bench.predictions.submission import Prediction
from ich_bench.runs import cluster
from ich_bench.runs.backends import Backend, find_backend, warnings_about
from ich_bench.runs.chunks import chunks
from ich_bench.runs.task import How, Task
from ich_bench.volume import write_mask

GEOMETRY = Geometry.of((12, 12, 4), np.diag([0.5, 0.5, 5.0, 1.0]))


@pytest.fixture
def cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Return (references, predictions) of twelve tiny volumes that differ, one empty, one without a hit."""
    monkeypatch.setattr("ich_bench.runs.pool.POOL_PAYS_AFTER_S", 0.0)  # else tiny volumes need no workers
    rng = np.random.default_rng(8)
    for number in range(12):
        for name, threshold in (("reference", 0.8), ("prediction", 0.7)):
            mask = rng.random(GEOMETRY.shape) > threshold
            if (name, number) in (("reference", 3), ("prediction", 5)):
                mask[:] = False
            path = tmp_path / name / f"case-{number:02d}.nii.gz"
            path.parent.mkdir(exist_ok=True)
            write_mask(path, mask, GEOMETRY)
    return tmp_path / "reference", tmp_path / "prediction"


def test_threads_and_processes_write_the_same_bytes(cohort: tuple[Path, Path], tmp_path: Path) -> None:
    runs = [
        ich_bench.evaluate(*cohort, out=tmp_path / f"{backend}-{jobs}", backend=backend, jobs=jobs)
        for backend, jobs in (("loky", 1), ("loky", 2), ("threads", 2), ("threads", 5))
    ]
    assert len({run.path.read_bytes() for run in runs}) == 1
    assert runs[0].scores.num_rows == 12


def test_a_killed_process_is_replaced_and_the_bytes_stay(
    cohort: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    sound = ich_bench.evaluate(*cohort, out=tmp_path / "sound")
    killed: list[int] = []

    def kill_one(done: int, total: int) -> None:
        from joblib.externals.loky import reusable_executor

        if done > 1 and not killed:  # the first is scored here, so workers are at work by now
            killed.append(next(iter(reusable_executor._executor._processes)))
            os.kill(killed[0], signal.SIGKILL)

    run = ich_bench.evaluate(*cohort, out=tmp_path / "killed", jobs=2, progress=kill_one)
    assert len(killed) == 1
    assert run.path.read_bytes() == sound.path.read_bytes()


def test_a_pool_that_dies_each_time_is_given_up_after_three(
    cohort: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    asked: list[int] = []

    def out_of_memory(pool: Any, _: object) -> None:
        asked.append(pool.n_jobs)
        raise TerminatedWorkerError("killed")

    monkeypatch.setattr("joblib.Parallel.__call__", out_of_memory)
    with pytest.raises(IchBenchError, match="--jobs 1"):
        ich_bench.evaluate(*cohort, out=tmp_path / "out", jobs=8)
    assert asked == [8, 4, 2]  # half as many each time, since memory is the likely reason


def test_chunks_hold_about_as_many_voxels_and_the_largest_come_first(tmp_path: Path) -> None:
    slices = [1, 1, 64, 1, 1, 1, 1, 1, 1, 56]
    tasks = []
    for number, count in enumerate(slices):
        path = tmp_path / f"{number}.nii.gz"
        write_mask(path, np.zeros((16, 16, count), np.bool_), Geometry.of((16, 16, count), np.eye(4)))
        case = Case(case_id=str(number), patient_id=str(number), ct=None, reference=path)
        tasks.append((number, Task(case=case, fold=0, budget=None, seed=None, prediction=_mask(path), how=How())))
    made = [[index for index, _ in chunk] for chunk in chunks(tasks, workers=1)]
    # 128 slices in all over 8 chunks: 16 slices each; 64 and 56 are alone, then the eight of one slice together. The
    # header's 352 bytes are more than a slice of 256, so an "eighth" is (128 * 256 + 10 * 352) / 8 = 4536 bytes, and
    # eight small volumes of 608 bytes are 4864: seven of them make a chunk.
    assert made == [[2], [9], [0, 1, 3, 4, 5, 6, 7], [8]]
    assert chunks([], workers=2) == []


def test_an_unknown_backend_or_address_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match=r"Did you mean threads\?"):
        find_backend("thread")
    with pytest.raises(UsageError, match="belongs to --backend dask"):
        find_backend("loky", "tcp://10.0.0.5:8786")
    for wrong in ("10.0.0.5:8786", "http://10.0.0.5:8786", "tcp://10.0.0.5", "inproc://1:2", "ws://a:1"):
        with pytest.raises(UsageError, match=r"tls://HOST:PORT"):
            find_backend("dask", wrong)
    assert find_backend("dask", "tls://[::1]:8786").scheduler == "tls://[::1]:8786"


def test_one_warning_is_given_about_a_scheduler_without_tls() -> None:
    assert len(warnings_about(find_backend("dask", "tcp://10.0.0.5:8786"))) == 1
    assert warnings_about(find_backend("dask", "tls://10.0.0.5:8786")) == ()
    assert warnings_about(Backend(name="dask")) == ()


def test_a_worker_with_other_versions_or_without_the_data_is_told_in_words() -> None:
    ours = cluster.versions()
    old = {**ours, "suite": "0", "numpy": "1.0"}
    (version,) = cluster._faults("tcp://w1", (old, []), ours, 4)
    assert f"suite 0 (here {ours['suite']}), numpy 1.0 (here {ours['numpy']})" in str(version)
    (blind,) = cluster._faults("tcp://w2", (ours, ["/data/a.nii.gz", "/data/b.nii.gz"]), ours, 4)
    assert "does not see 2 of 4 files as they are here, such as /data/a.nii.gz" in str(blind)
    (bare,) = cluster._faults("tcp://w3", ModuleNotFoundError("No module named 'ich_bench'"), ours, 4)
    assert f"Install ich-bench {ich_bench.__version__}" in str(bare)
    assert list(cluster._faults("tcp://w4", (ours, []), ours, 4)) == []
    with pytest.raises(IchBenchError, match="suite"):
        cluster._scored(old, "fast", ())  # one that joined after the others were looked at


def test_a_file_that_is_absent_shorter_or_another_one_is_not_seen(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.write_bytes(b"abcd")
    sha256 = cluster.file_sha256(whole)
    files = [(str(whole), 4), (str(tmp_path), -1)]
    assert cluster._seen("fast", files, (str(whole), sha256)) == (cluster.versions(), [])
    whole.write_bytes(b"abce")
    assert cluster._seen("fast", files, (str(whole), sha256))[1] == [str(whole)]
    whole.write_bytes(b"abc")
    assert cluster._seen("fast", [*files, (str(tmp_path / "no"), 4)], ("", ""))[1] == [str(whole), str(tmp_path / "no")]


@pytest.mark.slow
def test_two_dask_processes_write_the_bytes_that_loky_writes_also_when_one_is_killed(
    cohort: tuple[Path, Path], tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    import psutil

    loky = ich_bench.evaluate(*cohort, out=tmp_path / "loky", jobs=2)
    killed: list[int] = []

    def kill_one(done: int, total: int) -> None:
        if done >= 1 and not killed:
            workers = [one for one in psutil.Process().children(recursive=True) if _is_dask_worker(one)]
            killed.append(workers[0].pid)
            workers[0].kill()

    for name, progress in (("whole", None), ("killed", kill_one)):
        run = ich_bench.evaluate(*cohort, out=tmp_path / name, backend="dask", jobs=2, progress=progress)
        assert run.path.read_bytes() == loky.path.read_bytes()
    assert len(killed) == 1


@pytest.mark.slow
def test_an_interrupted_run_continues_on_dask(cohort: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("distributed")

    def interrupt(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ich_bench.evaluate(*cohort, out=tmp_path / "out", progress=interrupt)
    whole = ich_bench.evaluate(*cohort, out=tmp_path / "whole")
    run = ich_bench.evaluate(*cohort, out=tmp_path / "out", backend="dask", jobs=1)
    assert run.reused == 5
    assert run.path.read_bytes() == whole.path.read_bytes()


@pytest.mark.slow
def test_a_scheduler_that_is_named_is_used_and_its_workers_are_checked(
    cohort: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    here = {"host": "127.0.0.1", "dashboard_address": None, "worker_dashboard_address": None}
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=True, memory_limit=0, **here) as one:
        address = one.scheduler_address
        run = ich_bench.evaluate(*cohort, out=tmp_path / "dask", backend="dask", scheduler=address)
        monkeypatch.setattr(cluster, "SUITE", 999)  # here, not on the worker
        with pytest.raises(InputError, match="1 of 1 Dask workers cannot score this") as refused:
            ich_bench.evaluate(*cohort, out=tmp_path / "other", backend="dask", scheduler=address)
        assert "(here 999)" in str(refused.value)
    assert run.scores.num_rows == 12
    assert not (tmp_path / "other" / "scores").exists()


@pytest.mark.slow
def test_a_scheduler_that_is_not_there_is_told_in_words(cohort: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(IchBenchError, match="was not reached"):
        ich_bench.evaluate(*cohort, out=tmp_path / "out", backend="dask", scheduler=f"tcp://127.0.0.1:{port}")


@pytest.mark.slow  # the import of distributed alone takes a second or two; with the others of Dask
def test_tls_without_a_certificate_is_told_in_words(cohort: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(IchBenchError, match="no certificate is configured here"):
        ich_bench.evaluate(*cohort, out=tmp_path / "out", backend="dask", scheduler="tls://127.0.0.1:1")


@pytest.mark.slow
def test_a_cluster_of_ours_listens_on_this_machine_alone() -> None:
    pytest.importorskip("distributed")
    import psutil

    with cluster._client(Backend(name="dask"), 2) as client:
        cluster._wait_for_a_worker(client)
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        listening = [c.laddr.ip for p in processes for c in p.net_connections() if c.status == "LISTEN"]
    assert set(listening) == {"127.0.0.1"}


def _is_dask_worker(process: Any) -> bool:
    return "spawn_main" in " ".join(process.cmdline())


def _mask(path: Path) -> Prediction:
    return Prediction(case_id=path.name, path=path, where=path.name)
