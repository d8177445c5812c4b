"""Do the tests and intervals keep what they promise? Simulated scores with a known truth; prints tables.

Run it with `python benchmarks/statistics_simulation.py`; `--small` takes seconds, for continuous integration. First
the single tests and intervals: how often a test at 5 % rejects when both methods are equally good, how often a 95 %
interval holds the true value. Then whole boards, tested as the leaderboard does (paired sign flips with step-down
max-T, 999 draws): all methods equal; one better than all others by three minimal detectable differences; 100 copies of
one row added; and methods that are equal in the mean alone, with skewed scores or unequal spread. The exit status is 1
where a full run misses what is asked of a board.

Scores look like Dice: how hard a case is moves all methods together, small lesions are sometimes missed altogether (0),
the rest is noise of the method's own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ich_bench import statistics

Floats = NDArray[np.float64]
ALPHA = 0.05
RESAMPLES = 1_999
BOARD_DRAWS = 999
COPIES = 100


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is simulated: repetitions of single tests, and (methods, boards) of the boards.

    Boards of equal methods alone are drawn at least `tied` times: a share near 95 % needs many. `uneven` are the boards
    of methods that are equal in the mean alone.
    """

    repetitions: int
    boards: tuple[tuple[int, int], ...]
    tied: int
    uneven: tuple[tuple[int, int], ...]


FULL = Size(repetitions=2_000, boards=((12, 1_000), (46, 200), (200, 200)), tied=1_000, uneven=((12, 500), (46, 200)))
SMALL = Size(repetitions=200, boards=((12, 100), (46, 10), (200, 3)), tied=0, uneven=((12, 20),))


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What became of the boards of one size; all but the counts and `worst_*` are shares of the boards.

    `single_*` is the method better by three minimal detectable differences of one pair, `family_*` of the board's
    family (Bonferroni's level over all pairs). `copies_changed` counts pairs whose p moved when 100 copies of a row
    came; `worst_welch` is the largest distance from scipy's p.
    """

    methods: int
    boards: int
    tied_boards: int
    all_share_rank_1: float
    single_has_rank_1: float
    single_alone: float
    family_has_rank_1: float
    family_alone: float
    copies_changed: int
    worst_welch: float


def dice_like(rng: np.random.Generator, cases: int, methods: int) -> Floats:
    """Return scores (cases × methods) of equally good methods: any two are exchangeable on each case."""
    difficulty = rng.normal(size=(cases, 1))
    latent = 1.2 + 0.9 * difficulty + 0.45 * rng.normal(size=(cases, methods))
    missed = rng.random((cases, methods)) < 0.3 / (1 + np.exp(3 + 2 * difficulty))
    return np.where(missed, 0.0, 1 / (1 + np.exp(-latent)))


def unequal_spread(rng: np.random.Generator, cases: int, methods: int) -> Floats:
    """Return scores of the same mean whose noise differs up to fourfold between methods, symmetric about the case."""
    spread = np.linspace(0.03, 0.12, methods)
    return 0.6 + 0.15 * rng.normal(size=(cases, 1)) + spread * rng.normal(size=(cases, methods))


def skewed(rng: np.random.Generator, cases: int, methods: int) -> Floats:
    """Return scores of the same mean of which every second one misses a case in ten and does better elsewhere."""
    scores = 0.6 + 0.05 * rng.normal(size=(cases, methods))
    scores[:, 1::2] += 0.05 - 0.5 * (rng.random((cases, methods // 2)) < 0.1)
    return scores


POPULATIONS: dict[str, Callable[[np.random.Generator, int, int], Floats]] = {
    "like Dice, exchangeable": dice_like,
    "unequal spread": unequal_spread,
    "skewed: one misses a case in ten": skewed,
}


def rejections(rng: np.random.Generator, repetitions: int) -> Iterator[tuple[str, int, dict[str, float]]]:
    """Yield, per population and number of cases, how often each test of two equal methods rejects at 5 %."""
    for name, population in POPULATIONS.items():
        for cases in (10, 36, 75, 100):
            hits = dict.fromkeys(("sign flip", "Wilcoxon", "paired t", "Welch"), 0)
            for _ in range(repetitions):
                first, second = population(rng, cases, 2).T
                differences = first - second
                p = {
                    "sign flip": statistics.sign_flip(differences, rng=rng, draws=RESAMPLES).p,
                    "Wilcoxon": statistics.wilcoxon(differences).p,
                    "paired t": float(stats.ttest_1samp(differences, 0).pvalue),
                    "Welch": statistics.welch(first, second).p,
                }
                for test, value in p.items():
                    hits[test] += value < ALPHA
            yield name, cases, {test: count / repetitions for test, count in hits.items()}


def coverage(rng: np.random.Generator, repetitions: int) -> Iterator[tuple[str, int, dict[str, float]]]:
    """Yield, per population and number of cases, how often the 95 % intervals hold the true value."""
    truth = float(dice_like(rng, 1_000_000, 1).mean())
    populations: dict[str, tuple[Callable[[int], Floats], float]] = {
        "mean of scores like Dice": (lambda cases: dice_like(rng, cases, 1)[:, 0], truth),
        "mean difference, skewed": (lambda cases: -np.diff(skewed(rng, cases, 2))[:, 0], 0.0),
    }
    for name, (drawn, mean) in populations.items():
        for cases in (10, 20, 36, 75, 100):
            held = dict.fromkeys(("t", "BCa"), 0)
            for _ in range(repetitions):
                values = drawn(cases)
                for kind, bounds in (
                    ("t", statistics.t_interval(values)),
                    ("BCa", statistics.bca_interval(values, rng=rng, resamples=RESAMPLES)),
                ):
                    held[kind] += bounds.low <= mean <= bounds.high
            yield name, cases, {kind: count / repetitions for kind, count in held.items()}
    for share in (0.02, 0.1, 0.5, 0.9):
        for cases in (39, 245):
            bounds = [statistics.wilson(count, cases) for count in range(cases + 1)]
            inside = [bound.low <= share <= bound.high for bound in bounds]
            exact = float(stats.binom.pmf(np.flatnonzero(inside), cases, share).sum())
            yield f"share of {share:.0%} (exact)", cases, {"Wilson": exact}


def better(result: statistics.MaxT) -> NDArray[np.bool_]:
    """Return which method (row) is significantly better than which (column), higher being better."""
    found: NDArray[np.bool_] = (result.p_adjusted < ALPHA) & (result.mean_difference > 0)
    return found


def gain_of(cases: int, *, level: float) -> float:
    """Return three times the true minimal detectable difference of a pair at this level on so many cases."""
    many = np.diff(dice_like(np.random.default_rng(0), 100_000, 2))[:, 0]
    return 3 * statistics.minimal_detectable_difference(many, alpha=level) * float(np.sqrt(len(many) / cases))


def boards(rng: np.random.Generator, methods: int, count: int, cases: int, tied: int = 0) -> Truth:
    """Return what became of `count` boards of `methods` equally good methods, and of more of them up to `tied`."""
    seen = dict.fromkeys(("tied", "single", "single alone", "family", "family alone", "copies"), 0)
    worst_welch = 0.0
    pairs = methods * (methods - 1) / 2
    upper = np.triu_indices(methods, 1)
    gains = {"single": gain_of(cases, level=ALPHA), "family": gain_of(cases, level=ALPHA / pairs)}
    tied = max(tied, count)
    for number in range(tied):
        scores, seed = dice_like(rng, cases, methods), int(rng.integers(2**32))
        equal = tested(scores, seed)
        seen["tied"] += not better(equal).any()
        if number >= count:
            continue
        for name, gain in gains.items():
            won = better(tested(np.column_stack([scores[:, 0] + gain, scores[:, 1:]]), seed))
            seen[name] += not won[:, 0].any()
            seen[f"{name} alone"] += bool(won[0, 1:].all())
        with_copies = tested(np.column_stack([scores, np.repeat(scores[:, -1:], COPIES, axis=1)]), seed)
        seen["copies"] += int((with_copies.p_adjusted[:methods, :methods] != equal.p_adjusted).sum()) // 2
        ours = statistics.welch_matrix(scores).p[upper]
        theirs = stats.ttest_ind(scores[:, upper[0]], scores[:, upper[1]], equal_var=False).pvalue
        worst_welch = max(worst_welch, float(np.abs(ours - theirs).max()))
    return Truth(
        methods=methods,
        boards=count,
        tied_boards=tied,
        all_share_rank_1=seen["tied"] / tied,
        single_has_rank_1=seen["single"] / count,
        single_alone=seen["single alone"] / count,
        family_has_rank_1=seen["family"] / count,
        family_alone=seen["family alone"] / count,
        copies_changed=seen["copies"],
        worst_welch=worst_welch,
    )


def uneven(rng: np.random.Generator, sizes: tuple[tuple[int, int], ...]) -> Iterator[tuple[str, int, int, int, float]]:
    """Yield how often methods of the same mean but another spread or skew all share rank 1: name, K, cases, boards."""
    for name, population in list(POPULATIONS.items())[1:]:
        for methods, count in sizes:
            for cases in (36, 51, 100, 226):
                shared = 0
                for _ in range(count):
                    scores = population(rng, cases, methods)
                    shared += not better(tested(scores, int(rng.integers(2**32)))).any()
                yield name, methods, cases, count, shared / count


def tested(scores: Floats, seed: int) -> statistics.MaxT:
    return statistics.max_t(scores, rng=np.random.default_rng(seed), draws=BOARD_DRAWS)


def faults(truth: Truth) -> list[str]:
    """Return what the boards of one size miss of what is asked of them."""
    asked = {
        "all tied share rank 1 in at least 93 % of boards": truth.all_share_rank_1 >= 0.93,
        "the better method has rank 1 in at least 95 %": min(truth.single_has_rank_1, truth.family_has_rank_1) >= 0.95,
        "better by its family's MDD, it is alone at rank 1 in at least 95 %": truth.family_alone >= 0.95,
        "copies of a row change no other pair's p": truth.copies_changed == 0,
        "Welch's p is scipy's": truth.worst_welch < 1e-9,
    }
    return [f"K = {truth.methods}: not so: {what}" for what, holds in asked.items() if not holds]


def main() -> int:
    """Print the tables; 1 where a full simulation misses what is asked of a board."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="seconds instead of minutes; nothing is asked of it")
    parser.add_argument("--cases", type=int, default=51, help="volumes of a board (default 51, those of seg-cq500)")
    parser.add_argument("--seed", type=int, default=20)
    asked = parser.parse_args()
    size = SMALL if asked.small else FULL
    rng = np.random.default_rng(asked.seed)

    print(f"\nTests of two equally good methods: share of {size.repetitions} samples with p < 0.05\n")
    print("| population | cases | sign flip | Wilcoxon | paired t | Welch |\n|---|---|---|---|---|---|")
    for name, cases, shares in rejections(rng, size.repetitions):
        print(f"| {name} | {cases} | " + " | ".join(f"{share:.3f}" for share in shares.values()) + " |", flush=True)

    print(f"\n95 % intervals: share of {size.repetitions} samples in which they hold the true value\n")
    print("| of | cases | share that hold it |\n|---|---|---|")
    for name, cases, shares in coverage(rng, size.repetitions):
        print(f"| {name} | {cases} | " + ", ".join(f"{kind} {s:.3f}" for kind, s in shares.items()) + " |", flush=True)

    print(
        f"\nBoards of {asked.cases} volumes, {BOARD_DRAWS} draws; better by three MDD of one pair, or of the family\n"
    )
    print(
        "| K | boards | all tied: all share rank 1 | better by 3 MDD of a pair: has rank 1, alone "
        "| by 3 MDD of the family: has rank 1, alone | pairs that 100 copies changed | most from scipy's Welch p |\n"
        "|---|---|---|---|---|---|---|"
    )
    missed = []
    for methods, count in size.boards:
        truth = boards(rng, methods, count, asked.cases, size.tied)
        print(
            f"| {truth.methods} | {truth.boards} | {truth.all_share_rank_1:.1%} of {truth.tied_boards:,} "
            f"| {truth.single_has_rank_1:.1%}, {truth.single_alone:.1%} "
            f"| {truth.family_has_rank_1:.1%}, {truth.family_alone:.1%} "
            f"| {truth.copies_changed} | {truth.worst_welch:.0e} |",
            flush=True,
        )
        missed += [] if asked.small else faults(truth)

    print("\nBoards of methods that are equal in the mean alone: how often all share rank 1\n")
    print("| population | K | cases | boards | all share rank 1 |\n|---|---|---|---|---|")
    for name, methods, cases, count, shared in uneven(np.random.default_rng([asked.seed, 1]), size.uneven):
        print(f"| {name} | {methods} | {cases} | {count} | {shared:.1%} |", flush=True)
    for fault in missed:
        print(fault, file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
