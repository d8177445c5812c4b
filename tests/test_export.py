"""The training views: what is linked, what is rewritten, and that the download stays as it was."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ich_bench.cases import Case, Dataset
from ich_bench.downloads.export import export, nnunet_name, splits
from ich_bench.errors import IchBenchError, InputError, UsageError
from ich_bench.folds import load_scheme
from ich_bench.metrics.suite import score

SHAPE = (6, 5, 4)
SHEARED = np.array([[0.5, 0, 0, -10], [0, 0.5, -0.4, -20], [0, 0, 3, 5], [0, 0, 0, 1]], dtype=float)
STRAIGHT = np.diag([0.5, 0.5, 5.0, 1.0])
IDS = ("049", "050", "051")
# The frozen file hssayeni/cv5 puts 049, 050, 051 into folds 4, 1, 3.


@pytest.fixture(autouse=True)
def _no_nnunet_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.delenv(name, raising=False)


def save(path: Path, voxels: np.ndarray, affine: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return path


def hu(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1000, 1500, SHAPE).astype(np.int16)


def blob(*corner: int) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=np.uint8)
    i, j, k = corner
    mask[i : i + 2, j : j + 2, k : k + 2] = 255
    return mask


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Return three cases: a tilted CT whose mask lies on another affine, a plain one, and one without a mask file."""
    source = tmp_path / "download"
    cases = []
    for number, (case_id, affine) in enumerate(zip(IDS, (SHEARED, STRAIGHT, STRAIGHT), strict=True)):
        ct = save(source / "ct_scans" / f"{case_id}.nii", hu(number), affine)
        reference = None
        if case_id != "051":
            other = np.diag([1.0, 2.0, 3.0, 1.0]) if number == 0 else affine
            reference = save(source / "masks" / f"{case_id}.nii", blob(number, 1, 1), other)
        flags = {"iph": True, "ivh": False, "edh": False, "sdh": False, "sah": False} if number == 0 else None
        cases.append(Case(case_id=case_id, patient_id=case_id, ct=ct, reference=reference, subtypes=flags))
    return Dataset(id="hssayeni", source=source, cases=tuple(cases))


def contents(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read(path: Path) -> tuple[np.ndarray, nib.Nifti1Image]:
    image = nib.load(path)
    return np.asarray(image.dataobj), image


def test_labels_are_uint8_0_and_1_on_the_cts_own_affine_shear_kept(dataset: Dataset, tmp_path: Path) -> None:
    made = export(dataset, format="nnunet", out=tmp_path / "raw")
    assert made.folder == tmp_path / "raw" / "Dataset802_Hssayeni"
    label, image = read(made.folder / "labelsTr" / "049.nii")
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, blob(0, 1, 1) // 255)
    np.testing.assert_allclose(image.affine, SHEARED, atol=1e-5)
    # column norms: 0.5, 0.5, sqrt(0.4^2 + 3^2) = 3.026549
    np.testing.assert_allclose(image.header.get_zooms(), (0.5, 0.5, 3.026549), atol=1e-5)


def test_a_mask_on_another_affine_is_noted_and_one_that_is_mirrored_is_refused(
    dataset: Dataset, tmp_path: Path
) -> None:
    made = export(dataset, format="csv", out=tmp_path / "out")
    told = [note for note in made.notes if "another affine" in note]
    assert len(told) == 1
    assert told[0].startswith("1 mask on another affine than the CT, written voxel by voxel on the CT's: 049 ")
    turned = STRAIGHT.copy()
    turned[0] = [-0.5, 0, 0, 2.5]  # 6 voxels of 0.5 mm, counted from the other side
    save(dataset.source / "masks" / "050.nii", blob(1, 1, 1), turned)
    with pytest.raises(InputError) as caught:
        export(dataset, format="csv", out=tmp_path / "out")
    assert [(problem.where, problem.what) for problem in caught.value.problems] == [
        ("reference of 050", "is mirrored left-right: stored as LAS, the CT is RAS.")
    ]


def test_a_case_without_a_mask_file_gets_an_empty_label(dataset: Dataset, tmp_path: Path) -> None:
    made = export(dataset, format="nnunet", out=tmp_path / "raw")
    label, image = read(made.folder / "labelsTr" / "051.nii")
    assert label.shape == SHAPE
    assert label.dtype == np.uint8
    assert not label.any()
    np.testing.assert_allclose(image.affine, STRAIGHT)


def test_cts_are_links_to_the_resolved_files_and_the_download_stays_as_it_was(dataset: Dataset, tmp_path: Path) -> None:
    before = contents(dataset.source)
    made = export(dataset, format="nnunet", out=tmp_path / "raw")
    for case in dataset.cases:
        link = made.folder / "imagesTr" / f"{case.case_id}_0000.nii"
        assert link.is_symlink()
        assert link.readlink() == case.ct.resolve()
    assert contents(dataset.source) == before


def test_dataset_json_says_what_nnunet_asks_for(dataset: Dataset, tmp_path: Path) -> None:
    made = export(dataset, format="nnunet", out=tmp_path / "raw")
    said = json.loads((made.folder / "dataset.json").read_text())
    assert said["channel_names"] == {"0": "CT"}
    assert said["labels"] == {"background": 0, "ICH": 1}
    assert said["numTraining"] == 3
    assert said["file_ending"] == ".nii"
    assert said["overwrite_image_reader_writer"] == "NibabelIO"


def test_splits_hold_each_folds_training_and_test_cases_that_are_here(dataset: Dataset, tmp_path: Path) -> None:
    made = export(dataset, format="nnunet", out=tmp_path / "raw", scheme="cv5")
    assert json.loads((made.folder / "splits_final.json").read_text()) == [
        {"train": ["049", "050", "051"], "val": []},
        {"train": ["049", "051"], "val": ["050"]},
        {"train": ["049", "050", "051"], "val": []},
        {"train": ["049", "050"], "val": ["051"]},
        {"train": ["050", "051"], "val": ["049"]},
    ]
    assert any("72 of 75 cases are not in the download" in note for note in made.notes)


def test_no_case_stands_on_both_sides_of_any_split() -> None:
    for name in ("cv10", "cv5", "hssayeni5", "lf80", "lf50", "lf20"):
        scheme = load_scheme("hssayeni", name)
        for fold in splits(scheme, [row.case_id for row in scheme.rows]):
            assert fold["train"]
            assert fold["val"]
            assert not set(fold["train"]) & set(fold["val"])


def test_hssayeni5_validates_on_its_own_15_cases_and_lf20_trains_on_15_and_tests_60() -> None:
    # 75 patients in five groups of 15: hssayeni5 = 45 train, 15 validation, 15 test; lf20 = 15 train, 60 test.
    counts = {}
    for name in ("hssayeni5", "lf20"):
        scheme = load_scheme("hssayeni", name)
        folds = splits(scheme, [row.case_id for row in scheme.rows])
        counts[name] = {(len(fold["train"]), len(fold["val"])) for fold in folds}
        if name == "hssayeni5":
            assert all(not set(fold["val"]) & set(scheme.test_cases(k)) for k, fold in enumerate(folds))
    assert counts == {"hssayeni5": {(45, 15)}, "lf20": {(15, 60)}}


@pytest.mark.parametrize(("format", "labels"), [("nnunet", "labelsTr"), ("monai", "labels"), ("csv", "labels")])
def test_a_copy_of_the_labels_scores_dice_1(dataset: Dataset, tmp_path: Path, format: str, labels: str) -> None:
    made = export(dataset, format=format, out=tmp_path / "out")
    for case in dataset.cases:
        predicted, image = read(made.folder / labels / f"{case.case_id}.nii")
        reference = read(case.reference)[0] > 0 if case.reference else np.zeros(SHAPE, dtype=bool)
        assert score(reference, predicted.astype(bool), image.header.get_zooms())["dice"] == 1.0


@pytest.mark.parametrize("format", ["nnunet", "monai", "csv"])
def test_running_it_again_gives_the_same_files(dataset: Dataset, tmp_path: Path, format: str) -> None:
    first = export(dataset, format=format, out=tmp_path / "out")
    before = contents(first.folder)
    second = export(dataset, format=format, out=tmp_path / "out")
    assert second == first
    assert contents(first.folder) == before
    assert len(before) > 3
    assert all(path.exists() for path in first.files)


def test_what_an_earlier_export_left_over_is_removed_and_strangers_are_kept(dataset: Dataset, tmp_path: Path) -> None:
    made = export(dataset, format="nnunet", out=tmp_path / "raw")
    own = made.folder / "notes.txt"
    own.write_text("mine")
    fewer = Dataset(id=dataset.id, source=dataset.source, cases=dataset.cases[:2])
    export(fewer, format="nnunet", out=tmp_path / "raw")
    assert sorted(path.name for path in (made.folder / "labelsTr").iterdir()) == ["049.nii", "050.nii"]
    assert sorted(path.name for path in (made.folder / "imagesTr").iterdir()) == ["049_0000.nii", "050_0000.nii"]
    assert own.read_text() == "mine"
    assert dataset.cases[2].ct.exists()


def test_a_folder_that_ich_bench_did_not_write_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    foreign = tmp_path / "raw" / "Dataset802_Hssayeni"
    foreign.mkdir(parents=True)
    (foreign / "dataset.json").write_text("{}")
    with pytest.raises(IchBenchError, match="did not write"):
        export(dataset, format="nnunet", out=tmp_path / "raw")
    assert [path.name for path in foreign.iterdir()] == ["dataset.json"]


def test_an_export_into_the_download_is_refused(dataset: Dataset) -> None:
    with pytest.raises(IchBenchError, match="inside the download"):
        export(dataset, format="csv", out=dataset.source / "view")
    assert not (dataset.source / "view").exists()


def test_a_folder_beside_the_data_may_be_used_when_source_points_higher(dataset: Dataset, tmp_path: Path) -> None:
    higher = Dataset(id=dataset.id, source=tmp_path, cases=dataset.cases)
    assert export(higher, format="csv", out=tmp_path / "views").folder == tmp_path / "views" / "hssayeni-csv"


def test_mixed_endings_become_nii_gz_and_the_linked_files_are_never_written_through(
    dataset: Dataset, tmp_path: Path
) -> None:
    export(dataset, format="nnunet", out=tmp_path / "raw")  # leaves links into the download
    packed = save(dataset.source / "ct_scans" / "050.nii.gz", hu(1), STRAIGHT)
    cases = list(dataset.cases)
    cases[1] = Case(case_id="050", patient_id="050", ct=packed, reference=cases[1].reference)
    before = contents(dataset.source)
    mixed = Dataset(id=dataset.id, source=dataset.source, cases=tuple(cases))
    made = export(mixed, format="nnunet", out=tmp_path / "raw")
    images = made.folder / "imagesTr"
    assert sorted(path.name for path in images.iterdir()) == [f"{case_id}_0000.nii.gz" for case_id in IDS]
    assert (images / "050_0000.nii.gz").readlink() == packed.resolve()
    rewritten, image = read(images / "049_0000.nii.gz")
    np.testing.assert_array_equal(rewritten, hu(0))
    np.testing.assert_allclose(image.affine, SHEARED, atol=1e-5)
    assert json.loads((made.folder / "dataset.json").read_text())["file_ending"] == ".nii.gz"
    assert contents(dataset.source) == before


def test_a_ct_that_nibabelio_would_misread_is_written_anew(dataset: Dataset, tmp_path: Path) -> None:
    four_axes = dataset.source / "ct_scans" / "050.nii"
    save(four_axes, hu(1)[..., None], STRAIGHT)
    lying = nib.Nifti1Image(hu(2), STRAIGHT)
    lying.header.set_zooms((9, 9, 9))  # the affine (sform) says 0.5 x 0.5 x 5
    lying.header["qform_code"] = 0
    nib.save(lying, dataset.source / "ct_scans" / "051.nii")
    before = contents(dataset.source)
    made = export(dataset, format="nnunet", out=tmp_path / "raw")
    for case_id, seed in (("050", 1), ("051", 2)):
        path = made.folder / "imagesTr" / f"{case_id}_0000.nii"
        assert not path.is_symlink()
        voxels, image = read(path)
        np.testing.assert_array_equal(voxels, hu(seed))
        np.testing.assert_allclose(image.header.get_zooms(), (0.5, 0.5, 5.0))
    assert contents(dataset.source) == before


@pytest.mark.parametrize("refused", [("symlink",), ("symlink", "link")])
def test_where_links_fail_a_hard_link_or_a_copy_serves(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: tuple[str, ...]
) -> None:
    def no(*_: object, **__: object) -> None:
        raise OSError("not on this file system")

    for name in refused:
        monkeypatch.setattr(os, name, no)
    for _ in range(2):
        made = export(dataset, format="nnunet", out=tmp_path / "raw")
        image = made.folder / "imagesTr" / "049_0000.nii"
        assert not image.is_symlink()
        assert image.samefile(dataset.cases[0].ct) == (refused == ("symlink",))
        np.testing.assert_array_equal(read(image)[0], hu(0))


def test_monai_gets_a_datalist_with_image_label_and_fold(dataset: Dataset, tmp_path: Path) -> None:
    made = export(dataset, format="monai", out=tmp_path / "out", scheme="cv5")
    said = json.loads((made.folder / "datalist.json").read_text())
    assert [set(entry) for entry in said["training"]] == [{"image", "label", "fold"}] * 3
    assert [entry["fold"] for entry in said["training"]] == [4, 1, 3]
    assert [entry["image"] for entry in said["training"]] == [str(case.ct.resolve()) for case in dataset.cases]
    assert read(Path(said["training"][1]["label"]))[0].sum() == 8  # a blob of 2 x 2 x 2


def test_the_csv_lists_cases_patients_folds_files_and_subtypes(dataset: Dataset, tmp_path: Path) -> None:
    made = export(dataset, format="csv", out=tmp_path / "out", scheme="cv5")
    rows = list(csv.reader((made.folder / "cases.csv").read_text().splitlines()))
    assert rows[0] == ["case_id", "patient_id", "fold", "image", "label", "iph", "ivh", "edh", "sdh", "sah"]
    assert [row[:3] for row in rows[1:]] == [["049", "049", "4"], ["050", "050", "1"], ["051", "051", "3"]]
    assert rows[1][5:] == ["1", "0", "0", "0", "0"]
    assert rows[2][5:] == [""] * 5
    assert all(Path(cell).is_file() for row in rows[1:] for cell in row[3:5])


def test_the_csv_of_hssayeni5_carries_its_validation_cases_and_only_nnunet_is_told_of_nnunets_gap(
    dataset: Dataset, tmp_path: Path
) -> None:
    # The first 15 of the other 60 are group 0, and group 1 where group 0 is tested. 051 (2 in the authors' list) is in
    # group 0, 049 (0) in group 3, 050 (1) in group 4.
    made = export(dataset, format="csv", out=tmp_path / "out", scheme="hssayeni5")
    rows = list(csv.DictReader((made.folder / "cases.csv").read_text().splitlines()))
    assert {row["case_id"]: row["validation_folds"] for row in rows} == {"049": "", "050": "", "051": "1 2 3 4"}
    assert not any("neither list" in note for note in made.notes)
    assert any("validated, and not trained" in note for note in made.notes)
    nnunet = export(dataset, format="nnunet", out=tmp_path / "raw", scheme="hssayeni5")
    assert any("neither list" in note for note in nnunet.notes)


def test_the_default_folder_is_nnunet_raw_else_one_of_ours(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert export(dataset, format="nnunet").folder == tmp_path / "ich-bench-export" / "Dataset802_Hssayeni"
    assert export(dataset, format="monai").folder == tmp_path / "ich-bench-export" / "hssayeni-monai"
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "raw"))
    assert export(dataset, format="nnunet").folder == tmp_path / "raw" / "Dataset802_Hssayeni"


def test_nnunet_preprocessed_gets_the_folds_too_and_never_loses_other_ones(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path / "preprocessed"))
    made = export(dataset, format="nnunet", out=tmp_path / "raw", scheme="cv5")
    there = tmp_path / "preprocessed" / "Dataset802_Hssayeni" / "splits_final.json"
    assert there.read_bytes() == (made.folder / "splits_final.json").read_bytes()
    before = there.read_bytes()
    with pytest.raises(IchBenchError, match="other folds"):
        export(dataset, format="nnunet", out=tmp_path / "raw", scheme="cv10")
    assert there.read_bytes() == before


def test_every_problem_of_every_case_is_told_at_once(dataset: Dataset, tmp_path: Path) -> None:
    save(dataset.source / "masks" / "049.nii", np.zeros((6, 5, 3), dtype=np.uint8), STRAIGHT)
    (dataset.source / "ct_scans" / "051.nii").write_bytes(b"no volume")
    with pytest.raises(InputError) as caught:
        export(dataset, format="nnunet", out=tmp_path / "raw")
    assert [problem.where for problem in caught.value.problems] == ["reference of 049", "CT of 051"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"format": "nifti"}, "no export format"),
        ({"format": "nnunet", "scheme": "cv7"}, "cv7"),
        ({"format": "nnunet", "scheme": "wang-slices"}, "nothing to train on"),
        ({"format": "monai", "scheme": "lf20"}, "trains on one fold"),
        ({"format": "monai", "scheme": "hssayeni5"}, "holds validation cases out"),
        ({"format": "nnunet", "number": 1000}, "between 1 and 999"),
    ],
)
def test_what_does_not_exist_is_wrong_usage(dataset: Dataset, tmp_path: Path, asked: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        export(dataset, out=tmp_path / "out", **asked)
    assert not (tmp_path / "out").exists()


def test_a_test_only_dataset_is_not_exported(dataset: Dataset, tmp_path: Path) -> None:
    only = Dataset(id="cq500-negative", source=dataset.source, cases=dataset.cases)
    with pytest.raises(IchBenchError, match="never for training"):
        export(only, format="nnunet", out=tmp_path / "out")


def test_nnunet_names_are_fixed_and_a_new_dataset_gets_a_stable_one() -> None:
    assert nnunet_name("seg-cq500") == "Dataset801_SegCQ500"
    assert nnunet_name("seg-cq500", 7) == "Dataset007_SegCQ500"
    number, name = nnunet_name("my-heads").removeprefix("Dataset").split("_")
    assert name == "MyHeads"
    assert 810 <= int(number) <= 899
