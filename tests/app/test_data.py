"""`ich_bench_app.data`: which boards a page shows."""

from __future__ import annotations

from app.states import BoardState, open_page
from ich_bench_app import data


def test_each_state_shows_its_rows_and_no_other(board_state: BoardState) -> None:
    board = data.board(board_state.dataset)
    assert {row.slug for row in board.rows} == set(board_state.slugs)
    assert {row.method for row in board.rows} <= {*board_state.names, *board_state.slugs}


def test_the_leaderboard_stands_in_each_state(board_state: BoardState) -> None:
    at = open_page("leaderboard", dataset=board_state.dataset)
    assert at.selectbox(key="dataset").value == board_state.dataset
