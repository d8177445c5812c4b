"""A board as text: the terminal, Markdown, LaTeX, CSV, JSON, challengeR."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType

from ich_bench.board import flat, printed, sections
from ich_bench.board import wording as say
from ich_bench.board.across import Overview
from ich_bench.board.build import measured_on
from ich_bench.board.latex import as_latex
from ich_bench.board.latex import escape as latex
from ich_bench.board.model import COHORTS, PRIMARY, Board, Row
from ich_bench.board.sections import PARTS, Section
from ich_bench.errors import UsageError, did_you_mean
from ich_bench.escape import printable
from ich_bench.metrics.suite import COLUMNS
from ich_bench.tables.layout import NO_BREAK, WRITERS, Block, Escape, Write

TEXTS: Mapping[str, tuple[Write, Escape]] = MappingProxyType({**WRITERS, "latex": (as_latex, latex)})
FORMATS = (*TEXTS, "csv", "json", "challenger")


def show(
    board: Board,
    *,
    format: str = "table",
    cohort: str = PRIMARY[0],
    metric: str = PRIMARY[1],
    parts: Collection[str] = (),
    pairs: bool = False,
    only: Sequence[str] = (),
) -> str:
    """Return a board as text.

    Args:
        board: From `leaderboard`.
        format: One of FORMATS: 80 columns, `md`, `latex` (booktabs), `csv` (one number a line; one pair a line with
            `pairs`), `json`, `challenger` (Task, Case, Algorithm, MetricValue).
        cohort: `ich`, `all` or `healthy`, of the main table.
        metric: The metric of the main table.
        parts: Which of PARTS to add; "reported" for all published numbers, not just those of the main table.
        pairs: Add every pair of methods.
        only: Show only rows with one of these in slug, method or team, or as supervision or regime. No rank changes.

    UsageError for an unknown format, cohort, metric or part.
    """
    _check(board, format, cohort, metric, parts)
    rows = chosen(board, only)
    if format == "json":
        return flat.as_json(board, rows, with_pairs=pairs)
    if format == "challenger":
        return flat.challenger([board], metric, cohort)
    if format == "csv":
        asked = {(cohort, metric)} if (cohort, metric) != PRIMARY else set(board.pairs)
        tested = [found for key, found in board.pairs.items() if key in asked]
        return flat.csv_pairs(board, rows, tested) if pairs else flat.csv_standings(board, rows)
    hidden = [f"{len(rows)} of {len(board.rows)} rows shown; ranks are those of the whole board."] if only else []
    made = list(_sections(board, rows, cohort, metric, parts, pairs=pairs))
    closing = Section(title="", lines=tuple(("note", note) for note in (*hidden, *board.notes)))
    return text(heading(board), [*made, closing], format)


def heading(board: Board) -> str:
    """Return dataset, folds, profile, suite and hashes, then the banner."""
    count = f"{board.cases} cases, {board.with_ich} with ICH"
    about = f"{board.dataset} · {board.scheme} · profile {board.profile} · suite {board.suite} · {count}"
    ranked = (
        f"{board.ranked} ranked · folds {board.fold_sha256[:12]} · references {board.dataset_sha256[:12] or say.BLANK}"
    )
    return "\n".join([about, ranked, *([board.banner] if board.banner else [])])


def chosen(board: Board, only: Sequence[str]) -> tuple[Row, ...]:
    """Return the rows to show; their ranks stay those of the whole board."""
    if not only:
        return board.rows
    wanted = [one.casefold() for one in only]
    return tuple(row for row in board.rows if any(_is(row, word) for word in wanted))


def _is(row: Row, word: str) -> bool:
    named = any(word in told.casefold() for told in (row.slug, row.method, row.team))
    return named or word in (row.supervision.casefold(), row.regime.casefold())


def show_overview(found: Overview, *, format: str = "table", metric: str = PRIMARY[1], cohort: str = PRIMARY[0]) -> str:
    """Return what there is on every dataset, the macro-mean and train × test; UsageError for an unknown format."""
    check_format(format)
    if format == "json":
        return flat.as_json(found, with_pairs=False)
    if format == "challenger":
        return flat.challenger(found.boards, metric, cohort)
    if format == "csv":
        tables = [flat.csv_standings(board, board.rows) for board in found.boards]
        return tables[0] + "".join(table.split("\n", 1)[1] for table in tables[1:])
    return text("All datasets", list(_overview(found)), format)


def text(title: str, parts: Sequence[Section], format: str) -> str:
    """Return a heading and sections in one of TEXTS, everything escaped for it."""
    write, escape = TEXTS[format]
    head = "\n".join(escape(line) for line in title.split("\n"))
    written = [write(head, ())]
    for part in parts:
        blocks = [
            Block(header=_escaped(part.header, escape), rows=tuple(_escaped(row, escape) for row in part.rows)),
            Block(rows=tuple(_escaped(line, escape) for line in part.lines)),
        ]
        if part.rows or part.lines:
            written.append(write(escape(part.title), blocks if part.rows else blocks[1:]))
    start = "% \\usepackage{booktabs}, \\usepackage[T1]{fontenc}\n" if format == "latex" else ""
    return start + "\n".join(one.rstrip("\n") + "\n" for one in written)


def _sections(
    board: Board, rows: Sequence[Row], cohort: str, metric: str, parts: Collection[str], *, pairs: bool
) -> Iterator[Section]:
    measured = [row for row in rows if row.kind == "measured"]
    if measured:
        yield sections.standings(board, measured, cohort, metric)
        yield sections.about_rows(board, measured)
    if len(measured) < len(rows):
        yield sections.extra_rows(board, [row for row in rows if row.kind != "measured"], cohort, metric)
    if pairs:
        yield sections.pairs(board, rows, cohort, metric)
    yield from sections.parts(board, measured, parts)
    everything = "reported" in parts or not measured
    yield from printed.reported(board) if everything else printed.reported(board, cohort, metric)


def _overview(found: Overview) -> Iterator[Section]:
    lines = []
    for board in found.boards:
        first = [row.slug for row in board.measured if (one := row.standing(*PRIMARY)) and one.rank == 1]
        best = f"{first[0]}{f' (tie of {len(first)})' if len(first) > 1 else ''}" if first else say.BLANK
        lines.append((board.dataset, str(board.cases), str(board.ranked), str(len(board.measured) - board.ranked),
                      str(len(board.reported)), best))  # fmt: skip
    yield Section(
        title="",
        header=("dataset", "cases", "ranked", "unranked", "reported", "rank 1, dice on ich"),
        rows=tuple(lines),
    )
    yield Section(
        title="mean of the means of dice on ich over the real datasets (no rank is drawn from it)",
        header=("method", "macro-mean"),
        rows=tuple((one.slug, say.number(one.mean)) for one in found.macro),
    )
    tested = dict.fromkeys(one.tested_on for one in found.transfers)
    pairs = dict.fromkeys((one.slug, one.trained_on) for one in found.transfers)
    cells = {(one.slug, one.trained_on, one.tested_on): one.dice.stat for one in found.transfers}
    yield Section(
        title="dice on ich by what a method was trained on (rows) and tested on (columns)",
        header=("method, trained on", *tested),
        rows=tuple(
            (
                f"{slug}, {trained}",
                *(
                    say.number(cells[slug, trained, on].mean) if (slug, trained, on) in cells else say.BLANK
                    for on in tested
                ),
            )
            for slug, trained in pairs
        ),
    )
    notes = [("note", note) for note in found.notes]
    notes.append(
        ("note", "ich-bench leaderboard DATASET shows one board; a measured row needs someone who holds the data.")
    )
    yield Section(title="", lines=tuple(notes))


def check_format(format: str) -> None:
    """Raise UsageError with the known formats where this is none."""
    if format not in FORMATS:
        raise UsageError(f"there is no format {printable(format)!r}. {did_you_mean(format, FORMATS)}")


def check_cohort(cohort: str, metric: str) -> None:
    """Raise UsageError where there is no such cohort, or where it has no such metric."""
    if cohort not in COHORTS:
        raise UsageError(f"there is no cohort {printable(cohort)!r}. {did_you_mean(cohort, COHORTS)}")
    known = (*COLUMNS, "clean", "precision_nonempty")
    if metric not in known:
        raise UsageError(f"there is no metric {printable(metric)!r}. {did_you_mean(metric, known)}")
    if not measured_on(metric, cohort):
        fitting = [name for name in COHORTS if measured_on(metric, name)]
        raise UsageError(
            f"{metric} is not summed up on {cohort}, only on {', '.join(fitting)}: name one with --cohort."
        )


def _check(board: Board, format: str, cohort: str, metric: str, parts: Collection[str]) -> None:
    check_format(format)
    check_cohort(cohort, metric)
    if metric not in board.scores.values:
        told = did_you_mean(metric, board.scores.values)
        raise UsageError(f"profile {board.profile} has no metric {printable(metric)!r}. {told}")
    for part in parts:
        if part not in (*PARTS, "reported"):
            raise UsageError(f"a board has no part {printable(part)!r}. {did_you_mean(part, [*PARTS, 'reported'])}")


def _escaped(cells: Sequence[str], escape: Escape) -> tuple[str, ...]:
    return tuple(NO_BREAK.join(escape(part) for part in one.split(NO_BREAK)) for one in cells)
