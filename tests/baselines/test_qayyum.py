"""The coarse network is the paper's, learns its own slices, of cases that may be trained on; wiring faults show."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import small_heads  # noqa: E402
from ich_bench.datasets import load_dataset  # noqa: E402
from ich_bench.errors import IchBenchError, UsageError  # noqa: E402
from ich_bench.geometry import Geometry  # noqa: E402
from ich_bench.volume import CT, read_ct  # noqa: E402
from ich_bench_baselines import checkpoint, train  # noqa: E402
from ich_bench_baselines.blocks.unet import parameter_count, seeded  # noqa: E402
from ich_bench_baselines.data.guard import Guard  # noqa: E402
from ich_bench_baselines.data.loader import Batch, Pool  # noqa: E402
from ich_bench_baselines.data.orient import from_slices, orientation_of  # noqa: E402
from ich_bench_baselines.data.streams import Stream  # noqa: E402
from ich_bench_baselines.job import check, training_cases  # noqa: E402
from ich_bench_baselines.methods import known, qayyum_coarse, reported  # noqa: E402
from ich_bench_baselines.paper import origins  # noqa: E402
from ich_bench_baselines.qayyum import coarse as qayyum  # noqa: E402
from ich_bench_baselines.qayyum.dense import DenseLayer, DenseNet2D, DenseSettings, Transition  # noqa: E402
from ich_bench_baselines.qayyum.settings import FlipsAndGamma, coarse_settings  # noqa: E402
from ich_bench_baselines.segment import ABOUT  # noqa: E402

TINY = DenseSettings(layers=2, growth=4, stem=8, decoder=(8, 8, 8, 8, 8, 8))
STILL = FlipsAndGamma(horizontal=0.0, vertical=0.0, gamma_chance=0.0)
SIDE = 64
SMALL = {"method": "qayyum-coarse", "side": 64, "width": 8, "epochs": 1}


def job(out: Path, **more: Any) -> Any:
    return small_heads.tiny_job(out, small_heads.mini(), **{**SMALL, **more})


def kinds(module: Any) -> list[str]:
    leaves = (one for one in module.modules() if not list(one.children()))
    return [type(one).__name__ for one in leaves if not isinstance(one, torch.nn.Dropout)]


def test_a_dense_layer_is_norm_relu_1x1_norm_relu_3x3_and_adds_its_growth_to_what_came_in() -> None:
    layer = DenseLayer(10, TINY)
    assert kinds(layer) == ["BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "ReLU", "Conv2d"]
    shapes = [tuple(one.weight.shape) for one in layer.modules() if isinstance(one, torch.nn.Conv2d)]
    assert shapes == [(16, 10, 1, 1), (4, 16, 3, 3)]  # 4 × growth 4, then the growth
    image = torch.rand(2, 10, 6, 6)
    out = layer(image.clone())
    assert out.shape == (2, 14, 6, 6)
    assert torch.equal(out[:, :10], image)  # dense: what came in goes on unchanged


def test_a_transition_is_norm_1x1_and_a_2x2_average_pool() -> None:
    part = Transition(10, 5)
    assert kinds(part) == ["BatchNorm2d", "Conv2d", "AvgPool2d"]
    assert (part[1].kernel_size, part[2].kernel_size) == ((1, 1), 2)
    assert part(torch.rand(1, 10, 6, 6)).shape == (1, 5, 3, 3)


def test_the_encoder_has_five_blocks_of_six_layers_and_the_table_says_how_many_parameters() -> None:
    network = DenseNet2D()
    assert [len(block) for block in network.blocks] == [6] * 5
    assert len(network.transitions) == 5
    # 96 + 6 · 48 = 384, halved 192; 192 + 288 = 480, 240; 528, 264; 552, 276; 564, 282
    assert [part[1].in_channels for part in network.transitions] == [384, 480, 528, 552, 564]
    assert [part[1].out_channels for part in network.transitions] == [192, 240, 264, 276, 282]
    assert parameter_count(network) == known("qayyum-coarse").parameters


def test_slices_come_out_at_their_own_size_and_others_are_told() -> None:
    network = DenseNet2D(TINY).eval()
    assert network(torch.rand(1, 1, 64, 128)).shape == (1, 1, 64, 128)
    with pytest.raises(IchBenchError, match=r"multiples of 64, got 96×64.*--side"):
        network(torch.rand(1, 1, 96, 64))


@pytest.mark.parametrize("level", range(5))
def test_the_decoder_sees_what_each_dense_block_found(level: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one block's way over, the logits are others: a skip that is dropped shows."""
    network = seeded(lambda: DenseNet2D(TINY), 0).eval()
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    whole = network(image)
    part = network.ups[4 - level]
    monkeypatch.setattr(part, "over", None)
    assert not torch.allclose(whole, network(image))


def test_mirroring_and_gamma_are_those_of_the_slow_loop_and_the_mask_goes_with_its_image() -> None:
    images = torch.rand(40, 1, 6, 5, generator=torch.Generator().manual_seed(2))
    masks = (images > 0.5).to(torch.uint8)
    settings = FlipsAndGamma()
    found, truth = qayyum.flips_and_gamma(images, masks, settings, torch.Generator().manual_seed(7))
    drawn = torch.rand(4, 40, generator=torch.Generator().manual_seed(7))
    for n in range(40):
        wanted, mask = images[n, 0], masks[n, 0]
        if drawn[0, n] < 0.5:
            wanted, mask = wanted[:, range(4, -1, -1)], mask[:, range(4, -1, -1)]  # columns: left and right
        if drawn[1, n] < 0.5:
            wanted, mask = wanted[range(5, -1, -1)], mask[range(5, -1, -1)]
        power = 0.8 + 0.4 * drawn[3, n] if drawn[2, n] < 0.8 else 1.0
        assert torch.allclose(found[n, 0], wanted**power)
        assert torch.equal(truth[n, 0], mask)
    assert 10 < int((drawn[0] < 0.5).sum()) < 30
    assert 24 < int((drawn[2] < 0.8).sum()) < 39
    assert found.min() >= 0
    assert found.max() <= 1


def test_nothing_changes_where_nothing_is_asked() -> None:
    images, masks = torch.rand(3, 1, 4, 4), torch.ones(3, 1, 4, 4)
    found, truth = qayyum.flips_and_gamma(images, masks, STILL, torch.Generator())
    assert torch.equal(found, images)
    assert torch.equal(truth, masks)


def test_the_cross_entropy_as_worked_out_by_hand_and_its_sign() -> None:
    # p = 0.8 where hemorrhage is and 0.2 where none is: -ln 0.8 = 0.2231; p = 0.5: ln 2 = 0.6931
    logit = float(np.log(4))
    masks = torch.tensor([[[[1, 0]]]], dtype=torch.uint8)
    assert float(qayyum.bce(torch.tensor([[[[logit, -logit]]]]), masks)) == pytest.approx(0.2231, abs=1e-4)
    assert float(qayyum.bce(torch.zeros(1, 1, 1, 2), masks)) == pytest.approx(0.6931, abs=1e-4)
    assert float(qayyum.bce(torch.tensor([[[[-logit, logit]]]]), masks)) > 1.6  # the other way round: -ln 0.2


def discs(count: int, *, seed: int = 3) -> tuple[Any, Any]:
    """Bright discs on a noisy ground; every third slice holds none."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    images = rng.uniform(0.25, 0.4, (count, SIDE, SIDE)).astype(np.float32)
    masks = np.zeros((count, SIDE, SIDE), np.uint8)
    for k in range(count):
        row, column = rng.integers(16, SIDE - 16, 2)
        if k % 3 != 2:
            masks[k] = (rows - row) ** 2 + (columns - column) ** 2 <= 81
            images[k][masks[k] == 1] = 0.7
    return images, masks


def crafted(folder: Path, images: Any, masks: Any, cases: list[str]) -> Any:
    made = small_heads.crafted_slices(folder, images, masks, cases)
    np.save(folder / "images.npy", images)
    return made


def pool_of(folder: Path, images: Any, masks: Any) -> Pool:
    made = crafted(folder, images, masks, [f"c{k}" for k in range(len(images))])
    rows = np.arange(len(images))
    stream = Stream(rows=rows, positive=np.asarray(masks).any(axis=(1, 2)), guard=Guard(), about="by hand")
    return Pool.on("cpu", made, stream)


class SeesMask(torch.nn.Module):
    """Says ICH exactly where the image is brighter than 0.55."""

    def forward(self, image: Any) -> Any:
        return (image - 0.55) * 1e3


def losses(folder: Path, masks: Any, images: Any) -> tuple[float, float]:
    """Return the loss of a step and the validation of a network that knows where the discs are."""
    pool = pool_of(folder, images, masks)
    (batch,) = pool.epoch(0, len(images), seed=0)
    step = qayyum.coarse_step(replace(FlipsAndGamma(), gamma_chance=0.0))
    loss = float(step(SeesMask(), batch, torch.Generator().manual_seed(1)))
    return loss, qayyum.validation_of(pool)(SeesMask())


def test_a_network_that_knows_the_mask_has_no_loss_and_one_pixel_or_slice_off_or_an_unmirrored_mask_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, masks = discs(6)
    right = losses(tmp_path / "right", masks, images)
    assert right[0] < 1e-3
    assert -1e-3 < right[1] <= 0
    for name, wrong in {"pixel": np.roll(masks, 1, axis=1), "slice": masks[[1, 0, 2, 4, 3, 5]]}.items():
        loss, validation = losses(tmp_path / name, wrong, images)
        assert loss > 0.5
        assert validation < -0.5  # the higher the better
    whole = qayyum.flips_and_gamma
    monkeypatch.setattr(qayyum, "flips_and_gamma", lambda i, m, s, g: (whole(i, m, s, g)[0], m))
    assert losses(tmp_path / "unmirrored", masks, images)[0] > 0.5


def test_the_validation_is_the_mean_over_all_slices_however_they_are_batched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, masks = discs(5)
    pool = pool_of(tmp_path, images, masks)
    network = seeded(lambda: DenseNet2D(TINY), 0).eval().requires_grad_(requires_grad=False)
    pairs = [(torch.from_numpy(images[k])[None, None], torch.from_numpy(masks[k])[None, None]) for k in range(5)]
    each = [float(qayyum.bce(network(image), mask)) for image, mask in pairs]
    for size in (2, 16):
        monkeypatch.setattr(qayyum, "BATCH", size)
        assert qayyum.validation_of(pool)(network) == pytest.approx(-np.mean(each), rel=1e-5)


@pytest.fixture
def crafted_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Phantom-mini's twelve cases, each of three slices of discs instead of its stack."""
    images, masks = discs(36)
    cases = [f"phantom-mini-{k // 3:03d}" for k in range(36)]
    made = crafted(tmp_path / "slices", images, masks, cases)
    monkeypatch.setattr(qayyum, "_stacks", lambda *_: made)
    return made


def over_fitting(out: Path, **training: Any) -> tuple[Any, Any]:
    wanted = job(out)
    own = coarse_settings(wanted, qayyum_coarse.Settings)
    how = replace(own.training, **{"epochs": 25, "batch_size": 4, "lr": 5e-3, "inner_share": 0.5, **training})
    return wanted, replace(own, net=TINY, augmentation=STILL, training=how, stacks=replace(own.stacks, most=None))


def test_it_over_fits_its_own_few_slices_beyond_a_dice_of_090_and_a_ct_of_them_comes_back_as_its_mask(
    crafted_heads: Any, tmp_path: Path
) -> None:
    wanted, settings = over_fitting(tmp_path)
    settings = replace(settings, stacks=replace(settings.stacks, depth=3, intensity="window", window_hu=(0.0, 100.0)))
    path = qayyum.train_coarse(wanted, cases=training_cases(wanted), to=tmp_path / "run", settings=settings)
    aside = json.loads((path.parent / ABOUT).read_text())["validation_cases"]
    case = next(one for one in training_cases(wanted) if one not in aside)
    rows = np.flatnonzero(crafted_heads.index["case_id"] == case)
    grid = Geometry.of((SIDE, SIDE, 3), np.diag([0.5, 0.5, 5.0, 1.0]))

    def native(stack: Any) -> Any:
        return np.ascontiguousarray(from_slices(np.moveaxis(stack[rows], 0, 2), orientation_of(grid)))

    found = qayyum.load_coarse(path)(CT(hu=native(crafted_heads.images) * 100, geometry=grid))
    truth = native(crafted_heads.masks) != 0
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.9


def test_no_slice_of_the_inner_part_the_test_fold_or_of_cases_not_named_is_trained_on(
    crafted_heads: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, settings = over_fitting(tmp_path, epochs=2)
    cases = training_cases(wanted)[:6]
    trained: set[str] = set()
    validated: set[str] = set()

    def looked(pool: Pool, into: set[str]) -> None:
        whole = pool.stream.guard.hand_out

        def hand_out(case_ids: Any, patient_ids: Any, slice_ids: Any) -> None:
            into.update(case_ids)
            whole(case_ids, patient_ids, slice_ids)

        pool.stream.guard.hand_out = hand_out  # type: ignore[method-assign]

    def on(device: str, slices: Any, stream: Stream, real: Any = Pool.on) -> Pool:
        pool: Pool = real(device, slices, stream)
        looked(pool, validated if made else trained)
        made.append(pool)
        return pool

    made: list[Pool] = []
    monkeypatch.setattr(qayyum.Pool, "on", on)
    path = qayyum.train_coarse(wanted, cases=cases, to=tmp_path / "run", settings=settings)
    facts = json.loads((path.parent / ABOUT).read_text())
    assert validated == set(facts["validation_cases"])
    assert trained | validated == set(cases)
    assert not trained & validated
    assert facts["annotated_patients"] == 6


def test_a_stream_that_held_a_test_case_would_be_refused(
    crafted_heads: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, settings = over_fitting(tmp_path, epochs=1)
    tested = sorted(set(crafted_heads.index["case_id"]) - set(training_cases(wanted)))[0]
    real = qayyum._stream
    monkeypatch.setattr(qayyum, "_stream", lambda slices, cases, *more: real(slices, (*cases, tested), *more))
    with pytest.raises(IchBenchError, match=f"kept apart as .*{tested}"):
        qayyum.train_coarse(wanted, cases=training_cases(wanted), to=tmp_path / "run", settings=settings)
    with pytest.raises(IchBenchError, match=f"{tested} may not be trained on"):
        qayyum.train_coarse(wanted, cases=(tested,), to=tmp_path / "other", settings=settings)


def test_the_weights_kept_are_those_of_the_best_validation_and_it_stops_early(
    crafted_heads: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, settings = over_fitting(tmp_path, patience=2, epochs=9)
    scores = iter([-0.5, -0.2, -0.3, -0.4])
    monkeypatch.setattr(qayyum, "validation_of", lambda pool: lambda model: next(scores))
    path = qayyum.train_coarse(wanted, cases=training_cases(wanted), to=tmp_path / "run", settings=settings)
    kept = checkpoint.read(path)
    assert (kept.epoch, kept.best["epoch"], kept.best["score"]) == (4, 2, -0.2)


def test_another_subset_of_cases_in_the_same_folder_is_refused_and_the_same_one_is_not_trained_again(
    crafted_heads: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, settings = over_fitting(tmp_path, epochs=1)
    cases = training_cases(wanted)
    path = qayyum.train_coarse(wanted, cases=cases[:6], to=tmp_path / "run", settings=settings)
    before = path.read_bytes()
    other_method = replace(wanted, method="unet-mixed")  # as the fine stage calls it
    monkeypatch.setattr(train, "_epoch", lambda *_: pytest.fail("trained again"))
    assert qayyum.train_coarse(other_method, cases=cases[:6], to=tmp_path / "run", settings=settings) == path
    assert path.read_bytes() == before
    assert checkpoint.read(path).about["method"] == "qayyum-coarse"
    with pytest.raises(IchBenchError, match="was trained otherwise"):
        qayyum.train_coarse(wanted, cases=cases[:7], to=tmp_path / "run", settings=settings)


def test_a_fold_of_drawn_heads_is_trained_and_predicted_on_their_own_grids(tmp_path: Path) -> None:
    wanted = job(tmp_path, options=(("intensity", "window"),))
    check(wanted)
    path = qayyum_coarse.train(wanted)
    values = {row["name"]: row["value"] for row in checkpoint.read(path).about["settings"]}
    assert values["stacks.intensity"] == "window"
    case = load_dataset(small_heads.DATASET, small_heads.mini()).cases[0]
    ct = read_ct(case.ct)
    predictor = qayyum_coarse.load(path)
    assert predictor(ct).shape == ct.geometry.shape
    assert predictor.key == checkpoint.weights_sha256(checkpoint.read(path).weights)


def test_the_papers_values_stand_in_the_settings_and_what_it_does_not_print_is_ours() -> None:
    rows = {row.name: row for row in origins(qayyum_coarse.Settings())}
    printed = {"training.epochs": 200, "training.batch_size": 2, "training.lr": 4e-4, "training.patience": 20,
               "stacks.side": 256, "stacks.depth": 16, "stacks.intensity": "minmax", "augmentation.horizontal": 0.5,
               "augmentation.vertical": 0.5, "augmentation.gamma_chance": 0.8, "net.blocks": 5,
               "net.layers": 6}  # fmt: skip
    assert {name: rows[name].value for name in printed} == printed
    assert {rows[name].origin for name in printed} == {"paper"}
    for name in ("net.growth", "net.stem", "net.decoder", "augmentation.gamma", "training.inner_share", "threshold"):
        assert rows[name].origin == "ours"
    assert len({*printed, *rows}) == len(rows)


def test_a_job_changes_what_it_names(tmp_path: Path) -> None:
    own = coarse_settings(job(tmp_path, batch=3, epochs=7, side=128, width=48), qayyum_coarse.Settings)
    assert (own.training.batch_size, own.training.epochs, own.stacks.side) == (3, 7, 128)
    assert (own.net.stem, own.net.growth, own.net.decoder) == (48, 24, (192, 192, 96, 48, 48, 32))
    assert coarse_settings(job(tmp_path, width=None, schedule="phantom")).training.epochs == 1  # --epochs 1 of the job
    assert coarse_settings(job(tmp_path, width=None, epochs=None, schedule="phantom")).training.patience == 10
    with pytest.raises(UsageError, match="--side 96: qayyum-coarse takes sides that are multiples of 64"):
        coarse_settings(job(tmp_path, side=96))


def test_the_manifest_says_that_the_epoch_was_chosen_on_training_cases(tmp_path: Path) -> None:
    assert qayyum_coarse.said(job(tmp_path)) == {"checkpoint_selection": "inner"}
    assert reported("qayyum-coarse") == ()  # the paper prints the two stages together alone
    assert {row.paper for row in reported("qayyum-coarse-fine")} == {"qayyum2023", "instance2022"}


def test_a_plan_tells_cases_epochs_batches_and_slices() -> None:
    from ich_bench_baselines.job import Job

    paper = Job(method="qayyum-coarse", dataset="instance2022", out=Path("out"))
    # 80 training cases of 100, a fifth of them kept aside: 64 of 16 slices
    assert list(qayyum_coarse.stages(paper)) == [("", 80, 200, 2, 1024)]


def test_a_checkpoint_of_another_method_is_explained(tmp_path: Path) -> None:
    kept = checkpoint.Checkpoint(about={"method": "unet-mixed", "settings": []}, weights={}, epoch=1, optimizer={})
    checkpoint.save(tmp_path / "x.ckpt", kept)
    with pytest.raises(IchBenchError, match="no checkpoint of a coarse stage"):
        qayyum.load_coarse(tmp_path / "x.ckpt")


def test_a_batch_without_masks_is_no_batch_to_train_on() -> None:
    batch = Batch(rows=np.arange(1), images=torch.rand(1, 1, 64, 64))
    with pytest.raises(ValueError, match="without masks"):
        qayyum.coarse_step(STILL)(SeesMask(), batch, torch.Generator())
