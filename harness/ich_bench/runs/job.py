"""What is to be scored: dataset, folds and prediction folder joined into tasks, with every problem found on the way."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ich_bench import plain
from ich_bench.cases import Dataset, Scheme
from ich_bench.errors import IchBenchError, InputError, Problem, UsageError
from ich_bench.escape import is_utf8, printable
from ich_bench.metrics.profiles import PROFILES, find_profile
from ich_bench.metrics.scoring import find_engine
from ich_bench.predictions import archive, checks
from ich_bench.predictions.asked import wanted_folds, wanted_values
from ich_bench.predictions.listing import not_utf8
from ich_bench.predictions.submission import Submission, read_submission
from ich_bench.runs.task import How, Task


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a caller may choose about a run; the fields are `evaluate`'s arguments, documented there."""

    data: str | Path | None = None
    scheme: str | None = None
    folds: Collection[int] | int | None = None
    profile: str = "native"
    legacy_dilation: bool = False
    labels: Collection[float] | float | None = None
    reference_labels: Collection[float] | float | None = None
    rename: str | None = None
    map_file: str | Path | None = None
    allow_missing: bool = False
    engine: str = "fast"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run that may start: nothing is wrong with names or headers."""

    name: str
    dataset: Dataset
    scheme: Scheme
    folds: tuple[int, ...]
    submission: Submission
    tasks: tuple[Task, ...]
    how: How
    warnings: tuple[str, ...]

    @property
    def cases_absent(self) -> tuple[str, ...]:
        """Return the cases of the scheme whose data is not on this machine."""
        present = {case.case_id for case in self.dataset.cases}
        return tuple(row.case_id for row in self.scheme.rows if row.case_id not in present)


@contextmanager
def opened(dataset: str | Path, folder: str | Path, options: Options) -> Iterator[Job]:
    """Yield the job of one prediction folder; a zip is unpacked for as long as the job lasts.

    Raises InputError with every problem of every file when something cannot be scored: where a name or a header is
    wrong, the voxels of all files are checked too before anything is said.
    """
    _check_profile(options)
    source = Path(folder)
    if source.is_file():  # every archive goes through the one hardened reader, which refuses all but zip
        with archive.extracted(source) as unpacked:
            yield _job(dataset, unpacked, source, options)
    else:
        yield _job(dataset, source, source, options)


def refusal(problems: Collection[Problem], source: Path, found: Submission) -> InputError:
    """Return the error that lists every problem, sorted by file, under a headline that counts the sound files."""
    told = sorted(set(problems))
    fine = ""
    if found.files:
        fine = f" ({found.fine(told)} of {found.files} files are fine)"
    return InputError(f"{len(told)} problem{'s' * (len(told) != 1)} in {printable(str(source))}{fine}", told)


def _check_profile(options: Options) -> None:
    chosen = find_profile(options.profile)
    find_engine(options.engine)
    if options.legacy_dilation and chosen.name != "spahr2023":
        raise UsageError("--legacy-dilation belongs to --profile spahr2023, whose published code it imitates.")


def _job(dataset: str | Path, folder: Path, source: Path, options: Options) -> Job:
    truth = wanted_values(options.reference_labels, "--reference-labels")
    target, scheme = plain.resolve(dataset, data=options.data, scheme=options.scheme, reference_labels=truth)
    folds = wanted_folds(scheme, options.folds)
    found = read_submission(
        folder,
        dataset=target.id,
        scheme=scheme,
        rename=options.rename,
        map_file=Path(options.map_file) if options.map_file else None,
    )
    name = source.resolve().stem if source.is_file() else source.resolve().name
    present = [case.case_id for case in target.cases]
    missing, warnings = checks.check_ids(found, scheme, present, folds, allow_missing=options.allow_missing)
    how = How(
        profile=options.profile,
        legacy_dilation=options.legacy_dilation,
        labels=wanted_values(options.labels),
        reference_labels=truth,
        leaves_out=frozenset(PROFILES[options.profile].leaves_out.get(target.id, ())),
        engine=options.engine,
    )
    tasks = _tasks(target, scheme, found, folds, how)
    used, asked = checks.looked_at(found, target, scheme, folds)
    problems = [*found.problems, *missing, *checks.check_headers(used, asked)]
    if not is_utf8(name):  # it would stand in every row
        problems.append(not_utf8(name))
    if problems:
        voxels = checks.check_voxels(used.predictions, asked, labels=how.labels, reference_labels=how.reference_labels)
        problems += voxels
        raise refusal(problems, source, found)
    if not any(task.prediction for task in tasks):
        raise IchBenchError(
            f"nothing to score in {printable(str(source))}: it holds no mask of {target.id}, scheme {scheme.name}, "
            f"fold{'s' * (len(folds) != 1)} {', '.join(map(str, folds))}."
        )
    changed = [f"masks were changed by `ich-bench {step}` before scoring" for step in found.processing]
    return Job(
        name=name,
        dataset=target,
        scheme=scheme,
        folds=folds,
        submission=found,
        tasks=tasks,
        how=how,
        warnings=tuple(dict.fromkeys([*target.warnings, *warnings, *checks.grid_warnings(asked), *changed])),
    )


def _tasks(target: Dataset, scheme: Scheme, found: Submission, folds: tuple[int, ...], how: How) -> tuple[Task, ...]:
    """Return one task per budget, seed, case and fold, in fold-file order."""
    cases = {case.case_id: case for case in target.cases}
    masks = {(p.budget, p.seed, p.case_id, p.fold): p for p in found.predictions}
    groups = sorted({(p.budget or "", -1 if p.seed is None else p.seed) for p in found.predictions})
    tasks = []
    for budget_name, seed_number in groups:
        budget, seed = budget_name or None, None if seed_number < 0 else seed_number
        for row in scheme.rows:
            if row.case_id not in cases:
                continue
            for fold in scheme.test_folds(row.case_id):
                if fold not in folds:
                    continue
                mask = masks.get((budget, seed, row.case_id, fold)) or masks.get((budget, seed, row.case_id, None))
                tasks.append(
                    Task(case=cases[row.case_id], fold=fold, budget=budget, seed=seed, prediction=mask, how=how)
                )
    return tuple(tasks)
