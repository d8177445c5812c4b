"""How do both ways train and predict for a time: ours as `run` does it, and the plain one beside it?"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, count, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from ich_bench_baselines import train
from ich_bench_baselines.bench import plain as bench_plain
from ich_bench_baselines.bench.drawn import Sample
from ich_bench_baselines.bench.rates import rate, wait
from ich_bench_baselines.blocks.augment import draw, generator
from ich_bench_baselines.blocks.unet import UNet, UNetSettings, seeded
from ich_bench_baselines.data.loader import Batch, Pool
from ich_bench_baselines.data.pixels import BRAIN
from ich_bench_baselines.data.streams import batches
from ich_bench_baselines.predict import BATCH as PREDICTED_AT_ONCE
from ich_bench_baselines.predict import slice_predictor
from ich_bench_baselines.segment import segmentation_step
from ich_bench_baselines.spahr.settings import Supervised, fit_of

Window = Callable[[float], float]  # seconds → slices/s
SETTINGS = Supervised()
FIT = fit_of(SETTINGS.training)
_CURVE_RATE = 10 * FIT.lr
_WARM = 2  # steps before a window is timed


@dataclass(frozen=True, kw_only=True)
class Size:
    """What is measured: `batch` slices of `side`² pixels, a U-Net of `width` channels after its first block.

    `seconds`: how long each way is measured, for training and for prediction. `workers`: processes of the plain way.
    """

    device: str
    precision: Literal["fp32", "bf16"]
    compiled: bool
    batch: int
    side: int
    width: int
    seconds: float
    workers: int


@dataclass(frozen=True, kw_only=True)
class Curves:
    """The loss of each step from the same weights on the same slices, changed by the same numbers.

    `redrawn` are plain trainings too, with other numbers drawn: what plain ones differ by is noise.
    """

    ours: tuple[float, ...]
    plain: tuple[float, ...]
    redrawn: tuple[tuple[float, ...], ...]

    @property
    def difference(self) -> float:
        """How far ours lies from the plain way, the mean over steps."""
        return _apart(self.ours, self.plain)

    @property
    def noise(self) -> float:
        """How far any two of the plain trainings lie from one another, at most."""
        return max(_apart(*two) for two in combinations((self.plain, *self.redrawn), 2))

    @property
    def within_noise(self) -> bool:
        """Whether ours lies no farther from the plain way than that from itself under other numbers."""
        return self.difference <= self.noise


def first_network(size: Size) -> UNet:
    """Return the network as every measurement starts with it."""
    return seeded(lambda: UNet(UNetSettings(top=size.width)), 0)


def training(size: Size, drawn: Sample) -> Window:
    """Return what trains as `train.fit` does for a time: cached slices, batched augmentation, the loop's own step."""
    model, net, adam, how, run = trained_with(size)
    pool = Pool.on(size.device, drawn.slices, drawn.stream)
    step = segmentation_step(SETTINGS.augmentation, SETTINGS.empty_weight)
    place = [0, 0]

    def endless() -> Iterator[Batch]:
        while True:
            place[0] += 1
            yield from pool.epoch(place[0], size.batch, seed=0, drop_last=True)

    def one(source: Iterator[Batch]) -> float:
        place[1] += 1
        train.one_step(net, model, adam, step, next(source), how, run, (place[0], place[1]))
        return size.batch

    return lambda seconds: _window(endless(), one, size.device, seconds, _WARM)


def plain_training(size: Size, drawn: Sample) -> Window:
    """Return what trains the plain way for a time."""
    network = first_network(size).to(size.device).train()
    adam = torch.optim.Adam(network.parameters(), lr=FIT.lr, weight_decay=FIT.weight_decay)
    slices = bench_plain.PlainSlices(drawn, SETTINGS.augmentation, size.side)

    def one(source: Iterator[Any]) -> float:
        bench_plain.train_step(network, adam, *next(source), empty_weight=SETTINGS.empty_weight)
        return size.batch

    return partial(_plain_window, size, slices, one)


def prediction(size: Size, drawn: Sample) -> Window:
    """Return what predicts for a time as `run` does: a CT in memory → a mask on its own grid."""
    mask_of = slice_predictor(first_network(size), BRAIN, size.device, side=size.side)

    def one() -> float:
        mask_of(drawn.head)
        return float(drawn.head.geometry.shape[2])

    one()
    return lambda seconds: rate(one, size.device, seconds)


def plain_prediction(size: Size, drawn: Sample) -> Window:
    """Return what predicts the plain way for a time: slices resized by workers, masks resized one by one."""
    network = first_network(size).to(size.device).eval()
    slices = bench_plain.PlainSlices(drawn, None, size.side)

    def one(source: Iterator[Any]) -> float:
        return float(len(bench_plain.predicted(network, next(source)[0], drawn.hu.shape[1])))

    return partial(_plain_window, size, slices, one)


def network_alone(size: Size) -> Window:
    """Return what the network of a prediction does on slices that are on the device already."""
    network = first_network(size).to(size.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    shape = (PREDICTED_AT_ONCE, 1, size.side, size.side)
    own = torch.Generator(device=size.device).manual_seed(0)
    images = torch.rand(shape, generator=own, device=size.device).contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def one() -> float:
        network(images)
        return float(len(images))

    one()
    return lambda seconds: rate(one, size.device, seconds)


def loss_curves(size: Size, drawn: Sample, steps: int) -> Curves:
    """Return the losses of a short training both ways, from the same weights on the same slices with ICH.

    At ten times the paper's rate, so that the loss falls far enough to show a fault.
    """
    with_ich = np.flatnonzero(drawn.stream.positive)
    dealt = (batches(len(with_ich), size.batch, seed=0, epoch=epoch) for epoch in count())
    order = list(islice((with_ich[one] for each in dealt for one in each if len(one) == size.batch), steps))
    model, net, adam, how, run = trained_with(size, rate=_CURVE_RATE)
    pool = Pool.on(size.device, drawn.slices, drawn.stream)
    fast = segmentation_step(SETTINGS.augmentation, SETTINGS.empty_weight)

    def step(net: nn.Module, batch: Batch, own: torch.Generator) -> Any:
        return fast(net, batch, torch.Generator().manual_seed(own.initial_seed()))  # numbers of the CPU's, as below

    ours = [train.one_step(net, model, adam, step, pool.batch(places), how, run, (0, number)).item()
            for number, places in enumerate(order)]  # fmt: skip
    plain, *redrawn = (tuple(_plain_losses(size, drawn, order, seed)) for seed in range(3))
    return Curves(ours=tuple(ours), plain=plain, redrawn=tuple(redrawn))


def _plain_losses(size: Size, drawn: Sample, order: list[Any], seed: int) -> Iterator[float]:
    network = first_network(size).to(size.device).train()
    adam = torch.optim.Adam(network.parameters(), lr=_CURVE_RATE, weight_decay=FIT.weight_decay)
    for number, places in enumerate(order):
        numbers = draw(SETTINGS.augmentation, len(places), generator(seed, 0, number, 0))
        changed = [bench_plain.changed(drawn.hu[place], drawn.masks[place], moves, size.side)
                   for place, moves in zip(places, bench_plain.moves_of(numbers), strict=True)]  # fmt: skip
        images, masks = (torch.from_numpy(np.stack(one))[:, None].to(size.device) for one in zip(*changed, strict=True))
        yield bench_plain.train_step(network, adam, images, masks, empty_weight=SETTINGS.empty_weight)


def trained_with(size: Size, rate: float = FIT.lr) -> tuple[UNet, Any, torch.optim.Adam, train.Fit, train.Run]:
    """Return a network, as it is called, and what `train.fit` trains it with."""
    how = replace(FIT, epochs=1, batch_size=size.batch, lr=rate)
    run = train.Run(out=Path(), device=size.device, precision=size.precision, compiled=size.compiled)
    model = first_network(size).to(size.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    return model, torch.compile(model) if size.compiled else model, train.optimizer(model, how, size.device), how, run


def _plain_window(size: Size, slices: Any, one: Callable[[Iterator[Any]], float], seconds: float) -> float:
    """Return slices/s with workers that have used up their head start; they end with the window."""
    source = bench_plain.endless(slices, size.batch, size.workers, size.device)
    return _window(source, one, size.device, seconds, 2 * size.workers + _WARM)


def _window(source: Any, one: Callable[[Iterator[Any]], float], device: str, seconds: float, warm: int) -> float:
    with closing(source):
        for _ in range(warm):
            one(source)
        wait(device)
        return rate(lambda: one(source), device, seconds)


def _apart(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return statistics.fmean(abs(a - b) for a, b in zip(one, other, strict=True))
