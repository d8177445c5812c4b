"""INSTANCE 2022: 100 training scans of the MICCAI challenge, all with hemorrhage."""

from __future__ import annotations

from pathlib import Path

from ich_bench.cases import Card, Case
from ich_bench.datasets.found import Expected, ExpectedCase, Found, around, first, nifti_files, stray
from ich_bench.errors import Problem

CARD = Card(
    id="instance2022",
    title="INSTANCE 2022: thick-slice head CTs with hemorrhage, the MICCAI challenge's training set",
    cases=100,
    with_ich=100,
    official_scheme="cv5",
    schemes=("cv5", "cv5-r1", "cv5-r2", "cv5-r3", "cv5-r4"),
    licence="For the signer's own use only: no redistribution of the data, no sharing of the link",
    access="Sign the agreement from https://github.com/PerceptionComputingLab/INSTANCE2022 and mail it to "
    "INSTANCE2022@outlook.com; the link comes back in days.",
    citation="Li X, et al. The state-of-the-art 3D anisotropic intracranial hemorrhage segmentation on non-contrast "
    "head "
    "CT: The INSTANCE challenge. arXiv:2301.03281 (2023). Design: doi:10.5281/zenodo.6362221",
    url="https://instance.grand-challenge.org",
    layout="train_2/{data, label}/<NNN>.nii.gz, NNN from 001 to 100",
    publish="metrics",
    caveats=(
        "No patient ids: the case is the unit of a fold. `prepare` looks for near-duplicate heads. A public audit of "
        "the scans (GitHub haithamalshari/CT-Seg1500, reports/features/per_case_features_raw.csv) gives 025 and 080 "
        "the same grid and the same number of labelled voxels; the public folds part them.",
        "`cv5-r1` to `cv5-r4` are stratified on lesion volume and slice thickness as that audit gives them.",
        "Case 052: the label takes in bone (up to 1308 HU); 23 of 204 labelled clusters hold more than 140 HU.",
        "No subtype labels: that is blank, not zero.",
        "84 of 100 scans have slices of exactly 5.0 mm, the others 4.4 to 5.4 mm.",
        "The challenge's own validation (101-130) and test (131-200) cases have no released labels and are no part of "
        "this.",
    ),
)

EXPECTED = Expected(
    shape_xy=(512, 512),
    slices=(24, 40),
    slices_total=2981,
    slices_positive=893,
    in_plane_mm=(0.371, 0.599),
    spacing_z_mm=(4.397, 5.435),
)


def expected_cases() -> dict[str, ExpectedCase]:
    """Return what is known of each case without the data: all hold hemorrhage."""
    return {f"{number:03}": ExpectedCase(has_ich=True) for number in range(1, 101)}


def find(source: Path) -> Found:
    """Return the cases under the folder that holds `data/` and `label/`; a case needs both files."""
    for folder in around(source):
        cts = nifti_files(folder / "data")
        masks = next((files for name in ("label", "labels") if (files := nifti_files(folder / name))), {})
        if cts and masks:
            break
    else:
        return Found(cases={})
    notes: list[Problem] = []
    known = expected_cases()
    cases: dict[str, Case] = {}
    for name in sorted(cts.keys() | masks.keys()):
        ct, mask = first(cts.get(name, ()), notes), first(masks.get(name, ()), notes)
        if ct is None or mask is None:
            there, absent = ("label/", "data/") if ct is None else ("data/", "label/")
            half = Problem(where=name, what=f"lies in {there} but not in {absent}.", mend="Unpack the download again.")
            notes.append(half if name in known else stray(name, CARD.id))
            continue
        cases[name] = Case(case_id=name, patient_id=name, ct=ct, reference=mask)
    return Found(cases=cases, notes=tuple(notes))
