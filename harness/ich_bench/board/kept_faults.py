"""Which score files must a board leave out so that the others can stand, and why each: for boards nobody watches."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ich_bench.board.align import Scored, scored
from ich_bench.board.entries import case_order, is_whole
from ich_bench.board.public import Sources
from ich_bench.errors import IchBenchError, Problem
from ich_bench.escape import printable
from ich_bench.metrics.suite import SUITE
from ich_bench.runs.store import file_sha256, provenance
from ich_bench.submissions.model import ScoreFile, Submission
from ich_bench.submissions.tables import describe

AGAIN = "Score the predictions again with `ich-bench evaluate`."
_COPY = "Copy the file again, or score the predictions again."
_OTHER_DATA = "Was it scored against another version of the dataset?"
_NAMED = 3
_MOST_LETTERS = 300  # of an error's own words
Fault = tuple[str, str]  # what, and how to mend it


@dataclass(frozen=True, kw_only=True)
class Held:
    """One score file with who it is of; `runs` and `dilated` once it is read."""

    submission: Submission
    file: ScoreFile
    runs: tuple[Scored, ...] = ()
    dilated: bool = False


@dataclass(kw_only=True)
class Sieve:
    """The files of one board that still stand, and what is wrong with those that do not (`left_out`, `problems`)."""

    held: list[Held]
    left_out: set[Path] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def drop(self, fault_of: Callable[[Held], Fault | None]) -> None:
        """Leave out each file that `fault_of` finds something in."""
        for one in tuple(self.held):
            fault = fault_of(one)
            if fault is not None:
                self.held.remove(one)
                self.left_out.add(one.file.path)
                where = named(one.submission.slug, one.file.path)
                self.problems.append(Problem(where=where, what=fault[0], mend=fault[1]))


def sieve(sources: Sources, dataset: str, scheme: str) -> Sieve:
    """Return the score files of a dataset and scheme, none left out yet."""
    both = (*sources.submissions, *sources.runs)
    files = [(one, file) for one in both for file in one.scores if (file.dataset, file.scheme) == (dataset, scheme)]
    return Sieve(held=[Held(submission=one, file=file) for one, file in files])


def named(slug: str, path: Path) -> str:
    """Return how a score file is named to a reader: never with the folders of this machine."""
    return printable(f"{slug}/scores/{path.name}")


def told_by(path: Path, left_out: list[Problem], tell: Callable[[Path], ScoreFile] = describe) -> ScoreFile | None:
    """Return what is in a score file, or None where it cannot be read; why then stands in `left_out`."""
    try:
        return tell(path)
    except Exception as fault:
        what, mend = _unreadable(path, fault)
        left_out.append(Problem(where=named(path.parent.parent.name, path), what=what, mend=mend))
        return None


def keep_current(found: Sieve, fold_sha256: str) -> None:
    """Leave out files of another suite, or scored on other folds, than this version's."""
    found.drop(
        lambda one: (
            (f"is of suite {one.file.suite}; this version computes suite {SUITE}.", AGAIN)
            if one.file.suite != SUITE
            else None
        )
    )
    found.drop(
        lambda one: (
            (f"was scored on other folds of {one.file.scheme} than this version's.", AGAIN)
            if one.file.fold_sha256 != fold_sha256
            else None
        )
    )


def usual_profile(found: Sieve) -> str | None:
    """Return `native` if any file is of it, else the most frequent profile; None where all have one, or none is there.

    Files of several profiles are no fault: each profile has a board of its own.
    """
    profiles = [one.file.profile for one in found.held]
    if len(set(profiles)) < 2:
        return None
    return "native" if "native" in profiles else str(_agreed(found.held, lambda one: one.file.profile))


def keep_references(found: Sieve) -> None:
    """Leave out whole files that name other references than most methods; among equals the first slug stays."""

    def names_any(one: Held) -> bool:
        return bool(one.file.dataset_sha256) and is_whole(one.file)

    most = _agreed([one for one in found.held if names_any(one)], lambda one: one.file.dataset_sha256)
    found.drop(
        lambda one: (
            ("was scored against other references than the other files.", _OTHER_DATA)
            if names_any(one) and one.file.dataset_sha256 != most
            else None
        )
    )


def keep_readable(found: Sieve) -> None:
    """Leave out files by what is in their rows; all that stay are read.

    Left out is a file that cannot be read, that is not the one that was listed, or that names cases which the scheme
    does not have; then those that disagree with most others on whether references were dilated, on whether a head
    bleeds, or on the voxels of its reference (among equals the slug that comes first stays).
    """
    coarse = any(one.file.published == "metrics" for one in found.held)
    read: dict[Path, Held] = {}

    def reading(one: Held) -> Fault | None:
        try:
            table = one.file.table()
            runs = tuple(scored(table, one.file.profile, coarse=coarse))
            dilated = bool(provenance(table).get("legacy_dilation"))
        except Exception as fault:
            return _unreadable(one.file.path, fault)
        if file_sha256(one.file.path) != one.file.sha256:
            return "was changed while it was read.", "It is looked at again in a moment."
        read[one.file.path] = Held(submission=one.submission, file=one.file, runs=runs, dilated=dilated)
        return None

    found.drop(reading)
    found.held = [read[one.file.path] for one in found.held]
    dilated = _agreed(found.held, lambda one: one.dilated)
    found.drop(
        lambda one: (
            ("was made with --legacy-dilation, or without, unlike most others.", AGAIN)
            if one.dilated != dilated
            else None
        )
    )
    found.drop(_strange)
    bleeds, voxels = _agreed_heads(found.held)
    found.drop(lambda one: _other_head(one, bleeds, voxels))


def _agreed(held: Sequence[Held], said: Callable[[Held], str | bool]) -> str | bool | None:
    """Return what most files of methods say; among equals what the file of the first slug says; None of no files."""
    votes = Counter(said(one) for one in _voters(held))  # in the order of slugs: the first of the largest is taken
    return max(votes, key=votes.__getitem__, default=None)


def _voters(held: Sequence[Held]) -> list[Held]:
    """Return those who decide, by slug: the methods; calibration and ceiling rows only where there is no method."""
    methods = [one for one in held if one.submission.manifest.kind == "method"]
    return sorted(methods or held, key=lambda one: (one.submission.slug, str(one.file.path)))


def _strange(one: Held) -> Fault | None:
    known = set(case_order(one.file.dataset, one.file.scheme))
    strange = sorted({case for run in one.runs for case in run.cases} - known)
    if not strange:
        return None
    listed = ", ".join(printable(case) for case in strange[:_NAMED]) + (" …" if len(strange) > _NAMED else "")
    return f"holds {len(strange)} case(s) that {one.file.dataset}/{one.file.scheme} does not have: {listed}.", AGAIN


def _heads(one: Held) -> Iterator[tuple[str, bool, float]]:
    """Yield of each run and case whether the head bleeds, and the voxels of its reference (NaN: withheld)."""
    for run in one.runs:
        yield from zip(run.cases, run.has_ich.tolist(), run.voxels.tolist(), strict=True)


def _agreed_heads(held: Sequence[Held]) -> tuple[dict[str, bool], dict[str, float]]:
    """Return what most files say of each case: whether the head bleeds, and on how many voxels.

    Of a case that no method's file holds, the others decide.
    """
    said: dict[str, Counter[bool]] = {}
    counted: dict[str, Counter[float]] = {}
    voters = _voters(held)
    for some in (voters, [one for one in held if one not in voters]):
        known, measured = set(said), set(counted)
        for one in some:
            for case, bleeds, voxels in set(_heads(one)):
                if case not in known:
                    said.setdefault(case, Counter())[bleeds] += 1
                if case not in measured and not math.isnan(voxels):
                    counted.setdefault(case, Counter())[voxels] += 1
    return (
        {case: max(votes, key=votes.__getitem__) for case, votes in said.items()},
        {case: max(votes, key=votes.__getitem__) for case, votes in counted.items()},
    )


def _other_head(one: Held, agreed: Mapping[str, bool], counted: Mapping[str, float]) -> Fault | None:
    for case, bleeds, voxels in _heads(one):
        if bleeds != agreed[case] or not (math.isnan(voxels) or voxels == counted[case]):
            return f"has another reference of {printable(case)} than most other files.", _OTHER_DATA
    return None


def _unreadable(path: Path, fault: Exception) -> Fault:
    """Return what is wrong with a file that cannot be read, without the folders of this machine."""
    if not path.exists():
        return "went away while it was read.", _COPY
    said = printable(str(fault).split("\n")[0].replace(str(path), path.name))[:_MOST_LETTERS]
    if isinstance(fault, IchBenchError):
        return said, _COPY
    return f"cannot be read as a score file: {type(fault).__name__} {said}".strip() + ".", _COPY
