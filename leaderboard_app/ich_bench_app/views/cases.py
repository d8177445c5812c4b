"""Which heads are hard, for whom, and what do the masks look like there."""

from __future__ import annotations

import streamlit as st

from ich_bench_app import controls, data, page
from ich_bench_app.viewer import choices, heat

page.begin("cases", "Which heads are hard, for which method, and what went wrong there, slice by slice.")
with st.container(horizontal=True):
    dataset = controls.dataset()
    scheme = controls.scheme(dataset)
    board = data.board(dataset, scheme)
    cohort = controls.cohort(board)
    metric = controls.metric(board, cohort)
    order = choices.order()
if page.is_empty(board):
    choices.reference_only(board)
else:
    with st.container(horizontal=True):
        lines = choices.filtered(board, cohort, metric, order)
    if lines:
        few, slugs = choices.part(board, lines)
        choices.go_to(heat.show_map(board, few, slugs, metric))
        st.subheader("Hardest cases" if order == "hardest" else "Cases", anchor=False)
        heat.show_hardest(board, lines, metric)
    else:
        st.info("No case of this cohort has these traits.", icon=":material/filter_alt_off:")
    choices.view_slices(board, lines)
