"""The Significance page: both maps hold the board's numbers, untested metrics are told, every state stands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.states import BoardState, open_page
from boards import board_of, cases_of, dice_like, write_run
from ich_bench.board.verdicts import verdicts
from ich_bench_app import data, significance

Open = Callable[..., AppTest]


def test_the_page_stands_in_each_state(board_state: BoardState) -> None:
    at = open_page("significance", dataset=board_state.dataset)
    board = data.board(board_state.dataset)
    if board.ranked < 2:
        assert not at.metric
        return
    found = verdicts(board.pairs["ich", "dice"])
    shown = {one.label: one.value for one in at.metric}
    assert shown["Welch separates"] == f"{found.separated_welch:,}"
    assert shown["Paired separates"] == f"{found.separated_paired:,}"
    assert shown["Verdicts differ"] == f"{found.differ:,}"


def test_one_row_is_told_that_pairs_need_two(stand_on: Callable[[str], BoardState]) -> None:
    state = stand_on("one")
    at = open_page("significance", dataset=state.dataset)
    assert "Pairs need two ranked methods; here is one." in [one.value for one in at.info]


@pytest.mark.slow
def test_a_metric_without_a_test_is_told_with_the_command_that_tests_it(
    stand_on: Callable[[str], BoardState],
) -> None:
    state = stand_on("many")
    at = open_page("significance", dataset=state.dataset, metric="hd95", cohort="ich")
    assert at.selectbox(key="metric").value == "dice"
    told = " ".join(one.value for one in at.info)
    assert f"ich-bench leaderboard {state.dataset} --metric hd95 --cohort ich --pairs" in told
    at = open_page("significance", dataset=state.dataset, metric="no-such-metric")
    assert not at.info


@pytest.mark.slow
def test_of_two_hundred_methods_the_first_are_drawn_and_all_are_counted(
    stand_on: Callable[[str], BoardState],
) -> None:
    state = stand_on("many")
    at = open_page("significance", dataset=state.dataset, first_n="10")
    assert at.selectbox(key="first_n").options == ["10", "25", "50", "100", "200"]
    pairs = data.board(state.dataset).pairs["ich", "dice"]
    assert len(at.dataframe[0].value) == 45  # 10 · 9 / 2
    assert len(significance.table(pairs)) == 19_900
    assert at.metric[0].delta == "of 19,900 pairs"


@pytest.mark.slow
def test_the_pairs_of_one_method_have_it_first(stand_on: Callable[[str], BoardState]) -> None:
    state = stand_on("many")
    at = open_page("significance", dataset=state.dataset, pairs_of="method-003")
    table = at.dataframe[0].value
    assert len(table) == 199
    assert set(table["first"]) == {"method-003"}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> object:
    home = tmp_path_factory.mktemp("pairs")
    scores = dice_like(np.random.default_rng(3), 4, len(cases_of("seg-cq500")), [0.12, 0.03, 0.02, 0.0])
    runs = [write_run(home / name, "seg-cq500", scores[:, place]) for place, name in enumerate("abcd")]
    return board_of("seg-cq500", runs).pairs["ich", "dice"]


def test_the_cells_are_the_boards_numbers(pairs: object) -> None:
    found = verdicts(pairs)  # type: ignore[arg-type]
    for p, here, there in ((pairs.welch_p, found.welch, found.paired), (pairs.p_max_t, found.paired, found.welch)):  # type: ignore[attr-defined]
        cells, lines = significance.cells(pairs, p, 4, here, there)  # type: ignore[arg-type]
        assert len(cells) == 12  # 4 · 3, no diagonal
        for cell in cells.itertuples():
            i, j = lines.index(cell.line), cell.column - 1
            assert cell.p == p[i, j]
            assert cell.difference == pairs.difference[i, j]  # type: ignore[attr-defined]
            assert cell.mark == {1: "▲", -1: "▼", 0: ""}[int(here[i, j])]
            assert cell.changed == (here[i, j] != there[i, j])
            assert (cell.bin[0] in "▲▼") == (p[i, j] < 0.05)


def test_the_table_is_the_boards_numbers(pairs: object) -> None:
    table = significance.table(pairs)  # type: ignore[arg-type]
    slugs = list(pairs.slugs)  # type: ignore[attr-defined]
    for line in table.to_dict("records"):
        i, j = slugs.index(line["first"]), slugs.index(line["second"])
        named = {"max-T": "p_max_t", "Holm": "p_holm", "Welch": "welch_p", "Wilcoxon": "wilcoxon_p", "MDD": "mdd"}
        for name, of in (named | {one: one for one in ("difference", "low", "high", "d_z")}).items():
            assert line[name] == getattr(pairs, of)[i, j]
        better = bool(pairs.better[i, j]) - bool(pairs.better[j, i])  # type: ignore[attr-defined]
        assert line["verdict of the first"] == {1: "better", -1: "worse", 0: "not separated"}[better]


def test_a_p_below_a_bound_has_its_colour() -> None:
    p = np.array([0.0005, 0.005, 0.03, 0.2, np.nan, 0.0005])
    assert significance._bins(p, np.array([1, 1, -1, 0, 0, -1])).tolist() == [
        "▲ p < .001", "▲ p < .01", "▼ p < .05", "p ≥ .05", "not tested", "▼ p < .001",
    ]  # fmt: skip
