"""Which boards does a page show: built once by the harness, shared by all visitors, renewed when a file changed."""

from __future__ import annotations

import hashlib
import threading
import time
from functools import cache
from pathlib import Path
from weakref import WeakKeyDictionary

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ich_bench.board import kept, public
from ich_bench.board.kept import Kept, Snapshot
from ich_bench.board.kept_fetch import fetched, is_url
from ich_bench.board.kept_files import signature
from ich_bench.board.model import Board
from ich_bench.board.pairs import DRAWS
from ich_bench.board.public import Sources
from ich_bench.errors import Problem
from ich_bench.folds import schemes_of
from ich_bench_app.started import Started, as_text, started

MOST_BOARDS = 12  # kept in memory: datasets × schemes × profiles × what stood in the folders
SECONDS_BETWEEN_LOOKS = 3.0
_PINNED = "_snapshot"
_KEYS: WeakKeyDictionary[Board, str] = WeakKeyDictionary()


def datasets() -> tuple[str, ...]:
    """Return the datasets that have a board, drawn ones last."""
    return public.scored_datasets()


def held() -> frozenset[str]:
    """Return the datasets that any score file here is about."""
    here = sources()
    return frozenset(file.dataset for one in (*here.submissions, *here.runs) for file in one.scores)


def sources() -> Sources:
    """Return what may stand on boards in this run of a page."""
    return _snapshot().sources


def stamp() -> str:
    """Return what changes with any byte of `sources()`: the key of whatever a page derives from them."""
    return _snapshot().key


def board(dataset: str, scheme: str | None = None, profile: str | None = None) -> Board:
    """Return the board of a dataset (official scheme by default); shared by all visitors, so it must not be changed."""
    return _board(dataset, scheme, profile).board


def key(board: Board) -> str:
    """Return a hash of all that a board was made of: the key of whatever a page derives from it."""
    if board not in _KEYS:  # not one of ours: what it holds
        content = hashlib.sha256(repr((board.dataset, board.scheme, board.profile, board.seed, board.draws)).encode())
        content.update(repr([(row.slug, row.method, row.ranked) for row in board.rows]).encode())
        for array in (*board.scores.values.values(), board.scores.has_ich):
            content.update(array.tobytes())
        _KEYS[board] = content.hexdigest()
    return _KEYS[board]


def problems() -> tuple[Problem, ...]:
    """Return the files that cannot be used, and those left out of a board because they contradict the others."""
    here = sources()
    files = [file for one in (*here.submissions, *here.runs) for file in one.scores]
    places = {(file.dataset, file.scheme) for file in files if file.dataset in datasets()}
    known = [place for place in sorted(places) if place[1] in schemes_of(place[0])]
    found = [problem for place in known for problem in _board(*place, None).problems]
    return tuple(dict.fromkeys((*_snapshot().problems, *found)))


def renew() -> None:
    """Look, at most every few seconds, whether files changed; until the next call this visitor's boards stay as now."""
    st.session_state[_PINNED] = (started(), _watch(as_text(started())).now())


def _snapshot() -> Snapshot:
    """Return what this run of a page stands on: what `renew` found, else (no page asks) what there is now."""
    if get_script_run_ctx(suppress_warning=True) is not None and _PINNED in st.session_state:
        options, found = st.session_state[_PINNED]
        if options == started():
            return found  # type: ignore[no-any-return]
    return _watch(as_text(started())).now()


def _board(dataset: str, scheme: str | None, profile: str | None) -> Kept:
    now = _snapshot()
    official = schemes_of(public.known(dataset).id)[0]
    return _kept(now.key, dataset, scheme or official, profile, started().draws or DRAWS, now)


@st.cache_resource(show_spinner="building the board …", max_entries=MOST_BOARDS)
def _kept(key: str, dataset: str, scheme: str, profile: str | None, draws: int, _now: Snapshot) -> Kept:
    found = kept.kept(_now, dataset, scheme=scheme, profile=profile, draws=draws)
    _KEYS[found.board] = found.key
    return found


class _Watch:
    """What stands in the folders that a server was started with, looked at again every few seconds at most."""

    def __init__(self, options: Started) -> None:
        self._folder = None if options.submissions is None else local(options.submissions)
        self._runs = [Path(one) for one in options.runs]
        self._looking = threading.Lock()
        self._seen, self._found = self._look()
        self._looked = time.monotonic()

    def now(self) -> Snapshot:
        """Return what stands there; while one visitor looks, the others go on with what stood there before."""
        if time.monotonic() - self._looked >= SECONDS_BETWEEN_LOOKS and self._looking.acquire(blocking=False):
            try:
                if signature(self._folder, self._runs) != self._seen:
                    self._seen, self._found = self._look()
                self._looked = time.monotonic()
            finally:
                self._looking.release()
        return self._found

    def _look(self) -> tuple[str, Snapshot]:
        seen = signature(self._folder, self._runs)  # before reading: what changes meanwhile is looked at again
        return seen, kept.snapshot(self._folder, self._runs)


@st.cache_resource(show_spinner=False)
def _watch(options: str) -> _Watch:
    return _Watch(started())


@cache
def local(place: str) -> Path:
    """Return a folder of submissions on this machine: the one that is named, or what an address holds, fetched once."""
    return fetched(place) if is_url(place) else Path(place)
