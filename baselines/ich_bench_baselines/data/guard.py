"""Does any batch hold what may never be trained on? Asked of every batch, of its own ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ich_bench.cases import Scheme
from ich_bench.errors import IchBenchError, UsageError


class Guard:
    """Records the case ids of every batch handed out, and refuses those it was told to keep apart.

    `seen` counts the slices of each case that were handed out.
    """

    def __init__(
        self,
        *,
        cases: Iterable[str] = (),
        patients: Iterable[str] = (),
        slices: Iterable[str] = (),
        where: str = "",
    ) -> None:
        """Keep apart these cases, patients and slices; `where` names the fold or pool for the error."""
        self.cases = frozenset(cases)
        self.patients = frozenset(patients)
        self.slices = frozenset(slices)
        self.where = where
        self.seen: Counter[str] = Counter()

    def hand_out(self, case_ids: Iterable[str], patient_ids: Iterable[str], slice_ids: Iterable[str]) -> None:
        """Record a batch; IchBenchError where it holds a case, patient or slice that is kept apart."""
        cases = Counter(case_ids)
        held = sorted(
            {
                *self.cases.intersection(cases),
                *self.patients.intersection(patient_ids),
                *self.slices.intersection(slice_ids),
            }
        )
        if held:
            raise IchBenchError(
                f"a batch for training holds what is kept apart as {self.where}: {', '.join(held[:5])}. "
                "Nothing was trained on it. This is a fault of the program that chose the slices: please report it."
            )
        self.seen.update(cases)


def guard_of(scheme: Scheme, fold: int) -> Guard:
    """Return the guard of a fold: its test cases, and their patients unless the scheme is marked leaky."""
    if fold not in scheme.folds:
        known = ", ".join(str(one) for one in scheme.folds)
        raise UsageError(f"{scheme.dataset}/{scheme.name} has no fold {fold}; it has {known}.")
    held = set(scheme.test_cases(fold))
    patients = {row.patient_id for row in scheme.rows if row.case_id in held}
    where = f"the test part of fold {fold} of {scheme.dataset}/{scheme.name}"
    return Guard(cases=held, patients=() if scheme.leaky else patients, where=where)
