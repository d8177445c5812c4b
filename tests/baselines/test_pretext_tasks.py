"""Each pretext's step learns what it is for, from the right labels, and the settings are the paper's."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ich_bench_baselines.blocks.augment import Augmentation, generator  # noqa: E402
from ich_bench_baselines.blocks.unet import seeded  # noqa: E402
from ich_bench_baselines.data.guard import Guard  # noqa: E402
from ich_bench_baselines.data.loader import Batch  # noqa: E402
from ich_bench_baselines.data.streams import Stream, seven  # noqa: E402
from ich_bench_baselines.paper import origins  # noqa: E402
from ich_bench_baselines.pretext.tasks import BINARY, CONTEXT, GLOBAL, LOCAL, TASKS, two_views  # noqa: E402
from tiny_pool import cache, tiny_job  # noqa: E402


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return cache(tmp_path_factory.mktemp("pool"))


def stream_of(pool: Any, rows: Any) -> Stream:
    labels = seven(pool.index.iloc[rows])
    return Stream(rows=rows, positive=labels[:, 1] > 0, guard=Guard(), about="", labels=labels)


def batch_of(pool: Any, rows: Any) -> Batch:
    images = torch.from_numpy(np.array(pool.images[rows])).unsqueeze(1)
    return Batch(rows=rows, images=images, labels=torch.from_numpy(seven(pool.index.iloc[rows])))


def settings_of(task: Any, **more: Any) -> Any:
    return task.settings(tiny_job(Path("unused"), **more))


def trained(task: Any, pool: Any, steps: int, settings: Any = None, batch: Any = None) -> tuple[Any, list[float]]:
    """Return the network and the losses of some steps on one batch of eight slices."""
    rows = np.arange(8)
    settings = settings or settings_of(task)
    network = seeded(lambda: task.network(settings), 0).train()
    step = task.step(settings, stream_of(pool, rows))
    adam = torch.optim.Adam([one for one in network.parameters() if one.requires_grad], lr=1e-3)
    losses = []
    for number in range(steps):
        adam.zero_grad()
        loss = step(network, batch or batch_of(pool, rows), generator(0, number))
        loss.backward()
        adam.step()
        losses.append(float(loss.detach()))
    return network, losses


@pytest.mark.parametrize("name", TASKS)
def test_the_loss_falls_on_a_batch_that_is_seen_again_and_again(pool: Any, name: str) -> None:
    settings = settings_of(TASKS[name])
    if "contrast" in name:  # views of noise under the paper's strong changes take more steps than a test has
        settings = replace(settings, augmentation=Augmentation(translate=0.05, contrast=(0.8, 1.2)))
    _, losses = trained(TASKS[name], pool, 20, settings)
    assert np.mean(losses[-5:]) < 0.85 * np.mean(losses[:3])


def test_context_restoration_is_held_against_the_slice_before_the_swaps(pool: Any) -> None:
    settings = replace(settings_of(CONTEXT), augmentation=Augmentation())
    rows = np.arange(4)
    seen = []

    def gives_back_what_it_sees(images: Any) -> Any:
        seen.append(images)
        return images

    loss = CONTEXT.step(settings, stream_of(pool, rows))(gives_back_what_it_sees, batch_of(pool, rows), generator(1))
    images = batch_of(pool, rows).images.float() / 255
    assert (seen[0] != images).any()  # it sees a spoiled copy …
    assert float(loss) == pytest.approx(float(((seen[0] - images) ** 2).mean()))  # … and is asked for the slice itself
    assert torch.equal(seen[0].flatten(1).sort().values, images.flatten(1).sort().values)  # swapped, nothing more


@pytest.mark.parametrize(("side", "patch"), [(256, 20), (128, 10), (96, 8), (32, 2), (16, 1)])
def test_patches_keep_their_share_of_the_slice(side: int, patch: int) -> None:
    # 20 of 256 pixels: 20 · 96 / 256 = 7.5, rounded to the even 8; 20 · 32 / 256 = 2.5, rounded to the even 2
    found = settings_of(CONTEXT, side=side).corruption
    assert found.height_px == found.width_px == (patch, patch)


def test_two_views_hold_every_slice_twice_and_differ(pool: Any) -> None:
    images = batch_of(pool, np.arange(5)).images
    still, _ = two_views(images, Augmentation(), generator(0))
    assert torch.equal(still[:5], still[5:])
    assert torch.equal(still[:5], images.float() / 255)
    moved, drawn = two_views(images, settings_of(GLOBAL).augmentation, generator(0))
    assert len(moved) == 10
    assert (drawn[0].angle_deg != drawn[1].angle_deg).all()


def test_a_network_that_knows_every_slice_has_the_least_contrast_loss(pool: Any) -> None:
    # ten views, every slice its own axis: the twin has likeness 1, the eight others 0: log(e^10 + 8) − 10
    settings = replace(settings_of(GLOBAL), augmentation=Augmentation())
    rows = np.arange(5)
    step = GLOBAL.step(settings, stream_of(pool, rows))
    loss = step(lambda views: torch.eye(5).repeat(2, 1), batch_of(pool, rows), generator(0))
    assert float(loss) == pytest.approx(math.log(math.exp(10) + 8) - 10, abs=1e-6)
    # twins interleaved instead of one half behind the other would be worse
    mixed = step(lambda views: torch.eye(5).repeat_interleave(2, 0), batch_of(pool, rows), generator(0))
    assert float(mixed) > 1


def test_the_local_contrast_compares_within_a_slice_alone(pool: Any) -> None:
    # all maps are alike in every slice, and every place is its own direction: regions of other slices do not disturb
    settings = replace(settings_of(LOCAL), augmentation=Augmentation())
    rows = np.arange(3)
    own = torch.Generator().manual_seed(0)
    one = torch.randn(1, 64, 16, 16, generator=own)
    step = LOCAL.step(settings, stream_of(pool, rows))
    loss = step(lambda views: one.expand(6, -1, -1, -1), batch_of(pool, rows), generator(0))
    assert float(loss) < 0.05


def test_the_frozen_encoder_keeps_its_weights_and_the_levels_up_move(pool: Any) -> None:
    first = seeded(lambda: LOCAL.network(settings_of(LOCAL)), 0).state_dict()
    network, _ = trained(LOCAL, pool, 3)
    weights = dict(network.named_parameters())
    assert all(torch.equal(one, first[name]) for name, one in weights.items() if name.startswith("encoder."))
    for level in ("decoder.0.up.weight", "decoder.1.up.weight", "decoder.2.up.weight", "head.0.weight"):
        assert not torch.equal(weights[level], first[level])
    assert not torch.equal(
        network.state_dict()["encoder.blocks.0.1.running_mean"], first["encoder.blocks.0.1.running_mean"]
    )


def test_the_binary_classifier_knows_ich_by_class_one(pool: Any) -> None:
    settings = replace(settings_of(BINARY), augmentation=Augmentation())
    step = BINARY.step(settings, stream_of(pool, np.arange(8)))
    batch = batch_of(pool, np.arange(8))  # slices 0, 2, 4, 6 bleed
    says = torch.tensor([[-9.0, 9.0], [9.0, -9.0]]).repeat(4, 1)
    assert float(step(lambda _: says, batch, generator(0))) == pytest.approx(0, abs=1e-6)
    assert float(step(lambda _: says.flip(1), batch, generator(0))) == pytest.approx(18, abs=1e-6)


@pytest.mark.parametrize("name", ["multilabel-ce", "multilabel-dice"])
def test_the_seven_labels_come_in_the_authors_order(pool: Any, name: str) -> None:
    # by hand: slice 0 EDH, 1 none, 2 IPH, 3 none, 4 IVH, 6 SAH, 8 SDH; no ICH, ICH, EDH, IPH, IVH, SAH, SDH
    truth = torch.tensor(
        [
            [0, 1, 1, 0, 0, 0, 0],
            [1, 0, 0, 0, 0, 0, 0],
            [0, 1, 0, 1, 0, 0, 0],
            [1, 0, 0, 0, 0, 0, 0],
            [0, 1, 0, 0, 1, 0, 0],
            [1, 0, 0, 0, 0, 0, 0],
            [0, 1, 0, 0, 0, 1, 0],
            [1, 0, 0, 0, 0, 0, 0],
            [0, 1, 0, 0, 0, 0, 1],
        ]
    ).float()
    settings = replace(settings_of(TASKS[name]), augmentation=Augmentation())
    rows = np.arange(9)
    step = TASKS[name].step(settings, stream_of(pool, rows))

    def loss(guess: Any) -> float:
        return float(step(lambda _: guess * 40 - 20, batch_of(pool, rows), generator(0)))

    assert loss(truth) < 1e-3
    # any two neighbours exchanged are seen: the Dice loss of two slices in nine, (1 − 3/5) · 2 / 9 = 0.089, at least
    for column in range(6):
        order = list(range(7))
        order[column], order[column + 1] = order[column + 1], order[column]
        assert loss(truth[:, order]) > 0.08


def test_shuffled_labels_are_not_learned_by_a_network_that_knows_the_right_ones(pool: Any) -> None:
    settings = replace(settings_of(BINARY), augmentation=Augmentation())
    rows = np.arange(8)
    network, losses = trained(BINARY, pool, 30, settings)
    step = BINARY.step(settings, stream_of(pool, rows))
    wrong = replace(batch_of(pool, rows), labels=torch.from_numpy(seven(pool.index.iloc[np.roll(rows, 1)])))
    with torch.no_grad():
        assert float(step(network, wrong, generator(0))) > 10 * losses[-1]


def test_the_codes_class_weights_are_the_other_classs_share(pool: Any) -> None:
    # rows 0, 1, 2, 4 of the pool: three with ICH, one without: weights 1/4 for none and 3/4 for ICH. The network says
    # p(ICH) = 1/2 of all: the weighted mean is log 2 either way; one that says ICH of all: 1/4 · 18 / (1/4 + 9/4)
    rows = np.array([0, 1, 2, 4])
    settings = settings_of(BINARY, variant="code")
    step = BINARY.step(settings, stream_of(pool, rows))
    ich = torch.tensor([[-9.0, 9.0]]).repeat(4, 1)
    assert float(step(lambda _: ich, batch_of(pool, rows), generator(0))) == pytest.approx(18 * 0.25 / 2.5)


PAPER = {  # Spahr 2023, Sec. 2.6.1.1 to 2.6.2.2: epochs, batch, rotation in degrees
    "context-restoration": (50, 32, 15.0),
    "global-contrast": (50, 60, 90.0),
    "local-contrast": (50, 24, 45.0),
    "binary-classification": (50, 64, 15.0),
    "multilabel-ce": (50, 64, 15.0),
    "multilabel-dice": (50, 64, 15.0),
}
CODE = {
    "context-restoration": (100, 32, 10.0),
    "global-contrast": (25, 40, 45.0),
    "local-contrast": (50, 32, 45.0),
    "binary-classification": (50, 64, 15.0),
    "multilabel-ce": (50, 64, 15.0),
    "multilabel-dice": (50, 64, 15.0),
}
FULL = {"schedule": "paper", "width": None, "side": None, "epochs": None, "batch": None}


@pytest.mark.parametrize("name", TASKS)
def test_epochs_batches_and_rates_are_the_papers_and_the_variant_has_the_codes(name: str) -> None:
    found = settings_of(TASKS[name], **FULL)
    fit = found.training
    assert (fit.epochs, fit.batch_size, found.augmentation.rotate_deg) == PAPER[name]
    assert (fit.lr, fit.gamma, fit.weight_decay) == (1e-3, 0.96, 1e-6)
    assert (found.slices.window_hu, found.slices.side, found.slices.held_out) == ((-50.0, 150.0), 256, 5000)
    assert (found.unet.top, found.unet.middle_factor, found.unet.dropout) == (32, 2, 0.0)
    other = settings_of(TASKS[name], **FULL, variant="code")
    fit = other.training
    assert (fit.epochs, fit.batch_size, other.augmentation.rotate_deg) == CODE[name]
    classifier = TASKS[name].labels != "none"
    assert (other.unet.middle_factor, other.unet.dropout) == ((2, 0.0) if classifier else (1, 0.5))
    assert other.slices.ich_only == (not classifier)
    assert other.slices.by == "slice"
    assert all(row.source for row in origins(found))


def test_the_local_contrasts_first_stage_is_the_global_contrast_itself_and_the_codes_own_in_its_variant() -> None:
    assert settings_of(LOCAL, **FULL).first == settings_of(GLOBAL, **FULL)
    code = settings_of(LOCAL, **FULL, variant="code").first
    assert (code.training.epochs, code.training.batch_size) == (50, 64)
    assert (code.augmentation.translate, code.augmentation.contrast) == (0.1, (0.7, 1.3))
    assert code.augmentation.brightness == (0.0, 0.0)


def test_aligned_regions_are_asked_for_by_the_job_and_show_the_same_piece_of_the_head(pool: Any) -> None:
    # a network that gives back the slice, of random texture: brought together, the twins agree but for the
    # interpolation; apart, they are other pieces of the texture
    plain, aligned = settings_of(LOCAL), settings_of(LOCAL, options=(("aligned", "yes"),))
    assert (plain.regions.aligned, aligned.regions.aligned) == (False, True)
    assert plain.regions == replace(aligned.regions, aligned=False)
    rows = np.arange(4)
    own = torch.Generator().manual_seed(3)
    batch = replace(batch_of(pool, rows), images=(torch.rand(4, 1, 32, 32, generator=own) * 255).to(torch.uint8))
    losses = []
    for settings in (plain, aligned):
        still = replace(settings, augmentation=Augmentation(translate=0.1, rotate_deg=20.0))
        step = LOCAL.step(still, stream_of(pool, rows))
        losses.append(float(step(lambda views: views - views.mean(), batch, generator(5))))
    assert losses[1] < 0.6 * losses[0]


def test_smoke_keeps_the_papers_network_and_makes_the_rest_small() -> None:
    found = settings_of(LOCAL, schedule="smoke", width=None, side=None, epochs=None, batch=None)
    assert found.unet.top == 32
    assert (found.slices.side, found.slices.most, found.training.epochs, found.training.batch_size) == (64, 24, 2, 8)
    assert (found.first.slices.side, found.first.slices.most) == (64, 24)
    assert found.slices == found.first.slices
