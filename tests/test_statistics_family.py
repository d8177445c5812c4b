"""All pairs at once: step-down max-T against an enumeration in plain loops, Holm, Kendall, P(rank 1)."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ich_bench import statistics
from ich_bench.statistics import Status


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def board(cases: int, methods: int, seed: int = 0) -> np.ndarray:
    return np.round(rng(seed).beta(5, 2, size=(cases, methods)), 4)


def enumerated(scores: np.ndarray) -> np.ndarray:
    """Return step-down max-T p-values as Westfall & Young describe them, by loops over all sign vectors."""
    cases, methods = scores.shape
    pairs = [
        pair for pair in itertools.combinations(range(methods), 2) if (scores[:, pair[0]] != scores[:, pair[1]]).any()
    ]

    def statistic(pair: tuple[int, int], signs: tuple[int, ...]) -> float:
        d = [sign * (scores[case, pair[0]] - scores[case, pair[1]]) for case, sign in enumerate(signs)]
        return abs(math.fsum(d)) / math.sqrt(math.fsum(one * one for one in d))

    observed = {pair: statistic(pair, (1,) * cases) for pair in pairs}
    ordered = sorted(pairs, key=lambda pair: -observed[pair])
    vectors = list(itertools.product((-1, 1), repeat=cases))
    p = np.ones((methods, methods))
    before = 0.0
    for place, pair in enumerate(ordered):
        left = ordered[place:]
        hits = sum(max(statistic(one, signs) for one in left) >= observed[pair] - 1e-12 for signs in vectors)
        before = max(before, hits / len(vectors))
        p[pair] = p[pair[::-1]] = before
    return p


@pytest.mark.parametrize(("cases", "methods"), [(1, 3), (2, 3), (5, 4), (8, 3)])
def test_max_t_of_few_cases_is_the_enumeration_by_hand(cases: int, methods: int) -> None:
    for seed in range(3):
        scores = board(cases, methods, seed)
        found = statistics.max_t(scores, rng=rng())
        assert found.exact
        assert found.draws == 2**cases
        np.testing.assert_allclose(found.p_adjusted, enumerated(scores), atol=1e-12)


def test_three_methods_on_three_cases_by_hand() -> None:
    # a - b = 1, 1, 1 (T = 3/√3 = 1.73), a - c = 2, 1, 0 (T = 3/√5 = 1.34), b - c = 1, 0, -1 (T = 0).
    # Signs ++-: T* of the three = 1/√3, 3/√5 and 2/√2 = 1.41; +-+: 0.58, 0.45, 0; -++: 0.58, 0.45, 1.41.
    # a - b: only +++ (and ---) reaches 1.73: 2/8. a - c: 1.34 is reached by +++, ++- and, through b - c, -++: 6/8.
    # b - c: always.
    found = statistics.max_t([[3, 2, 1], [3, 2, 2], [3, 2, 3]], rng=rng())
    assert (found.p_adjusted[0, 1], found.p_adjusted[0, 2], found.p_adjusted[1, 2]) == (2 / 8, 6 / 8, 1.0)
    # Alone, a - c reaches 1.34 under +++ and ++- only: 4/8.
    assert found.p_raw[0, 2] == 4 / 8
    assert (found.mean_difference[0, 2], found.mean_difference[2, 0]) == (1.0, -1.0)


def test_the_raw_p_of_a_pair_is_its_own_sign_flip_test_with_the_same_draws() -> None:
    scores = board(30, 4)
    found = statistics.max_t(scores, rng=rng(1), draws=500)
    for i, j in itertools.combinations(range(4), 2):
        alone = statistics.sign_flip(scores[:, i] - scores[:, j], rng=rng(1), draws=500)
        assert found.p_raw[i, j] == alone.p
        assert found.mean_difference[i, j] == pytest.approx(alone.mean_difference)
    assert found.p_raw[0, 1] == statistics.max_t(scores[:, :2], rng=rng(1), draws=500).p_adjusted[0, 1]


def test_adjusted_p_is_symmetric_not_below_raw_and_ordered_as_the_statistics() -> None:
    scores = board(40, 6)
    found = statistics.max_t(scores, rng=rng(), draws=400)
    assert (found.p_adjusted == found.p_adjusted.T).all()
    assert (found.p_adjusted >= found.p_raw).all()
    assert (np.diagonal(found.p_adjusted) == 1).all()
    pairs = np.triu_indices(6, 1)
    d = scores[:, pairs[0]] - scores[:, pairs[1]]
    order = np.argsort(-np.abs(d.sum(axis=0)) / np.sqrt((d**2).sum(axis=0)))
    assert (np.diff(found.p_adjusted[pairs][order]) >= 0).all()


def test_the_floor_is_one_in_draws_plus_one_at_any_number_of_methods() -> None:
    scores = board(30, 60)
    scores[:, 0] = np.minimum(1, scores[:, 0]) + 5
    found = statistics.max_t(scores, rng=rng(), draws=999)
    assert (found.p_adjusted[0, 1:] == 1 / 1000).all()  # Holm over 1,770 pairs could not go below 1.77


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30), st.integers(2, 6))
def test_neither_the_order_of_methods_nor_the_blocks_change_a_p(seed: int, cases: int, methods: int) -> None:
    scores = board(cases, methods, seed)
    found = statistics.max_t(scores, rng=rng(seed), draws=200)
    order = rng(seed + 1).permutation(methods)
    turned = statistics.max_t(scores[:, order], rng=rng(seed), draws=200, block_rows=7)
    assert (turned.p_adjusted == found.p_adjusted[np.ix_(order, order)]).all()
    assert (turned.p_raw == found.p_raw[np.ix_(order, order)]).all()


def test_copies_of_a_row_change_no_other_pair_and_equal_rows_have_p_1() -> None:
    scores = board(30, 6)
    alone = statistics.max_t(scores, rng=rng(2), draws=500)
    many = statistics.max_t(np.column_stack([scores, *[scores[:, 3]] * 100]), rng=rng(2), draws=500)
    assert (many.p_adjusted[:6, :6] == alone.p_adjusted).all()
    assert (many.p_adjusted[6:, 6:] == 1).all()
    assert (many.p_adjusted[3, 6:] == 1).all()
    assert (many.p_adjusted[0, 6:] == alone.p_adjusted[0, 3]).all()
    assert many.pairs == 15 + 5 * 100  # the 101 equal rows make no pair among themselves


def test_a_near_copy_that_differs_on_one_case_is_never_better_than_its_model() -> None:
    # One difference, however small: each sign vector gives the same |T|, so p = 1.
    scores = np.column_stack([board(40, 2), np.zeros(40)])
    scores[:, 2] = scores[:, 0]
    scores[7, 2] += 1e-9
    found = statistics.max_t(scores, rng=rng(), draws=300)
    assert found.p_raw[0, 2] == found.p_adjusted[0, 2] == 1.0
    scores[7, 2] = scores[7, 0] + 1e-13  # less than 1e-12 is no difference
    assert statistics.max_t(scores, rng=rng(), draws=300).pairs == 2


def test_cases_undefined_for_all_are_left_out() -> None:
    scores = board(20, 3)
    gaps = np.insert(scores, 5, np.nan, axis=0)
    found, expected = (statistics.max_t(one, rng=rng(), draws=99) for one in (gaps, scores))
    assert found.n == 20
    assert (found.p_adjusted == expected.p_adjusted).all()


@pytest.mark.parametrize("gap", [math.nan, math.inf])
def test_a_method_without_a_value_where_another_has_one_takes_no_part_and_harms_nobody(gap: float) -> None:
    scores = board(20, 4)
    expected = statistics.max_t(scores[:, [0, 1, 3]], rng=rng(), draws=99)
    scores[4, 2] = gap
    found = statistics.max_t(scores, rng=rng(), draws=99)
    assert found.status == (Status.OK, Status.OK, Status.NOT_FINITE, Status.OK)
    assert np.isnan(found.p_adjusted[2]).all()
    assert np.isnan(found.p_adjusted[:, 2]).all()
    assert (found.p_adjusted[np.ix_([0, 1, 3], [0, 1, 3])] == expected.p_adjusted).all()
    welch = statistics.welch_matrix(scores)
    assert (np.isnan(welch.p) == np.isnan(found.p_adjusted)).all()


def test_a_metric_that_is_nan_only_has_no_p() -> None:
    found = statistics.max_t(np.full((5, 3), np.nan), rng=rng())
    assert np.isnan(found.p_adjusted).all()
    assert (found.n, found.pairs, found.draws) == (0, 0, 0)
    assert found.status == (Status.NO_VALUES,) * 3
    assert np.isnan(statistics.welch_matrix(np.full((5, 3), np.nan)).p).all()
    assert np.isnan(statistics.p_rank_one(np.full((5, 3), np.nan), rng=rng())).all()


def test_one_method_is_compared_with_nobody() -> None:
    found = statistics.max_t(board(20, 1), rng=rng())
    assert (found.p_adjusted.tolist(), found.pairs) == ([[1.0]], 0)
    assert statistics.welch_matrix(board(20, 1)).p.tolist() == [[1.0]]
    assert statistics.p_rank_one(board(20, 1), rng=rng()).tolist() == [1.0]
    assert statistics.max_t(np.zeros((20, 0)), rng=rng()).p_adjusted.shape == (0, 0)


def test_one_case_separates_nobody() -> None:
    found = statistics.max_t([[0.9, 0.1, 0.5]], rng=rng())
    assert (found.p_adjusted == 1).all()
    welch = statistics.welch_matrix([[0.9, 0.1, 0.5]])
    assert np.isnan(welch.p).all()
    assert set(welch.status) == {Status.ONE_VALUE}


def test_equal_scores_everywhere_give_p_1_everywhere() -> None:
    scores = np.full((40, 5), 0.7)
    found = statistics.max_t(scores, rng=rng(), draws=50)
    assert (found.p_adjusted == 1).all()
    assert found.pairs == 0
    assert (statistics.welch_matrix(scores).p == 1).all()
    assert statistics.p_rank_one(scores, rng=rng()) == pytest.approx([0.2] * 5)


def test_millimetres_are_counted_as_exactly_as_shares() -> None:
    scores = board(50, 4)
    small, large = (statistics.max_t(one, rng=rng(), draws=200).p_adjusted for one in (scores, scores * 512))
    assert (small == large).all()


# Holm


def test_holm_by_hand() -> None:
    # Sorted: 0.005 · 4 = 0.02, 0.01 · 3 = 0.03, 0.03 · 2 = 0.06, 0.04 · 1 = 0.04, which may not fall below 0.06.
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_stops_at_1_and_leaves_out_nan() -> None:
    assert statistics.holm([0.02, math.nan, 0.6, 0.7]) == pytest.approx([0.06, math.nan, 1, 1], nan_ok=True)
    assert statistics.holm([]).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_holm_lies_between_the_raw_p_and_bonferronis_and_keeps_their_order(p: list[float]) -> None:
    raw, adjusted = np.array(p), statistics.holm(p)
    assert (adjusted >= raw).all()
    assert (adjusted <= np.minimum(1, raw * len(p))).all()
    assert (np.diff(adjusted[np.argsort(raw, kind="stable")]) >= 0).all()


# Rankings


def test_kendall_tau_b_by_hand() -> None:
    # 1 2 3 4 against 1 3 2 4: five pairs agree, one does not: 4/6.
    assert statistics.kendall_tau_b([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(4 / 6)
    # 1 2 2 against 1 2 3: two pairs agree, one is tied in the first: 2 / sqrt(2 · 3).
    assert statistics.kendall_tau_b([1, 2, 2], [1, 2, 3]) == pytest.approx(2 / math.sqrt(6))


def test_kendall_tau_is_undefined_for_one_method_or_one_single_tie() -> None:
    assert math.isnan(statistics.kendall_tau_b([1], [1]))
    assert math.isnan(statistics.kendall_tau_b([1, 1, 1], [1, 2, 3]))
    assert statistics.kendall_tau_b([1, 2, math.nan, 3], [1, 2, 9, 3]) == pytest.approx(1)


def test_p_rank_one_by_hand() -> None:
    # Two cases, each won by one method: both are drawn twice with 1/4 each, a tie with 1/2, so each has 1/2. With the
    # first case worth more, a wins the mixed draw too: 3/4. Four standard errors of 2,000 resamples: 0.039.
    even = statistics.p_rank_one([[1.0, 0.5], [0.5, 1.0]], rng=rng())
    assert even == pytest.approx([0.5, 0.5], abs=0.045)
    assert statistics.p_rank_one([[1.0, 0.4], [0.5, 1.0]], rng=rng()) == pytest.approx([0.75, 0.25], abs=0.039)
    lower = statistics.p_rank_one([[1.0, 0.4], [0.5, 1.0]], rng=rng(), higher_is_better=False)
    assert lower == pytest.approx([0.25, 0.75], abs=0.039)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 20), st.integers(1, 6))
def test_p_rank_one_sums_to_1_and_copies_share(seed: int, cases: int, methods: int) -> None:
    scores = board(cases, methods, seed)
    found = statistics.p_rank_one(scores, rng=rng(seed), resamples=100)
    assert found.sum() == pytest.approx(1)
    twice = statistics.p_rank_one(np.column_stack([scores, scores]), rng=rng(seed), resamples=100)
    assert twice == pytest.approx(np.tile(found, 2) / 2)
