"""The papers' claims, each tested again."""

from __future__ import annotations

import streamlit as st

from ich_bench_app import claims_data, claims_page, page, validity_card

page.begin(
    "claims", "What the papers conclude, tested again on the rows of these boards: a verdict a claim and dataset."
)
results = claims_data.results()
shown = claims_page.filtered(results)
claims_page.counts(shown)
if len(shown) < len(results):
    st.markdown(f"**{len(shown)} of {len(results)} verdicts shown.**")
if all(one.verdict == "no rows yet" for one in results):
    st.info(
        "**No claim can be tested yet.** A row stands for a paper's method when its submission.toml says "
        '`baseline = "<id>"`, such as `baseline = "unet-mixed"`; the ids that each claim needs stand below.',
        icon=":material/hourglass_empty:",
    )
if shown:
    claims_page.matrix(shown)
    st.caption(
        "Drawn heads are marked (drawn): a verdict there is about drawn heads. * changes without the dataset's "
        "odd case. Underpowered is not evidence of equality."
    )
    claims_page.details(shown)
validity_card.show()
page.end()
