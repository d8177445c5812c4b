"""The few numbers that stand for a column of numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from ich_bench.tables.describe import agreement, describe, quantile, share


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def test_the_spread_is_the_sample_standard_deviation_and_undefined_values_do_not_count() -> None:
    stat = describe(column(1, 2, 4, math.nan))
    assert stat.n == 3
    assert stat.mean == pytest.approx(7 / 3)
    # deviations -4/3, -1/3, 5/3: squares 16/9 + 1/9 + 25/9 = 42/9; over n - 1 = 2: 7/3
    assert stat.sd == pytest.approx(math.sqrt(7 / 3))
    assert (stat.q1, stat.median, stat.q3) == (1.5, 2, 3)


def test_one_value_has_a_mean_and_no_spread_and_none_has_nothing() -> None:
    one, none = describe(column(0.25)), describe(column(math.nan))
    assert (one.n, one.mean, one.median) == (1, 0.25, 0.25)
    assert math.isnan(one.sd)
    assert none.n == 0
    assert all(math.isnan(value) for value in (none.mean, none.sd, none.median, none.q1, none.q3))


def test_a_mean_over_inf_is_inf_and_the_median_is_still_the_middle_value() -> None:
    stat = describe(column(3, math.inf, 1))
    assert (stat.mean, stat.median, stat.q1, stat.q3) == (math.inf, 3, 2, math.inf)
    assert math.isnan(stat.sd)


def test_quantiles_at_an_infinite_neighbour_of_weight_zero_stay_finite() -> None:
    assert quantile(column(5, math.inf, math.inf), 0.0) == 5
    assert quantile(column(math.inf, math.inf), 0.5) == math.inf


@pytest.mark.parametrize(("count", "n"), [(0, 1), (1, 1), (0, 39), (3, 39), (38, 39), (39, 39)])
def test_shares_have_wilsons_interval_as_scipy_gives_it(count: int, n: int) -> None:
    found = share(np.repeat([1.0, 0.0], [count, n - count]))
    scipys = binomtest(count, n).proportion_ci(method="wilson")
    assert (found.count, found.n, found.share) == (count, n, pytest.approx(count / n))
    assert (found.low, found.high) == (pytest.approx(scipys.low, abs=1e-12), pytest.approx(scipys.high, abs=1e-12))


def test_a_share_of_nothing_is_undefined() -> None:
    found = share(column(math.nan))
    assert found.n == 0
    assert math.isnan(found.share)


def test_agreement_of_volumes_by_hand() -> None:
    found = agreement(column(1, 2, 3, 9), column(2, 2, 5, math.nan))
    # differences 1, 0, 2: bias 1, sample variance 1, limits 1 ± 1.96
    assert (found.n, found.bias_ml) == (3, 1)
    assert (found.low_ml, found.high_ml) == (pytest.approx(-0.96), pytest.approx(2.96))
    # over n: means 2 and 3; variances 2/3 and (1 + 1 + 4)/3 = 2; covariance ((-1)(-1) + 0 + (1)(2))/3 = 1
    assert found.concordance == pytest.approx(2 * 1 / (2 / 3 + 2 + 1))


def test_concordance_is_undefined_where_nothing_varies() -> None:
    assert math.isnan(agreement(column(4, 4), column(4, 4)).concordance)
    assert math.isnan(agreement(column(4), column(5)).concordance)
    assert agreement(column(), column()).n == 0
