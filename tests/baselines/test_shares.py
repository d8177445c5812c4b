"""A pool is parted by patient, larger shares hold the smaller ones, and the counts are those worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ich_bench.errors import IchBenchError, UsageError
from ich_bench_baselines.ramananda.shares import HELD_OUT, SHARES, TEST, TRAIN, UNUSED, parts, within


def pool(patients: int = 60, each: int = 10, ich_each: int = 4) -> pd.DataFrame:
    """Every second patient has `ich_each` slices with ICH."""
    lines = [
        {"slice_id": f"{p}/{k}", "patient_id": f"p{p:03}", "ich": p % 2 == 0 and k < ich_each}
        for p in range(patients)
        for k in range(each)
    ]
    return pd.DataFrame(lines)


def patients(table: pd.DataFrame, mine: np.ndarray) -> set[str]:
    return set(table["patient_id"][mine])


def test_held_out_are_slices_with_ich_of_patients_that_are_nowhere_else() -> None:
    table = pool()
    where = parts(table, held_out=6, seed=1)
    held = where == HELD_OUT
    assert held.sum() == 6
    assert table["ich"][held].all()
    assert len(patients(table, held)) == 2  # four of one patient, two of the next
    assert (where == UNUSED).sum() == 2 * 10 - 6
    assert not patients(table, held | (where == UNUSED)) & patients(table, (where == TRAIN) | (where == TEST))


def test_of_the_others_a_tenth_is_tested_on_with_and_without_ich_apart() -> None:
    table = pool()
    where = parts(table, held_out=6, seed=1)
    tested, trained = patients(table, where == TEST), patients(table, where == TRAIN)
    assert not tested & trained
    assert len(tested) == 3 + 3  # of 28 with ICH and 30 without, a tenth rounded: 2.8 and 3
    assert sum(int(one[1:]) % 2 == 0 for one in tested) == 3
    assert len(trained) == 25 + 27


def test_no_more_than_a_tenth_of_the_slices_with_ich_are_held_out() -> None:
    table = pool()  # 30 · 4 = 120 with ICH
    assert (parts(table, held_out=541, seed=1) == HELD_OUT).sum() == 12
    assert (parts(pool(4), held_out=541, seed=1) == HELD_OUT).sum() == 0  # 8 with ICH: a tenth is none


def test_a_pool_of_which_nothing_is_left_to_train_on_is_refused() -> None:
    with pytest.raises(IchBenchError, match="take a larger pool"):
        parts(pool(1, ich_each=10).assign(ich=False), held_out=0, seed=0)


def test_the_same_seed_parts_alike_and_another_one_otherwise() -> None:
    table = pool()
    assert (parts(table, held_out=6, seed=1) == parts(table, held_out=6, seed=1)).all()
    assert (parts(table, held_out=6, seed=1) != parts(table, held_out=6, seed=2)).any()


def test_a_share_of_slices_with_ich_is_reached_by_whole_patients() -> None:
    table = pool()
    among = parts(table, held_out=6, seed=1) == TRAIN  # 25 patients of four slices with ICH, 27 without
    ich = table["ich"].to_numpy(bool)
    for percent, wanted in ((10, 12), (20, 20), (50, 52), (100, 100)):
        mine = within(table, among, percent, seed=1)
        assert (mine & ich).sum() == wanted  # of 100: 10 by three patients, 20 by five, 50 by thirteen
        without = {one for one in patients(table, mine) if int(one[1:]) % 2}
        assert len(without) == {10: 3, 20: 5, 50: 14, 100: 27}[percent]  # 2.7, 5.4, 13.5, 27
        assert not (mine & ~among).any()


def test_every_share_holds_the_smaller_ones_and_a_patient_is_in_whole_or_not_at_all() -> None:
    rng = np.random.default_rng(5)
    table = pool(40)
    table["ich"] = table["ich"] & (rng.random(len(table)) < 0.6)
    among = parts(table, held_out=4, seed=3) == TRAIN
    before = np.zeros(len(table), bool)
    for percent in SHARES:
        mine = within(table, among, percent, seed=3)
        assert (mine >= before).all()
        assert not patients(table, mine) & patients(table, among & ~mine)
        ich = table["ich"].to_numpy(bool)
        assert (mine & ich).sum() * 100 >= percent * (among & ich).sum()
        before = mine
    assert (before == among).all()


@pytest.mark.parametrize("percent", [0, -10, 101])
def test_a_share_that_is_none_is_refused(percent: int) -> None:
    table = pool()
    with pytest.raises(UsageError, match="expected 1 to 100"):
        within(table, np.ones(len(table), bool), percent, seed=0)
