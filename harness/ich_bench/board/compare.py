"""Is one method better than another on the same volumes: every test of one pair."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ich_bench import statistics as st
from ich_bench.board.align import Scored, on_cases
from ich_bench.board.build import measured_on, seed_of
from ich_bench.board.comparison import CaseDifference, Comparison, PairTest
from ich_bench.board.entries import Entry, case_order, check_together, entries
from ich_bench.board.model import ALPHA, COHORTS, PRIMARY, Floats
from ich_bench.board.pairs import DRAWS, judged, sign_of
from ich_bench.datasets.found import natural
from ich_bench.errors import IchBenchError, UsageError
from ich_bench.escape import printable
from ich_bench.folds import load_scheme
from ich_bench.folds.table import SCHEMES
from ich_bench.metrics.profiles import PROFILES
from ich_bench.plain import PLAIN_SCHEME
from ich_bench.submissions.load import from_run, load_submissions
from ich_bench.submissions.model import ScoreFile, Submission

__all__ = ["CaseDifference", "Comparison", "PairTest", "compare", "compare_submissions", "find", "shared_datasets"]

LARGEST = 5  # cases shown each way
_BCA = 2  # the second number of the seed


def compare(
    first: str | Path,
    second: str | Path,
    *,
    dataset: str | None = None,
    submissions: str | Path | None = None,
    scheme: str | None = None,
    profile: str | None = None,
    common_cases: bool = False,
    draws: int = DRAWS,
) -> Comparison:
    """Return every test of two methods on the same volumes, per cohort and metric.

    Two runs on a plain folder of reference masks can be compared too, though such runs have no board.

    Args:
        first: A slug of the folder of submissions, or an output folder of `evaluate`.
        second: The other.
        dataset: The dataset; may be left away where the two have just one in common.
        submissions: The folder of submissions.
        scheme: The fold scheme; the official one by default.
        profile: The profile; by default the one that both have.
        common_cases: Compare on the cases that both have, where one lacks some; refused without it.
        draws: Sign vectors of the sign-flip test.

    Raises:
        InputError: the scores differ in suite, profile, folds or heads.
        IchBenchError: one of them lacks cases that the other has.
        UsageError: an unknown name, or no common dataset.
    """
    one, other = find(first, submissions), find(second, submissions)
    return compare_submissions(
        one, other, dataset=dataset, scheme=scheme, profile=profile, common_cases=common_cases, draws=draws
    )


def compare_submissions(
    first: Submission,
    second: Submission,
    *,
    dataset: str | None = None,
    scheme: str | None = None,
    profile: str | None = None,
    common_cases: bool = False,
    draws: int = DRAWS,
) -> Comparison:
    """Return every test of two submissions or unsubmitted runs that are read already (`Row.submission` of a board).

    Arguments and errors are those of `compare`.
    """
    name = dataset or _only(shared_datasets(first, second), first, second)
    plain = name not in SCHEMES or scheme == PLAIN_SCHEME  # a folder of reference masks: it has no folds
    folds = PLAIN_SCHEME if plain else load_scheme(name, scheme).name
    files = [(who, _file(who, name, folds, profile)) for who in (first, second)]
    check_together(files)
    cases = _own_cases(files) if plain else case_order(name, folds)
    a, b = entries(files, cases)
    kept = _kept(a, b, cases, common_cases=common_cases)
    seed = seed_of(name, files[0][1].suite, files[0][1].fold_sha256)
    return _compared(a, b, kept, seed=seed, draws=draws, total=len(cases))


def find(name: str | Path, submissions: str | Path | None = None) -> Submission:
    """Return a submission by its slug, else the run in a folder of this name; a path has a separator or exists."""
    text = str(name)
    try:
        shelf = load_submissions(submissions)
    except IchBenchError:
        if submissions is not None:
            raise
        shelf = None
    if shelf is not None and text in {one.slug for one in shelf.submissions}:
        return shelf.get(text)
    if isinstance(name, Path) or "/" in text or "\\" in text or Path(text).exists() or shelf is None:
        return from_run(Path(text))
    return shelf.get(text)


def shared_datasets(first: Submission, second: Submission) -> tuple[str, ...]:
    """Return the datasets on which both have scores."""
    return tuple(sorted({file.dataset for file in first.scores} & {file.dataset for file in second.scores}))


def _only(names: Sequence[str], first: Submission, second: Submission) -> str:
    if len(names) == 1:
        return names[0]
    if names:
        raise UsageError(f"both have scores of {', '.join(names)}: name one with --dataset.")
    held = [", ".join(sorted({file.dataset for file in one.scores})) or "nothing" for one in (first, second)]
    raise UsageError(
        f"{printable(first.slug)} ({held[0]}) and {printable(second.slug)} ({held[1]}) have no dataset in common."
    )


def _file(who: Submission, dataset: str, scheme: str, profile: str | None) -> ScoreFile:
    here = [file for file in who.scores if file.dataset == dataset]
    found = [file for file in here if file.scheme == scheme and profile in (None, file.profile)]
    if found:
        return found[0]
    held = ", ".join(f"{file.dataset}/{file.scheme} ({file.profile})" for file in here or who.scores)
    asked = f"{dataset}/{scheme}" + (f" under profile {profile}" if profile else "")
    raise UsageError(f"{printable(who.slug)} has no scores of {asked}; it has {held or 'none'}.")


def _own_cases(files: Sequence[tuple[Submission, ScoreFile]]) -> tuple[str, ...]:
    return tuple(
        sorted({case for _, file in files for case in file.table().column("case_id").to_pylist()}, key=natural)
    )


def _kept(a: Entry, b: Entry, cases: Sequence[str], *, common_cases: bool) -> tuple[str, ...]:
    first, second = set(a.run.cases), set(b.run.cases)
    if first != second and not common_cases:
        lacking = [
            f"{printable(who.slug)} lacks {len(lacks)} case(s): {', '.join(lacks[:6])}{' …' if len(lacks) > 6 else ''}"
            for who, lacks in ((a, sorted(second - first)), (b, sorted(first - second)))
            if lacks
        ]
        raise IchBenchError(
            "the two were not scored on the same cases.\n  "
            + "\n  ".join(lacking)
            + "\nAdd --common-cases to compare them on those that both have."
        )
    kept = tuple(case_id for case_id in cases if case_id in first & second)
    if not kept:
        raise IchBenchError("the two have no case in common.")
    return kept


def _compared(a: Entry, b: Entry, kept: tuple[str, ...], *, seed: int, draws: int, total: int) -> Comparison:
    runs = (a.run, b.run)
    has_ich = on_cases(runs[0].has_ich.astype(np.float64), runs[0].cases, kept) == 1
    inside = {"ich": has_ich, "all": np.ones_like(has_ich), "healthy": ~has_ich}
    tests = []
    for cohort in COHORTS:
        for metric in (*PROFILES[a.file.profile].columns, "clean"):
            if metric in runs[0].values and measured_on(metric, cohort) and inside[cohort].any() and sign_of(metric):
                first, second = (_column(run, metric, kept)[inside[cohort]] for run in runs)
                if cohort == "all" and has_ich.all():
                    continue
                tests.append(_tested(first, second, cohort, metric, a.file.dataset, seed=seed, draws=draws))
    notes = [f"on the {len(kept)} cases that both have, of {total}"] if len(kept) < total else []
    notes += [f"{who.slug}: {reason}" for who in (a, b) if (reason := who.reason) and "superseded" not in reason]
    return Comparison(
        dataset=a.file.dataset,
        scheme=a.file.scheme,
        profile=a.file.profile,
        suite=a.file.suite,
        first=a.slug,
        second=b.slug,
        cases=len(kept),
        seeds=(max(1, len(runs[0].seeds)), max(1, len(runs[1].seeds))),
        seed_sd=(_seed_sd(runs[0], kept), _seed_sd(runs[1], kept)),
        tests=tuple(tests),
        largest=_largest(_column(runs[0], "dice", kept), _column(runs[1], "dice", kept), kept, has_ich),
        notes=tuple(notes),
    )


def _column(run: Scored, metric: str, kept: Sequence[str]) -> Floats:
    return judged(on_cases(run.values[metric], run.cases, kept), metric)


def _tested(
    first: Floats, second: Floats, cohort: str, metric: str, dataset: str, *, seed: int, draws: int
) -> PairTest:
    differences = st.paired_differences(first, second)
    flip = st.sign_flip(differences, rng=np.random.default_rng([seed, 0]), draws=draws)
    t, bca = st.t_interval(differences), st.bca_interval(differences, rng=np.random.default_rng([seed, _BCA]))
    sign = sign_of(metric)
    better = sign * differences
    equivalence = st.tost(differences, st.equivalence_margin(dataset)) if metric == PRIMARY[1] else None
    return PairTest(
        cohort=cohort,
        metric=metric,
        n=len(differences[~np.isnan(differences)]),
        mean_first=_mean(first),
        mean_second=_mean(second),
        difference=flip.mean_difference,
        t_low=t.low,
        t_high=t.high,
        bca_low=bca.low,
        bca_high=bca.high,
        p=flip.p,
        draws=flip.draws,
        exact=flip.exact,
        wilcoxon_p=st.wilcoxon(differences).p,
        welch_p=st.welch(first, second).p,
        d_z=st.cohens_dz(differences),
        rank_biserial=st.matched_rank_biserial(differences),
        share_first=_share_first(better),
        mdd=st.minimal_detectable_difference(differences),
        equivalence=equivalence,
        verdict=_verdict(flip.p, sign * flip.mean_difference, equivalence),
    )


def _share_first(better: Floats) -> float:
    if not better.size or not np.isfinite(better).all():
        return math.nan
    return float(((better > 0) + 0.5 * (better == 0)).mean())


def _verdict(p: float, merit: float, equivalence: st.Equivalence | None) -> str:
    if p < ALPHA and merit != 0:
        return "first better" if merit > 0 else "second better"
    return "equivalent" if equivalence is not None and equivalence.p < ALPHA else "not separated"


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def _seed_sd(run: Scored, kept: Sequence[str]) -> float:
    if PRIMARY[1] not in run.by_seed:
        return math.nan
    ich = on_cases(run.has_ich.astype(np.float64), run.cases, kept) == 1
    values = on_cases(run.by_seed[PRIMARY[1]], run.cases, kept)[:, ich]
    means = np.nanmean(values, axis=1) if values.size else np.array([])
    return float(means.std(ddof=1)) if len(means) > 1 else math.nan


def _largest(first: Floats, second: Floats, kept: Sequence[str], has_ich: np.ndarray) -> tuple[CaseDifference, ...]:
    """Return the cases with the largest difference in dice, at most LARGEST each way, largest first."""
    differences = np.nan_to_num(first - second)
    order = sorted(range(len(kept)), key=lambda place: (-abs(differences[place]), place))
    ways: Mapping[bool, list[int]] = {
        way: [place for place in order if differences[place] and bool(differences[place] > 0) is way][:LARGEST]
        for way in (True, False)
    }
    chosen = sorted([*ways[True], *ways[False]], key=lambda place: (-abs(differences[place]), place))
    return tuple(
        CaseDifference(
            case_id=kept[place],
            has_ich=bool(has_ich[place]),
            first=float(first[place]),
            second=float(second[place]),
        )
        for place in chosen
    )
