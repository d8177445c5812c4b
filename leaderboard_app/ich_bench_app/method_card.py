"""What does one submission say of itself: manifest in words, what to beware of, files, history, how to cite."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from ich_bench.board.model import Board, Row
from ich_bench.errors import IchBenchError
from ich_bench.submissions import history
from ich_bench.submissions.cite import Citation, cite
from ich_bench.submissions.model import Submission
from ich_bench.submissions.said import NOT_SAID, further, said
from ich_bench.submissions.terms import LEVELS
from ich_bench_app import data, frame
from ich_bench_app.text import markdown_of, plain, safe_url

_LINKS = {"paper": ":material/article:", "code": ":material/code:", "predictions_url": ":material/folder_zip:"}
_COST = ("hardware", "training_hours", "inference_seconds_per_volume")
_COST_LABELS = {
    "hardware": "Trained on",
    "training_hours": "Hours of training",
    "inference_seconds_per_volume": "Seconds a volume",
}


def heading(one: Submission) -> None:
    """Show name, team, version, what it is in its makers' words, and its links (https only)."""
    manifest = one.manifest
    st.header(markdown_of(manifest.method or one.slug), anchor=False)
    told = [markdown_of(manifest.team or f"team {NOT_SAID}")]
    told += [f"version {markdown_of(manifest.version)}"] if manifest.version else []
    told += ["submitted" if one.submitted else "**not submitted**: an output folder of `evaluate`"]
    told += [f"licence {markdown_of(manifest.licence)}"] if manifest.licence else []
    st.markdown(" · ".join(told))
    if manifest.about:
        st.markdown(markdown_of(manifest.about))
    links(one)


def links(one: Submission) -> None:
    """Show a button for each address that may be a link; the others stand in the manifest as text."""
    found = [(key, icon, url) for key, icon in _LINKS.items() if (url := safe_url(getattr(one.manifest, key)))]
    if found:
        with st.container(horizontal=True):
            for key, icon, url in found:
                st.link_button(key.removesuffix("_url"), url, icon=icon, type="tertiary", help=markdown_of(url))


def cost(one: Submission) -> None:
    """Show what training and use cost, "not said" where nobody knows."""
    told = {item.key: item for item in said(one)}
    st.subheader("Cost", anchor=False)
    with st.container(horizontal=True):
        for key in _COST:
            st.metric(_COST_LABELS[key], markdown_of(told[key].value), border=True, help=told[key].means)


def manifest(one: Submission) -> None:
    """Show every key of the manifest, those that are silent too, in groups."""
    st.subheader("What it says of itself", anchor=False)
    table = manifest_table(one)
    silent = int((table["says"] == NOT_SAID).sum())
    st.caption(f"{len(table) - silent} of {len(table)} keys are answered; a default is no answer.")
    for group, lines in table.groupby("about", sort=False):
        st.markdown(f"**{group}**")
        st.dataframe(
            lines.drop(columns="about"),
            hide_index=True,
            height="content",
            key=f"manifest-{group}",
            column_config={
                "key": st.column_config.TextColumn("key", width=200),
                "says": st.column_config.TextColumn("says", width="medium"),
                "means": st.column_config.TextColumn("which means", width="large"),
            },
            alt=f"The manifest: {group}",
        )
    own = further(one)
    st.markdown("**Hyper-parameters, and what else it wrote down**")
    if own:
        st.dataframe(
            pd.DataFrame([{"key": plain(key), "says": plain(value)} for key, value in own]),
            hide_index=True,
            key="further",
            alt="Further keys of the manifest",
        )
    else:
        st.caption("None: a submission holds results only. Its code and paper, where they are said, have them.")


def manifest_table(one: Submission) -> pd.DataFrame:
    """Return a line a key: its group, its name, what it says, what that means."""
    return pd.DataFrame(
        [
            {"about": item.group, "key": item.key, "says": plain(item.value), "means": plain(item.means)}
            for item in said(one)
        ]
    )


def beware(one: Submission, found: Sequence[tuple[Board, Row]]) -> None:
    """Show why it is not ranked on a board, warnings of board and score files, and what was done to the masks."""
    told = []
    for board, row in found:
        where = f"{board.dataset}, {board.scheme}"
        told += [f"not ranked on {where}: {row.reason}"] if row.reason else []
        told += [f"{where}: {warning}" for warning in (*row.chips, *row.warnings)]
    held = {(board.dataset, board.scheme) for board, _ in found}
    for file in one.scores:
        if (file.dataset, file.scheme) not in held:
            reasons = "; ".join((*one.why_unranked(file), *file.warnings))
            told.append(f"on no board: {file.dataset}, {file.scheme}, profile {file.profile}. {reasons}".strip())
    told += [f"contamination: {one.manifest.contamination}"] if one.manifest.contamination else []
    told += [f"post-processing: {one.manifest.postprocessing}"] if one.manifest.postprocessing else []
    told += [f"changed by ich-bench after the method wrote the masks: {step}" for step in one.manifest.processing]
    st.subheader("Departures and warnings", anchor=False)
    if told:
        st.markdown("\n".join(f"- {markdown_of(text)}" for text in dict.fromkeys(told)))
    else:
        st.caption("None that the manifest or the score files name.")


def files(one: Submission) -> None:
    """Show every score file with its verification level and its hashes."""
    st.subheader("Score files and hashes", anchor=False)
    table = files_table(one)
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        key="files",
        placeholder="",
        alt=f"{len(table)} score files with their hashes",
    )
    frame.downloads("hashes", table=table)
    for level in dict.fromkeys(file.level for file in one.scores):
        st.caption(f"**{markdown_of(level)}**: {markdown_of(LEVELS.get(level, ''))}")


def files_table(one: Submission) -> pd.DataFrame:
    """Return a line a score file: what it is about, how far it is verified, and its hashes in full."""
    return pd.DataFrame(
        [
            {
                "dataset": plain(file.dataset),
                "folds": plain(file.scheme),
                "profile": plain(file.profile),
                "level": plain(file.level),
                "status": plain(file.status),
                "cases": file.cases,
                "seeds": ", ".join(map(str, file.seeds)) or "one run",
                "budgets": plain(", ".join(file.budgets)) or "all labels",
                "suite": file.suite,
                "harness": plain(file.harness),
                "published": file.published,
                "score file SHA-256": plain(file.sha256),
                "full local file SHA-256": plain(file.local_sha256),
                "masks SHA-256": plain(file.masks_sha256),
                "folds SHA-256": plain(file.fold_sha256),
                "references SHA-256": plain(file.dataset_sha256),
            }
            for file in one.scores
        ]
    )


def versions(one: Submission, known: Sequence[Submission]) -> None:
    """Show older and newer versions, and when the folder of this submission changed, where git knows."""
    st.subheader("History", anchor=False)
    older, newer = history.earlier(one, known), history.later(one, known)
    same = [
        other.slug
        for other in known
        if other is not one
        and (other.manifest.team, other.manifest.method_id) == (one.manifest.team, one.manifest.method_id)
        and other.slug not in (*older, *newer)
    ]
    for label, slugs in (("Replaces", older), ("Replaced by", newer), ("Same team and method", same[:20])):
        if slugs:
            st.markdown(f"{label}: {', '.join(markdown_of(slug) for slug in slugs)}")
    if not (older or newer or same):
        st.markdown("The only version.")
    if not one.submitted:
        st.caption("Not submitted, so no history is kept.")
        return
    log = log_of(str(one.folder.parent))
    lines = log.of(one.slug)
    if lines:
        table = pd.DataFrame(
            [
                {"date": line.date, "what": line.what, "commit": plain(line.commit), "subject": plain(line.subject)}
                for line in lines
            ]
        )
        st.dataframe(table, hide_index=True, key="history", alt=f"{len(table)} changes of this submission")
    else:
        st.caption(log.lacking or "git knows no commit of this submission: it may not be committed yet.")


@st.cache_data(show_spinner=False, ttl=300)
def log_of(folder: str) -> history.Log:
    """Return what git knows of a folder of submissions; asked again after five minutes."""
    return history.changes(folder)


def citation(one: Submission) -> None:
    """Show a paragraph for a methods section and BibTeX of everything the result rests on."""
    st.subheader("Cite", anchor=False)
    try:
        found = _cited(data.stamp(), one.slug, str(one.folder), one)
    except IchBenchError as fault:
        st.caption(f"No citation can be written: {markdown_of(str(fault))}")
        return
    for number, text in enumerate(found.paragraphs):
        st.code(plain(text), language=None, wrap_lines=True)
        if number == 3 and len(found.paragraphs) > 4:
            st.caption(f"… and {len(found.paragraphs) - 4} more: `ich-bench cite`.")
            break
    with st.expander(f"BibTeX ({len(found.keys)} entries)"):
        st.code(found.bibtex, language="latex")
    st.download_button(
        "BibTeX",
        found.bibtex,
        file_name="references.bib",
        mime="text/x-bibtex",
        key="bibtex",
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
    )


@st.cache_resource(show_spinner=False, max_entries=200)
def _cited(stamp: str, slug: str, folder: str, _one: Submission) -> Citation:
    return cite(_one)
