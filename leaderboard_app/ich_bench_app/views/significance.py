"""Welch's heat map beside the paired one: which differences are shown, and by which test."""

from __future__ import annotations

import streamlit as st

from ich_bench_app import controls, data, page, several, significance

page.begin("significance", "Which differences between two methods the volumes show, and which test says so.")
with st.container(horizontal=True):
    dataset = controls.dataset()
    board = data.board(dataset, controls.scheme(dataset))
    pairs = significance.choose(board)
    shown = several.how_many(len(pairs.slugs), "Methods on the maps") if pairs is not None else 0
if not page.is_empty(board):
    significance.say_untested()
    if pairs is None:
        st.info(significance.why_none(board), icon=":material/grid_off:")
    else:
        significance.maps(board, pairs, shown)
        significance.detectable(board, pairs, shown)
        significance.pair_table(pairs, shown)
page.end(board)
