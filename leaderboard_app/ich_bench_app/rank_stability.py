"""How firm are the ranks: what the Rank stability page shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from ich_bench.board import wording as say
from ich_bench.board.model import Board, Row, Schemes
from ich_bench.metrics.suite import METRICS
from ich_bench_app import controls, frame
from ich_bench_app.charts.bump import LETTERS_PX, PALETTE, bump, height
from ich_bench_app.charts.ground import apart, level, names
from ich_bench_app.charts.tau_map import tau_map
from ich_bench_app.charts.whiskers import whiskers


def families(board: Board) -> dict[str, list[str]]:
    """Return the metrics that rank rows on each cohort of a board."""
    found: dict[str, list[str]] = {}
    for cohort, metric in board.pairs:
        if metric in METRICS and METRICS[metric].ranked and ranked(board, cohort, metric):
            found.setdefault(cohort, []).append(metric)
    return found


def choose(board: Board) -> tuple[str, str] | None:
    """Return cohort and metric of the ranks to look at, None where nothing is ranked."""
    able = families(board)
    if not able:
        return None
    cohort = controls.choose("Cohort", list(able), key="cohort", help="The cohorts with ranks.")
    return cohort, controls.choose("Metric", able[cohort], key="metric", help="Only Dice and NSD at 2 mm rank.")


def ranked(board: Board, cohort: str, metric: str) -> tuple[Row, ...]:
    """Return the rows with a rank, the smallest first, within a rank as the board has them."""
    held = [row for row in board.rows if (one := row.standing(cohort, metric)) is not None and one.rank is not None]
    return tuple(sorted(held, key=lambda row: _rank(row, cohort, metric)))


def _rank(row: Row, cohort: str, metric: str) -> int:
    standing = row.standing(cohort, metric)
    return 0 if standing is None or standing.rank is None else standing.rank


def why_none(board: Board) -> str:
    """Return why there are no ranks."""
    if not board.official and board.pairs:
        return f"Profile {board.profile} is not ranked: it has tests and means, but no ranks to be firm or loose."
    return "Ranks need two ranked methods; here " + ("is one." if board.ranked == 1 else "is none.")


def rank_lines(rows: Sequence[Row], cohort: str, metric: str) -> pd.DataFrame:
    """Return a line a row: rank, the ranks not excluded, P(rank 1), as `charts.whiskers` wants it."""
    called = names([row.slug for row in rows])
    found = []
    for row in rows:
        one = row.standing(cohort, metric)
        if one is not None and one.rank is not None:
            found.append((called[row.slug], row.method, level(row), one.rank, one.rank, one.rank_high, one.p_rank_one,
                          f"{say.rank(one)}, mean {say.number(one.stat.mean, metric)}"))  # fmt: skip
    return pd.DataFrame(found, columns=["name", "method", "level", "value", "low", "high", "first", "text"])


def ranks(board: Board, rows: Sequence[Row], every: Sequence[Row], cohort: str, metric: str) -> None:
    """Show the ranks with those that the data do not exclude, and the share of resamples in which each row is first."""
    lines = rank_lines(rows, cohort, metric)
    table = partial(_rank_table, every, cohort, metric)
    left, right = st.columns([3, 2])
    with left:
        st.subheader("Ranks that the data do not exclude", anchor=False)
        wide = int((lines["high"] - lines["low"]).max())
        frame.chart(
            partial(_ranks, lines, board.ranked),
            name=f"{board.dataset}-{cohort}-{metric}-ranks",
            alt_text=f"Rank intervals of {len(lines)} of {board.ranked} methods in {metric} on {cohort}; the widest "
            f"spans {wide + 1} ranks.",
            table=table,
        )
    with right:
        st.subheader("P(rank 1)", anchor=False)
        likely = lines.dropna(subset=["first"])
        top = sorted(zip(likely["first"], likely["name"], strict=True))[-1:]
        told = f"{top[0][1]} with {100 * top[0][0]:.0f} %" if top else "none"
        frame.chart(
            partial(_first, lines),
            name=f"{board.dataset}-{cohort}-{metric}-p-rank-one",
            alt_text=f"Share of bootstrap resamples in which each method has the best mean; the largest is {told}.",
            table=table,
        )
    st.caption(
        "A rank is 1 + the methods that are significantly better; the line reaches to the ranks that the data do not "
        "exclude. P(rank 1): the share of bootstrap resamples of the volumes in which a method has the best mean: a "
        "description of these volumes, no test."
    )


def _ranks(lines: pd.DataFrame, count: int, dark: bool) -> Any:
    axis = alt.Axis(tickMinStep=1, format="d", orient="top")
    return whiskers(lines, list(lines["name"]), title="rank", words=("rank", "best", "last not excluded"), dark=dark,
                    scale=alt.Scale(domain=[0.5, count + 0.5], nice=False), axis=axis, hollow=True)  # fmt: skip


def _first(lines: pd.DataFrame, dark: bool) -> Any:
    shown = lines.assign(value=100 * lines["first"], low=0.0, high=100 * lines["first"])
    axis = alt.Axis(values=[0, 25, 50, 75, 100], orient="top")
    return whiskers(shown, list(lines["name"]), title="P(rank 1), %", words=("P(rank 1), %", "from", "to"), dark=dark,
                    scale=alt.Scale(domain=[-2, 102], nice=False), axis=axis)  # fmt: skip


def _rank_table(rows: Sequence[Row], cohort: str, metric: str) -> pd.DataFrame:
    return (
        rank_lines(rows, cohort, metric)
        .drop(columns=["low", "text", "level"])
        .rename(columns={"name": "row", "value": "rank", "high": "last rank not excluded", "first": "P(rank 1)"})
    )


def schemes(board: Board, slugs: Sequence[str]) -> None:
    """Show the ranks under every other way of ranking, and how alike the ways are."""
    found = board.schemes
    st.subheader("Other ways to rank the same scores", anchor=False)
    if found is None:
        st.info("Other ways to rank need ranked methods with Dice on volumes with hemorrhage.", icon=":material/info:")
        return
    letters = {name: chr(ord("A") + place) for place, name in enumerate(found.names)}
    left, right = st.columns(2)
    with left:
        places = scheme_lines(found, slugs, letters)
        frame.chart(
            partial(_bump, places, found.names),
            name=f"{board.dataset}-schemes",
            alt_text=f"Ranks of {len(slugs)} methods under {len(found.names)} schemes, a line a method. "
            + _agreement(found),
            table=partial(scheme_table, found),
        )
    with right:
        frame.chart(
            tau_map(tau_cells(found, letters), [f"{letters[name]} {name}" for name in found.names]),
            name=f"{board.dataset}-schemes-tau",
            alt_text=f"Heat map of Kendall's tau-b between {len(found.names)} schemes. {_agreement(found)}",
            table=partial(tau_cells, found, letters),
        )
    st.markdown("\n".join(f"- **{letters[name]} {name}**: {found.about[name]}" for name in found.names))
    for name, why in found.missing.items():
        st.caption(f"{name}: not here, {why}.")
    with st.expander("Ranks under every scheme", icon=":material/table:"):
        st.dataframe(scheme_table(found), hide_index=True, alt="The rank of each method under each scheme")


def _agreement(found: Schemes) -> str:
    upper = np.triu_indices(len(found.names), 1)
    known = [(float(found.tau[i, j]), i, j) for i, j in zip(*upper, strict=True) if not np.isnan(found.tau[i, j])]
    if not known:
        return "With these ranks no tau is defined."
    tau, i, j = min(known)
    return f"The least alike are {found.names[i]} and {found.names[j]}, tau {tau:.2f}."


def _bump(places: pd.DataFrame, schemes_: Sequence[str], dark: bool) -> Any:
    return bump(places, schemes_, dark=dark)


def scheme_lines(found: Schemes, slugs: Sequence[str], letters: dict[str, str]) -> pd.DataFrame:
    """Return a line a method and scheme, as `charts.bump` wants it; the first methods have a colour."""
    called = names(list(found.ranks[found.names[0]]))
    kept = [slug for slug in slugs if slug in called]
    last = found.names[-1]
    most = max((found.ranks[name][slug] for name in found.names for slug in kept), default=1.0)
    ends = dict(
        zip(kept, apart([found.ranks[last][slug] for slug in kept], LETTERS_PX * most / height(most)), strict=True)
    )
    return pd.DataFrame(
        [
            (called[slug], name, letters[name], found.ranks[name][slug], at if at < len(PALETTE) else -1, name == last,
             ends[slug])
            for at, slug in enumerate(kept) for name in found.names
        ],
        columns=["method", "scheme", "letter", "rank", "colour", "ends", "place"],
    )  # fmt: skip


def scheme_table(found: Schemes) -> pd.DataFrame:
    """Return a line a method with its rank under every scheme."""
    called = names(list(found.ranks[found.names[0]]))
    return pd.DataFrame(
        {"method": list(called.values())} | {name: [found.ranks[name][slug] for slug in called] for name in found.names}
    )


def tau_cells(found: Schemes, letters: dict[str, str]) -> pd.DataFrame:
    """Return a line a pair of schemes with their τ-b."""
    return pd.DataFrame(
        [
            (f"{letters[one]} {one}", other, letters[other], float(found.tau[i, j]), say.number(float(found.tau[i, j])))
            for i, one in enumerate(found.names) for j, other in enumerate(found.names)
        ],
        columns=["first", "second", "letter", "tau", "text"],
    )  # fmt: skip
