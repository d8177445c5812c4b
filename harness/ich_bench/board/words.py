"""What must a reader be told about a board: banner, warning chips, notes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ich_bench.board.model import ALPHA, PRIMARY, Board, Pairs, Row
from ich_bench.metrics.suite import SUITE

_CHIPS = {("ich", "nsd_2mm"): "nsd_2mm", ("healthy", "clean"): "clean rate"}


def chipped(board: Board) -> tuple[Row, ...]:
    """Return the rows with a warning where nsd_2mm or clean rate is significantly worse than the rank suggests.

    That is: where a method that is not ranked above the row is significantly better in that metric.
    """
    rank = {row.slug: standing.rank for row in board.rows if (standing := row.standing(*PRIMARY))}
    chips: dict[str, list[str]] = {}
    for family, name in _CHIPS.items():
        pairs = board.pairs.get(family)
        if pairs is None or not board.official or PRIMARY not in board.pairs:
            continue
        better = pairs.better
        for place, slug in enumerate(pairs.slugs):
            over = [pairs.slugs[other] for other in np.flatnonzero(better[:, place])]
            count = sum((rank[other] or 0) >= (rank[slug] or 0) for other in over)
            if count:
                what = f"{name} significantly worse than that of {count} method(s) not ranked above it"
                chips.setdefault(slug, []).append(what)
    return tuple(
        replace(row, chips=(*row.chips, *chips.get(row.slug, ()), *_above(row, board.ceiling))) for row in board.rows
    )


def _above(row: Row, ceiling: float) -> Iterator[str]:
    standing = row.standing(*PRIMARY)
    if row.kind == "measured" and standing is not None and standing.stat.mean > ceiling:
        yield "above the noise ceiling: higher dice than a reference that is off by a voxel or a slice"


def banner(board: Board) -> str:
    """Return what to say over the board where no two methods are, or can be, told apart; else ""."""
    pairs = board.pairs.get(PRIMARY)
    if pairs is None or board.ranked < 2 or pairs.n == 0 or pairs.better.any():
        return ""
    smallest = smallest_p(pairs)
    small = "This set is too small to separate these methods"
    if smallest >= ALPHA:
        return f"{small}: with {pairs.n} volume{'s' * (pairs.n != 1)} with ICH no p can be below {smallest:.2g}."
    upper = np.triu_indices(len(pairs.slugs), 1)
    if not np.any(pairs.difference[upper]):
        return "All ranked methods have the same mean dice on ich."
    known = pairs.mdd[upper][np.isfinite(pairs.mdd[upper])] if pairs.mdd is not None else np.array([])
    needed = f"A single pair would have to differ by about {np.median(known):.3f} (80 % power). " if known.size else ""
    told = f"{small}: no pair differs significantly in dice on {pairs.n} volumes with ICH. "
    return f"{told}{needed}Not separated is not equal."


def shared_warnings(measured: Sequence[Row]) -> tuple[str, ...]:
    """Return the warnings that all measured rows carry, where there are several: they are told once."""
    if len(measured) < 2:
        return ()
    return tuple(one for one in measured[0].warnings if all(one in row.warnings for row in measured[1:]))


def smallest_p(pairs: Pairs) -> float:
    """Return the smallest p-value that the test can give with so many volumes."""
    return 2 / pairs.draws if pairs.exact else 1 / (pairs.draws + 1)


def notes(board: Board) -> Iterator[str]:
    """Yield what else a reader should know, as sentences."""
    measured = [row for row in board.rows if row.kind == "measured"]
    if not measured:
        yield (
            f"No method has been measured on {board.dataset}/{board.scheme} here: a measured row needs someone who "
            "holds the data. "
            f"Yours: ich-bench evaluate {board.dataset} FOLDER -o OUT, then "
            f"ich-bench leaderboard {board.dataset} --with OUT."
        )
    if board.suite != SUITE:
        yield f"These scores are of suite {board.suite}; this version computes suite {SUITE}."
    if not board.official:
        yield f"Profile {board.profile} replicates a published protocol: tests are shown, ranks come from native only."
    if measured and not board.with_ich:
        yield "This dataset holds healthy heads only: clean rate and no rank."
    if board.ranked > 1 and board.with_ich:
        yield (
            "Ranks: 1 + the methods significantly better in mean dice on ich (paired sign-flip test, step-down max-T "
            f"over all pairs of {board.ranked} methods, "
            f"{board.draws:,} sign vectors, seed {board.seed}). Brackets: the ranks that the data do not exclude."
        )
    for warning in shared_warnings(measured):
        yield f"All rows: {warning}"
    unranked = [row for row in measured if not row.ranked]
    if unranked:
        yield f"{len(unranked)} row(s) are shown and not ranked; the reason stands beside each."
    if board.sensitivity is not None:
        odd = board.sensitivity
        changed = f"{len(odd.changed)} verdict(s) change" if odd.changed else "no verdict changes"
        yield f"Without {odd.left_out} ({odd.why}; n = {odd.n}) {changed}."
    if not math.isnan(board.ceiling):
        yield f"Noise ceiling: dice {board.ceiling:.3f} on ich. Differences above it are within reader noise."
    for scheme, count in board.elsewhere.items():
        yield f"{count} score file(s) under scheme {scheme}: ich-bench leaderboard {board.dataset} --scheme {scheme}."
