"""One prediction against one reference: read, hashed, looked up, decoded from the hashed bytes, scored."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ich_bench
from ich_bench.cases import SUBTYPES, Case
from ich_bench.errors import Problem, VolumeError
from ich_bench.geometry import Geometry, differences
from ich_bench.metrics.packed import Packed
from ich_bench.metrics.profiles import find_profile
from ich_bench.metrics.scoring import Row, score, score_missing, score_sides, worst
from ich_bench.metrics.side import Side
from ich_bench.metrics.suite import SUITE
from ich_bench.predictions.checks import reference_option, unlike_its_ct
from ich_bench.predictions.submission import Prediction
from ich_bench.runs import kept_references
from ich_bench.runs.journal import Journal, key_of
from ich_bench.volume import MaskFile, open_mask, read_geometry

FAST = "fast 1, surfaces as defined by surface-distance"
LIBRARIES = ("nibabel", "numpy", "pyarrow", "scipy", "SimpleITK", "surface-distance")


@dataclass(frozen=True, kw_only=True)
class How:
    """How every case of a run is scored: all that a row depends on besides the files."""

    profile: str = "native"
    legacy_dilation: bool = False
    labels: frozenset[float] | None = None
    reference_labels: frozenset[float] | None = None
    leaves_out: frozenset[str] = frozenset()
    engine: str = "fast"


@dataclass(frozen=True, kw_only=True)
class Task:
    """One row to be: a case, the fold and seed it was predicted in, and its mask (None: missing)."""

    case: Case
    fold: int
    budget: str | None
    seed: int | None
    prediction: Prediction | None
    how: How


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a task gave: the row's values with what the whole-submission checks need, or its problems."""

    key: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    reference_sha256: str = ""
    reused: bool = False
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Mask:
    """A mask as it is scored: packed with its hash, and as an array of voxels where that is how it is counted."""

    side: Side
    sha256: str
    bits: Packed | None = None

    @classmethod
    def of(cls, packed: Packed, how: How) -> _Mask:
        return cls(side=Side.of(packed), sha256=packed.sha256(), bits=None if _on_sides(how) else packed)

    @property
    def voxels(self) -> NDArray[np.bool_]:
        if self.bits is None:
            raise ValueError("only its sides were kept")
        return self.bits.mask()


def engine(name: str = "fast") -> str:
    """Return the name and version of what computes surface distances, under the engine of this name."""
    return FAST if name == "fast" else f"surface-distance {version('surface-distance')}"


@cache
def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that a score passes through."""
    return {name: version(name) for name in LIBRARIES}


def run_task(task: Task, journal: Journal) -> Outcome:
    """Return the row of one case, from the journal where the very same bytes were scored before."""
    problems: list[Problem] = []
    where = task.prediction.where if task.prediction else task.case.case_id
    reference = grid = truth = mask = predicted = None
    with _told(problems, f"reference of {task.case.case_id}"):
        reference, grid = _open_reference(task.case)
    with _told(problems, where):
        mask = open_mask(task.prediction.path) if task.prediction else None
    key = ""
    if grid is not None and not problems:
        key = _key(task, grid, reference.sha256 if reference else "", mask.sha256 if mask else "")
        known = journal.recall(key)
        if known is not None:
            return Outcome(key=key, values=known["values"], reference_sha256=known["reference_sha256"], reused=True)
    if grid is not None:
        if mask is not None:  # headers were sound when all were checked: is this still the same file?
            changed = differences(mask.geometry, grid, *((reference.geometry,) if reference else ()))
            problems += [Problem(where=where, what=what) for what in changed]
        with _told(problems, f"reference of {task.case.case_id}"):
            truth = _reference(task, reference, grid)
    if mask is not None:
        with _told(problems, where):
            predicted = _Mask.of(mask.packed(task.how.labels), task.how)
    if problems or grid is None or truth is None:
        return Outcome(problems=tuple(problems))
    values, sha256 = _values(task, grid, truth, predicted), truth.sha256
    journal.record(key, {"values": values, "reference_sha256": sha256})
    return Outcome(key=key, values=values, reference_sha256=sha256)


@contextmanager
def _told(problems: list[Problem], where: str) -> Iterator[None]:
    """Add a fault of this file to the problems, and go on: all of a case's faults are told at once."""
    try:
        yield
    except VolumeError as fault:
        problems.append(fault.at(where))


def task_key(task: Task) -> str:
    """Return the sha256 of everything a task's row depends on; the files are hashed, not decoded."""
    try:
        reference, grid = _open_reference(task.case)
        mask = open_mask(task.prediction.path) if task.prediction else None
    except VolumeError:
        return "unreadable"  # said in full when the task is run
    return _key(task, grid, reference.sha256 if reference else "", mask.sha256 if mask else "")


def load_pair(task: Task) -> tuple[NDArray[np.bool_], NDArray[np.bool_], tuple[float, float, float]]:
    """Return (reference, prediction, spacing_mm) of a task that has a prediction and was scored before."""
    if task.prediction is None:
        raise ValueError(f"{task.case.case_id} has no prediction")
    reference, grid = _open_reference(task.case)
    predicted = open_mask(task.prediction.path).voxels(task.how.labels)
    return _reference_bits(task, reference, grid).mask(), predicted, grid.spacing_mm


def _open_reference(case: Case) -> tuple[MaskFile | None, Geometry]:
    """Return the reference file (None: an empty reference) and the grid that counts: the CT's where there is one."""
    reference = open_mask(case.reference, trusted=True) if case.reference else None
    if case.ct is not None:
        return reference, read_geometry(case.ct, trusted=True)
    if reference is None:
        raise VolumeError("has neither a CT nor a mask.")
    return reference, reference.geometry


def _reference(task: Task, reference: MaskFile | None, grid: Geometry) -> _Mask:
    """Return the reference, from the cache where its very bytes were read before and nothing else is asked of them."""
    if reference is None or not _on_sides(task.how):
        return _Mask.of(_reference_bits(task, reference, grid), task.how)
    if reference.geometry.shape != grid.shape:
        raise unlike_its_ct(reference.geometry, grid)
    key = kept_references.key_of_reference(reference.sha256, task.how.reference_labels)
    kept = kept_references.recall(key)
    if kept is not None:
        return _Mask(side=kept[0], sha256=kept[1])
    mask = _Mask.of(_reference_bits(task, reference, grid), task.how)
    kept_references.keep(key, mask.side, mask.sha256)
    return mask


def _reference_bits(task: Task, reference: MaskFile | None, grid: Geometry) -> Packed:
    if reference is None:
        return Packed(shape=grid.shape, bits=np.zeros(-(-math.prod(grid.shape) // 8), dtype=np.uint8))
    if reference.geometry.shape != grid.shape:
        raise unlike_its_ct(reference.geometry, grid)
    return reference.packed(task.how.reference_labels, option=reference_option(task.case))


def _on_sides(how: How) -> bool:
    """Return whether masks are scored as packed sides: not by the plain engine, nor on a grid of the profile's own."""
    return how.engine == "fast" and find_profile(how.profile).as_it_lies


def _score(task: Task, grid: Geometry, reference: _Mask, prediction: _Mask | None) -> Row:
    how = task.how
    given: dict[str, Any] = {"voxel_volume_mm3": grid.voxel_volume_mm3, "profile": how.profile}
    if _on_sides(how):
        row = score_sides(
            reference.side, prediction.side if prediction else Side(grid.shape, None), grid.spacing_mm, **given
        )
        return row if prediction else worst(row, has_ich=reference.side.voxels > 0)
    if prediction is None:
        return score_missing(reference.voxels, grid.spacing_mm, **given)
    given |= {"legacy_dilation": how.legacy_dilation, "engine": how.engine}
    return score(reference.voxels, prediction.voxels, grid.spacing_mm, **given)


def _values(task: Task, grid: Geometry, reference: _Mask, prediction: _Mask | None) -> dict[str, Any]:
    how = task.how
    x_mm, y_mm, z_mm = grid.spacing_mm
    values: dict[str, Any] = {
        "fold": task.fold,
        "case_id": task.case.case_id,
        "patient_id": task.case.patient_id,
        "has_ich": reference.side.voxels > 0,
        **{name: (task.case.subtypes or {}).get(name) for name in SUBTYPES},
        "spacing_x_mm": x_mm,
        "spacing_y_mm": y_mm,
        "spacing_z_mm": z_mm,
        "shear_deg": grid.shear_deg,
    }
    scored = _score(task, grid, reference, prediction)
    status, sha256 = "missing", None
    if prediction is not None:
        status, sha256 = "scored" if prediction.side.voxels else "empty_prediction", prediction.sha256
    if task.case.case_id in how.leaves_out:  # the published protocol does not count this volume
        scored = {name: (float("nan") if isinstance(value, float) else value) for name, value in scored.items()}
    return {**values, **scored, "status": status, "prediction_sha256": sha256}


def _key(task: Task, grid: Geometry, reference_file: str, prediction_file: str) -> str:
    how = task.how
    return key_of(
        [
            f"ich-bench {ich_bench.__version__}",
            f"suite {SUITE}",
            engine(how.engine),
            library_versions(),
            how.profile,
            how.legacy_dilation,
            sorted(how.labels or ()),
            sorted(how.reference_labels or ()),
            task.case.case_id in how.leaves_out,
            task.case.case_id,
            task.case.patient_id,
            task.fold,
            sorted((task.case.subtypes or {}).items()),
            grid.shape,
            grid.affine,
            reference_file or "no reference mask",
            prediction_file or "missing",
        ]
    )
