"""Rank intervals, P(rank 1), other ways to rank, another ε."""

from __future__ import annotations

import streamlit as st

from ich_bench_app import controls, data, epsilon, page, rank_stability, several

page.begin(
    "rank_stability", "How firm each rank is: what the volumes leave open, and what another rule would have said."
)
with st.container(horizontal=True):
    dataset = controls.dataset()
    board = data.board(dataset, controls.scheme(dataset))
    chosen = rank_stability.choose(board)
    rows = rank_stability.ranked(board, *chosen) if chosen is not None else ()
    shown = several.how_many(len(rows), "Methods on the charts") if rows else 0
if not page.is_empty(board):
    if chosen is None or board.ranked < 2:
        st.info(rank_stability.why_none(board), icon=":material/info:")
    else:
        rank_stability.ranks(board, rows[:shown], rows, *chosen)
    if board.ranked > 1:
        kept = [row.slug for row in board.rows if row.ranked][: shown or None]
        rank_stability.schemes(board, kept)
        if board.official:
            epsilon.show(board, kept)
page.end(board)
