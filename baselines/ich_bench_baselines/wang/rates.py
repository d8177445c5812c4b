"""How far and by which optimiser does a turn of Wang 2020's trainings move the weights?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ich_bench_baselines.paper import ours, paper


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How an optimiser moves the weights: the rate is multiplied by `gamma` after each `gamma_epochs`."""

    optimizer: Literal["adam", "l-bfgs"] = paper("adam", "Wang 2020, Sec. 5.3")
    lr: float = paper(1e-4, "Wang 2020, Sec. 5.3")
    gamma: float = ours(1.0, "Wang 2020 names no decay")
    gamma_epochs: int = ours(1, "Wang 2020 names no decay")

    def at(self, epoch: int) -> float:
        """Return the rate in an epoch, from 0."""
        return self.lr * float(self.gamma ** (epoch // self.gamma_epochs))


@dataclass(frozen=True, kw_only=True)
class Lbfgs(Rates):
    """The same of L-BFGS: iterations within a step, steps that it remembers, and how far each goes."""

    optimizer: Literal["adam", "l-bfgs"] = paper("l-bfgs", "Wang 2020, Sec. 5.3")
    iterations: int = ours(20, "PyTorch's default; the paper names none", smoke=2)
    history: int = ours(10, "the paper names none; of the usual 3 to 20, and every checkpoint carries it")
    lr: float = ours(
        1.0,
        "the paper's 1e-4 as a fixed step took the loss of four drawn slices from 0.916 to 0.904 in 100 epochs; as the "
        "first step of a search that of 32 slices stopped at 0.64, which 1 passed in three",
    )
    line_search: Literal["none", "strong_wolfe"] = ours("strong_wolfe", "the paper names none; see the rate")
    forgets: bool = ours(value=True, why="its memory is of one function: it goes when another turn, or none, moved")


@dataclass(frozen=True, kw_only=True)
class FixedLbfgs(Lbfgs):
    """The paper's one rate, and steps of that length alone."""

    lr: float = paper(1e-4, "Wang 2020, Sec. 5.3")
    line_search: Literal["none", "strong_wolfe"] = ours("none", "PyTorch's default; the paper names none")
    forgets: bool = ours(value=False, why="as PyTorch's does")
