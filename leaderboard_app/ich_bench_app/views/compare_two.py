"""Two methods on the same volumes: every test, every case, who is ahead on what."""

from __future__ import annotations

import streamlit as st

from ich_bench.errors import IchBenchError
from ich_bench_app import compare_two, controls, data, page
from ich_bench_app.text import markdown_of

page.begin("compare_two", "Is A better than B on the same volumes: every test side by side, and every case.")
with st.container(horizontal=True):
    dataset = controls.dataset()
    board = data.board(dataset, controls.scheme(dataset))
    cohort = controls.cohort(board)
    metric = controls.metric(board, cohort)
chosen = None
common = False
if board.rows:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = compare_two.choose(board)
        if chosen is not None:
            common = st.toggle("Common cases only", key=controls.bound("common_cases"), bind="query-params",
                               help="Where one of the two lacks cases: compare on those that both have.")  # fmt: skip
if not page.is_empty(board):
    if chosen is None:
        st.info("Two rows are needed; this board holds one.", icon=":material/looks_one:")
    elif chosen[0].slug == chosen[1].slug:
        st.info("A and B are the same row: choose another.", icon=":material/drag_handle:")
    else:
        try:
            found = compare_two.tested(board, *chosen, common=common)
        except IchBenchError as fault:
            told = str(fault).replace("Add --common-cases", "Switch on “Common cases only”")
            st.warning("  \n".join(markdown_of(line) for line in told.splitlines()), icon=":material/rule:")
        else:
            compare_two.verdict(*chosen, found)
            compare_two.cases(board, *chosen, found, cohort, metric)
            compare_two.tests(board, found, cohort)
            compare_two.strata(board, *chosen, metric)
page.end(board)
