"""The light network over-fits its own few slices, and with masks of another place it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import easy_heads  # noqa: E402
import small_heads  # noqa: E402
from ich_bench_baselines import checkpoint, segment  # noqa: E402
from ich_bench_baselines.blocks.unet import UNet, parameter_count  # noqa: E402
from ich_bench_baselines.data.guard import Guard  # noqa: E402
from ich_bench_baselines.data.streams import Stream  # noqa: E402
from ich_bench_baselines.methods import known, method  # noqa: E402
from ich_bench_baselines.ramananda.light import LightUNet  # noqa: E402

FULL = "ramananda-full"


def dice_after(folder: Path, given: Any) -> float:
    """Dice with the true bleeds of twelve slices after a training on the given masks."""
    images, masks, cases = easy_heads.drawn(heads=6)
    slices = easy_heads.cache(folder / "slices", images, given(masks), cases)
    full = method(FULL).Settings()
    still = replace(full.augmentation, translate=0.0, rotate_deg=0.0, scale=(1.0, 1.0), flip=0.0)
    training = replace(full.training, epochs=50, batch_size=4, lr=5e-3, gamma=0.95)
    settings = replace(full, augmentation=still, training=training, slices=replace(full.slices, side=easy_heads.SIDE))
    rows = np.flatnonzero(masks.any(axis=(1, 2)))[:12]
    stream = Stream(rows=rows, positive=np.ones(12, bool), guard=Guard(), about="by hand")
    job = small_heads.tiny_job(folder, method=FULL)
    path = segment.fitted(job, settings, slices, stream, "masks", None, folder / "run")
    network = UNet(settings.unet)
    checkpoint.load_weights(network, checkpoint.read(path).weights, source=path)
    images, masks = images[rows], masks[rows]
    with torch.inference_mode():
        found = network.eval()(torch.from_numpy(images)[:, None].float() / 255).sigmoid()[:, 0].numpy() >= 0.5
    return float(2 * (found & masks).sum() / (found.sum() + masks.sum()))


def test_the_light_network_over_fits_its_own_slices_beyond_a_dice_of_090(tmp_path: Path) -> None:
    assert dice_after(tmp_path, lambda masks: masks) > 0.9


def test_masks_of_another_place_are_seen_by_that_dice(tmp_path: Path) -> None:
    assert dice_after(tmp_path, lambda masks: np.roll(masks, 8, axis=1)) < 0.8


def test_the_light_network_has_the_parameters_that_both_rows_say() -> None:
    count = parameter_count(UNet(LightUNet()))
    assert known(FULL).parameters == known("ramananda-weak").parameters == count
    # blocks 1→8→16, 16→16→32, 32→32→64, 64→64→128 and back over 64, 32 and 16: a sixteenth of 5,409,089
    assert 15 < 5_409_089 / count < 17
