"""Which pages are there: the script that Streamlit runs, started by `ich-bench app`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ich_bench_app import data, login, page
from ich_bench_app.views import GROUPS

st.set_page_config(
    page_title="ich-bench",
    page_icon=str(Path(__file__).with_name("icon.png")),  # an icon of Streamlit's own would be fetched from elsewhere
    layout="wide",
    menu_items={
        "About": "ich-bench: honest comparison of methods that segment intracranial hemorrhage on head CT. "
        "Not for clinical use."
    },
)
login.required()
st.html("<style>[data-testid=stMainBlockContainer] { padding-top: 3.5rem; }</style>")  # half of Streamlit's blank head
st.session_state["_bound"] = set()  # the keys of the choices on this page, in this run
asked = st.navigation(
    {
        group: [
            st.Page(f"views/{view.file}.py", title=view.title, icon=view.icon, default=view.file == "leaderboard")
            for view in views
        ]
        for group, views in GROUPS.items()
    },
    expanded=True,
)
page.arrive()
with page.faults_in_words():
    data.renew()
    asked.run()
