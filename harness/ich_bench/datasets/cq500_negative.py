"""CQ500-negative: the 245 CQ500 scans that all three readers call free of hemorrhage."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ich_bench.cases import SUBTYPES, Card, Case
from ich_bench.datasets import _cq500
from ich_bench.datasets.found import ExpectedCase, Found, around, entries, is_nifti, natural, nifti_files
from ich_bench.errors import Problem
from ich_bench.folds import load_scheme

CARD = Card(
    id="cq500-negative",
    title="CQ500-negative: head CTs that three radiologists call free of hemorrhage",
    cases=245,
    with_ich=0,
    official_scheme="external",
    schemes=("external",),
    licence="CC BY-NC-SA 4.0",
    access="Open, after a form: http://headctstudy.qure.ai/dataset (or Academic Torrents, `CQ500`). One zip a scan, "
    "491 scans, "
    "some 28 GB in all; only the 245 listed by `ich-bench folds cq500-negative` are needed. Hours of downloading.",
    citation="Chilamkurthy S, et al. Deep learning algorithms for detection of critical findings in head CT scans: a "
    "retrospective study. Lancet 2018;392:2388-96. doi:10.1016/S0140-6736(18)31645-3",
    url="http://headctstudy.qure.ai/dataset",
    layout="CQ500CT<N> CQ500CT<N>/Unknown Study/<series>/*.dcm as in the zips, or converted CQ500-CT-<N>.nii(.gz), or "
    "CQ500-CT-<N>/CT.nii(.gz); reads.csv beside them if you have it",
    trainable=False,
    caveats=(
        "The healthy cohort, for the clean rate only; never in training.",
        "The list is made from CQ500's reads.csv, as published with the dataset: none of its three readers marks ICH.",
        "245 = 491 - 168 that all three readers call hemorrhage - 78 on which they differ. Free of hemorrhage is not "
        "healthy: fractures, old strokes and mass effect are among them. None is a case of seg-cq500.",
        "There are no mask files: the reference is the empty mask on the CT's grid.",
        "Of the series of a DICOM scan the thinnest that is neither a bone kernel nor with contrast is taken (smallest "
        "SliceThickness of its first file; then most slices; then first by name).",
        "No patient ids: `prepare` looks for near-duplicate heads.",
    ),
)

_UNWANTED = re.compile(r"bone|contrast|post|angio|cta|scout|topo|local", re.IGNORECASE)


def expected_cases() -> dict[str, ExpectedCase]:
    """Return what is known of each case without the data: none holds hemorrhage."""
    return {row.case_id: ExpectedCase(has_ich=False) for row in load_scheme("cq500-negative").rows}


def find(source: Path) -> Found:
    """Return the scans of the 245 under the folder, each with the CT to use; every reference is None (empty)."""
    notes: list[Problem] = []
    listed = {row.case_id for row in load_scheme("cq500-negative").rows}
    places: dict[str, Path] = {}
    for folders in (list(around(source, up=0)), list(around(source, up=2, down=0))[1:]):
        for folder in folders:
            for path in entries(folder):
                name = _cq500.case_id(path.name)
                if name in listed and (path.is_dir() or is_nifti(path)):
                    places.setdefault(name, path)
        if places:
            break
    cases: dict[str, Case] = {}
    for name in sorted(places, key=natural):
        ct = places[name] if places[name].is_file() else best_series(places[name])
        if ct is None:
            notes.append(
                Problem(
                    where=name,
                    what="holds neither DICOM slices nor a NIfTI file of a plain CT.",
                    mend="Unpack its zip again.",
                )
            )
            continue
        none: Mapping[str, bool] = dict.fromkeys(SUBTYPES, False)
        cases[name] = Case(case_id=name, patient_id=name, ct=ct, reference=None, subtypes=none)
    _compare_with_reads(source, listed, notes)
    return Found(cases=cases, notes=tuple(notes))


def best_series(folder: Path) -> Path | None:
    """Return the CT of one scan's folder: its NIfTI file, else the thinnest plain, non-bone DICOM series; or None.

    Series are told apart by folder, as in the download. Folders named for bone or contrast are used only where there is
    no other, and among the rest the smallest SliceThickness wins, then most slices, then the name.
    """
    files = nifti_files(folder)
    for name in sorted(files, key=lambda name: (bool(_UNWANTED.search(name)), name.casefold() != "ct", natural(name))):
        return files[name][0]
    candidates = []
    for path in sorted([folder, *(path for path in folder.rglob("*") if path.is_dir())]):
        slices = [path for path in entries(path) if path.is_file() and path.suffix.casefold() in {".dcm", ""}]
        if slices:
            unwanted = bool(_UNWANTED.search(str(path.relative_to(folder))))
            candidates.append((unwanted, _thickness_mm(slices[0]), -len(slices), natural(path.name), path))
    return min(candidates)[-1] if candidates else None


def _thickness_mm(path: Path) -> float:
    import pydicom

    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SliceThickness"], force=True)
        return float(header.SliceThickness)
    except (AttributeError, TypeError, ValueError, OSError, pydicom.errors.InvalidDicomError):
        return float("inf")


def _compare_with_reads(source: Path, listed: set[str], notes: list[Problem]) -> None:
    path = _cq500.find_reads(source)
    reads = _cq500.read_reads(path, notes) if path else {}
    if differ := {name for name, read in reads.items() if (read.ich == 0) != (name in listed)}:
        notes.append(
            Problem(
                where="reads.csv",
                what=f"and the frozen list of {len(listed)} scans free of hemorrhage differ on "
                f"{', '.join(sorted(differ, key=natural)[:8])}{' …' if len(differ) > 8 else ''}.",
                mend="The frozen list holds. Is the table complete and unchanged?",
            )
        )
