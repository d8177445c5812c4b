"""Do the papers' claims hold here: the verdicts in a matrix, and each claim with its parts and their numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import altair as alt
import pandas as pd
import streamlit as st

from ich_bench.board import wording as say
from ich_bench.submissions.claims import VERDICTS, Claim, PartResult, Result
from ich_bench.submissions.claims_show import show_claims
from ich_bench_app import controls, frame, look, pickers
from ich_bench_app.text import markdown_of, plain

MARKS = {
    "replicated": "✔ replicated",
    "contradicted": "✘ contradicted",
    "not replicated": "≠ not replicated",
    "underpowered": "◔ underpowered",
    "no rows yet": "· no rows yet",
}
_ORDER = ("replicated", "not replicated", "contradicted", "underpowered", "no rows yet")
_SHAPES = {"replicated": "circle", "contradicted": "cross", "not replicated": "square", "underpowered": "diamond"}
_COLOURS = {
    "replicated": look.GREEN,
    "contradicted": look.VERMILION,
    "not replicated": look.ORANGE,
    "underpowered": look.GREY,
}
_PX = 26
_TESTS = {"better": "the first is better", "same": "the two are equivalent", "no-gain": "the first is not better"}


def paper_of(claim: Claim) -> str:
    """Return the paper of a claim: its source up to the first comma."""
    return claim.source.split(",")[0]


def drawn(result: Result) -> str:
    """Return the dataset of a verdict, marked where its heads are drawn."""
    return f"{result.dataset} (drawn)" if result.drawn else result.dataset


def filtered(results: Sequence[Result]) -> tuple[Result, ...]:
    """Return the verdicts that a visitor asks for by paper, dataset and verdict."""
    with st.container(horizontal=True):
        papers = pickers.many("Paper", tuple(dict.fromkeys(paper_of(one.claim) for one in results)), key="paper")
        datasets = pickers.many("Tested on", tuple(dict.fromkeys(one.dataset for one in results)), key="on")
        verdicts = pickers.many("Verdict", _ORDER, key="verdict")
    return tuple(
        one
        for one in results
        if (not papers or paper_of(one.claim) in papers)
        and (not datasets or one.dataset in datasets)
        and (not verdicts or one.verdict in verdicts)
    )


def counts(results: Sequence[Result]) -> None:
    """Show how many claims came out how, each with its mark and what the word means."""
    with st.container(horizontal=True):
        for verdict in _ORDER:
            number = sum(one.verdict == verdict for one in results)
            st.metric(MARKS[verdict], number, border=True, help=VERDICTS[verdict])


def matrix(results: Sequence[Result]) -> None:
    """Show a line a claim, a column a dataset, the verdict in each cell as a mark and a word."""
    table = matrix_of(results)
    st.dataframe(
        table,
        hide_index=True,
        key="matrix",
        height="content" if len(table) < 25 else "auto",
        placeholder="",
        column_config={"claim": st.column_config.TextColumn("claim", width="large")},
        alt=f"{len(table)} claims by dataset with their verdicts",
    )
    with st.container(horizontal=True, gap="small"):
        for label, format, ending, mime in (
            ("CSV", "csv", "csv", "text/csv"),
            ("JSON", "json", "json", "application/json"),
            ("Markdown", "md", "md", "text/markdown"),
            ("LaTeX", "latex", "tex", "text/x-tex"),
        ):
            st.download_button(
                label,
                partial(export, results, format),
                file_name=f"claims.{ending}",
                mime=mime,
                key=f"claims-{format}",
                on_click="ignore",
                type="tertiary",
                icon=":material/download:",
                help="As `ich-bench claims` writes it",
            )


def matrix_of(results: Sequence[Result]) -> pd.DataFrame:
    """Return the verdicts as claim × dataset; * marks one that changes without the dataset's odd case."""
    places = tuple(dict.fromkeys(drawn(one) for one in results))
    lines: dict[str, dict[str, str]] = {}
    for one in results:
        line = lines.setdefault(
            one.claim.id,
            {
                "id": plain(one.claim.id),
                "claim": plain(one.claim.text),
                "paper": plain(paper_of(one.claim)),
                **dict.fromkeys(places, ""),
            },
        )
        line[drawn(one)] = MARKS[one.verdict] + (" *" if one.without else "")
    return pd.DataFrame(list(lines.values()), columns=["claim", *places, "paper", "id"])


def export(results: Sequence[Result], format: str) -> bytes:
    """Return the verdicts as the command writes them."""
    return show_claims(results, format).encode()


def details(results: Sequence[Result]) -> None:
    """Show one claim with its parts and their numbers; at first one that could be tested."""
    groups: dict[str, list[Result]] = {}
    for one in results:
        groups.setdefault(one.claim.id, []).append(one)
    tested = [name for name, group in groups.items() if any(one.verdict != "no rows yet" for one in group)]
    st.subheader("One claim in numbers", anchor=False)
    name = controls.choose("Claim", tuple(groups), key="claim", default=next(iter(tested), None))
    claim = groups[name][0].claim
    st.markdown(f"**{markdown_of(claim.text)}**")
    _claim(claim, groups[name])


def _claim(claim: Claim, group: Sequence[Result]) -> None:
    st.caption(f"{markdown_of(claim.source)}; cohort {claim.cohort}. {markdown_of(claim.note)}")
    known = [(one, part) for one in group for part in one.parts if not part.missing]
    if known:
        table = parts_table(known)
        st.dataframe(
            table,
            hide_index=True,
            height="content",
            key=f"parts-{claim.id}",
            placeholder="",
            alt=f"{len(table)} tested comparisons",
        )
        _forest(claim, known)
    for one in group:
        if one.missing:
            st.markdown(f"- {markdown_of(drawn(one))}: no rows yet of {markdown_of(', '.join(one.missing))}")
        if one.without:
            st.markdown(
                f"- {markdown_of(drawn(one))}: * without {markdown_of(one.left_out)} the verdict is **{one.without}**."
            )


def parts_table(known: Sequence[tuple[Result, PartResult]]) -> pd.DataFrame:
    """Return a line a tested comparison, its numbers in the words of the board."""
    return pd.DataFrame(
        [
            {
                "dataset": drawn(one),
                "comparison": plain(part.part.text),
                "claimed": _TESTS[part.part.test],
                "verdict": MARKS[part.verdict],
                "metric": part.part.metric,
                "difference": say.number(part.difference, part.part.metric, sign=True),
                "95 %": say.interval(part.low, part.high, part.part.metric, sign=True),
                "p": say.p_value(part.p),
                "n": str(part.n),
                "detectable": say.number(part.detectable, part.part.metric),
                "margin": f"{part.margin:g}",
                "in the paper": say.BLANK
                if part.printed is None
                else say.number(part.printed, part.part.metric, sign=True),
            }
            for one, part in known
        ]
    )


def _forest(claim: Claim, known: Sequence[tuple[Result, PartResult]]) -> None:
    """Show the differences with their intervals, the printed ones beside, and the margin as a band."""
    lines = forest_points(known)
    made, margin = pd.DataFrame(lines), known[0][1].margin
    if made["difference"].isna().all():
        return
    names = made["part"].tolist()
    used = [verdict for verdict in _ORDER if verdict in set(made["verdict"])]
    y = alt.Y("part:N", sort=names, title=None)
    x = alt.X("difference:Q", title="difference, first minus second", scale=alt.Scale(zero=True))
    colour = alt.Color(
        "verdict:N",
        title=None,
        legend=alt.Legend(orient="bottom"),
        scale=alt.Scale(domain=used, range=[_COLOURS[one] for one in used]),
    )
    shape = alt.Shape(
        "verdict:N",
        title=None,
        legend=alt.Legend(orient="bottom"),
        scale=alt.Scale(domain=used, range=[_SHAPES[one] for one in used]),
    )
    tip = [alt.Tooltip(f"{name}:N", title=name) for name in ("part", "verdict", "told", "in_print")]
    base = alt.Chart(made).encode(y=y)
    band = alt.Chart(pd.DataFrame([{"from": -margin, "to": margin}]))
    zero = alt.Chart(pd.DataFrame([{"at": 0.0}]))
    made_of = alt.layer(
        band.mark_rect(opacity=0.35, color=look.colour("rule")).encode(x=alt.X("from:Q"), x2="to:Q"),
        zero.mark_rule(strokeDash=[3, 3]).encode(x=alt.X("at:Q")),
        base.mark_rule(strokeWidth=3, opacity=0.5).encode(x=alt.X("low:Q"), x2="high:Q", color=colour, tooltip=tip),
        base.mark_point(filled=True, size=80, opacity=1).encode(x=x, color=colour, shape=shape, tooltip=tip),
        base.mark_tick(thickness=3, size=14).encode(x=alt.X("printed:Q"), tooltip=tip),
    ).properties(height=_PX * len(made) + 90)
    alt_text = f"Differences of {len(made)} comparisons with 95 % intervals: " + "; ".join(
        f"{line['part']}: {line['told']}, {line['verdict']}" for line in lines[:6]
    )
    frame.chart(made_of, name=f"claim-{claim.id}", alt_text=alt_text, table=made.drop(columns=["told"]))
    st.caption("Band: the declared margin. Tick: the difference that the paper prints, where it can be computed.")


def forest_points(known: Sequence[tuple[Result, PartResult]]) -> list[dict[str, object]]:
    """Return a mark a comparison; None where a number is undefined."""
    made: list[dict[str, object]] = []
    for one, part in known:
        metric = part.part.metric
        made.append(
            {
                "part": f"{drawn(one)}: {plain(part.part.text)} ({metric})",
                "verdict": part.verdict,
                "difference": _finite(part.difference),
                "low": _finite(part.low),
                "high": _finite(part.high),
                "printed": _finite(part.printed),
                "margin": part.margin,
                "told": f"{say.number(part.difference, metric, sign=True)} "
                f"{say.interval(part.low, part.high, metric, sign=True)}",
                "in_print": say.BLANK if part.printed is None else say.number(part.printed, metric, sign=True),
            }
        )
    return made


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
