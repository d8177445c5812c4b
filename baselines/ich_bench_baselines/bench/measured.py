"""How many slices a second are trained and predicted here, next to the plain way, and is the loss the same?

Both ways are measured in turn, so that what else the machine does falls on both, and medians are taken. The ratio is
the figure; the shares say how much of what the device can do is used.
"""

from __future__ import annotations

import dataclasses
import math
import os
import platform
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import torch

from ich_bench.errors import IchBenchError, UsageError, did_you_mean
from ich_bench.escape import printable
from ich_bench.tables.layout import Block, as_text
from ich_bench_baselines.bench import ways
from ich_bench_baselines.bench.drawn import NATIVE, WITH_ICH, sample
from ich_bench_baselines.bench.rates import ROUNDS, Rates, Work, rates, work_of
from ich_bench_baselines.bench.ways import Curves, Size, Window
from ich_bench_baselines.hardware import chosen_device, hardware
from ich_bench_baselines.job import PRECISIONS
from ich_bench_baselines.predict import BATCH as PREDICTED_AT_ONCE

Stage = Callable[[str], None]
SMOKE = {"side": 64, "width": 8, "batch": 8, "seconds": 5.0}  # on a CPU: a minute in all
FULL = {"side": 256, "width": 32, "batch": 16, "seconds": 15.0}  # Spahr 2023, Sec. 2.5.3
_MOST_WORKERS, _LONGEST_RATE_S = 16, 3.0
_SLICES, _STEPS = {"cpu": 96, "cuda": 512}, {"cpu": 40, "cuda": 40}


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Slices/s of one kind of work, each round's; `plain` is empty where there is no such way. `work`: of a slice."""

    name: str
    precision: str
    ours: tuple[float, ...]
    plain: tuple[float, ...]
    work: Work

    @property
    def ratio(self) -> float:
        """How many times the plain way's median; NaN where there is none."""
        return statistics.median(self.ours) / statistics.median(self.plain) if self.plain else float("nan")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """All that was measured, and on what: so many slices of `native`² pixels, drawn for it."""

    size: Size
    machine: str
    versions: str
    slices: int
    native: int
    rates: Rates
    speeds: tuple[Speed, ...]
    curves: Curves

    def shares(self, speed: Speed) -> tuple[float, float]:
        """Return which shares of the measured product rate and of the measured copy rate a kind of work makes use of.

        The second is as rough as the estimate of the bytes.
        """
        each_s = statistics.median(speed.ours)
        matrix = self.rates.matrix[speed.precision]
        return each_s * speed.work.flops / matrix, each_s * speed.work.bytes_moved / self.rates.copy


def size_of(device: str = "auto", *, precision: str | None = None, compiled: bool = False, batch: int | None = None,
            side: int | None = None, width: int | None = None, seconds: float | None = None,
            workers: int | None = None) -> Size:  # fmt: skip
    """Return what will be measured: the paper's size on a GPU, a small one on a CPU, but for what is asked.

    UsageError names every option that is none.
    """
    where = chosen_device(device)
    on_gpu = where.startswith("cuda")
    asked = {"side": side, "width": width, "batch": batch, "seconds": seconds}
    found: dict[str, Any] = {name: (FULL if on_gpu else SMOKE)[name] for name in asked}
    found |= {name: value for name, value in asked.items() if value is not None}
    chosen = precision or ("bf16" if on_gpu else "fp32")
    if chosen not in PRECISIONS:
        raise UsageError(f"there is no precision {printable(chosen)!r}. {did_you_mean(chosen, PRECISIONS)}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found["workers"] = min(cores, _MOST_WORKERS) if workers is None else workers
    expected = {
        "side": (found["side"] >= 16 and found["side"] % 16 == 0, "a multiple of 16"),
        "width": (found["width"] >= 2 and found["width"] % 2 == 0, "an even number, 2 at least"),
        "batch": (found["batch"] >= 2, "2 at least"),
        "seconds": (0 < found["seconds"] < math.inf, "more than 0"),
        "workers": (found["workers"] >= 1, "1 at least"),
    }
    wrong = [f"--{name} {found[name]}: expected {what}" for name, (right, what) in expected.items() if not right]
    if wrong:
        raise UsageError("; ".join(wrong) + ".")
    return Size(device=where, precision=chosen, compiled=compiled, **found)  # type: ignore[arg-type]


def bench(size: Size, *, stage: Stage = lambda what: None, steps: int | None = None) -> Bench:
    """Measure and return everything; `stage` is told in words what begins, `steps` are those of the loss curves.

    IchBenchError where memory runs out, with a smaller batch.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="ich-bench-") as folder:
            return _measured(size, Path(folder), stage, steps)
    except (IchBenchError, torch.OutOfMemoryError, MemoryError) as fault:
        if isinstance(fault, IchBenchError) and not isinstance(fault.__cause__, torch.OutOfMemoryError | MemoryError):
            raise
        raise IchBenchError(
            f"memory ran out on {size.device} with batches of {size.batch} slices of {size.side}² pixels. Try --batch "
            f"{max(2, size.batch // 2)}."
        ) from fault


def _measured(size: Size, folder: Path, stage: Stage, steps: int | None) -> Bench:
    kind = torch.device(size.device).type
    stage("drawing slices")
    drawn = sample(folder, max(_SLICES[kind], 2 * WITH_ICH * size.batch), size.side, depth=PREDICTED_AT_ONCE)
    stage("what the device does at most")
    most = rates(size.device, {size.precision, "fp32"}, seconds=min(size.seconds, _LONGEST_RATE_S))
    stage("the loss, both ways")
    curves = ways.loss_curves(size, drawn, steps or _STEPS[kind])
    stage("training, both ways in turn")
    trained = in_turn(ways.training(size, drawn), ways.plain_training(size, drawn), size.seconds)
    stage("prediction, both ways in turn")
    predicted = in_turn(ways.prediction(size, drawn), ways.plain_prediction(size, drawn), size.seconds)
    stage("the network of the prediction alone")
    alone = in_turn(ways.network_alone(size), None, size.seconds / 2)
    shape = (size.batch, 1, size.side, size.side)
    network = ways.first_network(size)
    whole = work_of(network, shape, itemsize=2 if size.precision == "bf16" else 4, training=True)
    forward = work_of(network, (PREDICTED_AT_ONCE, *shape[1:]), itemsize=4, training=False)
    return Bench(
        size=size,
        machine=hardware(size.device),
        versions=f"Python {platform.python_version()}, torch {torch.__version__}, NumPy {np.__version__}, "
        f"SciPy {scipy.__version__}",
        slices=len(drawn),
        native=NATIVE * size.side,
        rates=most,
        speeds=(
            Speed(name="training", precision=size.precision, ours=trained[0], plain=trained[1], work=whole),
            Speed(name="prediction", precision="fp32", ours=predicted[0], plain=predicted[1], work=forward),
            Speed(name="  its network alone", precision="fp32", ours=alone[0], plain=(), work=forward),
        ),
        curves=curves,
    )


def in_turn(ours: Window, plain: Window | None, seconds: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return slices/s of both ways, a share of the seconds each round, one after the other."""
    each = seconds / ROUNDS
    rounds = [(ours(each), None if plain is None else plain(each)) for _ in range(ROUNDS)]
    return tuple(one for one, _ in rounds), tuple(other for _, other in rounds if other is not None)


def text(found: Bench) -> str:
    """Return everything as text of 80 columns."""
    size, head = found.size, ("slices/s", "ours", "plain", "ratio", "of matrix rate", "of bandwidth")
    rows = []
    for one in found.speeds:
        matrix, copy = found.shares(one)
        plain, ratio = (_rate(one.plain), f"{one.ratio:.2f}") if one.plain else ("–", "–")
        rows.append((one.name, _rate(one.ours), plain, ratio, f"{matrix:.1%}", f"{copy:.1%}"))
    spread = "; ".join(
        f"{one.name.strip()} {_span(one.ours)}{f' and {_span(one.plain)}' if one.plain else ''}" for one in found.speeds
    )
    train, test = found.speeds[0].work, found.speeds[1].work
    at_most = ", ".join(f"{rate / 1e9:,.0f} GFLOP/s in {name}" for name, rate in sorted(found.rates.matrix.items()))
    facts = (
        ("machine", f"{found.machine}; {found.versions}"),
        ("size", f"slices of {size.side}² pixels in batches of {size.batch}; U-Net of width {size.width}; training in "
                 f"{size.precision}{', compiled' if size.compiled else ''}; prediction in fp32"),
        ("plain", f"{size.workers} worker processes change one slice of {found.native}² at a time with SciPy, in "
                  "memory; fp32, the loss asked for at each step"),
        ("slices", f"{found.slices} drawn for this, every {WITH_ICH}rd with a blob; no heads. Prediction: a CT of "
                   f"{PREDICTED_AT_ONCE} slices in memory → its mask on its own grid"),
        ("matrix rate", f"{at_most}: {found.rates.matrix_by}, measured now. A slice costs {train.flops / 1e9:.3g} "
                        f"GFLOP to train, {test.flops / 1e9:.3g} to predict (counted)"),
        ("bandwidth", f"{found.rates.copy / 1e9:,.1f} GB/s: {found.rates.copy_by}, measured now. A slice moves "
                      f"{train.bytes_moved / 1e6:,.0f} MB to train, {test.bytes_moved / 1e6:,.0f} to predict "
                      "(estimated: what each layer reads and writes; caches and fused layers move less)"),
        ("rounds", f"{ROUNDS}, ours and plain in turn; medians above, least to most: {spread}"),
    )  # fmt: skip
    heading = "Training and prediction, ours next to the plain way; the ratio is the figure."
    return as_text(heading, [Block(header=head, rows=tuple(rows)), Block(rows=facts), *_curves(found.curves)])


def plain_values(found: Bench) -> dict[str, Any]:
    """Return everything as plain values, medians, ratios and shares beside what they come from."""
    values = dataclasses.asdict(found)
    for one, speed in zip(values["speeds"], found.speeds, strict=True):
        matrix, copy = found.shares(speed)
        one |= {
            "name": speed.name.strip(),
            "ours_median": statistics.median(speed.ours),
            "plain_median": statistics.median(speed.plain) if speed.plain else None,
            "ratio": speed.ratio if speed.plain else None,
            "share_of_products": matrix,
            "share_of_copying": copy,
        }
    curves = found.curves
    values["curves"] |= {
        "difference": curves.difference, "noise": curves.noise, "within_noise": curves.within_noise
    }  # fmt: skip
    return values


def _curves(curves: Curves) -> list[Block]:
    every = math.ceil(len(curves.ours) / 8)
    each = zip(curves.ours, curves.plain, *curves.redrawn, strict=True)
    rows = [(str(n), *(f"{one:.4f}" for one in losses)) for n, losses in enumerate(each, start=1) if n % every == 0]
    said = (
        f"both from the same weights, slices and drawn numbers: ours and plain differ by {curves.difference:.4f}. "
        f"Redrawn: plain with other numbers; these differ from one another by up to {curves.noise:.4f} (means over "
        f"{len(curves.ours)} steps): ours is {'' if curves.within_noise else 'NOT '}within noise"
    )
    head = ("loss at step", "ours", "plain", *("redrawn" for _ in curves.redrawn))
    return [Block(header=head, rows=tuple(rows)), Block(rows=(("loss", said),))]


def _rate(each: tuple[float, ...]) -> str:
    found = statistics.median(each)
    return f"{found:,.0f}" if found >= 100 else f"{found:.3g}"


def _span(each: tuple[float, ...]) -> str:
    return "–".join(_rate((one,)) for one in (min(each), max(each)))
