"""prepare says, case by case, what is missing or unexpected; it never copies or alters the download."""

from __future__ import annotations

import csv
import hashlib
import importlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import downloads
from ich_bench.downloads.duplicates import similar, thumbnail
from ich_bench.downloads.prepare import Prepared, _alike, prepare
from ich_bench.errors import IchBenchError, InputError
from ich_bench.folds import load_scheme
from ich_bench.places import config_folder, remembered
from ich_bench.tables.composition import composition

SHARED_TABLE = Path(__file__).parents[2] / "shared" / "reference" / "seg_cq500_51_expected.csv"


def test_prepare_gives_the_facts_of_each_case_and_remembers_the_folder(tmp_path: Path) -> None:
    source = downloads.hssayeni(tmp_path / "download", {49: 2, 54: 0})
    prepared = prepare("hssayeni", source)
    one = prepared.cases[0]
    # 2 voxels of 0.5 × 0.5 × 5 mm = 2.5 mm³ = 0.0025 mL, in the first two slices of memory order.
    assert (one.case_id, one.shape, one.spacing_mm, one.has_ich) == ("049", (6, 5, 4), (0.5, 0.5, 5.0), True)
    assert one.lesion_ml == pytest.approx(0.0025)
    assert (one.slices_positive, one.orientation, one.shear_deg) == (2, "RAS", 0.0)
    assert prepared.cases[1].has_ich is False
    assert remembered("hssayeni") == source
    assert any(problem.what.startswith("lacks 73 of its 75 cases: 050, 051,") for problem in prepared.differences)
    assert "6 × 5 pixels" in "".join(p.what for p in prepared.differences if p.where == "049")
    assert "2 cases; the card says 75." in {problem.what for problem in prepared.differences}
    assert json.loads((config_folder() / "index" / "hssayeni.json").read_text())["cases"][0]["case_id"] == "049"
    assert json.dumps(prepared.as_dict())
    assert "2 of 75 cases: 1 with ICH, 1 without" in prepared.text()


def test_the_hashes_are_those_of_the_protocol(tmp_path: Path) -> None:
    prepared = prepare("hssayeni", downloads.hssayeni(tmp_path, {49: 2, 54: 0}))
    voxels = downloads.mask(2) > 0
    shape = np.array([6, 5, 4], "<i8").tobytes()
    by_hand = [
        hashlib.sha256(shape + np.packbits(v.ravel(order="F")).tobytes()).hexdigest() for v in (voxels, voxels & False)
    ]
    assert [case.reference_sha256 for case in prepared.cases] == by_hand
    assert prepared.dataset_sha256 == hashlib.sha256(f"049,{by_hand[0]}\n054,{by_hand[1]}\n".encode()).hexdigest()
    assert not prepared.complete


def test_nothing_in_the_download_is_changed_or_added(tmp_path: Path) -> None:
    source = downloads.seg_cq500(tmp_path / "download", [4])
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    prepare("seg-cq500", source)
    assert {path: path.read_bytes() for path in source.rglob("*") if path.is_file()} == before


def test_strict_makes_any_difference_an_error_that_lists_them_all_and_remembers_nothing(tmp_path: Path) -> None:
    source = downloads.hssayeni(tmp_path, {49: 2})
    with pytest.raises(InputError) as told:
        prepare("hssayeni", source, strict=True)
    words = [problem.what for problem in told.value.problems]
    assert any("lacks 74 of its 75 cases" in what for what in words)
    assert "1 cases; the card says 75." in words
    assert remembered("hssayeni") is None


def test_every_broken_file_is_named_and_the_others_are_still_checked(tmp_path: Path) -> None:
    source = downloads.instance2022(tmp_path, {"001": 3, "002": 3, "003": 3, "004": 3})
    for part in ("data/001", "label/002"):
        path = source / "train_2" / f"{part}.nii.gz"
        path.write_bytes(path.read_bytes()[:-30])
    downloads.put(source / "train_2" / "label" / "003.nii.gz", downloads.mask(3, shape=(6, 5, 5)))
    prepared = prepare("instance2022", source)
    told = {where: [p.what for p in prepared.differences if p.where == where] for where in ("001", "002", "003")}
    assert "its CT (001.nii.gz)" in told["001"][0]
    assert "its mask (002.nii.gz)" in told["002"][0]
    assert told["003"] == ["its mask is 6x5x5 voxels, its CT 6x5x4."]
    assert [case.case_id for case in prepared.cases] == ["004"]


def test_a_download_of_which_no_case_can_be_used_is_an_error_and_not_remembered(tmp_path: Path) -> None:
    source = downloads.hssayeni(tmp_path, {53: 2})
    path = source / "masks" / "053.nii"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"no case of hssayeni in .* can be used") as told:
        prepare("hssayeni", source)
    assert any(p.where == "053" and p.what.startswith("its mask (053.nii): it is ") for p in told.value.problems)
    assert remembered("hssayeni") is None
    stage = tmp_path / "rsna" / "stage_2_train"
    stage.mkdir(parents=True)
    (stage / "ID_00000000a.dcm").write_bytes(b"no image")
    with pytest.raises(InputError, match="no slice of rsna"):
        prepare("rsna", tmp_path / "rsna")
    assert remembered("rsna") is None


def test_an_archive_is_to_be_unpacked_first(tmp_path: Path) -> None:
    (tmp_path / "Seg-CQ500.zip").write_bytes(b"PK")
    with pytest.raises(IchBenchError, match=r"Unpack it, then name the folder with --data DIR \(prepare: --source"):
        prepare("seg-cq500", tmp_path / "Seg-CQ500.zip")


def test_an_empty_mask_where_the_card_says_ich_is_a_difference(tmp_path: Path) -> None:
    prepared = prepare("instance2022", downloads.instance2022(tmp_path, {"001": 0}))
    assert any(p.where == "001" and "empty mask" in p.what for p in prepared.differences)


def test_a_table_that_contradicts_the_mask_is_a_difference(tmp_path: Path) -> None:
    source = downloads.hssayeni(tmp_path, {49: 2})
    downloads.put(source / "masks" / "049.nii", downloads.mask(0))
    assert any("in its table but not in its mask" in p.what for p in prepare("hssayeni", source).differences)


def test_seg_cq500_is_compared_with_its_published_geometry_and_volumes(tmp_path: Path) -> None:
    # CQ500-CT-4 has 512 × 512 × 288 voxels of 0.5625 × 0.5625 × 0.6319 mm and 62.62 mL.
    told = [
        p.what for p in prepare("seg-cq500", downloads.seg_cq500(tmp_path, [4])).differences if p.where == "CQ500-CT-4"
    ]
    assert any("512" in what and "288" in what for what in told)
    assert any("0.5625" in what and "0.6319" in what for what in told)
    assert any("62.624 mL" in what for what in told)


def test_sheared_scans_are_measured_by_the_determinant_and_a_differing_mask_affine_is_a_remark(tmp_path: Path) -> None:
    # Gantry tilt t: the slice axis leans by t; |det| = 0.5 · 0.5 · 5 · cos(20°), the product of the norms is 1.25.
    tilt = np.deg2rad(20.0)
    affine = np.array([[0.5, 0, 0, 0], [0, 0.5, 5 * np.sin(tilt), 0], [0, 0, 5 * np.cos(tilt), 0], [0, 0, 0, 1]])
    source = downloads.seg_cq500(tmp_path, [4], affine=affine)
    mask = source / "Seg-CQ500" / "data" / "volumes" / "CQ500-CT-4" / "ICH_mask.nii.gz"
    nib.save(nib.Nifti1Image(downloads.mask(3), np.diag([0.5, 0.5, 5.0, 1.0])), mask)
    prepared = prepare("seg-cq500", source)
    one = prepared.cases[0]
    assert one.lesion_ml == pytest.approx(3 * 0.5 * 0.5 * 5 * np.cos(tilt) / 1000, rel=1e-6)
    assert one.shear_deg == pytest.approx(20.0, abs=1e-4)
    assert {problem.where for problem in prepared.remarks} == {"CQ500-CT-4"}


def mirrored(affine: np.ndarray) -> np.ndarray:
    """Return an affine whose first axis runs the other way over the same ground: 6 voxels of 0.5 mm."""
    turned = affine.copy()
    turned[0, 3] += 5 * affine[0, 0]
    turned[0, 0] *= -1
    return turned


def test_a_mask_stored_mirrored_against_its_ct_is_a_difference_in_words(tmp_path: Path) -> None:
    source = downloads.instance2022(tmp_path, {"001": 3, "002": 3})
    downloads.put(source / "train_2" / "label" / "002.nii.gz", downloads.mask(3), mirrored(downloads.AFFINE))
    prepared = prepare("instance2022", source)
    told = [problem for problem in prepared.differences if "its mask" in problem.what]
    assert [problem.where for problem in told] == ["002"]
    assert told[0].what.startswith("its mask is mirrored left-right: stored as LAS, the CT is RAS; voxels are counted")
    assert "If the header is right, the mask marks the wrong place" in told[0].what


def test_a_mask_on_another_affine_is_a_difference_where_the_card_knows_of_none(tmp_path: Path) -> None:
    source = downloads.hssayeni(tmp_path, {49: 2})
    moved = downloads.AFFINE.copy()
    moved[0, 3] = 4.0
    downloads.put(source / "masks" / "049.nii", downloads.mask(2, value=255), moved)
    prepared = prepare("hssayeni", source)
    assert any("is shifted by 4.0 mm to the right against the CT" in problem.what for problem in prepared.differences)
    assert prepared.remarks == ()


def test_seg_cq500_may_hold_8_masks_on_another_affine_and_none_that_is_mirrored(tmp_path: Path) -> None:
    numbers = [int(row.case_id.rsplit("-", 1)[1]) for row in load_scheme("seg-cq500").rows][:9]
    source = downloads.seg_cq500(tmp_path, numbers)
    volumes = source / "Seg-CQ500" / "data" / "volumes"
    moved = downloads.AFFINE.copy()
    moved[2, 3] = 4.0
    for number in numbers[:8]:
        downloads.put(volumes / f"CQ500-CT-{number}" / "ICH_mask.nii.gz", downloads.mask(3), moved)
    prepared = prepare("seg-cq500", source)
    assert [problem.where for problem in prepared.remarks] == [f"CQ500-CT-{number}" for number in numbers[:8]]
    assert not any("mask" in problem.what for problem in prepared.differences)
    last = volumes / f"CQ500-CT-{numbers[8]}" / "ICH_mask.nii.gz"
    downloads.put(last, downloads.mask(3), moved)
    told = prepare("seg-cq500", source).differences
    assert any(problem.what == "9 masks lie on another affine than their CT; the card says 8." for problem in told)
    downloads.put(last, downloads.mask(3), mirrored(downloads.AFFINE))
    told = prepare("seg-cq500", source).differences
    assert [p.where for p in told if "is mirrored left-right" in p.what] == [f"CQ500-CT-{numbers[8]}"]


def test_the_shipped_table_of_seg_cq500_says_what_its_source_says() -> None:
    if not SHARED_TABLE.is_file():
        pytest.skip("the published table is not beside this checkout")
    from ich_bench.datasets.seg_cq500 import expected_cases

    ours = expected_cases()
    with SHARED_TABLE.open(newline="") as table:
        for row in csv.DictReader(table):
            case = ours.pop(row["case"])
            assert case.shape == tuple(int(row[f"Shape_{axis}"]) for axis in "XYZ")
            assert case.spacing_mm == pytest.approx([float(row[f"Spacing_{axis}"]) for axis in "XYZ"], abs=1e-6)
            assert case.lesion_ml == pytest.approx(float(row["vol_ml_det"]), abs=1e-4)
    assert not ours


def test_dicom_scans_of_cq500_negative_are_read_to_the_end_with_an_empty_reference(tmp_path: Path) -> None:
    for z in range(3):
        downloads.dicom(tmp_path / "CQ500CT2 CQ500CT2" / "CT Plain" / f"{z}.dcm", np.full((5, 6), z), z_mm=2.0 * z)
    prepared = prepare("cq500-negative", tmp_path)
    one = prepared.cases[0]
    assert (one.shape, one.spacing_mm, one.has_ich, one.lesion_ml) == ((6, 5, 3), (0.5, 0.5, 2.0), False, 0.0)


def test_the_same_head_twice_is_a_remark(tmp_path: Path) -> None:
    head = np.full((64, 64, 10), -1000, np.int16)
    head[10:50, 8:60, 1:9] = np.random.Generator(np.random.PCG64(1)).integers(0, 100, (40, 52, 8))
    for name, values in (("001", head), ("002", np.roll(head, 3, axis=0)), ("003", head[::-1])):
        downloads.put(tmp_path / "data" / f"{name}.nii.gz", values)
        downloads.put(tmp_path / "label" / f"{name}.nii.gz", downloads.mask(3, shape=head.shape))
    prepared = prepare("instance2022", tmp_path)
    assert [problem.where for problem in prepared.remarks] == ["001 and 002", "instance2022"]
    # In the public folds 001 is in fold 4 and 002 in fold 3.
    assert "trains on what another tests: 001 is in fold 4, 002 in 3." in prepared.remarks[0].mend
    assert "0.97 was set on drawn heads" in prepared.remarks[1].what
    assert [pair[:2] for pair in prepared.alike] == [("001", "002")]


def alike(tmp_path: Path, ids: list[str]) -> Prepared:
    """Return what prepare says of scans of one head."""
    head = np.full((32, 32, 6), -1000, np.int16)
    head[5:25, 4:30, 1:5] = np.random.Generator(np.random.PCG64(1)).integers(0, 100, (20, 26, 4))
    for name in ids:
        downloads.put(tmp_path / f"{name}.nii.gz", head)
    return prepare("cq500-negative", tmp_path)


def test_a_pair_alike_in_cq500_negative_is_no_leak_since_nothing_is_trained_on_it(tmp_path: Path) -> None:
    prepared = alike(tmp_path, ["CQ500-CT-2", "CQ500-CT-3"])
    assert [problem.where for problem in prepared.remarks] == ["CQ500-CT-2 and CQ500-CT-3", "cq500-negative"]
    assert "Both are tested in fold 0" in prepared.remarks[0].mend
    assert "trains on" not in str(prepared.remarks)


def test_where_many_heads_look_alike_the_test_says_that_it_cannot_tell_and_json_has_all(tmp_path: Path) -> None:
    # 7 scans of one head are 7 · 6 / 2 = 21 pairs, all alike: more than 12, and more than 3 % of 21.
    prepared = alike(tmp_path, [f"CQ500-CT-{number}" for number in (2, 3, 5, 6, 7, 9, 16)])
    assert [problem.where for problem in prepared.remarks] == ["cq500-negative"]
    assert "21 of 21 pairs of heads correlate" in prepared.remarks[0].what
    assert "cannot tell these heads apart" in prepared.remarks[0].what
    assert len(prepared.as_dict()["alike"]) == 21
    assert prepared.text().count("CQ500-CT-") <= 12  # the absent ones, in one line
    assert prepared.text().count("lacks 238 of its 245 cases") == 1
    assert len(prepared.as_dict()["absent"]) == 238


def test_the_pairs_most_alike_are_shown_and_the_others_counted() -> None:
    # 100 heads have 4,950 pairs, of which 3 % are 148: 14 pairs are few enough to be told.
    ids = [f"{number:03}" for number in range(1, 16)]
    told = list(_alike("instance2022", [(ids[0], other, 0.99) for other in ids[1:]], 100))
    assert len(told) == 12 + 1
    assert told[-1].what.startswith("2 more pairs look alike (`--json` has all).")


def test_a_scan_of_air_alone_is_like_nothing() -> None:
    air = np.full((8, 8, 3), -1000, np.int16)
    assert similar({"a": thumbnail(air), "b": thumbnail(air)}) == []


def test_limit_checks_the_first_cases_only_and_reports_progress(tmp_path: Path) -> None:
    source = downloads.hssayeni(tmp_path, {49: 2, 50: 2, 51: 2})
    steps: list[tuple[int, int]] = []
    prepared = prepare("hssayeni", source, limit=2, progress=lambda done, total: steps.append((done, total)))
    assert [case.case_id for case in prepared.cases] == ["049", "050"]
    assert steps == [(1, 2), (2, 2)]
    assert not any("the card says 75" in problem.what for problem in prepared.differences)


def test_a_source_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(IchBenchError, match="no such folder"):
        prepare("hssayeni", tmp_path / "absent")


def test_the_pool_is_counted_and_its_corrupt_files_are_listed(tmp_path: Path) -> None:
    stage = tmp_path / "stage_2_train"
    downloads.dicom(stage / "ID_00000000a.dcm", np.zeros((5, 6)))
    downloads.dicom(stage / "ID_6431af929.dcm", np.zeros((5, 6)))
    (stage / "ID_6431af929.dcm").write_bytes((stage / "ID_6431af929.dcm").read_bytes()[:-8])
    (tmp_path / "stage_2_train.csv").write_text("ID,Label\nID_00000000a_any,1\nID_00000000a_subdural,1\n")
    prepared = prepare("rsna", tmp_path)
    assert prepared.pool["slices"] == 2
    assert prepared.pool["slices_that_cannot_be_read"] == 1
    assert prepared.pool["labelled_slices_with_ICH"] == 1
    # This one file is cut short in the real download too: worth knowing, no difference.
    assert [problem.where for problem in prepared.remarks] == ["stage_2_train/ID_6431af929.dcm"]
    assert any("no label for 1 slices" in problem.what for problem in prepared.differences)
    assert remembered("rsna") == tmp_path


def test_composition_is_known_without_data_where_it_is_public_and_a_dash_where_it_is_not() -> None:
    lines = composition(load_scheme("hssayeni")).splitlines()
    cells = lines[1].split()
    # Fold 0 of cv10: 72 79 81 83 are positive, 106 115 124 130 are not; all slices are 5 mm apart.
    assert cells[:6] == ["0", "8", "4", "4", "0", "8"]
    assert set(cells[6:]) == {"–"}
    whole = composition(load_scheme("seg-cq500")).splitlines()[-2].split()
    assert whole == ["all", "51", "51", "0", "42", "9", *"–––––", "4.3", "15.3", "39.8"]


def test_composition_after_prepare_shows_subtypes_and_volume_quartiles(tmp_path: Path) -> None:
    facts = {
        row.case_id: {"has_ich": True, "spacing_z_mm": 5.0, "lesion_ml": float(number), "subtypes": {"iph": number < 2}}
        for number, row in enumerate(load_scheme("instance2022").rows)
    }
    cells = composition(load_scheme("instance2022"), facts).splitlines()[-2].split()
    # Volumes 0 … 99 mL: quartiles 24.75, 49.5, 74.25.
    assert cells[:7] == ["all", "100", "100", "0", "0", "100", "2"]
    assert cells[-3:] == ["24.8", "49.5", "74.2"]


@pytest.mark.parametrize("dataset", ["seg-cq500", "hssayeni", "instance2022", "cq500-negative"])
def test_each_native_layout_with_its_defects_is_read_to_the_end(dataset: str, tmp_path: Path) -> None:
    layout = importlib.import_module(f"ich_bench.phantom.layouts.{dataset.replace('-', '_')}")
    prepared = prepare(dataset, layout.write(tmp_path, shape=(48, 48, 6)))
    listed = {row.case_id for row in load_scheme(dataset).rows}
    assert [case.case_id for case in prepared.cases] == [
        row.case_id for row in load_scheme(dataset).rows if row.case_id in set(layout.CASES) & listed
    ]
    assert not any("cannot be read" in p.what or "its mask (" in p.what for p in prepared.differences)
    if dataset == "seg-cq500":
        assert {problem.where for problem in prepared.remarks} == set(layout.MASK_ON_OTHER_AFFINE)
