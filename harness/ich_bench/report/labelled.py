"""What are the rows of a board called and coloured in figures and tables?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ich_bench.board.model import Row
from ich_bench.escape import printable
from ich_bench.report.style import MARKERS, role_of, supervision_order

LONGEST = 30  # letters of a name in a figure; a table has all of them


@dataclass(frozen=True, kw_only=True)
class Label:
    """A method in a figure: its slug, its name, short, and its level of supervision."""

    slug: str
    name: str
    supervision: str = ""

    @property
    def role(self) -> str:
        """Return the role of its colour."""
        return role_of(self.supervision)

    @property
    def marker(self) -> str:
        """Return the marker of its level of supervision."""
        return MARKERS.get(self.supervision, "X")


def level_text(supervision: str) -> str:
    """Return a level of supervision in words, as in a legend."""
    return {"": "not declared", "none": "no training"}.get(supervision, printable(supervision))


def declared(row: Row) -> str:
    """Return a row's level of supervision, "" where nobody stated it: "supervised" without any labels is a default."""
    return "" if row.supervision == "supervised" and not row.labels else row.supervision


def full_names(rows: Sequence[Row]) -> dict[str, str]:
    """Return the name of each row by slug: the method's, with the slug beside it where two rows share one."""
    count = Counter(row.method or row.slug for row in rows)
    return {
        row.slug: (row.method or row.slug) if count[row.method or row.slug] == 1 else f"{row.method} [{row.slug}]"
        for row in rows
    }


def labels(rows: Sequence[Row], names: dict[str, str] | None = None) -> tuple[Label, ...]:
    """Return a label a row, in the order given; strangers' names are made harmless and cut in the middle."""
    names = full_names(rows) if names is None else names
    return tuple(Label(slug=row.slug, name=short(names[row.slug]), supervision=declared(row)) for row in rows)


def short(name: str, longest: int = LONGEST) -> str:
    """Return a name of at most so many letters, its end kept, since names of versions differ at their end."""
    plain = printable(name)
    if len(plain) <= longest:
        return plain
    tail = longest // 3
    return f"{plain[: longest - tail - 1]}…{plain[-tail:]}"


def by_supervision(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the rows from the fewest labels to the most, within a level as they stand."""
    return tuple(sorted(rows, key=lambda row: supervision_order(declared(row))))
