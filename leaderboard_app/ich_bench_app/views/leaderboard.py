"""The ranked board of one dataset."""

from __future__ import annotations

import streamlit as st

from ich_bench_app import (
    board_charts,
    board_export,
    board_filters,
    board_rows,
    board_table,
    board_words,
    controls,
    data,
    page,
    pickers,
)

page.begin("leaderboard", "Who is better, by how much, and how sure is that.")
with st.container(horizontal=True):
    dataset = controls.dataset()
    scheme = controls.scheme(dataset)
    profile = pickers.profile(dataset, scheme)
    board = data.board(dataset, scheme, profile)
    cohort = controls.cohort(board)
    metric = controls.metric(board, cohort)
    baseline = board_words.baseline(board)
board_words.heading(board)
empty = page.is_empty(board)
asked, columns = board_words.filters(board, cohort, metric)
rows = board_filters.chosen(board, asked)
if board.measured:
    board_words.hidden(board, asked, rows)
    known = board_table.columns(board, cohort, metric)
    picked = board_rows.measured(board, rows, cohort, metric, baseline=baseline, asked=columns, known=known)
    board_words.links(board, picked, cohort, metric, baseline)
board_charts.show(board, rows, cohort, metric)
board_rows.orientation(board, rows, cohort, metric)
if asked.wants("reported"):
    board_rows.reported(board, board_words.reported_of(board, asked, cohort))
board_words.notes(board)
if board.rows or board.reported:
    board_export.buttons(board, cohort, metric)
page.end(board)
