"""Tests of one pair, intervals and effect sizes, against printed examples, hand enumeration and scipy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ich_bench import statistics
from ich_bench.statistics import Status, intervals

# Hours of sleep gained under two drugs: Cushny & Peebles 1905, as in Student, Biometrika 6 (1908) 20; R's `sleep`.
SLEEP_1 = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SLEEP_2 = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
SLEEP = SLEEP_2 - SLEEP_1
# Darwin's maize, crossed minus self-fertilised, in eighths of an inch: Fisher, The Design of Experiments, section 17.
MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
# Spatial test data, column A: Efron & Tibshirani, An Introduction to the Bootstrap (1993), Table 14.1.
SPATIAL = [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41]

scores = st.integers(0, 10_000).map(lambda number: number / 10_000)
some = st.lists(st.integers(-1000, 1000).map(lambda number: number / 1000), min_size=2, max_size=11)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# Welch


def test_welch_gives_what_r_prints_for_the_sleep_data() -> None:
    found = statistics.welch(SLEEP_1, SLEEP_2)
    # R, t.test(extra ~ group, sleep): t = -1.8608, df = 17.776, p-value = 0.07939
    assert (found.t, found.df, found.p) == pytest.approx((-1.8608, 17.776, 0.07939), rel=1e-4)
    assert (found.n_a, found.n_b, found.status) == (10, 10, Status.OK)


@given(st.lists(scores, min_size=3, max_size=30), st.lists(scores, min_size=3, max_size=30))
def test_welch_is_scipys(a: list[float], b: list[float]) -> None:
    if np.ptp(a) > 1e-9 and np.ptp(b) > 1e-9:
        theirs = stats.ttest_ind(a, b, equal_var=False)
        found = statistics.welch(a, b)
        assert (found.p, found.t, found.df) == pytest.approx((theirs.pvalue, theirs.statistic, theirs.df), rel=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "p", "status"),
    [
        ([0.3] * 4, [0.1 + 0.2] * 3, 1.0, Status.NO_SPREAD),  # 0.30000000000000004 is 0.3 but for rounding
        ([0.3] * 4, [0.4] * 3, 0.0, Status.NO_SPREAD),
        ([0.3], [0.4, 0.5], math.nan, Status.ONE_VALUE),
        ([math.nan] * 3, [0.4, 0.5], math.nan, Status.NO_VALUES),
        ([0.1, math.inf], [0.4, 0.5], math.nan, Status.NOT_FINITE),
    ],
)
def test_welch_of_constant_single_missing_or_infinite_values_is_defined(a, b, p, status) -> None:  # type: ignore[no-untyped-def]
    found = statistics.welch(a, b)
    assert found.p == pytest.approx(p, nan_ok=True)
    assert found.status == status


def test_welch_leaves_out_what_is_undefined_as_the_papers_do() -> None:
    assert statistics.welch([*SLEEP_1, np.nan], SLEEP_2).p == statistics.welch(SLEEP_1, SLEEP_2).p


def test_welch_against_one_constant_sample_is_a_test_of_that_mean() -> None:
    # The constant has no variance, so t = mean / (SD / sqrt(n)) with n - 1 degrees of freedom: the one-sample t test.
    found = statistics.welch(SLEEP, np.zeros(7))
    assert (found.t, found.df) == pytest.approx((4.0621, 9), rel=1e-5)  # R, t.test(extra2 - extra1): t = 4.0621, df = 9


def test_the_welch_matrix_holds_the_test_of_each_pair() -> None:
    table = rng().beta(5, 2, size=(30, 5))
    table[:, 3] = 0.5
    found = statistics.welch_matrix(table)
    for i, j in itertools.product(range(5), range(5)):
        pair = statistics.welch(table[:, i], table[:, j])
        expected = 1.0 if i == j else pair.p
        assert found.p[i, j] == pytest.approx(expected, rel=1e-12)
    assert found.status == (Status.OK,) * 5


# Paired tests


def test_sign_flip_of_the_sleep_data_is_counted_by_hand() -> None:
    # Nine differences are above zero, one is zero: only "all plus" and "all minus" reach the sum, each twice: 4 / 1024.
    found = statistics.sign_flip(SLEEP, rng=rng())
    assert (found.p, found.draws, found.exact) == (4 / 1024, 1024, True)
    assert found.mean_difference == pytest.approx(1.58)


def test_sign_flip_by_draws_agrees_with_fishers_count_for_darwins_maize() -> None:
    # Section 21: 863 of 32,768 sign patterns reach the sum of 314, and as many -314. Four standard errors: 0.0064.
    found = statistics.sign_flip(MAIZE, rng=rng())
    assert not found.exact
    assert found.p == pytest.approx(1726 / 32768, abs=0.0064)


def test_sign_flip_by_draws_counts_the_observed_signs_too() -> None:
    # Twenty equal differences: |T*| reaches |T| once in 2**19 draws, so of 99 none does: (0 + 1) / (99 + 1).
    assert statistics.sign_flip([0.25] * 20, rng=rng(), draws=99).p == 0.01


@settings(max_examples=40, deadline=None)
@given(some)
def test_sign_flip_of_few_cases_is_scipys_exact_permutation_test(differences: list[float]) -> None:
    theirs = stats.permutation_test(
        (np.array(differences),), lambda d, axis: np.round(np.mean(d, axis=axis), 12), permutation_type="samples",
        n_resamples=np.inf, vectorized=True,
    )  # fmt: skip
    assert statistics.sign_flip(differences, rng=rng()).p == pytest.approx(theirs.pvalue, abs=1e-12)


@given(some)
def test_paired_tests_do_not_know_which_method_came_first(differences: list[float]) -> None:
    turned = [-one for one in differences]
    assert statistics.sign_flip(turned, rng=rng()).p == statistics.sign_flip(differences, rng=rng()).p
    assert statistics.wilcoxon(turned).p == pytest.approx(statistics.wilcoxon(differences).p)
    assert statistics.matched_rank_biserial(turned) == -statistics.matched_rank_biserial(differences)


def test_sums_that_are_equal_on_paper_are_equal_here() -> None:
    # 0.1 + 0.2 - 0.3 = 0 on paper, 5.6e-17 in floating point; |T*| = 0 of T = 0 always reaches it.
    assert statistics.sign_flip([0.1, 0.2, -0.3], rng=rng()).p == 1.0
    # |T*| of 0.3, 0.1, -0.2 under its eight sign patterns: 0.6, 0.4, 0.2 and 0, each twice; T = 0.2 is reached by six.
    assert statistics.sign_flip([0.3, 0.1, -0.2], rng=rng()).p == 6 / 8


def test_wilcoxon_by_hand() -> None:
    # Ranks 1 to 5, all positive: the smaller sum is 0, its mean 5·6/4 = 7.5, its variance 5·6·11/24 = 13.75.
    found = statistics.wilcoxon([0.01, 0.02, 0.03, 0.04, 0.05])
    assert found.statistic == 0
    assert found.p == pytest.approx(2 * stats.norm.cdf(-7.5 / math.sqrt(13.75)))


def test_wilcoxon_splits_the_ranks_of_zeros() -> None:
    # Ranks 1.5, 1.5 (zeros), 3, 4, 5, 6 all positive: half of 3 falls to the minus side: 1.5.
    assert statistics.wilcoxon([0, 0, 0.1, 0.2, 0.3, 0.4]).statistic == 1.5


def test_wilcoxon_ties_differences_that_print_alike() -> None:
    # 0.3 - 0.2 and 0.2 - 0.1 differ in the last bit; they share ranks 1 and 2, so -0.1 gets 1.5 and not 1 or 2.
    assert statistics.wilcoxon([0.3 - 0.2, -(0.2 - 0.1), 0.5, 0.6]).statistic == 1.5


@pytest.mark.parametrize("n", [1, 5, 14, 15, 40])
def test_all_differences_zero_gives_p_1_in_every_paired_test(n: int) -> None:
    zeros = np.zeros(n)
    assert statistics.sign_flip(zeros, rng=rng(), draws=50).p == 1.0
    assert statistics.wilcoxon(zeros).p == 1.0
    assert statistics.matched_rank_biserial(zeros) == 0.0


@pytest.mark.parametrize(
    ("values", "status"),
    [([], Status.NO_VALUES), ([math.nan] * 3, Status.NO_VALUES), ([0.1, math.inf, 0.2], Status.NOT_FINITE)],
)
def test_nothing_is_made_up_where_there_is_no_value(values: list[float], status: Status) -> None:
    flipped, ranked = statistics.sign_flip(values, rng=rng()), statistics.wilcoxon(values)
    equivalent = statistics.tost(values, 0.05)
    bounds = (statistics.t_interval(values), statistics.bca_interval(values, rng=rng()))
    assert {one.status for one in (flipped, ranked, equivalent, *bounds)} == {status}
    undefined = [flipped.p, ranked.p, equivalent.p, *(bound for one in bounds for bound in (one.low, one.high))]
    undefined += [statistics.cohens_dz(values), statistics.matched_rank_biserial(values)]
    assert np.isnan([*undefined, statistics.minimal_detectable_difference(values)]).all()


def test_a_case_undefined_for_both_is_left_out_and_one_sided_gaps_leave_nothing() -> None:
    a, b = [0.5, math.nan, 0.7], [0.4, math.nan, 0.4]
    assert statistics.paired_differences(a, b) == pytest.approx([0.1, 0.3])
    assert np.isnan(statistics.paired_differences([0.5, math.nan, 0.7], [0.4, 0.1, 0.4])).all()
    assert statistics.sign_flip(statistics.paired_differences(a, [0.4, 0.1, 0.4]), rng=rng()).status == Status.NO_VALUES


def test_shapes_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 2\)"):
        statistics.wilcoxon(np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"\(3,\) and \(2,\)"):
        statistics.paired_differences([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="at least one draw"):
        statistics.sign_flip(np.ones(20), rng=rng(), draws=0)


# Intervals


def test_the_t_interval_of_the_sleep_data_is_what_r_prints() -> None:
    found = statistics.t_interval(SLEEP)
    assert (found.low, found.high) == pytest.approx((0.7001142, 2.4598858), abs=1e-7)


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_intervals_of_newcombe_1998_table_1(count: int, n: int, low: float, high: float) -> None:
    found = statistics.wilson(count, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.99))
def test_wilson_is_scipys_and_holds_the_share(of: tuple[int, int], level: float) -> None:
    count, n = of
    theirs = stats.binomtest(count, n).proportion_ci(level, method="wilson")
    found = statistics.wilson(count, n, level=level)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert found.low <= count / n <= found.high


def test_wilson_of_nothing_is_undefined_and_of_more_than_all_refused() -> None:
    assert math.isnan(statistics.wilson(0, 0).low)
    with pytest.raises(ValueError, match="within 0 and 3"):
        statistics.wilson(4, 3)


def test_bca_of_the_spatial_data_is_near_the_printed_one() -> None:
    # Variance (over n) 171.5, 90 % BCa interval (115.8, 259.6) from 2,000 resamples: Efron & Tibshirani 1993, ch. 14.
    found = statistics.bca_interval(SPATIAL, rng=rng(), statistic=np.var, level=0.9)
    assert np.var(SPATIAL) == pytest.approx(171.5, abs=0.05)
    assert (found.low, found.high) == pytest.approx((115.8, 259.6), abs=6)


def test_bca_draws_from_the_generator_it_is_given() -> None:
    same = [statistics.bca_interval(SPATIAL, rng=rng(3), resamples=200) for _ in range(2)]
    assert same[0] == same[1]
    assert statistics.bca_interval(SPATIAL, rng=rng(4), resamples=200) != same[0]


def test_intervals_of_equal_values_are_that_point_and_of_one_value_undefined() -> None:
    for bounds in (statistics.t_interval([0.7] * 5), statistics.bca_interval([0.7] * 5, rng=rng())):
        assert (bounds.low, bounds.high, bounds.status) == (0.7, 0.7, Status.NO_SPREAD)
    for bounds in (statistics.t_interval([0.7]), statistics.bca_interval([0.7], rng=rng())):
        assert math.isnan(bounds.low)
        assert (bounds.n, bounds.status) == (1, Status.ONE_VALUE)


def test_a_median_that_no_resample_moves_has_no_bca_interval() -> None:
    # Of 40 values 38 are 0.5: the median of a resample is 0.5, but for one in many millions.
    found = statistics.bca_interval([0.5] * 38 + [0.1, 0.9], rng=rng(), statistic=np.median, resamples=200)
    assert math.isnan(found.low)
    assert found.status == Status.NO_SPREAD


# Effects


def test_cohens_dz_of_the_sleep_data_is_t_over_root_n() -> None:
    assert statistics.cohens_dz(SLEEP) == pytest.approx(4.0621 / math.sqrt(10), rel=1e-4)


@pytest.mark.parametrize("differences", [[0.0] * 4, [0.1] * 4, [0.1]])
def test_cohens_dz_is_undefined_without_spread(differences: list[float]) -> None:
    assert math.isnan(statistics.cohens_dz(differences))


def test_matched_rank_biserial_by_hand() -> None:
    # Ranks of 1, -2, 3, 4: plus 1 + 3 + 4 = 8, minus 2, of 10 in all.
    assert statistics.matched_rank_biserial([1, -2, 3, 4]) == pytest.approx(0.6)
    # A zero takes rank 1 and no side: plus 2 + 3 = 5 of 6.
    assert statistics.matched_rank_biserial([0, 2, 3]) == pytest.approx(5 / 6)


@given(st.lists(st.integers(-50, 50).map(lambda number: number / 100), min_size=3, max_size=30))
def test_tost_says_equal_at_5_percent_where_the_90_percent_interval_lies_within_the_margin(values: list[float]) -> None:
    if np.ptp(values) > 0:
        found, bounds = statistics.tost(values, 0.1), statistics.t_interval(values, level=0.9)
        inside = bounds.low > -0.1 and bounds.high < 0.1
        assert (found.p < 0.05) == inside or found.p == pytest.approx(0.05)


def test_tost_of_differences_without_spread_asks_only_where_they_lie() -> None:
    assert [statistics.tost([one] * 3, 0.05).p for one in (0.0, 0.04, -0.04, 0.06, -0.06)] == [0, 0, 0, 1, 1]
    with pytest.raises(ValueError, match="above 0"):
        statistics.tost([0.1, 0.2], 0)


def test_two_equal_methods_reach_the_smallest_margin_in_80_percent() -> None:
    # 36 differences with mean 0 and SD 0.1: (1.6449 + 1.2816) · 0.1 / 6 = 0.0488, within 0.05 but not within 0.03.
    values = np.tile([-1.0, 1.0], 18) * 0.1 * math.sqrt(35 / 36)
    found = statistics.tost(values, 0.05)
    assert found.smallest_margin == pytest.approx(0.0488, abs=5e-5)
    assert found.testable
    assert not statistics.tost(values, 0.03).testable


def test_minimal_detectable_difference_by_hand() -> None:
    # 36 differences with SD 0.1: (1.9600 + 0.8416) · 0.1 / 6 = 0.04669.
    values = np.tile([-1.0, 1.0], 18) * 0.1 * math.sqrt(35 / 36)
    assert statistics.minimal_detectable_difference(values) == pytest.approx(0.04669, abs=5e-6)
    # Holm's first step of 66 pairs: z at 1 - 0.05/132 is 3.3683, so 4.2099 · 0.1 / 6 = 0.0702.
    assert statistics.minimal_detectable_difference(values, alpha=0.05 / 66) == pytest.approx(0.0702, abs=5e-5)
    assert statistics.minimal_detectable_difference([0.2] * 5) == 0.0


def test_margins_are_declared_for_every_dataset() -> None:
    assert statistics.equivalence_margin("seg-cq500") == statistics.equivalence_margin("hssayeni") == 0.05
    assert statistics.equivalence_margin("instance2022") == statistics.equivalence_margin("phantom-test") == 0.03


def test_the_usual_quantile_is_scipys() -> None:
    assert intervals._normal_quantile(0.975) == intervals._Z_95
