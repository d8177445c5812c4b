"""Seg-CQ500: 51 CQ500 scans with hemorrhage, outlined at Karolinska (Spahr 2023)."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from ich_bench.cases import Card, Case
from ich_bench.datasets import _cq500
from ich_bench.datasets.found import Expected, ExpectedCase, Found, around, entries, first, nifti
from ich_bench.errors import Problem

CARD = Card(
    id="seg-cq500",
    title="Seg-CQ500: thin-slice head CTs with hemorrhage, outlined by radiologists",
    cases=51,
    with_ich=51,
    official_scheme="cv5",
    schemes=("cv5", "cv5-r1", "cv5-r2", "cv5-r3", "cv5-r4"),
    licence="CC BY 4.0 on Zenodo; the CTs within are CQ500's, CC BY-NC-SA 4.0: treat it all as CC BY-NC-SA, do not "
    "pass it on",
    access="Open. Download Seg-CQ500.zip (2.5 GB) from https://zenodo.org/records/8063221 and unpack it: minutes. "
    "For subtypes put CQ500's own reads.csv (http://headctstudy.qure.ai/dataset) into or above the folder.",
    citation="Spahr A, Ståhle J, Wang C, Kaijser M. Label-efficient deep semantic segmentation of intracranial "
    "hemorrhages in "
    "CT-scans. Frontiers in Neuroimaging 2023;2. doi:10.3389/fnimg.2023.1157565. "
    "CQ500: Chilamkurthy S, et al. Lancet 2018;392:2388-96. doi:10.1016/S0140-6736(18)31645-3",
    url="https://zenodo.org/records/8063221",
    layout="Seg-CQ500/data/volumes/CQ500-CT-<N>/{CT.nii, ICH_mask.nii.gz, brain.nii.gz}",
    caveats=(
        "32 of the 51 CTs are sheared by gantry tilt (up to 24°): volumes are taken from |det(affine)|, and ITK "
        "refuses "
        "the files; ich-bench reads them with nibabel.",
        "In 8 cases the CT's and the mask's affine differ: scoring is in index space, spacing is the CT's.",
        "CQ500-CT-108 alone holds 451 mL, 24 % of all reference volume, at 24° tilt: results carry a line without it.",
        "The paper counts 41 thin and 10 thick scans; the headers say 42 under 1 mm and 9 of 3 mm and more.",
        "info.csv holds an algorithm's probabilities, not readings: it is never used. Subtypes come from reads.csv, at "
        "least two of three readers; without it they are blank.",
        "brain.nii.gz is the authors' predicted cavity, not a manual outline.",
    ),
)

EXPECTED = Expected(shape_xy=(512, 512), slices_total=11175, masks_off_grid=8)


def expected_cases() -> dict[str, ExpectedCase]:
    """Return the published geometry and lesion volume of each case (public audit reports of the same files)."""
    with Path(__file__).with_name("seg_cq500_expected.csv").open(newline="") as table:
        return {row["case_id"]: _expected_case(row) for row in csv.DictReader(table)}


def find(source: Path) -> Found:
    """Return the cases under the folder that holds `CQ500-CT-<N>/` folders; a case needs both CT and mask."""
    notes: list[Problem] = []
    for folder in around(source, down=3):
        folders = {name: path for path in entries(folder) if path.is_dir() and (name := _cq500.case_id(path.name))}
        cases = {name: path for name, path in folders.items() if nifti(path, "ICH_mask") or nifti(path, "CT")}
        if cases:
            reads_file = _cq500.find_reads(folder, source)
            reads = _cq500.read_reads(reads_file, notes) if reads_file else {}
            found = {name: _case(name, path, reads, notes) for name, path in folders.items()}
            return Found(cases={name: case for name, case in found.items() if case}, notes=tuple(notes))
    return Found(cases={}, notes=tuple(notes))


def _case(name: str, folder: Path, reads: dict[str, _cq500.Read], notes: list[Problem]) -> Case | None:
    ct, mask = first(nifti(folder, "CT"), notes), first(nifti(folder, "ICH_mask"), notes)
    if ct is None or mask is None:
        absent = " and no ".join(n for n, path in (("CT.nii", ct), ("ICH_mask.nii.gz", mask)) if path is None)
        notes.append(Problem(where=name, what=f"holds no {absent}.", mend="Unpack Seg-CQ500.zip again."))
        return None
    subtypes = reads[name].majority if name in reads else None
    return Case(case_id=name, patient_id=name, ct=ct, reference=mask, subtypes=subtypes)


def _expected_case(row: Mapping[str, str]) -> ExpectedCase:
    shape, spacing = (
        [row[f"{kind}_{axis}{unit}"] for axis in "xyz"] for kind, unit in (("shape", ""), ("spacing", "_mm"))
    )
    return ExpectedCase(
        has_ich=True,
        shape=(int(shape[0]), int(shape[1]), int(shape[2])),
        spacing_mm=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        lesion_ml=float(row["lesion_ml"]),
    )
