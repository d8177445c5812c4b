"""Masks from any grid arrive on the CT's, voxel by voxel where it can be worked out by hand."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from ich_bench.cases import Case, Dataset
from ich_bench.errors import IchBenchError, InputError
from ich_bench.folds import load_scheme
from ich_bench.geometry import Geometry, differences
from ich_bench.predictions.regrid import regrid, resample
from ich_bench.predictions.submission import read_submission
from ich_bench.volume import read_geometry

SHAPE = (6, 5, 4)
# x = 0.5 i - 10, y = 0.5 j - 0.4 k - 20, z = 3 k + 5: a gantry tilt of atan(0.4 / 3) = 7.6 degrees
SHEARED = np.array([[0.5, 0, 0, -10], [0, 0.5, -0.4, -20], [0, 0, 3, 5], [0, 0, 0, 1]], dtype=float)
STRAIGHT = np.array([[0.5, 0, 0, -10], [0, 0.5, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1]], dtype=float)
CT_GRID = Geometry.of(SHAPE, SHEARED)


def save(path: Path, voxels: np.ndarray, affine: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(voxels, affine)
    image.set_qform(affine, 0)
    nib.save(image, path)
    return path


def voxels(*ones: tuple[int, int, int], shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    mask = np.zeros(shape, dtype=np.uint8)
    for one in ones:
        mask[one] = 1
    return mask


def indices(mask: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(int(n) for n in index) for index in np.argwhere(mask)}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    cases = []
    for case_id in ("049", "050"):
        ct = save(tmp_path / "download" / "ct_scans" / f"{case_id}.nii", np.zeros(SHAPE, dtype=np.int16), SHEARED)
        cases.append(Case(case_id=case_id, patient_id=case_id, ct=ct, reference=None))
    return Dataset(id="hssayeni", source=tmp_path / "download", cases=tuple(cases))


def brought(dataset: Dataset, tmp_path: Path, mask: np.ndarray, affine: np.ndarray, name: str = "049.nii.gz"):
    """Return the index set of the one mask of a folder after `regrid`, and the warnings."""
    save(tmp_path / "preds" / name, mask, affine)
    done = regrid(dataset, tmp_path / "preds", tmp_path / "out")
    assert [path.name for path in done.files] == ["049.nii.gz"]
    assert not differences(read_geometry(done.files[0]), CT_GRID)
    return indices(np.asarray(nib.load(done.files[0]).dataobj)), done.warnings


def test_a_mask_on_the_cts_grid_stays_as_it_is(dataset: Dataset, tmp_path: Path) -> None:
    assert brought(dataset, tmp_path, voxels((0, 0, 0), (5, 4, 3)), SHEARED) == ({(0, 0, 0), (5, 4, 3)}, ())


def test_a_mask_on_the_references_own_affine_is_kept_voxel_by_voxel(dataset: Dataset, tmp_path: Path) -> None:
    # Seg-CQ500 has masks whose affine is not their CT's: a prediction on it is scored in index space and must not move.
    reference = save(tmp_path / "download" / "masks" / "049.nii", voxels((1, 2, 3)), STRAIGHT)
    ct = dataset.cases[0].ct
    case = Case(case_id="049", patient_id="049", ct=ct, reference=reference)
    paired = Dataset(id="hssayeni", source=dataset.source, cases=(case,))
    assert brought(paired, tmp_path, voxels((1, 2, 3)), STRAIGHT) == ({(1, 2, 3)}, ())


def test_halfway_between_two_voxels_the_higher_index_is_taken_everywhere(dataset: Dataset, tmp_path: Path) -> None:
    # Twice coarser without the half-voxel shift: CT index i is coarse index i / 2, so 1, 3, 5 lie halfway: 1 goes to 1.
    # The origin of 123.4567 mm is not exact in float32.
    far = SHEARED.copy()
    far[:3, 3] = 123.4567
    for case in dataset.cases:
        save(case.ct, np.zeros(SHAPE, dtype=np.int16), far)
    save(tmp_path / "preds" / "049.nii.gz", voxels((1, 0, 0), (1, 4, 3), shape=(3, 5, 4)), far @ np.diag([2, 1, 1, 1]))
    done = regrid(dataset, tmp_path / "preds", tmp_path / "out")
    assert indices(np.asarray(nib.load(done.files[0]).dataobj)) == {(1, 0, 0), (2, 0, 0), (1, 4, 3), (2, 4, 3)}


def test_a_mirrored_grid_is_turned_back(dataset: Dataset, tmp_path: Path) -> None:
    flipped = SHEARED @ np.array([[-1, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])  # index i is CT index 5 - i
    assert brought(dataset, tmp_path, voxels((4, 2, 3), (0, 0, 0)), flipped) == ({(1, 2, 3), (5, 0, 0)}, ())


def test_axes_stored_in_another_order_are_put_back(dataset: Dataset, tmp_path: Path) -> None:
    slices_first = SHEARED[:, [2, 1, 0, 3]]  # index (k, j, i)
    assert brought(dataset, tmp_path, voxels((3, 2, 1), shape=(4, 5, 6)), slices_first) == ({(1, 2, 3)}, ())


def test_of_a_grid_three_times_finer_the_middle_voxel_counts(dataset: Dataset, tmp_path: Path) -> None:
    # Fine index f lies at CT index (f - 1) / 3 along x: CT voxel 1 is fine voxels 3, 4, 5 and takes that of 4.
    finer = SHEARED @ np.array([[1 / 3, 0, 0, -1 / 3], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    mask = voxels((4, 0, 0), (6, 1, 0), (8, 1, 0), (15, 2, 2), (16, 2, 2), (17, 2, 2), shape=(18, 5, 4))
    assert brought(dataset, tmp_path, mask, finer) == ({(1, 0, 0), (5, 2, 2)}, ())


def test_a_voxel_of_a_grid_twice_coarser_covers_two_up_to_the_very_edge(dataset: Dataset, tmp_path: Path) -> None:
    # Coarse index c lies at CT index 2 c + 0.5 along x, and reaches from 2 c - 0.5 to 2 c + 1.5.
    coarser = SHEARED @ np.array([[2, 0, 0, 0.5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    mask = voxels((0, 0, 0), (2, 4, 3), shape=(3, 5, 4))
    assert brought(dataset, tmp_path, mask, coarser) == ({(0, 0, 0), (1, 0, 0), (4, 4, 3), (5, 4, 3)}, ())


def test_a_grid_without_the_gantry_tilt_is_read_where_it_lies_in_the_world(dataset: Dataset, tmp_path: Path) -> None:
    # CT voxel (i, j, k) lies at straight index j - 0.8 k: nearest j, j - 1, j - 2, j - 2 for k = 0, 1, 2, 3.
    line = voxels((2, 1, 0), (2, 1, 1), (2, 1, 2), (2, 1, 3))
    assert brought(dataset, tmp_path, line, STRAIGHT)[0] == {(2, 1, 0), (2, 2, 1), (2, 3, 2), (2, 3, 3)}


def test_what_lies_outside_the_ct_is_lost_and_named(dataset: Dataset, tmp_path: Path) -> None:
    # One slice further up: index k is CT index k + 1. Of four voxels the one at k = 3 is outside.
    higher = SHEARED @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]])
    line = voxels((2, 1, 0), (2, 1, 1), (2, 1, 2), (2, 1, 3))
    found, warnings = brought(dataset, tmp_path, line, higher)
    assert found == {(2, 1, 1), (2, 1, 2), (2, 1, 3)}
    # 1 of 4 voxels; a voxel is 0.5 * 0.5 * 3 = 0.75 mm3 = 0.00075 mL
    assert warnings == ("049.nii.gz  25.0% of the mask (0.00075 mL) lies outside the CT and is lost.",)


def test_a_lesion_too_small_for_the_ct_is_named_when_it_vanishes(dataset: Dataset, tmp_path: Path) -> None:
    finer = SHEARED @ np.array([[1 / 3, 0, 0, -1 / 3], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    found, warnings = brought(dataset, tmp_path, voxels((5, 0, 0), shape=(18, 5, 4)), finer)
    assert not found
    assert warnings == ("049.nii.gz  the mask is empty now: no voxel of the CT lies in it.",)


def test_grids_that_hardly_meet_are_named(dataset: Dataset, tmp_path: Path) -> None:
    lost_origin = SHEARED.copy()
    lost_origin[:3, 3] = 0  # the CT reaches from x = -10 to -7.5
    found, warnings = brought(dataset, tmp_path, voxels((2, 2, 2)), lost_origin)
    assert not found
    assert len(warnings) == 3
    assert "all of the mask" in warnings[0]
    assert "share 0% of the smaller one" in warnings[2]


def test_a_crop_of_the_ct_is_no_reason_to_warn(dataset: Dataset, tmp_path: Path) -> None:
    crop = SHEARED @ np.array([[1, 0, 0, 3], [0, 1, 0, 2], [0, 0, 1, 1], [0, 0, 0, 1]])  # index 0 is CT (3, 2, 1)
    assert brought(dataset, tmp_path, voxels((1, 0, 1), shape=(2, 2, 2)), crop) == ({(4, 2, 2)}, ())


def test_255_counts_as_1_and_labels_choose(dataset: Dataset, tmp_path: Path) -> None:
    mask = voxels((1, 1, 1)) * 3 + voxels((2, 2, 2)) * 2
    save(tmp_path / "preds" / "049.nii.gz", mask, SHEARED)
    done = regrid(dataset, tmp_path / "preds", tmp_path / "out", labels=(3.0,))
    assert indices(np.asarray(nib.load(done.files[0]).dataobj)) == {(1, 1, 1)}
    with pytest.raises(InputError, match="--labels"):
        regrid(dataset, tmp_path / "preds", tmp_path / "other")


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
def test_itk_files_are_read_and_become_nifti(dataset: Dataset, tmp_path: Path, suffix: str) -> None:
    # ITK counts x to the left and y to the back: there the straight grid has direction -1, -1, 1 and origin 10, 20, 5
    image = SimpleITK.GetImageFromArray(voxels((2, 1, 0)).transpose(2, 1, 0))
    image.SetSpacing((0.5, 0.5, 3.0))
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    image.SetOrigin((10, 20, 5))
    (tmp_path / "preds").mkdir()
    SimpleITK.WriteImage(image, str(tmp_path / "preds" / f"049{suffix}"))
    done = regrid(dataset, tmp_path / "preds", tmp_path / "out")
    assert indices(np.asarray(nib.load(done.files[0]).dataobj)) == {(2, 1, 0)}  # slice 0 has no shift


def test_there_and_back_over_a_finer_grid_changes_nothing_and_over_a_turned_one_little() -> None:
    rng = np.random.default_rng(7)
    shape, affine = (40, 36, 12), np.array([[0.5, 0, 0, 0], [0, 0.5, -1, 0], [0, 0, 5, 0], [0, 0, 0, 1]], dtype=float)
    grid = Geometry.of(shape, affine)
    x, y, z = np.indices(shape)
    mask = ((x - 18) / 9) ** 2 + ((y - 17) / 8) ** 2 + ((z - 5) / 4) ** 2 < 1 + 0.1 * rng.standard_normal(shape)
    finer = Geometry.of((120, 108, 12), affine @ np.diag([1 / 3, 1 / 3, 1, 1]) @ _moved(-1, -1, 0))
    np.testing.assert_array_equal(resample(resample(mask, grid, finer), finer, grid), mask)
    c, s = np.cos(0.2), np.sin(0.2)
    turn = np.array([[c, -s, 0, 3], [s, c, 0, -4], [0, 0, 1, 0], [0, 0, 0, 1]])
    turned = Geometry.of((60, 60, 24), turn @ np.diag([0.4, 0.4, 2.5, 1]) @ _moved(0, -6, 0))
    back = resample(resample(mask, grid, turned), turned, grid)
    assert 2 * np.count_nonzero(back & mask) / (back.sum() + mask.sum()) > 0.9


def _moved(*steps: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = steps
    return matrix


@pytest.mark.parametrize("seed", range(5))
def test_without_shear_it_agrees_with_simpleitk(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((9, 8, 7)) < 0.4

    def grid(shape: tuple[int, int, int]) -> tuple[Geometry, SimpleITK.Image]:
        turn = np.linalg.qr(np.eye(3) + 0.3 * rng.standard_normal((3, 3)))[0]
        spacing, origin = rng.uniform(0.6, 1.6, 3), rng.uniform(-2, 2, 3)
        image = SimpleITK.Image([int(n) for n in shape], SimpleITK.sitkUInt8)
        image.SetSpacing(spacing)
        image.SetOrigin(origin)
        image.SetDirection(turn.ravel())
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = turn * spacing, origin
        return Geometry.of(shape, np.diag([-1, -1, 1, 1]) @ affine), image

    source, source_image = grid(mask.shape)
    target, target_image = grid((10, 9, 8))
    filled = SimpleITK.GetImageFromArray(mask.astype(np.uint8).transpose(2, 1, 0))
    filled.CopyInformation(source_image)
    oracle = SimpleITK.Resample(filled, target_image, SimpleITK.Transform(), SimpleITK.sitkNearestNeighbor, 0)
    expected = SimpleITK.GetArrayFromImage(oracle).transpose(2, 1, 0)
    assert expected.any()
    np.testing.assert_array_equal(resample(mask, source, target), expected)


def test_sub_folders_and_manifest_come_along_with_a_mark(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "preds"
    below = folder / "predictions" / "hssayeni" / "cv10"
    fold = load_scheme("hssayeni", "cv10").test_folds("049")[0]
    save(below / "seed_1" / f"fold_{fold}" / "049_seg.nii.gz", voxels((1, 1, 1)), SHEARED)
    save(below / "seed_2" / f"fold_{fold}" / "049_seg.nii.gz", voxels((2, 1, 1)), STRAIGHT)
    (folder / "submission.toml").write_text('method = "Ünet"\n\n[[processing]]\nstep = "mine"')
    done = regrid(dataset, folder, tmp_path / "out", rename="{case_id}_seg")
    assert [path.relative_to(done.folder).as_posix() for path in done.files] == [
        f"predictions/hssayeni/cv10/seed_{seed}/fold_{fold}/049.nii.gz" for seed in (1, 2)
    ]
    manifest = tomllib.loads((done.folder / "submission.toml").read_text(encoding="utf-8"))
    assert manifest["method"] == "Ünet"
    assert [step["step"] for step in manifest["processing"]] == ["mine", "regrid"]
    assert manifest["processing"][1]["cases"] == ["049"]
    assert manifest["processing"][1]["harness"].startswith("ich-bench ")
    found = read_submission(done.folder, dataset="hssayeni", scheme=load_scheme("hssayeni"))
    assert found.processing == ("mine", "regrid")
    assert not found.problems


def contents(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_all_problems_are_told_at_once_and_nothing_is_written(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "preds"
    save(folder / "049.nii.gz", voxels((1, 1, 1)).astype(np.float32) / 2, SHEARED)
    unoriented = nib.Nifti1Image(voxels((1, 1, 1)), None)
    nib.save(unoriented, folder / "050.nii.gz")
    save(folder / "051.nii.gz", voxels(), SHEARED)  # a case of the dataset, but not in this download
    save(folder / "nobody.nii.gz", voxels(), SHEARED)
    before = contents(folder)
    with pytest.raises(InputError) as caught:
        regrid(dataset, folder, tmp_path / "out")
    told = {problem.where: problem.what for problem in caught.value.problems}
    assert set(told) == {"049.nii.gz", "050.nii.gz", "051.nii.gz", "nobody.nii.gz"}
    assert "between 0 and 1" in told["049.nii.gz"]
    assert "neither sform nor qform" in told["050.nii.gz"]
    assert contents(folder) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["download", "preds"]


def test_forms_that_contradict_each_other_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    image = nib.Nifti1Image(voxels((1, 1, 1)), STRAIGHT)
    image.set_qform(np.diag([-0.5, 0.5, 3, 1]), 1)
    (tmp_path / "preds").mkdir()
    nib.save(image, tmp_path / "preds" / "049.nii.gz")
    with pytest.raises(InputError, match="contradict"):
        regrid(dataset, tmp_path / "preds", tmp_path / "out")


def test_a_full_folder_and_the_input_are_never_written_to(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "preds"
    save(folder / "049.nii.gz", voxels(), SHEARED)
    before = contents(tmp_path)
    for out in (folder, folder / "out", tmp_path):
        with pytest.raises(IchBenchError, match="Choose another -o"):
            regrid(dataset, folder, out)
    assert contents(tmp_path) == before
    (tmp_path / "empty").mkdir()
    assert regrid(dataset, folder, tmp_path / "empty").folder == tmp_path / "empty"


def test_without_shear_and_with_it_every_mask_is_counted_in_progress(dataset: Dataset, tmp_path: Path) -> None:
    for case_id in ("049", "050"):
        save(tmp_path / "preds" / f"{case_id}.nii.gz", voxels(), STRAIGHT)
    ticks: list[tuple[int, int]] = []
    regrid(dataset, tmp_path / "preds", tmp_path / "out", progress=lambda done, total: ticks.append((done, total)))
    assert ticks == [(1, 2), (2, 2)]
