"""Which part of a semi-supervised training is next: that on drawn masks, or that on slices without labels?

Wang 2020, Sec. 5.3: in every epoch chance decides, at first nearly always for the masks, in the end half and half. Chen
2019 takes both in every epoch, one after the other (alternating) or as one sum (joint).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

SUPERVISED, UNSUPERVISED, JOINT = "supervised", "unsupervised", "joint"
Strategy = Literal["supervised", "curriculum", "alternating", "joint"]
Order = Callable[[int], Sequence[str]]


def probability(epoch: int, k: float = 40.0) -> float:
    """Return how likely an epoch, counted from 0, is one on drawn masks: max(k / (k + e^(epoch/k)), 0.5).

    40/41 in the first epoch; one half from epoch k · ln k on, which is 148 for k = 40.
    """
    if epoch >= k * math.log(k):
        return 0.5
    return max(k / (k + math.exp(epoch / k)), 0.5)


def order_of(strategy: Strategy, seed: int, k: float = 40.0) -> Order:
    """Return what is trained in an epoch: a pure function of strategy, seed and epoch, whatever came before it."""

    def order(epoch: int) -> tuple[str, ...]:
        if strategy == "supervised":
            return (SUPERVISED,)
        if strategy == "alternating":
            return (SUPERVISED, UNSUPERVISED)
        if strategy == "joint":
            return (JOINT,)
        drawn = np.random.PCG64([seed, epoch, 2020]).random_raw() / 2**64  # in [0, 1)
        return (SUPERVISED,) if drawn < probability(epoch, k) else (UNSUPERVISED,)

    return order
