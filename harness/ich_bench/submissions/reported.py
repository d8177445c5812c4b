"""What have papers printed: the rows of submissions/reported/*.toml, as values."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ich_bench.datasets import DATASETS
from ich_bench.errors import IchBenchError, InputError, Problem, UsageError, did_you_mean
from ich_bench.escape import printable
from ich_bench.metrics.suite import METRICS
from ich_bench.submissions.load import REPORTED, submissions_folder
from ich_bench.submissions.model import NOT_REPORTED, NOT_TRANSCRIBED, Reported, ReportedRow
from ich_bench.submissions.terms import SUPERVISION

DIVERGED = "diverged"
WORDS = (NOT_TRANSCRIBED, NOT_REPORTED, DIVERGED)
COHORTS = ("ich", "all", "healthy")
CLAIMS = "claims.toml"
PAPER_KEYS = ("key", "type", "title", "author", "journal", "year", "volume", "number", "pages", "doi", "eprint")
_TABLE_KEYS = ("source", "protocol", "caveats", "unit", "same_protocol", "rows")
_ROW_KEYS = (
    *("method", "method_id", "supervision", "dataset", "data", "cohort", "subset", "n", "unit_of_n", "training"),
    *("caveats", "corrected", "why"),
)
_EXTRA = ("label_fraction_percent", "empty_predictions")
_NUMBER = re.compile(r"(?P<value>\d+(?:\.\d+)?)(?: ± (?P<sd>\d+(?:\.\d+)?))?")
_FRACTIONS = ("", "yes/no")  # units of metrics that are printed as fractions or as percent


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What a paper says in words, or that a table of it is not transcribed."""

    paper: str
    source: str
    says: str


@dataclass(frozen=True, kw_only=True)
class Paper:
    """One file of published numbers; `bibliography` holds the fields of its BibTeX entry (none: no single paper)."""

    key: str
    bibliography: Mapping[str, str]
    rows: tuple[ReportedRow, ...]
    statements: tuple[Statement, ...]


def reported_rows(dataset: str | None = None, *, submissions: str | Path | None = None) -> tuple[ReportedRow, ...]:
    """Return the published rows of a dataset of the benchmark (None: of all data), in the order of the files."""
    if dataset is not None and dataset not in DATASETS:
        raise UsageError(f"there is no dataset {printable(dataset)!r}. {did_you_mean(dataset, DATASETS)}")
    return tuple(
        row for row in load_reported(submissions_folder(submissions)) if dataset is None or row.dataset == dataset
    )


def load_reported(folder: str | Path) -> tuple[ReportedRow, ...]:
    """Return all published rows of a folder of submissions; InputError with every fault of every file."""
    return tuple(row for paper in load_papers(Path(folder)) for row in paper.rows)


def load_papers(folder: Path, *, left_out: list[Problem] | None = None) -> tuple[Paper, ...]:
    """Return the files of published numbers of a folder of submissions, in the order of their names; none: empty.

    A fault in any of them is an InputError; where `left_out` is given, such a file is left out and its faults go there.
    """
    found: list[Paper] = []
    problems: list[Problem] = []
    for path in sorted((folder / REPORTED).glob("*.toml")):
        if path.name != CLAIMS:
            try:
                state = path.stat()
                paper, faults = _paper(path, (state.st_mtime_ns, state.st_size))
            except Exception as fault:
                if left_out is None:
                    raise
                faults = (_fault(path, f"cannot be read: {printable(str(fault))}"),)
            if not faults or left_out is None:
                found.append(paper)
            problems += faults
    if left_out is not None:
        left_out += problems
    elif problems:
        raise InputError(f"{len(problems)} problem{'s' * (len(problems) != 1)} in {folder / REPORTED}", problems)
    return tuple(found)


@cache
def _paper(path: Path, changed: tuple[int, int]) -> tuple[Paper, tuple[Problem, ...]]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise IchBenchError(f"{path} cannot be read: {printable(str(fault))}") from fault
    problems: list[Problem] = []
    about = content.get("paper", {})
    if about.get("key") != path.stem:
        problems.append(_fault(path, f"[paper] key is {about.get('key')!r}; expected {path.stem!r}."))
    problems += _unknown(path, "[paper]", about, PAPER_KEYS)
    problems += _unknown(path, "the file", content, ("paper", "tables", "statements"))
    rows: list[ReportedRow] = []
    for table in content.get("tables", []):
        problems += _unknown(path, "[[tables]]", table, _TABLE_KEYS)
        for number, row in enumerate(table.get("rows", []), start=1):
            place = f"{table.get('source')}, row {number}"
            faults = list(_row_faults(path, place, table, row))
            problems += faults
            rows += [] if faults else [_row(path.stem, table, row)]
    names = [row.row for row in rows]
    problems += [_fault(path, f"{name} stands there twice.") for name in sorted(set(names)) if names.count(name) > 1]
    said = tuple(
        Statement(paper=path.stem, source=str(one["source"]), says=str(one["says"]))
        for one in content.get("statements", [])
    )
    fields = {name: str(value) for name, value in about.items() if name != "key"}
    paper = Paper(key=path.stem, bibliography=MappingProxyType(fields), rows=tuple(rows), statements=said)
    return paper, tuple(problems)


def _row_faults(path: Path, place: str, table: Mapping[str, Any], row: Mapping[str, Any]) -> Iterator[Problem]:
    numbers = [name for name in row if name in METRICS]
    yield from _unknown(path, place, row, (*_ROW_KEYS, *_EXTRA, *METRICS))
    for name in ("source", "protocol", "caveats"):
        if not table.get(name):
            yield _fault(path, f"{place}: the table has no {name}.")
    if table.get("unit") not in ("", "%"):
        yield _fault(path, f'{place}: the table\'s unit is {table.get("unit")!r}; expected "" or "%".')
    if not row.get("method") or "method_id" not in row or not numbers:
        yield _fault(path, f"{place}: needs a method, a method_id (may be empty) and a number or `{NOT_TRANSCRIBED}`.")
    if bool(row.get("dataset")) == bool(row.get("data")) or row.get("dataset", "") not in ("", *DATASETS):
        yield _fault(path, f"{place}: needs a dataset of the benchmark, or else data in words.")
    if row.get("cohort") not in COHORTS or row.get("supervision") not in ("", *SUPERVISION):
        yield _fault(path, f"{place}: cohort or supervision is none of the known ones.")
    for name in (*numbers, *row.get("corrected", ())):
        for text in (row.get(name), row.get("corrected", {}).get(name, "0")):
            if not isinstance(text, str) or not (text in (*WORDS, "inf") or _NUMBER.fullmatch(text)):
                words = ", ".join(WORDS)
                yield _fault(path, f"{place}: {name} is {text!r}; expected a number as printed, inf, {words}.")
    if bool(row.get("corrected")) != bool(row.get("why")):
        yield _fault(path, f"{place}: corrected and why go together.")


def _row(paper: str, table: Mapping[str, Any], row: Mapping[str, Any]) -> ReportedRow:
    dataset, subset = row.get("dataset", ""), row.get("subset", "")
    parts = (table["source"], row["method"], dataset or row["data"], row["cohort"], subset)
    return ReportedRow(
        paper=paper,
        row=" · ".join(part for part in parts if part),
        method=row["method"],
        method_id=row["method_id"],
        supervision=row["supervision"],
        dataset=dataset,
        data=row.get("data", ""),
        cohort=row["cohort"],
        subset=subset,
        n=row.get("n"),
        unit_of_n=row.get("unit_of_n", "volumes") if row.get("n") else "",
        source=table["source"],
        protocol=table["protocol"],
        caveats=(*table["caveats"], *row.get("caveats", ())),
        metrics=MappingProxyType({name: _number(name, table, row) for name in METRICS if name in row}),
        same_protocol=bool(table.get("same_protocol", False)),
        training=row.get("training", ""),
        extra=MappingProxyType({name: row[name] for name in _EXTRA if name in row}),
    )


def _number(metric: str, table: Mapping[str, Any], row: Mapping[str, Any]) -> Reported:
    """Return a printed number as a fraction (from percent too), in mm, or as a count; corrected where it is wrong."""
    text = row[metric]
    right = row.get("corrected", {}).get(metric, text)
    scale = 0.01 if table["unit"] == "%" and METRICS[metric].unit in _FRACTIONS else 1.0
    if right in WORDS:
        return Reported(text=text)
    why = row["why"] if metric in row.get("corrected", {}) else ""
    if right == "inf":
        return Reported(text=text, value=math.inf, corrected=why)
    found = _NUMBER.fullmatch(right)
    if found is None:
        raise ValueError(right)  # told by _row_faults
    sd = found["sd"]
    places = 6  # printed with two to four decimals: the scaling leaves no more
    return Reported(
        text=text,
        value=round(float(found["value"]) * scale, places),
        sd=None if sd is None else round(float(sd) * scale, places),
        corrected=why,
    )


def _unknown(path: Path, place: str, table: Mapping[str, Any], known: tuple[str, ...]) -> list[Problem]:
    return [
        _fault(path, f"{place}: key {printable(name)!r} is not known. {did_you_mean(name, known)}")
        for name in table
        if name not in known
    ]


def _fault(path: Path, what: str) -> Problem:
    return Problem(where=f"{REPORTED}/{path.name}", what=what)
