"""What makes a training faster leaves it the same: bf16 and compiled steps next to float32 on a fixed batch."""

from __future__ import annotations

import functools
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from ich_bench_baselines import train  # noqa: E402
from ich_bench_baselines.blocks.losses import dice_loss  # noqa: E402
from ich_bench_baselines.blocks.unet import UNet, UNetSettings, seeded  # noqa: E402

STEPS, HOW = 8, train.Fit(epochs=1, batch_size=4, lr=1e-2)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
needs_compiler = pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="no C++ compiler")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, needs_gpu])]


@functools.cache
def losses(device: str, precision: str, compiled: bool = False) -> tuple[float, ...]:
    """Eight steps of a small U-Net on one batch: bright blobs in noise."""
    noise = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    masks = noise > 0.7
    images = torch.nn.functional.avg_pool2d(noise, 3, 1, 1) * 0.3 + masks * 0.5
    model = seeded(lambda: UNet(UNetSettings(top=4, depth=2)), 0)
    model = model.to(device, memory_format=torch.channels_last).train()
    run = train.Run(out=Path(), device=device, precision=precision, compiled=compiled)  # type: ignore[arg-type]
    adam = train.optimizer(model, HOW, device)
    net: Any = torch.compile(model) if compiled else model
    batch = images.to(device), masks.to(device)

    def step(net: Any, batch: Any, own: Any) -> Any:
        return dice_loss(net(batch[0]), batch[1])

    return tuple(float(train.one_step(net, model, adam, step, batch, HOW, run, (0, n))) for n in range(STEPS))


@pytest.mark.parametrize("device", DEVICES)
def test_the_fixed_batch_is_learnt_so_that_a_wrong_step_would_show(device: str) -> None:
    plain = losses(device, "fp32")
    assert plain[-1] < 0.75 * plain[0]


@pytest.mark.parametrize("device", DEVICES)
def test_bf16_steps_lose_as_float32_ones_do_within_0_002(device: str) -> None:
    """bfloat16 keeps 8 bits, 0.4 % a product; of a loss near 0.4, meant over 4,096 pixels, 0.002 is half a percent."""
    assert losses(device, "bf16") == pytest.approx(losses(device, "fp32"), abs=0.002)


@needs_compiler
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("precision", "within"), [("fp32", 5e-4), ("bf16", 0.002)])
def test_compiled_steps_lose_as_plain_ones_do(device: str, precision: str, within: float) -> None:
    assert losses(device, precision, compiled=True) == pytest.approx(losses(device, "fp32"), abs=within)


def test_a_rate_that_is_a_tenth_off_would_show() -> None:
    """The tolerance is finer than what a training with another rate, 0.009 and not 0.01, loses."""
    usual, slower = losses("cpu", "fp32"), replace(HOW, lr=0.009)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "HOW", slower)
        other = losses.__wrapped__("cpu", "fp32")
    assert other != pytest.approx(usual, abs=0.002)
