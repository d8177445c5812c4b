"""What moved between two scorings of the same masks, and how is it shown?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ich_bench.metrics.profiles import PROFILES
from ich_bench.submissions.publish import four_decimals, metric_columns
from ich_bench.tables.layout import Block, as_text

Rows = Sequence[Mapping[str, Any]]
_KEY = ("budget", "seed", "fold", "case_id")
_ROUNDING = 1e-9  # relative; less is the last digits of another library, no change of a score


@dataclass(frozen=True, kw_only=True)
class Moved:
    """One metric of one score file: its mean over the rows where it is a number, before and after.

    `rows` counts the rows whose value changed (defined where it was not, too), `largest` is the largest change among
    those with a number on both sides. `before` is NaN for a metric the older suite did not have, `after` for one that
    is gone.
    """

    metric: str
    before: float
    after: float
    rows: int
    largest: float


@dataclass(frozen=True, kw_only=True)
class Rescored:
    """One score file scored again under this suite; `reused` rows were scored by an earlier, interrupted rescore."""

    slug: str
    file: str
    suite_before: int
    suite: int
    cases: int
    reused: int
    moved: tuple[Moved, ...]
    written: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values; NaN is None, infinity the text "inf"."""
        lines = [{name: _plain(value) for name, value in vars(one).items()} for one in self.moved]
        return vars(self) | {"moved": lines}


def moved(before: Rows, after: Rows, profile: str, *, rounded: bool) -> Iterator[Moved]:
    """Yield the metrics whose values changed, in the suite's order, then those that the older suite had alone.

    `rounded`: what was published has four decimals, and no volumes or counts.
    """
    known = metric_columns(profile) if rounded else PROFILES[profile].columns
    held = set(before[0]) if before else set()
    new = {tuple(row[name] for name in _KEY): row for row in after}
    gone = sorted(held - set(after[0]) if after else held)
    for name in (*known, *gone):
        old_values, new_values = [], []
        for row in before:
            other = new.get(tuple(row[key] for key in _KEY), {})
            value = other.get(name)
            old_values.append(_number(row.get(name)))
            new_values.append(_number(four_decimals(value) if rounded else value))
        pairs = list(zip(old_values, new_values, strict=True))
        changed = [(one, other) for one, other in pairs if not _same(one, other)]
        if changed or name not in held:
            sizes = [abs(other - one) for one, other in changed if math.isfinite(one) and math.isfinite(other)]
            yield Moved(
                metric=name,
                before=_mean(old_values),
                after=_mean(new_values),
                rows=len(changed),
                largest=max(sizes, default=math.nan),
            )


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _same(one: float, other: float) -> bool:
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other or abs(one - other) <= _ROUNDING * max(abs(one), abs(other))


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def as_table(done: Sequence[Rescored]) -> str:
    """Return before and after as text of 80 columns: a line per score file, then one per metric that moved."""
    blocks = []
    rows = []
    for each in done:
        suites = f"{each.suite_before} → {each.suite}"
        told = f"{len(each.moved)} moved" if each.moved else "none moved"
        rows.append((f"{each.slug} {Path(each.file).stem}", suites, str(each.cases), told))
    blocks.append(Block(header=("submission", "suite", "cases", "metrics"), rows=tuple(rows)))
    for each in done:
        lines = [
            (one.metric, _text(one.before), _text(one.after), str(one.rows), _text(one.largest)) for one in each.moved
        ]
        header = (f"{each.slug} {Path(each.file).stem}", "before", "after", "rows", "largest")
        blocks.append(Block(header=header, rows=tuple(lines)))
    return as_text("", blocks)


def _text(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}" if abs(value) < 1000 else f"{value:.6g}"
