"""Would another way of ranking have ranked the same rows otherwise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.stats import rankdata

from ich_bench.board.model import CaseScores, Floats, Pairs, Schemes
from ich_bench.statistics import kendall_tau_b

ABOUT: Mapping[str, str] = {
    "board": "1 + number of methods significantly better in dice on ich (step-down max-T): the board's own rank",
    "test-then-rank": "by the number of methods significantly worse in dice on ich, as challengeR counts",
    "mean-then-rank": "by mean dice on ich",
    "rank-then-mean": "by the mean over cases of the rank within the case, dice on ich (BraTS, FeTS)",
    "instance": "by the mean of the ranks in dice, hd100, nsd_0p42mm and abs_rvd on ich; ties share the smallest rank, "
    "an empty prediction has an infinite hd100 (INSTANCE 2022)",
    "instance-average": "the same, ties share the average rank",
    "spahr": "by mean dice (ε = 1) on all volumes (Spahr 2023)",
}
_INSTANCE = {"dice": 1, "hd100": -1, "nsd_0p42mm": 1, "abs_rvd": -1}


def schemes(scores: CaseScores, primary: Pairs | None) -> Schemes | None:
    """Return the ranks of the tested rows under every scheme, with Kendall's τ-b between schemes.

    `primary` are the tests of dice on `ich`; their methods are ranked. None where there are none.
    """
    if primary is None or not scores.has_ich.any():
        return None
    place = {slug: number for number, slug in enumerate(scores.slugs)}
    rows = [place[slug] for slug in primary.slugs]
    ich = scores.has_ich
    dice = scores.values["dice"][:, rows]
    better = primary.better
    ranks: dict[str, Floats] = {
        "board": 1.0 + better.sum(axis=0),
        "test-then-rank": _rank(better.sum(axis=1).astype(np.float64)),
        "mean-then-rank": _rank(dice[ich].mean(axis=0)),
        "rank-then-mean": _rank(-rankdata(-np.round(dice[ich], 12), axis=1).mean(axis=0)),
    }
    missing: dict[str, str] = {}
    if set(_INSTANCE) <= set(scores.values):
        means = _instance_means(scores, rows)
        for name, ties in (("instance", "min"), ("instance-average", "average")):
            four = [_rank(sign * means[metric], ties) for metric, sign in _INSTANCE.items()]
            ranks[name] = _rank(-np.mean(four, axis=0))
    else:
        lacking = ", ".join(sorted(set(_INSTANCE) - set(scores.values)))
        missing |= dict.fromkeys(("instance", "instance-average"), f"the profile has no {lacking}")
    ranks["spahr"] = _rank(dice.mean(axis=0))
    names = tuple(ranks)
    tau = np.array([[kendall_tau_b(ranks[one], ranks[other]) for other in names] for one in names])
    tau.setflags(write=False)
    return Schemes(
        names=names,
        about={name: ABOUT[name] for name in names},
        ranks={name: dict(zip(primary.slugs, ranks[name].tolist(), strict=True)) for name in names},
        tau=tau,
        missing=missing,
    )


def _instance_means(scores: CaseScores, rows: list[int]) -> dict[str, Floats]:
    """Return each metric's mean on `ich`; hd100 is infinite where any prediction of a hemorrhage is empty."""
    means = {metric: scores.values[metric][scores.has_ich][:, rows].mean(axis=0) for metric in _INSTANCE}
    empty = (scores.empty[scores.has_ich][:, rows] > 0).any(axis=0)
    return means | {"hd100": np.where(empty, np.inf, means["hd100"])}


def _rank(merit: Floats, ties: str = "min") -> Floats:
    """Return ranks from 1 (the largest merit); merits equal to twelve decimals tie."""
    ranks: Floats = rankdata(-np.round(merit, 12), method=ties).astype(np.float64)
    return ranks
