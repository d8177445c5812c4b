"""What have papers printed about this dataset: tables of published numbers, a table a source and protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ich_bench.board import wording as say
from ich_bench.board.model import Board
from ich_bench.board.sections import Section
from ich_bench.submissions.model import Reported, ReportedRow

BADGE = "reported: as published, never tested or ranked against measured rows"


def reported(board: Board, cohort: str | None = None, metric: str | None = None) -> Iterator[Section]:
    """Yield the published numbers by source and protocol; those with a value on a cohort where one is named."""
    chosen = [row for row in board.reported if _fits(row, cohort, metric)]
    groups: dict[tuple[str, str, str], list[ReportedRow]] = {}
    for row in chosen:
        groups.setdefault((row.paper, row.source, row.protocol), []).append(row)
    for (_, source, protocol), rows in groups.items():
        yield _group(source, protocol, rows)
    hidden = len(board.reported) - len(chosen)
    if hidden:
        yield Section(title="", lines=(("reported", f"{hidden} more published row(s): --reported"),))


def _fits(row: ReportedRow, cohort: str | None, metric: str | None) -> bool:
    found = row.metrics.get(metric or "")
    return (cohort is None or row.cohort == cohort) and (
        metric is None or (found is not None and found.value is not None)
    )


def _group(source: str, protocol: str, rows: Sequence[ReportedRow]) -> Section:
    metrics = list(dict.fromkeys(metric for row in rows for metric in row.metrics))
    places = [(row.subset or row.cohort, say.BLANK if row.n is None else str(row.n)) for row in rows]
    alike = len(rows) > 1 and len(set(places)) == 1  # said once, below: the table is narrower by two columns
    lines = tuple(
        (row.method, *(() if alike else place), *(printed(row.metrics.get(metric), metric) for metric in metrics))
        for row, place in zip(rows, places, strict=True)
    )
    told = [("badge", BADGE), *([("on", f"{places[0][0]} (n = {places[0][1]})")] if alike else ())]
    told += [("protocol", protocol)]
    told += [("caveat", caveat) for caveat in dict.fromkeys(caveat for row in rows for caveat in row.caveats)]
    corrected = dict.fromkeys(found.corrected for row in rows for found in row.metrics.values() if found.corrected)
    told += [("corrected", what) for what in corrected]
    return Section(
        title=f"reported: {source}",
        header=("method", *(() if alike else ("on", "n")), *metrics),
        rows=lines,
        lines=tuple((label, said) for label, said in told if said),
    )


def printed(found: Reported | None, metric: str) -> str:
    """Return a published number as boards write it, "–" for none, or the word for why it could not be had."""
    if found is None:
        return say.BLANK
    if found.value is None:
        return say.together(found.text)
    spread = "" if found.sd is None else f" ± {say.number(found.sd, metric)}"
    return say.together(f"{say.number(found.value, metric)}{spread}")
