"""NIfTI headers: what they may claim, and what is refused before a voxel is looked at."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crafted import SPACING_AFFINE, blob, nifti_bytes, zipped
from ich_bench.errors import VolumeError
from ich_bench.formats.nifti import parse_header
from ich_bench.formats.nifti_fields import fields_of, qform_of, sform_of, turn_of
from ich_bench.formats.stream import blocks


def refusal(**fields: Any) -> str:
    with pytest.raises(VolumeError) as caught:
        parse_header(nifti_bytes(blob(), **fields), gzipped=False)
    return str(caught.value)


def dims(*lengths: int) -> list[int]:
    return [len(lengths), *lengths, *[1] * (7 - len(lengths))]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_header_says_the_same_as_nibabel(version: int, order: str) -> None:
    content = nifti_bytes(blob().astype("i2"), version=version, order=order)
    header = parse_header(content, gzipped=False)
    theirs = (nib.Nifti1Image, nib.Nifti2Image)[version - 1].from_bytes(content)
    assert header.geometry.shape == theirs.shape
    assert np.array_equal(header.geometry.matrix, theirs.affine)
    assert header.dtype == theirs.get_data_dtype()
    assert np.array_equal(np.concatenate([*blocks(content, header)]), theirs.get_fdata().ravel(order="F"))


@pytest.mark.parametrize("lengths", [(0, 7, 6), (-8, 7, 6), (8, 7, 0), (8, -32768, 6)])
def test_lengths_that_are_not_positive_are_refused(lengths: tuple[int, ...]) -> None:
    assert "each length must lie in 1 to 32767" in refusal(dim=dims(*lengths))


@pytest.mark.parametrize("axes", [0, -1, 8, 32767])
def test_a_count_of_dimensions_that_cannot_be_is_refused(axes: int) -> None:
    assert f"claims {axes} dimensions" in refusal(dim=[axes, 8, 7, 6, 1, 1, 1, 1])


def test_fewer_than_three_dimensions_are_refused() -> None:
    assert "it has 2 dimensions (8x42)" in refusal(dim=dims(8, 42))


def test_a_nifti_2_length_beyond_any_head_is_refused() -> None:
    with pytest.raises(VolumeError, match="each length must lie in"):
        parse_header(nifti_bytes(blob(), version=2, dim=dims(2**40, 7, 6)), gzipped=False)


@pytest.mark.parametrize(
    ("code", "name"),
    [(128, "RGB"), (2304, "RGBA"), (32, "complex64"), (1536, "float128"), (1, "binary"), (999, "unknown")],
)
def test_voxels_that_are_not_plain_numbers_are_refused(code: int, name: str) -> None:
    assert f"the type {name} (code {code})" in refusal(datatype=code)


@pytest.mark.parametrize("mm", [0.0, -5.0, np.nan, np.inf])
def test_a_voxel_size_that_is_no_positive_number_is_refused(mm: float) -> None:
    assert "three positive numbers were expected" in refusal(pixdim=[1, 0.5, 0.5, mm, 0, 0, 0, 0])


@pytest.mark.parametrize("offset", [0, 348, 351, 352.5, 352 + 65537, 1e30, -352, np.nan, np.inf])
def test_voxels_that_begin_nowhere_plausible_are_refused(offset: float) -> None:
    assert "says the voxels begin at byte" in refusal(vox_offset=offset)


@pytest.mark.parametrize("offset", [0, 352, 543, 544 + 65537, -1, 2**62])
def test_voxels_of_nifti_2_that_begin_nowhere_plausible_are_refused(offset: int) -> None:
    with pytest.raises(VolumeError, match="says the voxels begin at byte"):
        parse_header(nifti_bytes(blob(), version=2, vox_offset=offset), gzipped=False)


def test_header_extensions_are_passed_over() -> None:
    plain = nifti_bytes(blob(), vox_offset=352 + 64)
    content = plain[:348] + b"\1\0\0\0" + bytes(64) + plain[352:]
    header = parse_header(content, gzipped=False)
    assert np.array_equal(np.concatenate([*blocks(content, header)]), blob().ravel(order="F"))


@pytest.mark.parametrize("field", ["srow_x", "srow_y", "srow_z"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_affine_of_no_numbers_is_refused(field: str, value: float) -> None:
    assert "affine holds values that are not numbers" in refusal(**{field: [1, 0, value, 0]})


@pytest.mark.parametrize("row", [[0, 0, 0, 0], [0, -0.5, 0, 90]])
def test_an_affine_that_flattens_the_volume_is_refused(row: list[float]) -> None:
    assert "affine is singular" in refusal(srow_x=row)


def test_a_header_with_a_qform_alone_is_read_by_it() -> None:
    fields = {"sform_code": 0, "qform_code": 1, "quatern_d": 1, "qoffset_x": 90, "qoffset_y": 100, "qoffset_z": -40}
    geometry = parse_header(nifti_bytes(blob(), **fields), gzipped=False).geometry
    # a half turn about z, which is what the sform of these files says, too
    assert np.allclose(geometry.matrix, SPACING_AFFINE, atol=1e-6)
    assert geometry.qform is None


def test_a_qfac_of_0_is_read_as_1_as_the_standard_asks() -> None:
    fields = {"sform_code": 0, "qform_code": 1, "pixdim": [0, 0.5, 0.5, 5, 0, 0, 0, 0]}
    geometry = parse_header(nifti_bytes(blob(), **fields), gzipped=False).geometry
    assert geometry.orientation == "RAS"


@pytest.mark.parametrize("value", [1.5, np.nan, np.inf])
def test_a_quaternion_that_is_no_rotation_is_refused(value: float) -> None:
    assert "qform is no rotation" in refusal(qform_code=1, quatern_b=value)


def test_an_hdr_img_pair_is_refused_by_name() -> None:
    assert ".hdr/.img pair" in refusal(magic=b"ni1")


def test_an_analyze_file_is_refused_by_name() -> None:
    assert "Analyze" in refusal(magic=b"\0\0\0\0")


def test_a_nifti_2_header_of_a_pair_and_a_damaged_mark_are_refused() -> None:
    content = nifti_bytes(blob(), version=2)
    for mark, words in ((b"ni2\0\r\n\x1a\n", "pair"), (b"n+2\0\n\n\x1a\n", "mark was changed")):
        with pytest.raises(VolumeError, match=words):
            parse_header(content[:4] + mark + content[12:], gzipped=False)


def test_a_cifti_file_is_refused_by_name() -> None:
    with pytest.raises(VolumeError, match="CIFTI"):
        parse_header(nifti_bytes(blob(), version=2, intent_code=3001), gzipped=False)


def test_something_else_than_nifti_is_refused() -> None:
    for content in (b"x", b"PK\3\4" + bytes(400), b"\x89PNG\r\n\x1a\n" + bytes(400)):
        for gzipped in (False, True):
            with pytest.raises(VolumeError, match="no NIfTI file"):
                parse_header(zipped(content) if gzipped else content, gzipped=gzipped)


@given(st.binary(min_size=0, max_size=600), st.booleans())
def test_any_bytes_are_a_header_or_a_refusal_in_words(content: bytes, gzipped: bool) -> None:
    with pytest.raises(VolumeError):
        parse_header(content, gzipped=gzipped)


@given(st.integers(0, 347), st.binary(min_size=1, max_size=40))
def test_a_header_with_any_bytes_changed_is_read_or_refused_in_words(at: int, noise: bytes) -> None:
    content = nifti_bytes(blob())
    content = content[:at] + noise + content[at + len(noise) :]
    try:
        header = parse_header(content, gzipped=False)
        sum(len(block) for block in blocks(content, header))
    except VolumeError:
        return
    assert np.isfinite(header.geometry.matrix).all()
    assert min(header.geometry.spacing_mm) >= 0


@pytest.mark.parametrize("seed", range(60))
def test_sform_qform_and_quaternion_are_nibabels_to_the_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    version = (nib.Nifti1Header, nib.Nifti2Header)[seed % 2]
    theirs = version(endianness="<>"[seed // 2 % 2])
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    if seed % 5 == 0:  # half a turn, where w is 0
        rotation = np.diag([1.0, -1.0, -1.0])
    affine = np.eye(4)
    affine[:3, :3] = rotation * rng.uniform(0.2, 6, 3)
    affine[:3, 3] = rng.uniform(-200, 200, 3)
    theirs.set_qform(affine, 1)
    theirs.set_sform(affine + rng.standard_normal((4, 4)), 1)
    ours = fields_of(theirs.binaryblock, theirs.endianness)
    assert np.array_equal(sform_of(ours), theirs.get_sform())
    assert np.array_equal(qform_of(ours), theirs.get_qform())
    proper = rotation * [1, 1, np.sign(np.linalg.det(rotation))]
    expected = nib.quaternions.mat2quat(proper)[1:]
    assert min(np.abs(turn_of(proper) - sign * expected).max() for sign in (1, -1)) < 1e-12
    for name in ("dim", "pixdim", "datatype", "vox_offset", "scl_slope", "qform_code", "intent_code", "sizeof_hdr"):
        assert np.array_equal(ours[name], theirs[name], equal_nan=True), name
