"""A pretext is trained once for all who need it, on slices it may see, and is the same to the bit after a kill."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ich_bench.errors import InputError, UsageError  # noqa: E402
from ich_bench_baselines import checkpoint, train  # noqa: E402
from ich_bench_baselines.blocks.unet import UNet, UNetSettings, seeded  # noqa: E402
from ich_bench_baselines.data.pools import parts  # noqa: E402
from ich_bench_baselines.job import check  # noqa: E402
from ich_bench_baselines.methods import METHODS, method  # noqa: E402
from ich_bench_baselines.parts import facts, trainings  # noqa: E402
from ich_bench_baselines.pretext import training as pretrain  # noqa: E402
from ich_bench_baselines.pretext.tasks import BINARY, CONTEXT, GLOBAL, LOCAL, MULTI_LABEL_CE, TASKS  # noqa: E402
from ich_bench_baselines.segment import first_network  # noqa: E402
from tiny_pool import tiny_job, use  # noqa: E402

OF = {
    "context-restoration": "context-restoration",
    "global-contrastive": "global-contrast",
    "local-contrastive": "local-contrast",
    "binary-classification": "binary-classification",
    "multilabel-ce": "multilabel-ce",
    "multilabel-dice": "multilabel-dice",
}


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    return use(monkeypatch, tmp_path / "pool")


class Steps:
    """Counts the steps that are taken."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count = 0
        really = train.one_step

        def counted(*given: Any) -> Any:
            self.count += 1
            return really(*given)

        patch.setattr(train, "one_step", counted)


def weights(path: Path) -> dict[str, Any]:
    return dict(checkpoint.read(path).weights)


def plain(value: Any) -> Any:
    """Return a checkpoint's content as what can be compared with ==, each tensor as its bytes."""
    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.contiguous().numpy().tobytes()
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def same(one: Path, other: Path) -> bool:
    """Return whether two checkpoints hold the same to the bit: weights, optimiser, epoch, and what they say."""
    first, second = checkpoint.read(one), checkpoint.read(other)
    return all(
        plain(getattr(first, name)) == plain(getattr(second, name))
        for name in ("weights", "optimizer", "epoch", "about")
    )


def test_a_second_method_fold_or_budget_takes_the_pretext_that_is_there(
    pool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(monkeypatch)
    job = tiny_job(tmp_path, method="global-contrastive")
    path = pretrain.pretext(job, GLOBAL)
    # at most 24 slices; 8 a batch, two epochs: 6 steps
    assert steps.count == 6
    for other in (
        replace(job, fold=1),
        replace(job, dataset="phantom", scheme=None),
        replace(job, method="another", budget="20-1", device="cpu"),
    ):
        assert pretrain.pretext(other, GLOBAL) == path
    assert steps.count == 6
    local = pretrain.pretext(replace(job, method="local-contrastive"), LOCAL)
    assert steps.count == 12  # its own steps alone
    assert facts(local.parent)["pretext"] == str(path)
    assert trainings(local) == (local.parent.resolve(), path.parent.resolve())


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"schedule": "phantom"}, {"width": 6}, {"batch": 4}, {"variant": "code"}, {"epochs": 3}]
)
def test_whatever_the_weights_depend_on_has_a_folder_of_its_own(
    pool: Any, tmp_path: Path, change: dict[str, Any]
) -> None:
    one, other = tiny_job(tmp_path), tiny_job(tmp_path, **change)
    first, second = (pretrain.planned(job, LOCAL) for job in (one, other))
    assert first[0].folder != second[0].folder
    assert first[1].folder != second[1].folder


def test_another_pool_has_a_folder_of_its_own(tmp_path: Path) -> None:
    jobs = [tiny_job(tmp_path, pool=f"phantom-pool:{heads}") for heads in (3, 4)]
    folders = [pretrain.planned(job, BINARY)[0].folder for job in jobs]
    assert folders[0] != folders[1]
    assert not tmp_path.joinpath("pretext").exists()  # asking makes nothing


def test_what_is_planned_says_how_far_each_stage_is(pool: Any, tmp_path: Path) -> None:
    job = tiny_job(tmp_path, method="local-contrastive")
    pretrain.pretext(job, GLOBAL)
    told = [(one.task, one.done, one.epochs, one.slices) for one in pretrain.planned(job, LOCAL)]
    assert told == [("global-contrast", 2, 2, 24), ("local-contrast", 0, 2, 24)]


@pytest.mark.parametrize("task", [BINARY, CONTEXT])
def test_no_batch_holds_a_held_out_slice_or_another_of_its_patients(pool: Any, tmp_path: Path, task: Any) -> None:
    settings = task.settings(tiny_job(tmp_path)).slices
    settings = replace(settings, most=None, held_out=16)
    seen = pretrain.stream_of(task, settings, pool)
    held = pretrain.stream_of(task, settings, pool, "held-out")
    # a tenth of 128 slices, rounded to halves: six with ICH and six without
    assert (len(held), int(held.positive.sum())) == (12, 6)
    patients = pool.index["patient_id"].to_numpy()
    assert not set(patients[seen.rows]) & set(patients[held.rows])
    assert (seen.labels is None) == (task.labels == "none")
    batches = pretrain.Pool.on("cpu", pool, seen, kinds=("images",)).epoch(0, 8, seed=0)
    list(batches)
    assert set(seen.guard.seen) == set(patients[seen.rows])
    wrong = replace(seen, rows=np.sort(np.append(seen.rows, held.rows[:1])), labels=None)
    with pytest.raises(Exception, match="held-out part of the pool"):
        list(pretrain.Pool.on("cpu", pool, wrong, kinds=("images",)).epoch(0, 8, seed=0))


def test_the_codes_variant_learns_from_slices_with_ich_alone_where_it_needs_no_labels(
    pool: Any, tmp_path: Path
) -> None:
    job = tiny_job(tmp_path, variant="code")
    for task, share in ((CONTEXT, 1.0), (GLOBAL, 1.0), (BINARY, 0.5)):
        settings = replace(task.settings(job).slices, most=None)
        stream = pretrain.stream_of(task, settings, pool)
        assert float(stream.positive.mean()) == share
        held = parts(pool.index, by="slice") == "held-out"
        assert not held[stream.rows].any()


@pytest.mark.parametrize("name", OF)
def test_each_method_starts_from_its_own_pretext_and_from_the_right_parts(
    pool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    way = method(name)
    given: dict[str, Any] = {}

    def taken(job: Any, settings: Any, start: Any) -> Path:
        given.update(settings=settings, start=start)
        return tmp_path / "done"

    monkeypatch.setattr(way, "train_segmentation", taken)
    job = tiny_job(tmp_path, method=name, epochs=1)
    way.train(job)
    start, settings = given["start"], given["settings"]
    assert start.path is not None
    assert start.path.parent.name.startswith(OF[name] + "-")
    own = seeded(lambda: UNet(settings.unet), job.seed).state_dict()
    begun = first_network(settings.unet, job.seed, start).state_dict()
    expected = {
        "context-restoration": ("encoder.", "decoder.", "final."),
        "local-contrastive": ("encoder.", "decoder.0.", "decoder.1.", "decoder.2."),
    }.get(name, ("encoder.",))
    for key, tensor in begun.items():
        assert torch.equal(tensor, start.weights[key] if key.startswith(expected) else own[key]), key
    assert not torch.equal(begun["encoder.blocks.0.0.weight"], own["encoder.blocks.0.0.weight"])
    about = METHODS[name]
    assert about.id == name
    assert about.supervision == ("self" if TASKS[OF[name]].labels == "none" else "weakly") + "-supervised-transfer"
    extra = {"none": "unlabelled"}.get(TASKS[OF[name]].labels, TASKS[OF[name]].labels)
    assert about.labels == ("voxel", extra)


def test_weights_of_another_task_are_refused_where_parts_are_missing(pool: Any, tmp_path: Path) -> None:
    start = pretrain.started(tiny_job(tmp_path), BINARY)
    with pytest.raises(InputError, match="another pretext task"):
        first_network(UNetSettings(top=4), 0, replace(start, parts=CONTEXT.parts))


def test_the_local_contrast_starts_from_the_global_encoder_and_keeps_it(pool: Any, tmp_path: Path) -> None:
    job = tiny_job(tmp_path, method="local-contrastive")
    local, first = weights(pretrain.pretext(job, LOCAL)), weights(pretrain.pretext(job, GLOBAL))
    kept = [name for name in first if name.startswith("encoder.") and name.endswith(("weight", "bias"))]
    assert kept
    assert all(torch.equal(local[name], first[name]) for name in kept)


def test_a_pretext_cut_short_ends_with_the_same_bits(
    pool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [tiny_job(tmp_path / name, epochs=3) for name in ("whole", "cut")]
    whole = pretrain.pretext(jobs[0], MULTI_LABEL_CE)
    really, calls = train.one_step, 0

    def breaks(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 5:  # the second step of the second epoch
            raise KeyboardInterrupt
        return really(*given)

    monkeypatch.setattr(train, "one_step", breaks)
    with pytest.raises(KeyboardInterrupt):
        pretrain.pretext(jobs[1], MULTI_LABEL_CE)
    assert pretrain.planned(jobs[1], MULTI_LABEL_CE)[0].done == 1
    monkeypatch.setattr(train, "one_step", really)
    cut = pretrain.pretext(jobs[1], MULTI_LABEL_CE)
    assert same(whole, cut)


CHILD = """
import sys
from pathlib import Path
import pytest, torch
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
from ich_bench_baselines.pretext import training as pretrain
from ich_bench_baselines.pretext.tasks import BINARY
from tiny_pool import tiny_job, use
use(pytest.MonkeyPatch(), Path(sys.argv[1]) / "pool")
pretrain.pretext(tiny_job(Path(sys.argv[1]) / "out", epochs=400), BINARY)
"""


@pytest.mark.slow
def test_a_killed_pretext_goes_on_to_the_same_file(pool: Any, tmp_path: Path) -> None:
    job = tiny_job(tmp_path / "out", epochs=400)
    at = pretrain.planned(job, BINARY)[0].folder / train.LAST
    path = os.pathsep.join(sys.path)
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], env={**os.environ, "PYTHONPATH": path})
    try:
        while not at.exists():
            assert child.poll() is None
            time.sleep(0.05)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    done = checkpoint.read(at).epoch
    assert 0 < done < 400
    short = tiny_job(tmp_path / "short", epochs=400)
    really = train._epoch

    def until(*given: Any) -> Any:
        if inspect.signature(really).bind(*given).arguments["epoch"] == done + 1:
            raise KeyboardInterrupt
        return really(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "_epoch", until)
        for one in (job, short):
            with pytest.raises(KeyboardInterrupt):
                pretrain.pretext(one, BINARY)
    other = pretrain.planned(short, BINARY)[0].folder / train.LAST
    assert checkpoint.read(at).epoch == checkpoint.read(other).epoch == done + 1
    assert same(at, other)


def test_two_processes_do_not_train_one_pretext_at_once(
    pool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")
    told: list[str] = []
    job = replace(tiny_job(tmp_path), tell=told.append)
    plan = pretrain.planned(job, BINARY)[0]
    plan.folder.parent.mkdir(parents=True)
    really, waited = fcntl.flock, []
    with plan.folder.with_name(f".{plan.folder.name}.lock").open("w") as other:
        really(other, fcntl.LOCK_EX)

        def frees(file: Any, how: int) -> None:
            if how == fcntl.LOCK_EX:  # it would wait now: the other process is done
                waited.append(plan.folder)
                really(other, fcntl.LOCK_UN)
            really(file, how)

        monkeypatch.setattr(fcntl, "flock", frees)
        pretrain.pretext(job, BINARY)
    assert waited == [plan.folder]
    assert any("waiting" in line for line in told)


GROUP = """
import sys
from pathlib import Path
import pytest, torch
torch.set_num_threads(1)
from ich_bench_baselines import distributed
from ich_bench_baselines.pretext import training as pretrain
from ich_bench_baselines.pretext.tasks import LOCAL
from tiny_pool import tiny_job, use
distributed.begin("cpu")
use(pytest.MonkeyPatch(), Path(sys.argv[1]) / f"pool{distributed.rank()}")
pretrain.pretext(tiny_job(Path(sys.argv[1]) / "out", epochs=1), LOCAL)
distributed.end()
"""


@pytest.mark.slow
def test_two_processes_of_a_group_share_both_stages_of_the_local_contrast(pool: Any, tmp_path: Path) -> None:
    script = tmp_path / "group.py"
    script.write_text(GROUP)
    begun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    subprocess.run([*begun, str(tmp_path)], env=environment, check=True, capture_output=True, timeout=600)
    first, second = pretrain.planned(tiny_job(tmp_path / "out", epochs=1), LOCAL)
    assert (first.done, second.done) == (1, 1)
    one, other = (weights(stage.folder / train.LAST) for stage in (first, second))
    assert torch.equal(one["encoder.blocks.0.0.weight"], other["encoder.blocks.0.0.weight"])


@pytest.mark.parametrize(
    ("pool_name", "why"),
    [(None, "name one with --pool"), ("phantom-pool", "no such pool"), ("phantom-pool:0", "no such pool"),
     ("phantom-pool:many", "no such pool"), ("imagenet", "no such pool")],
)  # fmt: skip
def test_a_pool_that_is_none_is_refused_with_those_that_are(tmp_path: Path, pool_name: str | None, why: str) -> None:
    with pytest.raises(UsageError, match=why) as told:
        pretrain.pretext(tiny_job(tmp_path, pool=pool_name), BINARY)
    assert "phantom-pool:N" in str(told.value)
    assert "rsna" in str(told.value)


@pytest.mark.parametrize(("pool_name", "source"), [("rsna", None), ("rsna:/somewhere/rsna.zip", "/somewhere/rsna.zip")])
def test_rsna_is_read_as_a_balanced_pool_from_where_the_job_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool_name: str, source: str | None
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(pretrain, "dicom_pool", lambda source, **more: asked.update(source=source, **more))
    pretrain.plan_of(tiny_job(tmp_path, pool=pool_name), BINARY.settings(tiny_job(tmp_path)).slices)
    assert (asked["source"], asked["seed"], asked["side"]) == (source, 42, 32)
    assert asked["window"].ends_hu == [-50.0, 150.0]


def test_aligned_goes_with_the_local_contrast_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no options of its own"):
        check(tiny_job(tmp_path, method="unet-mixed", options=(("aligned", "yes"),)))
    check(tiny_job(tmp_path, method="local-contrastive", options=(("aligned", "yes"),)))
