"""Which slices does a training see: of its fold and regime with masks, or of a pool with or without labels?"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ich_bench.cases import Scheme
from ich_bench.datasets.pool import HELD_OUT_SLICES
from ich_bench.errors import IchBenchError, UsageError
from ich_bench.folds import load_budget
from ich_bench_baselines.data.guard import Guard, guard_of
from ich_bench_baselines.data.pools import HELD_OUT, TRAIN, parts

Rows = npt.NDArray[np.int64]
Regime = Literal["ich-only", "mixed", "all"]
REGIMES: tuple[Regime, ...] = ("ich-only", "mixed", "all")
NORMALS_PER_ICH = 2.0  # Spahr 2023, Sec. 2.5.3
SEVEN = ("no_Hemorrhage", "Hemorrhage", "EDH", "IPH", "IVH", "SAH", "SDH")  # the authors' order


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The rows of a cache that a training sees, each once an epoch, and the guard of everything else.

    `positive` says of each row whether it counts as a slice with ICH; `labels` (n, 7) are the flags of `SEVEN`, None
    where the training may not see any. `label_source` says whose word `positive` is: `dataset` or `mask`. `about` is a
    sentence of plain figures, `notes` what the one who trains should know.
    """

    rows: Rows
    positive: npt.NDArray[np.bool_]
    guard: Guard
    about: str
    label_source: str = "dataset"
    labels: npt.NDArray[np.float32] | None = None
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        """Return the number of slices."""
        return len(self.rows)


def labelled(
    index: pd.DataFrame,
    scheme: Scheme,
    fold: int,
    *,
    budget: int = 100,
    draw: int = 0,
    regime: Regime = "mixed",
    label: Literal["dataset", "mask"] = "dataset",
    seed: int = 42,
    normals_per_ich: float = NORMALS_PER_ICH,
    allow_absent: bool = False,
) -> Stream:
    """Return the slices with masks that a model of this fold is trained on, in the order of the cache.

    `ich-only`: those with ICH. `mixed`: these and twice as many normal ones of the same training cases (all, where
    there are fewer), drawn once for a fold and seed: every epoch sees the same (Spahr 2023, Sec. 2.5.3). `all`: all.

    Args:
        index: Of the cache of the scheme's dataset.
        scheme: A frozen fold scheme.
        fold: Whose test cases, and their patients, are kept apart.
        budget: Percent of the training patients (`ich_bench.folds.BUDGETS`).
        draw: Which draw of the budget; without meaning at 100 %.
        regime: One of `REGIMES`.
        label: Whose word a slice with ICH is. `dataset`: the dataset's own label of the slice where it has one, as in
            the paper's code (hssayeni, drawn datasets), else the mask. `mask`: the mask, always.
        seed: Of the draw of normal slices.
        normals_per_ich: How many normal slices for each with ICH.
        allow_absent: Train also where some training cases are not in the cache.

    Raises:
        UsageError: for a regime, fold or budget that is none.
        IchBenchError: nothing to train on, no slice with ICH, or training cases that the cache lacks.
    """
    if regime not in REGIMES:
        raise UsageError(f"there is no regime {regime!r}; there are {', '.join(REGIMES)}.")
    if label not in ("dataset", "mask"):
        raise UsageError(f"a slice's label is that of the dataset or of the mask, not of {label!r}.")
    where = f"fold {fold} of {scheme.dataset}/{scheme.name}"
    guard = guard_of(scheme, fold)
    cases = scheme.train_cases(fold)
    if budget != 100:
        cases = load_budget(scheme.dataset, scheme.name, fold, budget, draw)
    if not cases:
        raise IchBenchError(f"{where} has no case to train on: {scheme.about or 'all are tested.'}")
    ids = index["case_id"].to_numpy(dtype=str)
    absent = sorted(set(cases) - set(ids))
    if absent and not allow_absent:
        raise IchBenchError(
            f"{len(absent)} of the {len(cases)} training cases of {where} are not among the slices: "
            f"{', '.join(absent[:5])}{' …' if len(absent) > 5 else ''}. Complete the download, and prepare it again."
        )
    mine = np.isin(ids, list(cases))
    ich, source = _with_ich(index, label)
    positive = np.flatnonzero(mine & ich)
    if not len(positive):
        raise IchBenchError(
            f"no slice of the {len(cases)} training cases of {where} holds ICH ({budget} % of the patients): there is "
            "nothing to learn from. Choose another fold, draw or budget."
        )
    normal = np.flatnonzero(mine & ~ich)
    notes = [f"{len(absent)} training cases are absent."] if absent else []
    if regime == "ich-only":
        normal = normal[:0]
    elif regime == "mixed":
        wanted = round(normals_per_ich * len(positive))
        if wanted > len(normal):
            notes.append(f"only {len(normal)} normal slices, not {wanted}: all are taken.")
        bits = np.random.PCG64([seed, fold, zlib.crc32(f"{scheme.dataset}/{scheme.name}".encode())])
        normal = normal[np.argsort(bits.random_raw(len(normal)), kind="stable")[:wanted]] if len(normal) else normal
    rows = np.sort(np.concatenate([positive, normal])).astype(np.int64)
    return Stream(
        rows=rows,
        positive=ich[rows],
        guard=guard,
        about=f"{where}: {len(positive)} slices with ICH and {len(normal)} without, of {len(cases)} cases",
        label_source=source,
        notes=tuple(notes),
    )


def weak(
    index: pd.DataFrame,
    *,
    by: Literal["patient", "slice"] = "patient",
    held_out: int = HELD_OUT_SLICES,
    balanced: bool = True,
    seed: int = 42,
    part: Literal["train", "held-out"] = "train",
) -> Stream:
    """Return the slices of a pool with their seven labels: the training part, or the one held out to look at.

    Arguments as in `pools.parts`; a guard keeps the patients of the other part apart (by slice: the slices).
    """
    where = parts(index, by=by, held_out=held_out, balanced=balanced, seed=seed)
    rows = np.flatnonzero(where == part).astype(np.int64)
    if not len(rows):
        raise IchBenchError(f"the pool of {len(index)} slices has none that is {part}: take a larger pool.")
    other, named = (HELD_OUT, "held-out") if part == TRAIN else (TRAIN, "training")
    apart, name = index.iloc[np.flatnonzero(where == other)], f"the {named} part of the pool"
    if by == "patient":
        guard = Guard(patients=set(apart["patient_id"]), where=name)
    else:
        guard = Guard(slices=set(apart["slice_id"]), where=name)
    ich = index["any"].to_numpy(dtype=bool)[rows]
    return Stream(
        rows=rows,
        positive=ich,
        guard=guard,
        about=f"{part} by {by}: {int(ich.sum())} slices with ICH and {int((~ich).sum())} without",
        labels=seven(index.iloc[rows]),
    )


def unlabelled(
    index: pd.DataFrame,
    *,
    by: Literal["patient", "slice"] = "patient",
    held_out: int = HELD_OUT_SLICES,
    balanced: bool = True,
    seed: int = 42,
    part: Literal["train", "held-out"] = "train",
    ich_only: bool = False,
) -> Stream:
    """Return the slices of a pool without labels: as in `weak`; `ich_only` as the paper's code chose them."""
    stream = weak(index, by=by, held_out=held_out, balanced=balanced, seed=seed, part=part)
    kept = stream.positive if ich_only else np.ones(len(stream), np.bool_)
    return Stream(rows=stream.rows[kept], positive=stream.positive[kept], guard=stream.guard, about=stream.about)


def seven(index: pd.DataFrame) -> npt.NDArray[np.float32]:
    """Return the flags of `SEVEN`, 0 and 1, as (n, 7); IchBenchError where a slice has no label."""
    columns = ["any", "edh", "iph", "ivh", "sah", "sdh"]
    if index[columns].isna().any(axis=None):
        raise IchBenchError("some slices have no labels of the subtypes: these slices cannot be classified.")
    flags = index[columns].to_numpy(dtype=np.float32)
    return np.concatenate([1 - flags[:, :1], flags], axis=1)


def batches(
    count: int, size: int, *, seed: int, epoch: int, drop_last: bool = False, shuffle: bool = True
) -> list[Rows]:
    """Return the batches of one epoch as places in a stream: a pure function of its arguments.

    The order is that of PCG64's raw output, which no later NumPy changes. Every place comes once; `drop_last` leaves
    out a last batch that is not full.
    """
    if count < 1 or size < 1:
        raise UsageError(f"{count} slices in batches of {size}: both must be one at least.")
    order = np.arange(count, dtype=np.int64)
    if shuffle:
        order = np.argsort(np.random.PCG64([seed, epoch]).random_raw(count), kind="stable").astype(np.int64)
    cut = [order[start : start + size] for start in range(0, count, size)]
    return cut[:-1] if drop_last and len(cut[-1]) < size else cut


def share(dealt: Sequence[Rows], rank: int, world: int) -> list[Rows]:
    """Return what one of several processes takes of each batch; a batch of fewer slices than processes is left out."""
    return [batch[rank::world] for batch in dealt if len(batch) >= world]


def _with_ich(index: pd.DataFrame, label: str) -> tuple[npt.NDArray[np.bool_], str]:
    if index["has_ich"].isna().any():
        raise IchBenchError("these slices have no masks: they are a pool, and cannot be trained on as labelled ones.")
    by_mask = index["has_ich"].to_numpy(dtype=bool)
    if label == "mask" or index["any"].isna().all():
        return by_mask, "mask"
    return index["any"].fillna(index["has_ich"]).to_numpy(dtype=bool), "dataset"
