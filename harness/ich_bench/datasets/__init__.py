"""Which datasets there are, and how the files of a download become a `Dataset`.

One file a dataset: a module here with `CARD` and `find(source)`. Its id is the file's name with `_` written as `-`, so
that a new dataset is a new file (and its folds), and no file is edited. A drawn dataset also has `home()`: the folder
its heads lie in, drawn on first use; then no download is looked for.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Protocol, cast

from ich_bench.cases import Card, Case, Dataset
from ich_bench.datasets.found import Expected, ExpectedCase, Found, entries, natural, said_of, stray
from ich_bench.errors import IchBenchError, Problem, UsageError, did_you_mean
from ich_bench.folds import load_scheme
from ich_bench.places import data_folder

if TYPE_CHECKING:
    from ich_bench.geometry import Geometry

_NOT_A_DATASET = {"found", "pool"}
_NAMED = 12  # so many absent cases are named in one line
DATASETS: tuple[str, ...] = tuple(
    sorted(
        module.name.replace("_", "-")
        for module in pkgutil.iter_modules(__path__)
        if not module.name.startswith("_") and module.name not in _NOT_A_DATASET
    )
)


class Reader(Protocol):
    """What every dataset's module offers."""

    CARD: Card

    def find(self, source: Path) -> Found:
        """Return the cases under a folder; their ids are the dataset's own. Nothing is opened but small tables."""


def card(dataset_id: str) -> Card:
    """Return what is known about a dataset before anyone has it; UsageError, nearest first, for an unknown id."""
    return reader(dataset_id).CARD


def load_dataset(dataset_id: str, source: str | Path | None = None) -> Dataset:
    """Return a dataset as it lies on this machine, its cases in the order of the official fold file.

    Args:
        dataset_id: One of `DATASETS`.
        source: The download's folder (`--data`), or None to look in ICH_BENCH_DATA and in what `prepare` remembered
            (a drawn dataset: where it is drawn).

    What is absent, unexpected or odd stands in `Dataset.notes`. IchBenchError where no case at all is found.
    """
    module = reader(dataset_id)
    if module.CARD.pool:
        raise IchBenchError(
            f"{dataset_id} is a pool for pre-training: it has no masks, so there is nothing to evaluate or to export "
            f"as cases. Datasets with masks: {', '.join(d for d in DATASETS if not card(d).pool)}."
        )
    folder = where(dataset_id, source)
    found = module.find(folder)
    if not found.cases:
        raise IchBenchError(_nothing_found(module.CARD, folder, found.notes))
    cases, notes = _in_fold_order(module.CARD, found)
    return Dataset(id=dataset_id, source=folder, cases=cases, notes=notes, warnings=found.warnings)


def where(dataset_id: str, source: str | Path | None = None) -> Path:
    """Return the folder of a dataset on this machine; a drawn dataset is drawn there on first use."""
    home = getattr(reader(dataset_id), "home", None)
    folder: Path = home() if source is None and home is not None else data_folder(dataset_id, source)
    return folder


@cache
def reader(dataset_id: str) -> Reader:
    """Return the module of a dataset: its `CARD` and `find`; UsageError, nearest first, for an unknown id."""
    if dataset_id not in DATASETS:
        raise UsageError(f"there is no dataset {dataset_id!r}. {did_you_mean(dataset_id, DATASETS)}")
    module: ModuleType = importlib.import_module(f"{__name__}.{dataset_id.replace('-', '_')}")
    return cast(Reader, module)


def expected(dataset_id: str) -> tuple[Expected, dict[str, ExpectedCase]]:
    """Return what a whole download of a dataset should hold, in all and case by case, as far as it is known."""
    module = reader(dataset_id)
    by_case = getattr(module, "expected_cases", None)
    return getattr(module, "EXPECTED", Expected()), {} if by_case is None else by_case()


def grid_warnings(dataset_id: str, case: Case, ct: Geometry, reference: Geometry) -> tuple[str, ...]:
    """Return, in words, how a reference lies on another grid than its own CT; empty where it does not.

    Voxels are compared by index all the same, so that a score is right where the header is wrong, and wrong where
    it is right. Empty too where the card knows of such masks, as long as the axes run in the same directions.
    Two forms of one header that contradict each other are another matter (`predictions.checks.grid_warnings`).
    """
    from dataclasses import replace

    from ich_bench.datasets._grids import off_grid

    found = off_grid(replace(reference, qform=None), ct)
    if dataset_id in DATASETS and expected(dataset_id)[0].masks_off_grid and not found.turned:
        return ()
    subject = f"reference of {case.case_id}"
    return tuple(f"{said_of(subject, words)}; voxels are compared by index all the same" for words in found.words)


def _in_fold_order(card: Card, found: Found) -> tuple[tuple[Case, ...], tuple[Problem, ...]]:
    listed = [row.case_id for row in load_scheme(card.id).rows]
    notes = list(found.notes)
    told = {note.where for note in notes}  # a case of which a part was found is told with what it lacks
    absent = [case_id for case_id in listed if case_id not in found.cases and case_id not in told]
    if absent:
        more = f" … and {len(absent) - _NAMED} more" if len(absent) > _NAMED else ""
        notes.append(
            Problem(
                where=card.id,
                what=f"lacks {len(absent)} of its {len(listed)} cases: {', '.join(absent[:_NAMED])}{more}.",
                mend="Is the download complete? Fetch what is missing, or point one folder higher.",
            )
        )
    for case_id in sorted(set(found.cases) - set(listed), key=natural):
        notes.append(stray(case_id, card.id))
    return tuple(found.cases[case_id] for case_id in listed if case_id in found.cases), tuple(notes)


def _nothing_found(card: Card, folder: Path, notes: tuple[Problem, ...]) -> str:
    there = [path.name + ("/" if path.is_dir() else "") for path in entries(folder)] if folder.is_dir() else []
    what = ", ".join(there[:8]) + (f" … ({len(there)} in all)" if len(there) > 8 else "")
    return "\n".join(
        [
            f"no case of {card.id} was found in {folder}.",
            f"  expected: {card.layout}",
            f"  found:    {what or 'nothing' if folder.is_dir() else 'a file, not a folder'}",
            *(f"  {note}" for note in notes[:20]),
            ("Name the download's folder" if folder.is_dir() else "Unpack it, then name the folder")
            + f" with --data DIR (prepare: --source DIR). `ich-bench datasets {card.id}` says how to get it.",
        ]
    )
