"""Which very files is a board made of: one hash for captions, so that a table can be traced to its scores."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from ich_bench.board.model import Board


def snapshot(board: Board) -> str:
    """Return the SHA-256 of what stands on a board: its settings, folds, references, and every row's score file.

    The same files give the same hash on every machine; one more row, or one changed score, gives another. Published
    numbers count too.
    """
    return hashlib.sha256("\n".join(_lines(board)).encode("utf-8", "backslashreplace")).hexdigest()


def _lines(board: Board) -> Iterator[str]:
    yield f"{board.dataset} {board.scheme} {board.profile} {board.suite} {board.seed} {board.draws}"
    yield f"{board.fold_sha256} {board.dataset_sha256}"
    for row in board.rows:
        one = row.submission
        file = None if one is None else one.score_file(board.dataset, board.scheme, board.profile)
        yield f"{row.slug!r} {'' if file is None else file.sha256} {row.ranked}"
    for published in board.reported:
        numbers = ", ".join(f"{name} {found.text}" for name, found in published.metrics.items())
        yield f"{published.paper} {published.row!r} {numbers!r}"
