"""The page of cases: the map, the hardest heads, the viewer; on boards alone, and on masks that lie on this machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("streamlit")

import streamlit as st
from streamlit.testing.v1 import AppTest

from app.states import BoardState, open_page, stands
from boards import board_of, cases_of, write_run
from folders import GEOMETRY, empty, lopsided
from ich_bench.board import wording as say
from ich_bench.board.hardest import case_lines
from ich_bench.board.model import Board
from ich_bench.errors import IchBenchError
from ich_bench.phantom import library
from ich_bench.runs.evaluation import evaluate
from ich_bench.volume import write_mask
from ich_bench_app import data
from ich_bench_app.started import VARIABLE
from ich_bench_app.viewer import heat
from ich_bench_app.viewer.heads import head_of
from ich_bench_app.viewer.masks import NotShownError, mask_of, runs_of
from ich_bench_app.viewer.places import Absent, images_of
from submitted import guess, guesses, tiny

SEG = "seg-cq500"


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `data/seg-cq500`, and `runs/good` and `runs/blank`, each with its masks and scores."""
    home = tmp_path_factory.mktemp("scored")
    tiny(home / "data" / SEG)
    guesses(home / "runs" / "good" / "predictions" / SEG)
    for one in cases_of(SEG):
        folder = home / "runs" / "blank" / "predictions" / SEG
        folder.mkdir(parents=True, exist_ok=True)
        write_mask(folder / f"{one}.nii.gz", empty(), GEOMETRY)
    for name in ("good", "blank"):
        evaluate(SEG, home / "runs" / name, data=home / "data" / SEG, out=home / "runs" / name)
    return home


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Return a function that starts the app anew with these options."""
    (tmp_path / "no-submissions").mkdir()

    def begin(**options: object) -> None:
        said = {"submissions": str(tmp_path / "no-submissions"), "draws": 200, **options}
        monkeypatch.setenv(VARIABLE, json.dumps(said))
        st.cache_data.clear()
        st.cache_resource.clear()

    yield begin
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def on_seg(scored: Path, start: Callable[..., None]) -> Path:
    """The app stands on both runs, the images and masks on this machine."""
    start(runs=[str(scored / "runs")], data_root=str(scored / "data"))
    return scored


def words(at: AppTest) -> str:
    """Return everything that a page says: text, tables, alternative texts, links."""
    return str([node.proto for node in at.main]) + "\n".join(
        one.value if isinstance(one.value, str) else one.value.to_csv()
        for kind in (at.markdown, at.caption, at.info, at.code, at.dataframe)
        for one in kind
    )


def pictures(at: AppTest) -> list[str]:
    """Return the alternative texts of the pictures on a page."""
    return [one.alt for node in at.get("image") for one in node.proto.imgs]


def test_the_page_stands_in_each_state(board_state: BoardState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "make_heads", _no_disk)
    at = open_page("cases", dataset=board_state.dataset)
    assert (at.get("vega_lite_chart") != []) == bool(board_state.slugs)
    if board_state.dataset == "phantom-mini" and not library.default_folder("phantom-mini").exists():
        assert any("could not be drawn" in one.value for one in at.info)
    if board_state.slugs:
        board = data.board(board_state.dataset)
        lines = case_lines(board, "ich", "dice")
        table = at.dataframe[0].value
        assert table["case"].tolist() == [line.case_id for line in lines]
        assert table["mean"].tolist() == [line.mean for line in lines]
        assert at.selectbox(key="case").value == lines[0].case_id


@pytest.mark.slow
def test_a_large_board_shows_a_part_and_says_so(stand_on: Callable[[str], BoardState]) -> None:
    state = stand_on("many")
    at = open_page("cases", dataset=state.dataset)
    assert any("first 25 of 200 methods" in one.value for one in at.caption)
    more = open_page("cases", dataset=state.dataset, methods="100")
    assert any("first 100 of 200 methods" in one.value for one in more.caption)


def test_the_map_holds_the_boards_values_and_marks_what_is_missing_or_empty(tmp_path: Path) -> None:
    cases = cases_of("phantom-mini")
    edit = {
        cases[0]: {"status": "missing", "dice": 0.0, "prediction_sha256": None, "tp": None, "fp": None, "tn": None},
        cases[1]: {"status": "empty_prediction"},
        cases[2]: {"hd95": float("inf")},
    }
    one = write_run(tmp_path / "a" / "one", "phantom-mini", np.linspace(0.2, 0.9, len(cases)), edit=edit)
    board = board_of("phantom-mini", [one])
    lines = case_lines(board, "all", "dice", order="fold")
    table = heat.table_of(board, lines, ["one"], "dice").set_index("case")
    assert table["sign"].tolist()[:3] == ["✕", "∅", ""]
    assert table["value"].tolist() == board.scores.values["dice"][:, 0].tolist()
    far = heat.table_of(board, lines, ["one"], "hd95").set_index("case")
    assert far.loc[cases[2], "sign"] == "∞"
    assert far.loc[cases[-1], "sign"] == "–"  # healthy: undefined


def test_pictures_of_two_methods_stand_in_step_and_count_what_scoring_counted(on_seg: Path) -> None:
    board = data.board(SEG)
    case_id = board.scores.cases[3]
    at = open_page("cases", dataset=SEG, case=case_id, first="good", second="blank", slice="3")
    said = [one for one in pictures(at) if one.startswith("CT of")]
    assert len(said) == 2
    assert all(f"CT of {case_id}, slice 3 of 6" in one for one in said)
    place = cases_of(SEG).index(case_id)
    reference, predicted = lopsided(place)[:, :, 2], guess(place)[:, :, 2]
    hit, missed, added = (reference & predicted).sum(), (reference & ~predicted).sum(), (predicted & ~reference).sum()
    assert f"good: {hit} voxels hit, {missed} missed, {added} added" in said[0]
    assert f"blank: 0 voxels hit, {reference.sum()} missed, 0 added" in said[1]
    table = at.dataframe[-1].value.set_index("metric")
    for slug in ("good", "blank"):
        column = board.scores.slugs.index(slug)
        assert table.loc["dice", slug] == say.number(float(board.scores.values["dice"][3, column]))


def test_slices_add_up_to_the_counts_of_the_score_file(on_seg: Path) -> None:
    board = data.board(SEG)
    for case_id in board.scores.cases[:4]:
        head = head_of(SEG, here(case_id))
        assert not isinstance(head, Absent)
        run = runs_of(board, board.row("good"), case_id)[0]
        marks = mask_of(board, board.row("good"), run, head)
        counted = (int(marks.tp.sum()), int(marks.fp.sum()), int(marks.fn.sum()))
        assert counted == (run.row["tp"], run.row["fp"], run.row["fn"])


def test_buttons_go_to_the_slice_with_most_error_and_with_most_hemorrhage(on_seg: Path) -> None:
    case_id = cases_of(SEG)[0]
    wrong = (guess(0) ^ lopsided(0)).sum(axis=(0, 1))
    blood = lopsided(0).sum(axis=(0, 1))
    at = open_page("cases", dataset=SEG, case=case_id, first="good")
    assert at.slider(key="slice").value == 1 + int(blood.argmax())
    at.button(key="most_error").click().run()
    assert at.slider(key="slice").value == 1 + int(wrong.argmax())
    at.button(key="most_blood").click().run()
    assert stands(at, "cases").slider(key="slice").value == 1 + int(blood.argmax())


def test_another_case_begins_on_its_own_slice(on_seg: Path) -> None:
    cases = cases_of(SEG)
    at = open_page("cases", dataset=SEG, case=cases[0], first="good", slice="6")
    assert at.slider(key="slice").value == 6
    at.selectbox(key="case").set_value(cases[1]).run()
    assert at.slider(key="slice").value == 1 + int(lopsided(1).sum(axis=(0, 1)).argmax())


@pytest.mark.parametrize(
    "query",
    [
        {"case": "../../../etc/passwd", "first": "../good", "second": "..", "dataset": "../seg-cq500"},
        {"case": "<script>", "first": "good\x00", "slice": "-3", "window": "x", "zoom": "../", "overlay": "none"},
        {"slice": "9999999999999999999999", "level_hu": "nan", "width_hu": "0", "window": "free", "run": "seed 9"},
        {"slice": "٣", "metric": "os.system", "cohort": "everyone", "order": "drop table", "method": "/etc"},
    ],
)
def test_an_address_with_anything_else_falls_back(on_seg: Path, query: dict[str, str]) -> None:
    at = open_page("cases", **({"dataset": SEG} | query))
    assert at.selectbox(key="dataset").value == SEG
    assert at.selectbox(key="case").value in cases_of(SEG)
    assert at.selectbox(key="first").value in ("good", "blank")
    assert 1 <= at.slider(key="slice").value <= 6
    assert "passwd" not in words(at)


def test_no_path_of_this_machine_stands_on_the_page(on_seg: Path) -> None:
    for query in ({"first": "good", "second": "blank"}, {"case": "../x"}):
        said = words(open_page("cases", dataset=SEG, **query))
        assert str(on_seg) not in said
        assert str(on_seg.parent) not in said
        assert ".nii" not in said


def test_a_mask_that_is_not_the_one_scored_is_refused(scored: Path, start: Callable[..., None], tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(scored / "runs" / "good", runs / "good")
    case_id = cases_of(SEG)[0]
    other = guess(0)
    other[0, 0, 0] = True
    write_mask(runs / "good" / "predictions" / SEG / f"{case_id}.nii.gz", other, GEOMETRY)
    start(runs=[str(runs / "good")], data_root=str(scored / "data"))
    at = open_page("cases", dataset=SEG, case=case_id)
    assert any("not the one that was scored" in one.value for one in at.caption)
    assert "hit" not in "".join(one for one in pictures(at) if one.startswith("CT of"))
    assert str(tmp_path) not in words(at)
    assert (
        refusal(case_id)
        == "The mask that lies here is not the one that was scored (its SHA-256 differs), so it is not shown."
    )
    fine = open_page("cases", dataset=SEG, case=cases_of(SEG)[1])
    assert "hit" in "".join(pictures(fine))


def test_a_damaged_and_an_absent_mask_are_told_apart_without_a_path(
    scored: Path, start: Callable[..., None], tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(scored / "runs" / "good", runs / "good")
    cases = cases_of(SEG)
    folder = runs / "good" / "predictions" / SEG
    (folder / f"{cases[0]}.nii.gz").write_bytes(b"\x1f\x8bno")
    (folder / f"{cases[1]}.nii.gz").unlink()
    start(runs=[str(runs / "good")], data_root=str(scored / "data"))
    assert "cannot be read" in refusal(cases[0])
    assert "holds none of this case" in refusal(cases[1])
    shutil.rmtree(folder)
    start(runs=[str(runs / "good")], data_root=str(scored / "data"))
    assert "--predictions-root" in refusal(cases[0])


def test_masks_are_found_below_the_predictions_root_by_the_methods_name(
    scored: Path, start: Callable[..., None], tmp_path: Path
) -> None:
    shutil.copytree(scored / "runs" / "good" / "scores", tmp_path / "runs" / "good" / "scores")
    shutil.copytree(scored / "runs" / "good" / "predictions", tmp_path / "shelf" / "good" / "predictions")
    start(runs=[str(tmp_path / "runs" / "good")], data_root=str(scored / "data"),
          predictions_root=str(tmp_path / "shelf"))  # fmt: skip
    at = open_page("cases", dataset=SEG)
    assert "hit" in "".join(pictures(at))


def test_a_score_file_that_withholds_hashes_is_compared_by_its_numbers(on_seg: Path) -> None:
    board = data.board(SEG)
    case_id = cases_of(SEG)[2]
    run = runs_of(board, board.row("good"), case_id)[0]
    head = head_of(SEG, here(case_id))
    assert not isinstance(head, Absent)
    withheld = ("prediction_sha256", "tp", "fp", "fn", "tn", "volume_ref_ml", "volume_pred_ml")
    row = {**run.row, **dict.fromkeys(withheld), "dice": round(run.row["dice"], 4), "hd95": round(run.row["hd95"], 4)}
    bare = type(run)(name="withheld", row=row, labels=run.labels, file=run.file)
    assert mask_of(board, board.row("good"), bare, head).tp.sum() == run.row["tp"]
    lower = type(run)(name="lower", row={**row, "dice": row["dice"] - 0.0002}, labels=run.labels, file=run.file)
    with pytest.raises(NotShownError, match="not the one that was scored"):
        mask_of(board, board.row("good"), lower, head)


def test_another_version_of_the_reference_is_told_and_nothing_is_compared(
    scored: Path, start: Callable[..., None], tmp_path: Path
) -> None:
    shutil.copytree(scored / "data", tmp_path / "data")
    case_id = cases_of(SEG)[0]
    path = next((tmp_path / "data").rglob(f"{case_id}/ICH_mask.nii.gz"))
    write_mask(path, lopsided(0) ^ guess(0), GEOMETRY)
    start(runs=[str(scored / "runs" / "good")], data_root=str(tmp_path / "data"))
    assert "not the one that this method was scored on" in refusal(case_id)


def test_without_images_the_page_says_how_to_get_them_and_still_shows_the_numbers(
    scored: Path, start: Callable[..., None]
) -> None:
    start(runs=[str(scored / "runs")])
    at = open_page("cases", dataset=SEG)
    assert any("not on the machine" in one.value for one in at.info)
    assert any("ich-bench app --data-root" in one.value for one in at.code)
    assert pictures(at) == []
    assert "dice" in at.dataframe[-1].value["metric"].tolist()


def test_without_any_method_the_reference_alone_is_shown(scored: Path, start: Callable[..., None]) -> None:
    start(runs=[], data_root=str(scored / "data"))
    at = open_page("cases", dataset=SEG)
    said = [one for one in pictures(at) if one.startswith("CT of")]
    assert len(said) == 1
    assert "hit" not in said[0]


def test_training_runs_of_a_method_can_be_chosen(scored: Path, start: Callable[..., None], tmp_path: Path) -> None:
    for seed in (1, 2):
        guesses(tmp_path / "runs" / "twice" / "predictions" / SEG / f"seed_{seed}")
    case_id = cases_of(SEG)[0]
    write_mask(
        tmp_path / "runs" / "twice" / "predictions" / SEG / "seed_2" / f"{case_id}.nii.gz", lopsided(0), GEOMETRY
    )
    evaluate(SEG, tmp_path / "runs" / "twice", data=scored / "data" / SEG, out=tmp_path / "runs" / "twice")
    start(runs=[str(tmp_path / "runs" / "twice")], data_root=str(scored / "data"))
    at = open_page("cases", dataset=SEG, case=case_id, slice="5")  # where the guess adds a block
    assert at.selectbox(key="run").options == ["seed 1", "seed 2"]
    assert " 0 added" not in "".join(pictures(at))
    at.selectbox(key="run").set_value("seed 2").run()
    assert " 0 missed, 0 added" in "".join(pictures(at))
    assert any("mean over 2 training runs" in one.value for one in at.caption)


@pytest.mark.slow
def test_a_drawn_head_is_drawn_alone_and_shown() -> None:
    found = images_of("phantom-mini", "phantom-mini-005")
    assert not isinstance(found, Absent)
    head = head_of("phantom-mini", found)
    assert not isinstance(head, Absent)
    assert head.area.sum() > 0


def _no_disk(*_: object, **__: object) -> None:
    raise IchBenchError("cannot write here")


def here(case_id: str):  # type: ignore[no-untyped-def]
    """Return where a case lies, having asserted that it does."""
    found = images_of(SEG, case_id)
    assert not isinstance(found, Absent)
    return found


def refusal(case_id: str) -> str:
    """Return why the mask of the method `good` is not shown on a case."""
    board: Board = data.board(SEG)
    head = head_of(SEG, here(case_id))
    assert not isinstance(head, Absent)
    row = board.row("good")
    with pytest.raises(NotShownError) as fault:
        mask_of(board, row, runs_of(board, row, case_id)[0], head)
    return str(fault.value)
