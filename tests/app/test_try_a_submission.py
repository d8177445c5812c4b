"""Try a submission: what a visitor hands in is explained or scored, seen by nobody else, and forgotten."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("streamlit")

from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.testing.v1 import AppTest

import ich_bench
from app import states
from app.states import BoardState
from boards import cases_of, write_run
from ich_bench.board import wording
from ich_bench.board.model import Board
from ich_bench.board.public import leaderboard
from ich_bench.errors import Problem
from ich_bench.runs import store
from ich_bench.tables.summary import summarise
from ich_bench_app import data
from ich_bench_app.started import VARIABLE
from ich_bench_app.upload import among, form, outcome, process
from ich_bench_app.upload.limits import MB
from ich_bench_app.upload.outcome import Failed, Faulty, Outcome, Scored, Step

pytestmark = pytest.mark.usefixtures("temporary")
PAGE = "try_a_submission"
ZIP = "application/zip"


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the ids of the uploads that the server still holds, added when one arrives and taken out when it goes."""
    held: list[str] = []
    remove = MemoryUploadedFileManager.remove_file

    def removed(self: MemoryUploadedFileManager, session_id: str, file_id: str) -> None:
        remove(self, session_id, file_id)
        held.append(file_id)

    monkeypatch.setattr(MemoryUploadedFileManager, "remove_file", removed)
    return held


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Callable[[Outcome], None]:
    """Return a function that lets every worker say one outcome, without looking at the upload."""

    def answers(came: Outcome) -> None:
        code = f"import sys; sys.stdin.readline(); sys.stdout.buffer.write({outcome.line(came)!r})"
        monkeypatch.setattr(process, "COMMAND", (sys.executable, "-S", "-c", code))
        monkeypatch.setattr(process.run, "__kwdefaults__", {**process.run.__kwdefaults__, "command": process.COMMAND})

    return answers


def scored(dice: float, *, dataset: str = "phantom-mini", warnings: tuple[str, ...] = ()) -> Scored:
    """Return what a worker says of masks that all have this Dice."""
    home = Path(tempfile.mkdtemp())
    write_run(home / "mine", dataset, np.full(len(cases_of(dataset)), dice))
    scores = store.read_scores(home / "mine" / "scores" / f"{dataset}.parquet")
    shutil.rmtree(home)
    return outcome.scored(summarise(scores), warnings=warnings)


def handed_in(at: AppTest, content: bytes = b"PK", name: str = "mine.zip") -> AppTest:
    """Return the page after a visitor has chosen a file and pressed the button."""
    at.file_uploader[0].set_value((name, content, ZIP)).run()
    (press,) = [one for one in at.button if one.label == "Check and score"]
    return press.click().run()


def said(at: AppTest) -> str:
    """Return all words of a page."""
    boxes = (at.success, at.warning, at.error, at.info, at.markdown, at.caption, at.subheader)
    return "\n".join(one.value for kind in boxes for one in kind)


def test_the_page_stands_on_every_board(board_state: BoardState, open_page: Callable[..., AppTest]) -> None:
    at = open_page(PAGE)
    assert [one.label for one in at.file_uploader] == ["A .zip of masks"]
    assert next(one for one in at.button if one.label == "Check and score").disabled
    assert "Nothing is kept" in said(at)
    assert any("ich-bench validate phantom-mini my-masks.zip" in one.value for one in at.code)


def test_an_upload_stands_among_the_rows_of_every_board(
    board_state: BoardState, open_page: Callable[..., AppTest], worker: Callable[[Outcome], None]
) -> None:
    worker(scored(0.5))
    at = states.stands(handed_in(open_page(PAGE)), PAGE)
    assert "sound and scored" in said(at)
    assert "not tested, not ranked" in said(at).lower()
    if board_state.dataset != "phantom-mini":
        assert "No row on the board of phantom-mini yet" in said(at)
        return
    board = data.board("phantom-mini")
    near = at.dataframe[-1].value
    assert among.YOURS in list(near["Row"])
    means = [float(one) for one in near["Mean dice"]]
    assert means == sorted(means, reverse=True)
    ranks = {
        wording.rank(row.standing("ich", "dice")) + wording.number(row.standing("ich", "dice").stat.mean, "dice")  # type: ignore[union-attr]
        for row in board.rows
    }
    others = near[near["Row"] != among.YOURS]
    assert {rank + mean for rank, mean in zip(others["Rank"], others["Mean dice"], strict=True)} <= ranks


def test_the_numbers_are_those_of_the_summary(
    stand_on: Callable[[str], BoardState], open_page: Callable[..., AppTest], worker: Callable[[Outcome], None]
) -> None:
    stand_on("empty")
    came = scored(0.5)
    worker(came)
    at = handed_in(open_page(PAGE))
    table = at.dataframe[0].value.set_index("Metric")
    ich, everything, healthy = came.runs[0].cohorts
    assert list(table.columns) == [f"{one.name} (n = {one.volumes})" for one in (ich, everything, healthy)]
    row = table.loc["dice, higher is better"]
    assert list(row) == [wording.spread(one.metrics["dice"], "dice") for one in (ich, everything, healthy)]
    assert row.iloc[0].replace("\u00a0", " ") == "0.500 ± 0.000"
    assert {one.label: one.value for one in at.metric}["dice on ich"] == "0.500"


def test_every_problem_is_shown_and_strangers_words_stay_text(
    stand_on: Callable[[str], BoardState], open_page: Callable[..., AppTest], worker: Callable[[Outcome], None]
) -> None:
    stand_on("empty")
    hostile = "<img src=x onerror=alert(1)> [a](javascript:x) :red[y] $z$ ![i](http://evil.example/a.png)"
    found = tuple(Problem(where=f"{number}{hostile}", what="is off.", mend="Mend it.") for number in range(300))
    worker(Faulty(problems=found, warnings=(hostile,), ignored=(hostile,), files=301, fine=1))
    at = states.stands(handed_in(open_page(PAGE), name=f"{hostile}.zip"), PAGE)
    assert "300 problems" in said(at)
    assert "(1 of 301 files are fine)" in said(at)
    assert "Nothing is scored until all are mended" in said(at)
    table = at.table[0].value
    assert list(table.columns) == ["Where", "What is wrong, and how to mend it"]
    assert "The first 200 of 300 problems; the CSV has all." in said(at)
    strange = [*table["Where"], *(one.value for one in (*at.warning, *at.caption) if "onerror" in one.value)]
    assert len(strange) == 200 + 3  # the file's name, a warning, the files that were not opened
    for text in strange:  # of Markdown's own signs, every one is told to be a letter
        theirs = text[text.index("img") - 2 :] if "onerror" in text else ""
        assert theirs.startswith("\\<img")
        assert re.search(r"(?<!\\)[<\[$!]|(?<!\\):(red|//)|https?:", theirs) is None


def test_the_csv_holds_every_problem_and_no_formula() -> None:
    from ich_bench_app import frame
    from ich_bench_app.upload.shown import problem_table

    found = Faulty(problems=tuple(Problem(where=f"=cmd{n}", what="a, b.", mend="c\nd") for n in range(300)))
    lines = frame.as_csv(problem_table(found)).decode().splitlines()
    assert lines[0] == "Where,What is wrong,How to mend it"
    assert len(lines) == 301
    assert lines[1] == '\'=cmd0,"a, b.",c\\nd'


def test_a_refused_archive_is_named_as_its_visitor_calls_it(
    stand_on: Callable[[str], BoardState], open_page: Callable[..., AppTest], worker: Callable[[Outcome], None]
) -> None:
    stand_on("empty")
    worker(Faulty(problems=(Problem(where="upload.zip", what="is not a zip archive."),), refused=True))
    at = handed_in(open_page(PAGE))
    assert not at.exception
    assert "refused as a whole" in at.error[0].value
    assert at.table[0].value["Where"].tolist() == ["mine.zip"]


def test_why_an_evaluation_failed_is_said(
    stand_on: Callable[[str], BoardState], open_page: Callable[..., AppTest], worker: Callable[[Outcome], None]
) -> None:
    stand_on("empty")
    worker(Failed(why="it took longer than 600 seconds.", mend="Score at home."))
    at = handed_in(open_page(PAGE))
    assert not at.exception
    assert "it took longer than 600 seconds. Score at home." in at.error[0].value


def test_an_upload_is_forgotten_once_it_is_scored(
    stand_on: Callable[[str], BoardState],
    open_page: Callable[..., AppTest],
    worker: Callable[[Outcome], None],
    files: list[str],
) -> None:
    stand_on("empty")
    worker(scored(0.5))
    at = handed_in(open_page(PAGE))
    assert len(files) == 1  # the server's memory lets go of it
    assert at.file_uploader[0].value is None
    assert "upload-0" not in at.session_state
    assert "sound and scored" in said(at)  # what came of it is still there, in this tab
    forget = next(one for one in at.button if one.label == "Forget this result")
    at = states.stands(forget.click().run(), PAGE)
    assert "sound and scored" not in said(at)
    assert form._RESULT not in at.session_state


def test_an_upload_is_forgotten_when_its_evaluation_breaks(
    stand_on: Callable[[str], BoardState],
    open_page: Callable[..., AppTest],
    monkeypatch: pytest.MonkeyPatch,
    files: list[str],
) -> None:
    stand_on("empty")

    def broken(*args: object, **options: object) -> Outcome:
        raise RuntimeError("a bug")

    monkeypatch.setattr(process, "run", broken)
    at = handed_in(open_page(PAGE))
    assert "Something went wrong here" in at.error[0].value
    assert len(files) == 1
    assert len(form.line.SERVER) == 0  # the next visitor's turn


def test_two_visitors_do_not_see_each_others_upload(
    stand_on: Callable[[str], BoardState], open_page: Callable[..., AppTest], worker: Callable[[Outcome], None]
) -> None:
    stand_on("empty")
    first, second = open_page(PAGE), open_page(PAGE)
    worker(scored(0.5))
    first = handed_in(first, name="first.zip")
    assert "first.zip" not in said(second.run())
    worker(Faulty(problems=(Problem(where="secret.nii.gz", what="is off."),)))
    second = handed_in(second, name="second.zip")
    assert "second.zip" in said(second)
    assert "first.zip" not in said(second)
    first = first.run()
    assert "first.zip is sound and scored" in said(first).replace("\\", "")
    assert "second" not in said(first)
    assert not first.table


def test_a_visit_has_a_most_and_an_upload_too(
    stand_on: Callable[[str], BoardState],
    open_page: Callable[..., AppTest],
    worker: Callable[[Outcome], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_on("empty")
    worker(scored(0.5))
    monkeypatch.setattr(form, "UPLOAD_BYTES", 1 * MB)
    at = handed_in(open_page(PAGE), content=b"0" * 1_500_000)
    assert "it has 2 MB; 1 MB are allowed" in at.error[0].value
    monkeypatch.setattr(form, "MOST_PER_VISIT", 1)
    at = handed_in(at)
    assert not at.error
    at = handed_in(at)
    assert "the most for one visit" in at.error[0].value


def test_a_server_that_takes_no_uploads_says_so(
    monkeypatch: pytest.MonkeyPatch, open_page: Callable[..., AppTest]
) -> None:
    monkeypatch.setenv(VARIABLE, '{"uploads": []}')
    at = open_page(PAGE)
    assert "This server takes no uploads" in said(at)
    assert not at.file_uploader
    assert "ich-bench evaluate" in at.code[0].value


def test_a_dataset_that_is_not_offered_cannot_be_asked_for(
    stand_on: Callable[[str], BoardState], open_page: Callable[..., AppTest]
) -> None:
    stand_on("empty")
    at = open_page(PAGE, dataset="hssayeni")
    assert at.selectbox[0].value == "phantom-mini"
    assert "hssayeni" not in at.selectbox[0].options


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Step(stage="unpacking the zip"), (0.0, "unpacking the zip … · 3 s")),
        (Step(stage="scoring", done=3, total=12), (0.25, "scoring 3/12 · 3 s")),
    ],
)
def test_progress_is_said_in_words_too(step: Step, words: tuple[float, str]) -> None:
    assert form.progress(step, seconds=3.4) == words


# Where it would stand


@pytest.fixture
def board(tmp_path: Path) -> Board:
    """Nine rows with mean Dice 0.1 … 0.9."""
    for tenth in range(1, 10):
        write_run(
            tmp_path / "runs" / f"row-{tenth}", "phantom-mini", np.full(len(cases_of("phantom-mini")), tenth / 10)
        )
    return leaderboard("phantom-mini", submissions=_empty(tmp_path), runs=[tmp_path / "runs"], draws=200)


def _empty(folder: Path) -> Path:
    (folder / "submissions").mkdir()
    return folder / "submissions"


@pytest.mark.parametrize(
    ("dice", "expected"),
    [
        (0.45, ["row-7", "row-6", "row-5", "", "row-4", "row-3", "row-2"]),
        (0.95, ["", "row-9", "row-8", "row-7"]),
        (0.05, ["row-3", "row-2", "row-1", ""]),
    ],
)
def test_the_nearest_rows_stand_on_either_side(board: Board, dice: float, expected: list[str]) -> None:
    near = among.neighbours(board, scored(dice).runs[0], cohort="ich", metric="dice")
    assert [one.row.slug if one.row else "" for one in near] == expected
    assert next(one.rank for one in near if one.row is None) == wording.BLANK
    for one in near:
        if one.row is not None:
            assert one.rank == wording.rank(one.row.standing("ich", "dice"))


def test_other_references_or_folds_are_no_neighbours(board: Board) -> None:
    upload = scored(0.5)
    assert among.incomparable(board, upload) == ""
    assert "other references" in among.incomparable(board, replace(upload, dataset_sha256="0" * 64))
    assert "other suite" in among.incomparable(board, replace(upload, suite=upload.suite + 1))


@pytest.mark.slow
def test_the_example_is_downloaded_handed_in_scored_as_the_command_does_and_forgotten(
    stand_on: Callable[[str], BoardState], open_page: Callable[..., AppTest], tmp_path: Path, files: list[str]
) -> None:
    stand_on("one")
    from ich_bench_app.upload.offers import offers

    offer = next(one for one in offers() if one.dataset == "phantom-mini")
    example = form.example_zip(str(offer.data))
    (tmp_path / "mine.zip").write_bytes(example)
    at = states.stands(handed_in(open_page(PAGE), content=example, name="mine.zip"), PAGE)
    run = ich_bench.evaluate("phantom-mini", tmp_path / "mine.zip", out=tmp_path / "out")
    (expected,) = summarise(run.scores).runs
    shown = {one.label: one.value for one in at.metric}
    assert shown["dice on ich"] == wording.number(expected.cohort("ich").metrics["dice"].mean, "dice")
    result = at.session_state[form._RESULT].came
    assert (
        json.loads(outcome.line(result))["runs"]
        == json.loads(outcome.line(outcome.scored(summarise(run.scores))))["runs"]
    )
    assert len(files) == 1
