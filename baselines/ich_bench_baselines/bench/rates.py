"""How fast is this device at its best, and how much work is one slice?

Both ceilings are measured where the bench runs, never read off a data sheet: a large product of matrices, and a large
copy. The work of a network is counted by torch; the bytes it moves are an estimate, and are called one.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ich_bench_baselines.data.loader import free_bytes

SIDES = {"cuda": 8192, "cpu": 1024}  # of the matrices: large enough to fill the device
COPIES = {"cuda": 2**32, "cpu": 2**28}  # bytes: several times what any cache holds
ROUNDS = 5
_ADAM = 7  # times each weight's four bytes: weight, gradient and two momenta read, all but the gradient written


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What the device does at most: `matrix` in FLOP/s by precision, `copy` in bytes/s, read and written both counted.

    `matrix_by` and `copy_by` say in words how they were measured.
    """

    matrix: Mapping[str, float]
    copy: float
    matrix_by: str
    copy_by: str


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one slice costs: `flops` counted (a product and its sum are two), `bytes_moved` estimated."""

    flops: float
    bytes_moved: float


def rates(device: str, precisions: Iterable[str], *, seconds: float) -> Rates:
    """Return both ceilings of a device, each measured for about this long."""
    kind = torch.device(device).type
    free = free_bytes(device)
    side, size = SIDES[kind], COPIES[kind] if free is None else min(COPIES[kind], free // 8)
    with tf32_as_in_convolutions() as tf32:
        matrix = {one: matrix_rate(device, one, side, seconds=seconds) for one in sorted(precisions)}
    rounded = "; fp32 as TF32, which torch convolves in" if tf32 and kind == "cuda" else ""
    return Rates(
        matrix=matrix,
        copy=copy_rate(device, size, seconds=seconds),
        matrix_by=f"products of {side} × {side} matrices{rounded}",
        copy_by=f"copies of {size // 2**20} MiB, read and written",
    )


def matrix_rate(device: str, precision: str, side: int, *, seconds: float) -> float:
    """Return FLOP/s of a product of two square matrices of random numbers."""
    own = torch.Generator(device=device).manual_seed(0)
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    one, other = (torch.randn(side, side, generator=own, device=device).to(kind) for _ in range(2))
    into = torch.empty_like(one)

    def product() -> float:
        torch.mm(one, other, out=into)
        return 2.0 * side**3

    return median_rate(product, device, seconds)


def copy_rate(device: str, size: int, *, seconds: float) -> float:
    """Return bytes/s of a copy within the device's memory, each byte counted when read and when written."""
    one = torch.randint(0, 256, (size,), dtype=torch.uint8, device=device)
    into = torch.empty_like(one)

    def copied() -> float:
        into.copy_(one)
        return 2.0 * size

    return median_rate(copied, device, seconds)


def median_rate(work: Callable[[], float], device: str, seconds: float, rounds: int = ROUNDS) -> float:
    """Return the median over rounds of how much is done in a second; `work` says how much it did."""
    for _ in range(2):
        work()
    return float(np.median([rate(work, device, seconds / rounds) for _ in range(rounds)]))


def rate(work: Callable[[], float], device: str, seconds: float) -> float:
    """Return how much is done in a second: `work` is called once at least, and until the time is over."""
    wait(device)
    begun, done = time.perf_counter(), 0.0
    while True:
        done += work()
        if time.perf_counter() - begun >= seconds:
            break
    wait(device)
    return done / (time.perf_counter() - begun)


def wait(device: str) -> None:
    """Wait until the device has done all that it was given."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(torch.device(device))


@contextmanager
def tf32_as_in_convolutions() -> Iterator[bool]:
    """Let fp32 products round as torch's convolutions do on this GPU, which is TF32 unless it was forbidden."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        allowed = bool(torch.backends.cudnn.allow_tf32)
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if allowed else "highest")
        try:
            yield allowed
        finally:
            torch.set_float32_matmul_precision(before)


def work_of(network: nn.Module, shape: tuple[int, ...], *, itemsize: int, training: bool) -> Work:
    """Return what one slice of a batch of this shape (n, channels, rows, columns) costs; nothing is computed.

    FLOPs are torch's own count of products and convolutions. Bytes are estimated: each layer reads its input and its
    weights and writes its output; backward it reads the gradient and the input and writes the input's gradient; Adam
    reads and writes weights and momenta once a batch. Caches and fused layers move less.

    Args:
        network: The network; it is counted on torch's device without memory, a copy of it.
        shape: Of the batch.
        itemsize: Bytes of a number between layers: 4 in fp32, 2 in bf16.
        training: Whether the way back and Adam count too.
    """
    held = _without_memory(network)
    read, written = _traffic(held, shape)
    weights = sum(one.numel() for one in held.parameters())
    with FlopCounterMode(display=False) as counter:
        made: Tensor = held(torch.empty(shape, device="meta"))
        if training:
            made.sum().backward()  # type: ignore[no-untyped-call]
    moved = (read + written) * itemsize + weights * itemsize
    if training:
        moved += (2 * read + written) * itemsize + 2 * weights * itemsize + _ADAM * 4 * weights
    return Work(flops=counter.get_total_flops() / shape[0], bytes_moved=moved / shape[0])


def _without_memory(network: nn.Module) -> nn.Module:
    from copy import deepcopy

    return deepcopy(network).to("meta").train()


def _traffic(network: nn.Module, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return how many numbers all layers read and write on the way forward."""
    counted = [0, 0]

    def seen(layer: nn.Module, given: Any, made: Any) -> None:
        counted[0] += sum(one.numel() for one in given if isinstance(one, Tensor))
        counted[1] += made.numel()

    hooks = [one.register_forward_hook(seen) for one in network.modules() if not list(one.children())]
    try:
        with torch.no_grad():
            network(torch.empty(shape, device="meta"))
    finally:
        for hook in hooks:
            hook.remove()
    return counted[0], counted[1]
