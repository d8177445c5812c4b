"""Boards of submissions as they are committed: metrics only, versions, the dataset beside them, faults."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ich_bench.board.model import PRIMARY, Board
from ich_bench.board.public import leaderboard
from ich_bench.board.show import show
from ich_bench.phantom.layouts import hssayeni
from ich_bench.submissions.submit import submit
from submitted import manifest, run

HSS, SEG = "hssayeni", "seg-cq500"


def put(tmp_path: Path, slug: str, dataset: str = SEG, dice: float = 0.5, **said: object) -> Path:
    """Submit a run of this dice and return the folder of submissions."""
    out = run(
        tmp_path / "runs" / slug,
        dataset,
        dice=lambda case_id, number: dice + (number % 7) / 100,
        text=manifest(training_data=[dataset], **said),
    )
    submit([out], slug, submissions=tmp_path / "subs")
    return tmp_path / "subs"


def board_of(tmp_path: Path, dataset: str, runs: tuple[Path, ...] = ()) -> Board:
    return leaderboard(dataset, submissions=tmp_path / "subs", runs=runs, draws=999)


def test_a_file_of_metrics_alone_is_ranked_and_says_what_it_cannot_know(tmp_path: Path) -> None:
    put(tmp_path, "net", HSS)
    board = board_of(tmp_path, HSS)
    row = board.row("net")
    standing = row.standing(*PRIMARY)
    assert standing is not None
    assert (standing.rank, standing.stat.n) == (1, 36)
    assert row.clean is not None
    assert row.clean.n == 39  # from the status: counts are withheld
    assert {part.by: part.unknown.split(":")[0] for part in board.strata} == {
        "reference volume": "not available here",
        "slice thickness": "not available here",
        "subtype": "not available here",
    }
    assert row.false_positives is None
    assert row.same_side_of_30_ml is None
    assert "not available here" in show(board, parts=["strata", "healthy", "detection"])


@pytest.mark.slow
def test_flags_and_volumes_are_joined_where_the_dataset_is_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "net", HSS)
    hssayeni.write(tmp_path / "data" / HSS)
    monkeypatch.setenv("ICH_BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ICH_BENCH_CACHE", str(tmp_path / "cache"))
    facts = board_of(tmp_path, HSS).scores.facts
    known = ~(facts["volume_ref_ml"] != facts["volume_ref_ml"])
    assert known.any()
    again = board_of(tmp_path, HSS).scores.facts["volume_ref_ml"]  # from the cache
    assert [a for a in again if not math.isnan(a)] == [a for a in facts["volume_ref_ml"] if not math.isnan(a)]


def test_the_same_run_beside_its_submission_is_equal_to_it_to_the_last_decimal(tmp_path: Path) -> None:
    put(tmp_path, "net", HSS)
    other = run(tmp_path / "mine", HSS, dice=lambda case_id, number: 0.5 + (number % 7) / 100)
    board = board_of(tmp_path, HSS, (other,))
    pairs = board.pairs[PRIMARY]
    assert pairs.difference.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert pairs.p_max_t[0, 1] == 1
    assert [(row.slug, row.standings["ich"]["dice"].rank) for row in board.rows] == [("mine", 1), ("net", 1)]
    assert board.row("mine").badges[0] == "not submitted"
    assert board.row("net").badges[0] == "self-reported"
    assert not math.isnan(board.scores.facts["volume_ref_ml"][0])  # the full file knows what the other withholds


def test_only_the_newest_version_of_a_team_and_method_is_ranked(tmp_path: Path) -> None:
    put(tmp_path, "net-old", dice=0.8, version="1.9")
    put(tmp_path, "net-new", dice=0.5, version="1.10")
    put(tmp_path, "other", dice=0.4, method="Other net")
    board = board_of(tmp_path, SEG)
    assert [(row.slug, row.ranked, row.superseded, row.earlier) for row in board.rows] == [
        ("net-old", False, True, 0),
        ("net-new", True, False, 1),
        ("other", True, False, 0),
    ]
    assert board.row("net-old").reason == "superseded by a newer submission"
    assert "1 earlier submission(s)" in " ".join(show(board).split())


def test_a_team_written_in_other_letters_is_the_same_team(tmp_path: Path) -> None:
    put(tmp_path, "net", SEG, team="The Group", method="Net", version="1")
    put(tmp_path, "net-again", SEG, team="the  group", method="Net", version="2")
    board = board_of(tmp_path, SEG)
    assert board.ranked == 1
    assert board.row("net").superseded


def test_a_method_without_training_is_not_said_to_have_one_training_run(tmp_path: Path) -> None:
    put(tmp_path, "fixed", SEG, supervision="none", labels_needed=[])
    board = board_of(tmp_path, SEG)
    assert "no training" in board.row("fixed").badges
    assert "one training run" not in board.row("fixed").badges


def test_what_a_submission_supersedes_is_older_whatever_its_version(tmp_path: Path) -> None:
    put(tmp_path, "net-a", version="9")
    put(tmp_path, "net-b", version="1", supersedes="net-a")
    board = board_of(tmp_path, SEG)
    assert [row.slug for row in board.rows if row.ranked] == ["net-b"]


def test_an_unsubmitted_run_of_the_same_method_takes_its_place_unless_it_cannot_be_ranked(tmp_path: Path) -> None:
    put(tmp_path, "net")
    said = manifest(training_data=[SEG])
    whole = run(tmp_path / "whole", dice=lambda case_id, number: 0.7, text=said)
    some = run(tmp_path / "some", dice=lambda case_id, number: 0.7, text=said, status="partial")
    board = board_of(tmp_path, SEG, (whole, whole))
    assert [(row.slug, row.ranked, row.superseded) for row in board.rows] == [
        ("whole", True, False),
        ("net", False, True),
    ]
    board = board_of(tmp_path, SEG, (some,))
    assert [(row.slug, row.ranked, row.superseded) for row in board.rows] == [
        ("some", False, False),
        ("net", True, False),
    ]


def test_a_submission_with_a_fault_is_left_out_and_named_and_hides_no_other(tmp_path: Path) -> None:
    put(tmp_path, "good")
    put(tmp_path, "bad")
    (tmp_path / "subs" / "bad" / "submission.toml").write_text("method = 3", "utf-8")
    board = board_of(tmp_path, SEG)
    assert [row.slug for row in board.rows] == ["good"]
    assert any("bad/submission.toml" in note for note in board.notes)


def test_a_folder_without_submissions_still_shows_the_published_numbers(tmp_path: Path) -> None:
    (tmp_path / "subs").mkdir()
    board = board_of(tmp_path, HSS)
    assert board.rows == ()
    assert {row.paper for row in board.reported} >= {"spahr2023", "wang2020", "hssayeni2020"}
    assert "Wang 2020, Table 1" in show(board)


def test_submissions_of_one_s_own_beside_no_published_numbers_do_not_hide_those_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "net", SEG)
    (tmp_path / "subs").rename(tmp_path / "submissions")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ICH_BENCH_SUBMISSIONS", raising=False)
    board = leaderboard(HSS, draws=99)  # ./submissions is found by itself, and holds no `reported`
    assert {row.paper for row in board.reported} >= {"spahr2023", "wang2020", "hssayeni2020"}
