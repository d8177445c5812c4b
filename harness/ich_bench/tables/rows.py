"""Score rows and single numbers for other programs: CSV and JSON; and one case as a list."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from ich_bench.escape import cell, markdown, printable
from ich_bench.metrics.suite import COLUMNS
from ich_bench.tables.describe import Agreement, Share, Stat
from ich_bench.tables.summary import RunSummary, Summary

_NUMBERS = ("n", "mean", "sd", "median", "q1", "q3", "p95", "seed_sd", "count", "share", "low", "high")
_HEADER = (
    "submission",
    "dataset",
    "scheme",
    "budget",
    "profile",
    "suite",
    "status",
    "part",
    "quantity",
    "unit",
    *_NUMBERS,
)


def csv_rows(scores: pa.Table) -> str:
    """Return every row of a score table as CSV; undefined and unknown are empty cells, numbers at full precision."""
    return _csv(scores.column_names, (row.values() for row in scores.to_pylist()))


def json_rows(scores: pa.Table) -> list[dict[str, Any]]:
    """Return every row as plain values for strict JSON: NaN is None, infinity "inf"."""
    return [{name: _strict(value) for name, value in row.items()} for row in scores.to_pylist()]


def case_table(scores: pa.Table, format: str = "table") -> str:
    """Return the rows of one case as a list of names and values, one column a row; `table` or `md`."""
    names = [name for name in scores.column_names if name != "prediction_sha256"]
    columns = [[_shown(name, value) for value in scores.column(name).to_pylist()] for name in names]
    lines = [[name + _unit(name), *values] for name, values in zip(names, columns, strict=True)]
    if format == "md":
        heads = ["| |" + " |" * scores.num_rows, "|---|" + "---:|" * scores.num_rows]
        return "\n".join(heads + ["| " + " | ".join(map(markdown, line)) + " |" for line in lines]) + "\n"
    widths = [max(len(line[column]) for line in lines) for column in range(scores.num_rows + 1)]
    padded = ("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines)
    return "\n".join(padded) + "\n"


def csv_summary(summary: Summary) -> str:
    """Return a summary as CSV, one line a number with its n: cohorts, strata, folds, sensitivity lines."""
    lines = []
    for run in summary.runs:
        about = (
            run.submission,
            summary.dataset,
            run.scheme,
            run.budget,
            summary.profile,
            summary.suite,
            summary.status,
        )
        for part, quantity, unit, numbers in _quantities(run):
            lines.append((*about, part, quantity, unit, *(numbers.get(name) for name in _NUMBERS)))
    return _csv(_HEADER, lines)


def _quantities(run: RunSummary) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    for cohort in run.cohorts:
        yield from _metrics(cohort.name, cohort.metrics)
        for quantity in ("precision_nonempty", "detected", "clean", "sensitivity", "specificity", "same_side_of_30_ml"):
            found: Stat | Share | None = getattr(cohort, quantity)
            if found is not None:
                yield cohort.name, quantity, "" if isinstance(found, Stat) else "share", vars(found)
        yield cohort.name, "empty_predictions", "count", {"n": cohort.predictions, "count": cohort.empty}
        yield cohort.name, "missing", "count", {"n": cohort.predictions, "count": cohort.missing}
        if cohort.false_positives is not None:
            wrong = cohort.false_positives
            yield cohort.name, "false_positive", "mL", {"n": wrong.n, "median": wrong.median_ml, "p95": wrong.p95_ml}
        if cohort.volume_agreement is not None:
            yield from _agreement(cohort.name, cohort.volume_agreement)
    for stratum in run.strata:
        yield from _metrics(f"ich, {stratum.name}", stratum.metrics)
    for fold in run.folds:
        yield f"ich, fold {fold.fold}", "dice", "", {"n": fold.n, "mean": fold.dice}
    for line in run.sensitivity:
        yield f"ich without {line.left_out}", line.metric, COLUMNS[line.metric].unit, vars(line.without)
    if run.pooled is not None:
        yield "ich", "pooled_dice", "", {"n": run.pooled.runs, "mean": run.pooled.dice}
        yield "ich", "pooled_jaccard", "", {"n": run.pooled.runs, "mean": run.pooled.jaccard}


def _metrics(part: str, metrics: Mapping[str, Stat]) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    for name, stat in metrics.items():
        yield part, name, COLUMNS[name].unit, vars(stat)


def _agreement(part: str, found: Agreement) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    limits = {"n": found.n, "mean": found.bias_ml, "low": found.low_ml, "high": found.high_ml}
    yield part, "volume_bias", "mL", limits
    yield part, "volume_concordance", "", {"n": found.n, "mean": found.concordance}


def _csv(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_csv_cell(value) for value in row] for row in rows)
    return written.getvalue()


def _csv_cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return cell(value) if isinstance(value, str) else value


def _strict(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _shown(name: str, value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "detected":
        return "yes" if value == 1 else "no"
    return f"{value:.6g}" if isinstance(value, float) else printable(str(value))


def _unit(name: str) -> str:
    unit = COLUMNS[name].unit if name in COLUMNS else ""
    return f" ({unit})" if unit == "mm" else ""
