"""Which boards does a page show: built once by the harness, shared by all visitors, renewed when a file changed."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ich_bench.board import public
from ich_bench.board.model import Board
from ich_bench.board.pairs import DRAWS
from ich_bench.board.public import Sources
from ich_bench.datasets import card
from ich_bench_app.started import started

MOST_BOARDS = 24  # kept in memory: datasets × schemes × profiles


def datasets() -> tuple[str, ...]:
    """Return the datasets that have a board, drawn ones last."""
    return public.scored_datasets()


def held() -> frozenset[str]:
    """Return the datasets that any score file here is about."""
    here = sources()
    return frozenset(file.dataset for one in (*here.submissions, *here.runs) for file in one.scores)


def sources() -> Sources:
    """Return what may stand on boards now."""
    return _sources()


def board(dataset: str, scheme: str | None = None, profile: str | None = None) -> Board:
    """Return the board of a dataset (official scheme by default); shared by all visitors, so it must not be changed."""
    return _board(dataset, scheme, profile)


@st.cache_resource(show_spinner=False)
def _sources() -> Sources:
    asked = started()
    folder = None if asked.submissions is None else Path(asked.submissions)
    return public.gather(submissions=folder, runs=[Path(one) for one in asked.runs])


@st.cache_resource(show_spinner="building the board …", max_entries=MOST_BOARDS)
def _board(dataset: str, scheme: str | None, profile: str | None) -> Board:
    draws = started().draws or DRAWS
    return public.board_of(card(dataset), sources(), scheme=scheme, profile=profile, metrics=(), draws=draws)
