"""How do our re-implementations compare with what their papers printed, number beside number?

Only means on the same dataset and cohort are put side by side; the protocols of most papers are not the benchmark's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ich_bench.submissions.load import from_runs, load_submissions
from ich_bench.submissions.model import Manifest, ReportedRow, ScoreFile, Submission
from ich_bench.tables.layout import Block, as_markdown, as_text
from ich_bench.tables.summary import summarise
from ich_bench_baselines.methods import METHODS, reported

SHOWN = ("dice", "precision", "recall", "iou", "nsd_2mm", "nsd_0p42mm", "abs_rvd", "hd100")
NOTE = (
    ("~", "the paper's protocol is not the benchmark's, or it counts a part of the cohort: in kind only"),
    ("–", "not trained here on that dataset, or not printed as a number"),
)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """One printed number and ours, None where there is none: means as fractions, or mm.

    `comparable`: same cohort, near enough the same protocol. `seeds`: of our trainings.
    """

    method: str
    dataset: str
    cohort: str
    metric: str
    printed: str
    value: float | None
    sd: float | None
    ours: float | None
    seeds: int
    comparable: bool
    source: str

    @property
    def difference(self) -> float | None:
        """Return ours minus theirs; None where one is missing."""
        return None if self.value is None or self.ours is None else self.ours - self.value


def beside(outs: Sequence[Path] = (), submissions: Path | None = None) -> tuple[Beside, ...]:
    """Return every number that papers print for our methods, and ours where a dataset was trained on in earnest.

    Args:
        outs: OUT folders of `run`, or folders of such.
        submissions: The folder of submissions; `./submissions` by default.

    Raises:
        IchBenchError: a folder holds no scores, or cannot be read.
    """
    ours = [*load_submissions(submissions).submissions, *from_runs(outs)]
    found: dict[tuple[object, ...], Beside] = {}
    for method in METHODS:
        for row in reported(method):
            for one in _numbers(row, _of(method, ours)):  # what two sources print, to three digits, is one number
                found.setdefault((method, one.dataset, one.cohort, one.metric, _number(one.value)), one)
    return tuple(found.values())


def text(rows: Sequence[Beside], *, markdown: bool = False) -> str:
    """Return a table a method, one line a printed number; everything in the benchmark's own units."""
    by_method: dict[str, list[tuple[str, ...]]] = {}
    for one in rows:
        difference = "–" if one.difference is None else f"{one.difference:+.3f}{'' if one.comparable else ' ~'}"
        printed, ours = _number(one.value, one.sd), _number(one.ours)
        where = f"{one.dataset} {one.cohort}".strip()
        by_method.setdefault(one.method, []).append((where, one.metric, printed, ours, difference))
    blocks = [
        Block(header=(method, "metric", "paper", "ours", "ours − paper"), rows=tuple(lines))
        for method, lines in by_method.items()
    ]
    write = as_markdown if markdown else as_text
    return write("Ours beside what the papers print: means, as fractions or mm.", [*blocks, Block(rows=NOTE)])


def _number(value: float | None, sd: float | None = None) -> str:
    if value is None:
        return "–"
    shown = "∞" if math.isinf(value) else f"{value:.3f}"
    return shown if sd is None else f"{shown} ± {sd:.3f}"


def _of(method: str, submissions: Sequence[Submission]) -> list[Submission]:
    return [one for one in submissions if _is_of(method, one.manifest)]


def _is_of(method: str, said: Manifest) -> bool:
    """Return whether a submission is this method of ours, in earnest: a smoke training names no baseline."""
    return said.baseline == method and said.method == method


def _numbers(row: ReportedRow, ours: Sequence[Submission]) -> list[Beside]:
    share = re.match(r"(\d+) % of labels", row.subset)  # ours of fewer labels are folds of their own
    scheme = f"lf{share[1]}" if share else None
    found = next(((one, file) for one in ours if row.dataset and (file := one.score_file(row.dataset, scheme))), None)
    return [
        Beside(
            method=row.method_id,
            dataset=row.dataset or row.data,
            cohort=" ".join(part for part in (row.cohort, row.subset) if part),
            metric=metric,
            printed=printed.text,
            value=printed.value,
            sd=printed.sd,
            ours=None if found is None else _mean(found[1], row.cohort, metric),
            seeds=0 if found is None else found[0].seeds,
            comparable=row.same_protocol and not row.subset,
            source=row.source,
        )
        for metric, printed in row.metrics.items()
        if metric in SHOWN and printed.value is not None
    ]


def _mean(file: ScoreFile, cohort: str, metric: str) -> float | None:
    runs = [one for one in summarise(file.table()).runs if one.budget is None]
    cohorts = {one.name: one for one in runs[0].cohorts} if runs else {}
    mean = cohorts[cohort].metrics[metric].mean if cohort in cohorts and metric in cohorts[cohort].metrics else math.nan
    return None if math.isnan(mean) else float(mean)
