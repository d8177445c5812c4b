"""A metric on each subtype, size and slice thickness, method by method."""

from __future__ import annotations

import streamlit as st

from ich_bench_app import controls, data, page, subtypes

page.begin("subtypes", "Which kinds of hemorrhage a method handles well, and on how many volumes that rests.")
by, metric = subtypes.KINDS[0], "dice"
slugs: tuple[str, ...] = ()
with st.container(horizontal=True):
    dataset = controls.dataset()
    board = data.board(dataset, controls.scheme(dataset))
    if board.rows:
        metric = controls.metric(board, "ich")
        by = controls.choose("Volumes by", subtypes.KINDS, key="by", help="How the volumes with ICH are divided.")
if board.rows:
    slugs = subtypes.choose_methods(board)
if not page.is_empty(board):
    subtypes.show(board, by, metric, slugs)
page.end(board)
