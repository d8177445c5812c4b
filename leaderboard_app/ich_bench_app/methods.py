"""Which methods are there on all boards together, and what is each called in an address."""

from __future__ import annotations

from collections.abc import Mapping

from ich_bench.board.model import Row
from ich_bench.board.public import Sources
from ich_bench.submissions.model import Submission


def names(sources: Sources) -> Mapping[str, Submission]:
    """Return every submission and unsubmitted run by its slug, told apart by a number where two have one."""
    found: dict[str, Submission] = {}
    for one in (*sources.submissions, *sorted(sources.runs, key=lambda run: str(run.folder))):
        name, number = one.slug, 2
        while name in found:
            name, number = f"{one.slug} ({number})", number + 1
        found[name] = one
    return found


def name_of(row: Row, known: Mapping[str, Submission]) -> str:
    """Return what the submission of a board's row is called in an address, its slug on the board where not known."""
    one = row.submission
    if one is not None:
        for name, other in known.items():
            if (other.folder, other.submitted) == (one.folder, one.submitted):
                return name
    return row.slug
