"""Which pairs differ by Welch's test and by the paired one: what the Significance page shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ich_bench.board import wording as say
from ich_bench.board.model import FAMILIES, Board, Floats, Pairs
from ich_bench.board.verdicts import Verdicts, verdicts
from ich_bench_app import controls, frame
from ich_bench_app.charts.ground import names
from ich_bench_app.charts.mdd_map import mdd_map
from ich_bench_app.charts.pair_map import BINS, pair_map
from ich_bench_app.text import markdown_of

_ANY = "any method"
_FEW = ("first", "second", "verdict of the first", "difference", "low", "high", "max-T", "Welch")
_SAID = {1: "row better", -1: "row worse", 0: "not separated"}
_WORD = {1: "better", -1: "worse", 0: "not separated"}


def tested(board: Board) -> dict[str, list[str]]:
    """Return the tested metrics of each cohort, in the board's order."""
    found: dict[str, list[str]] = {}
    for (cohort, metric), pairs in board.pairs.items():
        if len(pairs.slugs) > 1 and pairs.n:
            found.setdefault(cohort, []).append(metric)
    return {cohort: found[cohort] for cohort in ("ich", "all", "healthy") if cohort in found}


def choose(board: Board) -> Pairs | None:
    """Return the tests to look at, chosen among those that the board holds; None where it holds none.

    An address that names an untested metric or cohort is answered with what is tested, and how to test the other.
    """
    able = tested(board)
    if not able:
        return None
    asked = {key: st.query_params.get(key, st.session_state.get(key)) for key in ("cohort", "metric")}
    cohort = controls.choose("Cohort", list(able), key="cohort", help="The cohorts that hold tests on this board.")
    metric = controls.choose(
        "Metric",
        able[cohort],
        key="metric",
        default="clean" if cohort == "healthy" else "dice",
        help="The metrics that are tested here. Families that decide, each corrected by itself: "
        + ", ".join(f"{name} on {where}" for where, name in FAMILIES),
    )
    st.session_state["_untested"] = _untested(board, cohort, metric, asked)
    return board.pairs[cohort, metric]


def _untested(board: Board, cohort: str, metric: str, asked: dict[str, str | None]) -> str:
    wanted = asked["cohort"] or cohort, asked["metric"] or metric
    known = any(wanted[1] in row.standings.get(wanted[0], {}) for row in board.rows)
    if wanted == (cohort, metric) or not known or wanted in board.pairs:
        return ""
    return (
        f"**{markdown_of(wanted[1])}** on {markdown_of(wanted[0])} is not tested here: a test for every metric would "
        f"only raise the number of chance findings. Shown instead: {metric} on {cohort}. To test it on your machine:"
        "\n\n"
        f"`ich-bench leaderboard {board.dataset} --metric {wanted[1]} --cohort {wanted[0]} --pairs`"
    )


def say_untested() -> None:
    """Show that the address asked for a metric without a test, where it did."""
    told = st.session_state.pop("_untested", "")
    if told:
        st.info(told, icon=":material/info:")


def why_none(board: Board) -> str:
    """Return why there is no pair to show."""
    unranked = [row for row in board.measured if not row.ranked]
    told = "Pairs need two ranked methods; here " + ("is one." if board.ranked == 1 else "is none.")
    return told + (f" {len(unranked)} of {len(board.measured)} measured rows are not ranked." if unranked else "")


def cells(pairs: Pairs, p: Floats, shown: int, judged: np.ndarray, other: np.ndarray) -> tuple[pd.DataFrame, list[str]]:
    """Return a line a cell of one map for the first methods, as `charts.pair_map` wants it, and the names of its lines.

    `judged` are the verdicts of the test that `p` belongs to, `other` those of the test beside it.
    """
    called = list(names(pairs.slugs).values())[:shown]
    lines = [f"{place}  {name}" for place, name in enumerate(called, start=1)]
    row, column = (axis.ravel() for axis in np.indices((shown, shown)))
    off = row != column
    row, column = row[off], column[off]
    taken, here, there = p[row, column], judged[row, column], other[row, column]
    mdd = np.full(len(row), np.nan) if pairs.mdd is None else pairs.mdd[row, column]
    made = pd.DataFrame(
        {
            "line": np.array(lines, dtype=object)[row],
            "column": column + 1,
            "first": np.array(called, dtype=object)[row],
            "second": np.array(called, dtype=object)[column],
            "p": taken,
            "difference": pairs.difference[row, column],
            "mdd": mdd,
            "bin": _bins(taken, here),
            "mark": np.select([here > 0, here < 0], ["▲", "▼"], ""),
            "p_text": [_short(one) for one in taken],
            "mdd_text": [say.number(float(one), pairs.metric) for one in mdd],
            "changed": here != there,
            "said": [_SAID[int(one)] for one in here],
            "outlined": np.where(here != there, [_SAID[int(one)] for one in there], "the same"),
        }
    )
    return made, lines


def _bins(p: Floats, judged: np.ndarray) -> np.ndarray:
    step = np.digitize(np.nan_to_num(p, nan=1.0), (0.001, 0.01, 0.05))
    names_of = np.array(BINS, dtype=object)
    better, worse = names_of[np.minimum(step, 2)], names_of[np.maximum(6 - step, 4)]
    return np.select([np.isnan(p), judged > 0, judged < 0], [BINS[7], better, worse], BINS[3])


def _short(p: float) -> str:
    return "1" if p > 0.9995 else say.p_value(p).replace("0.", ".", 1)


def table(pairs: Pairs, *, method: str | None = None, shown: int | None = None) -> pd.DataFrame:
    """Return a line a pair, in the board's order: all, those of one method (as the first), or of the first methods."""
    i, j = np.triu_indices(len(pairs.slugs), 1)
    if method in pairs.slugs:
        place = pairs.slugs.index(str(method))
        j = np.array([one for one in range(len(pairs.slugs)) if one != place], dtype=np.int64)
        i = np.full_like(j, place)
    elif shown is not None:
        kept = (i < shown) & (j < shown)
        i, j = i[kept], j[kept]
    found = verdicts(pairs)
    called = np.array(list(names(pairs.slugs).values()), dtype=object)
    words = np.vectorize(_WORD.get, otypes=[object])
    blank = np.full(len(i), np.nan)
    some = {"Holm": pairs.p_holm, "Wilcoxon": pairs.wilcoxon_p, "d_z": pairs.d_z, "MDD": pairs.mdd}
    optional = {name: blank if one is None else one[i, j] for name, one in some.items()}
    return pd.DataFrame(
        {
            "first": called[i],
            "second": called[j],
            "verdict of the first": words(found.paired[i, j]) if len(i) else [],
            "by Welch": words(found.welch[i, j]) if len(i) else [],
            "difference": pairs.difference[i, j],
            "low": pairs.low[i, j],
            "high": pairs.high[i, j],
            "max-T": pairs.p_max_t[i, j],
            "Holm": optional["Holm"],
            "Welch": pairs.welch_p[i, j],
            "Wilcoxon": optional["Wilcoxon"],
            "d_z": optional["d_z"],
            "MDD": optional["MDD"],
        }
    )


def finding(pairs: Pairs, found: Verdicts) -> str:
    """Return in words what the two maps show together."""
    return (
        f"Welch separates {found.separated_welch} of {found.pairs} pairs, the paired test {found.separated_paired}; "
        f"{found.differ} verdicts differ."
    )


def maps(board: Board, pairs: Pairs, shown: int) -> None:
    """Show Welch's map beside the paired one, in one order."""
    found = verdicts(pairs)
    where = f"{board.dataset}, {pairs.metric} on {pairs.cohort}, n = {pairs.n}, K = {len(pairs.slugs)}"
    signs = f"{pairs.draws:,} sign vectors{', all there are' if pairs.exact else ''}"
    _counts(pairs, found)
    left, right = st.columns(2)
    told = (
        (left, "Welch, uncorrected", "welch", pairs.welch_p, found.welch, found.paired,
         "The papers' test. It treats the volumes as independent samples, though every method saw the same ones."),
        (right, "Paired, step-down max-T", "max-t", pairs.p_max_t, found.paired, found.welch,
         f"The test that ranks: the same volumes for both methods, corrected over all pairs ({signs})."),
    )  # fmt: skip
    for place, title, short, p, judged, other, about in told:
        made, lines = cells(pairs, p, shown, judged, other)
        with place:
            st.subheader(title, anchor=False)
            st.caption(about)
            count = found.separated_welch if short == "welch" else found.separated_paired
            frame.chart(
                partial(_drawn, made, lines),
                name=f"{board.dataset}-{pairs.cohort}-{pairs.metric}-{short}",
                alt_text=f"Heat map of p-values, {title}: {where}. {count} of {found.pairs} pairs have p below 0.05. "
                + finding(pairs, found),
                table=partial(table, pairs),
            )
    st.caption(
        f"{where}. ▲ blue: the row's method is better than the column's; ▼ orange: worse. **Outlined**: the other test "
        "says otherwise. Not separated is not equal: Compare two tells how much could have been missed."
    )


def _counts(pairs: Pairs, found: Verdicts) -> None:
    of: dict[str, Any] = {"delta": f"of {found.pairs:,} pairs", "delta_color": "off", "delta_arrow": "off"}
    with st.container(horizontal=True):
        st.metric("Welch separates", f"{found.separated_welch:,}", border=True, width=165, **of)
        st.metric("Paired separates", f"{found.separated_paired:,}", border=True, width=165, **of)
        st.metric("Verdicts differ", f"{found.differ:,}", border=True, width=165, help="Outlined on both maps.", **of)
        st.metric("Detectable", say.number(found.mdd, pairs.metric), border=True, width=165,
                  delta="80 % power, median", delta_color="off", delta_arrow="off",
                  help="The difference that one pair would need to be found in 80 % of such samples. Smaller ones may "
                       "be there and stay unseen.")  # fmt: skip


def _drawn(made: pd.DataFrame, lines: Sequence[str], dark: bool) -> object:
    return pair_map(made, lines, dark=dark)


def detectable(board: Board, pairs: Pairs, shown: int) -> None:
    """Show the minimal detectable difference of every pair as a map, where the tests hold it."""
    if pairs.mdd is None:
        return
    found = verdicts(pairs)
    made, lines = cells(pairs, pairs.p_max_t, shown, found.paired, found.welch)
    with st.expander("How large a difference could each pair have shown?", icon=":material/blur_on:"):
        st.caption("Yellow: the pair varies so much from volume to volume that only a large difference would be found.")
        frame.chart(
            mdd_map(made, lines),
            name=f"{board.dataset}-{pairs.cohort}-{pairs.metric}-mdd",
            alt_text=f"Heat map of the minimal detectable difference of every pair, {pairs.metric} on {pairs.cohort}; "
            f"median {say.number(found.mdd, pairs.metric)}.",
            table=made[["first", "second", "mdd"]],
        )


def pair_table(pairs: Pairs, shown: int) -> None:
    """Show every pair with all its numbers, those of one method where one is chosen."""
    st.subheader("Every pair", anchor=False)
    options = [_ANY, *pairs.slugs]
    method = controls.choose("Pairs of", options, key="pairs_of", help="Its pairs alone, each with it as the first.")
    whole = method == _ANY
    made = table(pairs, method=None if whole else method, shown=shown if whole else None)
    every = st.toggle("All tests", key=controls.bound("all_tests"), bind="query-params",
                      help="Holm, Wilcoxon, d_z and the minimal detectable difference too")  # fmt: skip
    held = [name for name in made.columns if made[name].notna().any() or not len(made)]
    st.dataframe(
        made,
        hide_index=True,
        column_order=[name for name in held if every or name in _FEW],
        column_config=_columns(say.decimals(pairs.metric)),
        alt=f"Tests of {len(made)} pairs of methods, {pairs.metric} on {pairs.cohort}",
        key="pairs-table",
    )
    if whole and shown < len(pairs.slugs):
        st.caption(f"The pairs of the first {shown} methods; the CSV of each map holds all {verdicts(pairs).pairs:,}.")


def _columns(digits: int) -> dict[str, Any]:
    number = st.column_config.NumberColumn
    tests = {
        "max-T": "paired sign-flip test, step-down max-T over all pairs: it decides",
        "Holm": "the same test, Holm's correction; up to 30 methods",
        "Welch": "uncorrected, treats the volumes as independent samples",
        "Wilcoxon": "signed ranks, uncorrected",
    }
    about = "mean of the first minus mean of the second, over the same volumes"
    return {
        "difference": number(format=f"%+.{digits}f", help=about),
        "low": number("95 % from", format=f"%+.{digits}f", help="paired t interval"),
        "high": number("to", format=f"%+.{digits}f", help="paired t interval"),
        **{name: number(f"p {name}", format="%.3g", help=told) for name, told in tests.items()},
        "d_z": number(format="%+.2f", help="Cohen: mean difference over its SD"),
        "MDD": number(format=f"%.{digits}f", help="minimal detectable difference of one pair, 80 % power"),
    }
