"""Output folders of `evaluate` with made-up scores, and boards of them, for the tests of boards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ich_bench.board.model import Board
from ich_bench.board.public import leaderboard
from ich_bench.datasets import card
from ich_bench.folds import load_scheme
from ich_bench.runs import store
from scored import row, scores

HEALTHY_OF = {"hssayeni": 39, "phantom-mini": 4}
ON_ICH_ONLY = ("hd95", "hd100", "assd", "rvd", "abs_rvd", "lesion_recall", "lesion_precision", "detected")
_NO_SHELF = Path(__file__).parent / "no-submissions"


def cases_of(dataset: str, scheme: str | None = None) -> tuple[str, ...]:
    """Return the cases in fold-file order."""
    return tuple(one.case_id for one in load_scheme(dataset, scheme).rows)


def healthy_of(dataset: str) -> frozenset[str]:
    """Return the heads that are healthy in these tests: the last ones of the fold file."""
    cases = cases_of(dataset)
    return frozenset(cases[len(cases) - (len(cases) - (card(dataset).with_ich or 0)) :])


def write_run(
    folder: Path,
    dataset: str,
    dice: Sequence[float] | Mapping[str, float],
    *,
    scheme: str | None = None,
    seeds: Sequence[int | None] = (None,),
    budget: str | None = None,
    manifest: str = "",
    status: str = "complete",
    edit: Mapping[str, Mapping[str, Any]] | None = None,
    shuffle: int | None = None,
    **about: Any,
) -> Path:
    """Write OUT/scores/<dataset>.parquet with this dice a case (in fold order), and return OUT.

    `edit` maps a case to columns to replace; dice of seed s is shifted by s / 1000. `about` replaces provenance.
    """
    frozen = load_scheme(dataset, scheme)
    fold = {one.case_id: one.fold for one in frozen.rows}
    order = cases_of(dataset, scheme)
    values = dict(dice) if isinstance(dice, Mapping) else dict(zip(order, dice, strict=True))
    healthy = healthy_of(dataset)
    rows = [
        _row(case_id, float(value), dataset, frozen.name, fold.get(case_id, 0), seed, budget, case_id not in healthy)
        | dict((edit or {}).get(case_id, {}))
        for seed in seeds
        for case_id, value in values.items()
    ]
    if shuffle is not None:
        rows = [rows[place] for place in np.random.default_rng(shuffle).permutation(len(rows))]
    for one in rows:
        one["submission"] = folder.name
    told = {
        "scheme": frozen.name,
        "fold_sha256": frozen.sha256,
        "status": status,
        "folds": sorted(set(fold.values())),
        "leaky": frozen.leaky,
    }
    store.write_scores(scores(rows, **{**told, **about}), folder / "scores" / f"{dataset}.parquet")
    if manifest:
        (folder / "submission.toml").write_text(manifest, "utf-8")
    return folder


def _row(
    case_id: str, dice: float, dataset: str, scheme: str, fold: int, seed: int | None, budget: str | None, ich: bool
) -> dict[str, Any]:
    value = dice + (seed or 0) / 1000
    empty = not ich and dice == 1
    return row(
        case_id,
        has_ich=ich,
        dataset=dataset,
        scheme=scheme,
        fold=fold,
        seed=seed,
        budget=budget,
        dice=value,
        nsd_2mm=value,
        iou=value / (2 - value) if not math.isnan(value) else value,
        precision=value,
        recall=value,
        detected=float(value >= 0.1) if ich else math.nan,
        fp=0 if ich or empty else 5,
        tn=7 if ich or empty else 2,
        status="scored" if ich or not empty else "empty_prediction",
    )


def board_of(
    dataset: str, runs: Sequence[Path], *, submissions: Path | None = None, draws: int = 999, **options: Any
) -> Board:
    """Return the board of these runs alone, from few draws."""
    shelf = submissions
    if shelf is None:
        shelf = runs[0].parent / ".no-submissions" if runs else _NO_SHELF
        shelf.mkdir(exist_ok=True)
    return leaderboard(dataset, submissions=shelf, runs=runs, draws=draws, **options)


def dice_like(rng: np.random.Generator, methods: int, cases: int, shifts: Sequence[float] = ()) -> np.ndarray:
    """Return (cases, methods) Dice-like scores: a difficulty a case, a shift a method, noise; in 0 to 1."""
    difficulty = rng.beta(5, 2, size=(cases, 1))
    noise = rng.normal(0, 0.05, size=(cases, methods))
    moved = np.asarray(shifts, dtype=np.float64) if len(shifts) else np.zeros(methods)
    return np.clip(difficulty + noise + moved, 0.0, 1.0)
