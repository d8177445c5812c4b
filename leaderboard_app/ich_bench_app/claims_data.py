"""Which claims are tested here, on which rows: the verdicts of `ich-bench claims`, made once for all visitors."""

from __future__ import annotations

import hashlib
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
    return _results(_key(here), str(shelf()), here)


def cards(dataset: str, metric: str, cohort: str) -> tuple[Validity, ...]:
    """Return how well a dataset orders methods as the papers do."""
    here = data.sources()
    return _cards(_key(here), dataset, metric, cohort, here)


def shelf() -> Path:
    """Return the folder of submissions that the app reads, the software's own where there is none on this machine."""
    here = data.sources()
    if here.submissions:
        return here.submissions[0].folder.parent
    asked = started().submissions
    if asked is not None and Path(asked).is_dir():
        return Path(asked)
    try:
        return submissions_folder() if asked is None else own_folder()
    except IchBenchError:
        return own_folder()


def _key(here: Sources) -> str:
    """Return a hash of every score file and manifest that may stand for a method."""
    lines = [
        f"{one.slug} {one.submitted} {one.manifest} {[file.sha256 for file in one.scores]}"
        for one in (*here.submissions, *here.runs)
    ]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "backslashreplace")).hexdigest()


@st.cache_resource(show_spinner="testing the claims …", max_entries=4)
def _results(key: str, folder: str, _here: Sources) -> tuple[Result, ...]:
    return claims_of(folder, [*_here.submissions, *_here.runs])


@st.cache_resource(show_spinner="comparing the orders …", max_entries=32)
def _cards(key: str, dataset: str, metric: str, cohort: str, _here: Sources) -> tuple[Validity, ...]:
    return validity([*_here.submissions, *_here.runs], _here.reported, dataset=dataset, metric=metric, cohort=cohort)
