"""Is one method better than another, case by case and by every test: what the Compare two page shows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ich_bench.board import wording as say
from ich_bench.board.compare import compare_submissions
from ich_bench.board.compare_show import verdicts
from ich_bench.board.comparison import Comparison, PairTest
from ich_bench.board.model import Board, Row
from ich_bench.board.pairs import DRAWS, sign_of
from ich_bench.board.spread import LEAST_TO_TRUST
from ich_bench.board.strata import METRICS_OF_STRATA
from ich_bench.board.two import Ahead, ahead
from ich_bench.board.verdicts import CasePairs, case_pairs
from ich_bench.submissions.model import Submission
from ich_bench_app import controls, frame, page
from ich_bench_app.charts import differences, dumbbells, paired_scatter
from ich_bench_app.charts.ground import AHEAD
from ich_bench_app.started import started
from ich_bench_app.text import markdown_of

CASES_PAGE = "views/cases.py"


def choose(board: Board) -> tuple[Row, Row] | None:
    """Return the two rows to compare, by default the first two of the board; None where it has fewer."""
    slugs = [row.slug for row in board.rows if row.submission is not None]
    if len(slugs) < 2:
        return None
    first = controls.choose("A", slugs, key="first", default=slugs[0], help="The first of the two rows.")
    other = next(slug for slug in slugs if slug != first)
    second = controls.choose("B", slugs, key="second", default=other, help="The row it is compared with.")
    return board.row(first), board.row(second)


def tested(board: Board, first: Row, second: Row, *, common: bool) -> Comparison:
    """Return every test of two rows; remembered as long as their score files stay the same."""
    one, other = first.submission, second.submission
    if one is None or other is None:
        raise ValueError("a row without score files was compared")
    key = (board.dataset, board.scheme, board.profile, _sha256(one, board), _sha256(other, board))
    return _tested(key, common, started().draws or DRAWS, one, other)


def _sha256(who: Submission, board: Board) -> str:
    file = who.score_file(board.dataset, board.scheme, board.profile)
    return "" if file is None else file.sha256


@st.cache_data(show_spinner="testing the two …", max_entries=256)
def _tested(key: tuple[str, ...], common: bool, draws: int, _one: Submission, _other: Submission) -> Comparison:
    dataset, scheme, profile, *_ = key
    return compare_submissions(
        _one, _other, dataset=dataset, scheme=scheme, profile=profile, common_cases=common, draws=draws
    )


def verdict(first: Row, second: Row, found: Comparison) -> None:
    """Show who the two are, and in words what is decided: difference, equivalence, power."""
    called = [row.slug if row.method == row.slug else f"{row.slug}, {row.method}" for row in (first, second)]
    st.markdown(f"**A** {markdown_of(called[0])}  \n**B** {markdown_of(called[1])}")
    for label, said in verdicts(found):
        st.markdown(f"- **{label}**: {markdown_of(said)}")


def cases(board: Board, first: Row, second: Row, found: Comparison, cohort: str, metric: str) -> None:
    """Show both rows case by case, as points and as sorted differences; a click opens the case."""
    held = case_pairs(board.scores, first.slug, second.slug, cohort=cohort, metric=metric)
    points = frame_of(held, metric)
    drawn = points.loc[np.isfinite(points["a"]) & np.isfinite(points["b"])]
    test = found.test(cohort, metric)
    st.subheader("Case by case", anchor=False)
    if drawn.empty:
        st.info("No case of this cohort has a number in this metric for both.", icon=":material/scatter_plot:")
        return
    counts = points["ahead"].value_counts()
    a, b, ties = (int(counts.get(name, 0)) for name in AHEAD)
    told = f"A is ahead on {a} of {len(points)} cases, B on {b}, {ties} are equal."
    beyond = f" {len(points) - len(drawn)} cases with an infinite value are not drawn." * (len(drawn) < len(points))
    st.caption(f"{controls.about_metric(metric)}, on {cohort}, n = {len(points)}. {told}{beyond} "
               "A click on a case opens it; the list below does the same.")  # fmt: skip
    name = f"{board.dataset}-{cohort}-{metric}"
    table = points.drop(columns="place").rename(columns={"a": "A", "b": "B", "difference": "A minus B"})
    low, high = _span(drawn)
    left, right = st.columns(2)
    with left:
        event = frame.chart(
            lambda dark: paired_scatter.paired_scatter(drawn, low, high, dark=dark),
            name=f"{name}-scatter",
            alt_text=f"Scatter of {metric} of A against B, a point a case. {told} Above the diagonal B is larger.",
            table=table,
            selection=paired_scatter.PICKED,
        )
    with right:
        other = frame.chart(
            lambda dark: differences.differences(drawn, mean_of(test), dark=dark),
            name=f"{name}-differences",
            alt_text=f"Bars of the difference A minus B of each case, sorted. {told} {_mean_in_words(test)}",
            table=table,
            selection=differences.PICKED,
        )
    chosen = frame.clicked(event, paired_scatter.PICKED, "case") or frame.clicked(other, differences.PICKED, "case")
    if chosen in held.cases:
        page.go(CASES_PAGE, {**_address(board, first, second, str(chosen)), "cohort": cohort, "metric": metric})
    _open(board, first, second, points, {"cohort": cohort, "metric": metric})


def frame_of(held: CasePairs, metric: str) -> pd.DataFrame:
    """Return a line a case, the largest difference (A minus B) first; columns as the charts want them."""
    merit = sign_of(metric) * np.round(held.difference, 12)
    with np.errstate(invalid="ignore"):
        who = np.select([merit > 0, merit < 0], AHEAD[:2], AHEAD[2])
    made = pd.DataFrame(
        {
            "case": list(held.cases),
            "head": np.where(held.has_ich, "with ICH", "healthy"),
            "a": held.first,
            "b": held.second,
            "difference": held.difference,
            "ahead": who,
        }
    ).sort_values("difference", ascending=False, kind="stable", ignore_index=True)
    return made.assign(place=np.arange(1, len(made) + 1))


def mean_of(test: PairTest | None) -> pd.DataFrame:
    """Return the mean difference with its interval as one line, none where it is not defined."""
    lines = [] if test is None or not np.isfinite([test.difference, test.t_low, test.t_high]).all() else [test]
    return pd.DataFrame(
        {name: [getattr(one, field) for one in lines] for name, field in
         (("mean", "difference"), ("low", "t_low"), ("high", "t_high"))}, dtype="float64"
    )  # fmt: skip


def _mean_in_words(test: PairTest | None) -> str:
    if test is None:
        return ""
    interval = say.interval(test.t_low, test.t_high, test.metric, sign=True)
    return f"Mean difference {say.number(test.difference, test.metric, sign=True)}, 95 % {interval}."


def _span(drawn: pd.DataFrame) -> tuple[float, float]:
    low, high = float(drawn[["a", "b"]].min().min()), float(drawn[["a", "b"]].max().max())
    if low >= 0 and high <= 1:
        return -0.02, 1.02
    room = (high - low or 1.0) * 0.04
    return low - room, high + room


def _open(board: Board, first: Row, second: Row, points: pd.DataFrame, at: Mapping[str, str]) -> None:
    by_size = points.reindex(points["difference"].abs().sort_values(ascending=False, kind="stable").index)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        case = controls.choose("Open a case", list(by_size["case"]), key="case", help="The largest differences first.")
        st.page_link(CASES_PAGE, label="Look at it on the Cases page", icon=":material/open_in_new:",
                     query_params={**_address(board, first, second, case), **at})  # fmt: skip


def _address(board: Board, first: Row, second: Row, case: str) -> dict[str, str]:
    return {"dataset": board.dataset, "scheme": board.scheme, "case": case, "first": first.slug, "second": second.slug}


def tests(board: Board, found: Comparison, cohort: str) -> None:
    """Show every test of every metric on a cohort; the CSV holds all cohorts."""
    st.subheader("Every test", anchor=False)
    made = table(found)
    shown = made[made["cohort"] == cohort].drop(columns="cohort")
    if shown.empty:
        st.info(f"Nothing is tested on {cohort} here.", icon=":material/info:")
        return
    every = st.toggle("All tests", key=controls.bound("all_tests"), bind="query-params",
                      help="BCa interval, Wilcoxon, effect sizes, detectable difference, equivalence too")  # fmt: skip
    held = [name for name in shown.columns if shown[name].notna().any()]
    st.dataframe(shown, hide_index=True, column_order=[name for name in held if every or name in _FEW],
                 column_config=_columns(), alt=f"Tests of A against B on {cohort}, a line a metric")  # fmt: skip
    frame.downloads(f"{board.dataset}-tests", table=made)
    st.caption("p is the paired sign-flip test, for this pair alone. Welch treats the volumes as independent samples, "
               "as the papers do. rvd is compared by its size. Not separated is not equal.")  # fmt: skip


_FEW = ("metric", "n", "A", "B", "A − B", "from", "to", "p", "Welch", "verdict")


_SAID = {"first better": "A better", "second better": "B better"}  # the two are called A and B here


def table(found: Comparison) -> pd.DataFrame:
    """Return a line a metric and cohort with every test."""
    return pd.DataFrame([_line(one) for one in found.tests], columns=[*_line_names()])


def _line_names() -> tuple[str, ...]:
    return ("cohort", "metric", "n", "A", "B", "A − B", "from", "to", "p", "Welch", "BCa from", "BCa to", "Wilcoxon",
            "d_z", "r", "A %", "MDD", "TOST p", "margin", "verdict")  # fmt: skip


def _line(one: PairTest) -> tuple[Any, ...]:
    tost = one.equivalence
    return (
        one.cohort, one.metric, one.n, one.mean_first, one.mean_second, one.difference, one.t_low, one.t_high, one.p,
        one.welch_p, one.bca_low, one.bca_high, one.wilcoxon_p, one.d_z, one.rank_biserial, 100 * one.share_first,
        one.mdd, None if tost is None else tost.p, None if tost is None else tost.margin,
        _SAID.get(one.verdict, one.verdict),
    )  # fmt: skip


def _columns() -> dict[str, Any]:
    number = st.column_config.NumberColumn
    told = {
        "A": "mean of A", "B": "mean of B", "MDD": "minimal detectable difference, 80 % power",
        "margin": "the difference in Dice that counts as none, declared beforehand",
    }  # fmt: skip
    signed = {
        "A − B": "mean difference", "from": "95 %, paired t", "to": "95 %, paired t", "BCa from": "95 %, bootstrap",
        "BCa to": "95 %, bootstrap", "d_z": "Cohen: mean difference over its SD", "r": "matched rank-biserial",
    }  # fmt: skip
    tests_ = {"p": "paired sign-flip: it decides", "Welch": "independent samples", "Wilcoxon": "signed ranks",
              "TOST p": "equivalence within the margin"}  # fmt: skip
    return {
        **{name: number(format="%.3f", help=about) for name, about in told.items()},
        **{name: number(format="%+.3f", help=about) for name, about in signed.items()},
        **{name: number(format="%.3g", help=about) for name, about in tests_.items()},
        "A %": number(format="%.0f", help="share of the cases in which A is better, ties half"),
    }


def strata(board: Board, first: Row, second: Row, metric: str) -> None:
    """Show who is ahead on which subtype, size and thickness; what nobody here knows is explained."""
    st.subheader("Who is ahead on which volumes", anchor=False)
    shown = metric if metric in METRICS_OF_STRATA else "dice"
    found = list(ahead(board, first.slug, second.slug, shown))
    if not found:
        st.info("No volume with hemorrhage was scored here: there are no strata.", icon=":material/info:")
        return
    lines = strata_lines(found)
    other = f" Strata hold no {metric}: this is {shown}." * (shown != metric)
    st.caption(f"Mean {shown} of each on the volumes with ICH of a kind; a description, no test.{other} "
               f"Pale: fewer than {LEAST_TO_TRUST} volumes.")  # fmt: skip
    known = lines.dropna(subset=["a", "b"])
    if not known.empty:
        won = known["ahead"].value_counts()
        frame.chart(
            partial(_dumbbells, known),
            name=f"{board.dataset}-{shown}-strata",
            alt_text=f"Mean {shown} of A and B on {len(known)} kinds of volumes: A is ahead on "
            f"{int(won.get('first', 0))}, B on {int(won.get('second', 0))}.",
            table=lines.rename(columns={"a": "A", "b": "B", "difference": "A minus B"}),
        )
    for one in found:
        if one.unknown:
            st.caption(f"**{one.by}**: {one.unknown}.")


def _dumbbells(known: pd.DataFrame, dark: bool) -> Any:
    return dumbbells.dumbbells(known, list(known["name"]), dark=dark)


def strata_lines(found: list[Ahead]) -> pd.DataFrame:
    """Return a line a known stratum, as `charts.dumbbells` wants it."""
    return pd.DataFrame(
        [(f"{one.name.upper() if one.by == 'subtype' else one.name}, n = {one.volumes}", one.by, one.volumes, one.first,
          one.second, one.difference, one.ahead, one.volumes < LEAST_TO_TRUST) for one in found if not one.unknown],
        columns=["name", "kind", "n", "a", "b", "difference", "ahead", "few"],
    )  # fmt: skip
