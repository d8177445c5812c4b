"""`leaderboard` and `overview`: from folders of submissions and unsubmitted runs to boards."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ich_bench.board.across import DRAWN, Overview, macro_means, transfers
from ich_bench.board.build import build, case_scores, seed_of
from ich_bench.board.efficiency import efficiency
from ich_bench.board.entries import Entry, case_order, check_together, entries, is_whole
from ich_bench.board.facts import case_facts
from ich_bench.board.model import Board
from ich_bench.board.pairs import DRAWS
from ich_bench.cases import Card
from ich_bench.datasets import DATASETS, card
from ich_bench.errors import IchBenchError, Problem, UsageError, did_you_mean
from ich_bench.escape import printable
from ich_bench.folds import load_scheme
from ich_bench.metrics.profiles import PROFILES, find_profile
from ich_bench.metrics.suite import SUITE
from ich_bench.submissions.load import REPORTED, Tell, from_run, load_submissions, out_folders, own_folder
from ich_bench.submissions.model import ReportedRow, ScoreFile, Submission
from ich_bench.submissions.reported import load_papers

Folder = str | Path


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What may stand on boards: submissions, unsubmitted runs, published rows; `notes` say what could not be used."""

    submissions: tuple[Submission, ...]
    runs: tuple[Submission, ...]
    reported: tuple[ReportedRow, ...]
    notes: tuple[str, ...] = ()


def leaderboard(
    dataset: str,
    *,
    submissions: Folder | None = None,
    runs: Sequence[Folder] = (),
    scheme: str | None = None,
    profile: str | None = None,
    metrics: Collection[str] = (),
    draws: int = DRAWS,
) -> Board:
    """Return the ranked board of one dataset.

    Ranks are drawn from the whole board: whoever shows a part of it keeps them. The same files give the same board,
    whatever their order: all draws start from dataset, suite and folds (`Board.seed`).

    Args:
        dataset: One of the datasets that are scored.
        submissions: The folder of submissions; else $ICH_BENCH_SUBMISSIONS, ./submissions, the checkout's own.
        runs: Output folders of `evaluate`, or folders of such, to show in their place, badged "not submitted".
        scheme: The fold scheme, the official one by default; rows of other schemes are counted in `elsewhere`.
        profile: The profile of the scores; by default the one that all of them have.
        metrics: Metrics to test beside those that always are, on `ich` and `all`.
        draws: Sign vectors of each test (fewer for rehearsals only).

    Raises:
        UsageError: an unknown dataset, scheme, profile or metric.
        InputError: scores of different suites, profiles, folds or heads, every file named.
    """
    about = known(dataset)
    sources = gather(submissions=submissions, runs=runs)
    check_runs(sources.runs, dataset)
    return board_of(about, sources, scheme=scheme, profile=profile, metrics=metrics, draws=draws)


def overview(
    *,
    submissions: Folder | None = None,
    runs: Sequence[Folder] = (),
    profile: str | None = None,
    draws: int = DRAWS,
) -> Overview:
    """Return the boards of all datasets under their official schemes, with the macro-mean and train × test.

    Arguments and errors are those of `leaderboard`. The macro-mean is the mean of mean dice on `ich` over the real
    datasets with ICH, for methods ranked on each of them; drawn heads never enter it.
    """
    sources = gather(submissions=submissions, runs=runs)
    boards = tuple(
        board_of(card(name), sources, scheme=None, profile=profile, metrics=(), draws=draws)
        for name in scored_datasets()
    )
    return Overview(boards=boards, macro=macro_means(boards), transfers=transfers(boards), notes=sources.notes)


def scored_datasets() -> tuple[str, ...]:
    """Return the datasets that have a board: all but the pools for pre-training, drawn ones last."""
    names = [name for name in DATASETS if not card(name).pool]
    return tuple(sorted(names, key=lambda name: (name.startswith(DRAWN), name)))


def gather(
    *,
    submissions: Folder | None = None,
    runs: Sequence[Folder] = (),
    tell: Tell | None = None,
    left_out: list[Problem] | None = None,
) -> Sources:
    """Return what may stand on boards; a folder of submissions that is named must exist, no other need.

    `tell` says what is in an unsubmitted run's score file (`submissions.tables.describe` by default). A run or a file
    of published numbers that cannot be used is an IchBenchError; where `left_out` is given, it is left out and named
    there, as are the submissions that are at fault.
    """
    unsubmitted = tuple({one.folder.resolve(): one for one in _runs(runs, tell, left_out)}.values())  # each folder once
    try:
        shelf = load_submissions(submissions)
    except IchBenchError as fault:
        if submissions is not None:
            if left_out is None:
                raise
            left_out.append(Problem(where="submissions", what=printable(str(fault))))
        return Sources(submissions=(), runs=unsubmitted, reported=_reported(None, left_out), notes=_told(left_out))
    problems = list(shelf.problems) if left_out is None else left_out
    if left_out is not None:
        left_out += shelf.problems
    reported = _reported(shelf.folder, left_out)
    return Sources(submissions=shelf.submissions, runs=unsubmitted, reported=reported, notes=_told(problems))


def _runs(runs: Sequence[Folder], tell: Tell | None, left_out: list[Problem] | None) -> Iterator[Submission]:
    for place in (one for run in runs for one in out_folders(Path(run))):
        try:
            found = from_run(place, tell=tell)
        except (IchBenchError, OSError) as fault:
            if left_out is None:
                raise
            what = printable(str(fault).splitlines()[0].replace(str(place), place.name))
            left_out.append(Problem(where=printable(place.name), what=what))
            continue
        if found.scores:
            yield found


def _told(problems: Sequence[Problem] | None) -> tuple[str, ...]:
    return tuple(f"left out: {problem}" for problem in problems or ())


def _reported(folder: Path | None, left_out: list[Problem] | None) -> tuple[ReportedRow, ...]:
    """Return the published numbers beside the submissions, else those of the checkout or of the installed package."""
    beside = folder is not None and (folder / REPORTED).is_dir()
    home = folder if folder is not None and beside else own_folder()
    try:
        return tuple(row for paper in load_papers(home, left_out=left_out) for row in paper.rows)
    except IchBenchError:
        if beside:
            raise
        return ()


def board_of(
    about: Card,
    sources: Sources,
    *,
    scheme: str | None,
    profile: str | None,
    metrics: Collection[str],
    draws: int,
    leave: Collection[Path] = (),
) -> Board:
    """Return the board of one dataset from sources that are read already; arguments as in `leaderboard`.

    `leave` are the paths of score files that do not take part.
    """
    folds = load_scheme(about.id, scheme)
    wanted = None if profile is None else find_profile(profile).name
    files = [
        (one, file)
        for one in (*sources.submissions, *sources.runs)
        for file in one.scores
        if file.dataset == about.id and wanted in (None, file.profile) and file.path not in leave
    ]
    here = [(one, file) for one, file in files if file.scheme == folds.name]
    check_together(here)
    kind = here[0][1].profile if here else wanted or "native"
    _check_metrics(metrics, kind)
    elsewhere: dict[str, int] = {}
    for _, file in sorted(files, key=lambda pair: pair[1].scheme):
        if file.scheme != folds.name:
            elsewhere[file.scheme] = elsewhere.get(file.scheme, 0) + 1
    suite = here[0][1].suite if here else SUITE
    cases = case_order(about.id, folds.name)
    made = entries(here, cases)
    facts = _facts(about, made, _dataset_sha256(here))
    seed = seed_of(about.id, suite, folds.sha256)
    start = Board(
        dataset=about.id,
        title=about.title,
        suite=suite,
        profile=kind,
        scheme=folds.name,
        cases=len(cases),
        with_ich=about.with_ich or 0,
        fold_sha256=folds.sha256,
        dataset_sha256=_dataset_sha256(here),
        seed=seed,
        draws=draws,
        ranked=0,
        official=kind == "native",
        rows=(),
        reported=tuple(row for row in sources.reported if row.dataset == about.id),
        pairs={},
        scores=case_scores((), (), kind, {}),
        strata=(),
        sensitivity=None,
        schemes=None,
        efficiency=tuple(efficiency(made, _volumes(made, facts), seed=seed)),
        notes=sources.notes,
        elsewhere=elsewhere,
    )
    return build(made, cases, board=start, metrics=metrics, draws=draws, facts=facts)


def known(dataset: str) -> Card:
    """Return the card of a dataset that has a board; UsageError lists them for any other."""
    if dataset not in scored_datasets():
        raise UsageError(
            f"there is no leaderboard of {printable(dataset)!r}. {did_you_mean(dataset, scored_datasets())}"
        )
    return card(dataset)


def check_runs(runs: Sequence[Submission], dataset: str) -> None:
    """Raise UsageError where an unsubmitted run holds no scores of a dataset."""
    for run in runs:
        held = sorted({file.dataset for file in run.scores})
        if dataset not in held:
            raise UsageError(
                f"{printable(str(run.folder))} holds no scores of {dataset}; it holds "
                f"{', '.join(printable(name) for name in held)}."
            )


def _check_metrics(metrics: Collection[str], profile: str) -> None:
    for metric in metrics:
        if metric not in (*PROFILES[profile].columns, "clean"):
            raise UsageError(
                f"there is no metric {printable(metric)!r} in profile {profile}. "
                f"{did_you_mean(metric, (*PROFILES[profile].columns, 'clean'))}"
            )


def _dataset_sha256(files: Sequence[tuple[Submission, ScoreFile]]) -> str:
    return next((file.dataset_sha256 for _, file in files if is_whole(file)), "")


def _facts(about: Card, made: Sequence[Entry], dataset_sha256: str) -> Mapping[str, Mapping[str, float]]:
    """Return facts of cases from the dataset itself, where the score files lack them; none where all is known."""
    if about.id.startswith(DRAWN):  # its files withhold nothing; asking for the heads would draw them
        return {}
    withheld = any(math.isnan(ml) for entry in made for run in entry.runs for ml in run.facts["volume_ref_ml"])
    budgets = any(run.budget is not None for entry in made for run in entry.runs)
    if not withheld and not budgets:
        return {}
    return case_facts(about.id, dataset_sha256)


def _volumes(made: Sequence[Entry], facts: Mapping[str, Mapping[str, float]]) -> Mapping[str, Mapping[str, float]]:
    """Return the facts with the reference volumes that the score files hold."""
    merged = {case_id: dict(known) for case_id, known in facts.items()}
    for entry in made:
        for run in entry.runs:
            for case_id, ml in zip(run.cases, run.facts["volume_ref_ml"].tolist(), strict=True):
                if not math.isnan(ml):
                    merged.setdefault(case_id, {})["volume_ref_ml"] = ml
    return merged
