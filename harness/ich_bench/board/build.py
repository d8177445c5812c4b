"""What does the board of one dataset say: entries become rows, standings and tests."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ich_bench.board import words
from ich_bench.board.align import FACTS, on_cases
from ich_bench.board.entries import Entry, on_board
from ich_bench.board.model import (
    COHORTS,
    FAMILIES,
    PRIMARY,
    Board,
    CaseScores,
    Floats,
    Pairs,
    Row,
    Standing,
)
from ich_bench.board.numbers import standings
from ich_bench.board.odd import renamed, sensitivity
from ich_bench.board.pairs import DRAWS, pairwise, sign_of
from ich_bench.board.rows import row_of
from ich_bench.board.schemes import schemes
from ich_bench.board.strata import strata
from ich_bench.metrics.profiles import PROFILES
from ich_bench.metrics.suite import COLUMNS, METRICS
from ich_bench.statistics import p_rank_one

BESIDE = ("precision", "recall")  # tested on every board of up to BESIDE_UP_TO methods, and where asked for
BESIDE_UP_TO = 50
_P_RANK_ONE = 1  # the second number of a seed says what is drawn: 0 signs, 1 resamples, 2 a comparison's, 3 a mean's


def seed_of(dataset: str, suite: int, fold_sha256: str) -> int:
    """Return the number all draws of a board start from: made of dataset, suite and folds, never of a clock."""
    content = hashlib.sha256(f"ich-bench {suite} {dataset} {fold_sha256}".encode()).digest()
    return int.from_bytes(content[:8], "big")


def build(
    entries: Sequence[Entry],
    cases: Sequence[str],
    *,
    board: Board,
    metrics: Collection[str] = (),
    draws: int = DRAWS,
    facts: Mapping[str, Mapping[str, float]] | None = None,
) -> Board:
    """Return `board` (which holds what is known before any score) with rows, standings and tests.

    Args:
        entries: What may stand on it, in any order.
        cases: The cases of its fold scheme, in fold-file order.
        board: Dataset, scheme, profile and what else the caller knows.
        metrics: Further metrics to test, on `ich` and `all`.
        draws: Sign vectors of each test.
        facts: Volume, spacing and subtypes of cases, where the score files withhold them.
    """
    shown = sorted((entry for entry in entries if entry.full is not None), key=_by_dice)
    scores = case_scores(shown, cases, board.profile, facts or {})
    family = [entry.slug for entry in shown if entry.ranked]
    seed = (board.seed, 0)
    pairs = _tests(scores, family, board.profile, metrics, seed=seed, draws=draws)
    standing = _standings(scores, shown, pairs, board)
    rows = [row_of(entry, scores, standing[entry.slug]) for entry in shown]
    made = replace(
        board,
        cases=len(scores.cases) or board.cases,
        with_ich=int(scores.has_ich.sum()) if shown else board.with_ich,
        draws=pairs[PRIMARY].draws if PRIMARY in pairs else draws,
        ranked=len(family),
        rows=tuple(rows),
        pairs=pairs,
        scores=scores,
        strata=tuple(strata(scores)) if shown else (),
        sensitivity=sensitivity(board.dataset, scores, pairs.get(PRIMARY), seed=seed, draws=draws),
        schemes=schemes(scores, pairs.get(PRIMARY)),
        ceiling=_ceiling(rows),
    )
    return replace(made, rows=words.chipped(made), banner=words.banner(made), notes=(*board.notes, *words.notes(made)))


def case_scores(
    shown: Sequence[Entry], cases: Sequence[str], profile: str, facts: Mapping[str, Mapping[str, float]]
) -> CaseScores:
    """Return the matrix of cases × entries; cases that no entry holds are left out."""
    held = {case_id for entry in shown for run in entry.runs for case_id in run.cases}
    here = tuple(case_id for case_id in cases if case_id in held)
    runs = [entry.full for entry in shown]
    has_ich, fold = np.zeros(len(here), dtype=np.bool_), np.zeros(len(here), dtype=np.int64)
    known = {name: np.full(len(here), np.nan) for name in FACTS}
    for entry in shown:
        for run in entry.runs:
            inside = np.array([case_id in set(run.cases) for case_id in here]) if len(run.cases) < len(here) else ...
            has_ich[inside] |= on_cases(run.has_ich.astype(np.float64), run.cases, here)[inside] == 1
            fold[inside] = on_cases(run.fold.astype(np.float64), run.cases, here)[inside]
            for name in FACTS:
                known[name] = _filled(known[name], on_cases(run.facts[name], run.cases, here))
    for name in FACTS:
        known[name] = _filled(known[name], np.array([facts.get(case, {}).get(name, math.nan) for case in here]))
    columns = [*PROFILES[profile].columns, "clean"]
    columns += ["precision_nonempty"] if "precision" in columns else []
    made = CaseScores(
        cases=here,
        slugs=tuple(entry.slug for entry in shown),
        has_ich=has_ich,
        fold=fold,
        facts=known,
        values={metric: on_board(shown, here, metric) for metric in columns},
        empty=_columns([on_cases(run.empty, run.cases, here) for run in runs if run is not None], len(here)),
        missing=_columns([on_cases(run.missing, run.cases, here) for run in runs if run is not None], len(here)),
    )
    for array in (made.has_ich, made.fold, *made.facts.values(), *made.values.values(), made.empty, made.missing):
        array.setflags(write=False)
    return made


def measured_on(metric: str, cohort: str) -> bool:
    """Return whether a metric is summed up on a cohort: not where healthy heads leave it undefined."""
    if metric == "clean":
        return cohort == "healthy"
    if metric == "precision_nonempty":
        return cohort != "healthy"
    return cohort == "ich" or "healthy: undefined" not in COLUMNS[metric].empty


def _tests(
    scores: CaseScores,
    family: Sequence[str],
    profile: str,
    metrics: Collection[str],
    *,
    seed: Sequence[int],
    draws: int,
) -> dict[tuple[str, str], Pairs]:
    """Return the tests of the families, of dice and nsd_2mm on `all`, of what stands beside, of what was asked for."""
    if not family:
        return {}
    rows = [scores.slugs.index(slug) for slug in family]
    beside = [metric for metric in BESIDE if len(family) <= BESIDE_UP_TO]
    further = [metric for metric in dict.fromkeys([*beside, *metrics]) if metric in scores.values and sign_of(metric)]
    wanted = [*FAMILIES, ("all", "dice"), ("all", "nsd_2mm")]
    wanted += [(cohort, metric) for cohort in COHORTS[:2] for metric in further]
    found: dict[tuple[str, str], Pairs] = {}
    for cohort, metric in dict.fromkeys(wanted):
        inside = scores.of(cohort)
        if metric not in scores.values or not inside.any() or not measured_on(metric, cohort):
            continue
        if cohort == "all" and scores.has_ich.all() and ("ich", metric) in found:
            found[cohort, metric] = renamed(found["ich", metric], cohort)
            continue
        found[cohort, metric] = pairwise(
            scores.values[metric][inside][:, rows],
            family,
            cohort=cohort,
            metric=metric,
            seed=seed,
            draws=draws,
            with_wilcoxon=(cohort, metric) == PRIMARY or len(family) <= BESIDE_UP_TO,
        )
    return found


def _standings(
    scores: CaseScores, shown: Sequence[Entry], pairs: Mapping[tuple[str, str], Pairs], board: Board
) -> dict[str, dict[str, dict[str, Standing]]]:
    """Return slug → cohort → metric → standing."""
    made: dict[str, dict[str, dict[str, Standing]]] = {slug: {} for slug in scores.slugs}
    for cohort in COHORTS:
        inside = scores.of(cohort)
        if PROFILES[board.profile].positive_slices and cohort != "ich":
            continue
        if not inside.any() and cohort == "healthy":
            continue
        for metric, values in scores.values.items():
            if not measured_on(metric, cohort):
                continue
            spread = [_seed_sd(entry, metric, cohort) for entry in shown]
            found = standings(values[inside], metric, spread, (board.seed,))
            placed = _places(pairs.get((cohort, metric)), scores, board)
            for slug, standing in zip(scores.slugs, found, strict=True):
                made[slug].setdefault(cohort, {})[metric] = placed[slug](standing) if slug in placed else standing
    return made


def _places(pairs: Pairs | None, scores: CaseScores, board: Board) -> dict[str, Callable[[Standing], Standing]]:
    """Return what the tests add to each standing: ranks where the metric has them, nothing where it is undefined."""
    if pairs is None:
        return {}
    better, worse = pairs.better.sum(axis=0).tolist(), pairs.better.sum(axis=1).tolist()
    able = [(place, slug) for place, slug in enumerate(pairs.slugs) if not math.isnan(pairs.p_max_t[place, place])]
    ranked = board.official and pairs.cohort != "healthy" and pairs.metric in METRICS and METRICS[pairs.metric].ranked
    if not ranked:
        return {slug: partial(replace, better=better[place], worse=worse[place]) for place, slug in able}
    rows = [scores.slugs.index(slug) for slug in pairs.slugs]
    first = p_rank_one(
        scores.values[pairs.metric][scores.of(pairs.cohort)][:, rows],
        rng=np.random.default_rng([board.seed, _P_RANK_ONE]),
        higher_is_better=pairs.sign > 0,
    ).tolist()
    return {
        slug: partial(
            replace,
            better=better[place],
            worse=worse[place],
            rank=1 + better[place],
            rank_high=len(pairs.slugs) - worse[place],
            p_rank_one=first[place],
        )
        for place, slug in able
    }


def _seed_sd(entry: Entry, metric: str, cohort: str) -> float:
    """Return the SD over training runs of the mean on a cohort; NaN for one run."""
    run = entry.full
    if run is None or metric not in run.by_seed:
        return math.nan
    inside = {"ich": run.has_ich, "all": np.ones_like(run.has_ich), "healthy": ~run.has_ich}[cohort]
    kept = run.by_seed[metric][:, inside]
    kept = kept[:, ~np.isnan(kept).all(axis=0)]
    if not kept.size:
        return math.nan
    means = np.nanmean(kept, axis=1)
    return float(means.std(ddof=1)) if np.isfinite(means).all() else math.nan


def _by_dice(entry: Entry) -> tuple[object, ...]:
    """Return the display order: methods, then calibration, then ceiling; by mean dice on ich, else clean; by name."""
    run = entry.run
    merit = run.values["dice"][run.has_ich] if run.has_ich.any() else run.values["clean"]
    known = merit[~np.isnan(merit)]
    mean = round(float(known.mean()), 12) if known.size else -math.inf
    name = entry.submission.manifest.method.casefold()
    return ("measured", "calibration", "ceiling").index(entry.kind), -mean, name, entry.slug


def _ceiling(rows: Sequence[Row]) -> float:
    found = [standing.stat.mean for row in rows if row.kind == "ceiling" and (standing := row.standing(*PRIMARY))]
    return min((mean for mean in found if not math.isnan(mean)), default=math.nan)


def _filled(known: Floats, more: Floats) -> Floats:
    return np.where(np.isnan(known), more, known)


def _columns(columns: Sequence[Floats], cases: int) -> Floats:
    return np.array(columns).T.reshape(cases, len(columns))
