"""Which claims are tested here, on which rows: the verdicts of `ich-bench claims`, made once for all visitors."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ich_bench.board.public import Sources
from ich_bench.errors import IchBenchError
from ich_bench.submissions.claims import Result
from ich_bench.submissions.load import own_folder, submissions_folder
from ich_bench.submissions.retest import claims_of
from ich_bench.submissions.validity import Validity, validity
from ich_bench_app import data
from ich_bench_app.started import started


def results() -> tuple[Result, ...]:
    """Return each claim's verdict on each dataset."""
    here = data.sources()
    return _results(data.stamp(), str(shelf()), here)


def cards(dataset: str, metric: str, cohort: str) -> tuple[Validity, ...]:
    """Return how well a dataset orders methods as the papers do."""
    here = data.sources()
    return _cards(data.stamp(), dataset, metric, cohort, here)


def shelf() -> Path:
    """Return the folder of submissions that the app reads, the software's own where it reads none."""
    here, asked = data.sources(), started().submissions
    if asked is not None:
        return data.local(asked)
    if here.submissions:
        return here.submissions[0].folder.parent
    try:
        return submissions_folder()
    except IchBenchError:
        return own_folder()


@st.cache_resource(show_spinner="testing the claims …", max_entries=4)
def _results(key: str, folder: str, _here: Sources) -> tuple[Result, ...]:
    return claims_of(folder, [*_here.submissions, *_here.runs])


@st.cache_resource(show_spinner="comparing the orders …", max_entries=32)
def _cards(key: str, dataset: str, metric: str, cohort: str, _here: Sources) -> tuple[Validity, ...]:
    return validity([*_here.submissions, *_here.runs], _here.reported, dataset=dataset, metric=metric, cohort=cohort)
