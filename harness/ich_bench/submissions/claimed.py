"""Which methods does a claim compare, and what difference do the papers print between them?"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ich_bench.errors import IchBenchError
from ich_bench.submissions.model import ReportedRow

_TERM = re.compile(r"(?P<method>[a-z0-9-]+?)(?:@(?P<pool>pool)?(?P<percent>\d+))?")


@dataclass(frozen=True, kw_only=True)
class Term:
    """A method of a claim; `percent` of the labels (or, with `pool`, of a large pool's) it was trained with."""

    method: str
    percent: int | None = None
    pool: bool = False

    def __str__(self) -> str:
        return self.method + (f"@{'pool' if self.pool else ''}{self.percent}" if self.percent is not None else "")


def terms(text: str) -> tuple[Term, ...]:
    """Return "a@20 - b@20" as its methods, the first minus the others."""
    found = [_TERM.fullmatch(part) for part in text.split(" - ")]
    if not all(found):
        raise IchBenchError(f"{text!r} is no method of a claim; expected an id, such as unet-mixed or a@20 - b@20.")
    return tuple(
        Term(method=one["method"], percent=int(one["percent"]) if one["percent"] else None, pool=bool(one["pool"]))
        for one in found
        if one is not None
    )


def printed_difference(
    first: Sequence[Term], second: Sequence[Term], metric: str, cohort: str, dataset: str, rows: Sequence[ReportedRow]
) -> float | None:
    """Return the difference of the papers' means, from one and the same table; None where a cell is not there."""
    sources = dict.fromkeys(row.source for row in rows if row.dataset == dataset and row.cohort == cohort)
    for source in sources:
        here = [row for row in rows if (row.source, row.dataset, row.cohort) == (source, dataset, cohort)]
        values = [_printed(term, metric, here) for term in (*first, *second)]
        if all(value is not None for value in values):
            known = [value for value in values if value is not None]
            left, right = known[: len(first)], known[len(first) :]
            difference = (left[0] - sum(left[1:])) - (right[0] - sum(right[1:]))
            return round(difference, 6) if math.isfinite(difference) else None
    return None


def _printed(term: Term, metric: str, rows: Sequence[ReportedRow]) -> float | None:
    wanted = None if term.percent is None or term.pool else str(term.percent)
    found = [
        row.metrics[metric].value
        for row in rows
        if row.method_id == term.method
        and metric in row.metrics
        and (wanted is None or row.extra.get("label_fraction_percent") == wanted)
    ]
    return found[0] if len(found) == 1 else None
