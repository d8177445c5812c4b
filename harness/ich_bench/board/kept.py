"""Which board was built before of these very files: boards kept as Parquet, and built again when any byte changed.

A board is built by `public.board_of`, whoever asks; what is read back equals it. Half a board is never read, and a file
in the cache that is damaged means building, not an error.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from ich_bench.board import flat, kept_tables, public
from ich_bench.board.across import DRAWN, Overview, macro_means, transfers
from ich_bench.board.entries import is_whole
from ich_bench.board.facts import case_facts
from ich_bench.board.kept_build import tolerant
from ich_bench.board.kept_faults import told_by
from ich_bench.board.kept_files import code_sha256, home, put, remembered
from ich_bench.board.model import Board
from ich_bench.board.pairs import DRAWS
from ich_bench.board.public import Folder, Sources
from ich_bench.errors import Problem
from ich_bench.folds import load_scheme
from ich_bench.metrics.profiles import find_profile
from ich_bench.runs.store import file_sha256
from ich_bench.submissions.model import ScoreFile, Submission


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What stood in the folders at one moment: `key` changes with any byte of it that a board is made of.

    `problems` are the files that cannot be used at all. `strict`: a board of files that contradict each other is an
    error, as on the command line; else the fewest are left out and named.
    """

    key: str
    sources: Sources
    problems: tuple[Problem, ...]
    strict: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """A board, the key it is kept under, and the score files that were left out of it, with why."""

    key: str
    board: Board
    problems: tuple[Problem, ...]


def snapshot(submissions: Folder | None = None, runs: Sequence[Folder] = (), *, strict: bool = False) -> Snapshot:
    """Return what may stand on boards now; arguments as in `public.leaderboard`.

    Raises IchBenchError for what cannot be read if `strict`; else that is left out and named in `problems`.
    """
    left_out: list[Problem] = []
    if strict:
        sources = public.gather(submissions=submissions, runs=runs, tell=remembered)
    else:
        sources = public.gather(
            submissions=submissions, runs=runs, tell=lambda path: told_by(path, left_out, remembered), left_out=left_out
        )
    both = (*sources.submissions, *sources.runs)
    said = [_of_submission(one, one.scores) for one in both]
    key = _sha256([code_sha256(), said, _order(both), _reported(sources, None), sources.notes, strict])
    return Snapshot(key=key, sources=sources, problems=tuple(left_out), strict=strict)


def kept_board(
    snapshot: Snapshot,
    dataset: str,
    *,
    scheme: str | None = None,
    profile: str | None = None,
    metrics: Collection[str] = (),
    draws: int = DRAWS,
) -> Board:
    """Return the board of a dataset; arguments, errors and numbers are those of `public.leaderboard`."""
    return kept(snapshot, dataset, scheme=scheme, profile=profile, metrics=metrics, draws=draws).board


def kept(
    snapshot: Snapshot,
    dataset: str,
    *,
    scheme: str | None = None,
    profile: str | None = None,
    metrics: Collection[str] = (),
    draws: int = DRAWS,
) -> Kept:
    """Return the board of a dataset with its key and what was left out of it; arguments as in `public.leaderboard`."""
    about = public.known(dataset)
    folds = load_scheme(dataset, scheme)
    board: Board
    problems: tuple[Problem, ...]
    asked = [folds.name, None if profile is None else find_profile(profile).name, sorted(metrics), draws]
    sources = snapshot.sources
    key = _board_key(snapshot, dataset, asked)
    found = _read(key, sources, dataset)
    if found is not None:
        return found
    options: dict[str, Any] = {"scheme": folds.name, "profile": profile, "metrics": metrics, "draws": draws}
    if snapshot.strict:
        board, problems = public.board_of(about, sources, **options), ()
    else:
        board, problems = tolerant(about, sources, **options)
    made = Kept(key=key, board=board, problems=problems)
    if all(file_sha256(file.path) == file.sha256 for _, file in _files(sources, dataset)):  # else the key is another's
        told, here = [[one.where, one.what, one.mend] for one in problems], _here(sources, dataset)
        put(key, lambda folder: kept_tables.write(board, folder, sources=here, about=told))
    return made


def leaderboard(
    dataset: str, *, submissions: Folder | None = None, runs: Sequence[Folder] = (), **options: Any
) -> Board:
    """Return what `public.leaderboard` returns, from the cache where it was built of the same files before."""
    public.known(dataset)
    found = snapshot(submissions, runs, strict=True)
    public.check_runs(found.sources.runs, dataset)
    return kept_board(found, dataset, **options)


def overview(
    *, submissions: Folder | None = None, runs: Sequence[Folder] = (), profile: str | None = None, draws: int = DRAWS
) -> Overview:
    """Return what `public.overview` returns, from the cache where it was built of the same files before."""
    return overview_of(snapshot(submissions, runs, strict=True), profile=profile, draws=draws)


def overview_of(snapshot: Snapshot, *, profile: str | None = None, draws: int = DRAWS) -> Overview:
    """Return the boards of all datasets under their official schemes, with the macro-mean and train × test."""
    boards = tuple(kept_board(snapshot, name, profile=profile, draws=draws) for name in public.scored_datasets())
    macro, moved = macro_means(boards), transfers(boards)
    return Overview(boards=boards, macro=macro, transfers=moved, notes=snapshot.sources.notes)


def _board_key(snapshot: Snapshot, dataset: str, asked: Sequence[Any]) -> str:
    """Return the SHA-256 of all that a board is made of."""
    sources = snapshot.sources
    here = _here(sources, dataset)
    said = [_of_submission(one, [file for file in one.scores if file.dataset == dataset]) for one in here]
    facts = _facts(dataset, [file for _, file in _files(sources, dataset)])
    made_of = [said, _order(here), _reported(sources, dataset), sources.notes, facts]
    return _sha256([code_sha256(), dataset, asked, snapshot.strict, made_of])


def _read(key: str, sources: Sources, dataset: str) -> Kept | None:
    """Return a board that is kept, or None where none is, or where the cache does not hold what was written there."""
    place = home() / key
    if not place.is_dir():
        return None
    reported = [row for row in sources.reported if row.dataset == dataset]
    try:
        board, told = kept_tables.read(place, sources=_here(sources, dataset), reported=reported)
        problems = tuple(Problem(where=where, what=what, mend=mend) for where, what, mend in told)
    except Exception:  # whatever lies there: it can be built again
        return None
    with contextlib.suppress(OSError):
        os.utime(place)  # boards that nobody looks at are removed first
    return Kept(key=key, board=board, problems=problems)


def _here(sources: Sources, dataset: str) -> list[Submission]:
    """Return the submissions and runs with scores of a dataset: a row of its board keeps its owner's place in them."""
    both = (*sources.submissions, *sources.runs)
    return [one for one in both if any(file.dataset == dataset for file in one.scores)]


def _files(sources: Sources, dataset: str) -> list[tuple[Submission, ScoreFile]]:
    return [(one, file) for one in _here(sources, dataset) for file in one.scores if file.dataset == dataset]


def _facts(dataset: str, files: Sequence[ScoreFile]) -> dict[str, dict[str, float]]:
    """Return what a board takes from the dataset on this machine: nothing where the score files say it all."""
    if dataset.startswith(DRAWN) or not any(file.published == "metrics" or file.budgets for file in files):
        return {}
    return case_facts(dataset, next((file.dataset_sha256 for file in files if is_whole(file)), ""))


def _of_submission(one: Submission, files: Sequence[ScoreFile]) -> list[Any]:
    told = [{**vars(file), "path": file.path.name} for file in files]
    return [one.slug, one.submitted, vars(one.manifest), told]


def _order(both: Sequence[Submission]) -> list[int]:
    """Return the order of the folders' paths: it tells runs of one name apart, wherever they lie."""
    return sorted(range(len(both)), key=lambda place: str(both[place].folder))


def _reported(sources: Sources, dataset: str | None) -> list[Any]:
    return [flat.plain(row) for row in sources.reported if dataset in (None, row.dataset)]


def _sha256(said: Any) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()
