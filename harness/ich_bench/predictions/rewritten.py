"""A prediction folder written anew, mask by mask, with a mark of what was done in its manifest."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import ich_bench
from ich_bench.cases import Case, Dataset, Scheme
from ich_bench.errors import IchBenchError, InputError, Problem, VolumeError
from ich_bench.escape import printable
from ich_bench.folds import load_scheme
from ich_bench.geometry import Geometry
from ich_bench.plain import filled
from ich_bench.predictions.checks import fault_of
from ich_bench.predictions.submission import Prediction, Submission, read_submission
from ich_bench.volume import read_geometry, write_mask

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Changed:
    """One mask as it lies on its CT's grid now, and what its user should know of it."""

    mask: NDArray[np.bool_]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """The new folder, its masks in fold-file order, and what was noticed on the way."""

    folder: Path
    files: tuple[Path, ...]
    warnings: tuple[str, ...] = ()


Grids = tuple[Geometry, ...]  # the CT's, then the reference mask's: a mask on either is scored voxel by voxel
Change = Callable[[Path, Grids], Changed]


def rewrite(
    dataset: Dataset,
    folder: Path,
    out: Path,
    *,
    step: str,
    change: Change,
    scheme: Scheme | str | None = None,
    rename: str | None = None,
    map_file: Path | None = None,
    progress: Progress | None = None,
) -> Rewritten:
    """Write every mask of a prediction folder anew on its CT's affine, as `<case_id>.nii.gz` in the same sub-folders.

    OUT appears whole or not at all, and the input is never changed. The manifest is carried over with one table
    `[[processing]]` more: the step, the harness version and the cases. Masks of other datasets are not carried over.

    Args:
        dataset: Its CTs give the grids.
        folder: A submission or a bare folder of masks.
        out: A new or empty folder.
        step: The name of what is done, as the manifest will have it.
        change: Takes a mask's file and the grids it may lie on, its CT's first; VolumeError where it cannot be mended.
        scheme: The fold scheme of the folder; None: the official one.
        rename: As in `read_submission`.
        map_file: As in `read_submission`.
        progress: Called with (done, total) after each mask.

    Raises:
        InputError: with every problem of every file.
        IchBenchError: where OUT may not be written to.
    """
    _check_out(out, folder)
    plan = scheme if isinstance(scheme, Scheme) else filled(load_scheme(dataset.id, scheme), dataset)
    found = read_submission(folder, dataset=dataset.id, scheme=plan, rename=rename, map_file=map_file)
    problems, warnings, names = list(found.problems), list[str](), list[Path]()
    cases = {case.case_id: case for case in dataset.cases}
    stage = out.absolute().parent / f".{out.absolute().name}.{os.getpid()}.part"
    try:
        for done, prediction in enumerate(found.predictions, start=1):
            try:
                case = cases.get(prediction.case_id)
                grids = _grids(case, dataset)
                changed = change(prediction.path, grids)
            except VolumeError as fault:
                problems.append(fault_of(fault, prediction, case) if case else fault.at(prediction.where))
            else:
                names.append(_place(prediction, found, dataset, plan))
                warnings += [f"{prediction.where}  {words}" for words in changed.warnings]
                if not problems:
                    (stage / names[-1]).parent.mkdir(parents=True, exist_ok=True)
                    write_mask(stage / names[-1], changed.mask, grids[0])
            if progress:
                progress(done, len(found.predictions))
        text = _manifest(folder, found, step, problems)
        if problems:
            many = (
                f"{len(problems)} problem{'s' * (len(problems) > 1)} in {printable(str(folder))}: nothing was written."
            )
            raise InputError(many, sorted(set(problems)))
        (stage / "submission.toml").write_text(text, encoding="utf-8", newline="\n")
        if out.is_dir():
            out.rmdir()  # it is empty
        stage.replace(out)
    except OSError as fault:
        raise IchBenchError(f"cannot write {out}: {fault.strerror or fault}. Free space, or choose -o.") from fault
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return Rewritten(folder=out, files=tuple(out / name for name in names), warnings=tuple(warnings))


def _check_out(out: Path, folder: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise IchBenchError(f"{out} is there already and not empty. Choose another -o, or remove it.")
    place, source = out.resolve(), folder.resolve()
    if place == source or place.is_relative_to(source) or source.is_relative_to(place):
        raise IchBenchError(
            f"{out} and {folder} lie inside one another: the input is never changed. Choose another -o."
        )


def _grids(case: Case | None, dataset: Dataset) -> Grids:
    if case is None:
        raise VolumeError(
            f"is of a case of {dataset.id} whose CT is not in {dataset.source}.", "Complete the download."
        )
    grids = []
    for kind, path in (("CT", case.ct), ("reference", case.reference)):
        try:
            grids += [read_geometry(path, trusted=True)] if path is not None else []
        except VolumeError as fault:
            raise VolumeError(f"has a {kind} that cannot be read: {fault.what}", fault.mend) from fault
    if not grids:
        raise VolumeError("has neither a CT nor a reference mask to lie on.", "Is the download complete?")
    return tuple(grids)


def _place(prediction: Prediction, found: Submission, dataset: Dataset, plan: Scheme) -> Path:
    """Return where the mask lies in the new folder: the old sub-folders, with the case id for a name."""
    below = prediction.path.relative_to(found.folder).parts[:-1]
    nested = ("predictions", dataset.id)
    parts = list(nested) if below[:2] == nested else []
    parts += [plan.name] if plan.name in below[len(parts) : len(parts) + 1] else []
    parts += [f"budget-{prediction.budget}"] if prediction.budget is not None else []
    parts += [f"seed_{prediction.seed}"] if prediction.seed is not None else []
    parts += [f"fold_{prediction.fold}"] if prediction.fold is not None else []
    return Path(*parts, f"{prediction.case_id}.nii.gz")


def _manifest(folder: Path, found: Submission, step: str, problems: list[Problem]) -> str:
    """Return the manifest with one [[processing]] table more; what hinders that is added to the problems."""
    before = (folder / "submission.toml").read_text(encoding="utf-8") if found.manifest is not None else ""
    done = dict.fromkeys(prediction.case_id for prediction in found.predictions)
    lines = ["[[processing]]", f"step = {json.dumps(step)}", f'harness = "ich-bench {ich_bench.__version__}"']
    lines.append(f"cases = {json.dumps(list(done), ensure_ascii=False)}")
    text = before.rstrip() + "\n" * 2 * bool(before.strip()) + "\n".join(lines) + "\n"
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        what = "holds `processing` in a form that cannot be added to."
        mend = 'Write each step as a table of its own: [[processing]] and step = "…".'
        problems.append(Problem(where="submission.toml", what=what, mend=mend))
    return text
