"""The Compare two page: the numbers of `compare`, cases that open, rows that do not share all cases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import streamlit as st

from app.states import BoardState, open_page, stands
from boards import board_of, cases_of, dice_like, write_run
from ich_bench.board.compare import compare
from ich_bench.board.two import ahead
from ich_bench.board.verdicts import case_pairs
from ich_bench_app import compare_two, data
from ich_bench_app.started import VARIABLE

Stand = Callable[[str], BoardState]


def test_the_page_stands_in_each_state(board_state: BoardState) -> None:
    at = open_page("compare_two", dataset=board_state.dataset)
    board = data.board(board_state.dataset)
    if len(board.rows) < 2:
        assert not at.dataframe
        return
    first, second = board.rows[:2]
    assert (at.selectbox(key="first").value, at.selectbox(key="second").value) == (first.slug, second.slug)
    found = compare_two.tested(board, first, second, common=False)
    table = at.dataframe[0].value
    line = table[table["metric"] == "dice"].iloc[0]
    test = found.test("ich", "dice")
    assert test is not None
    assert (line["p"], line["A − B"], line["Welch"]) == (test.p, test.difference, test.welch_p)
    if board.ranked > 1:  # the board tests the same pair with the same sign vectors
        assert test.p == board.pairs["ich", "dice"].p[0, 1]


@pytest.mark.slow
def test_the_address_says_which_two(stand_on: Stand) -> None:
    state = stand_on("many")
    at = open_page("compare_two", dataset=state.dataset, first="method-007", second="method-003", cohort="all")
    assert at.selectbox(key="first").value == "method-007"
    told = " ".join(one.value for one in at.caption)
    assert "on all, n = 75" in told
    at = open_page("compare_two", dataset=state.dataset, first="method-007", second="method-007")
    assert "same row" in at.info[0].value


def test_one_row_has_nothing_to_be_compared_with(stand_on: Stand) -> None:
    state = stand_on("one")
    assert "Two rows are needed" in open_page("compare_two", dataset=state.dataset).info[0].value


def test_rows_that_lack_cases_are_compared_on_common_ones_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = cases_of("phantom-mini")
    (tmp_path / "none").mkdir()
    write_run(tmp_path / "runs" / "whole", "phantom-mini", dict.fromkeys(cases, 0.6))
    write_run(tmp_path / "runs" / "some", "phantom-mini", dict.fromkeys(cases[:6], 0.5), status="partial")
    said = {"submissions": str(tmp_path / "none"), "runs": [str(tmp_path / "runs")], "draws": 99}
    monkeypatch.setenv(VARIABLE, json.dumps(said))
    st.cache_data.clear()
    st.cache_resource.clear()
    at = open_page("compare_two", dataset="phantom-mini")
    assert "some lacks 6 case" in at.warning[0].value
    assert "Switch on “Common cases only”" in at.warning[0].value
    at.toggle(key="common_cases").set_value(True).run()
    assert not at.warning
    assert any("on the 6 cases that both have, of 12" in one.value for one in at.markdown)
    st.cache_data.clear()
    st.cache_resource.clear()


def test_points_and_bars_are_the_boards_values(tmp_path: Path) -> None:
    scores = dice_like(np.random.default_rng(5), 2, len(cases_of("hssayeni")), [0.05, 0.0])
    runs = [write_run(tmp_path / name, "hssayeni", scores[:, place]) for place, name in enumerate("ab")]
    board = board_of("hssayeni", runs)
    held = case_pairs(board.scores, "a", "b", cohort="ich", metric="dice")
    points = compare_two.frame_of(held, "dice")
    assert points["difference"].is_monotonic_decreasing
    assert points["place"].tolist() == list(range(1, 37))
    for line in points.itertuples():
        at = board.scores.cases.index(line.case)
        one, other = (board.scores.values["dice"][at, board.scores.slugs.index(slug)] for slug in "ab")
        assert (line.a, line.b, line.difference) == (one, other, one - other)
        assert line.ahead == ("▲ A better" if one > other else "▼ B better" if one < other else "equal")
    test = compare(*runs, submissions=tmp_path / ".no-submissions", draws=99).test("ich", "dice")
    mean = compare_two.mean_of(test)
    assert test is not None
    assert mean.to_dict("records") == [{"mean": test.difference, "low": test.t_low, "high": test.t_high}]


def test_where_lower_is_better_the_smaller_value_wins_the_case() -> None:
    held = compare_two.CasePairs(
        cases=("1", "2", "3"), has_ich=np.array([True, True, True]), first=np.array([3.0, 9.0, 5.0]),
        second=np.array([4.0, 2.0, 5.0]), difference=np.array([-1.0, 7.0, 0.0]),
    )  # fmt: skip
    points = compare_two.frame_of(held, "hd95")
    assert points["case"].tolist() == ["2", "3", "1"]
    assert points["ahead"].tolist() == ["▼ B better", "equal", "▲ A better"]


def test_an_undefined_mean_draws_no_band() -> None:
    assert compare_two.mean_of(None).empty


def test_strata_stand_with_their_number_of_volumes(stand_on: Stand) -> None:
    state = stand_on("hostile")
    board = data.board(state.dataset)
    first, second = (row.slug for row in board.rows[:2])
    found = list(ahead(board, first, second))
    lines = compare_two.strata_lines(found)
    assert len(lines) == sum(not one.unknown for one in found)
    assert all(line.name.endswith(f"n = {line.n}") and line.few == (line.n < 10) for line in lines.itertuples())


def test_a_click_on_a_case_opens_it(stand_on: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    state = stand_on("hostile")
    board = data.board(state.dataset)
    healthy = next(case for case, ich in zip(board.scores.cases, board.scores.has_ich, strict=True) if not ich)
    second = board.rows[1].slug
    monkeypatch.setattr(compare_two.frame, "clicked", lambda event, selection, field: healthy)
    at = open_page("compare_two", run=False, dataset=state.dataset, cohort="all", metric="iou", second=second)
    stands(at.run(), "cases")
    held = {key: at.selectbox(key=key).value for key in ("cohort", "metric", "case", "second")}
    assert held == {"cohort": "all", "metric": "iou", "case": healthy, "second": second}
