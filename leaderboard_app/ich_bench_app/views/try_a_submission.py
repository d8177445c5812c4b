"""What would my masks score, and is anything wrong with them?"""

import streamlit as st

from ich_bench_app import page
from ich_bench_app.upload import form

page.begin(
    "try_a_submission",
    "A zip of masks, checked and scored on this server by the code of the command line. It is not submitted, and "
    "nothing of it is kept.",
)
body = st.container()
page.end()  # shown before the scoring begins, which may take minutes
with body:
    form.page_body()
