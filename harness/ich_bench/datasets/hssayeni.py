"""Hssayeni (PhysioNet ct-ich): 75 scans after head trauma, 36 with hemorrhage."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ich_bench.cases import SUBTYPES, Card, Case
from ich_bench.datasets.found import Expected, ExpectedCase, Found, around, first, nifti_files, stray
from ich_bench.errors import IchBenchError, Problem

CARD = Card(
    id="hssayeni",
    title="Hssayeni (PhysioNet ct-ich): thick-slice head CTs after trauma, with and without hemorrhage",
    cases=75,
    with_ich=36,
    official_scheme="cv10",
    schemes=("cv10", "cv5", "hssayeni5", "lf80", "lf50", "lf20", "wang-slices"),
    licence="PhysioNet Restricted Health Data License 1.5.0 with a data use agreement: no redistribution, tables "
    "included",
    access="A PhysioNet account, then sign the data use agreement on https://physionet.org/content/ct-ich/1.3.1/ : "
    "minutes to "
    "days. Version 1.3.1 (75 NIfTI scans, 2.8 GB); versions before it have other files.",
    citation="Hssayeni MD, Croock MS, Salman AD, Al-khafaji HF, Yahya ZA, Ghoraani B. Intracranial hemorrhage "
    "segmentation "
    "using a deep convolutional model. Data 2020;5(1):14. doi:10.3390/data5010014. Data: PhysioNet, "
    "doi:10.13026/4nae-zg36",
    url="https://physionet.org/content/ct-ich/1.3.1/",
    layout="{ct_scans, masks}/<NNN>.nii (049-058, 066-130), Patient_demographics.csv, hemorrhage_diagnosis_raw_ct.csv",
    publish="metrics",
    caveats=(
        "Patient 070 has a chronic bleed, which the data's authors leave out of their scores: it stays in (36 with "
        "ICH), "
        "results carry a line without it (35), and any verdict that changes is marked.",
        "Masks hold 0 and 255. The tables count slices from 1. Ids 059-065 do not exist.",
        "39 of the 75 masks are empty: heads without hemorrhage.",
        "Published numbers follow different protocols (slices or volumes, with or without 070): see the profiles.",
        "Splits of slices put one patient on both sides (`wang-slices`, the SAMIHS tables): such scores are never "
        "ranked.",
    ),
)

EXPECTED = Expected(
    shape_xy=(512, 512),
    slices=(31, 58),
    slices_total=2814,
    slices_positive=318,
    in_plane_mm=(0.314, 0.488),
    spacing_z_mm=(5.0, 5.0),
    tables_agree=True,
)

_WITH_ICH = {*range(49, 54), 58, *range(66, 95), 97}
_COLUMNS = {
    "intraventricular": "ivh",
    "intraparenchymal": "iph",
    "subarachnoid": "sah",
    "epidural": "edh",
    "subdural": "sdh",
}
_DEMOGRAPHICS = "Patient_demographics.csv"
_DIAGNOSIS = "hemorrhage_diagnosis_raw_ct.csv"
_DAYS_A_YEAR = {"year": 1.0, "month": 1 / 12, "week": 7 / 365.25, "day": 1 / 365.25}


@dataclass(frozen=True, kw_only=True)
class Patient:
    """One line of the patients' table; `age_years` is None where the cell cannot be understood."""

    case_id: str
    age_years: float | None
    subtypes: Mapping[str, bool]


def expected_cases() -> dict[str, ExpectedCase]:
    """Return what is known of each case without the data: which 36 hold hemorrhage."""
    return {f"{n:03}": ExpectedCase(has_ich=n in _WITH_ICH) for n in (*range(49, 59), *range(66, 131))}


def find(source: Path) -> Found:
    """Return the cases under the folder that holds `ct_scans/` and `masks/`; a case needs both files."""
    root = _root(source)
    if root is None:
        return Found(cases={})
    notes: list[Problem] = []
    cts, masks = nifti_files(root / "ct_scans"), nifti_files(root / "masks")
    flags, known = _subtypes(root, notes), expected_cases()
    cases: dict[str, Case] = {}
    for name in sorted(cts.keys() | masks.keys()):
        case_id = name.zfill(3)
        ct, mask = first(cts.get(name, ()), notes), first(masks.get(name, ()), notes)
        if ct is None or mask is None:
            there, absent = ("masks/", "ct_scans/") if ct is None else ("ct_scans/", "masks/")
            half = Problem(where=case_id, what=f"lies in {there} but not in {absent}.", mend="Download it again.")
            notes.append(half if case_id in known else stray(name, CARD.id))
            continue
        cases[case_id] = Case(case_id=case_id, patient_id=case_id, ct=ct, reference=mask, subtypes=flags.get(case_id))
    return Found(cases=cases, notes=tuple(notes))


def patients(source: Path) -> dict[str, Patient]:
    """Return the patients' table by case id; IchBenchError where the file is absent or has other columns.

    It has two header rows, footers, and ages such as `3 months`; an empty subtype cell means no.
    """
    rows = _rows(_table(source, _DEMOGRAPHICS))
    header = next((n for n, row in enumerate(rows) if "intraventricular" in _lowered(row)), None)
    if header is None:
        raise IchBenchError(f"{_DEMOGRAPHICS} has no header row that names {', '.join(_COLUMNS)}.")
    at = {_COLUMNS[name]: n for n, name in enumerate(_lowered(rows[header])) if name in _COLUMNS}
    found: dict[str, Patient] = {}
    for row in rows[header + 1 :]:
        if not row or not row[0].strip().isdigit():
            continue  # footers
        case_id = f"{int(row[0]):03}"
        flags = {subtype: _flag(row[at[subtype]] if at[subtype] < len(row) else "") for subtype in SUBTYPES}
        found[case_id] = Patient(case_id=case_id, age_years=age_years(row[1] if len(row) > 1 else ""), subtypes=flags)
    return found


def slice_labels(source: str | Path) -> dict[str, dict[int, dict[str, bool]]]:
    """Return the radiologists' label of each slice: case id → slice index from 0 (the table counts from 1) → subtypes.

    The index is that of axis 2 of the CT. IchBenchError where the file is absent or has other columns.
    """
    rows = _rows(_table(Path(source), _DIAGNOSIS))
    names = _lowered(rows[0]) if rows else []
    wanted = {"patientnumber", "slicenumber", *_COLUMNS}
    if not wanted <= set(names):
        raise IchBenchError(f"{_DIAGNOSIS} has no column {', '.join(sorted(wanted - set(names)))}.")
    labels: dict[str, dict[int, dict[str, bool]]] = {}
    for row in rows[1:]:
        cells = dict(zip(names, row, strict=False))
        if not cells.get("patientnumber", "").strip().isdigit():
            continue
        flags = {subtype: _flag(cells.get(name, "")) for name, subtype in _COLUMNS.items()}
        labels.setdefault(f"{int(cells['patientnumber']):03}", {})[int(cells["slicenumber"]) - 1] = flags
    return labels


def age_years(text: str) -> float | None:
    """Return an age in years from `34`, `0.5`, `3 months`, `2 years 6 months`, `10 days`; None where it says none."""
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)\s*(year|month|week|day)?", text.casefold())
    return sum(float(number) * _DAYS_A_YEAR[unit or "year"] for number, unit in parts) if parts else None


def _subtypes(root: Path, notes: list[Problem]) -> dict[str, Mapping[str, bool]]:
    """Return the flags of each volume: from the patients' table, else any slice of the slices' table, else none."""
    try:
        return {case_id: patient.subtypes for case_id, patient in patients(root).items()}
    except IchBenchError as fault:
        notes.append(Problem(where=_DEMOGRAPHICS, what=str(fault), mend="Download it again."))
    try:
        slices = slice_labels(root)
    except (IchBenchError, ValueError) as fault:
        notes.append(Problem(where=_DIAGNOSIS, what=f"{fault} The subtypes stay blank.", mend="Download it again."))
        return {}
    return {
        case_id: {name: any(flags[name] for flags in by_slice.values()) for name in SUBTYPES}
        for case_id, by_slice in slices.items()
    }


def _root(source: Path) -> Path | None:
    return next((f for f in around(source) if (f / "ct_scans").is_dir() and (f / "masks").is_dir()), None)


def _table(source: Path, name: str) -> Path:
    root = _root(source) or source
    for folder in (root, root.parent):
        for path in folder.glob("*.csv"):
            if path.name.casefold() == name.casefold():
                return path
    raise IchBenchError(f"there is no {name} in {root}.")


def _rows(path: Path) -> list[list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as table:
            return list(csv.reader(table))
    except (OSError, csv.Error) as fault:
        raise IchBenchError(f"{path.name} cannot be read: {fault}.") from fault


def _lowered(row: list[str]) -> list[str]:
    return ["".join(cell.split()).casefold() for cell in row]


def _flag(cell: str) -> bool:
    return cell.strip() not in {"", "0", "0.0", "nan", "NaN"}
