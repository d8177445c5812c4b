"""nnU-Net itself, a tiny epoch on a CPU: it sees training cases alone, writes into OUT alone, and leaves nothing."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
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
from ich_bench.folds import load_budget, load_scheme  # noqa: E402
from ich_bench.geometry import Geometry  # noqa: E402
from ich_bench.volume import open_mask, read_ct, write_ct, write_mask  # noqa: E402
from ich_bench_baselines import checkpoint  # noqa: E402
from ich_bench_baselines.job import Job, folder  # noqa: E402
from ich_bench_baselines.methods import method  # noqa: E402
from ich_bench_baselines.nnunet import process as nnunet_process  # noqa: E402
from ich_bench_baselines.nnunet import training as nnunet  # noqa: E402
from ich_bench_baselines.nnunet.data import training_part, write_raw  # noqa: E402
from ich_bench_baselines.nnunet.settings import NnUNet2D, NnUNet3D, nnunet_settings  # noqa: E402
from ich_bench_baselines.paper import origins  # noqa: E402
from ich_bench_baselines.parts import seconds  # noqa: E402

CV4 = load_scheme("phantom-mini")
TRAINED = set(CV4.train_cases(0))


@pytest.fixture(scope="module")
def heads() -> Path:
    return small_heads.mini()


def job_of(out: Path, heads: Path, method_id: str = "nnunet-2d", **more: Any) -> Job:
    return small_heads.tiny_job(out, heads, method_id, **{"batch": 2, "side": 32, **more})  # type: ignore[no-any-return]


def children(out: Path) -> set[int]:
    """Return the processes of nnU-Net that work below a folder now, by what they were started with."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            started = path.read_bytes()
            if nnunet_process.CHILD.encode() in started and str(out).encode() in started:
                found.add(int(path.parent.name))
        except OSError:
            continue
    return found


def tree(*places: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mtime_ns for place in places for path in place.rglob("*")}


@pytest.fixture(scope="module")
def trained(heads: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Path, dict[str, Any]]:
    """Train one fold in an empty home, from an empty folder, the user's own nnU-Net folders set; say what changed."""
    base = tmp_path_factory.mktemp("nnunet")
    places = {name: base / name for name in ("home", "cwd", "tmp", "mine")}
    for place in places.values():
        place.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(places["home"]))
        patch.setenv("TMPDIR", str(places["tmp"]))
        for name in ("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
            patch.delenv(name, raising=False)
        for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results", "nnUNet_extTrainer"):
            patch.setenv(name, str(places["mine"] / name))
        patch.setenv("nnUNet_n_proc_DA", "7")
        patch.chdir(places["cwd"])
        environment, threads, drawn = dict(os.environ), torch.get_num_threads(), torch.get_rng_state()
        before = tree(*places.values())
        job = job_of(base / "out", heads)
        path = method("nnunet-2d").train(job)
        case = next(one for one in load_dataset("phantom-mini", heads).cases if one.case_id in CV4.test_cases(0))
        assert case.ct is not None
        ct = read_ct(case.ct)
        changed = {
            "environment": dict(os.environ) == environment,
            "threads": torch.get_num_threads() == threads,
            "generator": bool(torch.equal(torch.get_rng_state(), drawn)),
            "files": tree(*places.values()) == before,
            "cwd": Path.cwd() == places["cwd"],
            "children": children(base),
        }
        changed["mask"] = method("nnunet-2d").load(path, "cpu")(ct)
        changed["after"] = (dict(os.environ) == environment, tree(*places.values()) == before)
    return job, path, changed


def test_it_leaves_environment_home_folder_and_temporary_files_as_they_were(
    trained: tuple[Job, Path, dict[str, Any]],
) -> None:
    _, path, same = trained
    assert path.name == "last.ckpt"
    assert {name: same[name] for name in ("environment", "threads", "generator", "files", "cwd")} == dict.fromkeys(
        ("environment", "threads", "generator", "files", "cwd"), True
    )
    assert same["children"] == set()
    assert same["after"] == (True, True)  # predicting neither


def test_its_mask_lies_on_the_cts_own_grid(
    trained: tuple[Job, Path, dict[str, Any]],
) -> None:
    assert trained[2]["mask"].shape == small_heads.SHAPE
    assert trained[2]["mask"].dtype == np.bool_


def test_its_folder_holds_what_every_training_holds_and_nothing_that_only_a_training_needs(
    trained: tuple[Job, Path, dict[str, Any]],
) -> None:
    job, path, _ = trained
    names = {str(one.relative_to(path.parent)) for one in path.parent.rglob("*")}
    assert {"last.ckpt", "log.csv", "about.json", "nnunet/plans.json", "nnunet/printed.log"} <= names
    assert not {name for name in names if "preprocessed" in name or "imagesTr" in name or name.endswith(".pth")}
    about = json.loads((path.parent / "about.json").read_text())
    assert (about["annotated_patients"], about["label_kind"], about["method"]) == (9, "masks", "nnunet-2d")
    rows = list(csv.DictReader((path.parent / "log.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "1"]  # 0: fingerprint, plan, preprocessing
    assert (rows[1]["steps"], rows[1]["patches"]) == ("2", "4")  # two steps of two patches, as smoke has it
    assert 0 < float(rows[1]["loss"]) < 10
    assert seconds(path.parent) == pytest.approx(sum(float(row["seconds"]) for row in rows))
    kept = checkpoint.read(path)
    assert kept.about["fold"] == 0
    assert kept.about["nnunet"]["plans"]["configurations"]["2d"]["patch_size"] == [32, 32]
    assert (
        kept.about["nnunet"]["plans"]["configurations"]["2d"]["architecture"]["arch_kwargs"]["features_per_stage"][0]
        == 4
    )  # --width 4
    assert set(json.loads((path.parent / "nnunet/given.json").read_text())["cases"]) == TRAINED
    [split] = json.loads((path.parent / "nnunet/splits_final.json").read_text())  # as nnU-Net used it
    assert set(split["train"]) == TRAINED
    assert folder(job) == path.parent


def test_a_training_that_is_done_is_returned_as_it_is_and_another_one_is_refused(
    trained: tuple[Job, Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, path, _ = trained

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(nnunet_process, "run", never)
    assert method("nnunet-2d").train(job) == path
    with pytest.raises(IchBenchError, match="trained otherwise: settings"):
        method("nnunet-2d").train(replace(job, epochs=2))


def test_a_head_of_nothing_is_an_empty_mask(trained: tuple[Job, Path, dict[str, Any]], heads: Path) -> None:
    case = load_dataset("phantom-mini", heads).cases[0]
    assert case.ct is not None
    ct = read_ct(case.ct)
    mask = method("nnunet-2d").load(trained[1], "cpu")(replace(ct, hu=np.zeros_like(ct.hu)))
    assert not mask.any()


def test_a_checkpoint_that_names_another_class_is_not_loaded(
    trained: tuple[Job, Path, dict[str, Any]], tmp_path: Path
) -> None:
    kept = checkpoint.read(trained[1])
    about = json.loads(json.dumps(dict(kept.about)))
    about["nnunet"]["plans"]["configurations"]["2d"]["architecture"]["network_class_name"] = "subprocess.Popen"
    checkpoint.save(tmp_path / "last.ckpt", replace(kept, about=about))
    with pytest.raises(IchBenchError, match="none of nnU-Net's"):
        nnunet.load_nnunet(tmp_path / "last.ckpt")
    checkpoint.save(tmp_path / "last.ckpt", replace(kept, about={**kept.about, "nnunet": {}}))
    with pytest.raises(IchBenchError, match="no checkpoint of nnU-Net"):
        nnunet.load_nnunet(tmp_path / "last.ckpt")


@pytest.mark.parametrize("budget", [None, "20-1"])
def test_the_raw_folder_holds_the_training_cases_of_fold_and_budget_and_no_other(
    heads: Path, tmp_path: Path, budget: str | None
) -> None:
    job = job_of(tmp_path / "out", heads, budget=budget)
    dataset, guard = training_part(job)
    given = write_raw(dataset, guard, tmp_path / "raw")
    home = tmp_path / "raw" / given.name
    there = {path.name.removesuffix("_0000.nii.gz") for path in (home / "imagesTr").iterdir()}
    wanted = TRAINED if budget is None else set(load_budget("phantom-mini", "cv4", 0, 20, 1))
    assert there == wanted == set(given.cases)
    assert not there & set(CV4.test_cases(0))
    assert all(path.is_symlink() for path in (home / "imagesTr").iterdir())
    assert {path.name.removesuffix(".nii.gz") for path in (home / "labelsTr").iterdir()} == wanted
    [split] = json.loads((home / "splits_final.json").read_text())
    assert set(split["train"]) == set(split["val"]) == wanted


def test_trained_elsewhere_it_is_given_all_cases_of_that_dataset(heads: Path, tmp_path: Path) -> None:
    job = replace(job_of(tmp_path / "out", heads), dataset="phantom", train_on="phantom-mini", train_data=heads)
    dataset, guard = training_part(job)
    assert {case.case_id for case in dataset.cases} == {row.case_id for row in CV4.rows}
    assert not guard.cases


def test_a_test_case_among_the_training_cases_is_refused_before_anything_is_written(
    heads: Path, tmp_path: Path
) -> None:
    dataset, guard = training_part(job_of(tmp_path / "out", heads))
    whole = load_dataset("phantom-mini", heads)
    leaky = replace(dataset, cases=(*dataset.cases, whole.case(CV4.test_cases(0)[0])))
    with pytest.raises(IchBenchError, match="kept apart as the test part of fold 0"):
        write_raw(leaky, guard, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def test_cases_that_are_not_here_are_named(heads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load_dataset("phantom-mini", heads)
    short = replace(whole, cases=whole.cases[:5])
    monkeypatch.setattr("ich_bench_baselines.nnunet.data.load_dataset", lambda *_: short)
    with pytest.raises(IchBenchError, match="of the 9 training cases of fold 0 of phantom-mini/cv4 are not here"):
        training_part(job_of(tmp_path, heads))


def test_masks_without_ich_are_nothing_to_learn_from(heads: Path, tmp_path: Path) -> None:
    dataset, guard = training_part(job_of(tmp_path / "out", heads))
    healthy = replace(dataset, cases=tuple(replace(case, reference=None) for case in dataset.cases))
    with pytest.raises(IchBenchError, match="nothing to learn from"):
        write_raw(healthy, guard, tmp_path / "raw")


SCRIPT = """
import sys, torch
from pathlib import Path
sys.path.insert(0, sys.argv[3])
torch.set_num_threads(1)
import small_heads
from ich_bench_baselines.methods import method
job = small_heads.tiny_job(Path(sys.argv[1]), Path(sys.argv[2]), "nnunet-2d", batch=2, side=32, epochs=8)
method("nnunet-2d").train(job)
"""


def wait_for(what: Any, seconds_most: float = 120) -> None:
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < seconds_most, "it never came"
        time.sleep(0.05)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_killed_or_interrupted_it_leaves_no_process_and_goes_on_to_the_same_weights(
    heads: Path, tmp_path: Path, end: signal.Signals
) -> None:
    out = tmp_path / "out"
    running = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(out), str(heads), str(Path(small_heads.__file__).parent)],
        stderr=subprocess.DEVNULL,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # heard also where the tests ignore it
    )
    wait_for(lambda: list(out.rglob("checkpoint_latest.pth")) or running.poll() is not None)
    assert children(out)
    running.send_signal(end)
    assert running.wait() != 0
    wait_for(lambda: not children(out), 20)
    job = job_of(out, heads, epochs=8)
    assert not (folder(job) / "last.ckpt").exists()
    if end == signal.SIGINT:  # how it goes on is the same
        return
    told: list[int] = []
    path = method("nnunet-2d").train(replace(job, progress=lambda done, total: told.append(done)))
    assert told[0] > 1  # the first epoch was not trained again
    assert told[-1] == 8
    straight = method("nnunet-2d").train(job_of(tmp_path / "straight", heads, epochs=8))
    hashes = [checkpoint.weights_sha256(checkpoint.read(one).weights) for one in (path, straight)]
    assert hashes[0] == hashes[1]
    logs = [[line.rsplit(",", 1)[0] for line in (one.parent / "log.csv").read_text().splitlines()]
            for one in (path, straight)]  # fmt: skip
    assert logs[0] == logs[1]  # but for the seconds


def test_another_training_that_was_begun_there_is_refused(heads: Path, tmp_path: Path) -> None:
    job = job_of(tmp_path, heads)
    work = folder(job) / "nnunet"
    work.mkdir(parents=True)
    wanted = nnunet._about(job, method("nnunet-2d").settings(job), "")
    (work / "job.json").write_text(json.dumps({**wanted, "seed": 5}))
    (work / "given.json").write_text("{}")
    with pytest.raises(IchBenchError, match="seed: 5 there, 0 now"):
        method("nnunet-2d").train(job)


def ended(work: Path, program: str) -> str:
    """Return what is said where the process is this program instead."""
    work.mkdir(exist_ok=True)
    (work / "stand_in.py").write_text(program)
    env = {**os.environ, "PYTHONPATH": str(work)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nnunet_process, "CHILD", "stand_in")
        with pytest.raises(IchBenchError) as fault:
            nnunet_process.run({}, work, env, lambda message: None)
    return str(fault.value)


def test_what_ends_it_is_said_in_words(tmp_path: Path) -> None:
    def words(fault: BaseException) -> str:
        return nnunet_process._words(nnunet_process.fault_of(fault), 1, tmp_path)

    assert "memory ran out" in words(torch.OutOfMemoryError("CUDA out of memory"))
    assert "--batch" in words(MemoryError())
    assert "memory ran out" in words(RuntimeError("Some background worker is 6 feet under."))
    assert "Free space" in words(OSError(28, "No space left on device"))
    assert words(IchBenchError("said already")) == "said already"
    failed = words(ValueError("odd"))
    assert failed.startswith("nnU-Net failed: odd")
    assert str(tmp_path / "printed.log") in failed
    told = ended(tmp_path / "a", 'print(\'{"fault": "other", "text": "odd"}\')')
    assert told.startswith("nnU-Net failed: odd")
    killed = ended(tmp_path / "b", "import os; os.kill(os.getpid(), 9)")
    assert "signal 9" in killed
    assert "memory ran out" in killed


def test_workers_that_outlive_their_process_are_ended_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = """
import os, subprocess, sys
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])  # holds the pipe of the messages
print('{"worker": %d}' % worker.pid, flush=True)
os._exit(3)
"""
    work = tmp_path / "work"
    work.mkdir()
    (work / "stand_in.py").write_text(program)
    told: list[int] = []
    env = {**os.environ, "PYTHONPATH": str(work)}
    monkeypatch.setattr(nnunet_process, "CHILD", "stand_in")
    with pytest.raises(IchBenchError, match="exit code 3"):
        nnunet_process.run({}, work, env, lambda one: told.append(one["worker"]))
    wait_for(lambda: not Path(f"/proc/{told[0]}").exists() or "Z" in Path(f"/proc/{told[0]}/stat").read_text(), 10)


def test_without_nnunetv2_the_extra_is_named(heads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(IchBenchError, match=r"pip install 'ich-bench\[nnunet\]'"):
        method("nnunet-2d").train(job_of(tmp_path, heads))


def test_the_environment_is_made_for_it_and_takes_nothing_of_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("nnUNet_extTrainer", "/mine")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    made = nnunet_process.environment(tmp_path, device="cuda:1", workers=3, compiled=True)
    assert "nnUNet_extTrainer" not in made
    assert (made["nnUNet_raw"], made["nnUNet_n_proc_DA"], made["nnUNet_compile"]) == (
        str(tmp_path / "raw"),
        "3",
        "true",
    )
    assert made["CUDA_VISIBLE_DEVICES"] == "6"  # the second of those that are seen
    assert made["OMP_NUM_THREADS"] == "1"
    long = tmp_path / ("x" * 90)
    long.mkdir()
    assert nnunet_process.environment(long, device="cpu", workers=0, compiled=False)["TMPDIR"] == "/proc/self/cwd"


def test_the_values_are_nnunets_own_unless_the_job_says_otherwise(tmp_path: Path) -> None:
    job = Job(method="nnunet-3d", dataset="hssayeni", out=tmp_path)
    whole = nnunet_settings(NnUNet3D, job)
    assert (whole.configuration, whole.epochs, whole.steps_per_epoch, whole.lr) == ("3d_fullres", 1000, 250, 0.01)
    assert (whole.patch, whole.batch_size, whole.tile_step, whole.mirroring) == (None, None, 0.5, True)
    given = nnunet_settings(NnUNet3D, replace(job, epochs=7, batch=3, width=8, side=96))
    assert (given.epochs, given.batch_size, given.width, given.patch) == (7, 3, 8, (16, 96, 96))
    assert nnunet_settings(NnUNet2D, replace(job, side=96)).patch == (96, 96)
    drawn = {row.name: row for row in origins(nnunet_settings(NnUNet2D, replace(job, schedule="phantom")))}
    assert (drawn["epochs"].value, drawn["epochs"].origin, drawn["configuration"].value) == (50, "ours", "2d")
    assert {row.name: row.origin for row in origins(given)}["epochs"] == "given"
    with pytest.raises(UsageError, match="leave --pool away"):
        nnunet_settings(NnUNet2D, replace(job, pool="rsna"))


def crafted(folder: Path, brighter_hu: float = 40) -> Dataset:
    """Write nine heads of 40 × 32 × 10 voxels, each with one blob off the middle, as the training part."""
    folder.mkdir()
    draw = np.random.default_rng(7)
    grid = Geometry.of((40, 32, 10), np.diag([4.0, 4.0, 5.0, 1.0]))
    x, y, z = np.meshgrid(*map(np.arange, grid.shape), indexing="ij")
    head = ((x - 19.5) / 17) ** 2 + ((y - 15.5) / 13) ** 2 <= 1
    cases = []
    for case_id in sorted(TRAINED):
        centre = draw.uniform([11, 9, 2], [15, 12, 6])  # in one quarter of the head: no mirrored mask overlaps it
        blob = ((x - centre[0]) / 5) ** 2 + ((y - centre[1]) / 4) ** 2 + ((z - centre[2]) / 2) ** 2 <= 1
        hu = np.where(head, 30, -1000) + brighter_hu * blob + np.round(draw.normal(0, 4, grid.shape))
        ct, mask = folder / f"{case_id}_ct.nii.gz", folder / f"{case_id}_mask.nii.gz"
        write_ct(ct, hu.astype(np.int16), grid)
        write_mask(mask, blob, grid)
        cases.append(Case(case_id=case_id, patient_id=case_id, ct=ct, reference=mask))
    return Dataset(id="phantom-mini", source=folder, cases=tuple(cases))


@pytest.mark.parametrize(("kind", "patch"), [(NnUNet2D, (32, 40)), (NnUNet3D, (8, 32, 40))])
def test_it_learns_its_own_few_heads_by_heart_and_draws_them_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Any], patch: tuple[int, ...]
) -> None:
    made = crafted(tmp_path / "download")
    monkeypatch.setattr("ich_bench_baselines.nnunet.data.load_dataset", lambda *_: made)
    job = job_of(tmp_path / "out", tmp_path, epochs=4, width=8)
    how = replace(nnunet_settings(kind, job), steps_per_epoch=50, patch=patch, spacing_mm=None, tile_step=0.5)
    predict = nnunet.load_nnunet(nnunet.train_nnunet(job, how))
    for case in made.cases[:4]:
        assert case.ct is not None
        assert case.reference is not None
        mask, reference = predict(read_ct(case.ct)), open_mask(case.reference).voxels()
        assert dice(mask, reference) > 0.9
        for axes in ((0,), (1,), (0, 1)):  # what a mask drawn the wrong way round would score
            assert dice(np.flip(mask, axes), reference) < 0.1


def test_a_second_channel_lies_on_the_ct_in_training_and_in_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = crafted(tmp_path / "download", brighter_hu=0)  # the CT shows nothing: only the second channel can tell
    monkeypatch.setattr("ich_bench_baselines.nnunet.data.load_dataset", lambda *_: made)
    job = job_of(tmp_path / "out", tmp_path, epochs=4, width=8)
    how = replace(nnunet_settings(NnUNet2D, job), steps_per_epoch=50, patch=(32, 40), spacing_mm=None)
    second = {case.case_id: case.reference for case in made.cases if case.reference is not None}
    path = nnunet.train_nnunet(job, how, second=second, second_is="the masks themselves")
    for case in made.cases[:3]:
        assert case.ct is not None
        reference = open_mask(second[case.case_id]).voxels()
        predict = nnunet.load_nnunet(path, second=lambda ct, shown=reference: shown)  # type: ignore[misc]
        mask = predict(read_ct(case.ct))
        assert dice(mask, reference) > 0.8  # its brightness is changed in training too, so that edges stay soft
        assert dice(np.flip(mask, 0), reference) < 0.1
    with pytest.raises(IchBenchError, match="second_channel"):
        nnunet.train_nnunet(job, how, second=second, second_is="others")


def dice(one: Any, other: Any) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))
