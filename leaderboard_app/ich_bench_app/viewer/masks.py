"""Which mask of a method belongs to a case, and is it the one that was scored?"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ich_bench.board.model import Board, Row
from ich_bench.cases import Dataset
from ich_bench.errors import IchBenchError, VolumeError
from ich_bench.folds import load_scheme
from ich_bench.predictions.submission import read_submission
from ich_bench.report.masks import (
    MaskAbsentError,
    MaskUnreadableError,
    OtherMaskError,
    Scored,
    check_reference,
    mask_in,
    masks_of,
    scores_alike,
)
from ich_bench.runs.store import provenance
from ich_bench.submissions.model import ScoreFile
from ich_bench_app.viewer.heads import Head, Marked, marked, shelf
from ich_bench_app.viewer.places import mask_folders

_LOG = logging.getLogger(__name__)
_ASKED_AGAIN_S = 30  # a mask that was not there is looked for again after that


@dataclass(frozen=True, kw_only=True)
class Run:
    """One prediction of a case: one training run, one fold; `row` is its line of the score file."""

    name: str
    row: Mapping[str, Any]
    labels: frozenset[float] | None
    file: ScoreFile

    @property
    def missing(self) -> bool:
        """Return whether no mask was handed in."""
        return bool(self.row["status"] == "missing")


class NotShownError(Exception):
    """Why a mask is not shown, in words without any path."""


def file_of(board: Board, row: Row) -> ScoreFile | None:
    """Return the score file behind a row of a board."""
    held = row.submission.scores if row.submission is not None else ()
    wanted = (board.dataset, board.scheme, board.profile)
    return next((one for one in held if (one.dataset, one.scheme, one.profile) == wanted), None)


def runs_of(board: Board, row: Row, case_id: str) -> tuple[Run, ...]:
    """Return the predictions of a case that went into a row, by training run and fold; none where it has none."""
    file = file_of(board, row)
    if file is None:
        return ()
    rows, labels = _rows(file.sha256, str(file.path), case_id, file)
    seeds, folds = ({one[name] for one in rows} for name in ("seed", "fold"))
    found = []
    for one in rows:
        parts = [f"seed {one['seed']}"] * (len(seeds) > 1) + [f"fold {one['fold']}"] * (len(folds) > 1)
        found.append(Run(name=", ".join(parts) or "only run", row=one, labels=labels, file=file))
    return tuple(found)


def mask_of(board: Board, row: Row, run: Run, head: Head) -> Marked:
    """Return the mask of a run on a head, the very one that was scored. NotShownError says why there is none."""
    key = ("mask", board.dataset, board.scheme, row.slug, run.name, run.file.sha256, head.case_id)
    why = _refused(key, int(time.monotonic() // _ASKED_AGAIN_S), str(head.ct.shape), board, row, run, head)
    if why:
        raise NotShownError(why)
    return shelf().get(key, lambda: _read(board, row, run, head))


@st.cache_data(max_entries=512, show_spinner=False)
def _refused(key: tuple[Any, ...], moment: int, shape: str, _board: Board, _row: Row, _run: Run, _head: Head) -> str:
    try:
        shelf().get(key, lambda: _read(_board, _row, _run, _head))
    except NotShownError as fault:
        return str(fault)
    return ""


def _read(board: Board, row: Row, run: Run, head: Head) -> Marked:
    if run.missing:
        raise NotShownError("No mask was handed in for this case: it counts as missed.")
    folders = mask_folders(row.submission, board.dataset) if row.submission is not None else ()
    if not folders:
        raise NotShownError(
            "The masks of this method are not on the machine that runs this page. Start the app with "
            "`--predictions-root FOLDER`; the masks lie in a folder of the method's name there."
        )
    reference = np.stack([head.reference.plane(k) for k in range(head.slices)], axis=2)
    why = ""
    for folder in folders:
        scored = Scored(
            name=row.slug, folder=folder, rows={head.case_id: run.row}, labels=run.labels, profile=run.file.profile
        )
        try:
            check_reference(scored, head.case_id, reference)
            return marked(head, _voxels(scored, board, head, reference))
        except MaskAbsentError:
            why = why or "The folder of this method's masks holds none of this case under the case's name."
        except MaskUnreadableError as fault:
            _LOG.warning("%s", fault)
            why = "The mask of this case cannot be read: its file is damaged or no mask. The server's log says more."
        except OtherMaskError as fault:
            _LOG.warning("%s", fault)
            why = "The mask that lies here is not the one that was scored (its SHA-256 differs), so it is not shown."
        except VolumeError:
            why = "The mask that lies here has another shape than the CT, so it is not shown."
        except IchBenchError as fault:  # another version of the dataset
            _LOG.warning("%s", fault)
            why = "The reference on this machine is not the one that this method was scored on, so nothing is compared."
    raise NotShownError(why)


def _voxels(scored: Scored, board: Board, head: Head, reference: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask that was scored: by its hash, or by its scores where the score file withholds the hash."""
    scheme = load_scheme(board.dataset, board.scheme)
    if scored.rows[head.case_id]["prediction_sha256"] is not None:
        dataset = Dataset(id=board.dataset, source=Path(), cases=())
        return masks_of(scored, dataset, scheme, [head.case_id], None)[head.case_id]
    held = read_submission(scored.folder, dataset=board.dataset, scheme=scheme)
    path, voxels = mask_in(held, scored, head.case_id)
    if voxels.shape != reference.shape:
        raise VolumeError("has another shape than the CT.")
    if not scores_alike(scored, head.case_id, reference, voxels, head.geometry):
        raise OtherMaskError(f"{path} does not score what the score file of {scored.name} says")
    return voxels


@st.cache_data(max_entries=512, show_spinner=False)
def _rows(
    sha256: str, path: str, case_id: str, _file: ScoreFile
) -> tuple[list[dict[str, Any]], frozenset[float] | None]:
    """Return the lines of a score file about a case, trained on all the data, by seed and fold."""
    table = _file.table()
    rows = [one for one in table.to_pylist() if one["case_id"] == case_id and one["budget"] is None]
    rows.sort(key=lambda one: (one["seed"] if one["seed"] is not None else -1, one["fold"]))
    return rows, frozenset(provenance(table).get("labels") or ()) or None
