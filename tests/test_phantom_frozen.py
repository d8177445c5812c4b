"""A version's heads never change: what is drawn today has the hashes of the day the version was frozen.

`python tests/freeze_heads.py` makes the files. A mismatch means that heads changed: raise the dataset's version.
"""

from __future__ import annotations

import pytest

from ich_bench.phantom.plan import RECIPES, planned
from ich_bench.phantom.records import frozen_heads, frozen_path, head_row, same_head

DATASETS = sorted(RECIPES)


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_planned_head_is_frozen_and_ill_as_planned(dataset: str) -> None:
    frozen = frozen_heads(dataset, RECIPES[dataset].version)
    assert list(frozen) == [head.case_id for head in planned(dataset)]
    for head in planned(dataset):
        row = frozen[head.case_id]
        assert (row["has_ich"] == "1", row["site"], row["patient_id"]) == (head.has_ich, head.site, head.patient_id)
        assert set(row["bleeds"].split()) >= {name for name in ("iph", "ivh", "edh", "sdh", "sah") if row[name] == "1"}
    assert len({row["ct_sha256"] for row in frozen.values()}) == len(frozen)
    assert frozen_path(dataset, RECIPES[dataset].version).stat().st_size < 500_000


def drawn_as_frozen(dataset: str, number: int) -> bool:
    head = planned(dataset)[number]
    return same_head(head_row(head.drawn()), frozen_heads(dataset, RECIPES[dataset].version)[head.case_id])


@pytest.mark.parametrize("number", [1, 2])
def test_a_head_of_phantom_mini_is_the_frozen_one(number: int) -> None:
    assert drawn_as_frozen("phantom-mini", number)


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, *range(3, 12)])
def test_the_other_heads_of_phantom_mini_are_the_frozen_ones(number: int) -> None:
    assert drawn_as_frozen("phantom-mini", number)


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["phantom", "phantom-dev", "phantom-test"])
@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_the_first_head_of_each_site_is_the_frozen_one(dataset: str, number: int) -> None:
    assert drawn_as_frozen(dataset, number)


def test_what_a_head_was_drawn_with_does_not_make_it_another_but_any_hash_does() -> None:
    row = {**frozen_heads("phantom-mini", RECIPES["phantom-mini"].version)["phantom-mini-000"]}
    assert same_head({**row, "numpy": "9.9"}, row)
    for name in ("ct_sha256", "reference_sha256", "truth_sha256", "cavity_sha256", "subtypes_sha256", "site", "sah"):
        assert not same_head({**row, name: "other"}, row)
    assert not same_head(row, None)
