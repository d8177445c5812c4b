"""Boards for other programs: CSV with one number a line or one pair a line, JSON, and the CSV of challengeR."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ich_bench.board.across import Overview
from ich_bench.board.model import Board, CaseScores, Pairs, Row
from ich_bench.escape import cell
from ich_bench.metrics.suite import COLUMNS
from ich_bench.submissions.model import ReportedRow, Submission

STANDINGS = (
    "dataset", "scheme", "profile", "suite", "slug", "method", "team", "kind", "ranked", "reason", "badges", "chips",
    "cohort", "metric", "unit", "n", "mean", "sd", "median", "q1", "q3", "low", "high", "interval", "seed_sd", "rank",
    "rank_high", "better", "worse", "p_rank_one",
)  # fmt: skip
PAIRS = (
    "dataset", "scheme", "profile", "suite", "cohort", "metric", "n", "first", "second", "difference", "low", "high",
    "p", "p_max_t", "p_holm", "p_wilcoxon", "p_welch_independent_samples", "d_z", "mdd", "draws", "exact", "verdict",
)  # fmt: skip


def csv_standings(board: Board, rows: Sequence[Row]) -> str:
    """Return a line a row, cohort and metric, then the published numbers (kind "reported"), at full precision."""
    return written(STANDINGS, [*_standing_lines(board, rows), *_reported_lines(board)])


def _standing_lines(board: Board, rows: Sequence[Row]) -> Iterator[list[Any]]:
    about = [board.dataset, board.scheme, board.profile, board.suite]
    for row in rows:
        said = [row.slug, row.method, row.team, row.kind, row.ranked, row.reason]
        said += ["; ".join(row.badges), "; ".join(row.chips)]
        for cohort, standings in row.standings.items():
            for metric, one in standings.items():
                stat = one.stat
                yield [
                    *about, *said, cohort, metric, COLUMNS[metric].unit if metric in COLUMNS else "", stat.n,
                    stat.mean, stat.sd, stat.median, stat.q1, stat.q3, one.low, one.high, one.interval, stat.seed_sd,
                    one.rank, one.rank_high, one.better, one.worse, one.p_rank_one,
                ]  # fmt: skip


def _reported_lines(board: Board) -> Iterator[list[Any]]:
    for row in board.reported:
        for metric, found in row.metrics.items():
            unit = COLUMNS[metric].unit if metric in COLUMNS else ""
            said = [f"{row.paper}/{row.row}", row.method, "", "reported", False, "published number", row.source]
            start = [board.dataset, "", row.protocol, "", *said, "; ".join(row.caveats), row.cohort, metric, unit]
            value = [row.n, found.value if found.value is not None else found.text, found.sd]
            yield [*start, *value, *[None] * (len(STANDINGS) - len(start) - len(value))]


def csv_pairs(board: Board, rows: Sequence[Row], tested: Iterable[Pairs]) -> str:
    """Return a line a pair, metric and cohort; `verdict` says how the first fares against the second."""
    shown = {row.slug for row in rows}
    return written(PAIRS, (line for pairs in tested for line in _pair_lines(board, pairs, shown)))


def _pair_lines(board: Board, found: Pairs, shown: set[str]) -> Iterator[list[Any]]:
    better = found.better
    optional = (found.p_holm, found.wilcoxon_p, found.welch_p, found.d_z, found.mdd)
    for i, first in enumerate(found.slugs):
        for j in range(i + 1, len(found.slugs)):
            if first not in shown or found.slugs[j] not in shown:
                continue
            verdict = "better" if better[i, j] else "worse" if better[j, i] else "not separated"
            numbers = [one[i, j] for one in (found.difference, found.low, found.high, found.p, found.p_max_t)]
            numbers += [None if one is None else one[i, j] for one in optional]
            yield [
                *(board.dataset, board.scheme, board.profile, board.suite, found.cohort, found.metric, found.n),
                *(first, found.slugs[j]),
                *(None if one is None else float(one) for one in numbers),
                *(found.draws, found.exact, verdict),
            ]


def challenger(boards: Sequence[Board], metric: str, cohort: str) -> str:
    """Return the CSV that challengeR and rankings-reloaded read: Task, Case, Algorithm, MetricValue; ranked rows only.

    Undefined values are NA, which they count as missing. The direction is the caller's to tell them.
    """
    lines = []
    for board in boards:
        if metric not in board.scores.values:
            continue
        inside = np.flatnonzero(board.scores.of(cohort))
        for row in board.rows:
            if row.ranked:
                column = board.scores.values[metric][:, board.scores.slugs.index(row.slug)]
                for case in inside:
                    value = float(column[case])
                    known = value if math.isfinite(value) else "NA" if math.isnan(value) else "Inf"
                    lines.append([board.dataset, board.scores.cases[case], row.slug, known])
    return written(("Task", "Case", "Algorithm", "MetricValue"), lines)


def written(header: Iterable[str], lines: Iterable[Iterable[Any]]) -> str:
    """Return lines as CSV: undefined and unknown are empty, text cannot become a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in line] for line in lines)
    return out.getvalue()


def as_json(board: Board | Overview, rows: Sequence[Row] | None = None, *, with_pairs: bool = True) -> str:
    """Return a board or an overview as strict JSON: undefined is null, infinity "inf"; no paths of this machine.

    The scores of single cases are left out (`--format challenger` has them); `rows`: those to show.
    """
    return json.dumps(as_dict(board, rows, with_pairs=with_pairs), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_dict(board: Board | Overview, rows: Sequence[Row] | None = None, *, with_pairs: bool = True) -> dict[str, Any]:
    """Return a board or an overview as plain values."""
    if isinstance(board, Overview):
        told: dict[str, Any] = plain(dataclasses.replace(board, boards=()))
        return told | {"boards": [as_dict(one, with_pairs=with_pairs) for one in board.boards]}
    kept = board if rows is None else dataclasses.replace(board, rows=tuple(rows))
    made: dict[str, Any] = plain(kept if with_pairs else dataclasses.replace(kept, pairs={}))
    if not with_pairs:
        made.pop("pairs")
    return made


def plain(value: Any) -> Any:
    """Return plain values: dataclasses as objects, arrays as lists, (cohort, metric) as "cohort/metric"."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else f"{value}"
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Submission):
        return plain(value.manifest)
    if dataclasses.is_dataclass(value):
        kept = [field for field in dataclasses.fields(value) if not isinstance(getattr(value, field.name), CaseScores)]
        made = {field.name: plain(getattr(value, field.name)) for field in kept}
        return made | ({"kind": "reported"} if isinstance(value, ReportedRow) else {})
    if isinstance(value, Mapping):
        return {"/".join(key) if isinstance(key, tuple) else str(key): plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if isinstance(value, Path):
        return value.name
    raise TypeError(f"no plain value of {type(value).__name__}")


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return cell(value) if isinstance(value, str) else value
