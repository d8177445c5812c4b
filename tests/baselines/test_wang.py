"""Wang 2020's methods learn their own slices, keep what is tested apart, and tell of a divergence as a result."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import small_heads  # noqa: E402
import tiny_pool  # noqa: E402
from ich_bench.errors import IchBenchError, UsageError  # noqa: E402
from ich_bench.folds import load_scheme  # noqa: E402
from ich_bench_baselines import checkpoint  # noqa: E402
from ich_bench_baselines.blocks.transfer import ENCODER  # noqa: E402
from ich_bench_baselines.blocks.unet import seeded  # noqa: E402
from ich_bench_baselines.data.guard import Guard  # noqa: E402
from ich_bench_baselines.data.loader import Pool  # noqa: E402
from ich_bench_baselines.data.streams import Stream  # noqa: E402
from ich_bench_baselines.experiment import run  # noqa: E402
from ich_bench_baselines.job import Job, folder, predictions_folder  # noqa: E402
from ich_bench_baselines.methods import METHODS, chen_alternating, method, wang_semi_supervised  # noqa: E402
from ich_bench_baselines.parts import facts, trainings  # noqa: E402
from ich_bench_baselines.train import Run  # noqa: E402
from ich_bench_baselines.wang import settings as wang  # noqa: E402
from ich_bench_baselines.wang import training as wang_train  # noqa: E402
from ich_bench_baselines.wang import turns  # noqa: E402
from ich_bench_baselines.wang.curriculum import order_of  # noqa: E402
from ich_bench_baselines.wang.networks import WangUNetSettings  # noqa: E402
from ich_bench_baselines.wang.pretext import WANG_BINARY  # noqa: E402
from ich_bench_baselines.wang.rates import Rates  # noqa: E402

SIDE = 32
MINE = ("wang-supervised", "wang-pretrained", "wang-semi-supervised", "chen-alternating")
SMALL = WangUNetSettings(top=8)


def discs(count: int) -> tuple[Any, Any]:
    """Bright discs of 81 pixels on noise, each slice its own, and their masks."""
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    images, masks = rng.integers(60, 100, (count, SIDE, SIDE)), np.zeros((count, SIDE, SIDE), np.uint8)
    for k in range(count):
        row, column = rng.integers(8, SIDE - 8, 2)
        masks[k] = (rows - row) ** 2 + (columns - column) ** 2 <= 25
        images[k][masks[k] == 1] = 180
    return images.astype(np.uint8), masks


@pytest.fixture(scope="module")
def heads() -> Path:
    return small_heads.mini()


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    found = tiny_pool.use(monkeypatch, tmp_path / "pool")
    monkeypatch.setattr(wang_train, "build", lambda plan, **_: found)
    return found


def crafted(tmp_path: Path, images: Any, masks: Any) -> Pool:
    cases = [f"c{k}" for k in range(len(images))]
    slices = small_heads.crafted_slices(tmp_path, images, masks, cases)
    stream = Stream(rows=np.arange(len(images)), positive=np.ones(len(images), bool), guard=Guard(), about="by hand")
    return Pool.on("cpu", slices, stream)


def own_dice(tmp_path: Path, settings: Any, strategy: Any, epochs: int, *, shown: Any = None) -> float:
    """Return the Dice of a network on the four slices it was trained on; `shown`: other masks than the right ones."""
    images, masks = discs(4)
    labelled = crafted(tmp_path / "labelled", images, masks if shown is None else shown(masks))
    other = crafted(tmp_path / "other", *discs(12))
    own = turns.fit_in_turns(
        seeded(lambda: wang.network_of(settings), 0),
        wang.turns_of(settings, labelled, other, 0),
        order_of(strategy, 0),
        epochs,
        Run(out=tmp_path / "run"),
        {},
    )
    network = wang.network_of(settings)
    checkpoint.load_weights(network, checkpoint.read(own).weights, source=own)
    with torch.inference_mode():
        found = (network.eval()(torch.from_numpy(images).unsqueeze(1) / 255.0) >= 0).squeeze(1).numpy()
    return float(2 * (found & (masks > 0)).sum() / (found.sum() + masks.sum()))


SETTINGS = {
    "supervised": wang.Wang(unet=SMALL),
    "curriculum": wang_semi_supervised.Settings(unet=SMALL),
    "alternating": chen_alternating.Settings(unet=SMALL),
    "joint": chen_alternating.Settings(unet=SMALL, unsupervised=Rates(lr=1e-2)),
}


@pytest.mark.parametrize(
    ("strategy", "epochs"), [("supervised", 12), ("curriculum", 16), ("alternating", 12), ("joint", 60)]
)
def test_each_strategy_learns_its_own_slices(tmp_path: Path, strategy: Any, epochs: int) -> None:
    assert own_dice(tmp_path, SETTINGS[strategy], strategy, epochs) > 0.9


def test_wiring_faults_do_not_learn_their_own_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dice(name: str, **more: Any) -> float:
        return own_dice(tmp_path / name, SETTINGS["supervised"], "supervised", 12, **more)

    assert dice("slice", shown=lambda masks: masks[[1, 0, 3, 2]]) < 0.75  # the mask of another slice
    assert dice("moved", shown=lambda masks: np.roll(masks, 4, axis=2)) < 0.75  # four of a disc's eleven pixels aside
    real = wang.jaccard_loss
    monkeypatch.setattr(wang, "jaccard_loss", lambda logits, target: -real(logits, target))
    assert dice("sign") < 0.5
    monkeypatch.setattr(wang, "jaccard_loss", lambda logits, target: real(logits, 1 - target.float()))
    assert dice("background") < 0.5


def test_a_fixed_mask_gives_its_decoder_no_gradient_and_a_learnt_one_reaches_the_encoder_too(tmp_path: Path) -> None:
    images, masks = discs(6)
    batch = next(iter(crafted(tmp_path, images, masks).epoch(0, 6, seed=0)))
    encoder = {}
    for attention in ("fixed", "learnt"):
        network = seeded(lambda: wang.network_of(SETTINGS["curriculum"]), 0)
        wang.rebuild_step(attention, "linear")(network, batch, torch.Generator()).backward()
        given = {name for name, one in network.named_parameters() if one.grad is not None and one.grad.any()}
        assert any(name.startswith("rebuild.") for name in given)
        assert any(name.startswith("decoder.") for name in given) == (attention == "learnt")
        encoder[attention] = network.encoder.levels[0][0].weight.grad
    assert not torch.allclose(encoder["fixed"], encoder["learnt"])


def test_an_epoch_without_masks_takes_as_many_slices_as_there_are_with_masks(tmp_path: Path) -> None:
    images, masks = discs(12)
    labelled, other = crafted(tmp_path / "a", images[:5], masks[:5]), crafted(tmp_path / "b", images, masks)
    settings = replace(SETTINGS["curriculum"], training=wang.Training(batch_size=2))
    found = wang.turns_of(settings, labelled, other, 0)
    drawn = [[int(one) for batch in found["unsupervised"].batches(epoch) for one in batch.rows] for epoch in (0, 1, 0)]
    assert [len(one) for one in drawn] == [5, 5, 5]
    assert drawn[0] == drawn[2] != drawn[1]
    assert len(set(drawn[0])) == 5
    joint = list(found["joint"].batches(3))
    assert [(len(one), len(two)) for one, two in joint] == [(2, 2), (2, 2), (1, 1)]
    # L-BFGS compares gradients of one function: the same batches in every epoch
    orders = [[list(batch.rows) for batch in found["supervised"].batches(epoch)] for epoch in (0, 7)]
    assert orders[0] == orders[1]


def test_every_value_has_an_origin_and_the_papers_are_the_papers() -> None:
    from ich_bench_baselines.paper import origins

    job = Job(method="wang-semi-supervised", dataset="hssayeni", out=Path())
    rows = {row.name: row for row in origins(method("wang-semi-supervised").settings(job))}
    paper = {name: row.value for name, row in rows.items() if row.origin == "paper"}
    assert (paper["training.epochs"], paper["unsupervised.lr"]) == (4000, 1e-4)
    assert (paper["supervised.lr"], rows["supervised.line_search"].value) == (1e-4, "none")
    for other in ({"options": (("step", "search"),)}, {"schedule": "phantom"}):
        found = method("wang-semi-supervised").settings(replace(job, **other))
        own = {row.name: row for row in origins(found)}["supervised.lr"]
        assert (own.value, own.origin, found.supervised.line_search) == (1.0, "ours", "strong_wolfe")
    fixed = method("wang-semi-supervised").settings(replace(job, schedule="phantom", options=(("step", "fixed"),)))
    assert fixed.supervised.lr == 1e-4
    assert (paper["supervised.optimizer"], paper["unsupervised.optimizer"]) == ("l-bfgs", "adam")
    assert (paper["k"], paper["mask_loss"], paper["pool.most"], paper["slices.side"]) == (40.0, "jaccard", 100_000, 256)
    assert rows["unet.top"].origin == rows["unet.depth"].origin == rows["slices.window_hu"].origin == "ours"
    code = chen_alternating.settings(replace(job, method="chen-alternating", variant="code"))
    assert (code.supervised.optimizer, code.supervised.lr, code.unsupervised.lr) == ("adam", 1e-2, 1e-3)
    assert (code.mask_loss, code.rebuilt, code.supervised.gamma_epochs) == ("dice", "sigmoid", 500)


@pytest.mark.parametrize("name", MINE)
def test_a_method_trains_predicts_and_says_what_it_learned_from(
    name: str, heads: Path, pool: Any, tmp_path: Path
) -> None:
    given = None if name == "wang-supervised" else "phantom-pool:1"
    job = small_heads.tiny_job(tmp_path, heads, name, pool=given, epochs=2)
    done = run(job, folds=[1])
    assert {one.name for one in predictions_folder(replace(job, fold=1)).iterdir()} == {
        f"{case}.nii.gz" for case in load_scheme("phantom-mini").test_cases(1)
    }
    about = facts(folder(replace(job, fold=1)))
    assert about["annotated_slices"] == about["slices"] > 0  # slices with hemorrhage alone
    (path,) = done.checkpoints.values()
    assert len(trainings(path)) == (2 if name == "wang-pretrained" else 1)  # the pre-training's hours count too
    said = done.manifest.read_text() if done.manifest else ""
    assert f'supervision = "{METHODS[name].supervision}"' in said
    assert "training_hours" in said


def test_the_pretrained_encoder_is_where_the_training_starts(heads: Path, pool: Any, tmp_path: Path) -> None:
    from ich_bench_baselines.pretext import training as pretrain

    job = small_heads.tiny_job(tmp_path, heads, "wang-pretrained", pool="phantom-pool:1")
    start = pretrain.started(job, WANG_BINARY)
    assert start.parts == ENCODER
    taken: list[Any] = []
    real = turns.fit_in_turns

    def noted(network: Any, *rest: Any) -> Any:
        taken.append({name: one.clone() for name, one in network.state_dict().items()})
        return real(network, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turns, "fit_in_turns", noted)
        method("wang-pretrained").train(job)
    begun = taken[0]
    names = [name for name in begun if name.startswith("encoder.")]
    assert names
    assert all(torch.equal(begun[name], start.weights[name]) for name in names)


def test_the_slices_without_masks_have_hemorrhage_and_come_without_mask_or_label(pool: Any, tmp_path: Path) -> None:
    job = tiny_pool.tiny_job(tmp_path, method="wang-semi-supervised")
    settings = wang_semi_supervised.settings(job)
    found = wang_train.pool_of(job, settings, Guard())
    assert pool.index["any"].to_numpy(bool)[found.stream.rows].all()
    batch = next(iter(found.epoch(0, 4, seed=0)))
    assert (batch.masks, batch.labels) == (None, None)


def test_a_slice_of_a_tested_patient_in_the_pool_is_refused(pool: Any, heads: Path, tmp_path: Path) -> None:
    job = tiny_pool.tiny_job(tmp_path, method="wang-semi-supervised")
    guard = Guard(patients={pool.index["patient_id"].iloc[0]}, where="fold 0")
    found = wang_train.pool_of(job, wang_semi_supervised.settings(job), guard)
    with pytest.raises(IchBenchError, match=r"kept apart as the test part of fold 0 of phantom-mini/cv4.*p00"):
        list(found.epoch(0, 64, seed=0))
    # and so in a training: a pool that holds a patient of the test part is never learned from
    index = pool.index.copy()
    index["patient_id"] = load_scheme("phantom-mini").rows[0].patient_id
    tested = load_scheme("phantom-mini").rows[0].fold
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wang_train, "build", lambda plan, **_: replace(pool, index=index))
        job = small_heads.tiny_job(tmp_path, heads, "chen-alternating", pool="phantom-pool:1", fold=tested)
        with pytest.raises(IchBenchError, match="kept apart"):
            method("chen-alternating").train(job)


def test_a_pool_where_none_is_needed_and_none_where_one_is_are_told(heads: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="learns from drawn masks alone: leave --pool away"):
        method("wang-supervised").train(small_heads.tiny_job(tmp_path, heads, "wang-supervised", pool="rsna"))
    for name in MINE[1:]:
        with pytest.raises(UsageError, match="name one with --pool"):
            method(name).train(small_heads.tiny_job(tmp_path, heads, name))


@pytest.fixture
def explodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of the rebuilt slices becomes infinite from its third call on."""
    calls = 0
    real = wang.weighted_mse

    def error(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        return real(*given) * (float("inf") if calls > 2 else 1.0)

    monkeypatch.setattr(wang, "weighted_mse", error)


@pytest.mark.parametrize("strategy", ["alternating", "joint"])
def test_a_divergence_of_chens_training_is_recorded_and_predicted_with_and_no_crash(
    heads: Path, pool: Any, tmp_path: Path, explodes: None, strategy: str
) -> None:
    job = small_heads.tiny_job(
        tmp_path, heads, "chen-alternating", pool="phantom-pool:1", epochs=4, options=(("strategy", strategy),)
    )
    done = run(job, folds=[0])
    assert done.scores is not None
    assert {row["status"] for row in done.scores.scores.to_pylist()} == {"scored"}
    (path,) = done.checkpoints.values()
    fault = facts(path.parent)["diverged"]
    assert fault["kind"] == "not finite"
    assert fault["epoch"] <= 3
    assert all(torch.isfinite(one).all() for one in checkpoint.read(path).weights.values())
    assert done.manifest is not None
    assert f"1 trainings diverged; their last sound weights predict. seed_0/fold_0: {fault['words']}" in (
        done.manifest.read_text()
    )
    home = "chen-alternating" if strategy == "alternating" else "chen-alternating-strategy-joint"
    assert done.folder == tmp_path / home
    again = run(job, folds=[0])  # what diverged stays as it ended
    assert facts(path.parent)["diverged"] == fault
    assert again.checkpoints == done.checkpoints


def test_wangs_own_training_that_diverges_is_an_error(heads: Path, pool: Any, tmp_path: Path, explodes: None) -> None:
    job = small_heads.tiny_job(tmp_path, heads, "wang-semi-supervised", pool="phantom-pool:1", epochs=6)
    with pytest.raises(IchBenchError, match=r"unsupervised loss became (inf|nan) in epoch"):
        method("wang-semi-supervised").train(job)


def test_a_checkpoint_of_another_method_is_told(tmp_path: Path) -> None:
    kept = checkpoint.Checkpoint(about={"method": "x", "settings": []}, weights={}, epoch=1, optimizer={})
    checkpoint.save(tmp_path / "last.ckpt", kept)
    with pytest.raises(IchBenchError, match="no checkpoint of a method of Wang 2020"):
        wang.load_wang(tmp_path / "last.ckpt")


def test_the_rows_of_table_1_are_those_of_these_methods() -> None:
    from ich_bench_baselines.methods import reported

    dice = {name: {row.metrics["dice"].value for row in reported(name) if "dice" in row.metrics} for name in MINE[:3]}
    assert {0.31, 0.42, 0.61} <= dice["wang-supervised"]
    assert {0.44, 0.51, 0.67} <= dice["wang-semi-supervised"]
    assert {0.33, 0.44, 0.61} <= dice["wang-pretrained"]
    assert len(reported("chen-alternating")) == 3


def test_plans_name_what_is_trained(heads: Path, tmp_path: Path) -> None:
    job = small_heads.tiny_job(tmp_path, heads, "wang-supervised")
    assert list(method("wang-supervised").stages(job)) == [("", 9, 1, 4, None)]  # type: ignore[attr-defined]
    by_slices = Job(method="wang-supervised", dataset="hssayeni", out=tmp_path, scheme="wang-slices")
    parts = list(method("wang-supervised").stages(by_slices))  # type: ignore[attr-defined]
    assert [one[:3] for one in parts] == [(f"slices_{k}", 75, 4000) for k in range(5)]
    assert json.dumps(parts)


def test_several_processes_are_refused_in_words(heads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="trains on one GPU or CPU: start it without torchrun"):
        method("wang-supervised").train(small_heads.tiny_job(tmp_path, heads, "wang-supervised"))
