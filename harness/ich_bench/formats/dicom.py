"""A folder of DICOM slices as one CT."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.errors import InvalidDicomError

from ich_bench.errors import VolumeError
from ich_bench.geometry import Geometry
from ich_bench.volume import CT, as_hu

_STEP_SLACK_MM = 0.05  # positions are written with few decimals
_LINE_SLACK_MM = 0.1  # how far a slice may lie from where one grid puts it
Array = npt.NDArray[np.float64]

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
_TAGS = (
    "SeriesInstanceUID", "SeriesDescription", "Modality", "ImagePositionPatient", "ImageOrientationPatient",
    "PixelSpacing", "Rows", "Columns", "InstanceNumber", "SliceThickness", "SOPInstanceUID",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Series:
    """The slices of one acquisition found in a folder, in order of position where they have one.

    `geometry` is None where the slices make no volume; `fault` then says why.
    """

    uid: str
    description: str
    files: tuple[Path, ...]
    geometry: Geometry | None
    fault: str = ""


def read_series(source: Path | Sequence[Path], *, longest_even_run: bool = False, repair: bool = False) -> CT:
    """Return the slices of one series as a CT in HU, index order (column, row, slice), slices from low to high.

    A gantry tilt stays in the affine as a shear. Padding outside the scanner's circle is at most -1024 HU: lower values
    are kept, higher ones lowered.

    Args:
        source: a folder (searched in all levels) or the files of one series.
        longest_even_run: keep the longest run of slices with one step, the lowest of equals, where the step changes.
        repair: undo the 12-bit defect of some RSNA files (`repair_12bit`).

    Raises:
        VolumeError: not one series, missing or doubled slices, uneven steps, or slices that do not fit one another.
    """
    slices = _one_series(source)
    slices, geometry = _stacked(slices, longest_even_run=longest_even_run)
    planes = [_plane(pydicom.dcmread(path), path, repair=repair) for path, _ in slices]
    kind = np.int16 if all(plane.dtype == np.int16 for plane in planes) else np.float32
    hu = np.empty(geometry.shape, dtype=kind, order="F")
    for at, plane in enumerate(planes):
        hu[:, :, at] = plane.T
    return CT(hu=hu, geometry=geometry)


def series_geometry(source: Path | Sequence[Path], *, longest_even_run: bool = False) -> Geometry:
    """Return the grid that `read_series` would give, from the headers alone."""
    return _stacked(_one_series(source), longest_even_run=longest_even_run)[1]


def find_series(folder: Path) -> tuple[Series, ...]:
    """Return every series below a folder, the one with most slices first."""
    found = []
    for uid, slices in _grouped(_headers(_files(folder))).items():
        geometry, fault = None, ""
        try:
            slices, geometry = _stacked(slices, longest_even_run=False)
        except VolumeError as why:
            fault = str(why)
        description = str(slices[0][1].get("SeriesDescription", ""))
        files = tuple(path for path, _ in slices)
        found.append(Series(uid=uid, description=description, files=files, geometry=geometry, fault=fault))
    return tuple(sorted(found, key=lambda series: (-len(series.files), series.uid)))


def repair_12bit(pixels: npt.NDArray[Any], dataset: Any) -> tuple[npt.NDArray[Any], float]:
    """Return stored values and intercept with the RSNA defect undone; both unchanged where the file does not have it.

    The defect: 12 bits stored as unsigned with an intercept above -100, so that values below 0 have wrapped around.
    1000 is added, what reaches 4096 wraps back by 4096, and the intercept is -1000 (fast.ai, "fix_pxrepr").
    """
    intercept = float(dataset.get("RescaleIntercept", 0) or 0)
    if not (int(dataset.BitsStored) == 12 and int(dataset.PixelRepresentation) == 0 and intercept > -100):
        return pixels, intercept
    shifted = pixels.astype(np.int32) + 1000
    shifted[shifted >= 4096] -= 4096
    return shifted, -1000.0


_Slices = list[tuple[Path, Any]]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _headers(files: Iterable[Path]) -> _Slices:
    """Return the headers of those files that are DICOM images; a DICOMDIR, text and the like are passed over."""
    found = []
    for path in files:
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
        except (InvalidDicomError, OSError, EOFError):
            continue
        if "Rows" in header and "SeriesInstanceUID" in header:
            found.append((path, header))
    return found


def _grouped(slices: _Slices) -> dict[str, _Slices]:
    groups: dict[str, _Slices] = {}
    for path, header in slices:
        groups.setdefault(str(header.SeriesInstanceUID), []).append((path, header))
    return groups


def _one_series(source: Path | Sequence[Path]) -> _Slices:
    groups = _grouped(_headers(_files(source) if isinstance(source, Path) else source))
    if not groups:
        raise VolumeError("it holds no DICOM slices.", "Name the folder that holds the .dcm files of one series.")
    if len(groups) > 1:
        listed = "; ".join(
            f"{slices[0][1].get('SeriesDescription', '') or uid} ({len(slices)} slices)"
            for uid, slices in groups.items()
        )
        raise VolumeError(f"it holds {len(groups)} series: {listed}.", "Name the folder or the files of one.")
    return next(iter(groups.values()))


def _stacked(slices: _Slices, *, longest_even_run: bool) -> tuple[_Slices, Geometry]:
    """Return the slices in order along their normal, and their grid."""
    for path, header in slices:
        missing = [
            tag for tag in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing") if not header.get(tag)
        ]
        if missing:
            raise VolumeError(f"slice {path.name} does not say where it lies (no {', '.join(missing)}).")
    _refuse_mixed(slices)
    along_row, along_column = _orientation(slices[0][1])
    normal = np.cross(along_row, along_column)
    if normal[int(np.abs(normal).argmax())] < 0:
        normal = -normal
    ordered = sorted(slices, key=lambda one: float(_position(one[1]) @ normal))
    positions = np.array([_position(header) for _, header in ordered])
    start, stop = _even_run(ordered, positions, normal, longest_even_run=longest_even_run)
    ordered, positions = ordered[start:stop], positions[start:stop]
    step = (positions[-1] - positions[0]) / (len(ordered) - 1)
    return ordered, _grid(ordered, positions[0], step, along_row, along_column)


def _grid(
    slices: _Slices,
    first: Array,
    step: Array,
    along_row: Array,
    along_column: Array,
) -> Geometry:
    header = slices[0][1]
    row_mm, column_mm = (float(mm) for mm in header.PixelSpacing)  # between rows, then between columns
    affine = np.eye(4)
    affine[:3, :3] = _LPS_TO_RAS @ np.column_stack([along_row * column_mm, along_column * row_mm, step])
    affine[:3, 3] = _LPS_TO_RAS @ first
    return Geometry.of((int(header.Columns), int(header.Rows), len(slices)), affine)


def _refuse_mixed(slices: _Slices) -> None:
    name, first = slices[0]
    for path, header in slices[1:]:
        for tag in ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient"):
            ours, theirs = (np.array(one[tag].value, dtype=np.float64) for one in (header, first))
            if not np.allclose(ours, theirs, rtol=0, atol=1e-4):
                raise VolumeError(
                    f"slice {path.name} has {tag} {header[tag].value}, {name.name} has {first[tag].value}.",
                    "Keep the slices of one series together, without its scout.",
                )


def _even_run(slices: _Slices, positions: Array, normal: Array, *, longest_even_run: bool) -> tuple[int, int]:
    """Return where the slices to keep start and stop; VolumeError where no one step fits and no run is asked for."""
    if len(slices) < 2:
        raise VolumeError("one slice alone makes no volume.", "Name the folder that holds the whole series.")
    moves = np.diff(positions, axis=0)
    same = np.flatnonzero(moves @ normal < _STEP_SLACK_MM)
    if same.size:
        one, other = (slices[int(same[0]) + at][0].name for at in (0, 1))
        raise VolumeError(f"slices {one} and {other} lie at the same place.", "Keep one of each doubled slice.")
    line = positions[0] + np.linspace(0, 1, len(slices))[:, None] * (positions[-1] - positions[0])
    away = np.abs(positions - line).max(axis=1)
    if away.max() <= _LINE_SLACK_MM:
        return 0, len(slices)
    steps = np.sqrt((moves**2).sum(axis=1))
    runs = _runs(steps)
    if len(runs) == 1:
        worst = int(away.argmax())
        raise VolumeError(f"slice {slices[worst][0].name} lies {away[worst]:.2f} mm off the line of the others.")
    if longest_even_run:
        return max(runs, key=lambda run: run[1] - run[0])
    raise VolumeError(_uneven(slices, steps, runs))


def _runs(steps: Array) -> list[tuple[int, int]]:
    """Return the runs of slices (start, stop) between which the step stays the same."""
    runs, start = [], 0
    for at in range(1, len(steps) + 1):
        if at == len(steps) or abs(steps[at] - steps[start]) > _STEP_SLACK_MM:
            runs.append((start, at + 1))
            start = at
    return runs


def _uneven(slices: _Slices, steps: Array, runs: Sequence[tuple[int, int]]) -> str:
    usual = float(np.median(steps))
    wide = [
        at for at, step in enumerate(steps) if abs(step - usual * round(step / usual)) <= _STEP_SLACK_MM < step - usual
    ]
    if wide and all(at in wide or abs(step - usual) <= _STEP_SLACK_MM for at, step in enumerate(steps)):
        gaps = ", ".join(
            f"{round(steps[at] / usual) - 1} between {slices[at][0].name} and {slices[at + 1][0].name}"
            for at in wide[:5]
        )
        return f"slices are missing: {gaps} (the step is {usual:.2f} mm). Fetch the series again."
    parts = ", ".join(
        f"{stop - start} slices {steps[start]:.2f} mm apart"
        if stop - start > 2
        else f"a step of {steps[start]:.2f} mm from {slices[start][0].name} to {slices[start + 1][0].name}"
        for start, stop in runs[:6]
    )
    return (
        f"its slices are not evenly spaced: {parts}{' …' if len(runs) > 6 else ''}. One grid cannot hold them: "
        "resample the series to even slices and keep it as NIfTI. From Python, `ich_bench.formats.dicom.read_series` "
        "takes the longest run of even slices with longest_even_run=True."
    )


def _plane(dataset: Any, path: Path, *, repair: bool) -> npt.NDArray[Any]:
    try:
        pixels: npt.NDArray[Any] = dataset.pixel_array
    except (AttributeError, ValueError, RuntimeError, NotImplementedError, EOFError) as fault:
        raise VolumeError(f"slice {path.name} cannot be decoded: {fault}", "Fetch the file again.") from fault
    padding = dataset.get("PixelPaddingValue")
    outside = None if padding is None else pixels == int(padding)
    intercept = float(dataset.get("RescaleIntercept", 0) or 0)
    if repair:
        pixels, intercept = repair_12bit(pixels, dataset)
    hu: npt.NDArray[Any] = as_hu(pixels, slope=float(dataset.get("RescaleSlope", 1) or 1), intercept=intercept)
    return hu if outside is None else np.where(outside, np.minimum(hu, hu.dtype.type(-1024)), hu)


def _position(header: Any) -> Array:
    return np.array([float(mm) for mm in header.ImagePositionPatient])


def _orientation(header: Any) -> tuple[Array, Array]:
    cosines = np.array([float(value) for value in header.ImageOrientationPatient])
    return cosines[:3], cosines[3:]
