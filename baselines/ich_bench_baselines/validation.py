"""After which epoch was a network best on cases kept aside, and when is its training given up?

For papers that keep the weights of their best validation. The cases are an inner part of the training cases, by
patient, or those that a frozen scheme names for it; the test fold is never among them, and a guard asks of every batch.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor, nn

from ich_bench.cases import Scheme
from ich_bench.errors import IchBenchError
from ich_bench_baselines.data.guard import Guard, guard_of


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What is asked after each epoch: `score` of the network in evaluation, the higher the better.

    `patience`: the training is given up after so many epochs in a row that are no better; None: never.
    """

    score: Callable[[nn.Module], float]
    patience: int | None = None


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best epoch so far, counted from 1, with its score and weights."""

    epoch: int
    score: float
    weights: Mapping[str, Tensor]

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Best | None:
        """Return it as a checkpoint holds it; None where it holds none."""
        return cls(epoch=int(kept["epoch"]), score=float(kept["score"]), weights=kept["weights"]) if kept else None

    def plain(self) -> dict[str, Any]:
        """Return it as a checkpoint holds it."""
        return {"epoch": self.epoch, "score": self.score, "weights": dict(self.weights)}


def better(best: Best | None, epoch: int, score: float, weights: Mapping[str, Tensor]) -> Best:
    """Return the better one of the best so far and this epoch; of equals the earlier.

    IchBenchError where the score is no number.
    """
    if not math.isfinite(score):
        raise IchBenchError(
            f"the validation became {score} in epoch {epoch}. The checkpoint of epoch {epoch - 1} is kept. Try "
            "--precision fp32 or another --seed."
        )
    if best is not None and score <= best.score:
        return best
    return Best(epoch=epoch, score=score, weights={name: one.clone() for name, one in weights.items()})


def given_up(best: Best | None, done: int, patience: int | None) -> bool:
    """Return whether `patience` epochs have passed since the best one."""
    return patience is not None and best is not None and done - best.epoch >= patience


@dataclass(frozen=True, kw_only=True)
class Inner:
    """Which cases are trained on, and which are kept aside to choose the epoch by; `named` says who chose these."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    named: str

    def guards(self, scheme: Scheme, fold: int, *, patients: Mapping[str, str]) -> tuple[Guard, Guard]:
        """Return the guards of the training and of the validation.

        The first refuses whatever is not trained on, the second whatever is neither: test cases, cases that an outer
        training keeps apart, and (unless the scheme is leaky) all their patients. `patients` maps each case to its own.
        """
        tested = guard_of(scheme, fold)

        def guard(allowed: Sequence[str], where: str) -> Guard:
            cases = {*tested.cases, *patients} - set(allowed)
            people = {patients[case] for case in cases if case in patients} | set(tested.patients)
            return Guard(cases=cases, patients=() if scheme.leaky else people, where=where)

        fit = guard(self.train, f"what is not trained on in fold {fold} of {scheme.dataset}/{scheme.name}")
        seen = guard((*self.train, *self.validation), tested.where)
        return fit, seen


def inner(
    index: pd.DataFrame, cases: Sequence[str], *, scheme: Scheme, fold: int, share: float, seed: int, whole: bool
) -> Inner:
    """Return which of the training cases are kept aside: those the scheme names, else a share of their patients.

    Patients with and without ICH are drawn apart, one with ICH at least on each side.

    Args:
        index: Of the cached slices: `case_id`, `patient_id` and `has_ich` of each.
        cases: That may be trained on.
        scheme: Whose `validation` is taken where it has one for this fold and `whole`.
        fold: Of the scheme.
        share: Of the patients, 0 to 1.
        seed: Of the draw.
        whole: Whether `cases` are all training cases of the fold.

    Raises:
        IchBenchError: a case is tested in this fold or not among the slices, or fewer than two patients have ICH.
    """
    where = f"fold {fold} of {scheme.dataset}/{scheme.name}"
    named = scheme.validation.get(fold, ()) if whole else ()
    patients = dict(zip(index["case_id"], index["patient_id"], strict=True))
    held = sorted(set(cases) & set(scheme.test_cases(fold)))
    if held:
        raise IchBenchError(f"{', '.join(held[:5])} may not be trained on: tested in {where}.")
    absent = sorted({*cases, *named} - set(patients))
    if absent:
        raise IchBenchError(
            f"{len(absent)} of the {len(cases) + len(named)} training cases of {where} are not among the slices: "
            f"{', '.join(absent[:5])}{' …' if len(absent) > 5 else ''}. Complete the download, and prepare it again."
        )
    if named:
        return Inner(train=tuple(cases), validation=tuple(named), named=f"the validation cases of {scheme.name}")
    ich = {patient for patient, flag in zip(index["patient_id"], index["has_ich"], strict=True) if flag}
    own = sorted({patients[case] for case in cases})
    groups = [[one for one in own if one in ich], [one for one in own if one not in ich]]
    if len(groups[0]) < 2:
        raise IchBenchError(
            f"{len(groups[0])} of the {len(own)} patients to train on in {where} have ICH: two are needed, one of them "
            "to choose the epoch by. Choose another fold, draw or budget."
        )
    kept: set[str] = set()
    for number, group in enumerate(groups):
        bits = np.random.PCG64([seed, fold, number, zlib.crc32(f"{scheme.dataset}/{scheme.name}".encode())])
        count = round(share * len(group))
        count = min(max(count, 1), len(group) - 1) if number == 0 else count
        order = np.argsort(bits.random_raw(len(group)), kind="stable")[:count] if count else ()
        kept |= {group[int(at)] for at in order}
    return Inner(
        train=tuple(case for case in cases if patients[case] not in kept),
        validation=tuple(case for case in cases if patients[case] in kept),
        named=f"{share:.0%} of the training patients, drawn",
    )
