"""Which cases is nnU-Net given, as files in a folder of its own: those of the training part, and no other?"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ich_bench.cases import Case, Dataset
from ich_bench.datasets import card, load_dataset
from ich_bench.downloads.export import nnunet_name
from ich_bench.downloads.view import View, as_json
from ich_bench.errors import IchBenchError
from ich_bench.volume import open_mask, write_mask
from ich_bench_baselines.data.guard import Guard, guard_of
from ich_bench_baselines.data.orient import in_slices
from ich_bench_baselines.job import Job, trained, training_cases

IMAGES, LABELS = "imagesTr", "labelsTr"
CHANNELS = {"0": "CT", "1": "noNorm"}  # nnU-Net chooses by name how to scale: a mask it leaves as it is
CONTAMINATION = (
    "Only the training cases lie in nnU-Net's folder; their ids, and their patients', are held against the test part's."
)


@dataclass(frozen=True, kw_only=True)
class Raw:
    """What nnU-Net was given: its name of the dataset, the cases, and of their masks patients and slices with ICH."""

    name: str
    cases: tuple[str, ...]
    patients: int
    slices_with_ich: int


def training_part(job: Job) -> tuple[Dataset, Guard]:
    """Return the dataset with the cases that this job may train on alone, and the guard of its test part.

    IchBenchError where some of them are not here.
    """
    scheme, fold = trained(job)
    dataset = load_dataset(job.trained_dataset, job.trained_data)
    wanted, here = training_cases(job), {case.case_id: case for case in dataset.cases}
    absent = sorted(set(wanted) - set(here))
    where = f"fold {fold} of {scheme.dataset}/{scheme.name}"
    if absent or not wanted:
        more = " …" if len(absent) > 5 else ""
        raise IchBenchError(
            f"{len(absent)} of the {len(wanted)} training cases of {where} are not here: "
            f"{', '.join(absent[:5])}{more}. Complete the download, and prepare it again."
        )
    return replace(dataset, cases=tuple(here[name] for name in wanted)), guard_of(scheme, fold)


def write_raw(dataset: Dataset, guard: Guard, raw: Path, second: Mapping[str, Path] | None = None) -> Raw:
    """Write the cases into nnU-Net's raw folder, CTs by link where it can read them as they lie.

    Args:
        dataset: Its cases are all that goes in; the guard refuses a test case.
        guard: Of the fold.
        raw: What nnU-Net knows as `nnUNet_raw`; what lay in it is replaced.
        second: By case id a mask on the CT's grid (.nii.gz), which becomes the second channel.

    Raises:
        IchBenchError: no mask holds ICH; a test case is among them.
        InputError: with every case that cannot be read.
    """
    cases = dataset.cases
    guard.hand_out((case.case_id for case in cases), (case.patient_id for case in cases), ())
    shutil.rmtree(raw, ignore_errors=True)
    name = nnunet_name(dataset.id)
    view = View.of(dataset, raw / name)
    view.write(images=f"{IMAGES}/{{}}_0000", labels=f"{LABELS}/{{}}", linked=True)
    for case in cases if second is not None else ():
        _link_second(case, (second or {})[case.case_id], view)
    ids = [case.case_id for case in cases]
    described = {
        "channel_names": {"0": CHANNELS["0"]} if second is None else CHANNELS,
        "labels": {"background": 0, "ICH": 1},
        "numTraining": len(ids),
        "file_ending": view.ending,
        "overwrite_image_reader_writer": "NibabelIO",  # SimpleITK refuses the sheared affines of a tilted gantry
        "name": name,
        "licence": card(dataset.id).licence,
    }
    view.finish({"dataset.json": as_json(described), "splits_final.json": as_json(splits(ids))})
    _only(raw / name / IMAGES, ids, guard)
    slices = sum(_slices_with_ich(raw / name / LABELS / f"{one}{view.ending}") for one in ids)
    if not slices:
        raise IchBenchError(
            f"no mask of the {len(ids)} training cases holds ICH: there is nothing to learn from. Choose another fold, "
            "draw or budget."
        )
    return Raw(
        name=name,
        cases=tuple(ids),
        patients=len({case.patient_id for case in cases}),
        slices_with_ich=slices,
    )


def splits(cases: Sequence[str]) -> list[dict[str, list[str]]]:
    """Return `splits_final.json`: one entry, all cases trained on and, for the log alone, looked at once an epoch."""
    return [{"train": list(cases), "val": list(cases)}]


def _only(images: Path, ids: Sequence[str], guard: Guard) -> None:
    """Raise IchBenchError unless exactly these cases lie in the folder, none of the test part among them."""
    there = {path.name.rsplit("_", 1)[0] for path in images.iterdir()}
    guard.hand_out(there, (), ())
    if there != set(ids):
        odd = ", ".join(sorted(there.symmetric_difference(ids))[:5])
        raise IchBenchError(f"{images} does not hold the training cases alone: {odd}. Delete it and train again.")


def _link_second(case: Case, mask: Path, view: View) -> None:
    """Put a case's mask beside its CT, by link where the file endings agree."""
    path = view.folder / IMAGES / f"{case.case_id}_0001{view.ending}"
    if mask.name.endswith(view.ending):
        path.symlink_to(mask.resolve())
    else:
        opened = open_mask(mask, trusted=True)
        write_mask(path, opened.voxels(), opened.geometry)
    view.written.append(path)


def _slices_with_ich(label: Path) -> int:
    opened = open_mask(label, trusted=True)
    slices = in_slices(opened.voxels(), opened.geometry)
    return int(np.count_nonzero(slices.any(axis=(0, 1))))
