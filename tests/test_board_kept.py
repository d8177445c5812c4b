"""Boards read back from the cache, and boards of which some files are at fault."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from boards import cases_of, dice_like, write_run
from ich_bench.board import kept, kept_files, kept_tables, public
from ich_bench.board.flat import as_json
from ich_bench.board.model import Board
from ich_bench.board.sections import PARTS
from ich_bench.board.show import show
from ich_bench.cli.app import app
from ich_bench.errors import InputError, UsageError
from ich_bench.metrics.suite import SUITE
from ich_bench.submissions.submit import submit
from submitted import manifest, run

SEG, HSS, MINI = "seg-cq500", "hssayeni", "phantom-mini"
DRAWS = 99


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ICH_BENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "shelf").mkdir()
    return tmp_path / "cache"


def three(tmp_path: Path, dataset: str = SEG, **about: Any) -> list[Path]:
    scores = dice_like(np.random.default_rng(5), 3, len(cases_of(dataset)), [0.1, 0, -0.1])
    return [write_run(tmp_path / name, dataset, scores[:, place], **about) for place, name in enumerate("abc")]


def taken(tmp_path: Path, runs: list[Path], **options: Any) -> kept.Snapshot:
    return kept.snapshot(tmp_path / "shelf", runs, **options)


def board_of(tmp_path: Path, dataset: str, runs: list[Path], **options: Any) -> Board:
    return kept.kept_board(taken(tmp_path, runs), dataset, draws=DRAWS, **options)


def same(one: Board, other: Board) -> bool:
    """Return whether two boards are equal in every number, of every case too, and in every type of an array."""
    arrays = [
        [held.has_ich, held.fold, *held.facts.values(), *held.values.values(), held.empty, held.missing]
        for held in (one.scores, other.scores)
    ]
    return (
        as_json(one) == as_json(other)
        and (one.scores.cases, one.scores.slugs) == (other.scores.cases, other.scores.slugs)
        and list(one.scores.values) == list(other.scores.values)
        and all(np.array_equal(a, b, equal_nan=a.dtype == float) for a, b in zip(*arrays, strict=True))
        and [a.dtype for a in arrays[0]] == [b.dtype for b in arrays[1]]
        and [row.submission for row in one.rows] == [row.submission for row in other.rows]
        and list(one.pairs) == list(other.pairs)
    )  # fmt: skip


def empty(tmp_path: Path) -> tuple[str, list[Path]]:
    return HSS, []


def one_row(tmp_path: Path) -> tuple[str, list[Path]]:
    return SEG, three(tmp_path)[:1]


def with_healthy_heads(tmp_path: Path) -> tuple[str, list[Path]]:
    return HSS, three(tmp_path, HSS)  # and its odd case: a board without it


def calibration(tmp_path: Path) -> tuple[str, list[Path]]:
    floor = write_run(tmp_path / "floor", SEG, [0.1] * 51, manifest='method = "empty"\nkind = "calibration"\n')
    ceiling = write_run(tmp_path / "top", SEG, [0.9] * 51, manifest='method = "reader"\nkind = "ceiling"\n')
    return SEG, [*three(tmp_path), floor, ceiling]


def seeds(tmp_path: Path) -> tuple[str, list[Path]]:
    return SEG, three(tmp_path, seeds=(0, 1, 2))


def budgets(tmp_path: Path) -> tuple[str, list[Path]]:
    out = write_run(tmp_path / "few", HSS, [0.5] * 75, budget="10-0", manifest='method = "few"\nregime = "cv"\n')
    return HSS, [out, *three(tmp_path, HSS)]


def withheld(tmp_path: Path) -> tuple[str, list[Path]]:
    for slug, dice in (("net", 0.5), ("other", 0.6)):
        about = manifest(method=slug, training_data=[HSS])
        out = run(tmp_path / slug, HSS, dice=lambda case, number, dice=dice: dice + number % 7 / 100, text=about)
        submit([out], slug, submissions=tmp_path / "shelf")
    return HSS, [run(tmp_path / "mine", HSS)]


def nan_and_inf(tmp_path: Path) -> tuple[str, list[Path]]:
    edit = {cases_of(SEG)[0]: {"hd95": math.inf, "assd": math.nan}, cases_of(SEG)[1]: {"dice": math.nan}}
    return SEG, [*three(tmp_path), write_run(tmp_path / "odd", SEG, [0.5] * 51, edit=edit)]


def hostile(tmp_path: Path) -> tuple[str, list[Path]]:
    return SEG, [write_run(tmp_path / "\u202e=1+1 <b>\u200b", SEG, [0.5] * 51), *three(tmp_path)]


@pytest.mark.parametrize(
    "made", [empty, one_row, with_healthy_heads, calibration, seeds, budgets, withheld, nan_and_inf, hostile]
)
def test_a_board_read_back_equals_the_one_that_was_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Callable[[Path], tuple[str, list[Path]]]
) -> None:
    dataset, runs = made(tmp_path)
    built = public.leaderboard(dataset, submissions=tmp_path / "shelf", runs=runs, draws=DRAWS)
    first = board_of(tmp_path, dataset, runs)
    monkeypatch.setattr(public, "board_of", None)  # from here on nothing can be built
    again = board_of(tmp_path, dataset, runs)
    assert again is not first
    assert same(first, again)
    assert same(built, again)


def test_arrays_read_back_cannot_be_written_to(tmp_path: Path) -> None:
    runs = three(tmp_path)
    board_of(tmp_path, SEG, runs)
    board = board_of(tmp_path, SEG, runs)
    arrays = [board.scores.values["dice"], board.scores.has_ich, board.pairs["ich", "dice"].p_max_t]
    assert [array.flags.writeable for array in arrays] == [False, False, False]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by a dataset each time a board is built."""
    built: list[str] = []
    real = public.board_of

    def board_of(about: Any, *args: Any, **options: Any) -> Board:
        built.append(about.id)
        return real(about, *args, **options)

    monkeypatch.setattr(public, "board_of", board_of)
    return built


def test_a_board_is_built_again_when_a_file_a_manifest_or_the_question_changes_and_not_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, built = three(tmp_path), counted(monkeypatch)
    board_of(tmp_path, SEG, runs)
    board_of(tmp_path, SEG, runs)
    assert len(built) == 1
    moved = [shutil.copytree(one, tmp_path / "elsewhere" / one.name) for one in runs]
    board_of(tmp_path, SEG, moved)  # the same bytes elsewhere are the same board
    assert len(built) == 1
    write_run(runs[0], HSS, [0.5] * 75)  # another dataset's scores change nothing here
    board_of(tmp_path, SEG, runs)
    assert len(built) == 1
    write_run(runs[0], SEG, [0.5] * 51)
    board_of(tmp_path, SEG, runs)
    assert len(built) == 2
    (runs[0] / "submission.toml").write_text('method = "Renamed"\n')
    assert board_of(tmp_path, SEG, runs).row("a").method == "Renamed"
    assert len(built) == 3
    board_of(tmp_path, SEG, runs, metrics=["hd95"])
    board_of(tmp_path, SEG, runs, scheme="cv5-r1")
    assert len(built) == 5
    monkeypatch.setattr(kept, "code_sha256", lambda: "another version")
    board_of(tmp_path, SEG, runs)
    assert len(built) == 6


def test_a_row_read_back_belongs_to_its_own_run_whoever_else_came_and_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, built = three(tmp_path / "seg"), counted(monkeypatch)
    other = [write_run(tmp_path / name, HSS, [0.5] * 75) for name in ("0", "z")]
    board_of(tmp_path, SEG, [other[0], *runs])
    board = board_of(tmp_path, SEG, [*runs, other[1]])
    assert [row.submission.slug for row in board.rows if row.submission] == [row.slug for row in board.rows]
    assert built == [SEG]


@pytest.mark.parametrize("how", ["cut", "flipped", "foreign", "gone", "garbage"])
def test_a_damaged_board_in_the_cache_is_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    runs, built = three(tmp_path), counted(monkeypatch)
    first = board_of(tmp_path, SEG, runs)
    (place,) = (one for one in kept_files.home().iterdir() if one.name != "files")
    for path in place.iterdir():
        content = bytearray(path.read_bytes())
        if how == "cut":
            path.write_bytes(content[: len(content) // 2])
        elif how == "flipped":
            content[10] ^= 0xFF  # in the first page
            path.write_bytes(content)
        elif how == "foreign":
            shutil.copyfile(runs[0] / "scores" / f"{SEG}.parquet", path)
        elif how == "gone":
            path.unlink()
        else:
            path.write_bytes(b"PAR1 no table PAR1")
    assert same(first, board_of(tmp_path, SEG, runs))
    assert len(built) == 2
    assert same(first, board_of(tmp_path, SEG, runs))
    assert len(built) == 2  # and it was put right


def test_half_a_board_is_never_left_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = three(tmp_path)
    real, written = kept_tables._write, []

    def full(table: Any, path: Path) -> None:
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        written.append(path)
        real(table, path)

    monkeypatch.setattr(kept_tables, "_write", full)
    assert board_of(tmp_path, SEG, runs).ranked == 3  # the board is there all the same
    assert [one.name for one in kept_files.home().iterdir()] == ["files"]


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "no-folder").write_text("")
    monkeypatch.setenv("ICH_BENCH_CACHE", str(tmp_path / "no-folder"))
    assert board_of(tmp_path, SEG, three(tmp_path)).ranked == 3


def test_a_folder_whose_name_is_no_unicode_hides_no_other(tmp_path: Path) -> None:
    runs = three(tmp_path)
    odd = runs[0].rename(tmp_path / "\udce9")
    for _ in range(2):
        assert {row.slug for row in board_of(tmp_path, SEG, [odd, *runs[1:]]).rows} >= {"b", "c"}


def test_the_boards_longest_not_looked_at_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_files, "MOST_BOARDS", 2)
    runs = three(tmp_path)
    for scheme in ("cv5", "cv5-r1", "cv5-r2"):
        board_of(tmp_path, SEG, runs, scheme=scheme)
    assert len([one for one in kept_files.home().iterdir() if one.name != "files"]) == 2


# ---- Files at fault: each is left out and named, the others stand, and the command line still refuses ----


def fault_of(tmp_path: Path, runs: list[Path], *, rows: set[str], dataset: str = SEG) -> str:
    """Return the one problem that is named, having asserted which rows stand, with and without the cache."""
    for _ in range(2):
        snapshot = taken(tmp_path, runs)
        found = kept.kept(snapshot, dataset, draws=DRAWS)
        assert {row.slug for row in found.board.rows} == rows
        (problem,) = (*snapshot.problems, *found.problems)
        assert any(note == f"left out: {problem}" for note in found.board.notes)
        assert str(tmp_path) not in str(problem)
    return str(problem)


def score_file(out: Path, dataset: str = SEG) -> Path:
    return out / "scores" / f"{dataset}.parquet"


def test_a_corrupt_score_file_is_left_out_by_name(tmp_path: Path) -> None:
    runs = three(tmp_path)
    score_file(runs[1]).write_bytes(b"PAR1" + b"\0" * 5000 + b"PAR1")
    assert fault_of(tmp_path, runs, rows={"a", "c"}).startswith("b/scores/seg-cq500.parquet ")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_half_written_score_file_is_left_out_by_name(tmp_path: Path, share: float) -> None:
    runs = three(tmp_path)
    content = score_file(runs[0]).read_bytes()
    score_file(runs[0]).write_bytes(content[: int(share * len(content))])
    assert fault_of(tmp_path, runs, rows={"b", "c"}).startswith("a/scores/seg-cq500.parquet ")
    with pytest.raises(Exception, match="cannot be read as a score file"):
        taken(tmp_path, runs, strict=True)


def test_a_score_file_of_another_suite_is_left_out_even_where_it_is_alone_or_in_the_majority(tmp_path: Path) -> None:
    old = three(tmp_path / "old", suite=SUITE + 1)
    assert "is of suite" in fault_of(tmp_path, old[:1], rows=set())
    mixed = [*old[:2], write_run(tmp_path / "new", SEG, [0.5] * 51)]
    found = kept.kept(taken(tmp_path, mixed), SEG, draws=DRAWS)
    assert [row.slug for row in found.board.rows] == ["new"]
    assert len(found.problems) == 2
    with pytest.raises(InputError, match="cannot be ranked together"):
        kept.kept_board(taken(tmp_path, mixed, strict=True), SEG, draws=DRAWS)


def test_a_score_file_on_other_folds_is_left_out(tmp_path: Path) -> None:
    runs = [*three(tmp_path), write_run(tmp_path / "z", SEG, [0.5] * 51, fold_sha256="f" * 64)]
    assert "other folds of cv5" in fault_of(tmp_path, runs, rows={"a", "b", "c"})


def test_of_two_versions_of_the_references_the_more_frequent_stays_and_among_equals_the_first_slug(
    tmp_path: Path,
) -> None:
    runs = [*three(tmp_path)[1:], write_run(tmp_path / "a", SEG, [0.5] * 51, dataset_sha256="e" * 64)]
    assert "other references" in fault_of(tmp_path, runs, rows={"b", "c"})
    assert "other references" in fault_of(tmp_path, [runs[0], runs[2]], rows={"a"})


def test_methods_decide_which_references_count_however_many_calibration_rows_there_are(tmp_path: Path) -> None:
    method = write_run(tmp_path / "z", SEG, [0.5] * 51, dataset_sha256="e" * 64)
    said = 'method = "m"\nkind = "calibration"\n'
    rows = [write_run(tmp_path / name, SEG, [0.1] * 51, manifest=said) for name in "abc"]
    found = kept.kept(taken(tmp_path, [method, *rows]), SEG, draws=DRAWS)
    assert [row.slug for row in found.board.rows] == ["z"]
    assert len(found.problems) == 3
    alone = kept.kept(taken(tmp_path, rows), SEG, draws=DRAWS)
    assert {row.slug for row in alone.board.rows} == {"a", "b", "c"}


def test_scores_of_another_profile_are_no_fault_and_native_is_shown(tmp_path: Path) -> None:
    from scored import row, scores

    rows = [row(case, profile="spahr2023", dataset=SEG, scheme="cv5") for case in cases_of(SEG)]
    about = {"fold_sha256": public.load_scheme(SEG).sha256, "profile": "spahr2023"}
    from ich_bench.runs import store

    runs = three(tmp_path)
    store.write_scores(scores(rows, **about), score_file(tmp_path / "z"))
    found = kept.kept(taken(tmp_path, [*runs, tmp_path / "z"]), SEG, draws=DRAWS)
    assert (found.board.profile, len(found.board.rows), found.problems) == ("native", 3, ())
    assert "Scores under profile spahr2023 stand on a board of their own." in found.board.notes
    other = kept.kept(taken(tmp_path, [*runs, tmp_path / "z"]), SEG, profile="spahr2023", draws=DRAWS)
    assert [row.slug for row in other.board.rows] == ["z"]


def test_a_file_that_contradicts_the_others_about_a_head_is_left_out(tmp_path: Path) -> None:
    runs = three(tmp_path)
    other = write_run(tmp_path / "0", SEG, [0.5] * 51, edit={cases_of(SEG)[3]: {"tp": 12345}})
    assert "another reference" in fault_of(tmp_path, [*runs, other], rows={"a", "b", "c"})


def test_a_file_with_cases_that_the_dataset_does_not_have_is_left_out(tmp_path: Path) -> None:
    runs = three(tmp_path)
    other = write_run(tmp_path / "z", SEG, dict.fromkeys([*cases_of(SEG)[1:], "stranger"], 0.5), dataset_sha256="")
    assert "stranger" in fault_of(tmp_path, [*runs, other], rows={"a", "b", "c"})


def test_a_file_scored_on_dilated_references_is_left_out(tmp_path: Path) -> None:
    runs = [*three(tmp_path), write_run(tmp_path / "z", SEG, [0.5] * 51, legacy_dilation=True)]
    assert "--legacy-dilation" in fault_of(tmp_path, runs, rows={"a", "b", "c"})


def test_a_file_that_vanishes_between_listing_and_reading_is_left_out_and_nothing_is_kept(tmp_path: Path) -> None:
    runs = three(tmp_path)
    snapshot = taken(tmp_path, runs)
    shutil.rmtree(runs[2])
    found = kept.kept(snapshot, SEG, draws=DRAWS)
    assert {row.slug for row in found.board.rows} == {"a", "b"}
    assert [problem.what for problem in found.problems] == ["went away while it was read."]
    assert [one.name for one in kept_files.home().iterdir()] == ["files"]


def test_a_file_that_changes_between_listing_and_reading_is_not_kept_under_the_old_key(tmp_path: Path) -> None:
    runs = three(tmp_path)
    snapshot = taken(tmp_path, runs)
    write_run(runs[2], SEG, [0.123] * 51)
    kept.kept(snapshot, SEG, draws=DRAWS)
    assert [one.name for one in kept_files.home().iterdir()] == ["files"]


def test_a_file_of_which_no_board_can_be_built_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that no check foresees, such as a bug: the file that brings it is found by trying each alone."""
    from ich_bench.board import build

    real = build.row_of

    def row_of(entry: Any, *args: Any) -> Any:
        if entry.slug == "b":
            raise ZeroDivisionError
        return real(entry, *args)

    monkeypatch.setattr(build, "row_of", row_of)
    assert "no board can be built of it: ZeroDivisionError." in fault_of(tmp_path, three(tmp_path), rows={"a", "c"})


def test_a_submission_at_fault_hides_no_other(tmp_path: Path) -> None:
    for slug in ("good", "bad"):
        out = run(tmp_path / "runs" / slug, dice=lambda case, number: 0.5, text=manifest(method=slug))
        submit([out], slug, submissions=tmp_path / "shelf")
    score_file(tmp_path / "shelf" / "bad").write_bytes(b"no")
    assert fault_of(tmp_path, [], rows={"good"}).startswith("bad/scores/seg-cq500.parquet  was changed")


def test_published_numbers_at_fault_are_left_out_and_the_others_stand(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parents[1] / "submissions" / "reported", tmp_path / "shelf" / "reported")
    paths = sorted((tmp_path / "shelf" / "reported").glob("*20*.toml"))
    whole = kept.snapshot(tmp_path / "shelf")
    paths[0].write_text("[[[")
    snapshot = kept.snapshot(tmp_path / "shelf")
    assert [problem.where for problem in snapshot.problems] == [f"reported/{paths[0].name}"]
    assert 0 < len(snapshot.sources.reported) < len(whole.sources.reported)


@pytest.mark.parametrize("missing", ["nowhere", "nowhere/deeper"])
def test_a_folder_that_is_not_there_is_named_and_the_board_is_empty(tmp_path: Path, missing: str) -> None:
    snapshot = kept.snapshot(tmp_path / missing, [tmp_path / "no-run"])
    assert len(snapshot.problems) == 2
    assert kept.kept_board(snapshot, SEG, draws=DRAWS).rows == ()


def test_an_unknown_dataset_scheme_or_profile_is_refused_as_before(tmp_path: Path) -> None:
    snapshot = taken(tmp_path, three(tmp_path))
    for dataset, options in (("hsayeni", {}), (SEG, {"scheme": "cv9"}), (SEG, {"profile": "natve"})):
        with pytest.raises(UsageError):
            kept.kept_board(snapshot, dataset, **options)


def test_the_signature_changes_with_every_file_and_with_nothing_else(tmp_path: Path) -> None:
    runs = three(tmp_path / "runs")
    asked = (tmp_path / "shelf", [tmp_path / "runs"])
    seen = [kept_files.signature(*asked), kept_files.signature(*asked)]
    assert seen[0] == seen[1]
    (runs[0] / "submission.toml").write_text('method = "x"\n')
    seen.append(kept_files.signature(*asked))
    write_run(tmp_path / "runs" / "d", SEG, [0.5] * 51)
    seen.append(kept_files.signature(*asked))
    shutil.rmtree(runs[1])
    seen.append(kept_files.signature(*asked))
    (tmp_path / "shelf" / "net").mkdir()
    (tmp_path / "shelf" / "net" / "submission.toml").write_text("")
    seen.append(kept_files.signature(*asked))
    assert len(set(seen[1:])) == 5


def test_every_field_of_a_board_is_written_or_given(tmp_path: Path) -> None:
    """A field that somebody adds to the Board must not be lost on the way."""
    known = {*kept_tables._PLAIN, "rows", "reported", "pairs", "scores", "strata", "sensitivity", "schemes"}
    assert {field.name for field in dataclasses.fields(Board)} == {*known, "efficiency", "notes", "elsewhere"}


def said(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_says_the_same_from_the_cache_and_builds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept.kept, "__kwdefaults__", {**kept.kept.__kwdefaults__, "draws": DRAWS})
    monkeypatch.setattr(kept.kept_board, "__kwdefaults__", {**kept.kept_board.__kwdefaults__, "draws": DRAWS})
    runs, built = three(tmp_path), counted(monkeypatch)
    words = ["leaderboard", SEG, "--submissions", str(tmp_path / "shelf"), "--everything"]
    words += [word for one in runs for word in ("--with", str(one))]
    first = said(*words)
    assert said(*words) == first
    assert built == [SEG]
    board = public.leaderboard(SEG, submissions=tmp_path / "shelf", runs=runs, draws=DRAWS)
    assert first == show(board, parts=(*PARTS, "reported"), pairs=True)


def test_the_cache_tells_of_boards_and_clears_them(tmp_path: Path, cache: Path) -> None:
    board_of(tmp_path, SEG, three(tmp_path))
    assert json.loads(said("cache", "--json"))["bytes"]["boards"] > 10_000
    said("cache", "clear")
    assert list(cache.iterdir()) == []
    assert board_of(tmp_path, SEG, [tmp_path / "a"]).ranked == 1
