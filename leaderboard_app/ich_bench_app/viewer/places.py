"""Where on this machine do a case's images and a method's masks lie? Names from an address are only ever looked up."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from ich_bench.cases import Case, Dataset
from ich_bench.datasets import card, load_dataset
from ich_bench.errors import IchBenchError
from ich_bench.phantom import library
from ich_bench.phantom.plan import RECIPES, planned
from ich_bench.submissions.model import Submission
from ich_bench_app.started import started

_LOG = logging.getLogger(__name__)
_KEPT_S = 600  # a data set that was put there is seen that soon


@dataclass(frozen=True, kw_only=True)
class Absent:
    """Why there is nothing to show, in words without any path, and the command that mends it ("" where none does)."""

    words: str
    command: str = ""


def images_of(dataset: str, case_id: str) -> Case | Absent:
    """Return where CT and reference of a case lie; a drawn head is drawn now (seconds) where it is not there yet."""
    folder = _under_root(dataset)
    if folder is None and dataset in RECIPES:
        return _drawn(dataset, case_id)
    try:
        found = _dataset(dataset, None if folder is None else str(folder))
    except IchBenchError as fault:
        _LOG.info("no images of %s: %s", dataset, fault)
        return not_here(dataset)
    cases = {case.case_id: case for case in found.cases}
    case = cases.get(case_id)
    if case is None or case.ct is None:
        return Absent(
            words=f"The images of {dataset} are on this machine, but this case is not among them.",
            command=f"ich-bench prepare {dataset} --source FOLDER",
        )
    return case


def here(dataset: str) -> bool:
    """Return whether the images of a dataset lie on this machine, or can be drawn."""
    folder = _under_root(dataset)
    if folder is None and dataset in RECIPES:
        return True
    try:
        return bool(_dataset(dataset, None if folder is None else str(folder)).cases)
    except IchBenchError:
        return False


def not_here(dataset: str) -> Absent:
    """Return that a dataset's images are not on this machine, and how they get there."""
    return Absent(
        words=f"The images of {dataset} are not on the machine that runs this page, so only numbers are shown. "
        f"How to get them: {card(dataset).access} Then start the app with a folder that holds them:",
        command=f"ich-bench datasets {dataset}\nich-bench app --data-root FOLDER  # images in FOLDER/{dataset}",
    )


def mask_folders(submission: Submission, dataset: str) -> tuple[Path, ...]:
    """Return where the masks of a row may lie: the run's own folder, then the one of its name in --predictions-root."""
    found = []
    if not submission.submitted and (submission.folder / "predictions" / dataset).is_dir():
        found.append(submission.folder)
    root = started().predictions_root
    if root is not None:
        try:
            named = {one.name: one for one in Path(root).expanduser().iterdir() if one.is_dir()}
        except OSError as fault:
            _LOG.warning("--predictions-root cannot be read: %s", fault)
            named = {}
        if submission.slug in named:
            found.append(named[submission.slug])
    return tuple(found)


def _under_root(dataset: str) -> Path | None:
    root = started().data_root
    folder = None if root is None else Path(root).expanduser() / card(dataset).id  # UsageError for what is no dataset
    return folder if folder is not None and folder.is_dir() else None


def _drawn(dataset: str, case_id: str) -> Case | Absent:
    head = next((one for one in planned(dataset) if one.case_id == case_id), None)
    if head is None:
        return Absent(words=f"{dataset} has no such head.")
    folder = library.default_folder(dataset)
    if library.missing([head], folder):
        try:
            with st.spinner("drawing this head for the first time, some seconds …"):
                library.make_heads(dataset, [head], folder)
        except IchBenchError as fault:
            _LOG.warning("%s could not be drawn: %s", case_id, fault)
            return Absent(words="This head could not be drawn here.", command=f"ich-bench phantom make {dataset}")
    name = f"{case_id}.nii.gz"
    return Case(case_id=case_id, patient_id=case_id, ct=folder / "ct" / name, reference=folder / "masks" / name)


@st.cache_resource(ttl=_KEPT_S, max_entries=8, show_spinner=False)
def _dataset(dataset: str, folder: str | None) -> Dataset:
    return load_dataset(dataset, folder)
