"""Who sees which slice: folds, budgets, regimes, pools; no batch holds what is tested; batches are pure functions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from ich_bench.cases import FoldRow, Scheme
from ich_bench.errors import IchBenchError, UsageError
from ich_bench.folds import BUDGETS, DRAWS, load_budget, load_scheme, schemes_of
from ich_bench.folds.table import SCHEMES
from ich_bench_baselines.data import streams
from ich_bench_baselines.data.guard import Guard, guard_of
from ich_bench_baselines.data.streams import REGIMES, Stream, batches, labelled, seven, share, unlabelled, weak

EVERY = [(dataset, name) for dataset in SCHEMES for name in schemes_of(dataset)]


def index_of(cases: dict[str, str], *, slices: int = 10, ich: int = 2, dataset_labels: bool = True) -> pd.DataFrame:
    """`slices` slices a case; in every case the slices 3, 4 … hold ICH, `ich` of them."""
    rows = [
        {"slice_id": f"{case}/{k}", "case_id": case, "patient_id": patient, "k": k, "has_ich": 3 <= k < 3 + ich}
        for case, patient in cases.items()
        for k in range(slices)
    ]
    index = pd.DataFrame(rows).astype({"has_ich": "boolean"})
    index["any"] = index["has_ich"] if dataset_labels else pd.array([pd.NA] * len(index), dtype="boolean")
    return index


def scheme_of(rows: list[tuple[str, str, int]], **more: bool) -> Scheme:
    return Scheme(
        dataset="toy",
        name="cv",
        sha256="",
        rows=tuple(FoldRow(case_id=c, patient_id=p, fold=f) for c, p, f in rows),
        **more,
    )


TWO = scheme_of([("a", "A", 0), ("b", "B", 0), ("c", "C", 1), ("d", "D", 1)])
TWO_CASES = {"a": "A", "b": "B", "c": "C", "d": "D"}


def handed_out(stream: Stream, index: pd.DataFrame, epochs: int = 2) -> Iterator[pd.DataFrame]:
    """Every batch as the loader hands it out: past the guard, which may raise."""
    for epoch in range(epochs):
        for places in batches(len(stream), 16, seed=1, epoch=epoch):
            batch = index.iloc[stream.rows[places]]
            stream.guard.hand_out(batch["case_id"], batch["patient_id"], batch["slice_id"])
            yield batch


@pytest.mark.parametrize(("dataset", "name"), EVERY, ids=lambda one: one)
def test_no_batch_of_any_fold_and_regime_holds_a_test_case_or_its_patient(dataset: str, name: str) -> None:
    scheme = load_scheme(dataset, name)
    index = index_of({row.case_id: row.patient_id for row in scheme.rows})
    patient_of = {row.case_id: row.patient_id for row in scheme.rows}
    for fold in scheme.folds:
        test, train = set(scheme.test_cases(fold)), set(scheme.train_cases(fold))
        if not train:
            with pytest.raises(IchBenchError, match="no case to train on"):
                labelled(index, scheme, fold)
            continue
        for regime in REGIMES:
            stream = labelled(index, scheme, fold, regime=regime)
            seen = {case for batch in handed_out(stream, index, epochs=1) for case in batch["case_id"]}
            assert seen == set(stream.guard.seen) == train  # each case has slices with ICH here
            assert not seen & test
            assert not seen & set(scheme.validation.get(fold, ()))
            if not scheme.leaky:
                assert not {patient_of[case] for case in seen} & {patient_of[case] for case in test}


@pytest.mark.parametrize("dataset", ["hssayeni", "seg-cq500", "instance2022", "phantom", "phantom-mini"])
def test_budgets_see_the_frozen_cases_and_no_other(dataset: str) -> None:
    scheme = load_scheme(dataset)
    index = index_of({row.case_id: row.patient_id for row in scheme.rows})
    for fold in scheme.folds[:2]:
        for budget in BUDGETS:
            for draw in DRAWS:
                stream = labelled(index, scheme, fold, budget=budget, draw=draw, regime="all")
                cases = set(index.iloc[stream.rows]["case_id"])
                assert cases == set(load_budget(dataset, scheme.name, fold, budget, draw))
                assert not cases & set(scheme.test_cases(fold))


def test_ich_only_sees_the_positive_slices_and_mixed_twice_as_many_normal_ones_beside() -> None:
    # 2 training cases (c, d) of 10 slices, 2 with ICH each: 4 positive, 16 normal; mixed adds 2 · 4 = 8
    index = index_of(TWO_CASES)
    only, mixed = (labelled(index, TWO, 0, regime=regime) for regime in ("ich-only", "mixed"))
    assert only.rows.tolist() == [23, 24, 33, 34]  # c begins at 20, d at 30; k = 3 and 4
    assert only.positive.all()
    assert len(mixed) == 12
    assert mixed.rows[mixed.positive].tolist() == [23, 24, 33, 34]
    assert len(set(mixed.rows)) == 12
    assert (mixed.rows >= 20).all()
    assert "4 slices with ICH and 8 without, of 2 cases" in mixed.about


def test_normal_slices_are_drawn_once_for_a_fold_and_seed() -> None:
    index = index_of({**TWO_CASES}, slices=60)
    once, again, other_seed, other_fold = (
        labelled(index, TWO, fold, seed=seed).rows.tolist() for fold, seed in ((0, 1), (0, 1), (0, 2), (1, 1))
    )
    assert once == again
    assert once != other_seed
    assert [row - 120 for row in once] != other_fold  # another fold draws other places, not the same pattern


def test_where_normal_slices_are_few_all_are_taken_and_it_is_said() -> None:
    stream = labelled(index_of(TWO_CASES, slices=6, ich=3), TWO, 0)  # 6 positive want 12 normal; there are 6
    assert len(stream) == 12
    assert stream.notes == ("only 6 normal slices, not 12: all are taken.",)


def test_the_label_of_a_slice_is_the_datasets_own_where_it_has_one_and_the_mask_where_asked() -> None:
    index = index_of(TWO_CASES)
    index.loc[25, "any"] = True  # case c, slice 5: the table says ICH, the mask is empty
    index.loc[24, "any"] = pd.NA  # no label: the mask decides, which says ICH
    table, mask = (labelled(index, TWO, 0, regime="ich-only", label=label) for label in ("dataset", "mask"))
    assert (table.rows.tolist(), table.label_source) == ([23, 24, 25, 33, 34], "dataset")
    assert (mask.rows.tolist(), mask.label_source) == ([23, 24, 33, 34], "mask")
    assert labelled(index_of(TWO_CASES, dataset_labels=False), TWO, 0).label_source == "mask"


def test_a_fold_without_positive_slices_is_refused_in_words() -> None:
    with pytest.raises(IchBenchError, match=r"no slice of the 2 training cases of fold 0 of toy/cv holds ICH"):
        labelled(index_of(TWO_CASES, ich=0), TWO, 0)


def test_training_cases_that_are_not_there_are_named_unless_allowed() -> None:
    index = index_of({case: patient for case, patient in TWO_CASES.items() if case != "d"})
    with pytest.raises(
        IchBenchError, match="1 of the 2 training cases of fold 0 of toy/cv are not among the slices: d"
    ):
        labelled(index, TWO, 0)
    assert labelled(index, TWO, 0, allow_absent=True).notes == ("1 training cases are absent.",)


def test_regimes_folds_and_labels_that_are_none_are_refused() -> None:
    index = index_of(TWO_CASES)
    with pytest.raises(UsageError, match="no regime 'mixd'"):
        labelled(index, TWO, 0, regime="mixd")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"no fold 7; it has 0, 1"):
        labelled(index, TWO, 7)
    with pytest.raises(UsageError, match="label"):
        labelled(index, TWO, 0, label="csv")  # type: ignore[arg-type]
    pool = index.assign(has_ich=pd.array([pd.NA] * len(index), dtype="boolean"))
    with pytest.raises(IchBenchError, match="no masks"):
        labelled(pool, TWO, 0)


def test_the_guard_raises_for_a_test_case_and_records_what_it_let_pass() -> None:
    guard = guard_of(TWO, 0)
    guard.hand_out(["c", "c", "d"], ["C", "C", "D"], ["c/1", "c/2", "d/1"])
    assert guard.seen == {"c": 2, "d": 1}
    with pytest.raises(IchBenchError, match=r"the test part of fold 0 of toy/cv: A, a\."):
        guard.hand_out(["c", "a"], ["C", "A"], ["c/1", "a/1"])
    assert guard.seen == {"c": 2, "d": 1}


def test_the_guard_raises_for_another_case_of_a_test_patient_unless_the_scheme_is_leaky() -> None:
    rows = [("a1", "A", 0), ("a2", "A", 1), ("b", "B", 1)]  # patient A stands on both sides
    index = index_of({"a1": "A", "a2": "A", "b": "B"})
    with pytest.raises(IchBenchError, match=r"holds what is kept apart .*: A\."):
        list(handed_out(labelled(index, scheme_of(rows), 0), index))
    leaky = labelled(index, scheme_of(rows, leaky=True), 0)
    assert {case for batch in handed_out(leaky, index) for case in batch["case_id"]} == {"a2", "b"}


def test_the_guard_raises_where_the_choice_of_slices_itself_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scheme, "train_cases", lambda self, fold: tuple(row.case_id for row in self.rows))
    index = index_of(TWO_CASES)
    with pytest.raises(IchBenchError, match="fold 0 of toy/cv"):
        list(handed_out(labelled(index, TWO, 0), index))


def test_batches_are_a_pure_function_of_seed_and_epoch_and_hold_every_place_once() -> None:
    first = batches(10, 4, seed=3, epoch=0)
    assert [len(batch) for batch in first] == [4, 4, 2]
    assert sorted(np.concatenate(first).tolist()) == list(range(10))
    assert all(map(np.array_equal, first, batches(10, 4, seed=3, epoch=0)))
    for seed, epoch in ((3, 1), (4, 0)):
        assert not np.array_equal(np.concatenate(first), np.concatenate(batches(10, 4, seed=seed, epoch=epoch)))
    # the order of PCG64([3, 0])'s first ten raw numbers
    assert np.concatenate(first).tolist() == np.argsort(np.random.PCG64([3, 0]).random_raw(10)).tolist()


def test_drop_last_leaves_out_only_a_batch_that_is_not_full() -> None:
    assert [len(batch) for batch in batches(10, 4, seed=0, epoch=0, drop_last=True)] == [4, 4]
    assert [len(batch) for batch in batches(8, 4, seed=0, epoch=0, drop_last=True)] == [4, 4]
    assert batches(3, 4, seed=0, epoch=0, drop_last=True) == []
    assert np.concatenate(batches(5, 2, seed=0, epoch=0, shuffle=False)).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(UsageError):
        batches(0, 4, seed=0, epoch=0)


def test_processes_share_each_batch_without_overlap() -> None:
    dealt = batches(9, 4, seed=0, epoch=0)  # 4, 4, 1: the last has too few for two
    one, two = share(dealt, 0, 2), share(dealt, 1, 2)
    assert [sorted([*a, *b]) for a, b in zip(one, two, strict=True)] == [sorted(batch) for batch in dealt[:2]]


def pool_index(patients: int = 60, slices: int = 10) -> pd.DataFrame:
    """Patient p: 10 slices; in every third patient slices 0 to 4 hold ICH: 20 · 5 = 100 of 600 slices."""
    rows = [
        {"slice_id": f"{p:02}-{k}", "case_id": f"exam-{p:02}", "patient_id": f"p{p:02}", "any": p % 3 == 0 and k < 5}
        for p in range(patients)
        for k in range(slices)
    ]
    index = pd.DataFrame(rows)
    for number, name in enumerate(("iph", "ivh", "edh", "sdh", "sah")):
        index[name] = index["any"] & (index.index % 5 == number)
    return index.astype(dict.fromkeys(("any", "iph", "ivh", "edh", "sdh", "sah"), "boolean"))


def test_the_held_out_part_of_a_pool_shares_no_patient_with_the_training_part() -> None:
    index = pool_index()
    train, held = (weak(index, held_out=20, part=part) for part in ("train", "held-out"))
    patients = [set(index.iloc[one.rows]["patient_id"]) for one in (train, held)]
    assert not patients[0] & patients[1]
    # balanced: 100 with ICH and 100 without; a tenth of 200 is 20: ten of each kind are held out
    assert (int(held.positive.sum()), len(held)) == (10, 20)
    for stream in (train, held):
        list(handed_out(stream, index))  # the guard lets all of them pass
    wrong = index.iloc[held.rows]
    with pytest.raises(IchBenchError, match="held-out part of the pool"):
        train.guard.hand_out(wrong["case_id"], wrong["patient_id"], wrong["slice_id"])


def test_the_papers_split_by_slice_puts_patients_on_both_sides_but_no_slice() -> None:
    index = pool_index()
    train, held = (weak(index, by="slice", held_out=20, part=part) for part in ("train", "held-out"))
    assert not set(train.rows) & set(held.rows)
    assert (len(train), len(held), int(held.positive.sum())) == (180, 20, 10)
    assert set(index.iloc[train.rows]["patient_id"]) & set(index.iloc[held.rows]["patient_id"])
    list(handed_out(train, index))
    wrong = index.iloc[held.rows[:1]]
    with pytest.raises(IchBenchError, match="held-out part"):
        train.guard.hand_out(wrong["case_id"], wrong["patient_id"], wrong["slice_id"])


def test_unlabelled_streams_carry_no_labels_and_may_be_of_ich_slices_alone() -> None:
    index = pool_index()
    every, only = unlabelled(index, held_out=20), unlabelled(index, held_out=20, ich_only=True)
    assert every.labels is None
    assert only.labels is None
    assert only.positive.all()
    assert len(only) == int(every.positive.sum()) < len(every)


def test_the_seven_labels_stand_in_the_authors_order() -> None:
    assert streams.SEVEN == ("no_Hemorrhage", "Hemorrhage", "EDH", "IPH", "IVH", "SAH", "SDH")
    flags = {"any": [True, False], "edh": [True, False], "iph": [False, False], "ivh": [False, False],
             "sah": [True, False], "sdh": [False, False]}  # fmt: skip
    index = pd.DataFrame(flags).astype("boolean")
    assert seven(index).tolist() == [[0, 1, 1, 0, 0, 1, 0], [1, 0, 0, 0, 0, 0, 0]]
    index.loc[0, "sdh"] = pd.NA
    with pytest.raises(IchBenchError, match="no labels of the subtypes"):
        seven(index)


def test_a_pool_without_a_training_slice_with_ich_is_refused() -> None:
    index = pool_index(patients=2, slices=20)
    index["any"] = pd.array(index["patient_id"] == "p00", dtype="boolean")  # the only one has to be held out
    with pytest.raises(IchBenchError, match="none with ICH is left"):
        weak(index)


def test_the_guard_of_nothing_lets_everything_pass_and_counts_it() -> None:
    guard = Guard()
    guard.hand_out(["a", "b", "a"], [], [])
    assert guard.seen == {"a": 2, "b": 1}
