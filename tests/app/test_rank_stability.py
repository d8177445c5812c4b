"""The Rank stability page: the board's ranks and schemes, and what another ε would rank."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from app.states import BoardState, open_page
from boards import board_of
from ich_bench.board.epsilon import STEPS, epsilon_ranks
from ich_bench.board.model import Board
from ich_bench_app import data, epsilon, rank_stability
from submitted import run

Stand = Callable[[str], BoardState]


def test_the_page_stands_in_each_state(board_state: BoardState) -> None:
    at = open_page("rank_stability", dataset=board_state.dataset)
    board = data.board(board_state.dataset)
    if board.ranked < 2:
        return
    assert board.schemes is not None
    schemes = next(one.value for one in at.dataframe if "mean-then-rank" in one.value)
    assert len(schemes) == board.ranked
    for name in board.schemes.names:
        assert schemes[name].tolist() == list(board.schemes.ranks[name].values())


def test_one_row_is_told_that_ranks_need_two(stand_on: Stand) -> None:
    state = stand_on("one")
    assert "Ranks need two ranked methods; here is one." in [
        one.value for one in open_page("rank_stability", dataset=state.dataset).info
    ]


def test_the_slider_is_in_the_address_and_moves_the_table(stand_on: Stand) -> None:
    state = stand_on("hostile")
    at = open_page("rank_stability", dataset=state.dataset, epsilon="0.5", epsilon_cohort="ich")
    assert at.slider(key="epsilon").value == 0.5
    assert any("ε = 0.5" in one.value for one in at.markdown)
    found = epsilon_ranks(data.board(state.dataset), "ich")
    table = at.dataframe[-1].value
    assert sorted(table["Dice here"]) == sorted(found.mean[STEPS.index(0.5)])
    assert sorted(table["Dice, ε = 1"]) == sorted(found.mean[-1])


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    home = tmp_path_factory.mktemp("ranks")
    rng = np.random.default_rng(7)
    noise = rng.normal(0, 0.05, size=(51, 4))
    dice = np.clip(0.6 - 0.1 * np.arange(4) + noise, 0, 1)
    outs = [
        run(home / name, dice=lambda case, number, place=place: float(dice[number, place]))
        for place, name in enumerate("abcd")
    ]
    return board_of("seg-cq500", outs)


def test_rank_lines_are_the_boards_numbers(board: Board) -> None:
    rows = rank_stability.ranked(board, "ich", "dice")
    lines = rank_stability.rank_lines(rows, "ich", "dice")
    assert lines["value"].is_monotonic_increasing
    for line, row in zip(lines.itertuples(), rows, strict=True):
        one = row.standing("ich", "dice")
        assert one is not None
        assert (line.value, line.low, line.high, line.first) == (one.rank, one.rank, one.rank_high, one.p_rank_one)


def test_only_metrics_that_rank_are_offered(board: Board) -> None:
    assert rank_stability.families(board) == {"ich": ["dice", "nsd_2mm"], "all": ["dice", "nsd_2mm"]}


def test_scheme_lines_and_tau_cells_are_the_boards_numbers(board: Board) -> None:
    found = board.schemes
    assert found is not None
    letters = {name: chr(ord("A") + place) for place, name in enumerate(found.names)}
    places = rank_stability.scheme_lines(found, ["a", "b"], letters)
    assert len(places) == 2 * len(found.names)
    for line in places.itertuples():
        assert line.rank == found.ranks[line.scheme][line.method]
    cells = rank_stability.tau_cells(found, letters)
    assert np.allclose(cells["tau"].to_numpy().reshape(found.tau.shape), found.tau, equal_nan=True)


def test_epsilon_tables_are_the_harness_numbers(board: Board) -> None:
    found = epsilon.counted(board, "ich")
    again = epsilon_ranks(board, "ich")
    assert np.array_equal(found.mean, again.mean)
    means = epsilon.mean_table(found, ["a"])
    assert set(means["method"]) == {"a"}
    assert means["mean"].tolist() == found.mean[:, found.slugs.index("a")].tolist()
    step = STEPS.index(0.25)
    table = epsilon.ranks_at(found, step)
    assert table["place here"].is_monotonic_increasing
    for line in table.to_dict("records"):
        at = found.slugs.index(line["method"])
        assert (line["Dice here"], line["place here"]) == (found.mean[step, at], found.ranks[step, at])
    assert "of 4 methods change their place" in epsilon.in_words(found, step)
