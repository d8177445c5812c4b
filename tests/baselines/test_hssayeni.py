"""Crops cover a slice as in Hssayeni 2020, votes and morphology are those of slow loops, and it learns its slices."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

import small_heads  # noqa: E402
from ich_bench.datasets import load_dataset  # noqa: E402
from ich_bench.errors import IchBenchError, UsageError  # noqa: E402
from ich_bench.geometry import Geometry  # noqa: E402
from ich_bench.metrics.profiles import PROFILES  # noqa: E402
from ich_bench.volume import CT, read_ct  # noqa: E402
from ich_bench_baselines import checkpoint  # noqa: E402
from ich_bench_baselines.blocks.augment import Augmentation  # noqa: E402
from ich_bench_baselines.blocks.unet import parameter_count, seeded  # noqa: E402
from ich_bench_baselines.data.guard import Guard  # noqa: E402
from ich_bench_baselines.data.orient import from_slices, orientation_of  # noqa: E402
from ich_bench_baselines.hssayeni import morphology  # noqa: E402
from ich_bench_baselines.hssayeni import training as hssayeni  # noqa: E402
from ich_bench_baselines.hssayeni.crop_unet import CropUNet, CropUNetSettings  # noqa: E402
from ich_bench_baselines.hssayeni.crops import (  # noqa: E402
    Chosen,
    CropBatch,
    CropPool,
    Tiling,
    jaccard_of,
    of_a_normal_slice,
    together,
    with_ich,
)
from ich_bench_baselines.hssayeni.settings import CropAugmentation, settings_for  # noqa: E402
from ich_bench_baselines.job import Job, check, training_cases  # noqa: E402
from ich_bench_baselines.methods import hssayeni_unet, known, reported  # noqa: E402
from ich_bench_baselines.paper import origins  # noqa: E402
from ich_bench_baselines.segment import ABOUT  # noqa: E402

SMALL = Tiling(side=32, crop=16, stride=8)
STILL = CropAugmentation(translate=0.0, rotate_deg=0.0, scale=(1.0, 1.0))


def job(out: Path, **more: Any) -> Any:
    return small_heads.tiny_job(out, small_heads.mini(), **{"method": "hssayeni-unet", "side": 64, "width": 4, **more})


def test_crops_of_128_pixels_64_apart_are_49_of_a_slice_of_512() -> None:
    corners = Tiling(side=512, crop=128, stride=64).corners
    assert len(corners) == 49
    assert (corners[0], corners[1], corners[7], corners[-1]) == ((0, 0), (0, 64), (64, 0), (384, 384))


@pytest.mark.parametrize(("side", "crop", "stride"), [(512, 128, 100), (64, 128, 64), (128, 64, 65), (64, 16, 0)])
def test_crops_that_leave_a_rim_or_a_gap_are_refused(side: int, crop: int, stride: int) -> None:
    with pytest.raises(ValueError, match=f"crops of {crop}, {stride} apart, do not cover slices of {side}"):
        Tiling(side=side, crop=crop, stride=stride)


def test_crops_are_cut_where_their_corners_say() -> None:
    slices = torch.arange(2 * 32 * 32).reshape(2, 32, 32)
    found = SMALL.cut(slices)
    assert found.shape == (18, 16, 16)
    for n in range(2):
        for number, (top, left) in enumerate(SMALL.corners):
            assert torch.equal(found[n * 9 + number], slices[n, top : top + 16, left : left + 16])


def test_a_pixel_is_hemorrhage_where_more_than_half_of_its_crops_say_so() -> None:
    """Crops of 2, 1 apart, over 3 × 3 pixels: corners lie in 1 crop, edges in 2, the middle in 4."""
    tiling = Tiling(side=3, crop=2, stride=1)
    sure = torch.zeros(4, 2, 2)
    sure[0] = 0.9
    # the first crop alone says so: its corner 1 of 1; the two edges 1 of 2, a tie; the middle 1 of 4
    assert tiling.merged(sure, 0.5, "majority")[0].int().tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    sure[1], sure[2] = 0.9, 0.5
    # three of the four: edges between them 2 of 2, the middle 3 of 4, the lower right edges 1 of 2; 0.5 itself is a yes
    assert tiling.merged(sure, 0.5, "majority")[0].int().tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0]]
    # their mean: 0.9, 0.9, 0.9; 0.7, (0.9 + 0.9 + 0.5 + 0) / 4 = 0.575, 0.45; 0.5, 0.25, 0; more than 0.5 counts
    assert tiling.merged(sure, 0.5, "mean")[0].int().tolist() == [[1, 1, 1], [1, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("how", ["majority", "mean"])
def test_votes_are_those_of_the_slow_loop(how: Any) -> None:
    sure = torch.rand(18, 16, 16, generator=torch.Generator().manual_seed(4))
    found = SMALL.merged(sure, 0.5, how)
    for n in range(2):
        for row in range(0, 32, 3):
            for column in range(0, 32, 3):
                held = [float(sure[n * 9 + k, row - top, column - left]) for k, (top, left) in enumerate(SMALL.corners)
                        if top <= row < top + 16 and left <= column < left + 16]  # fmt: skip
                votes = [one >= 0.5 for one in held] if how == "majority" else held
                assert bool(found[n, row, column]) == (sum(votes) / len(held) > 0.5)


def test_cutting_and_merging_gives_back_any_mask_there_was() -> None:
    mask = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(5)) > 0.5
    assert torch.equal(SMALL.merged(SMALL.cut(mask.float()), 0.5, "majority"), mask)


def slow(mask: Any, size: int, *, first: str) -> Any:
    """Close or open by a loop over the square's places: an even one reaches one further back than forth."""
    offsets = range(-(size // 2), size - size // 2)

    def grown(held: Any) -> Any:
        return _each(held, offsets, any, outside=False)

    def shrunk(held: Any) -> Any:
        return _each(held, [-one for one in offsets], all, outside=True)

    return shrunk(grown(mask)) if first == "grow" else grown(shrunk(mask))


def _each(held: Any, offsets: Any, rule: Any, *, outside: bool) -> Any:
    found = np.zeros_like(held)
    rows, columns = held.shape
    for row in range(rows):
        for column in range(columns):
            seen = [held[row + a, column + b] if 0 <= row + a < rows and 0 <= column + b < columns else outside
                    for a in offsets for b in offsets]  # fmt: skip
            found[row, column] = rule(seen)
    return found


@pytest.mark.parametrize("size", [1, 2, 4, 5])
def test_closing_and_opening_are_those_of_the_slow_loop(size: int) -> None:
    masks = np.random.default_rng(size).random((3, 14, 11)) < 0.35
    for mask, wide, narrow in zip(masks, morphology.closed(masks, size), morphology.opened(masks, size), strict=True):
        assert np.array_equal(wide, slow(mask, size, first="grow"))
        assert np.array_equal(narrow, slow(mask, size, first="shrink"))


@pytest.mark.parametrize("size", [2, 5, 10])
def test_closing_loses_nothing_opening_adds_nothing_and_a_second_time_changes_nothing(size: int) -> None:
    masks = np.random.default_rng(1).random((2, 40, 40)) < 0.3
    wide, narrow = morphology.closed(masks, size), morphology.opened(masks, size)
    assert (wide | masks == wide).all()
    assert (narrow & masks == narrow).all()
    assert np.array_equal(morphology.closed(wide, size), wide)
    assert np.array_equal(morphology.opened(narrow, size), narrow)


def test_the_papers_sizes_fill_a_gap_of_9_keep_one_of_10_and_take_a_speck_of_4() -> None:
    masks = np.zeros((1, 60, 60), bool)
    masks[0, 10:30, 5:15] = masks[0, 10:30, 24:34] = masks[0, 10:30, 44:54] = True  # gaps of 9 and of 10 columns
    masks[0, 50:54, 50:54] = True
    found = morphology.opened(morphology.closed(masks, 10), 5)
    assert found[0, 20, 15:24].all()
    assert not found[0, 20, 34:44].any()
    assert not found[0, 50:54, 50:54].any()
    assert found[0, 10:30, 5:15].all()  # and nothing moved
    assert not found[0, 9].any()


def crafted(folder: Path, count: int = 6, side: int = 32, cases: list[str] | None = None) -> Any:
    """Slices of a bright disc each, every third without; one case a slice unless given."""
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[:side, :side]
    images, masks = rng.integers(60, 100, (count, side, side)), np.zeros((count, side, side), np.uint8)
    for k in range(count):
        row, column = rng.integers(side // 4, side - side // 4, 2)
        if k % 3 != 2:
            masks[k] = (rows - row) ** 2 + (columns - column) ** 2 <= (side // 6) ** 2
            images[k][masks[k] == 1] = 200
    return small_heads.crafted_slices(folder, images.astype(np.uint8), masks, cases or [f"c{k}" for k in range(count)])


def test_trained_on_are_all_crops_with_hemorrhage_and_one_normal_slice_a_case(tmp_path: Path) -> None:
    slices = crafted(tmp_path, 12, cases=[f"c{k // 6}" for k in range(12)])
    bleeding = with_ich(slices, ["c0"], SMALL)
    wanted = [(row, n) for row in range(6) for n, (top, left) in enumerate(SMALL.corners)
              if slices.masks[row, top : top + 16, left : left + 16].any()]  # fmt: skip
    assert list(zip(bleeding.rows.tolist(), bleeding.corners.tolist(), strict=True)) == wanted
    normal = of_a_normal_slice(slices, ["c0", "c1"], SMALL, seed=0)
    assert normal.corners.tolist() == [*range(9), *range(9)]
    first, second = normal.rows[0], normal.rows[9]
    assert first in (2, 5)
    assert second in (8, 11)
    assert len({int(of_a_normal_slice(slices, ["c0"], SMALL, seed=seed).rows[0]) for seed in range(8)}) == 2
    both = together(bleeding, normal)
    assert len(both) == len(wanted) + 18
    assert len(both.at_most(7)) == 7
    assert both.at_most(None) is both


def test_a_slice_that_the_datasets_label_calls_hemorrhage_is_no_normal_one(tmp_path: Path) -> None:
    slices = crafted(tmp_path, 6, cases=["c0"] * 6)
    slices.index["any"] = pd.array([None, None, True, None, None, False], dtype="boolean")
    assert set(of_a_normal_slice(slices, ["c0"], SMALL, seed=3).rows.tolist()) == {5}
    slices.index["any"] = pd.array([True] * 6, dtype="boolean")
    assert len(of_a_normal_slice(slices, ["c0"], SMALL, seed=3)) == 0


def test_a_pool_hands_out_the_crops_that_were_chosen_each_past_the_guard(tmp_path: Path) -> None:
    slices = crafted(tmp_path)
    chosen = Chosen(rows=np.array([0, 1, 4]), corners=np.array([0, 5, 8]))
    guard = Guard(cases={"c9"}, where="the test fold")
    pool = CropPool.on("cpu", slices, chosen, SMALL, guard)
    (batch,) = pool.epoch(0, 3, seed=0, shuffle=False)
    for n, (row, corner) in enumerate(zip(chosen.rows, chosen.corners, strict=True)):
        top, left = SMALL.corners[corner]
        assert np.array_equal(batch.images[n, 0].numpy(), slices.images[row, top : top + 16, left : left + 16])
        assert np.array_equal(batch.masks[n, 0].numpy(), slices.masks[row, top : top + 16, left : left + 16])
    assert set(guard.seen) == {"c0", "c1", "c4"}
    held = CropPool.on("cpu", slices, chosen, SMALL, Guard(cases={"c1"}, where="the test fold"))
    with pytest.raises(IchBenchError, match="kept apart as the test fold: c1"):
        list(held.epoch(0, 3, seed=0))


def test_the_jaccard_that_chooses_the_epoch_as_worked_out_by_hand() -> None:
    """Two pixels, t = 1 and 0, p = 0.8 and 0.4: Σpt = 0.8, Σ(p + t - pt) = 1 + 0.4, whatever the batches."""

    class Fixed(torch.nn.Module):
        def forward(self, image: Any) -> Any:
            return torch.logit(image)

    images = torch.tensor([[[[204]]], [[[102]]]], dtype=torch.uint8)  # 0.8 and 0.4 of 255
    pool = CropPool(
        ids=(np.array(["a", "b"]),) * 3, images=images, masks=torch.tensor([[[[1]]], [[[0]]]]), guard=Guard()
    )
    for batch in (1, 2):
        assert jaccard_of(pool, batch)(Fixed()) == pytest.approx(0.8 / 1.4, abs=1e-6)


def test_the_network_is_the_authors_and_the_table_says_how_many_parameters() -> None:
    network = CropUNet()
    assert parameter_count(network) == known("hssayeni-unet").parameters
    assert [level[2].out_channels for level in network.levels] == [64, 128, 256, 512, 1024]
    assert not [one for one in network.modules() if isinstance(one, torch.nn.BatchNorm2d)]
    assert network.dropout.p == 0.5
    with pytest.raises(IchBenchError, match=r"multiples of 16, got 24×32"):
        network(torch.rand(1, 1, 24, 32))


def test_weights_start_as_he_2015_says_cut_at_two_deviations() -> None:
    """A 3×3 convolution of 32 channels has 288 inputs: √(2/288) = 0.0833, none beyond 2 · 0.0833/0.8796."""
    weight = seeded(lambda: CropUNet(CropUNetSettings(top=32)), 1).levels[0][2].weight.detach()
    assert float(weight.std()) == pytest.approx(0.0833, rel=0.03)
    assert float(weight.abs().max()) <= 0.1895


def test_dropout_is_after_the_two_deepest_levels_alone() -> None:
    network = CropUNet(CropUNetSettings(top=4))
    calls: list[int] = []
    network.dropout.register_forward_hook(lambda part, given, out: calls.append(given[0].shape[1]))
    network(torch.rand(1, 1, 32, 32))
    assert calls == [32, 64]


@pytest.mark.parametrize("level", range(4))
def test_the_decoder_sees_every_skip(level: int) -> None:
    network = seeded(lambda: CropUNet(CropUNetSettings(top=4)), 0).eval()
    image = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    whole = network(image)
    up = network.ups[3 - level]
    up.register_forward_pre_hook(lambda part, given: (given[0], torch.zeros_like(given[1])))
    assert not torch.allclose(whole, network(image))


class SeesMask(torch.nn.Module):
    """Says ICH exactly where the crop is brighter than 150 of 255."""

    def forward(self, image: Any) -> Any:
        return (image - 150 / 255) * 1e3


def step_loss(images: Any, masks: Any, settings: Augmentation, seed: int = 0) -> float:
    batch = CropBatch(images=torch.from_numpy(images).unsqueeze(1), masks=torch.from_numpy(masks).unsqueeze(1))
    return float(hssayeni.crop_step(settings)(SeesMask(), batch, torch.Generator().manual_seed(seed)))


def test_a_network_that_knows_the_mask_has_no_loss_and_a_mask_one_pixel_or_one_crop_off_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = crafted(tmp_path)
    images, masks = np.array(slices.images), np.array(slices.masks)
    assert step_loss(images, masks, STILL) < 1e-3
    assert step_loss(images, np.roll(masks, 1, axis=1), STILL) > 0.5
    assert step_loss(images, masks[[1, 0, 2, 4, 3, 5]], STILL) > 0.5
    moving = max(step_loss(images, masks, CropAugmentation(), seed) for seed in range(4))
    assert moving < 2.5  # bilinear image against nearest mask: the rim differs
    whole = hssayeni.moved
    monkeypatch.setattr(hssayeni, "moved", lambda i, m, s, g: (whole(i, m, s, g)[0], (m != 0).float()))
    assert min(step_loss(images, masks, CropAugmentation(), seed) for seed in range(4)) > 2 * moving


def test_the_cross_entropy_of_a_step_as_worked_out_by_hand() -> None:
    # p = 0.8 where hemorrhage is, 0.2 where none is: -ln 0.8
    batch = CropBatch(images=torch.zeros(1, 1, 1, 2, dtype=torch.uint8), masks=torch.tensor([[[[1, 0]]]]))
    logit = float(np.log(4))
    step = hssayeni.crop_step(STILL)
    right, wrong = (float(step(lambda image, a=a: torch.tensor([[[[a, -a]]]]), batch, torch.Generator()))
                    for a in (logit, -logit))  # fmt: skip
    assert (right, wrong) == pytest.approx((0.2231, 1.6094), abs=1e-4)


def test_beyond_a_crops_edge_its_outermost_pixel_goes_on() -> None:
    images = torch.full((8, 1, 16, 16), 90, dtype=torch.uint8)
    found, truth = hssayeni.moved(images, torch.ones_like(images), CropAugmentation(), torch.Generator().manual_seed(0))
    assert torch.allclose(found, torch.tensor(90 / 255))
    assert truth.all()


@pytest.fixture
def crafted_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Phantom-mini's twelve cases, each of three slices of discs instead of its own."""
    made = crafted(tmp_path / "slices", 36, cases=[f"phantom-mini-{k // 3:03d}" for k in range(36)])
    monkeypatch.setattr(hssayeni, "slices_of", lambda *_, **__: made)
    return made


def over_fitting(out: Path, **training: Any) -> tuple[Any, Any]:
    wanted = job(out)
    own = hssayeni_unet.settings(wanted)
    how = replace(own.training, **{"epochs": 12, "batch_size": 8, "lr": 2e-3, "inner_share": 0.25, **training})
    crops = replace(own.crops, side=32, crop=16, stride=8, most=None)
    net, masks = replace(own.unet, top=8, dropout=0.0), replace(own.masks, closing=2, opening=2)
    return wanted, replace(own, unet=net, crops=crops, augmentation=STILL, training=how, masks=masks)


def test_it_over_fits_its_own_few_slices_beyond_a_dice_of_090_and_a_ct_of_them_comes_back_as_its_mask(
    crafted_heads: Any, tmp_path: Path
) -> None:
    wanted, settings = over_fitting(tmp_path)
    path = hssayeni.train_crops(wanted, settings, tmp_path / "run")
    aside = json.loads((path.parent / ABOUT).read_text())["validation_cases"]
    grid = Geometry.of((32, 32, 3), np.diag([0.5, 0.5, 5.0, 1.0]))
    low, high = settings.crops.window_hu
    dice = []
    predictor = hssayeni.load_crops(path)
    for case in [one for one in training_cases(wanted) if one not in aside][:3]:
        rows = np.flatnonzero(crafted_heads.index["case_id"] == case)

        def native(stack: Any, rows: Any = rows) -> Any:
            return np.ascontiguousarray(from_slices(np.moveaxis(stack[rows], 0, 2), orientation_of(grid)))

        hu = native(crafted_heads.images).astype(np.float32) / 255 * (high - low) + low
        found, truth = predictor(CT(hu=hu, geometry=grid)), native(crafted_heads.masks) != 0
        dice.append(2 * (found & truth).sum() / (found.sum() + truth.sum()))
    assert np.mean(dice) > 0.9


def test_no_crop_of_the_validation_or_the_test_fold_is_trained_on(
    crafted_heads: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, settings = over_fitting(tmp_path, epochs=1)
    pools: list[CropPool] = []
    real = CropPool.on

    def on(*given: Any) -> CropPool:
        pools.append(real(*given))
        return pools[-1]

    monkeypatch.setattr(hssayeni.CropPool, "on", on)
    path = hssayeni.train_crops(wanted, settings, tmp_path / "run")
    facts = json.loads((path.parent / ABOUT).read_text())
    seen, validated = (set(pool.guard.seen) for pool in pools)
    assert validated <= set(facts["validation_cases"])
    assert seen == set(training_cases(wanted)) - set(facts["validation_cases"])
    assert facts["annotated_patients"] == 9
    # and a crop of a test case among them would be refused
    tested = sorted(set(crafted_heads.index["case_id"]) - set(training_cases(wanted)))[0]
    whole = hssayeni.with_ich
    monkeypatch.setattr(hssayeni, "with_ich", lambda slices, cases, tiling: whole(slices, (*cases, tested), tiling))
    with pytest.raises(IchBenchError, match=f"kept apart as .*{tested}"):
        hssayeni.train_crops(wanted, settings, tmp_path / "other")


def test_a_training_part_without_hemorrhage_is_told(crafted_heads: Any, tmp_path: Path, monkeypatch: Any) -> None:
    wanted, settings = over_fitting(tmp_path)
    nothing = Chosen(rows=np.zeros(0, np.int64), corners=np.zeros(0, np.int64))
    monkeypatch.setattr(hssayeni, "with_ich", lambda *_: nothing)
    with pytest.raises(IchBenchError, match="no hemorrhage is drawn in the cases to train on in fold 0"):
        hssayeni.train_crops(wanted, settings, tmp_path / "run")


def test_a_fold_of_drawn_heads_is_trained_and_predicted_on_their_own_grids(tmp_path: Path) -> None:
    wanted = job(tmp_path)
    check(wanted)
    path = hssayeni_unet.train(wanted)
    before = path.read_bytes()
    assert hssayeni_unet.train(wanted).read_bytes() == before
    kept = checkpoint.read(path)
    assert kept.is_chosen
    case = load_dataset(small_heads.DATASET, small_heads.mini()).cases[0]
    ct = read_ct(case.ct)
    predictor = hssayeni_unet.load(path)
    assert predictor(ct).shape == ct.geometry.shape
    with pytest.raises(IchBenchError, match="was trained otherwise"):
        hssayeni_unet.train(replace(wanted, variant="code"))


def test_every_value_is_the_authors_codes_or_ours_and_the_code_averages(tmp_path: Path) -> None:
    rows = {row.name: row for row in origins(hssayeni_unet.Settings())}
    code = {"crops.window_hu": (-20.0, 100.0), "crops.side": 512, "crops.crop": 128, "crops.stride": 64,
            "training.epochs": 100, "training.batch_size": 32, "training.lr": 1e-5, "masks.closing": 10,
            "masks.opening": 5, "unet.top": 64, "unet.dropout": 0.5, "masks.threshold": 0.5}  # fmt: skip
    assert {name: rows[name].value for name in code} == code
    assert {rows[name].origin for name in code} == {"code"}
    assert (rows["masks.merge"].value, rows["masks.merge"].origin) == ("majority", "ours")
    assert settings_for(hssayeni_unet.Settings, job(tmp_path, variant="code")).masks.merge == "mean"


def test_a_side_is_cut_into_quarters_and_another_is_told(tmp_path: Path) -> None:
    crops = hssayeni_unet.settings(job(tmp_path, side=128)).crops
    assert (crops.side, crops.crop, crops.stride) == (128, 32, 16)
    assert len(crops.tiling.corners) == 49
    with pytest.raises(UsageError, match=r"--side 96: hssayeni-unet cuts slices into crops of a quarter.*of 64"):
        hssayeni_unet.settings(job(tmp_path, side=96))


def test_the_manifest_says_how_epoch_and_masks_came_about_and_the_paper_has_its_profile(tmp_path: Path) -> None:
    said = hssayeni_unet.said(Job(method="hssayeni-unet", dataset="hssayeni", out=tmp_path))
    assert said == {
        "checkpoint_selection": "inner",
        "postprocessing": "each slice at 512 x 512 pixels: closed by a square of 10 pixels, opened by one of 5",
    }
    assert hssayeni_unet.PROFILE in PROFILES
    own = next(row for row in reported("hssayeni-unet") if row.paper == "hssayeni2020")
    assert own.metrics["dice"].text == "0.31"


def test_a_plan_tells_cases_epochs_and_batches_of_the_official_folds_and_the_authors() -> None:
    def stages(**more: Any) -> Any:
        return list(hssayeni_unet.stages(Job(method="hssayeni-unet", dataset="hssayeni", out=Path("out"), **more)))

    assert stages(scheme="hssayeni5") == [("", 45, 100, 32, None)]
    assert stages()[0][1] in (67, 68)  # 75 in ten folds


def test_a_checkpoint_of_another_method_is_explained(tmp_path: Path) -> None:
    kept = checkpoint.Checkpoint(about={"method": "unet-mixed", "settings": []}, weights={}, epoch=1, optimizer={})
    checkpoint.save(tmp_path / "x.ckpt", kept)
    with pytest.raises(IchBenchError, match="no checkpoint of hssayeni-unet"):
        hssayeni.load_crops(tmp_path / "x.ckpt")


def test_run_names_the_command_that_scores_as_the_paper_did() -> None:
    from ich_bench_baselines.experiment import Experiment
    from ich_bench_baselines.told import _own_profile

    def told(method_id: str, folds: Any = range(5), **more: Any) -> list[str]:
        first = Job(method=method_id, dataset="hssayeni", out=Path("out"), **more)
        done = {replace(first, fold=fold): Path("last.ckpt") for fold in folds}
        return list(_own_profile(Experiment(folder=Path("out") / method_id, checkpoints=done)))

    assert told("hssayeni-unet", scheme="hssayeni5", data=Path("d")) == [
        "ich-bench evaluate hssayeni out/hssayeni-unet --data d --scheme hssayeni5 --profile hssayeni2020 "
        "-o out/hssayeni-unet-hssayeni2020"
    ]
    assert "--fold 0,3 --profile" in told("hssayeni-unet", (3, 0), scheme="hssayeni5")[0]
    assert told("unet-mixed") == []
