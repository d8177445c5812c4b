"""RSNA 2019's training set as Kaggle's zip unpacks: a flat folder of slices, a table of weak labels, its defects."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ich_bench.phantom.head import Head
from ich_bench.phantom.layouts.common import SMALL, assigned, drawn, generator, write_lines
from ich_bench.phantom.layouts.dicom import planes, write_slice

CORRUPT = "ID_6431af929"
REPEATED = 4  # so many images stand in the table twice
CASES = ("exam-0", "exam-1", "exam-2", "exam-3", "exam-4", "exam-5")
_BLEEDS = (("iph", "ivh"), ("edh",), ("sdh", "sah"))
_KINDS = ("epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural")
_SUBTYPES = ("edh", "iph", "ivh", "sah", "sdh")


def write(
    folder: Path,
    heads: Iterable[Head] | None = None,
    *,
    cases: Sequence[str] = CASES,
    shape: tuple[int, int, int] = SMALL,
    seed: int = 0,
    zipped: bool = False,
) -> Path:
    """Write the layout and return the folder, or the zip's path where `zipped`.

    Every exam is one series; every other head is healthy when drawn here. Known defects: the file of `CORRUPT` ends
    before its pixels do; every third exam has the 12-bit defect (values below 0 wrapped around, intercept 0);
    `WindowCenter` has two values; `InstanceNumber` is shuffled; identifiers are `ID_...`, not UIDs; the table has
    repeated rows.
    """
    root = folder / "rsna" if zipped else folder

    def make(case_id: str) -> Head:
        index = list(cases).index(case_id)
        bleeds = _BLEEDS[index // 2 % 3] if index % 2 == 0 else ()
        return drawn(case_id, bleeds, seed=seed, shape=shape, thickness_mm=5.0)

    rows: list[list[object]] = []
    for index, (case_id, head) in enumerate(assigned(heads, cases, None, make)):
        rows += write_exam(root / "stage_2_train", head, head.slice_subtypes, generator(seed, f"rsna {case_id}"), index)
    images = [rows[start : start + 6] for start in range(0, len(rows), 6)]
    shuffled = [images[n] for n in np.argsort(generator(seed, "order").random(len(images)), kind="stable")]
    table = [row for image in [*shuffled, *shuffled[:REPEATED]] for row in image]
    write_lines(root / "stage_2_train.csv", [["ID", "Label"], *table])
    return _zipped(root, folder / "rsna-intracranial-hemorrhage-detection.zip") if zipped else root


def write_exam(
    folder: Path, head: Head, labels: Mapping[str, NDArray[np.bool_]], rng: np.random.Generator, index: int
) -> list[list[object]]:
    """Write the slices of one series and return their lines of the table, six a slice.

    Args:
        folder: where the files go.
        head: the exam.
        labels: flags of its slices for each of SUBTYPES.
        rng: where names and numbers come from.
        index: which exam of the pool; the first holds the corrupt file, every third the 12-bit defect.
    """
    wrapped, corrupt = index % 3 == 2, index == 0
    exam = {name: f"ID_{_hexadecimal(rng, 10)}" for name in ("StudyInstanceUID", "SeriesInstanceUID")}
    patient, rows = f"ID_{_hexadecimal(rng, 8)}", []
    numbers = np.argsort(rng.random(head.hu.shape[2]))
    for k, (hu, place) in enumerate(planes(head)):
        spoilt = corrupt and k == 0
        name = CORRUPT if spoilt else f"ID_{_hexadecimal(rng, 9)}"
        window = (
            {"WindowCenter": [36, 36], "WindowWidth": [80, 80]} if k % 2 else {"WindowCenter": 30, "WindowWidth": 80}
        )
        tags = {"PatientID": patient, "InstanceNumber": int(numbers[k]) + 1, **window, **place}
        path = folder / f"{name}.dcm"
        identifiers = {**exam, "SOPInstanceUID": name}
        if wrapped:
            stored = np.where(hu < 0, np.maximum(hu, -1000) + 4096, hu)
            write_slice(path, stored, {**tags, **identifiers}, bits=12, signed=False, intercept=0)
        else:
            write_slice(path, hu + 1024, {**tags, **identifiers}, bits=16, signed=True, intercept=-1024)
        if spoilt:
            path.write_bytes(path.read_bytes()[: -hu.size])  # half of the pixels' two bytes each
        flags = [bool(labels[subtype][k]) for subtype in _SUBTYPES]
        ticked = zip((*_KINDS, "any"), (*flags, any(flags)), strict=True)
        rows += [[f"{name}_{kind}", int(flag)] for kind, flag in ticked]
    return rows


def _hexadecimal(rng: np.random.Generator, digits: int) -> str:
    return "".join("0123456789abcdef"[int(draw * 16)] for draw in rng.random(digits))


def _zipped(root: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in sorted(root.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(root).as_posix())
    return path
