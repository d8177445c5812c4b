"""How the slices of the RSNA pool come out of its flat folder or its zip, with labels, series and splits."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pandas as pd
import pydicom

from ich_bench.datasets.found import around, natural
from ich_bench.errors import IchBenchError, Problem, VolumeError
from ich_bench.formats.dicom import repair_12bit
from ich_bench.volume import as_hu

TABLE = "stage_2_train.csv"
FOLDER = "stage_2_train"
LABELS = {
    "any": "any",
    "intraparenchymal": "iph",
    "intraventricular": "ivh",
    "epidural": "edh",
    "subdural": "sdh",
    "subarachnoid": "sah",
}
EXPECTED = {"slices": 752_803, "labelled_slices": 752_803, "labelled_slices_with_ICH": 107_933}
CORRUPT = "ID_6431af929"  # cut short in the download itself
HELD_OUT_SLICES = 5000  # Spahr 2023, Sec. 2.6
_TAGS: list[str] = [
    *("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "ImagePositionPatient"),
    *("ImageOrientationPatient", "PixelSpacing"),
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation", "RescaleIntercept"),
]
_SLACK = 0.01  # of direction cosines, which are written with few decimals
_BROKEN = (
    *(pydicom.errors.InvalidDicomError, zipfile.BadZipFile, zlib.error, OSError, EOFError, IchBenchError),
    *(ValueError, AttributeError, KeyError, TypeError, RuntimeError),  # what pydicom raises for damaged content
)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Where the pool lies: a folder or a zip, the path of each slice's file within, and of the table (None: absent)."""

    source: Path
    slices: Mapping[str, str]
    table: str | None

    @contextmanager
    def opened(self) -> Iterator[Callable[[str], IO[bytes]]]:
        """Yield a function that opens one file by its path within; the zip itself is opened once."""
        if self.source.is_dir():
            yield lambda name: (self.source / name).open("rb")
            return
        with zipfile.ZipFile(self.source) as archive:
            yield lambda name: io.BytesIO(archive.read(name))


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One slice's header: whose it is, in which series, where along the body axis (NaN where the file does not say).

    `wrapped` marks the 12-bit defect that `ich_bench.formats.dicom.repair_12bit` mends. `along` and `down` are the
    directions in which columns and rows are counted, in RAS+ (unit vectors; None where the file does not say or says
    what no image can have), `spacing_mm` lies between rows and between columns (NaN likewise).
    """

    slice_id: str
    patient_id: str
    study: str
    series: str
    position_mm: float
    wrapped: bool
    along: tuple[float, float, float] | None = None
    down: tuple[float, float, float] | None = None
    spacing_mm: tuple[float, float] = (math.nan, math.nan)


def open_pool(source: str | Path) -> Pool:
    """Return the pool under a folder, or inside a zip; IchBenchError says what was expected and what was found."""
    source = Path(source)
    if source.is_file():
        try:
            with zipfile.ZipFile(source) as archive:
                names = [info.filename for info in archive.infolist() if not info.is_dir()]
        except (zipfile.BadZipFile, OSError) as fault:
            raise IchBenchError(f"{source} cannot be read as a zip: {fault}. Download it again.") from fault
        return _pool(source, names)
    for folder in around(source, up=1):
        if folder.name != FOLDER and (folder / FOLDER).is_dir():
            names = [f"{FOLDER}/{path.name}" for path in (folder / FOLDER).iterdir() if path.suffix == ".dcm"]
            return _pool(folder, [*names, *([TABLE] if (folder / TABLE).is_file() else [])])
    for folder in (source, *(path for path in source.glob("*") if path.is_dir())):
        names = [path.name for path in folder.glob("ID_*.dcm")]
        if names:
            return _pool(folder, [*names, *([TABLE] if (folder / TABLE).is_file() else [])])
    zips = sorted(source.glob("*.zip"))
    if len(zips) == 1:
        return open_pool(zips[0])
    raise IchBenchError(
        f"no slice of rsna was found in {source}. Expected {FOLDER}/ID_<9 hex digits>.dcm with {TABLE} beside the "
        "folder, or the zip that holds them. Name the folder or the zip with --source."
    )


def labels(pool: Pool) -> tuple[pd.DataFrame, tuple[Problem, ...]]:
    """Return the weak labels and what was odd: one row a slice (index `slice_id`, sorted), columns any, iph, … as bool.

    Rows that repeat are dropped; where two rows of a slice disagree the label is positive, and that is noted.
    IchBenchError where the table is absent or has other columns.
    """
    if pool.table is None:
        raise IchBenchError(
            f"{TABLE} was not found with the slices: there are no labels. It is part of the same download."
        )
    with pool.opened() as read:
        try:
            with read(pool.table) as file:
                rows = pd.read_csv(file, usecols=["ID", "Label"]).astype({"ID": "str", "Label": "int8"})
            parts = rows["ID"].str.rsplit("_", n=1, expand=True)
            rows = pd.DataFrame({"slice_id": parts[0], "kind": parts[1], "label": rows["Label"]})
        except (KeyError, ValueError) as fault:
            raise IchBenchError(f"{TABLE} cannot be read ({fault}). Expected columns ID and Label.") from fault
    unknown = sorted(set(rows["kind"]) - set(LABELS))
    if unknown:
        raise IchBenchError(f"{TABLE} names {unknown[0]!r}; known are {', '.join(LABELS)}.")
    once = rows.drop_duplicates()
    notes = []
    if len(once) < len(rows):
        repeated = rows.loc[rows.duplicated(), "slice_id"].nunique()
        notes.append(
            Problem(where=TABLE, what=f"repeats {len(rows) - len(once)} rows of {repeated} slices; once is kept.")
        )
    torn = once.loc[once.duplicated(["slice_id", "kind"]), "slice_id"].unique()
    if len(torn):
        notes.append(
            Problem(where=TABLE, what=f"labels {len(torn)} slices both 0 and 1 (first {torn[0]}): 1 is taken.")
        )
    wide = once.pivot_table(index="slice_id", columns="kind", values="label", aggfunc="max", fill_value=0)
    wide = wide.reindex(columns=list(LABELS), fill_value=0).rename(columns=LABELS).astype(bool).sort_index()
    wide.columns.name = None
    return wide, tuple(notes)


def headers(
    pool: Pool, *, limit: int | None = None, progress: Callable[[int, int], None] | None = None
) -> tuple[tuple[Slice, ...], tuple[Problem, ...]]:
    """Return the header of each slice in order of id, and the files that cannot be read.

    With `limit` only the first so many files are opened; the names are random, so most series are then incomplete.
    """
    names = sorted(pool.slices)[:limit]
    found, broken = [], []
    with pool.opened() as read:
        for done, slice_id in enumerate(names, start=1):
            try:
                with read(pool.slices[slice_id]) as file:
                    found.append(_header(slice_id, file))
            except _BROKEN as fault:
                broken.append(_skipped(pool.slices[slice_id], fault))
            if progress is not None:
                progress(done, len(names))
    return tuple(found), tuple(broken)


def by_series(slices: Iterable[Slice]) -> dict[str, tuple[Slice, ...]]:
    """Return the slices of each series from foot to head, by ImagePositionPatient."""
    groups: dict[str, list[Slice]] = {}
    for one in slices:
        groups.setdefault(one.series, []).append(one)
    return {
        series: tuple(sorted(group, key=lambda s: (math.isnan(s.position_mm), s.position_mm, s.slice_id)))
        for series, group in sorted(groups.items())
    }


def read_slices(
    pool: Pool, slice_ids: Iterable[str], broken: list[Problem]
) -> Iterator[tuple[str, npt.NDArray[np.int16] | npt.NDArray[np.float32]]]:
    """Yield (id, HU) of each slice, (rows, columns) as in the file, the 12-bit defect mended; broken files noted."""
    with pool.opened() as read:
        for slice_id in slice_ids:
            try:
                with read(pool.slices[slice_id]) as file:
                    dataset = pydicom.dcmread(file)
                    pixels, intercept = repair_12bit(dataset.pixel_array, dataset)
                slope = float(dataset.get("RescaleSlope", 1) or 1)
                hu = as_hu(pixels, slope=slope, intercept=intercept)
            except _BROKEN as fault:
                broken.append(_skipped(pool.slices[slice_id], fault))
                continue
            yield slice_id, hu


def split_patients(slices: Sequence[Slice], *, held_out: float = 0.1, seed: int = 42) -> tuple[list[str], list[str]]:
    """Return (training, held-out) slice ids: no patient on both sides. The split to use."""
    patients = sorted({one.patient_id for one in slices})
    chosen = {patients[n] for n in _order(len(patients), seed)[: round(held_out * len(patients))]}
    return (
        [one.slice_id for one in slices if one.patient_id not in chosen],
        [one.slice_id for one in slices if one.patient_id in chosen],
    )


def split_papers_slices(
    table: pd.DataFrame, *, held_out: int = HELD_OUT_SLICES, seed: int = 42
) -> tuple[list[str], list[str]]:
    """Return (training, held-out) slice ids as the papers split: by slices, as many with ICH as without.

    All slices with ICH and equally many without; `held_out` of them apart, half and half (Spahr 2023, Sec. 2.6). Slices
    of one patient stand on both sides: for comparison with the papers only.
    """
    ich = [str(slice_id) for slice_id in table.index[table["any"]]]
    healthy = [str(slice_id) for slice_id in table.index[~table["any"]]]
    ich = [ich[n] for n in _order(len(ich), seed)]
    healthy = [healthy[n] for n in _order(len(healthy), seed + 1)][: len(ich)]
    half = min(held_out // 2, len(ich), len(healthy))
    return sorted([*ich[half:], *healthy[half:]]), sorted([*ich[:half], *healthy[:half]])


def _pool(source: Path, names: Iterable[str]) -> Pool:
    slices, tables = {}, []
    for name in names:
        parts = name.split("/")
        if "__MACOSX" in parts or parts[-1].startswith("._"):
            continue
        if parts[-1] == TABLE:
            tables.append(name)
        elif parts[-1].startswith("ID_") and parts[-1].endswith(".dcm") and (len(parts) == 1 or parts[-2] == FOLDER):
            slices[parts[-1].removesuffix(".dcm")] = name
    if not slices:
        raise IchBenchError(f"{source} holds no {FOLDER}/ID_<9 hex digits>.dcm. Name the RSNA download with --source.")
    return Pool(source=source, slices=slices, table=min(tables, key=natural) if tables else None)


@pydicom.config.disable_value_validation()  # RSNA writes "ID_..." where DICOM wants a UID
def _header(slice_id: str, file: IO[bytes]) -> Slice:
    tags = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_TAGS)
    syntax = tags.file_meta.TransferSyntaxUID
    start = file.tell() + (8 if syntax.is_implicit_VR else 12)  # past the element's own tag and length
    left = file.seek(0, io.SEEK_END) - start
    pixels = int(tags.Rows) * int(tags.Columns) * int(tags.BitsAllocated) // 8
    if left < pixels and not syntax.is_compressed:
        raise VolumeError(f"it ends after {max(0, left)} of {pixels} bytes of pixels")
    position = _numbers(tags, "ImagePositionPatient", 3)
    spacing = _numbers(tags, "PixelSpacing", 2)
    along, down = _directions(_numbers(tags, "ImageOrientationPatient", 6))
    return Slice(
        slice_id=slice_id,
        patient_id=str(tags.PatientID),
        study=str(tags.StudyInstanceUID),
        series=str(tags.SeriesInstanceUID),
        position_mm=position[2],
        wrapped=is_wrapped(tags),
        along=along,
        down=down,
        spacing_mm=(spacing[0], spacing[1]) if min(spacing) > 0 else (math.nan, math.nan),
    )


def _numbers(tags: pydicom.Dataset, name: str, count: int) -> list[float]:
    """Return the numbers of a tag; NaNs where it is absent, or does not hold so many finite ones."""
    try:
        found = [float(value) for value in tags[name].value]
    except (KeyError, TypeError, ValueError):
        found = []
    return found if len(found) == count and all(map(math.isfinite, found)) else [math.nan] * count


def _directions(cosines: Sequence[float]) -> tuple[tuple[float, float, float] | None, ...]:
    """Return DICOM's two directions (LPS) in RAS+; None, None where they are not of length 1 and upright on another."""
    one, other = cosines[:3], cosines[3:]
    off = (math.hypot(*one) - 1, math.hypot(*other) - 1, sum(a * b for a, b in zip(one, other, strict=True)))
    if not all(abs(value) < _SLACK for value in off):  # NaN neither
        return None, None
    return (-one[0], -one[1], one[2]), (-other[0], -other[1], other[2])


def is_wrapped(tags: pydicom.Dataset) -> bool:
    """Return whether a file has the 12-bit defect, told by letting the repair work on one stored value."""
    return repair_12bit(np.zeros(1, dtype=np.uint16), tags)[1] != float(tags.get("RescaleIntercept", 0) or 0)


def _skipped(name: str, fault: BaseException) -> Problem:
    return Problem(where=name, what=f"cannot be read ({fault}); it is skipped.", mend="Download it again if you can.")


def _order(count: int, seed: int) -> list[int]:
    """Return a permutation that no later NumPy changes: the order of PCG64's raw output."""
    return [int(n) for n in np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")] if count else []
