"""The drawn native layouts hold what the real downloads hold, known defects included."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from ich_bench.datasets import reader
from ich_bench.errors import UsageError
from ich_bench.formats.dicom import find_series, read_series
from ich_bench.geometry import Geometry
from ich_bench.phantom.layouts import cq500_negative, hssayeni, instance2022, rsna, seg_cq500
from ich_bench.phantom.layouts.common import drawn, turned
from ich_bench.volume import open_mask, read_ct, read_geometry

SHAPE = (64, 64, 10)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def physionet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hssayeni.write(tmp_path_factory.mktemp("h"), shape=SHAPE)


@pytest.fixture(scope="module")
def cq500(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seg_cq500.write(tmp_path_factory.mktemp("s"), shape=SHAPE, reads=True)


@pytest.fixture(scope="module")
def train_2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return instance2022.write(tmp_path_factory.mktemp("i"), shape=SHAPE)


@pytest.fixture(scope="module")
def kaggle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rsna.write(tmp_path_factory.mktemp("r"), shape=SHAPE)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cq500_negative.write(tmp_path_factory.mktemp("n"), shape=SHAPE)


def test_physionet_masks_hold_0_and_255_and_bleed_where_the_real_patients_do(physionet: Path) -> None:
    for case_id in hssayeni.CASES:
        mask = nib.load(physionet / "masks" / f"{case_id}.nii")
        assert mask.get_data_dtype() == np.uint8
        values = set(np.unique(np.asarray(mask.dataobj)))
        # 49-53, 58, 66-94 and 97 bled
        assert values == ({0, 255} if case_id in {"049", "050", "058", "070", "097"} else {0})
        assert read_ct(physionet / "ct_scans" / f"{case_id}.nii").geometry.spacing_mm[2] == 5.0
    assert nib.load(physionet / "ct_scans" / "050.nii").get_data_dtype() == np.float32


def test_physionet_s_slice_table_counts_from_1_and_agrees_with_the_masks(physionet: Path) -> None:
    table = rows(physionet / "hemorrhage_diagnosis_raw_ct.csv")
    assert list(table[0]) == [
        "PatientNumber", "SliceNumber", "Intraventricular", "Intraparenchymal", "Subarachnoid", "Epidural", "Subdural",
        "No_Hemorrhage", "Fracture_Yes_No",
    ]  # fmt: skip
    assert len(table) == 8 * 10
    for case_id in hssayeni.CASES:
        lines = [row for row in table if row["PatientNumber"] == str(int(case_id))]
        assert [row["SliceNumber"] for row in lines] == [str(number) for number in range(1, 11)]
        mask = np.asarray(nib.load(physionet / "masks" / f"{case_id}.nii").dataobj)
        assert [row["No_Hemorrhage"] == "0" for row in lines] == list(mask.any(axis=(0, 1)))
    chronic = [row for row in table if row["PatientNumber"] == "70"]
    assert "1" in {row["Epidural"] for row in chronic}


def test_physionet_s_patient_table_has_two_headers_two_footers_and_ages_in_words(physionet: Path) -> None:
    with (physionet / "Patient_demographics.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    assert lines[0][3].startswith("Hemorrhage type")
    assert lines[1][3:8] == ["Intraventricular", "Intraparenchymal", "Subarachnoid", "Epidural", "Subdural"]
    assert [line[0] for line in lines[2:-2]] == [str(int(case_id)) for case_id in hssayeni.CASES]
    assert {"3 months", "10 days"} < {line[1] for line in lines}
    assert not any(line[0].isdigit() for line in lines[-2:])


def test_an_old_bleed_of_patient_070_is_darker_than_brain(physionet: Path) -> None:
    hu = read_ct(physionet / "ct_scans" / "070.nii").hu
    mask = open_mask(physionet / "masks" / "070.nii").voxels()
    assert np.median(hu[mask]) < 35


def test_seg_cq500_cts_are_sheared_and_two_masks_lost_the_shear(cq500: Path) -> None:
    volumes = cq500 / "data" / "volumes"
    sheared, differ = set(), set()
    for case_id in seg_cq500.CASES:
        ct = nib.load(volumes / case_id / "CT.nii")
        mask = nib.load(volumes / case_id / "ICH_mask.nii.gz")
        assert ct.shape == mask.shape == SHAPE
        assert set(np.unique(np.asarray(mask.dataobj))) == {0, 1}
        if Geometry.of(ct.shape, ct.affine).shear_deg > 1:
            sheared.add(case_id)
        if not np.allclose(ct.affine, mask.affine, atol=1e-3):
            differ.add(case_id)
            assert Geometry.of(mask.shape, mask.affine).shear_deg < 1e-3
    assert sheared == set(seg_cq500.CASES) - {"CQ500-CT-61"}
    assert differ == set(seg_cq500.MASK_ON_OTHER_AFFINE)
    assert read_geometry(volumes / "CQ500-CT-108" / "CT.nii").shear_deg == pytest.approx(24.0, abs=0.01)
    thick = [read_geometry(volumes / case_id / "CT.nii").spacing_mm[2] for case_id in seg_cq500.CASES]
    assert thick == pytest.approx([0.625, 0.625, 3.0, 5.05, 0.625, 5.05], abs=1e-6)


def test_seg_cq500_has_its_padding_junk_and_probabilities(cq500: Path) -> None:
    volumes = cq500 / "data" / "volumes"
    low = [int(np.asarray(nib.load(volumes / case_id / "CT.nii").dataobj).min()) for case_id in seg_cq500.CASES]
    assert low == [-3024, -3024, -3024, -3024, -1024, -3024]  # every fifth
    assert (volumes / "CQ500-CT-4" / "._CT.nii").is_file()
    assert list((cq500.parent / "__MACOSX").rglob("._ICH_mask.nii.gz"))
    info = rows(volumes / "info.csv")
    assert [row["name"] for row in info] == list(seg_cq500.CASES)
    assert all(0 < float(row["ICH"]) < 1 and row["ICH"] not in ("0.33", "0.67") for row in info)
    brain = np.asarray(nib.load(volumes / "CQ500-CT-61" / "brain.nii.gz").dataobj)
    assert 0 < brain.mean() < 1


def test_reads_have_three_readers_and_a_majority_that_is_the_drawn_subtype(cq500: Path) -> None:
    found = reader("seg-cq500").find(cq500)
    assert len(rows(cq500.parent / "reads.csv")[0]) == 2 + 3 * 14
    # in turn: iph, ivh, edh, sdh, sah, iph with ivh
    drawn_order = ["iph", "ivh", "edh", "sdh", "sah"]
    for case_id, name in zip(seg_cq500.CASES, drawn_order, strict=False):
        assert [subtype for subtype, flag in (found.cases[case_id].subtypes or {}).items() if flag] == [name]


def test_instance_runs_left_and_back_pads_to_2048_and_labels_0_and_1(train_2: Path) -> None:
    for case_id in instance2022.CASES:
        ct = nib.load(train_2 / "data" / f"{case_id}.nii.gz")
        label = nib.load(train_2 / "label" / f"{case_id}.nii.gz")
        assert list(np.sign(np.diag(ct.affine)[:3])) == [-1, -1, 1]
        assert np.array_equal(ct.affine, label.affine)
        assert np.asarray(ct.dataobj).min() == -2048
        assert set(np.unique(np.asarray(label.dataobj))) == {0, 1}
    hu = np.asarray(nib.load(train_2 / "data" / "052.nii.gz").dataobj)
    label = np.asarray(nib.load(train_2 / "label" / "052.nii.gz").dataobj) > 0
    assert hu[label].max() > 300  # bone in the label
    assert train_2.name == "train_2"


def test_rsna_lies_flat_with_repeated_rows_and_one_file_cut_short(kaggle: Path) -> None:
    files = sorted((kaggle / "stage_2_train").iterdir())
    assert len(files) == 6 * 10
    assert all(len(path.stem) == 12 and path.stem.startswith("ID_") for path in files)
    table = rows(kaggle / "stage_2_train.csv")
    assert list(table[0]) == ["ID", "Label"]
    assert len(table) == (6 * 10 + 4) * 6
    assert len({row["ID"] for row in table}) == 60 * 6
    positive = {row["ID"].rsplit("_", 1)[1] for row in table if row["Label"] == "1"}
    assert positive == {"any", "epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural"}
    cut = pydicom.dcmread(kaggle / "stage_2_train" / f"{rsna.CORRUPT}.dcm")
    with pytest.raises(ValueError, match="pixel data"):
        _ = cut.pixel_array


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")  # RSNA's identifiers are no UIDs: that is the point
def test_rsna_holds_wrapped_values_double_windows_and_shuffled_numbers(kaggle: Path) -> None:
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in (kaggle / "stage_2_train").iterdir()]
    wrapped = [one for one in headers if one.BitsStored == 12]
    assert len(wrapped) == 2 * 10  # every third of six exams
    assert all(one.PixelRepresentation == 0 and one.RescaleIntercept == 0 for one in wrapped)
    assert {one["WindowCenter"].VM for one in headers} == {1, 2}
    assert all(str(one.StudyInstanceUID).startswith("ID_") for one in headers)
    exam = [one for one in headers if one.StudyInstanceUID == headers[0].StudyInstanceUID]
    exam.sort(key=lambda one: float(one.ImagePositionPatient[2]))
    numbers = [int(one.InstanceNumber) for one in exam]
    assert sorted(numbers) == list(range(1, 11))
    assert numbers != sorted(numbers)


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_wrapped_exam_is_repaired_to_the_head_that_was_drawn(tmp_path: Path) -> None:
    head = drawn("exam-2", ("edh",), seed=0, shape=SHAPE, thickness_mm=5.0)  # the third exam is wrapped
    healthy = [drawn(f"h{n}", (), seed=0, shape=SHAPE, thickness_mm=5.0) for n in range(1)]
    folder = rsna.write(tmp_path, [head, healthy[0], head], cases=("a", "b", "c"))
    exams = {}
    for path in (folder / "stage_2_train").glob("*.dcm"):
        if path.stem != rsna.CORRUPT:
            header = pydicom.dcmread(path, stop_before_pixels=True)
            exams.setdefault((header.BitsStored, str(header.SeriesInstanceUID)), []).append(path)
    wrapped = next(files for (bits, _), files in exams.items() if bits == 12)
    ct = read_series(wrapped, repair=True)
    expected, grid = turned(head.hu, head.geometry, (-1, -1, 1))
    assert np.array_equal(np.maximum(ct.hu, -1000), np.maximum(expected, -1000))
    assert np.allclose(ct.geometry.matrix, grid.matrix, atol=1e-3)


def test_rsna_as_a_zip_holds_the_same_files(tmp_path: Path) -> None:
    path = rsna.write(tmp_path, cases=("exam-0", "exam-1"), shape=(48, 48, 8), zipped=True)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    assert "stage_2_train.csv" in names
    assert sum(name.startswith("stage_2_train/ID_") for name in names) == 16


def test_cq500_scans_have_several_series_and_reads_say_who_bled(scans: Path) -> None:
    folder = scans / "CQ500CT2 CQ500CT2" / "Unknown Study"
    assert sorted(path.name for path in folder.iterdir()) == ["CT BONE", "CT PLAIN THIN", "CT Plain", "SCOUT"]
    assert (folder / "CT Plain" / "CT000000.dcm").is_file()
    counts = {series.description: len(series.files) for series in find_series(folder)}
    assert counts == {"CT PLAIN THIN": 20, "CT Plain": 10, "CT BONE": 10, "SCOUT": 1}
    reads = {row["name"]: [row[f"R{n}:ICH"] for n in (1, 2, 3)] for row in rows(scans / "reads.csv")}
    assert reads["CQ500-CT-2"] == ["0", "0", "0"]
    assert reads["CQ500-CT-4"] == ["1", "1", "1"]
    assert sorted(reads["CQ500-CT-0"]) == ["0", "0", "1"]  # the readers differ


def test_a_tilted_head_survives_dicom(tmp_path: Path) -> None:
    head = drawn("x", (), seed=0, shape=SHAPE, thickness_mm=5.0, tilt_deg=15.0)
    folder = cq500_negative.write(tmp_path, [head], cases=("CQ500-CT-2",))
    ct = read_series(folder / "CQ500CT2 CQ500CT2" / "Unknown Study" / "CT Plain")
    expected, grid = turned(head.hu, head.geometry, (-1, -1, 1))
    assert np.array_equal(ct.hu, expected)
    assert np.allclose(ct.geometry.matrix, grid.matrix, atol=1e-3)
    assert ct.geometry.shear_deg == pytest.approx(15.0, abs=0.01)


@pytest.mark.parametrize(
    ("dataset", "layout"),
    [("hssayeni", "physionet"), ("seg-cq500", "cq500"), ("instance2022", "train_2"), ("cq500-negative", "scans")],
)
def test_each_dataset_s_reader_finds_its_cases(dataset: str, layout: str, request: pytest.FixtureRequest) -> None:
    found = reader(dataset).find(request.getfixturevalue(layout))
    expected = {
        "hssayeni": set(hssayeni.CASES),
        "seg-cq500": set(seg_cq500.CASES),
        "instance2022": set(instance2022.CASES),
        "cq500-negative": {"CQ500-CT-2", "CQ500-CT-3", "CQ500-CT-5"},
    }[dataset]
    assert set(found.cases) == expected


def test_given_heads_are_used_and_too_few_are_refused_in_words(tmp_path: Path) -> None:
    ill = drawn("a", ("edh",), seed=1, shape=(48, 48, 8), thickness_mm=5.0)
    well = drawn("b", (), seed=1, shape=(48, 48, 8), thickness_mm=5.0)
    folder = hssayeni.write(tmp_path, [well, ill], cases=("049", "054"))
    assert np.array_equal(open_mask(folder / "masks" / "049.nii").voxels(), ill.reference)
    assert not open_mask(folder / "masks" / "054.nii").voxels().any()
    with pytest.raises(UsageError, match="case 050 needs a head with a bleed"):
        hssayeni.write(tmp_path / "more", [well, ill], cases=("049", "050"))


def test_turning_the_axes_keeps_every_voxel_where_it_was() -> None:
    values = np.arange(24).reshape(2, 3, 4)
    grid = Geometry.of((2, 3, 4), [[-1, 0, 0, 5], [0, 2, 0, 1], [0, 0.5, 3, 0], [0, 0, 0, 1]])
    back, new = turned(values, grid, (1, -1, 1))
    # voxel (0, 0, 0) becomes (1, 2, 0): the affine must give the same millimetres
    assert back[1, 2, 0] == values[0, 0, 0]
    assert np.allclose(new.matrix @ [1, 2, 0, 1], grid.matrix @ [0, 0, 0, 1])
    assert new.matrix[0, 0] == 1
    assert new.matrix[1, 1] == -2
