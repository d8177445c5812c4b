"""The datasets with their folds."""

from __future__ import annotations

import streamlit as st

from ich_bench.datasets import card
from ich_bench_app import controls, dataset_card, folds_page, page

page.begin("datasets_and_folds", "Which heads are scored, how to get them, and which case is tested in which fold.")
table = dataset_card.listing()
st.dataframe(
    table,
    hide_index=True,
    height="content",
    key="listing",
    alt=f"{len(table)} datasets",
    placeholder="",
)
names = tuple(table["dataset"])
about = card(controls.choose("Dataset", names, key="dataset", default=names[0]))
dataset_card.show(about)
if about.pool:
    st.caption("A pool for pre-training: nothing is tested on it, so it has no folds and no board.")
else:
    folds_page.show(about.id)
    st.page_link(
        "views/leaderboard.py",
        label=f"Board of {about.id}",
        icon=":material/leaderboard:",
        query_params={"dataset": about.id},
    )
page.end()
