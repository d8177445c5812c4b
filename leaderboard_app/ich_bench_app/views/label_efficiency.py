"""Dice against what was annotated, labels saved, train × test."""

from __future__ import annotations

import streamlit as st

from ich_bench_app import controls, data, label_efficiency, page, several

page.begin("label_efficiency", "How good a method gets with how many labels, and how far it carries to other data.")
reference, shown = None, 0
with st.container(horizontal=True):
    dataset = controls.dataset()
    board = data.board(dataset, controls.scheme(dataset))
    amount = label_efficiency.choose_amount()
    found = label_efficiency.found_curves(board, amount)
    if found:
        reference = label_efficiency.choose_reference(board, found)
        shown = several.how_many(len(found), "Methods on the chart")
if board.efficiency or not page.is_empty(board):
    if not any(len(one.amounts) > 1 for one in found):
        label_efficiency.how_to_fill(board)
    if found:
        label_efficiency.show(board, amount, found[:shown], found, reference)
    elif board.efficiency:
        st.info(f"The {amount} annotated are not known here: the score files withhold the references' volumes, and the "
                "dataset is not prepared on this machine. Patients are known.", icon=":material/lock:")  # fmt: skip
    label_efficiency.train_and_test()
page.end(board)
