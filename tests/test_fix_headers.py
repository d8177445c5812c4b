"""Headers are put right where the grids are provably the same, and nowhere else."""

from __future__ import annotations

import gzip
import hashlib
import tomllib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ich_bench.cases import Case, Dataset
from ich_bench.errors import InputError
from ich_bench.geometry import Geometry, differences, shear_free
from ich_bench.predictions.fix_headers import fix_headers
from ich_bench.volume import read_geometry

SHAPE = (6, 5, 4)
SHEARED = np.array([[0.5, 0, 0, -10], [0, 0.5, -0.4, -20], [0, 0, 3, 5], [0, 0, 0, 1]], dtype=float)
CT_GRID = Geometry.of(SHAPE, SHEARED)
MIRRORED = SHEARED @ np.array([[-1, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])  # index i is CT index 5 - i


def save(
    path: Path,
    mask: np.ndarray,
    sform: np.ndarray | None,
    qform: np.ndarray | None = None,
    kind: type = nib.Nifti1Image,
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = kind(mask, None)
    image.set_sform(sform, 0 if sform is None else 1)
    if qform is not None:
        image.set_qform(qform, 1)
    nib.save(image, path)
    return path


def voxels(*ones: tuple[int, int, int], shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    mask = np.zeros(shape, dtype=np.uint8)
    for one in ones:
        mask[one] = 1
    return mask


def shifted(affine: np.ndarray, *voxel: float) -> np.ndarray:
    moved = np.eye(4)
    moved[:3, 3] = voxel
    return affine @ moved


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    cases = []
    for case_id in ("049", "050", "051"):
        ct = save(tmp_path / "download" / f"{case_id}.nii", np.zeros(SHAPE, dtype=np.int16), SHEARED)
        cases.append(Case(case_id=case_id, patient_id=case_id, ct=ct, reference=None))
    return Dataset(id="hssayeni", source=tmp_path / "download", cases=tuple(cases))


def fixed(dataset: Dataset, tmp_path: Path, **options: bool) -> set[tuple[int, ...]]:
    """Return the voxels of the one mask after `fix_headers`; it then lies on the CT's grid."""
    done = fix_headers(dataset, tmp_path / "preds", tmp_path / "out", **options)
    assert not differences(read_geometry(done.files[0]), CT_GRID)
    mask = np.asarray(nib.load(done.files[0]).dataobj)
    return {tuple(int(n) for n in index) for index in np.argwhere(mask)}


def refusal(dataset: Dataset, tmp_path: Path, **options: bool) -> str:
    with pytest.raises(InputError) as caught:
        fix_headers(dataset, tmp_path / "preds", tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
    return str(caught.value)


MASK = voxels((1, 2, 3), (0, 0, 0))
QFORM_ONLY = shear_free(SHEARED)


@pytest.mark.parametrize(
    ("sform", "qform"),
    [
        (SHEARED, None),
        (shifted(SHEARED, 0.09, -0.09, 0.09), None),  # within a tenth of a voxel
        (np.diag([1, 1, 1, 1]), SHEARED),  # the qform (its shear-free form) is the CT's, the sform is not
        (SHEARED, np.diag([1, 1, 1, 1])),  # the sform is the CT's, the qform is not
        (QFORM_ONLY, None),  # what a program writes that cannot hold shear
        (None, QFORM_ONLY),
        (shifted(QFORM_ONLY, 0, 0, 0.05), np.diag([2, 2, 2, 1])),
    ],
)
def test_a_header_that_claims_one_of_the_cts_forms_becomes_the_cts(
    dataset: Dataset, tmp_path: Path, sform: np.ndarray | None, qform: np.ndarray | None
) -> None:
    save(tmp_path / "preds" / "049.nii.gz", MASK, sform, qform)
    assert fixed(dataset, tmp_path) == {(1, 2, 3), (0, 0, 0)}


def test_the_cts_own_qform_counts_even_where_it_is_not_its_sform(dataset: Dataset, tmp_path: Path) -> None:
    other = np.diag([0.5, 0.5, 3.0, 1.0])
    save(dataset.cases[0].ct, np.zeros(SHAPE, dtype=np.int16), SHEARED, other)
    save(tmp_path / "preds" / "049.nii.gz", MASK, other)
    assert fixed(dataset, tmp_path) == {(1, 2, 3), (0, 0, 0)}


def test_the_references_own_affine_counts_as_the_cts(dataset: Dataset, tmp_path: Path) -> None:
    other = np.diag([1.0, 2.0, 3.0, 1.0])
    reference = save(tmp_path / "download" / "masks" / "049.nii", MASK, other)
    case = Case(case_id="049", patient_id="049", ct=dataset.cases[0].ct, reference=reference)
    save(tmp_path / "preds" / "049.nii.gz", MASK, other)
    paired = Dataset(id="hssayeni", source=dataset.source, cases=(case,))
    assert fixed(paired, tmp_path) == {(1, 2, 3), (0, 0, 0)}


@pytest.mark.parametrize("form", [SHEARED, QFORM_ONLY])
def test_voxels_stored_in_another_order_or_direction_are_put_back_without_loss(
    dataset: Dataset, tmp_path: Path, form: np.ndarray
) -> None:
    # index (k, i, j) with i reversed: CT (1, 2, 3) is stored at (3, 5 - 1, 2), CT (0, 0, 0) at (0, 5, 0)
    reorder = np.array([[0, -1, 0, 5], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    save(tmp_path / "preds" / "049.nii.gz", voxels((3, 4, 2), (0, 5, 0), shape=(4, 6, 5)), form @ reorder)
    assert fixed(dataset, tmp_path) == {(1, 2, 3), (0, 0, 0)}


def test_a_fifth_of_a_voxel_is_no_longer_the_same_grid(dataset: Dataset, tmp_path: Path) -> None:
    save(tmp_path / "preds" / "049.nii.gz", MASK, shifted(SHEARED, 0.2, 0, 0))
    told = refusal(dataset, tmp_path)
    assert "is shifted by 0.1 mm to the right" in told  # 0.2 voxels of 0.5 mm
    assert "does not prove" in told
    assert "ich-bench regrid" in told


def test_the_tenth_holds_at_the_far_corner_too(dataset: Dataset, tmp_path: Path) -> None:
    # 4 % larger voxels along x: right at the origin, 0.04 * 5 = 0.2 voxels off at the other end
    save(tmp_path / "preds" / "049.nii.gz", MASK, SHEARED @ np.diag([1.04, 1, 1, 1]))
    assert "has voxels of 0.52x0.5x3.0265 mm" in refusal(dataset, tmp_path)


def test_another_shape_is_refused_and_sent_to_regrid(dataset: Dataset, tmp_path: Path) -> None:
    save(tmp_path / "preds" / "049.nii.gz", voxels(shape=(12, 10, 4)), SHEARED @ np.diag([0.5, 0.5, 1, 1]))
    told = refusal(dataset, tmp_path)
    assert "has 12x10x4 voxels, the CT 6x5x4" in told
    assert "ich-bench regrid" in told


def test_two_forms_that_both_fit_in_different_orders_prove_nothing(dataset: Dataset, tmp_path: Path) -> None:
    straight = np.array([[0.5, 0, 0, -10], [0, 0.5, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1]], dtype=float)
    save(dataset.cases[0].ct, np.zeros(SHAPE, dtype=np.int16), straight)
    mirrored = straight @ np.array([[-1, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    save(tmp_path / "preds" / "049.nii.gz", MASK, straight, mirrored)
    assert "in different orders" in refusal(dataset, tmp_path)


def test_two_forms_of_which_neither_is_the_cts_prove_nothing(dataset: Dataset, tmp_path: Path) -> None:
    save(tmp_path / "preds" / "049.nii.gz", MASK, np.eye(4), np.diag([2.0, 2.0, 2.0, 1.0]))
    assert "neither is the CT's" in refusal(dataset, tmp_path)


def test_no_orientation_at_all_is_refused_unless_the_user_vouches_for_it(dataset: Dataset, tmp_path: Path) -> None:
    save(tmp_path / "preds" / "049.nii.gz", MASK, None)
    assert "--assume-ct-grid" in refusal(dataset, tmp_path)
    done = fix_headers(dataset, tmp_path / "preds", tmp_path / "out", assume_ct_grid=True)
    assert done.warnings == ("049.nii.gz  says nowhere how it lies; it was taken to be stored as the CT is.",)


@pytest.mark.parametrize("name", ["049.nii", "049.nii.gz"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_masks_without_orientation_are_read_from_every_kind_of_nifti(
    dataset: Dataset, tmp_path: Path, name: str, kind: type
) -> None:
    save(tmp_path / "preds" / name, MASK * 255, None, kind=kind)
    assert fixed(dataset, tmp_path, assume_ct_grid=True) == {(1, 2, 3), (0, 0, 0)}


def test_a_big_endian_mask_without_orientation_is_read(dataset: Dataset, tmp_path: Path) -> None:
    image = nib.Nifti1Image(MASK.astype(">i2"), None, header=nib.Nifti1Header(endianness=">"))
    (tmp_path / "preds").mkdir()
    nib.save(image, tmp_path / "preds" / "049.nii")
    assert (tmp_path / "preds" / "049.nii").read_bytes()[:4] == (348).to_bytes(4, "big")
    assert fixed(dataset, tmp_path, assume_ct_grid=True) == {(1, 2, 3), (0, 0, 0)}


def test_without_orientation_another_shape_stays_refused(dataset: Dataset, tmp_path: Path) -> None:
    save(tmp_path / "preds" / "049.nii.gz", voxels(shape=(5, 6, 4)), None)
    assert "5x6x4 voxels, the CT 6x5x4" in refusal(dataset, tmp_path, assume_ct_grid=True)


def test_vouching_for_one_mask_does_not_move_one_that_says_where_it_lies(dataset: Dataset, tmp_path: Path) -> None:
    save(tmp_path / "preds" / "049.nii.gz", MASK, shifted(SHEARED, 0, 0, 1))
    assert "is shifted by" in refusal(dataset, tmp_path, assume_ct_grid=True)


def test_damaged_masks_without_orientation_are_refused_as_any_other(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "preds"
    whole = save(folder / "049.nii", MASK, None).read_bytes()
    (folder / "049.nii").write_bytes(whole[:-1])
    packed = bytearray(gzip.compress(whole, mtime=0))
    packed[-5] ^= 1  # the CRC
    (folder / "050.nii.gz").write_bytes(bytes(packed))
    save(folder / "051.nii.gz", MASK.astype(np.float32) / 2, None)
    told = refusal(dataset, tmp_path, assume_ct_grid=True)
    assert "049.nii  it is truncated" in told
    assert "050.nii.gz  it is damaged" in told
    assert "051.nii.gz  holds values between 0 and 1" in told


def test_all_problems_are_told_at_once_and_the_input_is_never_changed(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "preds"
    save(folder / "049.nii.gz", MASK, SHEARED)
    save(folder / "050.nii.gz", MASK, None)
    save(folder / "051.nii.gz", MASK, shifted(SHEARED, 0, 0, 1))
    before = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    with pytest.raises(InputError) as caught:
        fix_headers(dataset, folder, tmp_path / "out")
    assert [problem.where for problem in caught.value.problems] == ["050.nii.gz", "051.nii.gz"]
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()} == before


def test_the_manifest_says_that_headers_were_fixed_and_reordering_is_told(dataset: Dataset, tmp_path: Path) -> None:
    save(tmp_path / "preds" / "049.nii.gz", MASK, SHEARED)
    save(tmp_path / "preds" / "050.nii.gz", MASK, MIRRORED)
    done = fix_headers(dataset, tmp_path / "preds", tmp_path / "out")
    assert done.warnings == ("050.nii.gz  voxels re-ordered from LAS to the CT's order.",)
    manifest = tomllib.loads((done.folder / "submission.toml").read_text())
    assert [(step["step"], step["cases"]) for step in manifest["processing"]] == [("fix-headers", ["049", "050"])]
