"""Clean rates, false-positive volumes and the worst offenders on heads without hemorrhage."""

from __future__ import annotations

import streamlit as st

from ich_bench_app import controls, data, healthy_heads, page, several

page.begin("healthy_heads", "Who leaves a head alone that does not bleed, and how much is painted where nothing is.")
with st.container(horizontal=True):
    dataset = controls.dataset()
    board = data.board(dataset, controls.scheme(dataset))
    rows = healthy_heads.with_healthy(board)
    order, shown = healthy_heads.ORDERS[0], 0
    if rows:
        order = healthy_heads.choose_order()
        shown = several.how_many(len(rows))
if not page.is_empty(board):
    if rows:
        kept = healthy_heads.ordered(rows, order, shown)
        healthy_heads.charts(board, kept, rows)
        healthy_heads.worst(board, kept)
        healthy_heads.numbers(kept)
    else:
        healthy_heads.none_here(board)
page.end(board)
