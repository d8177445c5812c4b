"""Everything that is wrong with a prediction folder, at once: ids, then headers, then voxels, then the whole of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ich_bench import plain
from ich_bench.cases import Case, Dataset, Scheme
from ich_bench.errors import Problem, UsageError, VolumeError
from ich_bench.escape import printable
from ich_bench.folds import load_scheme
from ich_bench.predictions import archive
from ich_bench.predictions.asked import wanted_folds, wanted_values
from ich_bench.predictions.checks import (
    ScoredMask,
    check_headers,
    check_ids,
    check_voxels,
    fault_of,
    grid_warnings,
    looked_at,
    read_reference,
    whole_submission_warnings,
)
from ich_bench.predictions.submission import Prediction, read_submission
from ich_bench.predictions.suspects import SUSPECT_BELOW_DICE, suspicions
from ich_bench.volume import mask_sha256, open_mask

__all__ = [
    "Report",
    "ScoredMask",
    "check_headers",
    "check_ids",
    "check_voxels",
    "validate",
    "whole_submission_warnings",
]

_POOL_PAYS_AFTER_S = 4.0  # a pool of fresh processes takes seconds to start; less work than this is done without
_Item = tuple[Prediction | None, Case]
Pair = tuple[NDArray[np.bool_], NDArray[np.bool_], tuple[float, float, float]]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What `validate` found: every problem, sorted by file; `fine` of the `files` named like masks have none."""

    dataset: str
    scheme: str
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    files: int
    fine: int
    ignored: tuple[str, ...] = ()

    def text(self, folder: str | Path) -> str:
        """Return the report as lines for a terminal: a headline that counts, then problems, warnings, other files."""
        count = len(self.problems)
        where, fine = printable(str(folder)), f"{self.fine} of {self.files} files are fine"
        head = f"{count or 'no'} problem{'s' * (count != 1)} in {where} ({fine})"
        width = min(40, max((len(problem.where) for problem in self.problems), default=0))
        lines = [f"  {one.where:<{width}}  {f'{one.what} {one.mend}'.rstrip()}" for one in self.problems]
        lines += [f"  warning: {warning}" for warning in self.warnings]
        if self.ignored:
            more = f" … ({len(self.ignored)} in all)" if len(self.ignored) > 10 else ""
            lines.append(f"  not opened: {', '.join(self.ignored[:10])}{more}")
        return "\n".join([head, *lines])

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values, for JSON."""
        return {**asdict(self), "problems": [asdict(problem) for problem in self.problems]}


@dataclass(frozen=True, kw_only=True)
class _Read:
    """One mask and its reference, read: their problems, or what the whole submission is judged by."""

    problems: tuple[Problem, ...] = ()
    scored: ScoredMask | None = None
    dice: float | None = None  # of a case with hemorrhage


def validate(
    dataset: str | Path | Dataset,
    folder: str | Path,
    *,
    data: str | Path | None = None,
    scheme: str | None = None,
    folds: Collection[int] | int | None = None,
    labels: Collection[float] | float | None = None,
    reference_labels: Collection[float] | float | None = None,
    rename: str | None = None,
    map_file: str | Path | None = None,
    allow_missing: bool = False,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Return every problem and warning of a prediction folder or zip; nothing is scored or written.

    The arguments are those of `evaluate`. UsageError for an unknown dataset, scheme or fold; InputError for an archive
    that is refused as a whole.
    """
    with ExitStack() as stack:
        counted, truth = wanted_values(labels), wanted_values(reference_labels, "--reference-labels")
        source = Path(folder)
        root = stack.enter_context(archive.extracted(source)) if source.is_file() else source
        target, plan = _target(dataset, data, scheme, truth)
        wanted = wanted_folds(plan, folds)
        found = read_submission(
            root, dataset=target.id, scheme=plan, rename=rename, map_file=Path(map_file) if map_file else None
        )
        present = [case.case_id for case in target.cases]
        missing, warnings = check_ids(found, plan, present, wanted, allow_missing=allow_missing)
        used, asked = looked_at(found, target, plan, wanted)
        problems = [*found.problems, *missing, *check_headers(used, asked)]
        faulty = {problem.where for problem in problems}
        here = {case.case_id: case for case in asked.cases}
        items: list[_Item] = [(one, here[one.case_id]) for one in used.predictions]
        predicted = {one.case_id for one in used.predictions}
        items += [(None, case) for case in asked.cases if case.case_id not in predicted]
        read = partial(_read, labels=counted, reference_labels=truth)
        results = list(_mapped(read, items, jobs, progress))
        problems += [problem for result in results for problem in result.problems]
        sound = [one if one is not None and one.where not in faulty else None for one, _ in items]
        results = [result for one, result in zip(sound, results, strict=True) if one is not None]
        warnings += [*target.warnings, *grid_warnings(asked)]
        warnings += [f"masks were changed by `ich-bench {step}`" for step in found.processing]
        warnings += whole_submission_warnings(result.scored for result in results if result.scored)
        dice = [result.dice for result in results if result.dice is not None]
        if dice and sum(dice) / len(dice) < SUSPECT_BELOW_DICE:
            judged = [one for one in sound if one is not None]
            bleeds = [one for one, result in zip(judged, results, strict=True) if result.dice is not None]
            pairs = partial(_pairs, bleeds, here, counted, truth)
            warnings += suspicions(pairs, sum(dice) / len(dice))
    return Report(
        dataset=target.id,
        scheme=plan.name,
        problems=tuple(sorted(set(problems))),
        warnings=tuple(dict.fromkeys(warnings)),
        files=found.files,
        fine=found.fine(problems),
        ignored=found.ignored,
    )


def _target(
    dataset: str | Path | Dataset,
    data: str | Path | None,
    scheme: str | None,
    reference_labels: frozenset[float] | None,
) -> tuple[Dataset, Scheme]:
    if isinstance(dataset, Dataset):
        plain.refuse_relabelling(dataset.id, reference_labels)
        return dataset, plain.filled(load_scheme(dataset.id, scheme), dataset)
    return plain.resolve(dataset, data=data, scheme=scheme, reference_labels=reference_labels)


def _read(item: _Item, labels: frozenset[float] | None, reference_labels: frozenset[float] | None) -> _Read:
    one, case = item
    problems = []
    prediction = reference = None
    if one is not None:
        try:
            prediction = open_mask(one.path).voxels(labels)
        except VolumeError as fault:
            problems.append(fault_of(fault, one, case))
    try:
        reference = read_reference(case, reference_labels)
    except VolumeError as fault:
        problems.append(fault.at(f"reference of {case.case_id}"))
    if problems or prediction is None:
        return _Read(problems=tuple(problems))
    if reference is None:
        reference = np.zeros(prediction.shape, dtype=np.bool_)
    scored = ScoredMask(
        case_id=case.case_id,
        has_ich=bool(reference.any()),
        status="scored" if prediction.any() else "empty_prediction",
        prediction_sha256=mask_sha256(prediction),
        reference_sha256=mask_sha256(reference),
    )
    both = int(np.count_nonzero(reference & prediction)) if reference.shape == prediction.shape else 0
    size = int(np.count_nonzero(reference)) + int(np.count_nonzero(prediction))
    return _Read(scored=scored, dice=(2 * both + 1) / (size + 1) if scored.has_ich else None)


def _pairs(
    predictions: Sequence[Prediction],
    cases: dict[str, Case],
    labels: frozenset[float] | None,
    reference_labels: frozenset[float] | None,
) -> Iterator[Pair]:
    for one in predictions:
        case = cases[one.case_id]
        mask = open_mask(one.path)
        reference = read_reference(case, reference_labels)
        if reference is not None:  # one without hemorrhage tells nothing here
            yield reference, mask.voxels(labels), mask.geometry.spacing_mm


def _mapped(
    read: Callable[[_Item], _Read],
    items: Sequence[_Item],
    jobs: int,
    progress: Callable[[int, int], None] | None,
) -> Iterator[_Read]:
    if jobs < 0:
        raise UsageError(f"jobs is {jobs}; expected the number of worker processes, or 0 for every core.")
    began = time.monotonic()
    first, rest = [read(item) for item in items[:1]], items[1:]
    results: Iterable[_Read] = map(read, rest)
    if jobs != 1 and (time.monotonic() - began) * len(rest) > _POOL_PAYS_AFTER_S:
        from joblib import Parallel, cpu_count, delayed

        workers = min(jobs or cpu_count(), len(rest))
        results = Parallel(n_jobs=workers, return_as="generator")(delayed(read)(item) for item in rest)
    for done, result in enumerate(chain(first, results), start=1):
        if progress is not None:
            progress(done, len(items))
        yield result
