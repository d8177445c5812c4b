"""A training-ready view of a dataset: CTs by link, masks as 0/1 on the CT's grid, folds as the trainer wants them."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from ich_bench.cases import SUBTYPES, Case, Dataset, Scheme
from ich_bench.datasets import card
from ich_bench.downloads.view import View, as_json
from ich_bench.errors import IchBenchError, UsageError, did_you_mean
from ich_bench.folds import load_scheme
from ich_bench.places import write_text

Progress = Callable[[int, int], None]
FORMATS = ("nnunet", "monai", "csv")
# nnU-Net knows a dataset by a number of three digits. Another dataset takes 810–899 from its id (`nnunet_name`).
NNUNET_NAMES: Mapping[str, tuple[int, str]] = {
    "seg-cq500": (801, "SegCQ500"),
    "hssayeni": (802, "Hssayeni"),
    "instance2022": (803, "Instance2022"),
    "phantom": (804, "Phantom"),
    "phantom-mini": (805, "PhantomMini"),
}
_RAW, _PREPROCESSED = "nnUNet_raw", "nnUNet_preprocessed"  # nnU-Net's own spelling of its environment variables


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written: the folder to train from, every file that is ours, and what the one who trains should know."""

    folder: Path
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def export(
    dataset: Dataset,
    *,
    format: str,
    out: Path | None = None,
    scheme: str | None = None,
    number: int | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write a training-ready view of a dataset and return where it lies; the download is neither copied nor altered.

    Labels are uint8, 0 and 1, on the CT's own affine (shear kept), named by the case id, so that `evaluate` takes them
    and whatever is predicted under the same names. CTs stay where they are, by link or by path; one that a trainer
    could not read as it lies (DICOM, 4-D, mixed file endings, voxel sizes that contradict the affine) is written anew.
    Running it again gives the same files.

    Args:
        dataset: As found by `load_dataset`; cases that are absent from the download are absent from the folds too.
        format: One of `FORMATS`.
        out: The folder to put it in; None: `$nnUNet_raw` (for nnunet, where set), else `ich-bench-export` here.
        scheme: The fold scheme; None: the dataset's official one.
        number: nnU-Net's number for the dataset, 1 to 999; None: that of `NNUNET_NAMES`.
        progress: Called with (done, total) after each case.

    Raises:
        UsageError: for an unknown format or scheme, or a scheme that holds nothing to train on.
        InputError: with everything wrong with every case.
        IchBenchError: for a dataset that may not be trained on, or a folder that holds something else.
    """
    if format not in FORMATS:
        raise UsageError(f"there is no export format {format!r}. {did_you_mean(format, FORMATS)}")
    if not card(dataset.id).trainable:
        raise IchBenchError(f"{dataset.id} is for testing only and never for training: there is nothing to export.")
    plan = load_scheme(dataset.id, scheme)
    folds = splits(plan, [case.case_id for case in dataset.cases])
    if not any(fold["train"] for fold in folds):
        raise UsageError(f"{dataset.id}/{plan.name} holds nothing to train on: {plan.about} Choose another scheme.")
    notes = _scheme_notes(dataset, plan, format)
    if format == "nnunet":
        return _nnunet(dataset, folds, out=out, number=number, notes=notes, progress=progress)
    if format == "monai":
        return _monai(dataset, plan, out=out, notes=notes, progress=progress)
    return _csv(dataset, plan, out=out, notes=notes, progress=progress)


def splits(scheme: Scheme, present: Sequence[str]) -> list[dict[str, list[str]]]:
    """Return nnU-Net's `splits_final.json` of a scheme: one entry a fold, in order, with the case ids that are present.

    `val` is what the scheme holds out for validation, else the test cases of the fold: nnU-Net predicts `val` at the
    end of training, so that its folder `fold_<k>/validation` can then be scored.
    """
    here = set(present)
    return [
        {
            "train": [case_id for case_id in scheme.train_cases(fold) if case_id in here],
            "val": [c for c in scheme.validation.get(fold) or scheme.test_cases(fold) if c in here],
        }
        for fold in scheme.folds
    ]


def nnunet_name(dataset_id: str, number: int | None = None) -> str:
    """Return the dataset's folder name as nnU-Net spells it, `Dataset802_Hssayeni`; UsageError unless 1 to 999."""
    spelled = re.sub(r"[^A-Za-z0-9]", "", dataset_id.title())
    known, name = NNUNET_NAMES.get(dataset_id, (810 + crc32(dataset_id.encode()) % 90, spelled))
    number = known if number is None else number
    if not 1 <= number <= 999:
        raise UsageError(f"{number} is no number for an nnU-Net dataset: it must lie between 1 and 999.")
    return f"Dataset{number:03}_{name}"


def _nnunet(
    dataset: Dataset,
    folds: list[dict[str, list[str]]],
    *,
    out: Path | None,
    number: int | None,
    notes: list[str],
    progress: Progress | None,
) -> Exported:
    name, facts = nnunet_name(dataset.id, number), card(dataset.id)
    raw, preprocessed = os.environ.get(_RAW), os.environ.get(_PREPROCESSED)
    used_by_nnunet = Path(preprocessed) / name / "splits_final.json" if preprocessed else None
    if used_by_nnunet:
        _refuse_other_splits(used_by_nnunet, as_json(folds))
    view = View.of(dataset, (out or Path(raw or "ich-bench-export")) / name)
    pairs = view.write(images="imagesTr/{}_0000", labels="labelsTr/{}", linked=True, progress=progress)
    notes += _grid_notes(view)
    description = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "ICH": 1},
        "numTraining": len(pairs),
        "file_ending": view.ending,
        "overwrite_image_reader_writer": "NibabelIO",  # SimpleITK refuses the sheared affines of a tilted gantry
        "name": name,
        "description": f"{facts.title}. Written by ich-bench export.",
        "licence": facts.licence,
        "reference": facts.citation,
    }
    files = view.finish({"dataset.json": as_json(description), "splits_final.json": as_json(folds)})
    if used_by_nnunet:
        write_text(used_by_nnunet, as_json(folds))
        files = (*files, used_by_nnunet)
        notes.append(f"The folds stand in {used_by_nnunet} too, where nnU-Net looks for them.")
    else:
        notes.append(
            f"nnU-Net looks for the folds in nnUNet_preprocessed/{name}/splits_final.json. Planning (`nnUNetv2_plan_"
            f"and_preprocess -d {int(name[7:10])}`) copies them there where none are yet; else copy the file yourself."
        )
    if raw is None or view.folder.parent.resolve() != Path(raw).resolve():
        notes.append(f"Set nnUNet_raw={view.folder.parent.resolve()} so that nnU-Net finds {name}.")
    return Exported(folder=view.folder, files=files, notes=tuple(notes))


def _monai(
    dataset: Dataset, plan: Scheme, *, out: Path | None, notes: list[str], progress: Progress | None
) -> Exported:
    if plan.trains_on_fold:
        raise UsageError(
            f"{dataset.id}/{plan.name} trains on one fold and tests on the others; a MONAI datalist can only say the "
            "reverse. Use --format nnunet, which lists both sides of each fold."
        )
    if plan.validation:
        raise UsageError(
            f"{dataset.id}/{plan.name} holds validation cases out of each fold's training cases; a MONAI datalist has "
            "one `fold` a case and no place for them. Use --format nnunet or csv."
        )
    view, pairs = _listed(dataset, "monai", out, progress)
    notes += _grid_notes(view)
    fold_of = {row.case_id: row.fold for row in plan.rows}
    training = [
        {"image": str(image), "label": str(label), "fold": fold_of[case_id]}
        for case_id, (image, label) in pairs.items()
    ]
    facts = card(dataset.id)
    datalist = {
        "name": dataset.id,
        "description": f"{facts.title}, scheme {plan.name}. Written by ich-bench export.",
        "licence": facts.licence,
        "reference": facts.citation,
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "ICH"},
        "numTraining": len(training),
        "training": training,
    }
    notes.append("The cases with `fold` k are tested by the model of fold k, which is trained on all the others.")
    return Exported(folder=view.folder, files=view.finish({"datalist.json": as_json(datalist)}), notes=tuple(notes))


def _csv(dataset: Dataset, plan: Scheme, *, out: Path | None, notes: list[str], progress: Progress | None) -> Exported:
    view, pairs = _listed(dataset, "csv", out, progress)
    notes += _grid_notes(view)
    fold_of = {row.case_id: row.fold for row in plan.rows}
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    held = ["validation_folds"] if plan.validation else []
    lines.writerow(["case_id", "patient_id", "fold", *held, "image", "label", *SUBTYPES])
    for case in dataset.cases:
        image, label = pairs[case.case_id]
        fold = fold_of[case.case_id]
        validates = [" ".join(str(k) for k in plan.folds if case.case_id in plan.validation[k])] if held else []
        lines.writerow([case.case_id, case.patient_id, fold, *validates, image, label, *_flags(case)])
    tested = "trains the model of fold k; it is tested on all the others" if plan.trains_on_fold else (
        "is tested by the model of fold k"
    )  # fmt: skip
    notes.append(f"A case with `fold` k {tested}. A subtype is 1, 0, or empty where the dataset does not say.")
    if held:
        notes.append("`validation_folds` lists the folds whose model is validated, and not trained, on the case.")
    return Exported(folder=view.folder, files=view.finish({"cases.csv": text.getvalue()}), notes=tuple(notes))


def _listed(
    dataset: Dataset, format: str, out: Path | None, progress: Progress | None
) -> tuple[View, dict[str, tuple[Path, Path]]]:
    view = View.of(dataset, (out or Path("ich-bench-export")) / f"{dataset.id}-{format}")
    return view, view.write(images="images/{}", labels="labels/{}", linked=False, progress=progress)


def _flags(case: Case) -> list[int | str]:
    if case.subtypes is None:
        return [""] * len(SUBTYPES)
    return [int(case.subtypes[name]) if name in case.subtypes else "" for name in SUBTYPES]


def _scheme_notes(dataset: Dataset, plan: Scheme, format: str) -> list[str]:
    here = {case.case_id for case in dataset.cases}
    absent = [row.case_id for row in plan.rows if row.case_id not in here]
    notes = []
    if absent:
        named = ", ".join(absent[:8]) + (" …" if len(absent) > 8 else "")
        notes.append(f"{len(absent)} of {len(plan.rows)} cases are not in the download and left out: {named}")
    if plan.validation and format == "nnunet":  # whose splits have two sides only
        notes.append(
            f"{plan.name} holds validation cases out of each fold's training cases; the test cases of a fold are in "
            f"neither list and have to be predicted afterwards (`ich-bench folds {dataset.id} --scheme {plan.name}`)."
        )
    if plan.leaky:
        notes.append(f"{plan.name} is leaky: scores under it are never ranked.")
    return notes


def _grid_notes(view: View) -> list[str]:
    if not view.off_grid:
        return []
    told = [f"{case_id} {words}" for case_id, words in view.off_grid.items()]
    more = f" … and {len(told) - 8} more" if len(told) > 8 else ""
    return [
        f"{len(told)} mask{'s' * (len(told) > 1)} on another affine than the CT, written voxel by voxel on the CT's: "
        f"{', '.join(told[:8])}{more}"
    ]


def _refuse_other_splits(path: Path, text: str) -> None:
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise IchBenchError(
            f"{path} holds other folds: a training that was begun with them would go on with these.\n"
            "Finish or remove it first, or choose another dataset number."
        )
