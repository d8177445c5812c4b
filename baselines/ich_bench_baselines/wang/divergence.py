"""Has a training diverged, and how?

Three ways, each by a stated rule:

    not finite   a loss, or a weight after its step, is no finite number
    exploded     a loss is above `explosion`. Both of Wang 2020's losses are at most 1 for a network that says nothing:
                 an empty mask, a black slice. Ten times that is no learning any more.
    collapsed    the loss on the drawn masks (joint: the sum) had been `learnt` or better, and is `collapse` or worse in
                 each of the last `in_a_row` epochs that took it: a Jaccard index below 0.05 is next to no overlap
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ich_bench_baselines.paper import ours
from ich_bench_baselines.wang.curriculum import JOINT, SUPERVISED


@dataclass(frozen=True, kw_only=True)
class Rules:
    """When a training counts as diverged; the paper only says that the loss exploded early on (Sec. 5.3)."""

    explosion: float = ours(10.0, "ten times the loss of a network that says nothing")
    learnt: float = ours(0.8, "a Jaccard index of 0.2 on its own training slices")
    collapse: float = ours(0.95, "a Jaccard index of 0.05 on its own training slices")
    in_a_row: int = ours(5, "so many epochs, so that one bad step is none")


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """What happened: `kind` is one of `not finite`, `exploded`, `collapsed`; epochs count from 1; `loss` is text."""

    kind: str
    epoch: int
    turn: str
    loss: str
    words: str


def diverged(losses: Sequence[Mapping[str, float]], model: nn.Module, rules: Rules) -> Divergence | None:
    """Return how a training has diverged in its last epoch, or None.

    Args:
        losses: Of every epoch so far, by turn.
        model: As it is after the last of them.
        rules: When it counts as diverged.
    """
    epoch, last = len(losses), losses[-1]
    for turn, loss in last.items():
        if not math.isfinite(loss):
            return _found("not finite", epoch, turn, loss, "became")
    if not all(bool(torch.isfinite(one).all()) for one in model.state_dict().values()):
        turn = list(last)[-1]
        words = f"weights were no finite numbers after the {turn} step of epoch {epoch}."
        return Divergence(kind="not finite", epoch=epoch, turn=turn, loss=f"{last[turn]:.6g}", words=words)
    for turn, loss in last.items():
        if loss > rules.explosion:
            return _found("exploded", epoch, turn, loss, "exploded to")
    turn = JOINT if JOINT in last else SUPERVISED
    masks = [one[turn] for one in losses if turn in one]
    recent = masks[-rules.in_a_row :]
    fallen = len(recent) == rules.in_a_row and min(recent) >= rules.collapse and min(masks) <= rules.learnt
    if fallen and turn in last:
        return _found("collapsed", epoch, turn, recent[-1], f"had been {min(masks):.3g} and fell back to")
    return None


def _found(kind: str, epoch: int, turn: str, loss: float, what: str) -> Divergence:
    words = f"the {turn} loss {what} {loss:.6g} in epoch {epoch}."
    return Divergence(kind=kind, epoch=epoch, turn=turn, loss=f"{loss:.6g}", words=words)
