"""A dataset becomes the prediction folders of its calibration rows, scored like anybody's."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from ich_bench.calibration.cavity import classical_cavity
from ich_bench.calibration.masks import ROWS, Head, Row
from ich_bench.cases import Case
from ich_bench.datasets import load_dataset
from ich_bench.errors import IchBenchError, InputError, Problem, UsageError, VolumeError, did_you_mean
from ich_bench.escape import printable
from ich_bench.geometry import Geometry
from ich_bench.runs.evaluation import Run, evaluate
from ich_bench.runs.pool import Progress
from ich_bench.volume import open_mask, read_ct, read_geometry, write_mask


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """One scored row; `same_as_reference` counts the heads with ICH on which its mask is the reference itself."""

    row: Row
    run: Run
    same_as_reference: int


@dataclass(frozen=True, kw_only=True)
class _Written:
    problem: Problem | None = None
    same: frozenset[str] = frozenset()
    without_cavity: str = ""


def calibrate(
    dataset: str,
    out: str | Path,
    *,
    data: str | Path | None = None,
    rows: Sequence[str] = tuple(ROWS),
    jobs: int = 1,
    progress: Progress | None = None,
) -> tuple[tuple[Calibrated, ...], tuple[str, ...]]:
    """Write the rows' masks of every case below `out`, score them, return them in the order asked, and any warnings.

    Each row is a submission folder `out/<row>/` with submission.toml, predictions/<dataset>/ and scores/, ready for
    `submit` and `leaderboard --with`; several datasets may share `out`. Nothing here is random.

    Args:
        dataset: a dataset id.
        out: where the folders of the rows go.
        data: the dataset's own download folder; else as `evaluate`.
        rows: names from `ROWS`.
        jobs: worker processes; 0 takes every core.
        progress: called with (done, total) after each case.

    Raises:
        UsageError: an unknown row or dataset.
        InputError: with every case that cannot be read, or lacks a CT that a row needs.
        IchBenchError: a row's folder in `out` holds something else, or memory ran out.
    """
    unknown = [name for name in rows if name not in ROWS]
    if unknown:
        raise UsageError(f"there is no calibration row {printable(unknown[0])!r}. {did_you_mean(unknown[0], ROWS)}")
    if not rows:
        raise UsageError(f"no calibration row is named. Known: {', '.join(ROWS)}.")
    found = load_dataset(dataset, data)
    chosen = [ROWS[name] for name in dict.fromkeys(rows)]
    folders = {row.name: Path(out) / row.name for row in chosen}
    _refuse_others(folders)
    for row in chosen:
        folders[row.name].mkdir(parents=True, exist_ok=True)
        (folders[row.name] / "submission.toml").write_text(manifest(row), "utf-8")  # first: it says whose folder it is
        (folders[row.name] / "predictions" / dataset).mkdir(parents=True, exist_ok=True)
    cavities = found.source / "cavity"
    work = (delayed(_write)(case, chosen, folders, dataset, cavities) for case in found.cases)
    written = []
    try:
        for one in Parallel(n_jobs=jobs or -1, return_as="generator_unordered")(work):
            written.append(one)
            if progress is not None:
                progress(len(written), len(found.cases))
    except TerminatedWorkerError as fault:
        raise IchBenchError(
            "a worker process was killed, most likely because memory ran out: a thin CT takes about 1.5 GB. "
            "Use fewer workers (--jobs 1) or a machine with more memory."
        ) from fault
    faults = sorted(one.problem for one in written if one.problem is not None)
    if faults:
        raise InputError(f"the calibration rows of {dataset} cannot be made", faults)
    same = {row.name: sum(row.name in one.same for one in written) for row in chosen}
    scored = [
        Calibrated(
            row=row,
            run=evaluate(dataset, folders[row.name], data=data, out=folders[row.name], jobs=jobs, overwrite=True),
            same_as_reference=same[row.name],
        )
        for row in chosen
    ]
    lost = sorted(one.without_cavity for one in written if one.without_cavity)
    warnings = [f"no cavity was found in {len(lost)} head(s): {', '.join(lost[:12])}"] if lost else []
    return tuple(scored), tuple(warnings)


def manifest(row: Row) -> str:
    """Return the submission.toml of a row: the same on every dataset."""
    seen = "yes" if row.kind == "ceiling" else "no"
    contamination = "Made from the reference itself." if row.kind == "ceiling" else ""
    lines = {
        "method": row.name,
        "team": "ich-bench",
        "licence": "Apache-2.0",
        "about": row.about,
        "kind": row.kind,
        "supervision": "none",
        "regime": "external",
        "checkpoint_selection": "last",
        "postprocessing_chosen_on": "none",
        "test_data_seen": seen,
        "contamination": contamination,
    }
    text = "".join(f'{key} = "{value}"\n' for key, value in lines.items() if value)
    return text + "labels_needed = []\ntraining_data = []\nexternal_data = []\n"


def _refuse_others(folders: dict[str, Path]) -> None:
    """Refuse to write over what is no calibration row."""
    for name, folder in folders.items():
        there = folder / "submission.toml"
        if not folder.exists() or not any(folder.iterdir()):
            continue
        try:
            kind = tomllib.loads(there.read_text("utf-8")).get("kind")
        except (OSError, ValueError):
            kind = None
        if kind != ROWS[name].kind:
            what = f"{printable(str(folder))} holds something else than the calibration row {name}."
            raise IchBenchError(f"{what} Write elsewhere with -o, or move it away.")


def _grid(case: Case) -> Geometry:
    if case.ct is None:
        raise VolumeError("there is neither a CT nor a reference mask.")
    return read_geometry(case.ct, trusted=True)


def _write(case: Case, rows: Sequence[Row], folders: dict[str, Path], dataset: str, cavities: Path) -> _Written:
    needs_ct = any(row.needs_ct for row in rows)
    where = printable(str(case.reference or case.ct or case.case_id))
    try:
        if case.ct is None and needs_ct:
            return _Written(
                problem=Problem(
                    where=case.case_id,
                    what="has no CT, which the rows all-brain and threshold need.",
                    mend="Fetch it, or name the other rows with --rows.",
                )
            )
        ct = read_ct(case.ct) if needs_ct and case.ct is not None else None
        file = None if case.reference is None else open_mask(case.reference, trusted=True)
        geometry = ct.geometry if ct is not None else file.geometry if file is not None else _grid(case)
        empty = np.zeros(geometry.shape, np.bool_)
        reference = empty if file is None else file.voxels(expected_shape=geometry.shape)
        cavity = None
        if ct is not None:
            drawn = cavities / f"{case.case_id}.nii.gz"
            there = drawn.is_file()
            where = printable(str(drawn)) if there else where
            cavity = open_mask(drawn).voxels(expected_shape=geometry.shape) if there else classical_cavity(ct)
        head = Head(reference=reference, ct=ct, cavity=cavity)
        same = []
        for row in rows:
            mask = row.mask(head)
            write_mask(folders[row.name] / "predictions" / dataset / f"{case.case_id}.nii.gz", mask, geometry)
            if reference.any() and np.array_equal(mask, reference):
                same.append(row.name)
    except VolumeError as fault:
        return _Written(problem=fault.at(where))
    lost = case.case_id if cavity is not None and not cavity.any() else ""
    return _Written(same=frozenset(same), without_cavity=lost)
