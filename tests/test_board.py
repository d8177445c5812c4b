"""Boards of made-up scores: who is ranked where, what is refused, and what a reader is told."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from boards import board_of, cases_of, dice_like, healthy_of, write_run
from ich_bench.board.model import PRIMARY, Board
from ich_bench.board.pairs import pairwise
from ich_bench.board.public import overview
from ich_bench.board.show import show
from ich_bench.errors import InputError, UsageError
from ich_bench.runs import store

SEG = "seg-cq500"  # 51 cases, all with ICH
HSS = "hssayeni"  # 75 cases, 36 with ICH; case 070 is its odd one


def runs_of(tmp_path: Path, dataset: str, scores: np.ndarray, names: str = "abcdefghijklmnop") -> list[Path]:
    return [write_run(tmp_path / names[place], dataset, scores[:, place]) for place in range(scores.shape[1])]


def ranks(board: Board, cohort: str = "ich", metric: str = "dice") -> dict[str, tuple[int | None, int | None]]:
    found = {row.slug: row.standing(cohort, metric) for row in board.rows}
    return {slug: (one.rank, one.rank_high) for slug, one in found.items() if one is not None}


@pytest.fixture
def five(tmp_path: Path) -> Board:
    """B leads clearly; a, c, d are near each other; e is clearly last."""
    scores = dice_like(np.random.default_rng(3), 5, 51, [0, 0.15, 0, 0, -0.2])
    return board_of(SEG, runs_of(tmp_path, SEG, scores))


def test_a_rank_is_one_and_the_number_of_methods_significantly_better(five: Board) -> None:
    pairs = five.pairs[PRIMARY]
    assert pairs.slugs[0] == "b"
    for place, slug in enumerate(pairs.slugs):
        standing = five.row(slug).standing(*PRIMARY)
        assert standing is not None
        better = int(((pairs.p_max_t[:, place] < 0.05) & (pairs.difference[:, place] > 0)).sum())
        worse = int(((pairs.p_max_t[place] < 0.05) & (pairs.difference[place] > 0)).sum())
        assert (standing.rank, standing.rank_high) == (1 + better, 5 - worse)
    assert ranks(five)["b"] == (1, 1)
    assert ranks(five)["e"] == (5, 5)


def test_rows_stand_by_mean_dice_on_ich_and_then_by_name(tmp_path: Path) -> None:
    same = np.linspace(0.2, 0.9, 51)
    better = same + 0.05
    runs = [write_run(tmp_path / name, SEG, values) for name, values in (("z", same), ("m", better), ("a", same))]
    board = board_of(SEG, runs)
    assert [row.slug for row in board.rows] == ["m", "a", "z"]
    assert ranks(board) == {"m": (1, 1), "a": (2, 3), "z": (2, 3)}  # a and z are equal: they share the rank


def test_welch_p_values_are_those_of_scipy(five: Board) -> None:
    pairs = five.pairs[PRIMARY]
    columns = [five.scores.values["dice"][:, five.scores.slugs.index(slug)] for slug in pairs.slugs]
    for i in range(5):
        for j in range(5):
            if i != j:
                expected = stats.ttest_ind(columns[i], columns[j], equal_var=False).pvalue
                assert pairs.welch_p[i, j] == pytest.approx(expected, rel=1e-12)


def test_pair_intervals_and_effects_are_those_of_the_paired_differences(five: Board) -> None:
    pairs = five.pairs[PRIMARY]
    a, b = (five.scores.values["dice"][:, five.scores.slugs.index(slug)] for slug in pairs.slugs[:2])
    differences = a - b
    interval = stats.ttest_1samp(differences, 0).confidence_interval()
    assert (pairs.low[0, 1], pairs.high[0, 1]) == pytest.approx((interval.low, interval.high))
    assert pairs.d_z is not None
    assert pairs.d_z[0, 1] == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert pairs.mdd is not None  # (1.959964 + 0.841621) · SD / √51
    assert pairs.mdd[0, 1] == pytest.approx(2.801585 * differences.std(ddof=1) / math.sqrt(51), rel=1e-6)
    assert pairs.wilcoxon_p is not None
    expected = stats.wilcoxon(np.round(differences, 12), zero_method="zsplit", method="approx").pvalue
    assert pairs.wilcoxon_p[0, 1] == pytest.approx(expected)


def test_the_order_of_files_and_of_rows_in_them_changes_no_byte(tmp_path: Path) -> None:
    scores = dice_like(np.random.default_rng(1), 4, 75)
    texts = []
    for turn, order in enumerate(([0, 1, 2, 3], [2, 0, 3, 1])):
        home = tmp_path / str(turn)
        runs = [
            write_run(home / "abcd"[place], HSS, scores[:, place], seeds=(0, 1), shuffle=turn or None)
            for place in order
        ]
        board = board_of(HSS, runs)
        texts.append([show(board, format=format, pairs=True) for format in ("table", "md", "latex", "csv", "json")])
    assert texts[0] == texts[1]


def test_a_hundred_copies_of_a_row_change_no_other_pair() -> None:
    scores = dice_like(np.random.default_rng(5), 4, 51, [0, 0.04, 0.08, 0.02])
    crowd = np.hstack([scores, np.repeat(scores[:, :1], 100, axis=1)])
    told = {"cohort": "ich", "metric": "dice", "seed": (1, 0), "draws": 999}
    alone = pairwise(scores, list("abcd"), **told)
    crowded = pairwise(crowd, [*"abcd", *(f"copy-{number}" for number in range(100))], **told)
    assert crowded.p_max_t[:4, :4].tolist() == alone.p_max_t.tolist()
    assert set(crowded.p_max_t[0, 4:].tolist()) == {1.0}


def test_one_method_is_rank_one_of_one(tmp_path: Path) -> None:
    board = board_of(SEG, [write_run(tmp_path / "a", SEG, np.linspace(0, 1, 51))])
    assert ranks(board) == {"a": (1, 1)}
    assert board.banner == ""
    assert "a       1 [1–1]" in show(board)


def test_all_equal_scores_share_rank_one(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, SEG, [0.5] * 51) for name in "abc"]
    board = board_of(SEG, runs)
    assert set(ranks(board).values()) == {(1, 3)}
    assert board.pairs[PRIMARY].p_max_t.tolist() == np.ones((3, 3)).tolist()
    assert board.pairs[PRIMARY].welch_p.tolist() == np.ones((3, 3)).tolist()
    assert board.banner == "All ranked methods have the same mean dice on ich."
    assert [row.standings["ich"]["dice"].p_rank_one for row in board.rows] == pytest.approx([1 / 3] * 3)


def test_a_set_on_which_no_p_can_be_small_says_so(tmp_path: Path) -> None:
    # phantom-mini holds 8 heads with ICH; with a missing value in 4 of them, n = 4 and p >= 2 / 2**4 = 0.125.
    cases = cases_of("phantom-mini")
    ich = [case for case in cases if case not in healthy_of("phantom-mini")]
    edit = {case: {"dice": math.nan} for case in ich[4:]}
    runs = [
        write_run(tmp_path / name, "phantom-mini", [value] * 12, edit=edit) for name, value in (("a", 0.2), ("b", 0.9))
    ]
    board = board_of("phantom-mini", runs)
    assert board.pairs[PRIMARY].p_max_t[0, 1] == 0.125
    assert board.banner == (
        "This set is too small to separate these methods: with 4 volumes with ICH no p can be below 0.12."
    )
    assert set(ranks(board).values()) == {(1, 2)}


def test_methods_that_are_not_separated_are_not_called_equal(tmp_path: Path) -> None:
    scores = dice_like(np.random.default_rng(9), 3, 51)
    board = board_of(SEG, runs_of(tmp_path, SEG, scores))
    assert not board.pairs[PRIMARY].better.any()
    assert board.banner.startswith("This set is too small to separate these methods")
    assert board.banner.endswith("Not separated is not equal.")


def test_a_pair_that_cannot_be_tested_leaves_the_banner_without_a_difference_to_reach(tmp_path: Path) -> None:
    edit = {case: {"dice": math.nan} for case in cases_of(SEG)}
    runs = [write_run(tmp_path / "a", SEG, [0.5] * 51), write_run(tmp_path / "b", SEG, [0.5] * 51, edit=edit)]
    banner = board_of(SEG, runs).banner
    assert "nan" not in banner
    assert "would have to differ" not in banner


def test_a_case_that_stands_twice_in_a_score_file_takes_the_row_out_of_the_ranks(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, SEG, [0.5] * 51) for name in "ab"]
    path = runs[0] / "scores" / f"{SEG}.parquet"
    table = store.read_scores(path)
    store.write_scores(pa.concat_tables([table, table.slice(7, 1)]), path)
    board = board_of(SEG, runs)
    assert board.row("a").reason == f"holds case {table.column('case_id')[7]} twice"
    assert board.ranked == 1


def test_one_case_gives_a_mean_and_neither_an_interval_nor_a_verdict(tmp_path: Path) -> None:
    edit = {case: {"dice": math.nan} for case in cases_of(SEG)[1:]}
    runs = [write_run(tmp_path / name, SEG, [value] * 51, edit=edit) for name, value in (("a", 0.2), ("b", 0.9))]
    board = board_of(SEG, runs)
    standing = board.row("b").standings["ich"]["dice"]
    assert (standing.stat.n, standing.stat.mean, standing.interval) == (1, 0.9, "")
    assert math.isnan(standing.low)
    assert board.pairs[PRIMARY].p_max_t[0, 1] == 1  # both signs of the one difference are as extreme
    assert set(ranks(board).values()) == {(1, 2)}
    assert "with 1 volume with ICH no p can be below 1." in board.banner
    assert show(board, parts=["strata", "schemes", "sensitivity"], pairs=True)


def test_a_metric_that_is_nan_everywhere_has_no_numbers_and_no_rank(tmp_path: Path) -> None:
    edit = {case: {"nsd_2mm": math.nan} for case in cases_of(SEG)}
    runs = [write_run(tmp_path / name, SEG, np.linspace(0.1, 0.9, 51), edit=edit) for name in "ab"]
    board = board_of(SEG, runs)
    standing = board.row("a").standing("ich", "nsd_2mm")
    assert standing is not None
    assert standing.stat.n == 0
    assert math.isnan(standing.stat.mean)
    assert math.isnan(board.pairs["ich", "nsd_2mm"].p_max_t[0, 1])
    assert (standing.rank, standing.better) == (None, None)
    assert ranks(board)["a"] == (1, 2)
    assert "–" in show(board, metric="nsd_2mm")


def test_a_dataset_nobody_has_scored_explains_itself(tmp_path: Path) -> None:
    board = board_of(SEG, [write_run(tmp_path / "a", HSS, [0.5] * 75)][:0])
    assert board.rows == ()
    assert any("a measured row needs someone who holds the data" in note for note in board.notes)
    assert "ich-bench evaluate seg-cq500" in show(board)


def test_unknown_names_list_the_known(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean hssayeni"):
        board_of("hsayeni", [])
    with pytest.raises(UsageError, match=r"no metric 'dise'.*Did you mean dice"):
        board_of(SEG, [], metrics=["dise"])
    with pytest.raises(UsageError, match="no fold scheme 'cv9'"):
        board_of(SEG, [], scheme="cv9")
    run = write_run(tmp_path / "a", HSS, [0.5] * 75)
    with pytest.raises(UsageError, match="holds no scores of seg-cq500; it holds hssayeni"):
        board_of(SEG, [run])


@pytest.mark.parametrize(
    ("about", "what"),
    [
        ({"suite": 2}, "suite 1: *a\n.*suite 2: *b"),
        ({"fold_sha256": "f" * 64}, "fold file ffffffffffff: *b"),
        ({"dataset_sha256": "e" * 64}, "dataset sha256 eeeeeeeeeeee: *b"),
    ],
)
def test_scores_made_in_different_ways_are_refused_and_named(
    tmp_path: Path, about: dict[str, object], what: str
) -> None:
    runs = [write_run(tmp_path / "a", SEG, [0.5] * 51), write_run(tmp_path / "b", SEG, [0.5] * 51, **about)]
    with pytest.raises(InputError, match="cannot be ranked together") as refused:
        board_of(SEG, runs)
    text = str(refused.value)
    assert all(str(run) in text for run in runs)


def test_scores_of_two_profiles_are_refused_unless_one_is_named(tmp_path: Path) -> None:
    from ich_bench.runs import store
    from scored import row, scores

    native = write_run(tmp_path / "a", SEG, [0.5] * 51)
    plain = store.read_scores(native / "scores" / f"{SEG}.parquet")
    about = {name: store.provenance(plain)[name] for name in ("scheme", "fold_sha256", "dataset_sha256", "folds")}
    rows = [
        row(case, profile="spahr2023", dataset=SEG, scheme="cv5", submission="b", dice=0.4) for case in cases_of(SEG)
    ]
    other = tmp_path / "b"
    store.write_scores(scores(rows, profile="spahr2023", **about), other / "scores" / f"{SEG}.parquet")
    with pytest.raises(InputError, match="profile native"):
        board_of(SEG, [native, other])
    board = board_of(SEG, [native, other], profile="spahr2023")
    assert [row.slug for row in board.rows] == ["b"]
    assert ranks(board) == {"b": (None, None)}  # ranks are drawn under native only
    assert any("ranks come from native only" in note for note in board.notes)


def test_scores_against_dilated_references_stand_with_no_others(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / "a", SEG, [0.5] * 51, legacy_dilation=False),
        write_run(tmp_path / "b", SEG, [0.6] * 51, legacy_dilation=True),
    ]
    with pytest.raises(
        InputError, match=r"all with --legacy-dilation or none.*\n.*plain references:  \S*a\n.*dilated ref"
    ):
        board_of(SEG, runs)
    assert len(board_of(SEG, runs[1:]).rows) == 1


def test_files_about_different_heads_are_refused(tmp_path: Path) -> None:
    case = cases_of(SEG)[7]
    runs = [
        write_run(tmp_path / "a", SEG, [0.5] * 51),
        write_run(
            tmp_path / "b",
            SEG,
            dict.fromkeys(cases_of(SEG)[:20], 0.5),
            edit={case: {"fn": 3}},  # the reference has three voxels more
            status="partial",
            dataset_sha256="3" * 64,
        ),
    ]
    with pytest.raises(InputError, match=f"b, {case}  has another reference than in a"):
        board_of(SEG, runs)


def test_cases_the_dataset_does_not_have_are_refused(tmp_path: Path) -> None:
    renamed = {f"case-{number}": 0.5 for number in range(51)}
    with pytest.raises(InputError, match="holds 51 case\\(s\\) that seg-cq500/cv5 does not have: case-0"):
        board_of(SEG, [write_run(tmp_path / "a", SEG, renamed)])


@pytest.mark.parametrize(
    ("manifest", "status", "reason"),
    [
        ('checkpoint_selection = "test-fold"', "complete", "checkpoint chosen on the test fold"),
        ('postprocessing_chosen_on = "test-fold"', "complete", "post-processing chosen on the test fold"),
        ("", "imputed", "masks are missing"),
        ("", "partial", "partial"),
        ("", "stale", "status stale"),
    ],
)
def test_rows_that_may_not_be_ranked_are_shown_with_the_reason(
    tmp_path: Path, manifest: str, status: str, reason: str
) -> None:
    odd = write_run(
        tmp_path / "odd", SEG, [0.9] * 51, manifest=manifest and f'method = "odd"\n{manifest}\n', status=status
    )
    board = board_of(SEG, [odd, write_run(tmp_path / "a", SEG, np.linspace(0.2, 0.8, 51))])
    assert not board.row("odd").ranked
    assert reason in board.row("odd").reason
    assert ranks(board) == {"odd": (None, None), "a": (1, 1)}
    assert "odd *" in show(board)
    assert reason in show(board).replace("\n", " ").replace("     ", "")


def test_a_row_on_some_folds_stands_on_the_board_with_its_own_n(tmp_path: Path) -> None:
    cases = cases_of(SEG)
    some = write_run(tmp_path / "some", SEG, dict.fromkeys(cases[:20], 0.7), status="partial")
    board = board_of(SEG, [some, write_run(tmp_path / "a", SEG, [0.5] * 51)])
    standing = board.row("some").standing(*PRIMARY)
    assert standing is not None
    assert (standing.stat.n, standing.rank) == (20, None)


def test_a_file_that_says_complete_and_lacks_cases_is_not_ranked(tmp_path: Path) -> None:
    board = board_of(SEG, [write_run(tmp_path / "a", SEG, dict.fromkeys(cases_of(SEG)[1:], 0.7))])
    assert board.row("a").reason == "50 of 51 cases"


def test_leaky_schemes_are_never_ranked_and_other_schemes_are_counted(tmp_path: Path) -> None:
    leaky = write_run(tmp_path / "leaky", HSS, [0.9] * 75, scheme="wang-slices")
    board = board_of(HSS, [leaky], scheme="wang-slices")
    assert board.row("leaky").reason == "scheme wang-slices puts one patient on both sides"
    assert dict(board_of(HSS, [leaky]).elsewhere) == {"wang-slices": 1}


def test_seeds_are_averaged_per_case_before_any_test(tmp_path: Path) -> None:
    # dice of seed s is shifted by s / 1000: the mean over seeds 0, 1, 2 is 0.001 higher, the SD of their means 0.001.
    base = np.linspace(0.2, 0.8, 51)
    board = board_of(SEG, [write_run(tmp_path / "a", SEG, base, seeds=(0, 1, 2)), write_run(tmp_path / "b", SEG, base)])
    stat = board.row("a").standings["ich"]["dice"].stat
    assert stat.n == 51
    assert stat.mean == pytest.approx(0.501)
    assert stat.seed_sd == pytest.approx(0.001)
    assert "one training run" not in board.row("a").badges
    assert "one training run" in board.row("b").badges


def test_a_case_that_is_predicted_several_times_counts_once_with_its_mean(tmp_path: Path) -> None:
    from ich_bench.folds import load_scheme
    from ich_bench.runs import store
    from scored import row, scores

    scheme = load_scheme(HSS, "lf20")
    healthy = healthy_of(HSS)
    rows = [
        row(case, has_ich=case not in healthy, dataset=HSS, scheme="lf20", fold=fold, dice=0.1 * (fold + 1))
        for fold in scheme.folds
        for case in scheme.test_cases(fold)
    ]
    out = tmp_path / "a"
    about = {"scheme": "lf20", "fold_sha256": scheme.sha256, "folds": list(scheme.folds)}
    store.write_scores(scores(rows, **about), out / "scores" / f"{HSS}.parquet")
    board = board_of(HSS, [out], scheme="lf20")
    case = scheme.test_cases(0)[0]  # of fold k: predicted in the other four, so the mean is (1.5 - 0.1 (k + 1)) / 4
    (own,) = set(scheme.folds) - set(scheme.test_folds(case))
    place = board.scores.cases.index(case)
    assert board.scores.values["dice"][place, 0] == pytest.approx((1.5 - 0.1 * (own + 1)) / 4)
    assert board.row("a").standings["all"]["dice"].stat.n == 75


def test_only_the_newest_of_a_team_and_method_is_ranked(tmp_path: Path) -> None:
    text = 'method = "U-Net"\nteam = "team"\nversion = "{}"\n'
    old = write_run(tmp_path / "new-name", SEG, [0.9] * 51, manifest=text.format("1.9"))
    new = write_run(tmp_path / "old-name", SEG, [0.5] * 51, manifest=text.format("1.10"))
    board = board_of(SEG, [old, new])
    if not board.row("new-name").submission.manifest.method_id:  # type: ignore[union-attr]
        pytest.skip("a manifest without method_id names no method")
    assert board.row("new-name").superseded
    assert (board.row("old-name").ranked, board.row("old-name").earlier) == (True, 1)


def test_calibration_and_ceiling_rows_stand_apart_and_are_never_ranked(tmp_path: Path) -> None:
    kinds = {"empty": "calibration", "ref-shifted": "ceiling"}
    runs = [
        write_run(tmp_path / name, SEG, [0.8] * 51, manifest=f'method = "{name}"\nkind = "{kind}"\n')
        for name, kind in kinds.items()
    ]
    board = board_of(SEG, [*runs, write_run(tmp_path / "a", SEG, [0.85] * 51)])
    assert [(row.slug, row.kind) for row in board.rows] == [
        ("a", "measured"),
        ("empty", "calibration"),
        ("ref-shifted", "ceiling"),
    ]
    assert board.ranked == 1
    assert board.ceiling == pytest.approx(0.8)
    assert board.row("a").chips == (
        "above the noise ceiling: higher dice than a reference that is off by a voxel or a slice",
    )


def test_a_clean_rate_far_below_that_of_equals_is_a_warning(tmp_path: Path) -> None:
    healthy = healthy_of(HSS)
    base = dict(zip(cases_of(HSS), np.linspace(0.3, 0.9, 75), strict=True))
    quiet = write_run(tmp_path / "quiet", HSS, {case: 1.0 if case in healthy else v for case, v in base.items()})
    loud = write_run(tmp_path / "loud", HSS, {case: 0.01 if case in healthy else v for case, v in base.items()})
    board = board_of(HSS, [quiet, loud])
    assert ranks(board) == {"loud": (1, 2), "quiet": (1, 2)}  # equal on ich
    assert board.row("quiet").chips == ()
    assert board.row("loud").chips == ("clean rate significantly worse than that of 1 method(s) not ranked above it",)
    assert (board.row("quiet").clean.count, board.row("loud").clean.count) == (39, 0)  # type: ignore[union-attr]


def test_without_the_odd_case_changed_verdicts_are_marked(tmp_path: Path) -> None:
    healthy = healthy_of(HSS)
    cases = cases_of(HSS)
    if "070" in healthy:
        pytest.skip("070 is healthy in these made-up tables")
    rng = np.random.default_rng(0)
    base = {case: 0.5 + 0.2 * rng.random() for case in cases}
    # b is better by a little everywhere and worse by 0.5 on 070: separated only without it.
    moved = {case: value + (-0.5 if case == "070" else 0.02 + 0.01 * rng.random()) for case, value in base.items()}
    board = board_of(HSS, [write_run(tmp_path / "a", HSS, base), write_run(tmp_path / "b", HSS, moved)])
    odd = board.sensitivity
    assert odd is not None
    assert (odd.left_out, odd.n) == ("070", 35)
    assert [(one.with_case, one.without) for one in odd.changed] in (
        [("not separated", "worse")],
        [("not separated", "better")],
    )
    assert odd.rank["a"] == (1, 2)
    assert any("1 verdict(s) change" in note for note in board.notes)


def test_other_schemes_rank_the_same_rows_and_agree_with_themselves(five: Board) -> None:
    found = five.schemes
    assert found is not None
    assert found.names == (
        "board", "test-then-rank", "mean-then-rank", "rank-then-mean", "instance", "instance-average", "spahr",
    )  # fmt: skip
    assert found.ranks["mean-then-rank"] == {slug: place + 1 for place, slug in enumerate(five.pairs[PRIMARY].slugs)}
    assert found.ranks["spahr"] == found.ranks["mean-then-rank"]  # no head is healthy here
    names = list(found.names)
    one, other = names.index("mean-then-rank"), names.index("spahr")
    assert found.tau[one, other] == pytest.approx(1)


def test_instance_ranks_share_the_smallest_rank_and_an_empty_mask_is_infinitely_far(tmp_path: Path) -> None:
    # dice: a 1, b 2, c 3. hd100: a has an empty mask, so inf; b and c have one too: all tie, rank 1 (or 2 on average).
    edits = {
        "a": {"dice": 0.9, "nsd_0p42mm": 0.9, "abs_rvd": 0.3},
        "b": {"dice": 0.8, "nsd_0p42mm": 0.8, "abs_rvd": 0.1},
        "c": {"dice": 0.7, "nsd_0p42mm": 0.7, "abs_rvd": 0.2},
    }
    empty = cases_of(SEG)[0]
    runs = []
    for name, values in edits.items():
        edit = {case: dict(values) for case in cases_of(SEG)}
        edit[empty] |= {"status": "empty_prediction"}
        runs.append(write_run(tmp_path / name, SEG, [0.5] * 51, edit=edit))
    found = board_of(SEG, runs).schemes
    assert found is not None
    # a: (1 + 1 + 1 + 3)/4 = 1.5, b: (2 + 1 + 2 + 1)/4 = 1.5, c: (3 + 1 + 3 + 2)/4 = 2.25
    assert found.ranks["instance"] == {"a": 1, "b": 1, "c": 3}
    # a: (1 + 2 + 1 + 3)/4 = 1.75, b: (2 + 2 + 2 + 1)/4 = 1.75, c: 2.5
    assert found.ranks["instance-average"] == {"a": 1, "b": 1, "c": 3}


def test_strata_hold_each_volume_once_and_say_what_is_unknown(tmp_path: Path) -> None:
    cases = cases_of(SEG)
    edit = {case: {"volume_ref_ml": 0.5 + place, "spacing_z_mm": 0.625} for place, case in enumerate(cases)}
    board = board_of(SEG, [write_run(tmp_path / "a", SEG, [0.5] * 51, edit=edit)])
    # 0.5 | 1.5 … 4.5 | 5.5 … 29.5 | 30.5 … 50.5
    assert [(part.name, part.volumes) for part in board.strata[:4]] == [
        ("< 1 mL", 1), ("1–5 mL", 4), ("5–30 mL", 25), ("> 30 mL", 21),
    ]  # fmt: skip
    assert [(part.name, part.volumes) for part in board.strata[4:6]] == [("thin (< 2 mm)", 51), ("thick (≥ 2 mm)", 0)]
    assert board.strata[-1].by == "subtype"
    assert "not available here" in board.strata[-1].unknown


def test_rvd_is_judged_by_its_size(tmp_path: Path) -> None:
    edits = {"over": 0.3, "under": -0.1}
    runs = [
        write_run(tmp_path / name, SEG, [0.5] * 51, edit={case: {"rvd": value} for case in cases_of(SEG)})
        for name, value in edits.items()
    ]
    board = board_of(SEG, runs, metrics=["rvd"])
    pairs = board.pairs["ich", "rvd"]
    first, second = pairs.slugs.index("over"), pairs.slugs.index("under")
    assert pairs.difference[first, second] == pytest.approx(0.2)
    assert pairs.better[second, first]
    assert not pairs.better[first, second]


def test_drawn_heads_never_enter_the_mean_over_datasets(tmp_path: Path) -> None:
    out = tmp_path / "a"
    for dataset, n, value in ((SEG, 51, 0.4), (HSS, 75, 0.5), ("instance2022", 100, 0.6), ("phantom-mini", 12, 1.0)):
        write_run(out, dataset, [value] * n)
    part = write_run(tmp_path / "b", SEG, [0.9] * 51)
    shelf = tmp_path / "none"
    shelf.mkdir()
    found = overview(submissions=shelf, runs=[out, part], draws=99)
    assert [(one.slug, one.mean) for one in found.macro] == [("a", pytest.approx(0.5))]


def test_budgets_make_a_curve_of_dice_against_annotated_patients(tmp_path: Path) -> None:
    out = write_run(tmp_path / "a", "phantom-mini", [0.5] * 12, budget="50-1")
    board = board_of("phantom-mini", [out])
    (point,) = board.efficiency
    assert (point.share, point.draw) == (50, 1)
    assert 2 <= point.patients < 9  # half of the nine training heads of a fold, at least two with ICH
    assert board.rows == ()  # a run on a part of the training data is no row of the board


def test_a_method_that_learns_from_slice_labels_has_no_annotated_masks(tmp_path: Path) -> None:
    runs = {name: write_run(tmp_path / name, "phantom-mini", [0.5] * 12) for name in ("weak", "drawn")}
    for name, labels in (("weak", '["slice"]'), ("drawn", '["voxel", "slice"]')):
        (runs[name] / "submission.toml").write_text(f'method = "{name}"\nregime = "cv"\nlabels_needed = {labels}\n')
    points = {one.slug: one for one in board_of("phantom-mini", list(runs.values())).efficiency}
    assert (points["weak"].patients, points["weak"].slices, points["weak"].annotated_ml) == (0, 0, 0)
    assert points["drawn"].patients == 9


def test_a_value_that_no_scoring_gives_is_shown_with_the_reason_and_takes_no_rank(tmp_path: Path) -> None:
    dice = np.linspace(0.1, 0.9, 51)
    case = cases_of(SEG)[3]
    runs = [
        write_run(tmp_path / "sound", SEG, dice),
        write_run(tmp_path / "lost", SEG, dice, edit={case: {"dice": math.nan}}),
        write_run(tmp_path / "wild", SEG, dice, edit={case: {"dice": 5.0}}),
    ]
    board = board_of(SEG, runs)
    assert board.ranked == 1
    assert ranks(board)["sound"] == (1, 1)
    assert board.row("lost").reason == f"no dice on 1 case(s) where others have one, {case} first"
    assert board.row("wild").reason == f"dice of {case} is 5, out of range"


def test_a_file_that_calls_a_bleeding_head_healthy_moves_nobody_else(tmp_path: Path) -> None:
    case = cases_of(SEG)[3]
    runs = [
        write_run(tmp_path / "a", SEG, [0.5] * 51),
        write_run(tmp_path / "b", SEG, [0.5] * 51, edit={case: {"has_ich": False}}),  # under the same dataset_sha256
    ]
    with pytest.raises(InputError, match=f"b, {case}  has another reference than in a"):
        board_of(SEG, runs)


def test_some_folds_with_masks_missing_beside_whole_rows_are_shown_and_refuse_nobody(tmp_path: Path) -> None:
    # As `evaluate --fold 0 --allow-missing` writes it: imputed, and with the sha256 of its own references.
    some = dict.fromkeys(cases_of(SEG)[:20], 0.5)
    board = board_of(
        SEG,
        [
            write_run(tmp_path / "a", SEG, [0.5] * 51),
            write_run(tmp_path / "b", SEG, some, status="imputed", dataset_sha256="3" * 64),
        ],
    )
    assert ranks(board)["a"] == (1, 1)
    assert board.row("b").reason.startswith("masks are missing")
    assert board.dataset_sha256 == "1" * 64


def test_runs_on_different_folds_stand_side_by_side(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / name, SEG, dict.fromkeys(cases, 0.5), status="partial", dataset_sha256=sha256)
        for name, cases, sha256 in (("a", cases_of(SEG)[:20], "3" * 64), ("b", cases_of(SEG)[20:40], "4" * 64))
    ]
    assert {row.slug: row.volumes for row in board_of(SEG, runs).rows} == {"a": 20, "b": 20}
