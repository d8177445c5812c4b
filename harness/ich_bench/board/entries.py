"""Which score files may stand on one board, and which row is made of each."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from ich_bench.board.align import Scored, on_cases, scored
from ich_bench.board.model import Kind
from ich_bench.errors import InputError, Problem
from ich_bench.escape import printable
from ich_bench.folds import load_scheme
from ich_bench.folds.table import SCHEMES
from ich_bench.metrics.profiles import PROFILES
from ich_bench.metrics.suite import COLUMNS
from ich_bench.plain import PLAIN_SCHEME
from ich_bench.runs.store import provenance
from ich_bench.submissions.model import ScoreFile, Submission

KINDS: Mapping[str, Kind] = {"method": "measured", "calibration": "calibration", "ceiling": "ceiling"}
_NAMED = 6
_ROW = ("budget", "seed", "fold", "case_id")  # what stands once in a score file
_SLACK = 1e-9  # real numbers of one input agree that closely across machines


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One score file with its values: `runs` holds one `Scored` a training budget, all the data (None) first."""

    slug: str
    submission: Submission
    file: ScoreFile
    runs: tuple[Scored, ...]
    reason: str = ""
    superseded: bool = False
    earlier: int = 0

    @property
    def kind(self) -> Kind:
        """Return whether this is a method, or a row that shows where bottom and top are."""
        return KINDS.get(self.submission.manifest.kind, "measured")

    @property
    def full(self) -> Scored | None:
        """Return the run on all the training data, None where only budgets were scored."""
        return next((run for run in self.runs if run.budget is None), None)

    @property
    def run(self) -> Scored:
        """Return the run on all the training data; ValueError where there is none (`full` is None)."""
        if self.full is None:
            raise ValueError(f"{self.slug} holds training budgets only")
        return self.full

    @property
    def ranked(self) -> bool:
        """Return whether the entry belongs to the family that is tested."""
        return self.kind == "measured" and not self.reason and self.full is not None


def entries(files: Sequence[tuple[Submission, ScoreFile]], cases: Sequence[str]) -> tuple[Entry, ...]:
    """Return an entry a score file, with the reason why it is not ranked ("" where it is).

    The files must be of one dataset, scheme, profile and suite (`check_together`). InputError where two of them were
    scored against different references. Where one file holds four decimals only, all are rounded to four, so that the
    same masks stay equal.
    """
    slugs = _slugs([submission for submission, _ in files])
    coarse = any(file.published == "metrics" for _, file in files)
    tables = [file.table() for _, file in files]
    _check_dilation(files, tables)
    made = [
        Entry(slug=slug, submission=submission, file=file, runs=tuple(scored(table, file.profile, coarse=coarse)))
        for slug, (submission, file), table in zip(slugs, files, tables, strict=True)
    ]
    _check_cases(made, cases)
    check_heads(made)
    defined = {
        case
        for entry in made
        for run in entry.runs
        for case, lost in zip(run.cases, np.isnan(run.values["dice"]).tolist(), strict=True)
        if not lost
    }
    reasons = [
        "; ".join(one for one in (_reason(entry, cases, defined), _doubled(table)) if one)
        for entry, table in zip(made, tables, strict=True)
    ]
    return _without_older([replace(entry, reason=reason) for entry, reason in zip(made, reasons, strict=True)])


def _doubled(table: pa.Table) -> str:
    """Return which case stands twice in one run of one fold, in words; "" where none does."""
    seen = Counter(zip(*(table.column(name).to_pylist() for name in _ROW), strict=True))
    twice = [row for row, count in seen.items() if count > 1]
    return f"holds case {printable(str(twice[0][-1]))} twice" if twice else ""


def is_whole(file: ScoreFile) -> bool:
    """Return whether a file holds every case of its scheme; one of some cases has the dataset sha256 of those."""
    framed = file.dataset in SCHEMES and file.scheme != PLAIN_SCHEME
    return file.status != "partial" and (not framed or file.cases == len(set(case_order(file.dataset, file.scheme))))


def _check_dilation(files: Sequence[tuple[Submission, ScoreFile]], tables: Sequence[pa.Table]) -> None:
    """Raise InputError where some files of one profile were scored against dilated references and others not."""
    groups: dict[bool, list[str]] = {}
    for (submission, _), table in zip(files, tables, strict=True):
        groups.setdefault(bool(provenance(table).get("legacy_dilation")), []).append(_where(submission))
    if len(groups) > 1:
        raise InputError(
            "these scores were made in different ways and cannot stand together. Score the predictions again, all with "
            "--legacy-dilation or none.",
            [
                Problem(where=f"{'dilated' if dilated else 'plain'} references:", what=_listed(names))
                for dilated, names in sorted(groups.items())
            ],
        )


def check_together(files: Sequence[tuple[Submission, ScoreFile]]) -> None:
    """Raise InputError where score files differ in suite, profile, folds or dataset; every such file is named."""
    told: list[Problem] = []
    for what, values in (
        ("suite", [str(file.suite) for _, file in files]),
        ("profile", [file.profile for _, file in files]),
        ("fold file", [file.fold_sha256[:12] for _, file in files]),
        ("dataset sha256", [file.dataset_sha256[:12] if is_whole(file) else "" for _, file in files]),
    ):
        groups: dict[str, list[str]] = {}
        for value, (submission, _) in zip(values, files, strict=True):
            if value:
                groups.setdefault(value, []).append(_where(submission))
        if len(groups) > 1:
            told += [
                Problem(where=f"{what} {printable(value)}:", what=_listed(names))
                for value, names in sorted(groups.items())
            ]
    if told:
        mend = "Name one profile with --profile, or score the predictions again so that all agree."
        raise InputError(
            f"these scores of {files[0][1].dataset} were made in different ways and cannot be ranked together. {mend}",
            told,
        )


def check_heads(made: Sequence[Entry]) -> None:
    """Raise InputError where two files disagree about a reference: whether there is hemorrhage, and its voxels.

    Files of some folds have a dataset sha256 of their own cases; and one that was forged may name any.
    """
    first: dict[str, tuple[str, bool, float]] = {}
    problems: list[Problem] = []
    for entry in made:
        for run in entry.runs:
            for case_id, ich, voxels in zip(run.cases, run.has_ich.tolist(), run.voxels.tolist(), strict=True):
                slug, known_ich, known = first.setdefault(case_id, (entry.slug, ich, voxels))
                if known_ich != ich or (voxels != known and not math.isnan(voxels) and not math.isnan(known)):
                    problems.append(
                        Problem(
                            where=f"{printable(entry.slug)}, {case_id}",
                            what=f"has another reference than in {printable(slug)}.",
                            mend="Was it scored against another version of the dataset?",
                        )
                    )
                elif math.isnan(known):
                    first[case_id] = (entry.slug, ich, voxels)
    if problems:
        more = [Problem(where="…", what=f"and {len(problems) - _NAMED} more")] if len(problems) > _NAMED else []
        raise InputError("these scores are about different heads", [*problems[:_NAMED], *more])


def case_order(dataset: str, scheme: str) -> tuple[str, ...]:
    """Return the cases of a fold scheme in fold-file order."""
    return tuple(row.case_id for row in load_scheme(dataset, scheme).rows)


def _check_cases(made: Sequence[Entry], cases: Sequence[str]) -> None:
    known = set(cases)
    problems = []
    for entry in made:
        strange = sorted({case_id for run in entry.runs for case_id in run.cases} - known)
        if strange:
            problems.append(
                Problem(
                    where=printable(entry.slug),
                    what=f"holds {len(strange)} case(s) that {entry.file.dataset}/{entry.file.scheme} does not have: "
                    f"{', '.join(printable(one) for one in strange[:_NAMED])}{' …' if len(strange) > _NAMED else ''}.",
                    mend="Score the predictions again with the dataset's own case ids.",
                )
            )
    if problems:
        raise InputError("these scores are not about the cases of the board", problems)


def _reason(entry: Entry, cases: Sequence[str], defined: Collection[str]) -> str:
    """Return why an entry is not ranked, in words; that of the profile is the whole board's, not the entry's."""
    file = entry.file
    reasons = [one for one in entry.submission.why_unranked(file) if one != f"profile {file.profile}"]
    full = entry.full
    if full is None:
        reasons.append("training budgets only")
    elif set(full.cases) != set(cases) and file.status == "complete":
        reasons.append(f"{len(full.cases)} of {len(cases)} cases")
    elif full.missing.any() and file.status == "complete":
        reasons.append("masks are missing")
    return "; ".join([*reasons, *(_unsound(full, file.profile, defined) if full is not None else ())])


def _unsound(run: Scored, profile: str, defined: Collection[str]) -> Iterator[str]:
    """Yield what no scoring gives: a value outside its metric's range, no dice on a case where others have one.

    Whether dice is defined depends on the reference alone; a case left out would be a case that cannot be lost on.
    """
    for name in PROFILES[profile].columns:
        low, high = COLUMNS[name].range
        outside = np.flatnonzero((run.values[name] < low - _SLACK) | (run.values[name] > high + _SLACK))
        if outside.size:
            yield f"{name} of {printable(run.cases[outside[0]])} is {run.values[name][outside[0]]:g}, out of range"
    lost = [run.cases[place] for place in np.flatnonzero(np.isnan(run.values["dice"])) if run.cases[place] in defined]
    if lost:
        yield f"no dice on {len(lost)} case(s) where others have one, {printable(lost[0])} first"


def _without_older(made: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return the entries with the older ones of a team and method marked; the newest alone can be ranked.

    Older is what another names in `supersedes`, else the lower version, else (an unsubmitted run is newest) the slug
    that comes first.
    """
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in made:
        if entry.kind == "measured":
            team = " ".join(entry.submission.manifest.team.casefold().split())
            who = team, entry.submission.manifest.method_id or entry.slug
            groups.setdefault(who, []).append(entry)
    older: set[str] = set()
    earlier: dict[str, int] = {}
    for group in groups.values():
        named = {one.submission.manifest.supersedes for one in group}
        able = [one for one in group if one.ranked] or group
        able = [one for one in able if one.submission.slug not in named or not one.submission.submitted] or able
        newest = max(able, key=_age)
        behind = {one.slug for one in group if _age(one) < _age(newest) or one.ranked} - {newest.slug}
        older |= behind
        earlier[newest.slug] = len(behind)
    return tuple(
        _superseded(one) if one.slug in older else replace(one, earlier=earlier.get(one.slug, 0)) for one in made
    )


def _superseded(entry: Entry) -> Entry:
    reason = "; ".join(part for part in (entry.reason, "superseded by a newer submission") if part)
    return replace(entry, superseded=True, reason=reason)


def _age(entry: Entry) -> tuple[bool, list[tuple[int, str]], str]:
    parts = re.findall(r"[0-9]+|[^0-9.]+", entry.submission.manifest.version)
    version = [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
    return not entry.submission.submitted, version, entry.slug


def _slugs(submissions: Sequence[Submission]) -> list[str]:
    """Return a name a row: the slug, told apart where an unsubmitted run is called like another."""
    taken: set[str] = set()
    names = {}
    order = sorted(
        range(len(submissions)), key=lambda one: (not submissions[one].submitted, str(submissions[one].folder))
    )
    for place in order:
        slug, number = submissions[place].slug, 2
        while slug in taken:
            slug, number = f"{submissions[place].slug} ({number})", number + 1
        taken.add(slug)
        names[place] = slug
    return [names[place] for place in range(len(submissions))]


def _where(submission: Submission) -> str:
    return printable(submission.slug if submission.submitted else str(submission.folder))


def _listed(names: Collection[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:_NAMED]) + (f" … ({len(shown)} in all)" if len(shown) > _NAMED else "")


def on_board(entries: Sequence[Entry], cases: Sequence[str], metric: str) -> np.ndarray:
    """Return a metric of every entry's full run as an array (cases, entries), NaN where it has no value."""
    columns = [
        on_cases(run.values[metric], run.cases, cases) if run is not None else np.full(len(cases), np.nan)
        for run in (entry.full for entry in entries)
    ]
    return np.array(columns).T.reshape(len(cases), len(columns))
