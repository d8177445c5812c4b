"""A U-Net learns its own slices, of its own fold, with the mask that belongs to each; wiring faults show."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import small_heads  # noqa: E402
from ich_bench.errors import IchBenchError  # noqa: E402
from ich_bench.folds import load_scheme  # noqa: E402
from ich_bench_baselines import checkpoint, segment, train  # noqa: E402
from ich_bench_baselines.blocks.augment import Augmentation, SliceAugmentation  # noqa: E402
from ich_bench_baselines.blocks.unet import UNet, UNetSettings  # noqa: E402
from ich_bench_baselines.data.guard import Guard  # noqa: E402
from ich_bench_baselines.data.loader import Pool  # noqa: E402
from ich_bench_baselines.data.streams import Stream  # noqa: E402
from ich_bench_baselines.methods import unet_ich_only, unet_mixed  # noqa: E402
from ich_bench_baselines.predict import load_unet  # noqa: E402
from ich_bench_baselines.spahr.cavity import BoneNet, TissueNet  # noqa: E402

SIDE = 32
STILL = Augmentation()


def discs(count: int = 6, *, mimics: bool = True) -> tuple[Any, Any]:
    """Bright discs, each slice its own; every third slice holds none, but a bar as bright as they where `mimics`."""
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    images, masks = rng.integers(60, 100, (count, SIDE, SIDE)), np.zeros((count, SIDE, SIDE), np.uint8)
    for k in range(count):
        row, column = rng.integers(8, SIDE - 8, 2)
        if k % 3 == 2:
            images[k, row : row + 3, column - 6 : column + 6] = 180 if mimics else 80
        else:
            masks[k] = (rows - row) ** 2 + (columns - column) ** 2 <= 25
            images[k][masks[k] == 1] = 180
    return images.astype(np.uint8), masks


@pytest.fixture
def slices(tmp_path: Path) -> Any:
    images, masks = discs()
    return small_heads.crafted_slices(tmp_path / "slices", images, masks, [f"c{k}" for k in range(len(images))])


def stream(slices: Any, keep: Any = None) -> Stream:
    rows = np.arange(len(slices)) if keep is None else np.flatnonzero(keep)
    positive = slices.index["has_ich"].to_numpy(bool)[rows]
    return Stream(rows=rows, positive=positive, guard=Guard(), about="by hand")


class SeesMask(torch.nn.Module):
    """Says ICH exactly where the image is brighter than 130 of 255."""

    def forward(self, image: Any) -> Any:
        return (image - 130 / 255) * 1e4


def loss_of(slices: Any, rows: Any = None) -> float:
    step = segment.segmentation_step(STILL, 1.0)
    pool = Pool.on("cpu", slices, stream(slices, rows), kinds=("images", "masks"))
    return float(np.mean([step(SeesMask(), batch, torch.Generator()) for batch in pool.epoch(0, 2, seed=0)]))


def test_a_network_that_knows_the_mask_has_no_loss_and_one_pixel_or_one_slice_off_it_has(tmp_path: Path) -> None:
    images, masks = discs(6)
    with_ich = masks.any(axis=(1, 2))
    cases = [f"c{k}" for k in range(6)]

    def loss(name: str, moved: Any) -> float:
        return loss_of(small_heads.crafted_slices(tmp_path / name, images, moved, cases), with_ich)

    assert loss("right", masks) < 1e-3
    # a disc of radius 5 has 81 pixels; moved by one it shares 70 with itself: Dice 0.86, its squares the same
    assert 0.1 < loss("pixel", np.roll(masks, 1, axis=1)) < 0.2
    assert 0.1 < loss("column", np.roll(masks, 1, axis=2)) < 0.2
    assert loss("slice", masks[[1, 0, 2, 4, 3, 5]]) > 0.4


def test_image_and_mask_move_together_under_the_papers_augmentation(slices: Any) -> None:
    step = segment.segmentation_step(SliceAugmentation(), 1.0)
    pool = Pool.on("cpu", slices, stream(slices, slices.index["has_ich"]), kinds=("images", "masks"))
    (batch,) = pool.epoch(0, 4, seed=0)
    losses = [float(step(SeesMask(), batch, torch.Generator().manual_seed(n))) for n in range(5)]
    assert max(losses) < 0.1  # bilinear image against nearest mask: the rim differs, no more


def test_the_decoder_sees_the_finest_skip() -> None:
    network = segment.first_network(UNetSettings(top=8), 0).eval()
    image = torch.rand(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    levels = network.encode(image)
    without = network.decode((torch.zeros_like(levels[0]), *levels[1:]))
    assert not torch.allclose(network.decode(levels), without)


def test_slices_without_ich_weigh_alpha(slices: Any) -> None:
    pool = Pool.on("cpu", slices, stream(slices, ~slices.index["has_ich"]), kinds=("images", "masks"))
    (batch,) = pool.epoch(0, 2, seed=0)
    whole, part = (float(segment.segmentation_step(STILL, a)(SeesMask(), batch, torch.Generator())) for a in (1.0, 0.2))
    assert part == pytest.approx(0.2 * whole)
    assert whole == pytest.approx(1 - 1 / 37)  # a square of 3 × 12 pixels where nothing is


def settings_of(kind: Any, **training: Any) -> Any:
    found = kind()
    return replace(
        found,
        unet=UNetSettings(top=training.pop("top", 4)),
        slices=replace(found.slices, side=SIDE),
        augmentation=STILL,
        training=replace(found.training, **training),
    )


def fitted(slices: Any, out: Path, settings: Any, truth: str = "masks") -> Path:
    job = small_heads.tiny_job(out)
    return segment.fitted(job, settings, slices, stream(slices), truth, None, out)


def losses_in(out: Path) -> list[float]:
    with (out / train.LOG).open(newline="") as lines:
        return [float(row["loss"]) for row in csv.DictReader(lines)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "truth"),
    [(unet_ich_only.Settings, "masks"), (unet_mixed.Settings, "masks"), (TissueNet, "cavity"), (BoneNet, "cavity")],
)
def test_a_network_over_fits_its_own_few_slices_beyond_a_dice_of_090(kind: Any, truth: str, tmp_path: Path) -> None:
    images, masks = discs(12, mimics=False)
    slices = small_heads.crafted_slices(tmp_path / "slices", images, masks, [f"c{k}" for k in range(12)])
    settings = settings_of(kind, top=8, epochs=60, batch_size=4, lr=5e-3, gamma=0.95)
    chosen = slices.index["has_ich"].to_numpy(bool) | (settings.slices.regime != "ich-only")  # the method's own slices
    job, out = small_heads.tiny_job(tmp_path), tmp_path / "run"
    path = segment.fitted(job, settings, slices, stream(slices, chosen), truth, None, out)
    network = UNet(UNetSettings(top=8))
    checkpoint.load_weights(network, checkpoint.read(path).weights, source=path)
    with torch.inference_mode():
        found = network.eval()(torch.from_numpy(images[chosen]).unsqueeze(1) / 255.0).sigmoid()[:, 0].numpy() >= 0.5
    wanted = masks[chosen].astype(bool)
    assert 2 * (found & wanted).sum() / (found.sum() + wanted.sum()) > 0.9


def test_the_loss_falls(slices: Any, tmp_path: Path) -> None:
    fitted(slices, tmp_path / "run", settings_of(unet_mixed.Settings, epochs=6, batch_size=3, lr=5e-3))
    losses = losses_in(tmp_path / "run")
    assert losses[-1] < losses[0] - 0.02


def test_a_finished_training_is_taken_as_it_is_and_another_one_is_refused(
    slices: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(unet_mixed.Settings, epochs=1, batch_size=6)
    path = fitted(slices, tmp_path / "run", settings)
    before = path.read_bytes()

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("trained again")

    monkeypatch.setattr(train, "fit", never)
    assert fitted(slices, tmp_path / "run", settings) == path
    assert path.read_bytes() == before
    with pytest.raises(IchBenchError, match="was trained otherwise"):
        fitted(slices, tmp_path / "run", replace(settings, empty_weight=0.9))


def test_the_checkpoint_says_every_hyper_parameter_and_where_it_comes_from(slices: Any, tmp_path: Path) -> None:
    path = fitted(slices, tmp_path / "run", settings_of(unet_mixed.Settings, epochs=1, batch_size=6))
    about = checkpoint.read(path).about
    rows = {row["name"]: row for row in about["settings"]}
    assert rows["empty_weight"] == {
        **{"name": "empty_weight", "value": 0.2, "origin": "paper"},
        **{"source": "Sec. 2.5.3: α of slices without ICH", "elsewhere": ""},
    }
    assert rows["unet.top"]["origin"] == "given"
    assert (about["method"], about["dataset"], about["scheme"], about["fold"]) == (
        *("unet-mixed", "phantom-mini", "cv4", 0),
    )
    facts = json.loads((path.parent / segment.ABOUT).read_text())
    assert (facts["slices"], facts["annotated_slices"], facts["annotated_patients"]) == (6, 4, 6)
    assert facts["annotated_ml"] is None  # these slices were made by hand: nobody knows
    assert facts["machine"]


def test_the_annotated_ml_are_those_of_the_slices_that_are_trained_on(slices: Any, tmp_path: Path) -> None:
    known = replace(slices, index=slices.index.assign(ich_ml=[1.5, 2.0, 0.0, 4.0, 8.25, 0.0]))
    seen = stream(known, np.array([True, True, True, False, True, False]))
    job = small_heads.tiny_job(tmp_path)
    assert segment.counted(job, known, seen)["annotated_ml"] == 11.75  # 1.5 + 2 + 0 + 8.25
    unknown = replace(slices, index=slices.index.assign(ich_ml=[1.5, np.nan, 0.0, 4.0, 8.25, 0.0]))
    assert segment.counted(job, unknown, seen)["annotated_ml"] is None


def test_a_pretexts_weights_are_where_the_training_starts(slices: Any) -> None:
    pretext = UNet(UNetSettings(top=2))
    begun = segment.first_network(UNetSettings(top=2), 0, segment.Start(weights=pretext.state_dict()))
    assert all(torch.equal(one, pretext.state_dict()[name]) for name, one in begun.state_dict().items())
    own = segment.first_network(UNetSettings(top=2), 0, segment.Start(weights=_encoder(pretext), parts=("encoder",)))
    assert torch.equal(own.state_dict()["encoder.blocks.0.0.weight"], pretext.state_dict()["encoder.blocks.0.0.weight"])
    assert not torch.equal(own.state_dict()["final.weight"], pretext.state_dict()["final.weight"])


def _encoder(network: Any) -> dict[str, Any]:
    return {name: one for name, one in network.state_dict().items() if name.startswith("encoder.")}


def test_thinning_keeps_the_share_of_slices_with_ich_and_spreads_over_the_cases(slices: Any) -> None:
    thin = segment.thinned(stream(slices), 3)
    assert thin.rows.tolist() == [0, 2, 3]  # 4 of 6 hold ICH (0, 1, 3, 4): 2 of 3 do (0, 3), and the first without
    assert segment.thinned(stream(slices), 6).rows.tolist() == list(range(6))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Every case id that any guard was shown."""
    ids: set[str] = set()
    real = Guard.hand_out

    def noted(self: Guard, case_ids: Any, patient_ids: Any, slice_ids: Any) -> None:
        kept = list(case_ids)
        ids.update(kept)
        real(self, kept, patient_ids, slice_ids)

    monkeypatch.setattr(Guard, "hand_out", noted)
    return ids


@pytest.mark.slow
@pytest.mark.parametrize("fold", [0, 3])
def test_no_batch_of_a_fold_holds_one_of_its_test_cases(fold: int, tmp_path: Path, seen: set[str]) -> None:
    job = small_heads.tiny_job(tmp_path, small_heads.mini(), fold=fold)
    settings = unet_mixed.settings(job)
    path = segment.train_segmentation(job, replace(settings, slices=replace(settings.slices, most=None)))
    assert path == tmp_path / f"unet-mixed/phantom-mini/cv4/seed_0/fold_{fold}/last.ckpt"
    scheme = load_scheme("phantom-mini")
    assert seen <= set(scheme.train_cases(fold))
    assert len(seen) >= 6  # of 9 training heads: those with slices drawn
    assert seen.isdisjoint(scheme.test_cases(fold))
    assert load_unet(path).about["fold"] == fold
