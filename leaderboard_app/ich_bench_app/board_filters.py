"""Which rows of a board does a visitor want to see: a filter hides rows and never changes what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ich_bench.board.model import Board, Row
from ich_bench.report.style import supervision_order

KINDS = ("measured", "calibration", "ceiling", "reported")


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What is asked for; empty: everything. `find` is looked for in id, name and team, capitals or not."""

    find: str = ""
    supervision: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    @property
    def hides(self) -> bool:
        """Return whether anything is asked for at all."""
        return bool(self.find or self.supervision or self.labels or self.kinds)

    def wants(self, kind: str) -> bool:
        """Return whether rows of a kind are shown."""
        return not self.kinds or kind in self.kinds


def chosen(board: Board, asked: Filter) -> tuple[Row, ...]:
    """Return the rows to show, as they stand on the board: same order, same ranks."""
    wanted = asked.find.casefold()
    return tuple(
        row
        for row in board.rows
        if asked.wants(row.kind)
        and (not wanted or any(wanted in told.casefold() for told in (row.slug, row.method, row.team)))
        and (not asked.supervision or row.supervision in asked.supervision)
        and (not asked.labels or any(one in (row.labels or ("no labels",)) for one in asked.labels))
    )


def supervisions(board: Board) -> tuple[str, ...]:
    """Return the levels of supervision on a board, fewest labels first."""
    found = {row.supervision for row in board.rows if row.supervision}
    return tuple(sorted(found, key=lambda one: (supervision_order(one), one)))


def labels(board: Board) -> tuple[str, ...]:
    """Return the kinds of label that any row on a board needed, "no labels" where one needed none."""
    found = dict.fromkeys(one for row in board.rows for one in row.labels)
    return (*sorted(found), *(["no labels"] if any(not row.labels for row in board.rows) else []))


def told(board: Board, shown: Sequence[Row]) -> str:
    """Return how many rows are shown, in the words of `ich-bench leaderboard --only`."""
    return f"{len(shown)} of {len(board.rows)} rows shown; ranks are those of the whole board."
