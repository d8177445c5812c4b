"""Which figures does one board give, and what do their captions count?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from ich_bench.board.model import PRIMARY, Board, Pairs, Row
from ich_bench.cases import SUBTYPES
from ich_bench.escape import printable
from ich_bench.metrics.suite import COLUMNS
from ich_bench.report.boxes import LEAST_FOR_A_BOX, Group, subtype_boxes
from ich_bench.report.heat import SIDE_BY_SIDE_UP_TO, PMap, case_map, p_maps
from ich_bench.report.labelled import Label, by_supervision, labels, short
from ich_bench.report.numbers import OVERLAP, epsilon
from ich_bench.report.pictures import Picture
from ich_bench.report.whiskers import Healthy, Place, healthy_heads, rank_intervals


def dice_by_subtype(board: Board, names: Mapping[str, str]) -> Picture | None:
    """Return Spahr 2023, Figure 3; None where no measured method has a Dice on a volume with ICH."""
    rows = by_supervision(board.measured)
    values = _of(board, rows, "dice")
    ich = board.scores.has_ich
    groups = [Group(name="all ICH", values=values[ich])]
    for subtype in SUBTYPES:
        inside = ich & (board.scores.facts[subtype] == 1)
        if inside.any():
            groups.append(Group(name=subtype.upper(), values=values[inside]))
    if not rows or np.isnan(groups[0].values).all():
        return None
    unknown = len(groups) == 1
    counts = ", ".join(f"{group.name} {len(group.values)}" for group in groups)
    medians = _medians(groups[0].values, [names[row.slug] for row in rows])
    return Picture(
        name=f"{_slug(board)}-subtypes",
        draw=partial(subtype_boxes, groups, labels(rows, dict(names))),
        caption=(
            f"Dice of each volume with ICH of {board.dataset}, by subtype (after Spahr 2023, Figure 3). Number of "
            f"volumes: {counts}"
            + (". The subtypes of this dataset are not known here" if unknown else "; a volume may hold several")
            + ". Methods from the fewest labels to the most, coloured by supervision. Grey line: mean; black line "
            "(white on a dark page): median; box: quartiles, whiskers up to 1.5 times their distance; no box below "
            f"n = {LEAST_FOR_A_BOX}. Dice with {epsilon(board)}."
        ),
        alt=f"Box plots of Dice on {board.dataset} for {len(rows)} methods in {len(groups)} groups. {medians}",
    )


def _medians(values: np.ndarray, names: Sequence[str]) -> str:
    known = [(name, column[~np.isnan(column)]) for name, column in zip(names, values.T, strict=True)]
    said = [f"{short(name)} {np.median(column):.2f}" for name, column in known if len(column)]
    return f"Medians over all volumes with ICH: {', '.join(said[:12])}{' and more' if len(said) > 12 else ''}."


def pair_maps(board: Board, cohort: str, names: Mapping[str, str]) -> Iterator[Picture]:
    """Yield Spahr 2023, Figure 4 on a cohort, the paired max-T map of Dice beside it; nothing below two methods."""
    found = [(metric, board.pairs[cohort, metric]) for metric in OVERLAP if (cohort, metric) in board.pairs]
    found = [(metric, pairs) for metric, pairs in found if len(pairs.slugs) > 1 and pairs.n > 0]
    if not found:
        return
    slugs = found[0][1].slugs
    rows = [board.row(slug) for slug in slugs]
    shown = labels(rows, dict(names))
    maps = [_p_map(f"{COLUMNS[metric].title}, Welch", pairs, pairs.welch_p) for metric, pairs in found]
    if (cohort, "dice") in board.pairs:
        pairs = board.pairs[cohort, "dice"]
        maps.append(_p_map("Dice, paired max-T", pairs, pairs.p_max_t))
    together = len(slugs) <= SIDE_BY_SIDE_UP_TO
    for number, part in enumerate([maps] if together else [[one] for one in maps]):
        what = "" if together else f" {part[0].title}."
        yield Picture(
            name=f"{_slug(board)}-pairs-{cohort}" + ("" if together else f"-{number}"),
            draw=partial(p_maps, part, shown),
            caption=(
                f"p-values of every pair of methods on {board.dataset}, {cohort} (n = {found[0][1].n} volumes, K = "
                f"{len(slugs)} methods), after Spahr 2023, Figure 4.{what} Blue: the row is better; orange: the row is "
                "worse. Welch's two-sided t-test treats the volumes as independent samples and is not corrected; the "
                "paired max-T test compares the same volumes and is corrected over all pairs"
                f" ({found[0][1].draws:,} sign vectors{', all there are' if found[0][1].exact else ''})."
            ),
            alt=" ".join(_verdicts(one, shown) for one in part),
        )


def _p_map(title: str, pairs: Pairs, p: np.ndarray) -> PMap:
    return PMap(title=title, p=p, advantage=pairs.sign * pairs.difference)


def _verdicts(one: PMap, shown: Sequence[Label]) -> str:
    upper = np.triu_indices(len(shown), 1)
    count = int((one.p[upper] < 0.05).sum())
    return f"{one.title}: {count} of {len(upper[0])} pairs have p below 0.05."


def case_scores(board: Board, names: Mapping[str, str]) -> Picture | None:
    """Return the Dice of every case and method; None where there is none."""
    rows = board.measured
    values = _of(board, rows, "dice")
    if not rows or not values.size or np.isnan(values).all():
        return None
    volume = board.scores.facts["volume_ref_ml"]
    ich = board.scores.has_ich
    largest = np.where(np.isnan(volume), -1.0, volume)
    order = sorted(range(len(volume)), key=lambda at: (not ich[at], -largest[at], at))
    cases = [_case(board.scores.cases[at], float(volume[at]), bool(ich[at])) for at in order]
    healthy = int((~ich).sum())
    crossed = int(np.isnan(values).sum())
    every = "Not every case is named. " if len(cases) > 98 else ""
    return Picture(
        name=f"{_slug(board)}-cases",
        draw=partial(case_map, values[order], cases, labels(rows, dict(names)), healthy=healthy),
        caption=(
            f"Dice of each of {len(cases)} volumes of {board.dataset}, largest hemorrhage first"
            + (f", the {healthy} healthy heads below the line" if healthy else "")
            + f". {every}"
            + (f"Crossed out: no value ({crossed}). " if crossed else "")
            + f"Dice with {epsilon(board)}."
        ),
        alt=f"Heat map of Dice, {len(cases)} volumes by {len(rows)} methods. The values stand in the score files.",
    )


def _case(case_id: str, ml: float, ich: bool) -> str:
    size = "" if math.isnan(ml) else f", {ml:.1f} mL" if ich else ", healthy"
    return f"{short(printable(case_id), 24)}{size}"


def healthy(board: Board, names: Mapping[str, str]) -> Picture | None:
    """Return clean rates and false-positive volumes on healthy heads; None where there are none."""
    found = [(row, row.clean) for row in board.rows if row.clean is not None and row.clean.n]
    if not found:
        return None
    marks = []
    for (row, clean), label in zip(found, labels([row for row, _ in found], dict(names)), strict=True):
        wrong = row.false_positives
        marks.append(
            Healthy(
                label=label,
                share=clean.share,
                low=clean.low,
                high=clean.high,
                median_ml=math.nan if wrong is None else wrong.median_ml,
                p95_ml=math.nan if wrong is None else wrong.p95_ml,
            )
        )
    n = max(clean.n for _, clean in found)
    known = any(not math.isnan(mark.median_ml) for mark in marks)
    said = ", ".join(f"{mark.label.name} {100 * mark.share:.0f} %" for mark in marks[:12])
    return Picture(
        name=f"{_slug(board)}-healthy",
        draw=partial(healthy_heads, marks),
        caption=(
            f"Healthy heads of {board.dataset} (n = {n}). Left: share left without a single false-positive voxel, with "
            "Wilson's 95 % interval."
            + (" Right: predicted volume on them, marker at the median, bar at the 95th percentile." if known else "")
        ),
        alt=f"Clean rates: {said}{' and more' if len(marks) > 12 else ''}.",
    )


def ranks(board: Board, names: Mapping[str, str]) -> Picture | None:
    """Return mean Dice with its interval and the rank intervals; None where there is no Dice on `ich` at all."""
    rows = [row for row in board.rows if row.standing(*PRIMARY) is not None]
    places = []
    for row, label in zip(rows, labels(rows, dict(names)), strict=True):
        standing = row.standing(*PRIMARY)
        if standing is not None:
            places.append(
                Place(
                    label=label,
                    kind=row.kind,
                    mean=standing.stat.mean,
                    low=standing.low,
                    high=standing.high,
                    rank=standing.rank,
                    rank_high=standing.rank_high,
                )
            )
    for one in board.reported:
        printed = one.metrics.get("dice")
        if one.same_protocol and one.cohort == "ich" and printed is not None and printed.value is not None:
            name = short(f"{one.method}, {one.source}")
            places.append(Place(label=Label(slug="", name=name), kind="reported", mean=printed.value))
    if all(math.isnan(place.mean) for place in places):
        return None
    n = int(board.scores.has_ich.sum())
    ranked = board.ranked if any(place.rank is not None for place in places) else 0
    kinds = {place.kind for place in places}
    said = ", ".join(f"{place.label.name} {place.mean:.3f}" for place in places[:12] if not math.isnan(place.mean))
    return Picture(
        name=f"{_slug(board)}-ranks-figure",
        draw=partial(rank_intervals, places, ceiling=board.ceiling, ranked=ranked),
        caption=(
            f"Mean Dice on ich of {board.dataset} (n = {n} volumes, {epsilon(board)}) with its 95 % interval"
            + (
                f", and the ranks of K = {ranked} methods: marker at the rank, line over those not excluded. "
                * (ranked > 0)
            )
            + (". " * (ranked == 0))
            + ("Shaded: above the noise ceiling, within reader noise. " * (not math.isnan(board.ceiling)))
            + ("Bars: rows for orientation, never ranked. " * ({"calibration", "ceiling"} & kinds != set()))
            + ("Hollow: published numbers of a like protocol, never ranked." * ("reported" in kinds))
        ).strip(),
        alt=f"Mean Dice: {said}{' and more' if len(places) > 12 else ''}.",
    )


def _of(board: Board, rows: Sequence[Row], metric: str) -> np.ndarray:
    """Return a metric as an array (cases, rows), NaN where it is not there."""
    columns = [board.scores.slugs.index(row.slug) for row in rows]
    if metric not in board.scores.values:
        return np.full((len(board.scores.cases), len(rows)), np.nan)
    return np.asarray(board.scores.values[metric][:, columns], dtype=np.float64)


def _slug(board: Board) -> str:
    return f"{board.dataset}-{board.scheme}"
