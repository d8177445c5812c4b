"""Between which rows of the board does an upload come to stand, without a test and without a rank?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ich_bench.board import wording
from ich_bench.board.model import Board, Row
from ich_bench_app.upload.outcome import Scored, ScoredRun

YOURS = "▶ your upload"
_EACH_SIDE = 3


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """One line of the neighbourhood; `row` is None for the upload itself. `rank` is the board's, never renumbered."""

    row: Row | None
    mean: float
    rank: str


def incomparable(board: Board, upload: Scored) -> str:
    """Return why an upload cannot stand beside the board's rows, "" where it can."""
    for what, here, there in (
        ("suite", str(board.suite), str(upload.suite)),
        ("profile", board.profile, upload.profile),
        ("folds", board.fold_sha256, upload.fold_sha256),
        ("references", board.dataset_sha256, upload.dataset_sha256),
    ):
        if here and here != there:
            return f"The board's rows were scored with other {what} ({here[:12]}, here {there[:12]}): no comparison."
    return ""


def neighbours(board: Board, run: ScoredRun, *, cohort: str, metric: str) -> tuple[Neighbour, ...]:
    """Return the rows next to an upload by their mean, best first, with the upload among them.

    Up to three measured, calibration and ceiling rows on either side, for a metric of which more is better; ties stand
    before the upload. () where the upload lacks the number.
    """
    own = run.mean(cohort, metric)
    if own is None or math.isnan(own):
        return ()
    ordered = sorted(_rows(board, cohort, metric), key=lambda one: (-one.mean, one.row.slug if one.row else ""))
    place = sum(one.mean >= own for one in ordered)
    upload = Neighbour(row=None, mean=own, rank=wording.BLANK)
    return (*ordered[max(0, place - _EACH_SIDE) : place], upload, *ordered[place : place + _EACH_SIDE])


def _rows(board: Board, cohort: str, metric: str) -> Iterator[Neighbour]:
    for row in board.rows:
        standing = row.standing(cohort, metric)
        if standing is not None and not math.isnan(standing.stat.mean):
            yield Neighbour(row=row, mean=standing.stat.mean, rank=wording.rank(standing))
