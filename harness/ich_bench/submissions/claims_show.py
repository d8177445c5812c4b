"""The papers' claims with their verdicts as text, Markdown, LaTeX, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from ich_bench.board.latex import as_latex
from ich_bench.board.latex import escape as latex
from ich_bench.errors import UsageError, did_you_mean
from ich_bench.escape import cell
from ich_bench.submissions.claims import VERDICTS, Claim, PartResult, Result
from ich_bench.tables.layout import WRITERS, Block, Escape

FORMATS = ("table", "md", "csv", "latex", "json")
_BLANK = "–"
_COLUMNS = (
    *("claim", "source", "dataset", "drawn", "verdict", "test", "metric", "cohort", "comparison", "part_verdict", "n"),
    *("difference", "low", "high", "p", "detectable", "margin", "printed", "missing"),
)


def show_claims(results: Sequence[Result], format: str = "table") -> str:
    """Return the verdicts, one line a claim and dataset, then each claim with its parts; UsageError: no such format."""
    if format not in FORMATS:
        raise UsageError(f"there is no format {format!r}. {did_you_mean(format, FORMATS)}")
    if format == "json":
        return json.dumps([as_dict(result) for result in results], indent=2, ensure_ascii=False, allow_nan=False)
    if format == "csv":
        return _csv(results)
    write, escape = (as_latex, latex) if format == "latex" else WRITERS[format]
    heading = f"The papers' claims, tested again: {_counted(results)}"
    return write(escape(heading), [_overview(results, escape), *_claims(results, escape), _words(results, escape)])


def as_dict(result: Result) -> dict[str, Any]:
    """Return a verdict as plain values for strict JSON: undefined is None."""
    return {
        "claim": result.claim.id,
        "text": result.claim.text,
        "source": result.claim.source,
        "note": result.claim.note,
        "dataset": result.dataset,
        "drawn": result.drawn,
        "cohort": result.claim.cohort,
        "verdict": result.verdict,
        "without": {"case": result.left_out, "verdict": result.without} if result.without else None,
        "missing": list(result.missing),
        "parts": [_part(part) for part in result.parts],
    }


def _part(part: PartResult) -> dict[str, Any]:
    numbers = {name: getattr(part, name) for name in ("difference", "low", "high", "p", "detectable", "margin")}
    return {
        "test": part.part.test,
        "metric": part.part.metric,
        "comparison": part.part.text,
        "verdict": part.verdict,
        "n": part.n,
        **{name: value if math.isfinite(value) else None for name, value in numbers.items()},
        "printed": part.printed,
        "missing": list(part.missing),
    }


def _csv(results: Sequence[Result]) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for result in results:
        for part in result.parts:
            about = _part(part)
            line = {
                **{name: value for name, value in about.items() if name != "verdict"},
                "claim": result.claim.id,
                "source": result.claim.source,
                "dataset": result.dataset,
                "drawn": str(result.drawn).lower(),
                "verdict": result.verdict,
                "cohort": result.claim.cohort,
                "part_verdict": part.verdict,
                "missing": "; ".join(part.missing),
            }
            values = [line[name] for name in _COLUMNS]
            writer.writerow(["" if v is None else cell(v) if isinstance(v, str) else v for v in values])
    return written.getvalue()


def _counted(results: Sequence[Result]) -> str:
    found = [(verdict, sum(result.verdict == verdict for result in results)) for verdict in reversed(list(VERDICTS))]
    return ", ".join(f"{count} {verdict}" for verdict, count in found if count) or "none"


def _overview(results: Sequence[Result], escape: Escape) -> Block:
    rows = [
        (
            escape(result.claim.id),
            escape(result.dataset + (" (drawn)" if result.drawn else "")),
            escape(result.verdict + (" *" if result.without else "")),
        )
        for result in results
    ]
    return Block(header=("claim", "dataset", "verdict"), rows=tuple(rows))


def _claims(results: Sequence[Result], escape: Escape) -> Iterator[Block]:
    told: dict[str, list[Result]] = {}
    for result in results:
        told.setdefault(result.claim.id, []).append(result)
    for name, group in told.items():
        yield Block(rows=tuple((escape(a), escape(b)) for a, b in _claim(name, group[0].claim, group)))


def _claim(name: str, claim: Claim, group: Sequence[Result]) -> Iterator[tuple[str, str]]:
    yield "claim", name
    yield "says", claim.text
    yield "source", f"{claim.source}; cohort {claim.cohort}" + (f". {claim.note}" if claim.note else "")
    for result in group:
        for part in result.parts:
            if not part.missing:
                yield result.dataset, _told(part)
        if result.missing:
            yield result.dataset, f"no rows yet of {', '.join(result.missing)}"
        if result.without:
            yield result.dataset, f"* without {result.left_out} the verdict is: {result.without}"


def _told(part: PartResult) -> str:
    parts = [
        f"{part.part.metric}: {part.part.text}: {part.verdict}; difference {_number(part.difference)} "
        f"[{_number(part.low)}, {_number(part.high)}], n = {part.n}, p = {_p(part.p)}",
    ]
    if part.part.test == "same":
        parts.append(f"margin {part.margin:g}")
    else:
        parts.append(f"detectable {_number(part.detectable).lstrip('+')}")
    if part.printed is not None:
        parts.append(f"in the paper {_number(part.printed)}")
    return "; ".join(parts)


def _words(results: Sequence[Result], escape: Escape) -> Block:
    used = [verdict for verdict in VERDICTS if any(result.verdict == verdict for result in results)]
    return Block(rows=tuple((escape(verdict), escape(VERDICTS[verdict])) for verdict in used))


def _number(value: float) -> str:
    return _BLANK if math.isnan(value) else f"{value:+.3f}"


def _p(value: float) -> str:
    if math.isnan(value):
        return _BLANK
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"
