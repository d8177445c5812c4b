"""What is there on all datasets together: a line a dataset, the macro-mean, train × test."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from ich_bench.board import wording as say
from ich_bench.board.across import Overview, macro_means, transfers
from ich_bench.board.model import PRIMARY
from ich_bench.board.show import show_overview
from ich_bench.errors import IchBenchError
from ich_bench_app import data
from ich_bench_app.text import markdown_of, plain


def overview() -> Overview:
    """Return the boards of all datasets under their official folds; one that cannot be built is told and left out."""
    boards = []
    for name in data.datasets():
        try:
            boards.append(data.board(name))
        except IchBenchError as fault:
            st.warning(f"{name}: {markdown_of(str(fault))}", icon=":material/warning:")
    return Overview(
        boards=tuple(boards), macro=macro_means(boards), transfers=transfers(boards), notes=data.sources().notes
    )


def show() -> None:
    """Show the overview, as `ich-bench leaderboard` without a dataset prints it."""
    st.subheader("All datasets", anchor=False)
    found = overview()
    table = datasets_table(found)
    st.dataframe(
        table, hide_index=True, height="content", key="all-datasets", alt=f"{len(table)} boards", placeholder=""
    )
    st.markdown(
        "**Macro-mean**: the mean of the means of dice on ich over the real datasets, of methods that are ranked "
        "on all of them. No rank is drawn from it; drawn heads never enter it."
    )
    if found.macro:
        st.dataframe(macro_table(found), hide_index=True, key="macro", alt="Macro-mean of each method")
    else:
        st.caption("No method is ranked on all real datasets with hemorrhage yet.")
    if found.transfers:
        st.markdown("**Train × test**: dice on ich by what a method was trained on and tested on.")
        st.dataframe(
            transfer_table(found),
            hide_index=True,
            key="transfers",
            placeholder="",
            alt="Dice by training and test data",
        )
    with st.container(horizontal=True, gap="small"):
        for label, format, ending in (("CSV", "csv", "csv"), ("Markdown", "md", "md"), ("LaTeX", "latex", "tex")):
            st.download_button(
                label,
                partial(_export, found, format),
                file_name=f"ich-bench-overview.{ending}",
                key=f"overview-{format}",
                on_click="ignore",
                type="tertiary",
                icon=":material/download:",
                help="As `ich-bench leaderboard` writes it",
            )


def _export(found: Overview, format: str) -> bytes:
    return show_overview(found, format=format).encode()


def datasets_table(found: Overview) -> pd.DataFrame:
    """Return a line a dataset: heads, rows by kind, and who shares rank 1 in dice on ich."""
    lines = []
    for board in found.boards:
        first = [row.slug for row in board.measured if (one := row.standing(*PRIMARY)) and one.rank == 1]
        more = f" and {len(first) - 1} more share it" if len(first) > 1 else ""
        lines.append(
            {
                "dataset": board.dataset,
                "folds": board.scheme,
                "heads": str(board.cases),
                "with ICH": str(board.with_ich),
                "ranked": str(board.ranked),
                "not ranked": str(len(board.measured) - board.ranked),
                "reported": str(len(board.reported)),
                "rank 1, dice on ich": f"{plain(first[0])}{more}" if first else say.BLANK,
            }
        )
    return pd.DataFrame(lines)


def macro_table(found: Overview) -> pd.DataFrame:
    """Return a line a method with its macro-mean and the mean on each dataset."""
    lines = []
    boards = {board.dataset: board for board in found.boards}
    for one in found.macro:
        means = {}
        for name in one.datasets:
            standing = boards[name].row(one.slug).standing(*PRIMARY)
            means[name] = say.BLANK if standing is None else say.number(standing.stat.mean)
        lines.append({"method": plain(one.slug), "macro-mean": say.number(one.mean), **means})
    return pd.DataFrame(lines)


def transfer_table(found: Overview) -> pd.DataFrame:
    """Return a line a method and training data, a column a dataset it was tested on."""
    tested = list(dict.fromkeys(one.tested_on for one in found.transfers))
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for one in found.transfers:
        start = {"method": plain(one.slug), "trained on": plain(one.trained_on), **dict.fromkeys(tested, say.BLANK)}
        lines.setdefault((one.slug, one.trained_on), start)[one.tested_on] = say.number(one.dice.stat.mean)
    return pd.DataFrame(list(lines.values()))
