"""Is this download whole and as expected? Every case is opened; nothing is copied or altered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ich_bench.datasets import card, expected, load_dataset
from ich_bench.downloads.casefacts import CaseFacts, against_its_ct, look, unlike, unlike_in_all
from ich_bench.downloads.duplicates import CHOSEN, SHOWN, SIMILAR, USELESS_SHARE, Thumbnail, similar
from ich_bench.errors import IchBenchError, InputError, Problem, VolumeError
from ich_bench.folds import load_scheme
from ich_bench.places import config_folder, remember, write_json
from ich_bench.tables.composition import composition as composition

Progress = Callable[[int, int], None]
_NO_PATIENT_IDS = ("instance2022", "cq500-negative")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A download as found: facts case by case, what differs from the card, and what else is worth knowing.

    `dataset_sha256` is that of the lines `case_id,reference_sha256` of the cases in fold-file order; `complete` says
    whether these are all cases. `absent` are the cases that were not found; `alike` all pairs of cases that look like
    one head, with their correlation, of which the remarks name the first. `pool` holds the counts of a pool for
    pre-training, which has no cases.
    """

    dataset: str
    source: Path
    cases: tuple[CaseFacts, ...] = ()
    differences: tuple[Problem, ...] = ()
    remarks: tuple[Problem, ...] = ()
    absent: tuple[str, ...] = ()
    alike: tuple[tuple[str, str, float], ...] = ()
    dataset_sha256: str | None = None
    complete: bool = False
    pool: Mapping[str, int] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[Problem, ...]:
        """Return all that is to be told: the differences from the card, then the remarks."""
        return (*self.differences, *self.remarks)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return {**asdict(self), "source": str(self.source), "expected_cases": card(self.dataset).cases}

    def text(self) -> str:
        """Return the summary for a terminal: counts, then every difference, then the remarks."""
        lines = [f"{self.dataset} in {self.source}", *(self._pool_lines() if self.pool else self._case_lines())]
        if not self.differences:
            lines.append("as the card says: nothing is missing or unexpected.")
        else:
            lines.append(f"{len(self.differences)} difference{'s' * (len(self.differences) != 1)} from the card:")
            lines += [f"  {problem}" for problem in self.differences]
        if self.remarks:
            lines += ["worth knowing:", *(f"  {problem}" for problem in self.remarks)]
        lines.append(f"the folder is remembered: `--data` is no longer needed for {self.dataset}.")
        return "\n".join(lines)

    def _case_lines(self) -> list[str]:
        ich = sum(case.has_ich for case in self.cases)
        slices = sum(case.shape[2] for case in self.cases)
        return [
            f"{len(self.cases)} of {card(self.dataset).cases} cases: {ich} with ICH, {len(self.cases) - ich} without",
            f"{slices} slices, {sum(case.slices_positive for case in self.cases)} with ICH; "
            f"{sum(case.lesion_ml for case in self.cases):.1f} mL in all",
            f"sha256 {self.dataset_sha256}" + ("" if self.complete else " (of the cases checked, not of all)"),
        ]

    def _pool_lines(self) -> list[str]:
        return [f"{count} {name.replace('_', ' ')}" for name, count in self.pool.items()]


def prepare(
    dataset_id: str,
    source: str | Path,
    *,
    strict: bool = False,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Return what a download holds, checked case by case, and remember its folder.

    Every mask and CT is read to its end, where it lies. The index (the facts case by case) goes to the user's
    configuration folder, for `ich-bench folds`.

    Args:
        dataset_id: One of `ich_bench.datasets.DATASETS`.
        source: The download's folder; one or two levels too high or too low will do. For `rsna` also its zip.
        strict: Any difference from the card is an error, and nothing is remembered.
        limit: Check only so many cases, in fold-file order (`rsna`: so many slices).
        progress: Called with (done, total).

    Raises:
        IchBenchError: no case is found.
        InputError: no case can be used, or `strict` and there are differences; all of them are listed.
    """
    source = Path(source).expanduser()
    if not source.exists():
        raise IchBenchError(f"--source {source}: there is no such folder.")
    prepared = _pool(source, limit, progress) if card(dataset_id).pool else _cases(dataset_id, source, limit, progress)
    _refuse_useless(prepared)
    if strict and prepared.differences:
        count = len(prepared.differences)
        raise InputError(f"{count} difference{'s' * (count != 1)} from the card of {dataset_id}", prepared.differences)
    write_json(config_folder() / "index" / f"{dataset_id}.json", prepared.as_dict())
    remember(dataset_id, source)
    return prepared


def _refuse_useless(prepared: Prepared) -> None:
    """Refuse, with every reason, a download of which nothing can be used."""
    checked = prepared.pool.get("slices_checked", 0)
    if prepared.cases or checked > prepared.pool.get("slices_that_cannot_be_read", 0):
        return
    what = "slice" if prepared.pool else "case"
    headline = f"no {what} of {prepared.dataset} in {prepared.source} can be used, so the folder is not remembered"
    raise InputError(headline, prepared.differences)


def _cases(dataset_id: str, source: Path, limit: int | None, progress: Progress | None) -> Prepared:
    dataset = load_dataset(dataset_id, source)
    wanted = dataset.cases[:limit]
    in_all, by_case = expected(dataset_id)
    facts: list[CaseFacts] = []
    odd: list[Problem] = list(dataset.notes)
    remarks: list[Problem] = []
    thumbnails: dict[str, Thumbnail] = {}
    off_grid = 0
    for done, case in enumerate(wanted, start=1):
        try:
            one, small, unequal = look(case, keep_thumbnail=dataset_id in _NO_PATIENT_IDS)
        except VolumeError as fault:
            odd.append(fault.at(case.case_id))
        else:
            facts.append(one)
            if small is not None:
                thumbnails[case.case_id] = small
            known = in_all.masks_off_grid > 0 and not unequal.turned
            off_grid += bool(unequal.words) and known
            told = remarks if known else odd
            told += [Problem(where=case.case_id, what=words) for words in against_its_ct(unequal)]
            odd += [Problem(where=case.case_id, what=words) for words in unlike(one, by_case.get(case.case_id), in_all)]
        if progress is not None:
            progress(done, len(wanted))
    complete = [one.case_id for one in facts] == [row.case_id for row in load_scheme(dataset_id).rows]
    if limit is None or len(wanted) == card(dataset_id).cases:
        odd += [Problem(where=dataset_id, what=words) for words in unlike_in_all(card(dataset_id), facts, in_all)]
    if off_grid > in_all.masks_off_grid:
        words = f"{off_grid} masks lie on another affine than their CT; the card says {in_all.masks_off_grid}."
        odd.append(Problem(where=dataset_id, what=words))
    pairs = similar(thumbnails)
    remarks += _alike(dataset_id, pairs, len(thumbnails))
    here = {case.case_id for case in dataset.cases}
    lines = "".join(f"{one.case_id},{one.reference_sha256}\n" for one in facts)
    return Prepared(
        dataset=dataset_id,
        source=source.resolve(),
        cases=tuple(facts),
        differences=tuple(odd),
        remarks=tuple(remarks),
        absent=tuple(row.case_id for row in load_scheme(dataset_id).rows if row.case_id not in here),
        alike=tuple(pairs),
        dataset_sha256=hashlib.sha256(lines.encode()).hexdigest(),
        complete=complete,
    )


def _alike(dataset_id: str, pairs: Sequence[tuple[str, str, float]], heads: int) -> Iterator[Problem]:
    """Yield the pairs that look like one head, most alike first, with what that means for the official folds."""
    if not pairs:
        return
    all_pairs = heads * (heads - 1) // 2
    if len(pairs) > max(SHOWN, USELESS_SHARE * all_pairs):
        what = f"{len(pairs)} of {all_pairs} pairs of heads correlate at {SIMILAR} or more: too many for this test, "
        yield Problem(where=dataset_id, what=what + f"which cannot tell these heads apart ({CHOSEN}).")
        return
    scheme = load_scheme(dataset_id)
    fold = {row.case_id: row.fold for row in scheme.rows}
    for a, b, correlation in pairs[:SHOWN]:
        if fold[a] != fold[b]:
            so = f"One fold of {scheme.name} trains on what another tests: {a} is in fold {fold[a]}, {b} in {fold[b]}."
        else:
            so = f"Both are tested in fold {fold[a]} of {scheme.name}: no leak there, but one head may count twice."
        what = f"look like the same head (thumbnails correlate at {correlation:.3f})."
        yield Problem(where=f"{a} and {b}", what=what, mend=f"Look at both. The folds stay as they are. {so}")
    more = f"{len(pairs) - SHOWN} more pairs look alike (`--json` has all). " if len(pairs) > SHOWN else ""
    yield Problem(where=dataset_id, what=f"{more}Alike is a correlation of {SIMILAR} or more; {CHOSEN}.")


def _pool(source: Path, limit: int | None, progress: Progress | None) -> Prepared:
    from ich_bench.datasets import pool

    found = pool.open_pool(source)
    odd: list[Problem] = []
    remarks: list[Problem] = []
    counts = {"slices": len(found.slices)}
    if found.table is None:
        odd.append(Problem(where=pool.TABLE, what="was not found: there are no labels.", mend="Download it too."))
    else:
        table, notes = pool.labels(found)
        counts |= {"labelled_slices": len(table), "labelled_slices_with_ICH": int(table["any"].sum())}
        remarks += notes
        unlabelled = len(found.slices.keys() - set(table.index))
        if unlabelled:
            odd.append(Problem(where=pool.TABLE, what=f"has no label for {unlabelled} slices that are here."))
        absent = len(set(table.index) - found.slices.keys())
        if absent:
            odd.append(Problem(where=pool.FOLDER, what=f"lacks {absent} slices that {pool.TABLE} names."))
    slices, broken = pool.headers(found, limit=limit, progress=progress)
    counts |= {
        "slices_checked": len(slices) + len(broken),
        "slices_that_cannot_be_read": len(broken),
        "series": len(pool.by_series(slices)),
        "patients": len({one.patient_id for one in slices}),
        "slices_with_the_12-bit_defect": sum(one.wrapped for one in slices),
    }
    for what, wanted in pool.EXPECTED.items():
        if what in counts and counts[what] != wanted:
            odd.append(Problem(where="rsna", what=f"{counts[what]} {what.replace('_', ' ')}; the card says {wanted}."))
    remarks += [problem for problem in broken if pool.CORRUPT in problem.where]
    odd += [problem for problem in broken if pool.CORRUPT not in problem.where]
    return Prepared(
        dataset="rsna",
        source=source.resolve(),
        differences=tuple(odd),
        remarks=tuple(remarks),
        complete=limit is None and not odd,
        pool=counts,
    )
