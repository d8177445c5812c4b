"""What is a case, a fold scheme, a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ich_bench.errors import Problem

SUBTYPES = ("iph", "ivh", "edh", "sdh", "sah")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One head CT of a dataset, with where its files lie.

    `reference` is None where the dataset has no mask file because the head holds no hemorrhage: the reference is then
    the empty mask on the CT's grid. `ct` is None only for a plain folder of reference masks. `subtypes` maps each of
    SUBTYPES to a flag of the volume, or is None where the dataset has no such labels.
    """

    case_id: str
    patient_id: str
    ct: Path | None
    reference: Path | None
    subtypes: Mapping[str, bool] | None = None


@dataclass(frozen=True, kw_only=True)
class FoldRow:
    """One line of a fold file."""

    case_id: str
    patient_id: str
    fold: int


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """A frozen assignment of cases to folds; `sha256` is that of the CSV's bytes ("" where there is no file).

    `trains_on_fold` marks Wang's `lf20`: fold k is what is trained on, and every other case is tested, so that each
    case is predicted once per other fold. `leaky` schemes are never ranked.
    """

    dataset: str
    name: str
    rows: tuple[FoldRow, ...]
    sha256: str
    about: str = ""
    trains_on_fold: bool = False
    leaky: bool = False
    validation: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def folds(self) -> tuple[int, ...]:
        """Return the fold numbers in ascending order, counted from 0."""
        return tuple(sorted({row.fold for row in self.rows}))

    def test_cases(self, fold: int) -> tuple[str, ...]:
        """Return the case ids that are predicted by the model of this fold, in fold-file order."""
        return tuple(row.case_id for row in self.rows if (row.fold == fold) != self.trains_on_fold)

    def train_cases(self, fold: int) -> tuple[str, ...]:
        """Return the case ids that a model of this fold may be trained on (validation cases left out)."""
        held = set(self.test_cases(fold)) | set(self.validation.get(fold, ()))
        return tuple(row.case_id for row in self.rows if row.case_id not in held)

    def test_folds(self, case_id: str) -> tuple[int, ...]:
        """Return the folds in which this case is tested: one, or several where `trains_on_fold`."""
        return tuple(fold for fold in self.folds if case_id in self._test_sets[fold])

    @property
    def _test_sets(self) -> dict[int, frozenset[str]]:
        return {fold: frozenset(self.test_cases(fold)) for fold in self.folds}


@dataclass(frozen=True, kw_only=True)
class Card:
    """What is known about a dataset before anyone has it: the text of `ich-bench datasets ID`."""

    id: str
    title: str
    cases: int
    with_ich: int | None
    official_scheme: str
    schemes: tuple[str, ...]
    licence: str
    access: str
    citation: str
    url: str
    layout: str
    publish: str = "full"  # or "metrics": what a committed score file may hold
    caveats: tuple[str, ...] = ()
    trainable: bool = True
    pool: bool = False  # a pool for pre-training: no masks, nothing to evaluate


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset as found on this machine: its cases in fold-file order and what was odd about the folder.

    `warnings` is what every score made on this folder has to carry: that its drawn heads differ from the frozen ones.
    """

    id: str
    source: Path
    cases: tuple[Case, ...]
    notes: tuple[Problem, ...] = ()  # absent, unexpected or odd: reported, not fatal
    warnings: tuple[str, ...] = ()

    def case(self, case_id: str) -> Case:
        """Return the case of this id; KeyError where the dataset has none."""
        return self._by_id[case_id]

    @property
    def _by_id(self) -> dict[str, Case]:
        return {case.case_id: case for case in self.cases}
