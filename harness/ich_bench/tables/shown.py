"""One finished run, read back: its summary, its worst cases, one case in numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from ich_bench.errors import IchBenchError, UsageError, did_you_mean
from ich_bench.runs import store
from ich_bench.tables import render
from ich_bench.tables.summary import summarise

FORMATS = ("table", "md", "csv", "json")


def score_files(out: Path) -> tuple[Path, ...]:
    """Return the score files of an output folder, or the file itself; IchBenchError where there is none."""
    found = (out,) if out.is_file() else tuple(sorted((out / "scores").glob("*.parquet")))
    if not found:
        below = sorted(path.parent.parent for path in out.glob("*/scores/*.parquet")) if out.is_dir() else []
        there = f" There are runs in {', '.join(str(path) for path in below)}." if below else ""
        raise IchBenchError(f"{out} holds no scores/<dataset>.parquet; `ich-bench evaluate` writes one.{there}")
    return found


def show(out: Path, *, case: str | None = None, format: str = "table") -> str:
    """Return a run as text: the summary, or every row with `csv`, or one case's rows with `case`."""
    if format not in FORMATS:
        raise UsageError(f"there is no format {format!r}. {did_you_mean(format, FORMATS)}")
    tables = [store.read_scores(path) for path in score_files(out)]
    if case is not None:
        tables = [_of_case(tables, case)]
    if format == "csv":
        return "".join(render.csv_rows(scores) for scores in tables)
    if case is not None:
        rows = tables[0]
        return json.dumps(render.json_rows(rows), indent=2) if format == "json" else render.case_table(rows, format)
    if format == "json":
        return json.dumps([summarise(scores).as_dict() for scores in tables], indent=2, allow_nan=False)
    return "\n".join(render.render(summarise(scores), format=format) for scores in tables)


def _of_case(tables: list[pa.Table], case: str) -> pa.Table:
    known: list[str] = []
    for scores in tables:
        ids = scores.column("case_id").to_pylist()
        if case in ids:
            return scores.filter(pa.array([one == case for one in ids]))
        known += ids
    raise UsageError(f"no case {case!r} in this run. {did_you_mean(case, sorted(set(known)))}")
