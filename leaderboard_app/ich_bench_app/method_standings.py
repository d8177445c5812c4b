"""Where does one submission stand: on every dataset, and beside what a paper prints of its method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd
import streamlit as st

from ich_bench.board import wording as say
from ich_bench.board.model import PRIMARY, Board, Row
from ich_bench.datasets import DATASETS, card
from ich_bench.errors import IchBenchError
from ich_bench.submissions.model import Submission
from ich_bench.submissions.said import Beside, beside
from ich_bench_app import data, frame, pickers
from ich_bench_app.text import markdown_of, plain


def boards(one: Submission) -> Iterator[tuple[Board, Row]]:
    """Yield each board that a submission has a row on, with the row; a board that cannot be built is told."""
    for file in one.scores:
        if file.dataset not in DATASETS or card(file.dataset).pool:
            continue
        try:
            alone = len(pickers.profiles(file.dataset, file.scheme)) < 2
            board = data.board(file.dataset, file.scheme, None if alone else file.profile)
        except IchBenchError as fault:
            st.warning(f"{markdown_of(file.dataset)}: {markdown_of(str(fault))}", icon=":material/warning:")
            continue
        for row in board.rows:
            held = row.submission
            if held is not None and (held.folder, held.submitted) == (one.folder, one.submitted):
                yield board, row


def show(found: Sequence[tuple[Board, Row]]) -> None:
    """Show where it stands on every dataset, with a way to each board."""
    st.subheader("Standings", anchor=False)
    if not found:
        st.caption("It has no row on a board: its scores are of other data, of training budgets only, or left out.")
        return
    table = standings_table(found)
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        key="standings",
        placeholder="",
        alt=f"Standings on {len(found)} boards",
    )
    frame.downloads("standings", table=table)
    with st.container(horizontal=True):
        for board, row in found:
            label = f"Board: {board.dataset}, {board.scheme}" + (f", {board.profile}" if not board.official else "")
            st.page_link(
                "views/leaderboard.py",
                label=label,
                icon=":material/leaderboard:",
                query_params={"dataset": board.dataset, "scheme": board.scheme, "find": row.slug},
            )


def standings_table(found: Sequence[tuple[Board, Row]]) -> pd.DataFrame:
    """Return a line a board: rank, dice on ich, what stands beside it, and why it is not ranked."""
    lines = []
    for board, row in found:
        standing = row.standing(*PRIMARY)
        other = row.standing("ich", "nsd_2mm")
        lines.append(
            {
                "dataset": board.dataset,
                "folds": board.scheme,
                "profile": board.profile,
                "rank": say.rank(standing),
                "of": str(board.ranked),
                "dice ± SD on ich": say.BLANK if standing is None else say.spread(standing.stat, "dice"),
                "95 % of mean": say.BLANK if standing is None else say.interval(standing.low, standing.high, "dice"),
                "nsd_2mm": say.BLANK if other is None else say.number(other.stat.mean, "nsd_2mm"),
                "clean": say.share(row.clean),
                "detected": say.share(row.detected),
                "why not ranked": plain(row.reason),
                "warnings": plain("; ".join(row.chips)),
            }
        )
    return pd.DataFrame(lines)


def reported(found: Sequence[tuple[Board, Row]]) -> None:
    """Show what papers print of the method this one re-implements, beside its own numbers; nothing is tested."""
    st.subheader("❝ Reported beside ● measured", anchor=False)
    lines = [line for board, row in found for line in beside(row, board.dataset, board.reported)]
    if not lines:
        st.caption("No published number here belongs to its `baseline` or `method_id`.")
        return
    st.caption("Side by side for the eye: protocols differ, so nothing is tested or ranked across the two columns.")
    table = beside_table(lines)
    st.dataframe(
        table,
        hide_index=True,
        key="beside",
        height="content" if len(table) < 20 else "auto",
        alt=f"{len(table)} published numbers beside those measured here",
    )
    frame.downloads("reported-beside-measured", table=table)


def beside_table(lines: Sequence[Beside]) -> pd.DataFrame:
    """Return a line a published number with its counterpart."""
    return pd.DataFrame(
        [
            {
                "dataset": one.dataset,
                "on": plain(one.cohort),
                "metric": one.metric,
                "❝ reported": one.printed,
                "n in print": say.BLANK if one.n_printed is None else str(one.n_printed),
                "● measured": one.measured,
                "n here": str(one.n_here) if one.n_here else say.BLANK,
                "source": plain(one.source),
                "trained on": plain(one.training),
                "protocol": plain(one.protocol),
            }
            for one in lines
        ]
    )
