"""Which methods are there on all boards together, and what is each called in an address."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from ich_bench.board.model import Row
from ich_bench.board.public import Sources
from ich_bench.submissions.model import Submission
from ich_bench_app import data


def names(sources: Sources) -> Mapping[str, Submission]:
    """Return every submission and unsubmitted run by its slug, told apart by a number where two have one."""
    found: dict[str, Submission] = {}
    for one in (*sources.submissions, *sorted(sources.runs, key=lambda run: str(run.folder))):
        name, number = one.slug, 2
        while name in found:
            name, number = f"{one.slug} ({number})", number + 1
        found[name] = one
    return found


def name_of(row: Row, known: Mapping[str, Submission]) -> str:
    """Return what the submission of a board's row is called in an address, its slug on the board where not known."""
    one = row.submission
    if one is not None:
        for name, other in known.items():
            if (other.folder, other.submitted) == (one.folder, one.submitted):
                return name
    return row.slug


def first(known: Mapping[str, Submission]) -> str:
    """Return the name to begin with: a method before calibration rows, which say little of themselves."""
    return next((name for name, one in known.items() if one.manifest.kind == "method"), next(iter(known)))


def dataset_looked_at() -> str:
    """Return the dataset that a visitor chose on another page, the first where there is none."""
    names = data.datasets()
    chosen = st.session_state.get("dataset")
    return str(chosen) if chosen in names else names[0]
