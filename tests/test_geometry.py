"""Grids in the world, and their differences in words."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ich_bench.geometry import Geometry, differences, shear_free
from ich_bench.volume import read_geometry

SHARED = Path(__file__).parents[2] / "shared" / "data"
SHAPE = (512, 512, 30)


def tilted(degrees: float, spacing_mm: tuple[float, float, float] = (0.45, 0.45, 5.0)) -> np.ndarray:
    """Return an LPS-stored grid whose slices are tilted about the left-right axis while the table moves along z."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x_mm, y_mm, z_mm = spacing_mm
    return np.array(
        [[-x_mm, 0, 0, 115], [0, -y_mm * cosine, 0, 115], [0, -y_mm * sine, z_mm, -60], [0, 0, 0, 1]], dtype=np.float64
    )


CT = Geometry.of(SHAPE, tilted(0))
TILTED = Geometry.of(SHAPE, tilted(18.5))


def on(affine: np.ndarray, shape: tuple[int, int, int] = SHAPE, qform: np.ndarray | None = None) -> Geometry:
    return Geometry.of(shape, affine, qform)


def flipped(geometry: Geometry, *axes: int) -> Geometry:
    """Return the same place in the world with these voxel axes counted from the other end."""
    turn = np.eye(4)
    for axis in axes:
        turn[axis, axis], turn[axis, 3] = -1, geometry.shape[axis] - 1
    return on(geometry.matrix @ turn, geometry.shape)


def test_spacing_of_a_float32_header_is_the_decimal_that_was_meant() -> None:
    affine = np.diag(np.array([0.6, 0.45, 5.0, 1.0], dtype=np.float32)).astype(np.float64)
    assert affine[0, 0] != 0.6
    assert on(affine).spacing_mm == (0.6, 0.45, 5.0)


def test_the_volume_of_a_tilted_voxel_is_the_determinant_not_the_product_of_its_sides() -> None:
    # 0.45 * (0.45 * cos 18.5°) * 5 = 1.0125 * 0.948324 = 0.960178
    assert TILTED.voxel_volume_mm3 == pytest.approx(0.960178, abs=1e-6)
    assert TILTED.spacing_mm == (0.45, 0.45, 5.0)


@pytest.mark.parametrize("degrees", [0.0, 8.0, 18.5, 24.0, -8.0])
def test_shear_is_the_gantry_tilt(degrees: float) -> None:
    assert on(tilted(degrees)).shear_deg == abs(degrees)


def test_a_rotation_is_no_shear() -> None:
    turned = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.3, -0.2, 0.1) @ np.diag([0.45, 0.45, 5]))
    assert on(turned).shear_deg == 0.0


@pytest.mark.parametrize(
    ("columns", "letters"),
    [
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], "RAS"),
        ([[-1, 0, 0], [0, -1, 0], [0, 0, 1]], "LPS"),
        ([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], "PIR"),
    ],
)
def test_orientation_names_where_each_voxel_axis_goes(columns: list[list[int]], letters: str) -> None:
    assert on(nib.affines.from_matvec(np.array(columns, dtype=float))).orientation == letters


def test_the_diagonal_is_that_of_the_whole_grid_in_mm() -> None:
    assert on(np.diag([1.0, 1.0, 4.0, 1.0]), (3, 4, 3)).diagonal_mm == 13.0  # 3² + 4² + 12² = 13²


def test_a_geometry_can_be_a_dictionary_key() -> None:
    assert {CT: 1}[on(tilted(0))] == 1
    assert hash(on(np.diag([1.0, 1, 1, 1]) * np.array([1, -1, 1, 1]))) == hash(on(np.diag([1.0, -1, 1, 1])))


def test_the_shear_free_form_is_what_nibabel_writes_as_a_qform() -> None:
    for affine in (tilted(18.5), tilted(-24), TILTED.matrix @ np.diag([-1, 1, 1, 1])):
        header = nib.Nifti1Header()
        header.set_qform(affine, 1)
        assert np.allclose(shear_free(affine), header.get_qform(), atol=1e-5)


def test_an_equal_grid_has_no_differences() -> None:
    assert differences(CT, CT) == ()


def test_the_reference_grid_is_as_good_as_that_of_the_ct() -> None:
    assert differences(on(tilted(3)), CT, on(tilted(3))) == ()
    assert differences(on(tilted(3)), CT) != ()


def test_a_thousandth_of_a_mm_in_any_element_is_allowed_and_more_is_not() -> None:
    for row, column in product(range(3), range(4)):
        affine = tilted(0)
        affine[row, column] += 1e-3
        assert differences(on(affine), CT) == ()
        affine[row, column] += 1e-4
        assert differences(on(affine), CT) != ()


def test_axes_in_another_order_are_named_by_shape() -> None:
    assert "its axes are stored in another order: 30x512x512, the CT is 512x512x30." in "".join(
        differences(on(tilted(0)[:, [2, 0, 1, 3]], (30, 512, 512)), CT)
    )


def test_axes_in_another_order_of_the_same_length_are_named_by_letters() -> None:
    (words,) = differences(on(tilted(0)[:, [1, 0, 2, 3]]), CT)
    assert "its axes are stored in another order: as PLS, the CT is LPS" in words


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ((0,), "is mirrored left-right: stored as RPS, the CT is LPS."),
        ((1,), "is mirrored front-back: stored as LAS, the CT is LPS."),
        ((2,), "is mirrored top-bottom: stored as LPI, the CT is LPS."),
        ((0, 1), "is mirrored left-right and front-back: stored as RAS, the CT is LPS."),
    ],
)
def test_a_mirror_is_named_with_both_orientations_and_no_shift(axes: tuple[int, ...], words: str) -> None:
    (found,) = differences(flipped(CT, *axes), CT)
    assert words in found


@pytest.mark.parametrize(
    ("move_mm", "words"),
    [
        ((40, 0, 0), "shifted by 40.0 mm to the right"),
        ((-40, 0, 0), "shifted by 40.0 mm to the left"),
        ((0, 2, -5), "shifted by 2.0 mm to the front, 5.0 mm downwards"),
        ((0, -0.002, 0), "shifted by 0.002 mm to the back"),
    ],
)
def test_a_shift_is_named_with_its_direction_in_the_patient(move_mm: tuple[float, float, float], words: str) -> None:
    affine = tilted(0)
    affine[:3, 3] += move_mm
    (found,) = differences(on(affine), CT)
    assert words in found


def test_other_spacing_is_named_in_mm() -> None:
    (words,) = differences(on(CT.matrix @ np.diag([1 / 0.45, 1 / 0.45, 0.2, 1])), CT)
    assert "has voxels of 1.0x1.0x1.0 mm, the CT has 0.45x0.45x5.0 mm" in words


def test_another_shape_is_named_and_the_grid_that_is_meant() -> None:
    (words,) = differences(on(tilted(0), (512, 512, 28)), CT, names=("reference",))
    assert "has 512x512x28 voxels, the reference has 512x512x30" in words


def test_a_resampled_volume_gets_shape_and_spacing_in_one_report() -> None:
    words = differences(on(CT.matrix @ np.diag([2, 2, 1, 1]), (256, 256, 30)), CT)
    assert [word.split(",")[0] for word in words] == ["has 256x256x30 voxels", "has voxels of 0.9x0.9x5.0 mm"]


def test_a_lost_gantry_tilt_is_named() -> None:
    (words,) = differences(on(shear_free(TILTED.matrix)), TILTED)
    assert "lacks the CT's 18.5 degree gantry tilt" in words
    (words,) = differences(TILTED, CT)
    assert "has a gantry tilt of 18.5 degrees, the CT has none" in words


def test_a_rotation_is_named() -> None:
    cosine, sine = math.cos(0.1), math.sin(0.1)  # 0.1 rad = 5.7 degrees
    turn = np.array([[cosine, -sine, 0, 0], [sine, cosine, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    assert "is rotated by 5.7 degrees" in differences(on(turn @ CT.matrix), CT)[0]


@given(arrays(np.float64, (3, 4), elements=st.floats(-0.02, 0.02)))
def test_no_grid_that_differs_goes_without_a_word(noise: np.ndarray) -> None:
    affine = TILTED.matrix
    affine[:3] += noise
    apart = np.abs(affine - TILTED.matrix).max()
    if not 1e-3 <= apart <= 1.001e-3:  # the edge itself is tested above
        assert bool(differences(on(affine), TILTED)) == (apart > 1e-3)


def test_a_grid_of_no_numbers_differs() -> None:
    affine = tilted(0)
    affine[0, 3] = np.nan
    assert differences(on(affine), CT) != ()


def test_a_qform_may_be_the_shear_free_form_of_its_own_sform() -> None:
    assert differences(on(TILTED.matrix, qform=shear_free(TILTED.matrix)), TILTED) == ()


def test_a_qform_may_repeat_a_form_of_the_ct_or_of_the_reference() -> None:
    odd = tilted(5)  # neither the sform nor its shear-free form
    assert differences(on(TILTED.matrix, qform=odd), TILTED) != ()
    assert differences(on(TILTED.matrix, qform=odd), on(TILTED.matrix, qform=odd)) == ()
    assert differences(on(TILTED.matrix, qform=odd), TILTED, on(odd)) == ()


def test_forms_that_contradict_each_other_are_named_beside_the_grid_itself() -> None:
    away = tilted(0)
    away[2, 3] += 5
    grid_words, form_words = differences(on(away, qform=tilted(9)), CT)
    assert "shifted by 5.0 mm upwards" in grid_words
    assert "sform and qform contradict each other" in form_words


@pytest.mark.skipif(not SHARED.exists(), reason="the real head is not on this machine")
def test_the_real_tilted_head_has_its_scanners_tilt_and_a_smaller_voxel() -> None:
    head = read_geometry(SHARED / "ge_head_nifti" / "ge_head_tilt18p5_512x512x14.nii.gz")
    assert head.shear_deg == pytest.approx(18.5, abs=0.01)  # GantryDetectorTilt in its DICOM headers
    assert head.voxel_volume_mm3 / math.prod(head.spacing_mm) == pytest.approx(0.948, abs=5e-4)  # cos 18.5°
    assert head.orientation == "LPS"
