"""What is this board, how are ranks made, what is it not for, and what changed: the words of the About page."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import pandas as pd
import streamlit as st

import ich_bench
from ich_bench.datasets import DATASETS, card
from ich_bench.metrics.suite import SUITE
from ich_bench.submissions.cite import cite
from ich_bench.submissions.history import Change, Log
from ich_bench_app import claims_data, data, frame, pickers
from ich_bench_app.method_card import log_of
from ich_bench_app.text import markdown_of, plain

LIBRARIES = (
    "streamlit",
    "altair",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "nibabel",
    "SimpleITK",
    "surface-distance",
    "pydicom",
)
_RANKS = (
    (
        "Every method is scored on the same heads, each head by a model that has not seen it; training runs are "
        "averaged for each head.",
        "metrics",
        "Metrics",
    ),
    (
        "All pairs of methods are tested at once on the paired differences of Dice on the heads with hemorrhage: "
        "sign-flip permutation, corrected by the step-down max-T procedure.",
        "significance",
        "Significance",
    ),
    (
        "The rank is 1 + the number of methods that are significantly better: whom nobody is shown to beat has rank 1.",
        "leaderboard",
        "Leaderboard",
    ),
    (
        "The brackets beside it hold the ranks that the data do not exclude; other ways of ranking stand beside.",
        "rank_stability",
        "Rank stability",
    ),
    (
        "Not ranked are calibration rows, partial or leaky scores, choices made on the test heads, and numbers printed "
        "in papers, which are shown and never tested.",
        "claims",
        "Claims",
    ),
)
_NOT_FOR = (
    "It is not a medical device, and no row is fit for use on patients: a rank says how masks agree with one "
    "reference on these heads, not whether a reader is helped.",
    "A difference that is not significant is not evidence that two methods are equal.",
    "Drawn heads (phantom) are for development and rehearsal; no claim about patients follows from them.",
    "Boards of different datasets are never merged into one rank.",
)


def words() -> None:
    """Show what this is, how ranks are made, and what it is not for."""
    st.markdown(
        "An open benchmark of methods that outline intracranial hemorrhage on head CT: frozen folds, one "
        "scorer, every pair tested, every number traceable to a file with a hash."
    )
    st.subheader("How ranks are made", anchor=False)
    st.markdown("\n".join(f"{number}. {sentence}" for number, (sentence, _, _) in enumerate(_RANKS, start=1)))
    with st.container(horizontal=True, gap="small"):
        for _, file, title in _RANKS:
            st.page_link(f"views/{file}.py", label=title, query_params={})
    st.subheader("What this is not for", anchor=False)
    st.markdown("\n".join(f"- {sentence}" for sentence in _NOT_FOR))


def versions() -> pd.DataFrame:
    """Return what is installed, a line a library."""
    lines = [("ich-bench", ich_bench.__version__), ("suite", str(SUITE)), ("Python", sys.version.split()[0])]
    lines += [(name, _version(name)) for name in LIBRARIES]
    return pd.DataFrame([{"what": name, "version": found} for name, found in lines])


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def references() -> None:
    """Show how to cite, the licences, and the versions."""
    st.subheader("How to cite", anchor=False)
    st.markdown(
        "Cite the software, the datasets you scored, and the methods: the page of each method has its own "
        "paragraph and BibTeX."
    )
    found = cite()
    with st.expander(f"BibTeX of the software and all datasets ({len(found.keys)} entries)"):
        st.code(found.bibtex, language="latex")
    st.download_button(
        "BibTeX",
        found.bibtex,
        file_name="ich-bench.bib",
        mime="text/x-bibtex",
        key="about-bibtex",
        on_click="ignore",
        icon=":material/download:",
        type="tertiary",
    )
    st.subheader("Licences", anchor=False)
    st.markdown(
        "Software and frozen folds: Apache-2.0. A submission's code and weights: what its page says. The heads "
        "are their owners':"
    )
    st.dataframe(
        pd.DataFrame([{"dataset": name, "licence": plain(card(name).licence)} for name in DATASETS]),
        hide_index=True,
        height="content",
        key="licences",
        alt="Licences of the datasets",
    )
    st.subheader("Versions", anchor=False)
    st.dataframe(
        versions(),
        hide_index=True,
        height="content",
        key="versions",
        width="content",
        alt="Versions of ich-bench and its libraries",
    )


def changes() -> None:
    """Show which submissions came, changed and went, newest first; or why that is not known."""
    st.subheader("Changes", anchor=False)
    st.caption("Why a row came, moved or vanished: the history of the folder of submissions.")
    log = log_of(str(claims_data.shelf()))
    if log.lacking:
        st.markdown(markdown_of(log.lacking))
        return
    find = pickers.words("Find a submission", key="change", placeholder="part of its id")
    table = changes_table(log, find)
    st.dataframe(
        table,
        hide_index=True,
        key="changes",
        alt=f"{len(table)} changes of submissions",
        height="content" if len(table) < 15 else "auto",
    )
    st.caption(f"{len(table)} of {len(log.changes)} changes.")
    frame.downloads("changes", table=table)


def changes_table(log: Log, find: str = "") -> pd.DataFrame:
    """Return a line a change, of the submissions whose id holds what is looked for."""
    marks = {"added": "+ added", "changed": "~ changed", "removed": "− removed"}
    kept = [change for change in log.changes if find.casefold() in change.slug.casefold()]
    return pd.DataFrame([_line(change, marks[change.what]) for change in kept], columns=list(_LINE))


_LINE = ("date", "submission", "what", "commit", "subject")


def _line(change: Change, what: str) -> dict[str, str]:
    values = (change.date, plain(change.slug), what, plain(change.commit), plain(change.subject))
    return dict(zip(_LINE, values, strict=True))


def left_out() -> None:
    """Show the files that stand on no board, each with what is wrong and how to mend it."""
    st.subheader("Files that were left out", anchor=False)
    found = data.problems()
    told = [(one.where, one.what, one.mend) for one in found]
    told += [(note, "", "") for note in _notes() if not any(one.where in note for one in found)]
    if not told:
        st.markdown("None: every submission and run that was named is used.")
        return
    st.warning(
        f"{len(told)} file{'s' * (len(told) != 1)} cannot be used; the boards go without "
        f"{'them' if len(told) != 1 else 'it'}.",
        icon=":material/report:",
    )
    lines = [[markdown_of(part) for part in one] for one in told]
    st.table(
        pd.DataFrame(lines, columns=["file", "what is wrong", "how to mend it"]),
        hide_index=True,
        alt=f"{len(told)} files that were left out",
    )


def _notes() -> Iterator[str]:
    yield from data.sources().notes
