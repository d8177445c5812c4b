"""The Subtypes page: boxes and points of the board's values, n beside them, unknown strata explained."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from app.states import BoardState, open_page
from boards import board_of, cases_of, healthy_of, write_run
from ich_bench.board.spread import groups
from ich_bench_app import data, subtypes

Stand = Callable[[str], BoardState]


def test_the_page_stands_in_each_state(board_state: BoardState) -> None:
    at = open_page("subtypes", dataset=board_state.dataset)
    board = data.board(board_state.dataset)
    if not board.rows:
        return
    assert list(at.multiselect(key="methods").value) == [row.slug for row in board.measured][: subtypes.BEST]
    table = at.dataframe[0].value
    for row in board.measured[: subtypes.BEST]:
        standing = row.standing("ich", "dice")
        assert standing is not None
        assert any(np.isclose(table["mean"], standing.stat.mean, rtol=0, atol=1e-12))  # the line "all ICH"


def test_other_strata_and_metrics_are_in_the_address(stand_on: Stand) -> None:
    state = stand_on("one")
    at = open_page("subtypes", dataset=state.dataset, by="slice thickness", metric="nsd_2mm")
    assert at.selectbox(key="by").value == "slice thickness"
    assert set(at.dataframe[0].value["volumes"]) == {"all ICH", "thin (< 2 mm)", "thick (≥ 2 mm)"}
    at = open_page("subtypes", dataset=state.dataset, by="no such thing")
    assert at.selectbox(key="by").value == "subtype"


def test_subtypes_that_nobody_here_knows_say_so(stand_on: Stand) -> None:
    state = stand_on("one")  # its score files name no subtype
    at = open_page("subtypes", dataset=state.dataset)
    assert "the dataset has no such labels" in at.info[0].value


def test_infinite_values_are_counted_and_not_drawn(stand_on: Stand) -> None:
    state = stand_on("hostile")  # one row has an infinite hd95
    board = data.board(state.dataset)
    slugs = [row.slug for row in board.rows]
    _, points, _, beyond = subtypes.drawn(board, groups(board.scores, "slice thickness", "hd95", slugs), slugs)
    infinite = int(np.isinf(board.scores.values["hd95"][board.scores.has_ich]).sum())
    assert infinite > 0
    assert beyond == 2 * infinite  # in "all ICH" and in one of thin and thick
    assert np.isfinite(points["value"]).all()
    at = open_page("subtypes", dataset=state.dataset, by="slice thickness", metric="hd95", methods=slugs)
    assert any("infinite values are not drawn" in one.value for one in at.caption)


def test_a_board_without_hemorrhage_explains_itself(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", "cq500-negative", [1.0] * 245)
    board = board_of("cq500-negative", [run])
    assert groups(board.scores, "subtype", "dice", ["a"]) == ()


def test_lines_and_points_are_the_boards_numbers(tmp_path: Path) -> None:
    cases = cases_of("phantom-mini")
    ich = [case for case in cases if case not in healthy_of("phantom-mini")]
    edit = {case: {"sdh": place < 6, "ivh": place == 0} for place, case in enumerate(ich)}
    run = write_run(tmp_path / "a", "phantom-mini", np.linspace(0.1, 0.9, len(cases)), edit=edit)
    board = board_of("phantom-mini", [run])
    lines, points, labels, beyond = subtypes.drawn(board, groups(board.scores, "subtype", "dice", ["a"]), ["a"])
    assert lines["heading"].tolist() == ["all ICH, n = 8", "", "IVH, n = 1", "", "SDH, n = 6", ""]
    assert labels == ["", "a", "", "a", "", "a"]
    assert (lines["place"].tolist(), beyond) == (list(range(6)), 0)
    assert lines["few"].all()  # eight volumes are fewer than ten
    boxes = lines[lines["heading"] == ""]
    assert boxes["boxed"].tolist() == [True, False, True]  # no box of one volume
    for line in boxes.itertuples():
        mine = points[points["place"] == line.place]
        values = [board.scores.values["dice"][board.scores.cases.index(case), 0] for case in mine["case"]]
        assert mine["value"].tolist() == values
        assert (line.n, line.mean, line.median) == (len(values), np.mean(values), np.median(values))
    assert math.isclose(points["spread"].iloc[0], 0.0, abs_tol=1e-5)
