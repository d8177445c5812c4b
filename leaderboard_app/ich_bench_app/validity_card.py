"""Does a dataset order methods as the papers do: a card a published table, with Kendall's τ and both orders."""

from __future__ import annotations

import math

import altair as alt
import pandas as pd
import streamlit as st

from ich_bench.board import wording as say
from ich_bench.submissions.validity import LEAST, Validity
from ich_bench_app import claims_data, controls, data, frame, look
from ich_bench_app.text import markdown_of, plain

METRICS = ("dice", "nsd_2mm", "precision", "recall")


def show() -> None:
    """Show the cards, with choices of the dataset that is judged, metric and cohort."""
    st.subheader("Do the drawn heads order methods as published tables do?", anchor=False)
    st.caption(
        "Validity of a dataset, not of a method: Kendall's τ-b between the printed order of a table and the order "
        f"measured here, from {LEAST} methods on. 1 is the same order, 0 no relation."
    )
    names = data.datasets()
    with st.container(horizontal=True):
        default = "phantom" if "phantom" in names else names[0]
        dataset = controls.choose("Judged dataset", names, key="judged", default=default)
        metric = controls.choose("By metric", METRICS, key="by", default="dice")
        cohort = controls.choose("On cohort", ("ich", "all"), key="over", default="ich")
    cards = claims_data.cards(dataset, metric, cohort)
    if not cards:
        st.caption(f"No published table has {LEAST} re-implemented methods with {metric} on {cohort}.")
    for number, card in enumerate(cards):
        with st.container(border=True):
            _card(card, number)


def _card(card: Validity, number: int) -> None:
    st.markdown(f"**{markdown_of(card.source)}** on {markdown_of(card.published_on)} — {markdown_of(card.verdict)}")
    if math.isnan(card.tau):
        return
    table = table_of(card)
    st.dataframe(
        table,
        hide_index=True,
        key=f"validity-{number}",
        height="content",
        placeholder="",
        alt=f"{len(table)} methods in print and here",
    )
    known = pd.DataFrame(
        [
            {"method": plain(name), "printed": card.printed[name], "measured": value}
            for name, value in card.measured.items()
        ]
    )
    tip = [alt.Tooltip("method:N"), alt.Tooltip("printed:Q", format=".3f"), alt.Tooltip("measured:Q", format=".3f")]
    base = alt.Chart(known).encode(
        x=alt.X("printed:Q", title=f"{card.metric} in print", scale=alt.Scale(zero=False, padding=20)),
        y=alt.Y("measured:Q", title=f"{card.metric} on {card.dataset}", scale=alt.Scale(zero=False, padding=20)),
        tooltip=tip,
    )
    drawn = alt.layer(
        base.mark_point(filled=True, size=80, color=look.colour("supervised")),
        base.mark_text(align="left", dx=8, fontSize=11).encode(text="method:N"),
    ).properties(height=320)
    frame.chart(
        drawn,
        name=f"validity-{number}",
        table=known,
        alt_text=f"Printed against measured {card.metric} of {len(known)} methods. {card.verdict}.",
    )


def table_of(card: Validity) -> pd.DataFrame:
    """Return the methods in the printed order with both means, and what stands the other way round."""
    turned: dict[str, list[str]] = {}
    for better, worse in card.discordant:
        turned.setdefault(better, []).append(worse)
    return pd.DataFrame(
        [
            {
                "method": plain(name),
                "in print": say.number(value, card.metric),
                "here": say.number(card.measured.get(name, math.nan), card.metric),
                "better in print, worse here, than": plain(", ".join(turned.get(name, ()))),
            }
            for name, value in card.printed.items()
        ]
    )
