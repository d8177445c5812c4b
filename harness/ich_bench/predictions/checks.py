"""What each check of a prediction folder finds: ids, headers, voxels, and what only the whole of it shows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from ich_bench.cases import Case, Dataset, Scheme
from ich_bench.datasets import grid_warnings as off_its_cts_grid
from ich_bench.errors import Problem, VolumeError
from ich_bench.escape import printable
from ich_bench.geometry import Geometry, differences, shape_text
from ich_bench.predictions.naming import compact
from ich_bench.predictions.submission import Prediction, Submission
from ich_bench.volume import Voxels, open_mask, read_geometry

_ONE_BY_ONE = 20  # so many missing cases are told one by one, more in one line


@dataclass(frozen=True, kw_only=True)
class ScoredMask:
    """What the checks of the whole submission need to know of one mask; no voxels."""

    case_id: str
    has_ich: bool
    status: str  # as in the score file: scored, empty_prediction, missing
    prediction_sha256: str | None
    reference_sha256: str


def check_ids(
    submission: Submission,
    scheme: Scheme,
    present: Collection[str],
    folds: Collection[int] | None,
    *,
    allow_missing: bool = False,
) -> tuple[list[Problem], list[str]]:
    """Return the missing cases of each budget and seed as problems, and what is odd but no problem as warnings.

    A case is expected where its data is on this machine (`present`) and it is tested in one of `folds` (None: all).
    Masks of other folds are left aside. With `allow_missing` a missing case is a warning. Up to 20 missing cases of a
    run are told one by one, more of them in one problem.
    """
    wanted = scheme.folds if folds is None else tuple(folds)
    here = set(present)
    order = [row.case_id for row in scheme.rows]
    tested = {fold: scheme.test_cases(fold) for fold in wanted}
    expected = [(case_id, fold) for fold in wanted for case_id in tested[fold] if case_id in here]
    runs = sorted({(one.budget or "", -1 if one.seed is None else one.seed) for one in submission.predictions})
    problems: list[Problem] = []
    warnings: list[str] = []
    for budget, seed in runs or ([] if submission.problems else [("", -1)]):
        run = (budget or None, None if seed < 0 else seed)
        if run in submission.strays:  # told of as such
            continue
        mine = [one for one in submission.predictions if (one.budget, one.seed) == run]
        have = {(one.case_id, fold) for one in mine for fold in wanted if _counts(one, fold, scheme)}
        lacking = [pair for pair in expected if pair not in have]
        guessed = {case_id for case_id, *its_run in submission.guessed if tuple(its_run) == run}
        if lacking and allow_missing:
            ids = compact({case_id for case_id, _ in lacking}, order=order)
            are = "mask is missing{} and counts" if len(lacking) == 1 else "masks are missing{} and count"
            warnings.append(f"{len(lacking)} {are.format(_run(run))} as the worst value: {ids}")
        elif lacking:
            complete = [fold for fold in wanted if fold not in {fold for _, fold in lacking}]
            told = [(case_id, fold) for case_id, fold in lacking if case_id not in guessed]
            problems += _missing(submission, scheme, told, len(expected), complete, run)
    absent = {one.case_id for one in submission.predictions if one.case_id not in here}
    absent &= {case_id for cases in tested.values() for case_id in cases}
    if absent:
        ids = compact(absent, order=order)
        cases, are = ("case", "it is") if len(absent) == 1 else ("cases", "they are")
        warnings.append(f"the data of {len(absent)} predicted {cases} is not on this machine; {are} not scored: {ids}")
    return problems, warnings


def looked_at(
    submission: Submission, dataset: Dataset, scheme: Scheme, folds: Collection[int]
) -> tuple[Submission, Dataset]:
    """Return what of a submission and of a dataset these folds need; no other file is opened.

    That are the masks of cases whose data is on this machine, unless they lie in the folder of another fold, and all
    cases tested; no case where the submission holds no mask at all.
    """
    tested = {case_id for fold in folds for case_id in scheme.test_cases(fold)}
    cases = tuple(case for case in dataset.cases if case.case_id in tested)
    here = {case.case_id for case in cases}
    masks = tuple(
        one for one in submission.predictions if one.case_id in here and (one.fold is None or one.fold in folds)
    )
    return replace(submission, predictions=masks), replace(dataset, cases=cases if masks else ())


def check_headers(submission: Submission, dataset: Dataset) -> list[Problem]:
    """Return what keeps each mask off the grid of its CT and its reference, and what is wrong with those themselves.

    From headers alone. Masks of cases whose data is not on this machine are left aside.
    """
    problems = []
    grids: dict[str, tuple[tuple[Geometry, ...], tuple[str, ...]]] = {}
    here = {case.case_id: case for case in dataset.cases}
    for case in dataset.cases:
        grids[case.case_id], faults = _grids(case)
        problems += faults
    for one in submission.predictions:
        if one.case_id not in grids:
            continue
        try:
            if one.path.is_dir():  # no series of slices, as a CT may be
                raise VolumeError("it is a folder, not a file.", "Put the mask file itself here.")
            mask = read_geometry(one.path)
        except VolumeError as fault:
            problems.append(fault_of(fault, one, here[one.case_id]))
            continue
        geometries, names = grids[one.case_id]
        if geometries:
            said = differences(mask, *geometries, names=names)
            problems += [Problem(where=one.where, what=what) for what in said]
    return problems


def check_voxels(
    predictions: Iterable[Prediction],
    dataset: Dataset,
    *,
    labels: frozenset[float] | None = None,
    reference_labels: frozenset[float] | None = None,
) -> list[Problem]:
    """Return what is wrong with the voxels of masks and of all references; each is decoded once and let go."""
    here = {case.case_id: case for case in dataset.cases}
    problems = []
    for one in predictions:
        if one.case_id in here:
            try:
                open_mask(one.path).voxels(labels)
            except VolumeError as fault:
                problems.append(fault_of(fault, one, here[one.case_id]))
    for case in dataset.cases:
        try:
            read_reference(case, reference_labels)
        except VolumeError as fault:
            problems.append(fault.at(f"reference of {case.case_id}"))
    return problems


def fault_of(fault: VolumeError, one: Prediction, case: Case) -> Problem:
    """Return the fault of a mask as a problem; where there is no CT, its mend names the reference instead."""
    mend = fault.mend if case.ct is not None else fault.mend.replace("the CT's", "the reference's")
    return Problem(where=one.where, what=fault.what, mend=mend)


def read_reference(case: Case, labels: frozenset[float] | None) -> Voxels | None:
    """Return the voxels of a case's reference mask; None where it has no file, because it holds no hemorrhage."""
    if case.reference is None:
        return None
    return open_mask(case.reference, trusted=True).voxels(labels, option=reference_option(case))


def reference_option(case: Case) -> str | None:
    """Return the option that says which values of a reference count: masks of a known dataset have none."""
    return "--reference-labels" if case.ct is None else None


def unlike_its_ct(reference: Geometry, ct: Geometry) -> VolumeError:
    """Return the fault of a reference that has another shape than its CT."""
    return VolumeError(
        f"has {shape_text(reference.shape)} voxels, its CT {shape_text(ct.shape)}.",
        "The download is damaged or mixed up: `ich-bench prepare` checks it case by case.",
    )


def grid_warnings(dataset: Dataset) -> list[str]:
    """Return what is odd about the dataset's own grids, from headers alone.

    In one sentence, which CTs and references have two forms that contradict each other; then, one by one up to 20,
    which references lie on another grid than their CT.
    """
    odd: list[str] = []
    astray: list[str] = []
    for case in dataset.cases:
        grids = {}
        for path in (case.ct, case.reference):
            if path is not None and path.is_file():
                with suppress(VolumeError):  # said in full by check_headers
                    grids[path] = read_geometry(path, trusted=True)
                    odd += [printable(path.name)] if differences(grids[path]) else []
        if case.ct in grids and case.reference in grids and case.ct != case.reference:
            astray += off_its_cts_grid(dataset.id, case, grids[case.ct], grids[case.reference])
    told = []
    if odd:
        named = ", ".join(odd[:_ONE_BY_ONE]) + (f" … ({len(odd)} in all)" if len(odd) > _ONE_BY_ONE else "")
        told = [f"sform and qform contradict each other in the dataset's own files; the sform is used: {named}"]
    more = len(astray) - _ONE_BY_ONE
    return [*told, *astray[:_ONE_BY_ONE], *([f"… and {more} more references off their CT's grid"] if more > 0 else [])]


def whole_submission_warnings(masks: Iterable[ScoredMask]) -> list[str]:
    """Return what no single file shows: a mask used for two cases, copies of the reference, all masks empty."""
    used: dict[str, set[str]] = {}
    copies: set[str] = set()
    bleeds = filled = given = 0
    for mask in masks:
        bleeds += mask.has_ich
        given += mask.prediction_sha256 is not None
        if mask.status != "scored" or mask.prediction_sha256 is None:
            continue
        filled += 1
        used.setdefault(mask.prediction_sha256, set()).add(mask.case_id)
        if mask.prediction_sha256 == mask.reference_sha256:
            copies.add(mask.case_id)
    warnings = [
        f"the same non-empty mask is given for {len(cases)} cases: {', '.join(sorted(cases))}"
        for cases in sorted(used.values(), key=sorted)
        if len(cases) > 1
    ]
    if copies:
        ids = ", ".join(sorted(copies)[:20]) + (f" … ({len(copies)} in all)" if len(copies) > 20 else "")
        cases = "case" if len(copies) == 1 else "cases"
        warnings.append(f"the mask is identical to the reference in {len(copies)} {cases}: {ids}")
    if given and not filled and bleeds:
        warnings.append(f"all {given} masks are empty" if given > 1 else "the only mask is empty")
    return warnings


def _counts(one: Prediction, fold: int, scheme: Scheme) -> bool:
    """Return whether a mask stands for its case in this fold; one in a wrong folder does, and is told of as such."""
    return one.fold is None or one.fold == fold or not scheme.trains_on_fold


def _missing(
    submission: Submission,
    scheme: Scheme,
    lacking: Sequence[tuple[str, int]],
    expected: int,
    complete: Sequence[int],
    run: tuple[str | None, int | None],
) -> list[Problem]:
    mend = "Add the mask, or score it as the worst value with --allow-missing (never ranked)."
    if complete:
        whole = ",".join(map(str, complete))
        mend = f"Add the mask, score the complete folds with --fold {whole}, or add --allow-missing."
    if len(lacking) <= _ONE_BY_ONE:
        place = [f" for fold {fold}" if scheme.trains_on_fold else "" for _, fold in lacking]
        return [
            Problem(where=case_id, what=f"is missing{_run(run)}{fold}.", mend=mend)
            for (case_id, _), fold in zip(lacking, place, strict=True)
        ]
    ids = compact({case_id for case_id, _ in lacking}, order=[row.case_id for row in scheme.rows], most=10_000)
    what = f"lacks {len(lacking)} of {expected} masks{_run(run)}: {ids}."
    return [
        Problem(
            where=submission.name, what=what, mend=mend.replace("the mask", "them").replace("score it", "score them")
        )
    ]


def _run(run: tuple[str | None, int | None]) -> str:
    budget, seed = run
    parts = ([f"budget-{budget}"] if budget else []) + ([f"seed_{seed}"] if seed is not None else [])
    return f" in {'/'.join(parts)}" if parts else ""


def _grids(case: Case) -> tuple[tuple[tuple[Geometry, ...], tuple[str, ...]], list[Problem]]:
    grids, names, problems = [], [], []
    for name, path in (("CT", case.ct), ("reference", case.reference)):
        if path is None:
            continue
        try:
            grids.append(read_geometry(path, trusted=True))
            names.append(name)
        except VolumeError as fault:
            problems.append(fault.at(f"{name} of {case.case_id}"))
    if len(grids) == 2 and grids[0].shape != grids[1].shape:
        problems.append(unlike_its_ct(grids[1], grids[0]).at(f"reference of {case.case_id}"))
    return (tuple(grids), tuple(names)), problems
