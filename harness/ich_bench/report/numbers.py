"""What do the tables of a report say of one board: overlap, ranks, pairs, labels, published rows, provenance?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from ich_bench.board import sections
from ich_bench.board import wording as say
from ich_bench.board.model import Board, Pairs, Row
from ich_bench.metrics.profiles import PROFILES
from ich_bench.report.labelled import by_supervision, declared
from ich_bench.report.tables import BLANK, Table
from ich_bench.report.tables import Row as Line
from ich_bench.submissions.model import LABELS

OVERLAP = ("dice", "precision", "recall")
MOST_PAIRS = 66  # pairs of twelve methods; a longer list is not read
_KIND = {"calibration": "calibration", "ceiling": "noise ceiling"}


def badges_of(row: Row) -> tuple[str, ...]:
    """Return the short words that stand beside a row's name in every table."""
    kind = (_KIND[row.kind],) if row.kind in _KIND else ()
    return (*kind, *(("not ranked",) if row.kind == "measured" and not row.ranked else ()))


def cohorts_of(board: Board) -> tuple[str, ...]:
    """Return the cohorts that a table of overlap shows: `all` too where it differs from `ich` and was scored."""
    ich = board.scores.has_ich
    on_all = any(row.standing("all", "dice") is not None for row in board.rows)
    return tuple(name for name, shown in (("ich", ich.any()), ("all", on_all and not ich.all())) if shown)


def epsilon(board: Board) -> str:
    """Return how the scores were smoothed, as captions say it: "ε = 1 voxel"."""
    value = PROFILES[board.profile].epsilon
    return f"ε = {value:g} voxel" if value else "no ε"


def overlap(board: Board, names: Mapping[str, str]) -> Table:
    """Return Spahr 2023, Table 3: mean ± SD of the overlap metrics per method, on `ich` and on `all`."""
    cohorts = cohorts_of(board)
    columns = [(cohort, metric) for cohort in cohorts for metric in OVERLAP if metric in board.scores.values]
    lines = [
        Line(
            name=names[row.slug],
            badges=badges_of(row),
            quiet=row.kind != "measured",
            cells=tuple(
                BLANK if (found := row.standing(*column)) is None else say.spread(found.stat, column[1])
                for column in columns
            ),
            best=frozenset(at for at, column in enumerate(columns) if row.slug in _best(board, *column)),
        )
        for row in (*by_supervision(board.measured), *(row for row in board.rows if row.kind != "measured"))
    ]
    counted = {"ich": f"ich: {int(board.scores.has_ich.sum())} volumes with hemorrhage",
               "all": f"all: {len(board.scores.cases)} volumes"}  # fmt: skip
    return Table(
        name=f"{_slug(board)}-overlap",
        title=f"Overlap on {board.dataset}",
        caption=(
            f"Mean ± SD over volumes ({epsilon(board)}), each volume once, pooled over the test folds of "
            f"{board.scheme}; "
            f"{'; '.join(counted[cohort] for cohort in cohorts)}. Methods from the fewest labels to the most, as in "
            "Spahr 2023, Table 3. Bold: the highest mean of a measured method, which is no test."
        ),
        header=("method", *(f"{metric}, {cohort}" for cohort, metric in columns)),
        rows=tuple(lines),
    )


def published_overlap(board: Board) -> Table | None:
    """Return the published overlap metrics, a line a method and source; None where none could be taken over."""
    cohorts = ("ich", "all")
    lines: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    for one in board.reported:
        for metric in OVERLAP:
            if one.cohort in cohorts and metric in one.metrics and one.metrics[metric].value is not None:
                cells = lines.setdefault((one.method, one.source), {})
                cells.setdefault((one.cohort, metric), one.metrics[metric].text)
    columns = [(cohort, metric) for cohort in cohorts for metric in OVERLAP]
    columns = [column for column in columns if any(column in cells for cells in lines.values())]
    if not columns:
        return None
    return Table(
        name=f"{_slug(board)}-published-overlap",
        title=f"Published overlap on {board.dataset}",
        caption="As printed, in per cent or as fractions, each under its own protocol (it stands, with its caveats, "
        "under Published numbers). Never ranked, never tested against measured rows.",
        header=("method", *(f"{metric}, {cohort}" for cohort, metric in columns), "source"),
        rows=tuple(
            Line(name=method, badges=("reported",), quiet=True,
                 cells=(*(cells.get(column, BLANK) for column in columns), source))
            for (method, source), cells in lines.items()
        ),
        words=frozenset({len(columns)}),
    )  # fmt: skip


def _best(board: Board, cohort: str, metric: str) -> frozenset[str]:
    means = {row.slug: found.stat.mean for row in board.measured if (found := row.standing(cohort, metric))}
    known = [round(mean, 12) for mean in means.values() if not math.isnan(mean)]
    if len(known) < 2:
        return frozenset()
    return frozenset(slug for slug, mean in means.items() if round(mean, 12) == max(known))


def standings(board: Board, names: Mapping[str, str]) -> Table:
    """Return who stands where: rank with its interval, Dice with its interval, and what stands beside."""
    lines = []
    for row in board.rows:
        dice, nsd = row.standing("ich", "dice"), row.standing("ich", "nsd_2mm")
        cells = [say.rank(dice), BLANK, BLANK, BLANK, say.share(row.detected), row.reason or BLANK]
        if dice is not None:
            cells[1:3] = [say.spread(dice.stat, "dice"), say.interval(dice.low, dice.high, "dice")]
        if nsd is not None:
            cells[3] = say.number(nsd.stat.mean, "nsd_2mm")
        lines.append(Line(name=names[row.slug], badges=row.badges, quiet=row.kind != "measured", cells=tuple(cells)))
    n = int(board.scores.has_ich.sum())
    return Table(
        name=f"{_slug(board)}-ranks",
        title=f"Ranks on {board.dataset}",
        caption=(
            f"By mean Dice on ich (n = {n}). Rank: 1 + the methods that are significantly better; in brackets the "
            f"ranks that the data do not exclude (paired sign-flip test, step-down max-T, K = {board.ranked}, "
            f"{board.draws:,} sign vectors). NSD at 2 mm; detected: at least 10 % of the reference covered, with "
            "Wilson's 95 % interval."
        ),
        header=("method", "rank", "Dice, mean ± SD", "95 % of mean", "NSD 2 mm", "detected", "why not ranked"),
        rows=tuple(lines),
        words=frozenset({5}),
    )


def pairs(board: Board, found: Pairs, names: Mapping[str, str]) -> Table:
    """Return every pair of ranked methods; beyond MOST_PAIRS, the first method against each other one."""
    count = len(found.slugs)
    places = [(one, other) for one in range(count) for other in range(one + 1, count)]
    short = len(places) > MOST_PAIRS
    lines = []
    for one, other in places[: count - 1] if short else places:
        mdd = BLANK if found.mdd is None else say.number(float(found.mdd[one, other]))
        d_z = BLANK if found.d_z is None else say.number(float(found.d_z[one, other]), sign=True)
        lines.append(
            Line(
                name=f"{names[found.slugs[one]]} – {names[found.slugs[other]]}",
                cells=(
                    say.number(float(found.difference[one, other]), found.metric, sign=True),
                    say.interval(float(found.low[one, other]), float(found.high[one, other]), found.metric, sign=True),
                    say.p_value(float(found.p_max_t[one, other])),
                    say.p_value(float(found.welch_p[one, other])),
                    d_z,
                    mdd,
                ),
            )
        )
    less = f" Only the pairs of the first method are listed, of {len(places)}." if short else ""
    return Table(
        name=f"{_slug(board)}-pairs-{found.cohort}-{found.metric}",
        title=f"Pairs of methods on {board.dataset}, {found.metric} on {found.cohort}",
        caption=(
            f"Mean difference (first minus second) over the same {found.n} volumes with its paired 95 % t interval; "
            f"p by the paired max-T test, corrected over all {len(places)} pairs; p by Welch, uncorrected, "
            "which treats the volumes as independent samples; Cohen's d_z; the difference that one pair would need "
            f"to be found with 80 % power (MDD). Not significant is not equal.{less}"
        ),
        header=("pair", "difference", "95 %", "p, max-T", "p, Welch", "d_z", "MDD"),
        rows=tuple(lines),
    )


def labels_needed(rows: Sequence[Row], names: Mapping[str, str]) -> Table:
    """Return Spahr 2023, Table 2: which labels each method needs, from its manifest."""
    used = [label for label in LABELS if any(label in row.labels for row in rows)] or ["voxel"]
    lines = []
    for row in by_supervision([row for row in rows if row.kind == "measured"]):
        ticks = ["✓" if label in row.labels else "" if row.labels else BLANK for label in used]
        lines.append(Line(name=names[row.slug], cells=(declared(row) or BLANK, *ticks, row.regime or BLANK)))
    meant = "; ".join(f"{label}: {LABELS[label]}" for label in used)
    return Table(
        name="labels-needed",
        title="Labels that each method needs",
        caption="As the methods' manifests declare, from the fewest labels to the most (Spahr 2023, Table 2). "
        f"{meant}. A tick: needed; {BLANK}: not declared.",
        header=("method", "supervision", *used, "regime"),
        rows=tuple(lines),
        words=frozenset({0, len(used) + 1}),
    )


def reported_rows(board: Board) -> tuple[Table | str, ...]:
    """Return the published numbers in full, as printed with their source; then each protocol and its caveats, once."""
    told = ["; ".join(part for part in (one.protocol, *one.caveats) if part) for one in board.reported]
    marks = {said: str(place) for place, said in enumerate(dict.fromkeys(filter(None, told)), start=1)}
    lines = [
        Line(
            name=one.method,
            badges=("reported",),
            cells=(
                one.subset or one.cohort,
                BLANK if one.n is None else f"{one.n} {one.unit_of_n}".strip(),
                ", ".join(f"{metric} {found.text}" for metric, found in one.metrics.items()),
                one.source,
                marks.get(said, BLANK),
            ),
        )
        for one, said in zip(board.reported, told, strict=True)
    ]
    table = Table(
        name=f"{_slug(board)}-reported",
        title=f"Published numbers on {board.dataset}",
        caption="As printed, each under its own protocol. Never ranked, never tested against measured rows. "
        "The protocols and their caveats follow, by number.",
        header=("method", "on", "n", "numbers", "source", "protocol"),
        rows=tuple(lines),
        words=frozenset({0, 2, 3}),
    )
    return (table, *(f"Protocol {mark}: {said}" for said, mark in marks.items()))


def beside(board: Board, names: Mapping[str, str], parts: Sequence[str]) -> Iterator[Table]:
    """Yield the board's own further tables (strata, detection, seeds, …) under the names of this report."""
    called = {say.name(row): names[row.slug] for row in board.rows} | dict(names)
    for number, section in enumerate(sections.parts(board, board.measured, parts)):
        if section.rows:
            title, _, rest = section.title.partition(": ")
            told = [rest, *(f"{label}: {said}" for label, said in section.lines)]
            yield Table(
                name=f"{_slug(board)}-{'-'.join(parts)}-{number}",
                title=f"{title[:1].upper()}{title[1:]}, {board.dataset}",
                caption=" ".join(f"{one[:1].upper()}{one[1:]}." for one in told if one),
                header=section.header,
                rows=tuple(Line(name=called.get(row[0], row[0]), cells=tuple(row[1:])) for row in section.rows),
            )


def provenance(board: Board, version: str) -> Table:
    """Return what these numbers were made with, and from."""
    facts = [
        ("suite, profile", f"{board.suite}, {board.profile}"),
        ("folds", f"{board.scheme}, SHA-256 {board.fold_sha256 or BLANK}"),
        ("references", f"SHA-256 {board.dataset_sha256 or BLANK}"),
        ("volumes", f"{len(board.scores.cases)} scored of {board.cases}; {int(board.scores.has_ich.sum())} with ICH"),
        ("ranked methods (K)", str(board.ranked)),
        ("sign vectors", f"{board.draws:,}, drawn from seed {board.seed}"),
        ("ich-bench", version),
    ]
    return Table(
        name=f"{_slug(board)}-provenance",
        title=f"What the numbers of {board.dataset} were made with",
        caption="The same score files give the same page, byte for byte, under the same versions of the libraries.",
        header=("what", "value"),
        rows=tuple(Line(name=name, cells=(value,)) for name, value in facts),
        words=frozenset({0}),
    )


def _slug(board: Board) -> str:
    return f"{board.dataset}-{board.scheme}"
