"""What does a training from labels of slices see: images and a table, and no mask at all?

The table is made here, from the index that the dataset's reader wrote, before any training begins: a label a slice, and
where the slice lies. Nothing behind this module knows of masks: the arrays of a cache are never opened but `images`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ich_bench.cases import Scheme
from ich_bench.errors import IchBenchError
from ich_bench_baselines.data.guard import Guard
from ich_bench_baselines.data.pixels import Window
from ich_bench_baselines.data.slices import SliceSet
from ich_bench_baselines.data.streams import Stream, labelled
from ich_bench_baselines.ramananda.shares import TRAIN, parts, within

COLUMNS = ("slice_id", "case_id", "patient_id", "place", "ich")


@dataclass(frozen=True, kw_only=True)
class WeakSlices:
    """Slices and whether each shows ICH; row n of `index` (`COLUMNS`) is slice n of the images.

    `label_source`: `dataset`, the dataset's own label of each slice, or `mask`, whether the slice's mask holds a voxel.
    """

    dataset: str
    key: str
    images_file: Path
    window: Window
    side: int
    index: pd.DataFrame
    label_source: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of slices."""
        return len(self.index)

    @property
    def folder(self) -> Path:
        """Return where they lie, for messages."""
        return self.images_file.parent

    @cached_property
    def images(self) -> npt.NDArray[np.uint8]:
        """The windowed slices, uint8 (n, side, side), mapped into memory; read-only."""
        return np.load(self.images_file, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]


def weak_slices(slices: SliceSet) -> WeakSlices:
    """Return what of a cache a training from labels of slices may see; IchBenchError where some have no label."""
    own = slices.index["any"]
    has_own = not own.isna().all()
    by_mask = slices.index.get("has_ich", own)
    label = own.fillna(by_mask) if has_own else by_mask
    if label.isna().any():
        raise IchBenchError(f"some slices of {slices.dataset} have no label: they cannot be classified.")
    index = pd.DataFrame({name: slices.index[name].to_numpy() for name in COLUMNS if name in slices.index})
    index["ich"] = label.to_numpy(dtype=bool)
    return WeakSlices(
        dataset=slices.dataset,
        key=slices.key,
        images_file=slices.folder / "images.npy",
        window=slices.window,
        side=slices.side,
        index=index,
        label_source="dataset" if has_own else "mask",
        notes=slices.notes,
    )


def of_fold(slices: WeakSlices, scheme: Scheme, fold: int, *, budget: int = 100, draw: int = 0) -> Stream:
    """Return all slices of the training cases of a fold; its test cases and their patients are kept apart."""
    table = slices.index.assign(any=slices.index["ich"], has_ich=slices.index["ich"])
    found = labelled(table, scheme, fold, budget=budget, draw=draw, regime="all")
    return replace(found, label_source=slices.label_source)


def of_pool(slices: WeakSlices, percent: int, *, held_out: int, train: float, seed: int) -> Stream:
    """Return the slices of a pool that a share of its ICH slices is trained on; every other patient is kept apart.

    Arguments as in `shares.parts` and `shares.within`.
    """
    where = parts(slices.index, held_out=held_out, train=train, seed=seed)
    mine = within(slices.index, where == TRAIN, percent, seed=seed)
    rows = np.flatnonzero(mine).astype(np.int64)
    positive = slices.index["ich"].to_numpy(dtype=bool)
    if not positive[rows].any():
        raise IchBenchError(f"{percent} % of this pool hold no slice with ICH: take a larger pool or share.")
    others = set(slices.index["patient_id"][~mine])
    of_all = positive[where == TRAIN].sum()
    return Stream(
        rows=rows,
        positive=positive[rows],
        guard=Guard(patients=others, where="what is outside this share of the pool"),
        about=f"{percent} % of the pool: {int(positive[rows].sum())} of {int(of_all)} slices with ICH and "
        f"{int((~positive[rows]).sum())} without, of {slices.index['patient_id'].iloc[rows].nunique()} patients",
        label_source=slices.label_source,
    )


def counted(slices: WeakSlices, stream: Stream) -> Mapping[str, Any]:
    """Return what a manifest may say of the labels: no drawn mask was used."""
    rows = slices.index.iloc[stream.rows]
    return {
        "dataset": slices.dataset,
        "about": stream.about,
        "notes": [*stream.notes, *slices.notes],
        "label_source": stream.label_source,
        "label_kind": "slice labels",
        "slices": len(stream),
        "slices_with_ich": int(stream.positive.sum()),
        "patients": int(rows["patient_id"].nunique()),
    }
