"""What a dataset's reader brings back from a folder, and the small helpers all readers share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ich_bench.cases import Case
from ich_bench.errors import Problem

_SUFFIXES = (".nii.gz", ".nii")


@dataclass(frozen=True, kw_only=True)
class Found:
    """The cases found under a folder, by id, and what was odd there (`Dataset.notes` and `.warnings` in the making)."""

    cases: Mapping[str, Case]
    notes: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a whole download holds, as far as it is known; None where it is not. Ranges are (least, most)."""

    shape_xy: tuple[int, int] | None = None
    slices: tuple[int, int] | None = None
    slices_total: int | None = None
    slices_positive: int | None = None
    in_plane_mm: tuple[float, float] | None = None
    spacing_z_mm: tuple[float, float] | None = None
    tables_agree: bool = False  # subtypes of a volume are marked exactly where its mask is not empty
    masks_off_grid: int = 0  # so many masks lie on another affine than their CT, axes in the same directions


@dataclass(frozen=True, kw_only=True)
class ExpectedCase:
    """What one case should be, as far as it is known; None where it is not."""

    has_ich: bool | None = None
    shape: tuple[int, int, int] | None = None
    spacing_mm: tuple[float, float, float] | None = None
    lesion_ml: float | None = None
    subtypes: Mapping[str, bool] | None = None


def is_junk(path: Path) -> bool:
    """Return whether a path is what macOS or a file manager left behind: `__MACOSX`, `._name`, `.DS_Store` and such."""
    return path.name == "__MACOSX" or path.name.startswith(".") or path.name.casefold() in {"thumbs.db", "desktop.ini"}


def entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, junk left out, by name; empty where it is no folder or cannot be listed."""
    try:
        return sorted((path for path in folder.iterdir() if not is_junk(path)), key=lambda path: natural(path.name))
    except OSError:
        return []


def natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """Return a sort key that puts `case-9` before `case-10`."""
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"([0-9]+)", name) if part)


def around(source: Path, *, up: int = 2, down: int = 2) -> Iterator[Path]:
    """Yield the folder itself, the folders below it level by level, then those above it.

    So that a user may point one or two levels too high or too low. Junk is skipped, and a folder with more than 400
    sub-folders (DICOM series by the thousand) is not descended into.
    """
    yield source
    level = [source]
    for _ in range(down):
        below: list[Path] = []
        for folder in level:
            folders = [path for path in entries(folder) if path.is_dir()]
            if len(folders) <= 400:
                below += folders
        yield from below
        level = below
    yield from list(source.resolve().parents)[:up]


def is_nifti(path: Path) -> bool:
    """Return whether a path is a file named like NIfTI."""
    return path.name.endswith(_SUFFIXES) and path.is_file()


def nifti(folder: Path, stem: str) -> tuple[Path, ...]:
    """Return the files `stem.nii.gz` and `stem.nii` that exist in a folder, in that order."""
    return tuple(path for suffix in _SUFFIXES if (path := folder / f"{stem}{suffix}").is_file())


def nifti_files(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Return every NIfTI file of a folder by its name without suffixes; a name may have both `.nii.gz` and `.nii`."""
    found: dict[str, tuple[Path, ...]] = {}
    for path in entries(folder):
        suffix = next((suffix for suffix in _SUFFIXES if path.name.endswith(suffix)), None)
        if suffix is not None and path.is_file():
            found.setdefault(path.name.removesuffix(suffix), nifti(folder, path.name.removesuffix(suffix)))
    return found


def stray(name: str, dataset_id: str) -> Problem:
    """Return the note on a file or case that is none of the dataset's."""
    return Problem(where=name, what=f"was found but is no case of {dataset_id}; it is left out.", mend="Nothing to do.")


def said_of(subject: str, what: str) -> str:
    """Return a subject and what a reader said of it as one sentence: "its mask holds …", "its mask: it is …"."""
    return f"{subject} {what}" if what.split(" ", 1)[0] in {"has", "holds", "is", "lacks"} else f"{subject}: {what}"


def first(paths: Iterable[Path], notes: list[Problem]) -> Path | None:
    """Return the first path, or None; where there are several, note which one is used."""
    several = tuple(paths)
    if len(several) > 1:
        notes.append(
            Problem(
                where=several[0].name,
                what=f"stands beside {', '.join(path.name for path in several[1:])}; the first is used.",
                mend="Move the others away if they differ.",
            )
        )
    return several[0] if several else None
