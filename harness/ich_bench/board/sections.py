"""The parts of a board as tables of words: standings, what stands beside, published rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ich_bench.board import wording as say
from ich_bench.board.model import PRIMARY, Board, Row
from ich_bench.board.words import shared_warnings
from ich_bench.metrics.suite import COLUMNS


@dataclass(frozen=True, kw_only=True)
class Section:
    """A titled table (`header` and `rows`), then lines of text, each a label and what it says. Nothing is escaped."""

    title: str
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[tuple[str, str], ...] = ()


def standings(board: Board, rows: Sequence[Row], cohort: str, metric: str) -> Section:
    """Return the board proper: rank, metric with interval, and what stands beside it."""
    beside = [name for name in ("dice", "nsd_2mm") if name != metric and name in board.scores.values]
    healthy = any(row.clean and row.clean.n for row in rows)
    lines = []
    for row in rows:
        standing = row.standing(cohort, metric)
        if standing is None:
            continue
        cells = [say.rank(standing), say.spread(standing.stat, metric)]
        cells.append(say.interval(standing.low, standing.high, metric))
        for name in beside[:1]:
            other = row.standing(cohort, name)
            cells.append(say.BLANK if other is None else say.number(other.stat.mean, name))
        if healthy:
            cells.append(say.BLANK if row.clean is None or not row.clean.n else say.number(row.clean.share))
        cells.append(say.number(standing.p_rank_one) if standing.p_rank_one == standing.p_rank_one else say.BLANK)
        lines.append((say.name(row), *cells))
    heads = [say_name(metric), "95 % of mean", *beside[:1], *(["clean"] if healthy else []), "P(1)"]
    n = int(board.scores.of(cohort).sum())
    return Section(title=f"{metric} on {cohort} (n = {n})", header=("method", "rank", *heads), rows=tuple(lines))


def say_name(metric: str) -> str:
    """Return a metric with its unit and how it is summed up."""
    if metric not in COLUMNS:
        return metric
    about = COLUMNS[metric]
    if metric.endswith("_ml"):  # a long name that says its unit; the table's title has it
        return "median mL" if about.summary == "median" else "mL"
    unit = f" {about.unit}" if about.unit in ("mm", "mL") else ""
    return f"median {metric}{unit}" if about.summary == "median" else f"{metric}{unit}"


def about_rows(board: Board, rows: Sequence[Row]) -> Section:
    """Return a line a row: method and team, badges, why it is not ranked, warnings."""
    lines = []
    shared = shared_warnings(board.measured)
    for row in rows:
        parts = [row.method if row.method != row.slug else "", row.team]
        parts += [*row.badges, f"{row.earlier} earlier submission(s)" if row.earlier else ""]
        parts += [f"{say.percent(row.empty_share)} % of the masks on ich are empty" if row.empty_share > 0 else ""]
        parts += [f"not ranked: {row.reason}" if row.reason and row.kind == "measured" else ""]
        parts += [f"! {chip}" for chip in row.chips] + [
            f"! {warning}" for warning in row.warnings if warning not in shared
        ]
        said = " · ".join(part for part in parts if part)
        if said:
            lines.append((row.slug, said))
    return Section(title="", lines=tuple(lines))


def extra_rows(board: Board, rows: Sequence[Row], cohort: str, metric: str) -> Section:
    """Return the calibration and ceiling rows, which have no rank."""
    lines = []
    for row in rows:
        standing = row.standing(cohort, metric)
        if standing is not None:
            clean = say.BLANK if row.clean is None else say.number(row.clean.share)
            lines.append((row.slug, row.kind, say.spread(standing.stat, metric), clean))
    return Section(
        title="for orientation, never ranked", header=("row", "kind", say_name(metric), "clean"), rows=tuple(lines)
    )


def healthy(board: Board, rows: Sequence[Row]) -> Section:
    """Return what each row does on healthy heads; false-positive mL where volumes are known here."""
    lines = [
        (
            say.name(row),
            say.share(row.clean),
            *(
                (say.BLANK, say.BLANK)
                if row.false_positives is None
                else (
                    say.number(row.false_positives.median_ml, "volume_pred_ml"),
                    say.number(row.false_positives.p95_ml, "volume_pred_ml"),
                )
            ),
        )
        for row in rows
        if row.clean is not None and row.clean.n
    ]
    return Section(
        title="healthy heads: left clean (95 % Wilson); predicted mL, median and 95th percentile. No rank here",
        header=("method", "clean", "median mL", "p95 mL"),
        rows=tuple(lines),
    )


def detection(board: Board, rows: Sequence[Row]) -> Section:
    """Return detected hemorrhages, sensitivity and specificity of patients, the 30 mL decision."""
    lines = [
        (say.name(row), say.share(row.detected), _short(row, "sensitivity"), _short(row, "specificity"),
         _short(row, "same_side_of_30_ml"))
        for row in rows
        if row.detected is not None and row.detected.n
    ]  # fmt: skip
    return Section(
        title="detected: at least 10 % of the reference covered (95 % Wilson); % of patients; right side of 30 mL",
        header=("method", "detected", "sens.", "spec.", "30 mL"),
        rows=tuple(lines),
    )


def _short(row: Row, what: str) -> str:
    found = getattr(row, what)
    if found is None or not found.n:
        return say.BLANK
    return say.together(f"{say.percent(found.share)} [{say.percent(found.low)}–{say.percent(found.high)}]")


def strata(board: Board, rows: Sequence[Row]) -> Iterator[Section]:
    """Yield a table a kind of stratum: mean dice of each row in each part of `ich`."""
    kinds = dict.fromkeys(stratum.by for stratum in board.strata)
    for by in kinds:
        parts = [stratum for stratum in board.strata if stratum.by == by]
        if parts[0].unknown:
            yield Section(title=f"dice by {by}", lines=((by, parts[0].unknown),))
            continue
        lines = [
            (say.name(row), *(say.number(part.rows[row.slug]["dice"].mean) for part in parts))
            for row in rows
            if row.slug in parts[0].rows
        ]
        heads = [f"{part.name} (n={part.volumes})" for part in parts]
        yield Section(title=f"mean dice on ich by {by}", header=("method", *heads), rows=tuple(lines))


def schemes(board: Board, rows: Sequence[Row]) -> Iterator[Section]:
    """Yield the ranks under every scheme, then Kendall's τ-b between them."""
    found = board.schemes
    if found is None:
        return
    letters = {name: chr(ord("A") + place) for place, name in enumerate(found.names)}
    lines = [
        (say.name(row), *(f"{found.ranks[name][row.slug]:g}" for name in found.names))
        for row in rows
        if row.slug in found.ranks[found.names[0]]
    ]
    told = [(f"{letters[name]} {name}", found.about[name]) for name in found.names]
    told += [(name, f"not here: {why}") for name, why in found.missing.items()]
    yield Section(title="ranks under other schemes", header=("method", *letters.values()), rows=tuple(lines))
    matrix = [
        (f"{letters[one]} {one}", *(say.number(float(value)) for value in found.tau[place]))
        for place, one in enumerate(found.names)
    ]
    yield Section(
        title="Kendall's τ-b between schemes", header=("", *letters.values()), rows=tuple(matrix), lines=tuple(told)
    )


def seeds(board: Board, rows: Sequence[Row]) -> Section:
    """Return training runs and the SD of their means; one run has none."""
    lines = []
    for row in rows:
        standing = row.standing(*PRIMARY)
        if standing is not None:
            listed = ", ".join(str(seed) for seed in row.seeds) or say.BLANK
            lines.append((say.name(row), str(max(1, len(row.seeds))), listed, say.number(standing.stat.seed_sd)))
    return Section(
        title="training runs, averaged per volume before any test; SD of their mean dice on ich",
        header=("method", "runs", "seeds", "SD of means"),
        rows=tuple(lines),
    )


def efficiency(board: Board, rows: Sequence[Row]) -> Section:
    """Return dice against what was annotated for training."""
    shown = {row.slug for row in rows} | ({one.slug for one in board.efficiency} - {row.slug for row in board.rows})
    lines = [
        (
            one.slug,
            f"{one.share:g} %" + ("" if one.draw is None else f" draw {one.draw}"),
            *(
                say.BLANK if value != value else f"{value:.0f}"
                for value in (one.patients, one.slices, one.annotated_ml)
            ),
            say.spread(one.dice.stat, "dice"),
        )
        for one in board.efficiency
        if one.slug in shown
    ]
    return Section(
        title="label efficiency: annotated for training (mean over folds), and dice on ich",
        header=("method", "budget", "patients", "slices", "mL", "dice"),
        rows=tuple(lines),
    )


def sensitivity(board: Board, rows: Sequence[Row]) -> Section:
    """Return what changes without the dataset's odd case; changed ranks are marked."""
    found = board.sensitivity
    if found is None:
        return Section(title="")
    lines = []
    for row in rows:
        if row.slug in found.mean:
            (mean, without), (before, after) = found.mean[row.slug], found.rank[row.slug]
            mark = "" if before == after else " <"
            lines.append((row.slug, say.number(mean), say.number(without), str(before), f"{after}{mark}"))
    changed = [
        (f"{one.first}, {one.second}", f"{one.with_case} with {found.left_out}, {one.without} without it")
        for one in found.changed
    ]
    return Section(
        title=f"dice on ich without {found.left_out}: {found.why} (n = {found.n})",
        header=("method", "dice", "without", "rank", "without"),
        rows=tuple(lines),
        lines=tuple(changed),
    )


MOST_PAIRS = 66  # of a text table; csv and json hold them all


def pairs(board: Board, rows: Sequence[Row], cohort: str, metric: str) -> Section:
    """Return every pair of ranked rows in display order: difference, interval, corrected and uncorrected p."""
    found = board.pairs.get((cohort, metric))
    if found is None:
        return Section(
            title=f"pairs: {metric} on {cohort}", lines=(("pairs", "fewer than two ranked methods, or no test"),)
        )
    shown = {row.slug for row in rows}
    lines = []
    for i, first in enumerate(found.slugs):
        for j in range(i + 1, len(found.slugs)):
            if first in shown and found.slugs[j] in shown:
                holm = say.BLANK if found.p_holm is None else say.p_value(float(found.p_holm[i, j]))
                lines.append(
                    (
                        f"{first} – {found.slugs[j]}",
                        say.number(float(found.difference[i, j]), metric, sign=True),
                        say.interval(float(found.low[i, j]), float(found.high[i, j]), metric, sign=True),
                        say.p_value(float(found.p_max_t[i, j])),
                        holm,
                        say.p_value(float(found.welch_p[i, j])),
                    )
                )
    told = [
        (
            "tests",
            f"paired sign-flip, step-down max-T over {len(found.slugs)} methods, {found.draws:,} sign vectors"
            f"{' (all there are)' if found.exact else ''}; Holm for up to 30 methods; Welch is uncorrected and treats "
            "the volumes as independent samples. Not significant is not equal: see `ich-bench compare`.",
        )
    ]
    if len(lines) > MOST_PAIRS:
        told.append(("more", f"{len(lines) - MOST_PAIRS} pairs more: --format csv --pairs"))
    return Section(
        title=f"pairs: {metric} on {cohort} (n = {found.n})",
        header=("pair", "difference", "95 % (t)", "max-T", "Holm", "Welch"),
        rows=tuple(lines[:MOST_PAIRS]),
        lines=tuple(told),
    )


PARTS: Mapping[str, Callable[[Board, Sequence[Row]], Section | Iterator[Section]]] = {
    "healthy": healthy,
    "detection": detection,
    "strata": strata,
    "seeds": seeds,
    "sensitivity": sensitivity,
    "efficiency": efficiency,
    "schemes": schemes,
}


def parts(board: Board, rows: Sequence[Row], names: Collection[str]) -> Iterator[Section]:
    """Yield the asked-for parts that hold anything, in the order of PARTS, each with what stands below it."""
    from ich_bench.board.further import FURTHER  # made of sections itself

    for name, make in PARTS.items():
        if name in names:
            made = make(board, rows)
            yield from [made] if isinstance(made, Section) else made
            yield from FURTHER[name](board, rows) if name in FURTHER else ()
