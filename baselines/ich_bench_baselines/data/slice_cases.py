"""How do the cases of a benchmark dataset become slices: image, mask, cavity and labels of each?"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ich_bench.cases import SUBTYPES, Case, Dataset
from ich_bench.datasets import load_dataset, reader
from ich_bench.errors import IchBenchError, InputError, Problem, VolumeError
from ich_bench.metrics.volumes import volume_ml
from ich_bench.places import write_json
from ich_bench.runs.store import file_sha256
from ich_bench.volume import open_mask, read_ct, read_geometry
from ich_bench_baselines.data.orient import orientation_of, spacing_in_slices
from ich_bench_baselines.data.pixels import BRAIN, SIDE, Mask, Window, images_of, masks_of
from ich_bench_baselines.data.slice_build import Chunk, Made, Plan, Progress, build
from ich_bench_baselines.data.slices import KINDS, LABELS, SliceSet, key_of, shelf

Labels = Mapping[int, Mapping[str, bool]]  # index in the file → any and subtypes


def slices_of(
    dataset_id: str,
    *,
    window: Window = BRAIN,
    side: int = SIDE,
    source: str | Path | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> SliceSet:
    """Return the slices of a benchmark dataset, made on first use; arguments as in `plan` and `slice_build.build`."""
    return build(
        plan(load_dataset(dataset_id, source), window=window, side=side), jobs=jobs, progress=progress, tell=tell
    )


def plan(dataset: Dataset, *, window: Window = BRAIN, side: int = SIDE) -> Plan:
    """Return what the cache of a dataset will hold; its key is that of the bytes of all its files.

    Labels of a slice: the dataset's own where it has them (hssayeni: `hemorrhage_diagnosis_raw_ct.csv`, any = one of
    the five subtypes; drawn datasets: `slices.csv`), else null. The cavity: as drawn, or Seg-CQ500's `brain.nii.gz`,
    which is a network's work and not a reader's.

    Args:
        dataset: As found by `load_dataset`.
        window: What of the Hounsfield scale is kept.
        side: Pixels a side.
    """
    labels, notes = _labels(dataset)
    paths = {case.case_id: (case.ct, case.reference, cavity_file(dataset, case)) for case in dataset.cases}
    hashes = _hashes(dataset.id, [path for three in paths.values() for path in three if path is not None])
    cases = [
        [
            case.case_id,
            case.patient_id,
            *(hashes.get(path) for path in paths[case.case_id]),
            sorted((k, sorted(flags.items())) for k, flags in labels.get(case.case_id, {}).items()),
        ]
        for case in dataset.cases
    ]
    known = [paths[case.case_id][2] is not None for case in dataset.cases]
    return Plan(
        dataset=dataset.id,
        key=key_of({"dataset": dataset.id, "window": window.ends_hu, "side": side, "cases": cases}),
        window=window,
        side=side,
        kinds=KINDS if any(known) else KINDS[:2],
        chunks=tuple(
            Chunk(
                name=case.case_id,
                make=made,
                given=(case, paths[case.case_id][2], labels.get(case.case_id), any(known), window, side),
            )
            for case in dataset.cases
        ),
        count=partial(_count, dataset),
        notes=(*(str(note) for note in dataset.notes), *dataset.warnings, *notes),
        finish=_label_notes,
    )


def made(
    case: Case, cavity_file: Path | None, labels: Labels | None, with_cavity: bool, window: Window, side: int
) -> Made:
    """Return the slices of one case from foot to head; VolumeError where a file cannot be read."""
    if case.ct is None:
        raise VolumeError("has no CT.", "Only a dataset with CTs can be trained or predicted on.")
    ct = read_ct(case.ct)
    grid, way = ct.geometry, orientation_of(ct.geometry)
    reference = mask_of(case.reference, grid.shape, "mask")
    cavity = mask_of(cavity_file, grid.shape, "cavity")
    volumes = {"masks": reference, "cavity": cavity} if with_cavity else {"masks": reference}
    rows, columns, count = way.shape(grid.shape)
    through = way.axes[2]
    flat = tuple(axis for axis in range(3) if axis != through)
    voxels, inside = np.count_nonzero(reference, axis=flat), np.asarray(cavity.any(axis=flat))
    spacing = dict(zip(("row", "column", "slice"), spacing_in_slices(grid), strict=True))
    lines = []
    for place in range(count):
        k = way.native_slice(place, count)
        own = (labels or {}).get(k, {})
        lines.append(
            {
                "slice_id": f"{case.case_id}/{k}",
                "case_id": case.case_id,
                "patient_id": case.patient_id,
                "k": k,
                "place": place,
                "has_ich": bool(voxels[k]),
                "ich_ml": volume_ml(int(voxels[k]), grid.voxel_volume_mm3),
                **{name: own.get(name) for name in LABELS},
                "in_cavity": None if cavity_file is None else bool(inside[k]),
                "rows": rows,
                "columns": columns,
                **{f"spacing_{name}_mm": mm for name, mm in spacing.items()},
                "position_mm": place * spacing["slice"],
            }
        )
    arrays = {"images": np.stack(list(images_of(ct, window, side)))}
    arrays |= {kind: np.stack(list(masks_of(volume, grid, side))) for kind, volume in volumes.items()}
    return Made(arrays=arrays, rows=lines)


def mask_of(path: Path | None, shape: tuple[int, int, int], what: str) -> Mask:
    """Return the mask in a file, none where there is no file; VolumeError names `what` it should be."""
    if path is None:
        return np.zeros(shape, np.bool_)
    try:
        return open_mask(path, trusted=True).voxels(expected_shape=shape)
    except VolumeError as fault:
        raise VolumeError(f"its {what} ({path.name}): {fault.what}", fault.mend) from fault


def _count(dataset: Dataset) -> int:
    """Return how many slices there are, from headers alone; all that cannot be read are told at once."""
    total, faults = 0, []
    for case in dataset.cases:
        try:
            if case.ct is None:
                raise VolumeError("has no CT.")
            grid = read_geometry(case.ct, trusted=True)
            total += orientation_of(grid).shape(grid.shape)[2]
        except VolumeError as fault:
            faults.append(fault.at(case.case_id))
    if faults:
        raise InputError(f"{len(faults)} of {len(dataset.cases)} cases of {dataset.id} cannot be read:", faults)
    return total


def cavity_file(dataset: Dataset, case: Case) -> Path | None:
    """Return the file of a case's intracranial cavity, None where the dataset has none."""
    drawn = dataset.source / "cavity" / f"{case.case_id}.nii.gz"
    beside = [case.ct.parent / "brain.nii.gz"] if case.ct is not None and dataset.id == "seg-cq500" else []
    return next((path for path in (drawn, *beside) if path.is_file()), None)


def _labels(dataset: Dataset) -> tuple[dict[str, Labels], tuple[str, ...]]:
    """Return the dataset's own labels of its slices by case and index in the file, and what was odd."""
    table = dataset.source / "slices.csv"
    own = getattr(reader(dataset.id), "slice_labels", None)
    try:
        if own is not None:
            found = own(dataset.source)
            return {
                case_id: {k: {"any": any(flags.values()), **flags} for k, flags in slices.items()}
                for case_id, slices in found.items()
            }, ()
        if table.is_file():
            drawn: dict[str, dict[int, dict[str, bool]]] = {}
            with table.open(newline="", encoding="utf-8") as lines:
                for row in csv.DictReader(lines):
                    flags = {name: row[name] == "1" for name in ("any", *SUBTYPES)}
                    drawn.setdefault(row["case_id"], {})[int(row["slice"])] = flags
            return {**drawn}, ()
    except (IchBenchError, OSError, ValueError, KeyError) as fault:
        return {}, (f"the slices' own labels cannot be read ({fault}); those of the masks are used.",)
    return {}, ()


def _label_notes(rows: list[dict[str, Any]]) -> tuple[str, ...]:
    unlike = sum(row["any"] is not None and row["any"] != row["has_ich"] for row in rows)
    if not unlike:
        return ()
    return (f"the dataset's own label of a slice and its mask differ in {unlike} of {len(rows)} slices.",)


def _hashes(dataset_id: str, paths: list[Path]) -> dict[Path | None, str]:
    """Return the SHA-256 of each file (of a folder: of its files).

    Kept beside the caches with size and time of each file: one that has neither changed is not read again.
    """
    memory = shelf() / f"hashes-{dataset_id}.json"
    try:
        kept = json.loads(memory.read_text("utf-8"))
    except (OSError, ValueError):
        kept = {}
    known = dict(kept) if isinstance(kept, dict) else {}
    found: dict[Path | None, str] = {}
    faults = []
    for path in paths:
        try:
            files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
            stamp = [[one.stat().st_size, one.stat().st_mtime_ns] for one in files]
        except OSError as fault:
            faults.append(Problem(where=path.name, what=f"cannot be read: {fault.strerror or fault}."))
            continue
        there = known.get(str(path.resolve()))
        if isinstance(there, list) and len(there) == 2 and there[0] == stamp:
            found[path] = str(there[1])
            continue
        parts = [file_sha256(one) for one in files]
        if not all(parts):
            faults.append(Problem(where=path.name, what="cannot be read.", mend="Is the download complete?"))
            continue
        found[path] = parts[0] if files == [path] else hashlib.sha256("\n".join(parts).encode()).hexdigest()
        known[str(path.resolve())] = [stamp, found[path]]
    if faults:
        raise InputError(f"{len(faults)} files of {dataset_id} cannot be read:", faults)
    if known != kept or not memory.is_file():
        write_json(memory, known)
    return found
