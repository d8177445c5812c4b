"""PhysioNet ct-ich 1.3.1 as it is downloaded: `ct_scans/`, `masks/` of 0 and 255, and two tables with their quirks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ich_bench.phantom.head import Head
from ich_bench.phantom.layouts.common import (
    SMALL,
    assigned,
    bleeds_in_turn,
    drawn,
    generator,
    marks,
    padded,
    write_lines,
    write_nifti,
)

IDS = (*range(49, 59), *range(66, 131))
WITH_ICH = {*range(49, 54), 58, *range(66, 95), 97}
CASES = ("049", "050", "054", "055", "058", "070", "095", "097")
_CHRONIC = "070"
_ORDER = ("ivh", "iph", "sah", "edh", "sdh")
_NAMES = ("Intraventricular", "Intraparenchymal", "Subarachnoid", "Epidural", "Subdural")
_AGES = ("3 months", "10 days", "2 years 6 months", "34", "0.5", "71", "1 month", "58")


@dataclass(frozen=True, kw_only=True)
class _Marked:
    """What the tables say of a head: flags of the volume and of its slices."""

    subtypes: Mapping[str, bool]
    slices: Mapping[str, NDArray[np.bool_]]
    count: int


def has_ich(case_id: str) -> bool:
    """Return whether this patient of the real data bled."""
    return int(case_id) in WITH_ICH


def write(
    folder: Path,
    heads: Iterable[Head] | None = None,
    *,
    cases: Sequence[str] = CASES,
    shape: tuple[int, int, int] = SMALL,
    seed: int = 0,
) -> Path:
    """Write the layout and return its folder: 5.0 mm slices, masks uint8 0/255, slices counted from 1 in the tables.

    Patient 070 holds an old, dark epidural bleed; one CT is float instead of int16; README, LICENSE and SHA256SUMS lie
    beside the data; the patients' table has two header rows, two footers and ages such as "3 months".
    """
    ill = [case_id for case_id in IDS if case_id in WITH_ICH]

    def make(case_id: str) -> Head:
        bleeds = (
            () if not has_ich(case_id) else ("edh",) if case_id == _CHRONIC else bleeds_in_turn(ill.index(int(case_id)))
        )
        hu = 22.0 if case_id == _CHRONIC else None
        return drawn(case_id, bleeds, seed=seed, shape=shape, thickness_mm=5.0, blood_hu=hu)

    chosen: dict[str, _Marked] = {}
    for index, (case_id, head) in enumerate(assigned(heads, cases, has_ich, make)):
        chosen[case_id] = _Marked(subtypes=head.subtypes, slices=head.slice_subtypes, count=head.hu.shape[2])
        ct = padded(head.hu, -1024)
        write_nifti(folder / "ct_scans" / f"{case_id}.nii", ct.astype(np.float32) if index == 1 else ct, head.geometry)
        write_nifti(folder / "masks" / f"{case_id}.nii", head.reference.astype(np.uint8) * 255, head.geometry)
    fractured = {case_id: int(generator(seed, f"fracture {case_id}").random() < 0.3) for case_id in chosen}
    _write_slices(folder, chosen, fractured)
    _write_patients(folder, chosen, fractured)
    (folder / "README.txt").write_text(
        "Drawn heads in the layout of PhysioNet ct-ich 1.3.1. No patient data.\n", "utf-8"
    )
    (folder / "LICENSE.txt").write_text("Drawn data: Apache-2.0.\n", "utf-8")
    sums = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(folder).as_posix()}"
        for path in _files(folder)
    ]
    (folder / "SHA256SUMS.txt").write_text("\n".join(sums) + "\n", "utf-8")
    return folder


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _write_slices(folder: Path, heads: Mapping[str, _Marked], fractured: Mapping[str, int]) -> None:
    rows: list[list[object]] = [
        ["PatientNumber", "SliceNumber", *_NAMES, "No_Hemorrhage", "Fracture_Yes_No"],
    ]
    for case_id, head in heads.items():
        for k in range(head.count):
            flags = {name: bool(head.slices[name][k]) for name in _ORDER}
            fracture = fractured[case_id] if k < 2 else 0
            rows.append([int(case_id), k + 1, *marks(flags, _ORDER), int(not any(flags.values())), fracture])
    write_lines(folder / "hemorrhage_diagnosis_raw_ct.csv", rows)


def _write_patients(folder: Path, heads: Mapping[str, _Marked], fractured: Mapping[str, int]) -> None:
    rows: list[list[object]] = [
        ["", "", "", "Hemorrhage type based on the radiologists diagnosis", "", "", "", "", "", ""],
        ["Patient Number", "Age\n(years)", "Gender", *_NAMES, "Fracture (yes 1/no 0)", "Note1"],
    ]
    for index, (case_id, head) in enumerate(heads.items()):
        cells = [mark or "" for mark in marks(head.subtypes, _ORDER)]  # an empty cell means no
        note = "Chronic ICH" if case_id == _CHRONIC else ""
        rows.append(
            [int(case_id), _AGES[index % 8], ("Male", "Female")[index % 2], *cells, fractured[case_id] or "", note]
        )
    rows.append(["Total", "", "", *(sum(head.subtypes[name] for head in heads.values()) for name in _ORDER), "", ""])
    rows.append(["Drawn heads; no patient data", "", "", "", "", "", "", "", "", ""])
    write_lines(folder / "Patient_demographics.csv", rows)
