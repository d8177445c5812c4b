"""The readers of the real layouts, their defects, and the cards."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np
import pytest

import downloads
import ich_bench
from ich_bench.cases import SUBTYPES, Case
from ich_bench.datasets import DATASETS, card, grid_warnings, hssayeni, load_dataset, pool
from ich_bench.datasets.cq500_negative import best_series
from ich_bench.downloads.prepare import prepare
from ich_bench.errors import IchBenchError, Problem, UsageError
from ich_bench.folds import load_scheme, schemes_of
from ich_bench.geometry import Geometry

REAL = ["seg-cq500", "hssayeni", "instance2022", "cq500-negative"]


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_card_is_whole_and_names_its_own_schemes(dataset: str) -> None:
    about = card(dataset)
    assert about.id == dataset
    assert all([about.title, about.licence, about.access, about.citation, about.layout, about.caveats])
    assert about.publish in {"full", "metrics"}
    if about.pool:
        assert about.schemes == ()
    else:
        assert about.schemes == schemes_of(dataset)
        assert about.official_scheme == about.schemes[0]
        assert len(load_scheme(dataset).rows) == about.cases


def test_what_may_be_published_is_as_the_protocol_says() -> None:
    assert [name for name in DATASETS if card(name).publish == "metrics"] == ["hssayeni", "instance2022"]


def test_an_unknown_dataset_names_the_nearest_first() -> None:
    with pytest.raises(UsageError, match=r"no dataset 'seg-cq50'\. Did you mean seg-cq500\?"):
        card("seg-cq50")


def test_a_pool_cannot_be_evaluated_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(IchBenchError, match="pool for pre-training: it has no masks"):
        load_dataset("rsna", tmp_path)


@pytest.mark.parametrize("dataset", REAL)
def test_a_folder_without_a_case_is_told_with_what_was_expected_and_what_was_found(
    dataset: str, tmp_path: Path
) -> None:
    (tmp_path / "here" / "letters").mkdir(parents=True)
    with pytest.raises(IchBenchError) as told:
        load_dataset(dataset, tmp_path / "here")
    assert card(dataset).layout in str(told.value)
    assert "letters/" in str(told.value)


def test_cases_come_in_fold_file_order_with_notes_for_absent_and_unexpected_ones(tmp_path: Path) -> None:
    found = load_dataset("hssayeni", downloads.hssayeni(tmp_path, {130: 0, 66: 2, 49: 1, 60: 0}))
    assert [case.case_id for case in found.cases] == ["049", "066", "130"]  # 060 does not exist in the release
    told = {note.where: note.what for note in found.notes}
    assert "no case of hssayeni" in told["060"]
    assert told["hssayeni"].startswith("lacks 72 of its 75 cases: 050, 051, 052,")  # 75 - 3, in one line
    assert told["hssayeni"].endswith(" … and 60 more.")  # 72 - 12
    assert len(told) == 2


def test_a_folder_may_be_named_by_a_string_or_a_path_alike(tmp_path: Path) -> None:
    downloads.hssayeni(tmp_path, {49: 1})
    assert ich_bench.load_dataset("hssayeni", str(tmp_path)) == ich_bench.load_dataset("hssayeni", tmp_path)
    assert prepare("hssayeni", str(tmp_path)) == prepare("hssayeni", tmp_path)
    with pytest.raises(IchBenchError, match="no such folder"):
        ich_bench.load_dataset("hssayeni", str(tmp_path / "absent"))


@pytest.mark.parametrize("deeper", [".", "1.3.1", "physionet/1.3.1"])
def test_hssayeni_is_found_one_or_two_levels_down_or_up(deeper: str, tmp_path: Path) -> None:
    root = downloads.hssayeni(tmp_path / "data" / deeper, {49: 1})
    for source in (tmp_path / "data", root, root / "masks"):
        assert [case.case_id for case in load_dataset("hssayeni", source).cases] == ["049"]


def test_hssayeni_subtypes_are_the_flags_of_its_patients_table(tmp_path: Path) -> None:
    found = load_dataset("hssayeni", downloads.hssayeni(tmp_path, {49: 1, 54: 0}))
    assert found.case("049").subtypes == dict.fromkeys(SUBTYPES, False) | {"edh": True}
    assert found.case("054").subtypes == dict.fromkeys(SUBTYPES, False)


def test_hssayeni_without_the_patients_table_takes_any_slice_and_says_so(tmp_path: Path) -> None:
    downloads.hssayeni(tmp_path, {49: 1})
    (tmp_path / "Patient_demographics.csv").unlink()
    found = load_dataset("hssayeni", tmp_path)
    assert found.case("049").subtypes == dict.fromkeys(SUBTYPES, False) | {"edh": True}
    assert any(note.what.startswith("there is no Patient_demographics.csv in") for note in found.notes)
    (tmp_path / "hemorrhage_diagnosis_raw_ct.csv").write_text("something,else\n1,2\n")
    assert load_dataset("hssayeni", tmp_path).case("049").subtypes is None


def test_hssayeni_slice_labels_count_from_0_where_the_table_counts_from_1(tmp_path: Path) -> None:
    labels = hssayeni.slice_labels(downloads.hssayeni(tmp_path, {49: 2}))
    assert {index: flags["edh"] for index, flags in labels["049"].items()} == {0: True, 1: True, 2: False, 3: False}


@pytest.mark.parametrize(
    ("text", "years"),
    [("34", 34), ("0.5", 0.5), ("3 months", 0.25), ("2 years 6 months", 2.5), ("1 day", 1 / 365.25), ("unknown", None)],
)
def test_ages_are_years_whatever_the_cell_says(text: str, years: float | None) -> None:
    assert hssayeni.age_years(text) == (None if years is None else pytest.approx(years))


def test_footers_and_two_header_rows_are_no_patients(tmp_path: Path) -> None:
    found = hssayeni.patients(downloads.hssayeni(tmp_path, {49: 1, 54: 0}))
    assert {case: patient.age_years for case, patient in found.items()} == {"049": 9, "054": 14}


def test_a_ct_without_a_mask_is_noted_and_never_read_as_a_healthy_head(tmp_path: Path) -> None:
    downloads.hssayeni(tmp_path, {49: 1, 50: 1})
    (tmp_path / "masks" / "050.nii").unlink()
    found = load_dataset("hssayeni", tmp_path)
    assert [case.case_id for case in found.cases] == ["049"]
    assert any(note.where == "050" and "not in masks/" in note.what for note in found.notes)


def test_a_case_of_which_half_is_absent_is_told_once_and_strays_are_nobodys_fault(tmp_path: Path) -> None:
    source = downloads.hssayeni(tmp_path / "h", {49: 1, 57: 1})
    (source / "masks" / "057.nii").unlink()
    downloads.put(source / "masks" / "057b.nii", downloads.mask(1))
    downloads.put(source / "ct_scans" / "notes.nii", downloads.ct())
    told = {note.where: note for note in load_dataset("hssayeni", source).notes}
    assert set(told) == {"057", "057b", "notes", "hssayeni"}
    assert told["057"].mend == "Download it again."
    assert {told[name].mend for name in ("057b", "notes")} == {"Nothing to do."}
    assert told["hssayeni"].what.startswith("lacks 73 of its 75 cases")  # 057 is told already

    source = downloads.instance2022(tmp_path / "i", {"001": 1})
    downloads.put(source / "train_2" / "data" / "101.nii.gz", downloads.ct())  # 101 to 200 have no released labels
    told = {note.where: note for note in load_dataset("instance2022", source).notes}
    assert "is no case of instance2022" in told["101"].what
    assert told["101"].mend == "Nothing to do."

    source = downloads.seg_cq500(tmp_path / "s", [4, 13])
    (source / "Seg-CQ500" / "data" / "volumes" / "CQ500-CT-13" / "ICH_mask.nii.gz").unlink()
    notes = load_dataset("seg-cq500", source).notes
    assert [note.where for note in notes] == ["CQ500-CT-13", "seg-cq500"]
    assert "CQ500-CT-13" not in notes[1].what


@pytest.mark.parametrize(
    "where", [".", "Seg-CQ500", "Seg-CQ500/data", "Seg-CQ500/data/volumes", "Seg-CQ500/data/volumes/CQ500-CT-4"]
)
def test_seg_cq500_is_found_from_every_level_and_its_junk_is_passed_over(where: str, tmp_path: Path) -> None:
    found = load_dataset("seg-cq500", downloads.seg_cq500(tmp_path, [4, 108]) / where)
    assert [case.case_id for case in found.cases] == ["CQ500-CT-4", "CQ500-CT-108"]
    assert all(not path.name.startswith(".") for case in found.cases for path in (case.ct, case.reference) if path)
    assert [note.what.split(":")[0] for note in found.notes] == ["lacks 49 of its 51 cases"]


def test_seg_cq500_subtypes_are_what_two_of_three_readers_marked_and_never_info_csv(tmp_path: Path) -> None:
    downloads.seg_cq500(tmp_path, [4, 10])
    assert load_dataset("seg-cq500", tmp_path).case("CQ500-CT-4").subtypes is None
    downloads.reads_csv(tmp_path / "reads.csv", {4: ["ICH IPH SDH", "ICH IPH", "ICH SDH SAH"], 13: ["", "", ""]})
    found = load_dataset("seg-cq500", tmp_path)
    assert found.case("CQ500-CT-4").subtypes == {"iph": True, "ivh": False, "edh": False, "sdh": True, "sah": False}
    assert found.case("CQ500-CT-10").subtypes is None  # the table does not list it: blank, not zero


def test_a_damaged_reads_csv_is_noted_and_leaves_the_subtypes_blank(tmp_path: Path) -> None:
    downloads.seg_cq500(tmp_path, [4])
    (tmp_path / "reads.csv").write_text("name,Category\nCQ500-CT-4,B1\n")
    found = load_dataset("seg-cq500", tmp_path)
    assert found.case("CQ500-CT-4").subtypes is None
    assert any(note.where == "reads.csv" for note in found.notes)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nii_and_nii_gz_are_read_alike_and_both_at_once_is_noted(suffix: str, tmp_path: Path) -> None:
    downloads.put(tmp_path / "data" / f"001{suffix}", downloads.ct())
    downloads.put(tmp_path / "label" / f"001{suffix}", downloads.mask(2))
    assert [case.case_id for case in load_dataset("instance2022", tmp_path).cases] == ["001"]
    downloads.put(tmp_path / "data" / "001.nii", downloads.ct())
    downloads.put(tmp_path / "data" / "001.nii.gz", downloads.ct())
    assert any("stands beside 001.nii" in note.what for note in load_dataset("instance2022", tmp_path).notes)


@pytest.mark.parametrize("where", [".", "train_2", "train_2/label"])
def test_instance2022_is_found_in_train_2_or_its_parent_without_subtypes(where: str, tmp_path: Path) -> None:
    found = load_dataset("instance2022", downloads.instance2022(tmp_path, {"001": 3, "101": 1}) / where)
    assert [(case.case_id, case.subtypes) for case in found.cases] == [("001", None)]
    assert any(note.where == "101" and "no case of" in note.what for note in found.notes)


def test_a_reference_off_its_cts_grid_is_a_warning_in_words_unless_the_card_knows_of_such() -> None:
    ct = Geometry.of((6, 5, 4), np.diag([0.5, 0.5, 5.0, 1.0]))
    turned = Geometry.of((6, 5, 4), [[-0.5, 0, 0, 2.5], [0, 0.5, 0, 0], [0, 0, 5, 0], [0, 0, 0, 1]])
    moved = Geometry.of((6, 5, 4), [[0.5, 0, 0, 4], [0, 0.5, 0, 0], [0, 0, 5, 0], [0, 0, 0, 1]])
    swapped = Geometry.of((6, 6, 4), [[0, 0.5, 0, 0], [0.5, 0, 0, 0], [0, 0, 5, 0], [0, 0, 0, 1]])
    case = Case(case_id="006", patient_id="006", ct=None, reference=None)
    assert grid_warnings("instance2022", case, ct, ct) == ()
    assert grid_warnings("instance2022", case, ct, turned) == (
        "reference of 006 is mirrored left-right: stored as LAS, the CT is RAS; "
        "voxels are compared by index all the same",
    )
    assert "is shifted by 4.0 mm to the right" in grid_warnings("instance2022", case, ct, moved)[0]
    square = Geometry.of((6, 6, 4), ct.affine)
    assert grid_warnings("hssayeni", case, square, swapped)[0].startswith("reference of 006: its axes are stored in")
    contradicting = Geometry.of((6, 5, 4), ct.affine, qform=moved.affine)
    assert grid_warnings("instance2022", case, ct, contradicting) == ()  # told for CT and reference alike elsewhere
    assert grid_warnings("seg-cq500", case, ct, moved) == ()  # of which the card knows 8
    assert len(grid_warnings("seg-cq500", case, ct, turned)) == 1


def test_cq500_negative_takes_only_the_listed_scans_from_folders_as_downloaded(tmp_path: Path) -> None:
    for number in (2, 4):  # 4 holds hemorrhage and is no case here
        for z in range(3):
            where = tmp_path / "qct01" / f"CQ500CT{number} CQ500CT{number}" / "Unknown Study" / "CT Plain"
            downloads.dicom(where / f"CT{z:06}.dcm", np.zeros((5, 6)), z_mm=z)
    for source in (tmp_path, tmp_path / "qct01", tmp_path / "qct01" / "CQ500CT2 CQ500CT2"):
        found = load_dataset("cq500-negative", source)
        assert [(case.case_id, case.reference) for case in found.cases] == [("CQ500-CT-2", None)]
        assert found.cases[0].ct is not None
        assert found.cases[0].ct.name == "CT Plain"


def test_cq500_negative_takes_converted_files_too(tmp_path: Path) -> None:
    downloads.put(tmp_path / "CQ500-CT-2.nii.gz", downloads.ct())
    downloads.put(tmp_path / "CQ500-CT-3" / "CT.nii", downloads.ct())
    assert [case.case_id for case in load_dataset("cq500-negative", tmp_path).cases] == ["CQ500-CT-2", "CQ500-CT-3"]


def test_reads_that_differ_from_the_frozen_list_are_noted(tmp_path: Path) -> None:
    downloads.put(tmp_path / "CQ500-CT-2.nii.gz", downloads.ct())
    downloads.reads_csv(tmp_path / "reads.csv", {2: ["ICH", "", ""]})
    assert any(note.where == "reads.csv" for note in load_dataset("cq500-negative", tmp_path).notes)


def test_the_series_taken_is_the_thinnest_that_is_neither_bone_nor_with_contrast(tmp_path: Path) -> None:
    for name, thickness_mm, count in (
        ("CT BONE THIN", 0.6, 3),
        ("CT POST CONTRAST THIN", 0.6, 3),
        ("CT 5mm", 5.0, 2),
        ("CT Plain", 1.0, 2),
        ("CT Plain THIN", 1.0, 3),
    ):
        for z in range(count):
            downloads.dicom(tmp_path / name / f"{z}.dcm", np.zeros((5, 6)), z_mm=z, thickness_mm=thickness_mm)
    best = best_series(tmp_path)
    assert best is not None
    assert best.name == "CT Plain THIN"  # 1 mm beats 5 mm; of the two of 1 mm the one with 3 slices


def _rsna(folder: Path) -> Path:
    """Write 4 slices of 2 series of 2 patients, one slice cut short, one wrapped; the table repeats one slice."""
    stage = folder / "stage_2_train"
    zero = np.zeros((5, 6))
    downloads.dicom(stage / "ID_00000000a.dcm", zero, z_mm=7, patient="p1", series="1.1")
    downloads.dicom(stage / "ID_00000000b.dcm", zero, z_mm=-3, patient="p1", series="1.1")
    # 12 bits, unsigned, intercept 0: 4080 is -16 wrapped by 4096; + 1000 wraps to 984; - 1000 is -16 HU. 40 stays 40.
    wrapped = np.full((5, 6), 4080)
    wrapped[0, 0] = 40
    downloads.dicom(stage / "ID_00000000c.dcm", wrapped, patient="p2", series="1.2", bits=12, signed=False)
    whole = downloads.dicom(stage / "ID_00000000d.dcm", zero, patient="p2", series="1.2", z_mm=5)
    whole.write_bytes(whole.read_bytes()[:-10])
    rows = [(name, kind) for name in "abcda" for kind in ("any", "epidural", "intraparenchymal", "intraventricular")]
    rows += [(name, kind) for name in "abcda" for kind in ("subarachnoid", "subdural")]
    (folder / "stage_2_train.csv").write_text(
        "ID,Label\n"
        + "".join(
            f"ID_00000000{name}_{kind},{int(name == 'a' and kind in ('any', 'subdural'))}\n" for name, kind in rows
        )
    )
    return folder


@pytest.mark.parametrize("zipped", [False, True])
def test_the_pool_gives_the_same_from_its_folder_and_straight_from_its_zip(zipped: bool, tmp_path: Path) -> None:
    source = _rsna(tmp_path / "rsna")
    if zipped:
        with zipfile.ZipFile(tmp_path / "rsna.zip", "w") as archive:
            for path in sorted(source.rglob("*.*")):
                archive.write(path, "rsna-intracranial/" + path.relative_to(source).as_posix())
        source = tmp_path / "rsna.zip"
    found = pool.open_pool(source)
    table, notes = pool.labels(found)
    assert list(table.columns) == ["any", "iph", "ivh", "edh", "sdh", "sah"]
    assert table.loc["ID_00000000a"].tolist() == [True, False, False, False, True, False]
    assert [len(table), int(table["any"].sum()), len(notes)] == [4, 1, 1]
    assert "repeats 6 rows of 1 slices" in notes[0].what
    slices, broken = pool.headers(found)
    assert [problem.where.rsplit("/", 1)[-1] for problem in broken] == ["ID_00000000d.dcm"]
    series = pool.by_series(slices)
    assert {name: [one.slice_id[-1] for one in group] for name, group in series.items()} == {
        "1.1": ["b", "a"],  # -3 mm lies below 7 mm
        "1.2": ["c"],
    }
    assert [one.slice_id[-1] for one in slices if one.wrapped] == ["c"]
    skipped: list[Problem] = []
    hu = dict(pool.read_slices(found, sorted(found.slices), skipped))
    assert hu["ID_00000000c"][0, 0] == 40
    assert set(hu["ID_00000000c"].ravel().tolist()) == {40, -16}
    assert [problem.where for problem in skipped] == [broken[0].where]
    assert len(pool.headers(found, limit=2)[0]) == 2


def test_the_pool_splits_by_patients_and_the_papers_split_by_slices_under_its_own_name() -> None:
    slices = [
        pool.Slice(slice_id=f"{p}-{n}", patient_id=f"p{p}", study="", series="", position_mm=math.nan, wrapped=False)
        for p in range(20)
        for n in range(3)
    ]
    train, held = pool.split_patients(slices)
    assert len(held) == 2 * 3  # 10 % of 20 patients
    assert not {name.split("-")[0] for name in train} & {name.split("-")[0] for name in held}
    assert sorted([*train, *held]) == sorted(one.slice_id for one in slices)
    table = pool.pd.DataFrame({"any": [n % 3 == 0 for n in range(60)]}, index=[f"s{n:02}" for n in range(60)])
    train, held = pool.split_papers_slices(table, held_out=10)
    assert [len(train), len(held)] == [30, 10]  # 20 with ICH + 20 without, of which 5 + 5 are held out
    assert sum(bool(table.loc[name, "any"]) for name in held) == 5


def test_a_pool_without_slices_or_with_a_broken_zip_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(IchBenchError, match="no slice of rsna"):
        pool.open_pool(tmp_path)
    (tmp_path / "rsna.zip").write_bytes(b"PK no zip")
    with pytest.raises(IchBenchError, match="cannot be read as a zip"):
        pool.open_pool(tmp_path / "rsna.zip")
