"""What is in a cache of slices, is it whole, and from which bytes was it made?

A cache is a folder of 8-bit slices of one dataset under one window: `images.npy`, `masks.npy` (0 and 1) and
`cavity.npy` where there are such, each (n, side, side) and mapped into memory when opened, with `index.parquet`, a line
a slice, and `about.json`. It appears under its name all at once, when everything in it is written, so that it is whole
wherever it is found; its name ends in a key of the contents it was made from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ich_bench.cases import SUBTYPES
from ich_bench.errors import IchBenchError
from ich_bench.places import cache_folder
from ich_bench_baselines.data.pixels import Window

VERSION = 1  # raised whenever the same input would give other slices; a new column of the index is null in older caches
ABOUT, INDEX = "about.json", "index.parquet"
KINDS = ("images", "masks", "cavity")
LABELS = ("any", *SUBTYPES)
SCHEMA = pa.schema(
    [
        pa.field("slice_id", pa.string(), nullable=False),
        pa.field("case_id", pa.string(), nullable=False),
        pa.field("patient_id", pa.string(), nullable=False),
        pa.field("k", pa.int32(), nullable=False),  # index in the file, along its slices; -1: a file of its own
        pa.field("place", pa.int32(), nullable=False),  # from the foot, among the slices of the case that are here
        pa.field("has_ich", pa.bool_()),  # of the mask, on its own grid; null: no masks
        pa.field("ich_ml", pa.float64()),  # of the mask in this slice, on its own grid; null: no masks
        *(pa.field(name, pa.bool_()) for name in LABELS),  # the dataset's own labels of the slice; null: none
        pa.field("in_cavity", pa.bool_()),  # some of the slice is intracranial; null: not known
        pa.field("rows", pa.int32(), nullable=False),  # before padding and resizing
        pa.field("columns", pa.int32(), nullable=False),
        *(pa.field(f"spacing_{way}_mm", pa.float64()) for way in ("row", "column", "slice")),
        pa.field("position_mm", pa.float64()),  # along the body axis, where the file says
    ]
)
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class SliceSet:
    """The slices of one dataset under one window, as they lie on disk; row n of `index` is slice n of the arrays.

    `notes` says in words what was left out or odd when it was made.
    """

    dataset: str
    key: str
    folder: Path
    window: Window
    side: int
    index: pd.DataFrame
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of slices."""
        return len(self.index)

    def has(self, kind: str) -> bool:
        """Return whether there are such arrays: one of `KINDS`."""
        return (self.folder / f"{kind}.npy").is_file()

    @cached_property
    def images(self) -> Bytes:
        """The windowed slices, uint8 (n, side, side), rows front to back, columns right to left; read-only."""
        return self._mapped("images")

    @cached_property
    def masks(self) -> Bytes:
        """The reference masks, uint8 0 and 1 (n, side, side); IchBenchError for a pool, which has none."""
        return self._mapped("masks")

    @cached_property
    def cavity(self) -> Bytes:
        """The intracranial cavity, uint8 0 and 1 (n, side, side), zeros where it is not known (`in_cavity` null)."""
        return self._mapped("cavity")

    def _mapped(self, kind: str) -> Bytes:
        path = self.folder / f"{kind}.npy"
        if not path.is_file():
            raise IchBenchError(f"the slices of {self.dataset} have no {kind}: the dataset has none.")
        mapped: Bytes = np.load(path, mmap_mode="r", allow_pickle=False)
        return mapped


def shelf() -> Path:
    """Return the folder in which all caches of slices lie."""
    return cache_folder() / "slices"


def key_of(made_from: Mapping[str, Any]) -> str:
    """Return the key of what a cache is made from: plain values, the hashes of all contents among them."""
    text = json.dumps({"version": VERSION, **made_from}, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_whole(folder: Path) -> bool:
    """Return whether a folder is a cache whose every file is as long as it was when it was written."""
    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
        return bool(about["bytes"]) and all((folder / n).stat().st_size == size for n, size in about["bytes"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def open_slices(folder: Path) -> SliceSet:
    """Return the cache in a folder; IchBenchError where it is none or not whole."""
    if not is_whole(folder):
        raise IchBenchError(f"{folder} is not a whole cache of slices. Delete it; it is made again when it is needed.")
    about = json.loads((folder / ABOUT).read_text("utf-8"))
    return SliceSet(
        dataset=about["dataset"],
        key=about["key"],
        folder=folder,
        window=Window(low_hu=about["window_hu"][0], high_hu=about["window_hu"][1]),
        side=about["side"],
        index=_with_every_column(pq.read_table(folder / INDEX)).to_pandas(types_mapper=_nullable),
        notes=tuple(about["notes"]),
    )


def index_table(rows: list[dict[str, Any]]) -> pa.Table:
    """Return the lines of an index as a table of the fixed schema; what a line lacks is null."""
    columns = [pa.array([row.get(field.name) for row in rows], type=field.type) for field in SCHEMA]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _with_every_column(table: pa.Table) -> pa.Table:
    """Return an index with the columns that came after it was written, null."""
    for place, one in enumerate(SCHEMA):
        if one.name not in table.column_names:
            table = table.add_column(place, one, pa.nulls(len(table), one.type))
    return table


def _nullable(kind: pa.DataType) -> Any:
    return {pa.bool_(): pd.BooleanDtype(), pa.string(): pd.StringDtype()}.get(kind)
