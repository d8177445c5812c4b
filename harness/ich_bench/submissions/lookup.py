"""Which submission stands for a method of a claim, and what did it get on each volume?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ich_bench.board.align import Scored, scored
from ich_bench.folds import schemes_of
from ich_bench.submissions.claimed import Term
from ich_bench.submissions.model import ScoreFile, Submission

_BUDGET = {20: "20", 50: "50", 80: None}  # of Wang's fractions, where there is no scheme of that name; None: all


@dataclass(frozen=True, kw_only=True)
class Absent:
    """Methods that no complete submission of a board stands for, each with why where there is one that will not do."""

    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What stands for a method: its runs, and the references they were scored against."""

    runs: tuple[Scored, ...]
    dataset_sha256: str


class Looked:
    """The submissions of a board, looked up by method; tables are read once."""

    def __init__(self, submissions: Sequence[Submission]) -> None:
        """Keep the submissions: unsubmitted runs first, so that `--with` takes a method's place."""
        self._all = sorted(submissions, key=lambda one: one.submitted)
        self._older = {one.manifest.supersedes for one in submissions if one.manifest.supersedes}
        self._read: dict[tuple[str, str, bool], tuple[Scored, ...]] = {}

    def find(self, term: Term, dataset: str) -> Found | str:
        """Return the runs (draws of a budget, or one) that stand for a method, or why there is none."""
        reasons = []
        for one in self._all:
            if not _stands_for(one, term) or (one.slug in self._older and one.submitted):
                continue
            for scheme, budget in _places(term, dataset):
                file = one.score_file(dataset, scheme)
                if file is None:
                    continue
                why = one.why_unranked(file)
                runs = [run for run in self._runs(one, file) if _is_budget(run.budget, budget)]
                if not why and runs:
                    return Found(runs=tuple(runs), dataset_sha256=file.dataset_sha256)
                reasons.append(f"{one.slug}: {'; '.join(why) or 'not with this budget'}")
        return f" ({', '.join(reasons)})" if reasons else ""

    def _runs(self, one: Submission, file: ScoreFile) -> tuple[Scored, ...]:
        key = (one.slug, str(file.path), one.submitted)
        if key not in self._read:
            self._read[key] = tuple(scored(file.table(), file.profile))
        return self._read[key]


def values_of(
    look: Looked, wanted: Sequence[Term], metric: str, cohort: str, dataset: str, *, leave_out: str = ""
) -> list[NDArray[np.float64]] | Absent:
    """Return each method's values on the cases of a cohort, in one order; Absent where a method is not there."""
    runs = [(term, look.find(term, dataset)) for term in wanted]
    absent = tuple(f"{term}{found}" for term, found in runs if isinstance(found, str))
    if absent:
        return Absent(names=absent)
    found_all = [found for _, found in runs if isinstance(found, Found)]
    if len({found.dataset_sha256 for found in found_all}) > 1:
        names = ", ".join(dict.fromkeys(str(term) for term in wanted))
        return Absent(names=(f"scores of {names} against the same references",))
    known = [found.runs for found in found_all]
    cases = sorted(set.intersection(*(set(run.cases) for found in known for run in found)) - {leave_out})
    made = []
    for found in known:
        columns = []
        for run in found:
            place = {case: number for number, case in enumerate(run.cases)}
            at = np.array([place[case] for case in cases], dtype=np.int64)
            has_ich = run.has_ich[at]
            inside = {"ich": has_ich, "all": np.ones_like(has_ich), "healthy": ~has_ich}[cohort]
            columns.append(run.values[metric][at][inside])
        made.append(np.mean(columns, axis=0))  # the draws of a budget, like seeds: one value a volume
    lost = np.isnan(np.array(made))  # what is undefined is so by the reference, hence for all methods
    alone = [str(term) for term, mine in zip(wanted, lost & ~lost.all(axis=0), strict=True) if mine.any()]
    if alone:
        return Absent(names=tuple(f"{name} on every volume ({metric} is lacking on some)" for name in alone))
    return made


def _stands_for(one: Submission, term: Term) -> bool:
    named = one.manifest.baseline or one.manifest.method_id or one.slug
    if term.method not in (named, one.slug):
        return False
    return not term.pool or one.manifest.label_fraction_percent == term.percent


def _places(term: Term, dataset: str) -> list[tuple[str | None, str | None]]:
    """Return where rows of a fraction of the labels are: a scheme of its own, or a budget of the official one."""
    if term.percent is None or term.pool:
        return [(None, None)]
    scheme = f"lf{term.percent}"
    return [(scheme, None)] if scheme in schemes_of(dataset) else [(None, _BUDGET.get(term.percent, str(term.percent)))]


def _is_budget(found: str | None, wanted: str | None) -> bool:
    return found == wanted if wanted is None or found is None else found.split("-")[0] == wanted
