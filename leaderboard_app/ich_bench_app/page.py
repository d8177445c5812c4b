"""What do all pages share: the heading, what an empty board says, the address of this very view, faults in words."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NoReturn
from urllib.parse import urlencode

import streamlit as st
from streamlit.errors import StreamlitAPIException

from ich_bench.board.model import Board
from ich_bench.errors import IchBenchError
from ich_bench_app.text import markdown_of
from ich_bench_app.views import VIEWS

_LOG = logging.getLogger(__name__)
_ASKED = "_asked"


def begin(file: str, sentence: str) -> None:
    """Show a page's title and the sentence that says what can be read off it."""
    st.title(VIEWS[file].title, anchor=False)
    st.caption(sentence)


def is_empty(board: Board) -> bool:
    """Return whether no measured row stands on the board, having said so and how one comes there."""
    if board.measured:
        return False
    held = f"{len(board.reported)} published numbers stand on the Leaderboard page, never ranked. " * bool(
        board.reported
    )
    st.info(
        f"**No measured row yet on {board.dataset}.** {held}"
        "A measured row needs someone who holds the data and scores a method's masks.",
        icon=":material/hourglass_empty:",
    )
    st.code(
        f"ich-bench evaluate {board.dataset} my-predictions\n"
        "ich-bench submit ich-bench-out/my-predictions --name my-method",
        language="bash",
    )
    st.markdown(
        "Nothing at hand? The drawn example needs no download: it draws 12 heads, scores three methods, and the app "
        "shows them."
    )
    st.code("ich-bench demo\nich-bench app --with ich-bench-demo", language="bash")
    return True


def end(board: Board | None = None) -> None:
    """Show what the numbers were made of, and the address of this view with every choice in it."""
    st.divider()
    if board is not None:
        st.caption(
            f"{board.dataset} · {board.scheme} · profile {board.profile} · suite {board.suite} · folds "
            f"`{board.fold_sha256[:12]}` · references `{board.dataset_sha256[:12] or '–'}` · "
            f"{board.draws:,} sign vectors"
        )
    with st.popover("Link to this view", icon=":material/link:", type="tertiary"):
        st.caption("Every choice on this page is in the address, the defaults too.")
        st.code(permalink(), language=None, wrap_lines=True)


def go(to: str, choices: Mapping[str, str]) -> NoReturn:
    """Open another page with these choices made there; unlike a link, from within a run (a click on a chart).

    Streamlit refuses to write an address that the widgets of this page are bound to, so the choices travel in the
    session; see `arrive`.
    """
    st.session_state[_ASKED] = dict(choices)
    st.switch_page(to, query_params={})
    raise AssertionError  # never reached: the run ends there


def arrive() -> None:
    """Make the choices that `go` sent, before any widget stands on the page: for its widgets, and in its address."""
    for key, value in st.session_state.pop(_ASKED, {}).items():
        st.session_state[key] = value
        with suppress(StreamlitAPIException):  # a widget is bound to it, which writes the address itself
            st.query_params[key] = value


def permalink() -> str:
    """Return the address of this page with every bound choice, also those that equal their default today."""
    chosen: list[tuple[str, str]] = []
    for key in sorted(st.session_state.get("_bound", ())):
        value = st.session_state.get(key)
        if isinstance(value, list | tuple):
            chosen += [(key, str(one)) for one in value]
        elif value is not None:
            chosen.append((key, str(value).lower() if isinstance(value, bool) else str(value)))
    base = (st.context.url or "").split("?")[0]
    return f"{base}?{urlencode(chosen)}" if chosen else base


@contextmanager
def faults_in_words() -> Iterator[None]:
    """Show what is wrong with input in the harness's words; a bug only as a number that stands in the server's log."""
    try:
        yield
    except IchBenchError as fault:
        st.error(markdown_of(str(fault)), icon=":material/error:")
    except Exception:
        number = secrets.token_hex(4)
        _LOG.exception("error %s", number)
        st.error(f"Something went wrong here (error {number}). The server's log says what; the other pages still work.")
