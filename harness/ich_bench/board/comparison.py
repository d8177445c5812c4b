"""What does a comparison of two methods hold."""

from __future__ import annotations

from dataclasses import dataclass

from ich_bench.statistics import Equivalence


@dataclass(frozen=True, kw_only=True)
class PairTest:
    """One metric on one cohort: the first method minus the second, in the metric's unit; rvd by its size.

    `p` is the paired sign-flip test, the one that decides; the rest stands beside it. `share_first` is the share of
    cases in which the first is better, ties counting half. `equivalence` is there for dice only. `verdict` is "first
    better", "second better", "equivalent" (dice, within the margin declared for the dataset) or "not separated".
    """

    cohort: str
    metric: str
    n: int
    mean_first: float
    mean_second: float
    difference: float
    t_low: float
    t_high: float
    bca_low: float
    bca_high: float
    p: float
    draws: int
    exact: bool
    wilcoxon_p: float
    welch_p: float
    d_z: float
    rank_biserial: float
    share_first: float
    mdd: float
    equivalence: Equivalence | None
    verdict: str


@dataclass(frozen=True, kw_only=True)
class CaseDifference:
    """A case on which the two differ much in dice."""

    case_id: str
    has_ich: bool
    first: float
    second: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two rows on one dataset. `seeds` counts the training runs of each; `seed_sd` is the SD of their means (dice)."""

    dataset: str
    scheme: str
    profile: str
    suite: int
    first: str
    second: str
    cases: int
    seeds: tuple[int, int]
    seed_sd: tuple[float, float]
    tests: tuple[PairTest, ...]
    largest: tuple[CaseDifference, ...]
    notes: tuple[str, ...]

    def test(self, cohort: str, metric: str) -> PairTest | None:
        """Return the tests of a metric on a cohort, or None."""
        return {(one.cohort, one.metric): one for one in self.tests}.get((cohort, metric))
