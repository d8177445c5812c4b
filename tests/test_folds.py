"""The frozen folds and budgets: unchanged, rebuilt, and no patient on two sides."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import pairwise, product
from pathlib import Path

import pytest

import build_folds
from ich_bench.cases import Scheme
from ich_bench.datasets import card
from ich_bench.errors import UsageError
from ich_bench.folds import BUDGETS, DRAWS, budget_sha256, load_budget, load_scheme, schemes_of
from ich_bench.folds.slices import deal_slices
from ich_bench.folds.table import SCHEMES
from ich_bench.phantom.plan import RECIPES, planned

HERE = Path(build_folds.ROOT) / "folds"
ALL = [(dataset, name) for dataset, schemes in SCHEMES.items() for name in schemes]
BUDGETED = ["seg-cq500", "hssayeni", "instance2022", "phantom", "phantom-mini"]

# A changed fold file is a new scheme under a new name, never an edit.
FROZEN = {
    "cq500-negative/external.csv": "9d03a7e3146eb55d82ad5e156582814d27db18b3b490b5813c56a6a8b1fa1dd4",
    "hssayeni/cv10.budgets.csv": "2ca74cda43ec88ed353e3b92ab5c67b51a60ac89bee55c24ef1cc491460d4b62",
    "hssayeni/cv10.csv": "fc0b72970e4dffd8df61905d92e781e96686dda81678e3ca0d238fe74d4c877b",
    "hssayeni/cv5.csv": "eb4032ca642a5cabfc76eb2faab1ca1954f7d75d057404d767aa6f67f8325e99",
    "hssayeni/hssayeni5.csv": "672d24b86261c532667096feada73c74f535c30c27925e55b51f5b20502c860e",
    "hssayeni/lf20.csv": "eb4032ca642a5cabfc76eb2faab1ca1954f7d75d057404d767aa6f67f8325e99",
    "hssayeni/lf50.csv": "9cd23400b909f6b54ba2c3c1d16e1a3d847cfdd9bc3ab0368dde7a8cb269a716",
    "hssayeni/lf80.csv": "eb4032ca642a5cabfc76eb2faab1ca1954f7d75d057404d767aa6f67f8325e99",
    "hssayeni/wang-slices.csv": "f453ce734d51c5aa09bba9971ae851d174d7b415b9f8d09306082a4cb39ffe37",
    "instance2022/cv5-r1.csv": "1e4f9b7c6ceeb3a4ecea33a9c8a288582a2dc3ad02a8cd2d6568d57399a4428d",
    "instance2022/cv5-r2.csv": "f574a838759cf5e6d232a2b2e3040f07457b52372593cd5d5fe3b74943e62c94",
    "instance2022/cv5-r3.csv": "15d7fa22483bf889fea72d0657f978db67d39c13456747989c0922e8d09f16bf",
    "instance2022/cv5-r4.csv": "b9d3e8b4cc3f235636572e1bdf3e02645e8688a8075dae1a297633941ce972fa",
    "instance2022/cv5.budgets.csv": "d863f104cb6ea6dbca406a57260591bf97441bcbe53c2238318ad9fb600646e8",
    "instance2022/cv5.csv": "483973c0ef2bbaabf0ed5bf4986faa83ba7fdd1640bd26e573c6af2891973d6d",
    "phantom-dev/external.csv": "a74184eaf4db53f8b38ea23801abae86d7416601fab1047c0d2c65e6d685b769",
    "phantom-mini/cv4.budgets.csv": "0eefa722e8d49adc2c77808aea116c81f31adc0d143a3a28caab9e8d9da63df3",
    "phantom-mini/cv4.csv": "36c91d048c5042da22ff43970371388f60f08d7cce7821667a27767b2dbf2693",
    "phantom-test/external.csv": "8a45d187b9860d2c1fb9d4f867b49d4e63e05e71d808d87bcc66e370a9c7be12",
    "phantom/by-site.csv": "68942dd777223f4e5bf80d97a225a8f4da47da9ea3bb5ff55abd9a7894762db7",
    "phantom/cv5.budgets.csv": "f041a50681c0b78588d73877e53989c52f2fae10f57fb17908ed9c6fa47d17f8",
    "phantom/cv5.csv": "8ee4b785c2737019bea224e68cba7185ec99374f08ffa757347477d3a84a6a44",
    "seg-cq500/cv5-r1.csv": "d4b3eba46d483d15dac8ba6b20471987dfd4c3d6efb4f304bb57a8bf29a95f67",
    "seg-cq500/cv5-r2.csv": "4fc48c8653880581cda719e0d096611f66ee6dc2477e6a2489c13d884b1ee704",
    "seg-cq500/cv5-r3.csv": "8d74a790cedb33bb3d8f020bbd02c846dfd3e2b407e5a69fbac57d356a115202",
    "seg-cq500/cv5-r4.csv": "e57aff5cfd01ddfa498b8493795665cfb027d68144b2dc54b6291c39f9c54dfa",
    "seg-cq500/cv5.budgets.csv": "f87f467a91740149eac5ce46ea2bc55c7ee36df14fb15284c73ad068767b1b72",
    "seg-cq500/cv5.csv": "ee758ca5e37772df5d814a1057b23317f7975b85b1d7e00050386473231003a1",
}


def test_every_file_has_the_frozen_sha256_and_no_file_is_forgotten() -> None:
    found = {f"{path.parent.name}/{path.name}": _sha256(path) for path in HERE.glob("*/*.csv")}
    assert found == FROZEN
    assert {f"{dataset}/{name}.csv" for dataset, name in ALL} == {name for name in FROZEN if "budgets" not in name}


def test_every_file_is_rebuilt_byte_for_byte() -> None:
    built = build_folds.build()
    assert set(built) == set(FROZEN)
    for name, content in built.items():
        assert content == (HERE / name).read_bytes(), f"{name}: should a later scikit-learn differ, the file holds"


def test_the_facts_that_folds_are_built_from_name_their_source() -> None:
    text = Path(build_folds.__file__).read_text("utf-8")
    for fact, source in (
        ("INSTANCE_STRATA", "haithamalshari/CT-Seg1500"),
        ("CQ500_NEGATIVE", "reads.csv (as published"),
        ("INSTANCE_PUBLIC", "MONAI tutorials"),
        ("HSSAYENI_ICH", "PhysioNet"),
    ):
        before = text[: text.index(f"\n{fact} = ")]
        assert source in before[before.rindex("\n\n") :], fact
    assert "CT-Seg1500" in " ".join(card("instance2022").caveats)
    assert "reads.csv, as published" in " ".join(card("cq500-negative").caveats)


def test_a_scheme_carries_the_sha256_of_its_files_bytes() -> None:
    assert load_scheme("hssayeni").sha256 == _sha256(HERE / "hssayeni" / "cv10.csv")
    assert b"\r" not in (HERE / "hssayeni" / "cv10.csv").read_bytes()


@pytest.mark.parametrize(("dataset", "name"), ALL)
def test_no_patient_stands_on_two_sides_of_a_split(dataset: str, name: str) -> None:
    scheme = load_scheme(dataset, name)
    patient = {row.case_id: row.patient_id for row in scheme.rows}
    assert len(patient) == len(scheme.rows)
    for fold in scheme.folds:
        sides = [scheme.train_cases(fold), scheme.validation.get(fold, ()), scheme.test_cases(fold)]
        people = [{patient[case] for case in side} for side in sides]
        assert not people[0] & people[1]
        assert not people[0] & people[2]
        assert not people[1] & people[2]
        assert sum(map(len, sides)) == len(scheme.rows)


@pytest.mark.parametrize(("dataset", "name"), ALL)
def test_each_case_is_tested_once_or_in_all_other_folds_where_a_fold_is_what_is_trained_on(
    dataset: str, name: str
) -> None:
    scheme = load_scheme(dataset, name)
    times = Counter(case for fold in scheme.folds for case in scheme.test_cases(fold))
    assert set(times.values()) == {4 if name == "lf20" else 1}


def test_the_official_scheme_is_the_one_of_the_protocol_and_comes_first() -> None:
    assert [schemes_of(dataset)[0] for dataset in SCHEMES] == [
        *("cv5", "cv10", "cv5", "external"),
        *("cv5", "external", "external", "cv4"),
    ]
    assert load_scheme("hssayeni").name == "cv10"


def test_hssayeni_cv10_is_the_published_split_with_four_positives_in_six_folds_and_three_in_four() -> None:
    # Spahr 2023, Sec. 2.5.2, computed independently; folds there count from 1.
    told = (
        "72 79 81 83 106 115 124 130|73 77 91 93 95 100 110 128|68 70 78 87 96 98 111 126|50 67 75 94 101 102 113 121|"
        "53 57 69 76 89 103 114 125|55 66 85 88 92 109 127|51 80 90 99 104 119 123|54 74 86 97 107 117 122|"
        "52 56 58 84 105 118 120|49 71 82 108 112 116 129"
    )
    scheme = load_scheme("hssayeni", "cv10")
    assert [[int(case) for case in scheme.test_cases(fold)] for fold in scheme.folds] == [
        [int(number) for number in group.split()] for group in told.split("|")
    ]
    ich = [sum(int(c) in build_folds.HSSAYENI_ICH for c in scheme.test_cases(fold)) for fold in scheme.folds]
    assert sorted(ich) == [3, 3, 3, 3, 4, 4, 4, 4, 4, 4]


def test_hssayeni5_tests_the_authors_groups_and_validates_on_the_first_15_of_the_others() -> None:
    scheme = load_scheme("hssayeni", "hssayeni5")
    assert scheme.test_cases(0)[:3] == ("080", "088", "070")  # 31, 39, 21 in the authors' list, + 49
    assert scheme.validation[0] == tuple(f"{index + 49:03}" for index in build_folds.HSSAYENI5[1])
    assert scheme.validation[3] == scheme.test_cases(0)
    assert [len(scheme.train_cases(fold)) for fold in scheme.folds] == [45] * 5


def test_the_public_folds_of_instance2022_start_with_fold_0() -> None:
    scheme = load_scheme("instance2022", "cv5")
    assert set(scheme.test_cases(0)) == set(build_folds.INSTANCE_PUBLIC[0].split())
    assert [len(scheme.test_cases(fold)) for fold in scheme.folds] == [20] * 5


def test_cq500_negative_holds_245_scans_none_of_them_in_seg_cq500() -> None:
    negative = {row.case_id for row in load_scheme("cq500-negative").rows}
    assert len(negative) == 245  # 491 - 168 unanimous - 78 split
    assert not negative & {row.case_id for row in load_scheme("seg-cq500").rows}


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_the_repeated_splits_spread_every_stratum_over_the_folds_and_differ_from_each_other(number: int) -> None:
    for dataset, strata in (("instance2022", list(map(int, build_folds.INSTANCE_STRATA))),):
        scheme = load_scheme(dataset, f"cv5-r{number}")
        for stratum in set(strata):
            per_fold = Counter(row.fold for row, code in zip(scheme.rows, strata, strict=True) if code == stratum)
            assert max(per_fold.values()) - min(per_fold.get(fold, 0) for fold in range(5)) <= 1
        others = [load_scheme(dataset, f"cv5-r{other}").rows for other in (1, 2, 3, 4) if other != number]
        assert scheme.rows not in others


def test_each_fold_of_phantom_tests_the_same_mix_of_sites_and_of_ill_and_healthy_heads() -> None:
    # a 15 + 5, b 10 + 10, c 15 + 5: a fifth of each
    plan = {head.case_id: head for head in planned("phantom")}
    scheme = load_scheme("phantom")
    for fold in scheme.folds:
        mix = Counter((plan[case].site, plan[case].has_ich) for case in scheme.test_cases(fold))
        ill, healthy = ({site: mix[site, flag] for site in "abc"} for flag in (True, False))
        assert (ill, healthy) == ({"a": 3, "b": 2, "c": 3}, {"a": 1, "b": 2, "c": 1})
    by_site = load_scheme("phantom", "by-site")
    assert [{plan[case].site for case in by_site.test_cases(fold)} for fold in by_site.folds] == [{"a"}, {"b"}, {"c"}]


def test_only_wangs_slices_are_marked_leaky_and_only_lf20_trains_on_its_fold() -> None:
    schemes = [load_scheme(dataset, name) for dataset, name in ALL]
    assert [scheme.name for scheme in schemes if scheme.leaky] == ["wang-slices"]
    assert [scheme.name for scheme in schemes if scheme.trains_on_fold] == ["lf20"]
    assert all(scheme.about for scheme in schemes)


def test_an_unknown_scheme_or_dataset_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no fold scheme 'cv11'.*cv10"):
        load_scheme("hssayeni", "cv11")
    with pytest.raises(UsageError, match="Did you mean hssayeni"):
        schemes_of("hsayeni")


@pytest.mark.parametrize("dataset", BUDGETED)
def test_budgets_are_nested_shares_of_the_training_patients_with_at_least_two_bleeds(dataset: str) -> None:
    scheme = load_scheme(dataset)
    for fold, draw in product(scheme.folds, DRAWS):
        shares = [load_budget(dataset, None, fold, budget, draw) for budget in BUDGETS]
        assert shares[-1] == scheme.train_cases(fold)
        for small, large in pairwise(shares):
            assert set(small) < set(large)
        assert not set(shares[-1]) & set(scheme.test_cases(fold))
        assert _bleeds(dataset, shares[0]) >= 2
        for budget, share in zip(BUDGETS, shares, strict=True):
            for group in (_with_ich(dataset, scheme, fold), _without_ich(dataset, scheme, fold)):
                drawn = len(set(group) & set(share))
                assert abs(drawn - budget * len(group) / 100) <= 0.5 or drawn == 2


def test_ten_percent_of_hssayeni_fold_0_is_three_of_32_bleeds_and_four_of_35_healthy() -> None:
    # 3.2 rounds to 3, 3.5 rounds up to 4.
    share = load_budget("hssayeni", "cv10", 0, 10, 0)
    assert (_bleeds("hssayeni", share), len(share)) == (3, 7)


def test_the_three_draws_differ() -> None:
    assert len({load_budget("seg-cq500", None, 0, 10, draw) for draw in DRAWS}) == 3


def test_budgets_exist_for_official_schemes_of_trainable_datasets_only() -> None:
    for dataset, scheme in (("cq500-negative", None), ("hssayeni", "cv5")):
        with pytest.raises(UsageError, match="no training budgets"):
            load_budget(dataset, scheme, 0, 10, 0)
    for wrong in ((99, 10, 0), (0, 30, 0), (0, 10, 3)):
        with pytest.raises(UsageError, match=r"there (is|are)|has no fold"):
            load_budget("hssayeni", None, *wrong)
    assert budget_sha256("hssayeni") == _sha256(HERE / "hssayeni" / "cv10.budgets.csv")


def test_wangs_slices_are_dealt_evenly_whatever_the_patient_and_always_alike() -> None:
    # 10 slices to 5 folds: 2 each. Two patients with 5 slices: a fold takes from both, which is the leak.
    slices = {"049": [3, 4, 5, 6, 7], "050": [9, 8, 7, 6, 5]}
    dealt = deal_slices(slices, folds=5)
    assert sorted(Counter(dealt.values()).values()) == [2, 2, 2, 2, 2]
    assert set(dealt) == {(case, index) for case, indices in slices.items() for index in indices}
    assert dealt == deal_slices({case: sorted(indices) for case, indices in reversed(slices.items())}, folds=5)
    assert dealt[("049", 3)] == 1


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _ich(dataset: str) -> set[str]:
    if dataset == "hssayeni":
        return {f"{number:03}" for number in build_folds.HSSAYENI_ICH}
    if dataset in RECIPES:
        return {head.case_id for head in planned(dataset) if head.has_ich}
    return {row.case_id for row in load_scheme(dataset).rows}


def _bleeds(dataset: str, cases: tuple[str, ...]) -> int:
    return len(_ich(dataset) & set(cases))


def _with_ich(dataset: str, scheme: Scheme, fold: int) -> list[str]:
    return [case for case in scheme.train_cases(fold) if case in _ich(dataset)]


def _without_ich(dataset: str, scheme: Scheme, fold: int) -> list[str]:
    return [case for case in scheme.train_cases(fold) if case not in _ich(dataset)]
