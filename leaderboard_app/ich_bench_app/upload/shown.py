"""What came of an upload, on the page: every problem as a table, or the scores by cohort and the rows next to them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from ich_bench.board import wording
from ich_bench.board.model import FAMILIES, Board
from ich_bench.errors import IchBenchError
from ich_bench.metrics.suite import COLUMNS
from ich_bench.tables.cohorts import Cohort
from ich_bench_app import controls, data, frame, look
from ich_bench_app.text import markdown_of, plain
from ich_bench_app.upload import among, process
from ich_bench_app.upload.outcome import MOST_PROBLEMS, Failed, Faulty, Outcome, Scored, ScoredRun

_NAME = "ich-bench-try"
_FEW, _MOST_READ, _HEIGHT_PX = 8, 200, 480  # so many problems stand on the page, in a box where they are many
_MOST_WARNINGS = 30
_PRIMARY_HELP = "The mean over the volumes; the table has its spread. `clean` is the share of healthy heads left empty."


def show(came: Outcome, *, dataset: str, name: str) -> None:
    """Show the outcome of an upload, called `name` by its visitor, on a dataset."""
    called = markdown_of(name)
    match came:
        case Failed():
            st.error(f"**{called} could not be scored:** {markdown_of(came.why)} {markdown_of(came.mend)}",
                     icon=":material/block:")  # fmt: skip
        case Faulty():
            own = [replace(one, where=name) if one.where in process.NAMES else one for one in came.problems]
            _faulty(replace(came, problems=tuple(own)), dataset=dataset, called=called)
        case Scored():
            _scored(came, dataset=dataset, called=called)


def _faulty(came: Faulty, *, dataset: str, called: str) -> None:
    count = len(came.problems)
    head = f"{count}{'+' * (count == MOST_PROBLEMS)} problem{'s' * (count != 1)} in {called}"
    if came.refused:
        st.error(
            f"**{head}:** the archive is refused as a whole; none of its masks was scored.", icon=":material/block:"
        )
    else:
        st.warning(
            f"**{head}** ({came.fine} of {came.files} files are fine). Nothing is scored until all are mended: a mean "
            "over the rest would not compare with anyone's.",
            icon=":material/rule:",
        )
    told = [
        {"Where": markdown_of(one.where), "What is wrong, and how to mend it": markdown_of(f"{one.what} {one.mend}")}
        for one in came.problems[:_MOST_READ]
    ]
    about = f"{count} problems of the upload on {dataset}: where each is, what is wrong, how to mend it."
    st.table(pd.DataFrame(told), hide_index=True, height=_HEIGHT_PX if count > _FEW else "content", alt=about)
    if count > _MOST_READ:
        st.caption(f"The first {_MOST_READ} of {count} problems; the CSV has all.")
    frame.downloads(f"{_NAME}-problems-{dataset}", table=problem_table(came))
    _asides(came.warnings, came.ignored)


def problem_table(came: Faulty) -> pd.DataFrame:
    """Return every problem as a line of three texts."""
    rows = [tuple(plain(text) for text in (one.where, one.what, one.mend)) for one in came.problems]
    return pd.DataFrame(rows, columns=["Where", "What is wrong", "How to mend it"])


def _scored(came: Scored, *, dataset: str, called: str) -> None:
    st.success(
        f"**{called} is sound and scored** on {dataset}, {came.scheme}: {came.runs[0].volumes if came.runs else 0} "
        "volumes. Not submitted, not tested, not ranked, and kept nowhere.",
        icon=":material/check_circle:",
    )
    if came.warnings:
        told = "\n".join(f"- {markdown_of(one)}" for one in came.warnings[:_MOST_WARNINGS])
        st.warning(f"**These scores carry warnings:**\n\n{told}", icon=":material/warning:")
    for run in came.runs:
        _run(run, came, dataset=dataset, several=len(came.runs) > 1)
    _asides((), came.ignored)
    suite = f"suite {came.suite} · profile {came.profile} · {came.scheme} · {came.status}"
    st.caption(f"{suite} · folds `{came.fold_sha256[:12]}` · references `{came.dataset_sha256[:12]}`")


def _run(run: ScoredRun, came: Scored, *, dataset: str, several: bool) -> None:
    suffix = f"-{run.budget}" if several else ""
    if several:
        st.subheader(f"Budget {markdown_of(run.budget or 'none: trained on everything')}", anchor=False)
    with st.container(horizontal=True):
        for cohort, metric in FAMILIES[:3]:
            if not _lacks(run, cohort, metric):
                value = wording.number(run.mean(cohort, metric) or 0.0, metric)
                st.metric(f"{metric} on {cohort}", value, border=True, help=_PRIMARY_HELP)
    table = score_table(run)
    st.dataframe(table, hide_index=True, width="stretch", height="content",
                 alt=f"Scores of the upload on {dataset}: each metric by cohort.")  # fmt: skip
    st.caption("Mean ± SD over the volumes, or median [quartiles]. Definitions: the page Metrics.")
    facts = pd.DataFrame(list(_facts(run)), columns=["Cohort", "What", "Count and share [95 % interval]"])
    if len(facts):
        st.dataframe(facts, hide_index=True, width="stretch", height="content",
                     alt=f"Shares of the upload on {dataset} by cohort, with Wilson intervals.")  # fmt: skip
    frame.downloads(f"{_NAME}-scores-{dataset}{suffix}", table=numbers(run))
    _neighbours(run, came, dataset=dataset, suffix=suffix)


def score_table(run: ScoredRun) -> pd.DataFrame:
    """Return a line a metric and a column a cohort: mean ± SD, or median [quartiles], with n where some lack it."""
    cohorts = [one for one in run.cohorts if one.volumes and one.name != "healthy"]
    if len({one.volumes for one in cohorts}) == 1:
        cohorts = cohorts[:1]  # `all` is `ich`
    cohorts += [one for one in run.cohorts if one.volumes and one.name == "healthy"]
    names = [name for name in (run.cohorts[0].metrics if run.cohorts else ()) if name != "detected"]
    rows = [
        {
            "Metric": controls.about_metric(name),
            **{f"{one.name} (n = {one.volumes})": _cell(one, name) for one in cohorts},
        }
        for name in names
    ]
    return pd.DataFrame([row for row in rows if set(list(row.values())[1:]) != {wording.BLANK}])


def _cell(cohort: Cohort, name: str) -> str:
    stat = cohort.metrics[name]
    return wording.spread(stat, name) + (f" (n = {stat.n})" if stat.n not in (0, cohort.volumes) else "")


def numbers(run: ScoredRun) -> pd.DataFrame:
    """Return a line a cohort and metric, as far as its decimals are shown anywhere."""
    rows = [
        {
            "cohort": cohort.name,
            "metric": name,
            "unit": COLUMNS[name].unit if name in COLUMNS else "",
            "n": stat.n,
            **{part: _rounded(getattr(stat, part), name) for part in ("mean", "sd", "median", "q1", "q3")},
        }
        for cohort in run.cohorts
        for name, stat in cohort.metrics.items()
        if stat.n
    ]
    return pd.DataFrame(rows)


def _rounded(value: float, metric: str) -> float:
    return value if not math.isfinite(value) else round(value, wording.decimals(metric)) + 0.0


def _facts(run: ScoredRun) -> Iterator[tuple[str, str, str]]:
    for cohort in run.cohorts:
        for words, found in (
            ("detected (at least 10 % covered)", cohort.detected),
            ("on the right side of 30 mL", cohort.same_side_of_30_ml),
            ("clean: no false-positive voxel", cohort.clean),
            ("sensitivity: mask not empty", cohort.sensitivity),
            ("specificity: mask empty", cohort.specificity),
        ):
            if found is not None and found.n:
                yield cohort.name, words, wording.share(found)
        if cohort.false_positives is not None and cohort.false_positives.n:
            wrong = cohort.false_positives
            median, high = (wording.number(ml, "volume_ref_ml") for ml in (wrong.median_ml, wrong.p95_ml))
            yield cohort.name, "false-positive mL", f"median {median}, 95th percentile {high}"


def _neighbours(run: ScoredRun, came: Scored, *, dataset: str, suffix: str) -> None:
    """Show between which rows of the board the upload's mean lies."""
    st.subheader("Where it would stand", anchor=False)
    try:
        board: Board = data.board(dataset, came.scheme or None)
    except IchBenchError as fault:
        st.caption(f"No board of {dataset}: {markdown_of(str(fault))}")
        return
    options = [f"{metric} on {cohort}" for cohort, metric in FAMILIES if not _lacks(run, cohort, metric)]
    why = among.incomparable(board, came)
    if why or not options:
        st.caption(markdown_of(why or "None of the ranked metrics is defined on these volumes."))
        return
    asked = controls.choose("Sorted by", options, key=f"sorted{suffix}")
    metric, _, cohort = asked.partition(" on ")
    near = among.neighbours(board, run, cohort=cohort, metric=metric)
    if len(near) == 1:
        st.caption(f"No row on the board of {dataset} yet that it could stand beside.")
        return
    table = pd.DataFrame(
        {
            "Rank": [one.rank for one in near],
            f"Mean {metric}": [wording.number(one.mean, metric) for one in near],
            "Row": [among.YOURS if one.row is None else plain(one.row.slug) for one in near],
            "What": ["not tested, not ranked" if one.row is None else look.kind(one.row) for one in near],
        }
    )
    st.dataframe(table, hide_index=True, width="stretch", height="content",
                 alt=f"The rows of the board of {dataset} next to the upload by mean {asked}.")  # fmt: skip
    st.caption(
        "Next to it by the mean alone: a rank needs a paired test against every row, which an upload does not get. "
        "Ranks are those of the whole board."
    )


def _lacks(run: ScoredRun, cohort: str, metric: str) -> bool:
    mean = run.mean(cohort, metric)
    return mean is None or math.isnan(mean)


def _asides(warnings: Sequence[str], ignored: Sequence[str]) -> None:
    for warning in warnings[:_MOST_WARNINGS]:
        st.warning(markdown_of(warning), icon=":material/warning:")
    if ignored:
        more = f" … ({len(ignored)} in all)" if len(ignored) > 10 else ""
        st.caption(f"Not opened: {', '.join(markdown_of(one) for one in ignored[:10])}{more}")
