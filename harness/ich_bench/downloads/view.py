"""The files of a training view: CTs linked or written anew, masks as 0/1 labels, in a folder that is ours."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

import ich_bench
from ich_bench.cases import Case, Dataset
from ich_bench.datasets._grids import off_grid
from ich_bench.errors import IchBenchError, InputError, Problem, VolumeError
from ich_bench.geometry import Geometry
from ich_bench.places import write_text
from ich_bench.volume import open_mask, read_ct, read_geometry, write_ct, write_mask

MARK = "ich-bench.json"  # lies in every exported folder: that it is ours, and which files in it are


@dataclass(kw_only=True)
class View:
    """A folder being filled with the images and labels of a dataset; `ending` is that of all its files.

    `off_grid` says by case id, in words, how the mask lay against its CT where it lay on another affine.
    """

    dataset: Dataset
    folder: Path
    ending: str
    written: list[Path] = field(default_factory=list)
    off_grid: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: Dataset, folder: Path) -> View:
        """Return the view of a dataset in a new or once exported folder; IchBenchError where it holds something else.

        The ending is `.nii` where every CT has it, so that all can be linked, else `.nii.gz`.
        """
        folder = folder.absolute()
        if folder.resolve().is_relative_to(_download(dataset)):
            raise IchBenchError(f"{folder} lies inside the download, which export never alters. Choose another -o DIR.")
        if folder.exists() and not (folder / MARK).is_file() and (not folder.is_dir() or any(folder.iterdir())):
            raise IchBenchError(f"{folder} holds something that ich-bench did not write. Move it, or choose -o DIR.")
        plain = all(case.ct is not None and case.ct.name.lower().endswith(".nii") for case in dataset.cases)
        return cls(dataset=dataset, folder=folder, ending=".nii" if plain else ".nii.gz")

    def write(
        self, *, images: str, labels: str, linked: bool, progress: Callable[[int, int], None] | None = None
    ) -> dict[str, tuple[Path, Path]]:
        """Write the files of every case and return (image, label) by case id, as absolute paths.

        `images` and `labels` are paths in the folder without ending, `{}` standing for the case id. Where not `linked`,
        an image that can be read as it lies is named by its own path. InputError with all problems of all cases.
        """
        self._claim()
        pairs: dict[str, tuple[Path, Path]] = {}
        problems: list[Problem] = []
        for done, case in enumerate(self.dataset.cases, start=1):
            image = self.folder / f"{images.format(case.case_id)}{self.ending}"
            label = self.folder / f"{labels.format(case.case_id)}{self.ending}"
            try:
                grid = _grid(case)
                self._write_label(case, grid, label)
                self.written.append(label)
                pairs[case.case_id] = self._image(case, grid, image, linked=linked), label
            except InputError as fault:
                problems += fault.problems
            if progress:
                progress(done, len(self.dataset.cases))
        if problems:
            raise InputError(
                f"{len(problems)} problem{'s' * (len(problems) > 1)} in {self.dataset.source}: "
                "the export is not complete.", problems,
            )  # fmt: skip
        return pairs

    def finish(self, texts: Mapping[str, str]) -> tuple[Path, ...]:
        """Write the texts by file name, remove what an earlier export left over, and return all files of the view."""
        for name, text in texts.items():
            write_text(self.folder / name, text)
            self.written.append(self.folder / name)
        ours = {str(path.relative_to(self.folder)) for path in self.written}
        for stale in sorted(self._earlier() - ours):
            (self.folder / stale).unlink(missing_ok=True)
        self._mark(ours)
        return tuple(self.written)

    def _write_label(self, case: Case, grid: Geometry, path: Path) -> None:
        """Write the reference as uint8 0/1, voxel by voxel on the CT's affine.

        A mask on another affine is noted; one whose axes run in other directions is refused: if its header is right,
        its voxels belong elsewhere.
        """
        mask = np.zeros(grid.shape, dtype=np.bool_)
        if case.reference is not None:
            where = f"reference of {case.case_id}"
            try:
                opened = open_mask(case.reference, trusted=True)
                mask = opened.voxels()
            except VolumeError as fault:
                raise InputError("", [fault.at(where)]) from fault
            if mask.shape != grid.shape:
                what = f"has shape {mask.shape}, its CT {grid.shape}."
                mend = "The download is damaged or mixed up: `ich-bench prepare` checks it case by case."
                raise InputError("", [Problem(where=where, what=what, mend=mend)])
            found = off_grid(opened.geometry, grid)
            if found.turned:
                mend = "Look at it over its CT, then correct the mask's header or its voxels."
                raise InputError("", [Problem(where=where, what=f"{words}.", mend=mend) for words in found.words])
            if found.words:
                self.off_grid[case.case_id] = "; ".join(found.words)
        path.unlink(missing_ok=True)
        write_mask(path, mask, grid)

    def _image(self, case: Case, grid: Geometry, image: Path, *, linked: bool) -> Path:
        ct = _ct(case)
        as_it_lies = _readable(ct, grid)
        if as_it_lies and not linked:
            return ct.resolve()
        if as_it_lies and ct.name.lower().endswith(self.ending):
            _link(ct.resolve(), image)
        else:
            image.unlink(missing_ok=True)  # it may be a link into the download, which must not be written through
            write_ct(image, _hu(case), grid)
        self.written.append(image)
        return image

    def _claim(self) -> None:
        """Mark the folder as ours before anything else is in it, so that an interrupted export can be run again."""
        if not (self.folder / MARK).is_file():
            self._mark(set())

    def _mark(self, files: set[str]) -> None:
        about = {"written_by": f"ich-bench {ich_bench.__version__} export", "dataset": self.dataset.id}
        write_text(self.folder / MARK, as_json({**about, "files": sorted(files)}))

    def _earlier(self) -> set[str]:
        """Return the files that an earlier export left here; names that lead out of the folder are not believed."""
        try:
            named = json.loads((self.folder / MARK).read_text(encoding="utf-8"))["files"]
        except (OSError, ValueError, KeyError, TypeError):
            return set()
        return {name for name in named if isinstance(name, str) and ".." not in Path(name).parts and name[:1] != "/"}


def as_json(value: Any) -> str:
    """Return a value as indented JSON with a line end."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _download(dataset: Dataset) -> Path:
    """Return the innermost folder below `source` that holds all files of all cases; `source` may point higher."""
    files = [path.absolute() for case in dataset.cases for path in (case.ct, case.reference) if path is not None]
    around = files[0].parent if files else dataset.source
    while not all(file.is_relative_to(around) for file in files):
        around = around.parent
    inside = around.resolve().is_relative_to(dataset.source.resolve())
    return (around if inside else dataset.source).resolve()


def _ct(case: Case) -> Path:
    if case.ct is None:
        raise InputError("", [Problem(where=case.case_id, what="has no CT, so there is nothing to train on.")])
    return case.ct


def _grid(case: Case) -> Geometry:
    try:
        return read_geometry(_ct(case), trusted=True)
    except VolumeError as fault:
        raise InputError("", [fault.at(f"CT of {case.case_id}")]) from fault


def _hu(case: Case) -> NDArray[Any]:
    try:
        return read_ct(_ct(case)).hu
    except VolumeError as fault:
        raise InputError("", [fault.at(f"CT of {case.case_id}")]) from fault


def _readable(ct: Path, grid: Geometry) -> bool:
    """Return whether nnU-Net's NibabelIO sees this file on the very grid that the label has.

    It takes three axes only, the affine as nibabel understands it, and the spacing from pixdim.
    """
    if not ct.is_file() or not ct.name.lower().endswith((".nii", ".nii.gz")):
        return False
    image: Any = nib.load(ct)
    if len(image.shape) != 3 or not np.allclose(image.affine, grid.matrix, rtol=0, atol=1e-4):
        return False
    return bool(np.allclose(image.header.get_zooms(), np.linalg.norm(grid.matrix[:3, :3], axis=0), rtol=5e-6, atol=0))


def _link(target: Path, path: Path) -> None:
    """Make `path` the same file as `target`: by symbolic link, else hard link, else (no links there) by a copy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() and path.readlink() == target:
        return
    path.unlink(missing_ok=True)
    for way in (os.symlink, os.link, shutil.copy2):
        try:
            way(target, path)
        except OSError as fault:
            reason = fault
        else:
            return
    raise IchBenchError(f"cannot link or copy {target} to {path}: {reason.strerror or reason}.") from reason
