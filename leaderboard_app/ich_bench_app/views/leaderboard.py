"""The ranked board of one dataset."""

from __future__ import annotations

import streamlit as st

from ich_bench.board import wording as say
from ich_bench_app import controls, data, page

page.begin("leaderboard", "Who is better, by how much, and how sure is that.")
with st.container(horizontal=True):
    dataset = controls.dataset()
    scheme = controls.scheme(dataset)
    board = data.board(dataset, scheme)
    cohort = controls.cohort(board)
    metric = controls.metric(board, cohort)
st.dataframe([{"method": row.slug, "rank": say.rank(row.standing(cohort, metric))} for row in board.rows])
page.is_empty(board)
page.end(board)
