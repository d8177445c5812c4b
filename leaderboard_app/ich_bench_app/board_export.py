"""How does a visitor take the board away: as the command line writes it, with the hash of what it was made of."""

from __future__ import annotations

from functools import partial

import streamlit as st

from ich_bench.board.model import Board
from ich_bench.board.show import show
from ich_bench.board.snapshot import snapshot

FORMATS = {
    "csv": ("CSV", "csv", "text/csv", "One number a line, every cohort and metric"),
    "md": ("Markdown", "md", "text/markdown", "The table for an issue or a README"),
    "latex": ("LaTeX", "tex", "text/x-tex", "booktabs, for a manuscript"),
    "json": ("JSON", "json", "application/json", "The bytes of `ich-bench leaderboard --json`"),
}


def text(board: Board, format: str, cohort: str, metric: str) -> bytes:
    """Return a whole board as a file: CSV and JSON as the command prints them, the others with a line that says whence.

    Filters and columns of the page do not reach it.
    """
    made = show(board, format=format, cohort=cohort, metric=metric)
    told = f"ich-bench leaderboard {board.dataset}, snapshot {snapshot(board)}"
    if format == "md":
        made += f"\n{told}\n"
    if format == "latex":
        made += f"% {told}\n"
    return made.encode()


def buttons(board: Board, cohort: str, metric: str) -> None:
    """Show a button a format; each file is made when it is asked for."""
    st.subheader("Take it away", anchor=False)
    with st.container(horizontal=True, gap="small"):
        for format, (label, ending, mime, help) in FORMATS.items():
            st.download_button(
                label,
                partial(text, board, format, cohort, metric),
                file_name=f"{board.dataset}-{board.scheme}-{metric}-{cohort}.{ending}",
                mime=mime,
                key=f"export-{format}",
                on_click="ignore",
                icon=":material/download:",
                help=help,
            )
    st.caption(
        f"The whole board, whatever is filtered. {board.dataset} · {board.scheme} · profile {board.profile} · suite "
        f"{board.suite} · snapshot `{snapshot(board)[:16]}`: a hash of all score files, folds and references."
    )
