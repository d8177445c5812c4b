"""Which dataset, cohort, metric and method does a visitor look at: every choice is a part of the page's address."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ich_bench.board.build import measured_on
from ich_bench.board.model import COHORTS, Board
from ich_bench.folds import schemes_of
from ich_bench.metrics.suite import COLUMNS
from ich_bench_app import data

COHORT_NAMES = {"ich": "ich: heads with hemorrhage", "all": "all heads", "healthy": "healthy heads"}


def bound(key: str) -> str:
    """Return the key of a widget, noted as a part of the page's address (`page.permalink`)."""
    st.session_state.setdefault("_bound", set()).add(key)
    return key


def choose(label: str, options: Sequence[str], *, key: str, default: str | None = None, help: str | None = None) -> str:
    """Return one of the options, chosen in a select box; `key` is its name in the address, the option its value.

    An address with another value falls back to the default. Options are shown as they stand in the address: Streamlit
    writes there what is shown.
    """
    held = st.session_state.get(key)
    if held is not None and held not in options:  # another board lacks what the last one had
        del st.session_state[key]
    index = options.index(default) if default in options else 0
    bound(key)
    return str(st.selectbox(label, options, index=index, key=key, help=help, bind="query-params"))


def dataset() -> str:
    """Return the dataset to look at; by default the first with a ranked or shown row, else the first."""
    names = data.datasets()
    held = data.held()
    first = next((name for name in names if name in held), names[0])
    return choose("Dataset", names, key="dataset", default=first, help="No board merges datasets.")


def scheme(name: str) -> str:
    """Return the fold scheme; no control is shown for a dataset with one."""
    schemes = schemes_of(name)
    if len(schemes) == 1:
        return schemes[0]
    return choose("Folds", schemes, key="scheme", help="The official folds come first; boards never mix schemes.")


def cohorts(board: Board) -> tuple[str, ...]:
    """Return the cohorts that a board has numbers on, `ich` alone where it holds no row."""
    found = tuple(name for name in COHORTS if any(name in row.standings for row in board.rows))
    return found or COHORTS[:1]


def cohort(board: Board) -> str:
    """Return the cohort to look at."""
    return choose("Cohort", cohorts(board), key="cohort", help="; ".join(COHORT_NAMES.values()))


def metrics(board: Board, on: str) -> tuple[str, ...]:
    """Return the metrics that a board sums up on a cohort, in the suite's order."""
    held = board.scores.values or dict.fromkeys(("dice",))
    return tuple(name for name in held if measured_on(name, on))


def metric(board: Board, on: str, *, default: str = "dice") -> str:
    """Return the metric to look at."""
    return choose("Metric", metrics(board, on), key="metric", default="clean" if on == "healthy" else default)


def about_metric(name: str) -> str:
    """Return a metric with its unit and its better direction, in words."""
    if name not in COLUMNS:
        return name
    about = COLUMNS[name]
    unit = f", {about.unit}" if about.unit in ("mm", "mL") else ""
    better = {"higher": ", higher is better", "lower": ", lower is better", "zero": ", nearer to 0 is better"}
    return f"{name}{unit}{better.get(about.direction, '')}"


def method(board: Board, *, key: str = "method", label: str = "Method", default: str | None = None,
           slugs: Sequence[str] | None = None) -> str | None:  # fmt: skip
    """Return the slug of a row, or None on an empty board."""
    options = list(slugs if slugs is not None else (row.slug for row in board.rows))
    return choose(label, options, key=key, default=default) if options else None
