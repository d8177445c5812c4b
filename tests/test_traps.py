"""The traps that a reader of mask files must not fall into, each under the number it has in the project's list.

Traps that only scoring can meet (missing cases, empty masks, tolerances) are tested where scoring is.
"""

from __future__ import annotations

import gzip
import re
import time
import tracemalloc
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from crafted import SPACING_AFFINE, blob, nifti_bytes, put, zipped
from ich_bench.errors import VolumeError
from ich_bench.geometry import Geometry, differences
from ich_bench.volume import MaskFile, open_mask

CT = Geometry.of((8, 7, 6), SPACING_AFFINE)


def opened(tmp_path: Path, content: bytes, name: str = "case.nii.gz") -> MaskFile:
    return open_mask(put(tmp_path / name, content))


def refusal(tmp_path: Path, content: bytes, name: str = "case.nii.gz", labels: frozenset[float] | None = None) -> str:
    with pytest.raises(VolumeError) as caught:
        opened(tmp_path, content, name).voxels(labels)
    return str(caught.value)


def moved(shift_mm: float) -> np.ndarray:
    affine = SPACING_AFFINE.copy()
    affine[0, 3] += shift_mm
    return affine


def test_trap_01_a_mask_shifted_by_40_mm_is_refused_in_words(tmp_path: Path) -> None:
    shifted = opened(tmp_path, zipped(nifti_bytes(blob(), moved(40)))).geometry
    (words,) = differences(shifted, CT)
    assert "shifted by 40.0 mm to the right" in words


def test_trap_02_a_mask_stored_mirrored_in_the_same_world_is_refused_in_words(tmp_path: Path) -> None:
    affine = SPACING_AFFINE.copy()
    affine[0, 0], affine[0, 3] = 0.5, 90 - 7 * 0.5  # the same 8 columns, counted from the other side
    mirrored = opened(tmp_path, zipped(nifti_bytes(blob()[::-1], affine))).geometry
    (words,) = differences(mirrored, CT)
    assert "mirrored left-right: stored as RPS, the CT is LPS" in words


def test_trap_04_a_mask_of_other_spacing_is_refused_in_words(tmp_path: Path) -> None:
    affine = SPACING_AFFINE @ np.diag([2, 2, 0.2, 1])
    (words,) = differences(opened(tmp_path, zipped(nifti_bytes(blob(), affine))).geometry, CT)
    assert "has voxels of 1.0x1.0x1.0 mm, the CT has 0.5x0.5x5.0 mm" in words


@pytest.mark.parametrize("kind", ["u1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_trap_05_values_0_and_255_of_any_type_are_a_mask(tmp_path: Path, kind: str) -> None:
    stored = zipped(nifti_bytes((blob() * 255).astype(kind)))
    assert np.array_equal(opened(tmp_path, stored).voxels(), blob() == 1)


def test_trap_06_a_probability_map_is_refused_with_the_usual_threshold(tmp_path: Path) -> None:
    words = refusal(tmp_path, zipped(nifti_bytes((blob() * 0.7).astype("f4"))))
    assert "values between 0 and 1 (a probability map). Threshold it first; 0.5 is usual." in words


def test_trap_06_a_probability_map_that_is_nearly_0_everywhere_is_no_empty_mask(tmp_path: Path) -> None:
    assert "probability map" in refusal(tmp_path, zipped(nifti_bytes(np.full((8, 7, 6), 1e-9, dtype="f4"))))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_trap_07_nan_and_infinity_are_refused(tmp_path: Path, bad: float) -> None:
    values = blob().astype("f4")
    values[0, 0, :2] = bad
    assert "2 voxels are NaN or infinite" in refusal(tmp_path, zipped(nifti_bytes(values)))


@pytest.mark.parametrize("shape", [(8, 7, 6, 1), (8, 7, 6, 1, 1)])
def test_trap_08_four_dimensions_with_a_single_volume_are_a_mask(tmp_path: Path, shape: tuple[int, ...]) -> None:
    mask = opened(tmp_path, zipped(nifti_bytes(blob().reshape(shape))))
    assert mask.geometry.shape == (8, 7, 6)
    assert np.array_equal(mask.voxels(), blob() == 1)


def test_trap_09_two_channels_are_refused(tmp_path: Path) -> None:
    words = refusal(tmp_path, zipped(nifti_bytes(np.stack([blob(), blob()], axis=3))))
    assert "several volumes (8x7x6x2)" in words


def test_trap_10_several_labels_are_refused_with_their_counts_until_they_are_named(tmp_path: Path) -> None:
    values = blob()
    values[5, 5, 5], values[6, 5, 5], values[7, 5, 5] = 3, 3, 2
    stored = zipped(nifti_bytes(values))
    words = refusal(tmp_path, stored)
    assert "1 (12 voxels), 2 (1 voxel), 3 (2 voxels)" in words
    assert "--labels 1,3" in words
    assert opened(tmp_path, stored).voxels(frozenset({1.0, 3.0})).sum() == 14  # 12 + 2; label 2 is background


def test_trap_11_a_single_label_4_is_refused_until_it_is_named(tmp_path: Path) -> None:
    stored = zipped(nifti_bytes(blob() * 4))
    assert "4 (12 voxels)" in refusal(tmp_path, stored)
    assert np.array_equal(opened(tmp_path, stored).voxels(frozenset({4.0})), blob() == 1)


@pytest.mark.parametrize("name", ["case.nii.gz", "case.nii", "case.mha", "case.mhd", "case.nrrd"])
def test_trap_14_a_file_of_zero_bytes_is_refused(tmp_path: Path, name: str) -> None:
    assert "empty (0 bytes)" in refusal(tmp_path, b"", name)


def test_trap_15_truncated_gzip_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    stored = zipped(nifti_bytes(np.random.default_rng(1).integers(0, 2, (8, 7, 6), dtype="u1")))
    for length in range(1, len(stored)):
        words = refusal(tmp_path, stored[:length])
        assert re.search(r"truncated|not gzip|neither gzip|empty|fewer", words), (length, words)


def test_trap_15_a_truncated_plain_file_is_refused(tmp_path: Path) -> None:
    assert "truncated" in refusal(tmp_path, nifti_bytes(blob())[:-1], "case.nii")


def test_trap_16_a_header_that_claims_32000_cubed_is_refused_before_decoding(tmp_path: Path) -> None:
    stored = zipped(nifti_bytes(blob(), dim=[3, 32000, 32000, 32000, 1, 1, 1, 1]))
    assert "claims 32000x32000x32000 voxels, more than any head CT" in refusal(tmp_path, stored)


def test_trap_16_a_giant_claim_in_a_tiny_file_takes_no_memory(tmp_path: Path) -> None:
    for claimed in ([3, 30000, 30000, 1000, 1, 1, 1, 1], [3, 1000, 1000, 2000, 1, 1, 1, 1]):
        path = put(tmp_path / "case.nii.gz", zipped(nifti_bytes(blob(), dim=claimed)))
        assert path.stat().st_size < 200
        tracemalloc.start()
        with pytest.raises(VolumeError):
            open_mask(path).voxels()
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak_bytes < 3e6


def bomb(gigabytes: int) -> bytes:
    """Return a gzip member of zeros; about 1 MB for each GB."""
    engine = zlib.compressobj(9, wbits=31)
    zeros = bytes(2**24)
    parts = [*(engine.compress(zeros) for _ in range(64 * gigabytes)), engine.flush()]
    return b"".join(parts)


@pytest.mark.slow
def test_trap_17_two_gigabytes_behind_a_header_are_refused_after_little_reading(tmp_path: Path) -> None:
    zeros = bomb(2)
    # of the first header the file's own size tells; the second declares 25 MB, which 2 MB could well hold
    for shape in ((8, 7, 6), (512, 512, 96)):
        header = nifti_bytes(blob(), dim=[3, *shape, 1, 1, 1, 1])
        path = put(tmp_path / "case.nii.gz", zipped(header) + zeros)
        begin_s = time.process_time()
        tracemalloc.start()
        with pytest.raises(VolumeError, match="more bytes than"):
            open_mask(path).voxels()
        assert time.process_time() - begin_s < 1  # inflating it all takes several seconds
        assert tracemalloc.get_traced_memory()[1] < 35e6  # 25 MB of them are the mask that was declared
        tracemalloc.stop()


def test_trap_17_data_beyond_what_the_header_declares_are_refused(tmp_path: Path) -> None:
    for extra in (b"\0", b"\1", bytes(3_000_000)):
        assert "more bytes than" in refusal(tmp_path, zipped(nifti_bytes(blob()) + extra))
        assert "more bytes than" in refusal(tmp_path, zipped(nifti_bytes(blob())) + zipped(extra))
    assert "more bytes than" in refusal(tmp_path, nifti_bytes(blob()) + b"\0", "case.nii")


def with_qform(affine: np.ndarray, qform: np.ndarray) -> bytes:
    header = nib.Nifti1Header()
    header.set_qform(qform, 1)
    fields = {name: header[name] for name in ("pixdim", "qform_code")}
    fields |= {f"quatern_{axis}": header[f"quatern_{axis}"] for axis in "bcd"}
    fields |= {f"qoffset_{axis}": header[f"qoffset_{axis}"] for axis in "xyz"}
    return zipped(nifti_bytes(blob(), affine, **fields))


def test_trap_18_a_qform_that_contradicts_the_sform_is_refused(tmp_path: Path) -> None:
    (words,) = differences(opened(tmp_path, with_qform(SPACING_AFFINE, moved(40))).geometry, CT)
    assert "sform and qform contradict each other by up to 40.0 mm" in words
    assert differences(opened(tmp_path, with_qform(SPACING_AFFINE, SPACING_AFFINE)).geometry, CT) == ()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["u1", "i2", "u8", "f8"])
def test_trap_19_both_byte_orders_and_both_versions_give_the_same_mask(
    tmp_path: Path, version: int, order: str, kind: str
) -> None:
    mask = opened(tmp_path, zipped(nifti_bytes(blob().astype(kind), version=version, order=order)))
    assert np.array_equal(mask.voxels(), blob() == 1)
    assert differences(mask.geometry, CT) == ()


def test_trap_20_values_of_100_scaled_by_a_hundredth_are_a_mask(tmp_path: Path) -> None:
    assert np.array_equal(opened(tmp_path, zipped(nifti_bytes(blob() * 100, scl_slope=0.01))).voxels(), blob() == 1)


def test_trap_20_a_scale_that_does_not_reach_1_is_refused(tmp_path: Path) -> None:
    assert "probability map" in refusal(tmp_path, zipped(nifti_bytes(blob(), scl_slope=0.4999)))


@pytest.mark.parametrize("slope", [0.0, np.nan])
def test_trap_20_a_slope_of_0_or_nan_means_no_scaling(tmp_path: Path, slope: float) -> None:
    stored = zipped(nifti_bytes(blob(), scl_slope=slope, scl_inter=7))
    assert np.array_equal(opened(tmp_path, stored).voxels(), blob() == 1)


@pytest.mark.parametrize(("slope", "intercept"), [(-1, 1), (-1, 0), (1, 1), (1, -0.5)])
def test_trap_21_a_header_that_turns_values_around_is_refused_before_a_voxel_is_read(
    tmp_path: Path, slope: float, intercept: float
) -> None:
    path = put(tmp_path / "case.nii.gz", zipped(nifti_bytes(blob(), scl_slope=slope, scl_inter=intercept)))
    with pytest.raises(VolumeError, match=r"turns the values around|has an intercept"):
        open_mask(path)


@pytest.mark.parametrize(("slope", "intercept"), [(np.inf, 0), (1, np.nan), (1, np.inf)])
def test_trap_21_a_scale_that_is_no_number_is_refused(tmp_path: Path, slope: float, intercept: float) -> None:
    assert "scales values by" in refusal(tmp_path, zipped(nifti_bytes(blob(), scl_slope=slope, scl_inter=intercept)))


def test_trap_22_another_shape_is_refused_before_inflating(tmp_path: Path) -> None:
    mask = opened(tmp_path, zipped(nifti_bytes(blob((8, 7, 5)))))
    (words,) = differences(mask.geometry, CT)
    assert "has 8x7x5 voxels, the CT has 8x7x6" in words
    with pytest.raises(VolumeError, match="has 8x7x5 voxels; 8x7x6 was expected"):
        mask.voxels(expected_shape=(8, 7, 6))


def test_trap_23_transposed_axes_are_refused_in_words(tmp_path: Path) -> None:
    mask = opened(tmp_path, zipped(nifti_bytes(blob().transpose(2, 1, 0), SPACING_AFFINE[:, [2, 1, 0, 3]])))
    (words,) = differences(mask.geometry, CT)
    assert "its axes are stored in another order: 6x7x8, the CT is 8x7x6" in words


def test_trap_27_a_header_without_orientation_is_refused(tmp_path: Path) -> None:
    assert "neither sform nor qform is set" in refusal(tmp_path, zipped(nifti_bytes(blob(), sform_code=0)))


def test_trap_28_a_flipped_bit_that_changes_anything_is_refused(tmp_path: Path) -> None:
    content = nifti_bytes(np.random.default_rng(2).integers(0, 2, (8, 7, 6), dtype="u1"))
    stored = zipped(content)
    refused = 0
    for at in range(10, len(stored)):  # the ten bytes before are gzip's own header
        flipped = stored[:at] + bytes([stored[at] ^ 0x10]) + stored[at + 1 :]
        try:
            opened(tmp_path, flipped).voxels()
        except VolumeError:
            refused += 1
        else:  # a few bits mean nothing, such as those that fill up the last byte before the checksum
            assert gzip.decompress(flipped) == content
    assert refused >= len(stored) - 10 - 3


def test_trap_28_a_wrong_checksum_and_a_wrong_length_are_named(tmp_path: Path) -> None:
    stored = zipped(nifti_bytes(blob()))
    assert "checksum (CRC) is wrong" in refusal(tmp_path, stored[:-8] + b"\0\0\0\0" + stored[-4:])
    assert "length at its end is wrong" in refusal(tmp_path, stored[:-4] + b"\0\0\0\0")


def test_trap_29_minus_one_in_int8_is_refused(tmp_path: Path) -> None:
    words = refusal(tmp_path, zipped(nifti_bytes(-blob().astype("i1"))))
    assert "holds negative values: -1 (12 voxels)" in words


def test_trap_29_256_does_not_wrap_to_0(tmp_path: Path) -> None:
    assert "256 (12 voxels)" in refusal(tmp_path, zipped(nifti_bytes(blob().astype("u2") * 256)))


def test_trap_32_several_gzip_members_are_one_file(tmp_path: Path) -> None:
    content = nifti_bytes(blob())
    for cuts in ((100, 400), (348, 352), (360, 361)):
        parts = [content[: cuts[0]], content[cuts[0] : cuts[1]], b"", content[cuts[1] :]]
        stored = b"".join(zipped(part) for part in parts)
        assert gzip.decompress(stored) == content
        assert np.array_equal(opened(tmp_path, stored).voxels(), blob() == 1)


def test_trap_32_the_checksum_of_every_member_counts(tmp_path: Path) -> None:
    content = nifti_bytes(blob())
    first, second = zipped(content[:400]), zipped(content[400:])
    assert "checksum" in refusal(tmp_path, first[:-8] + b"\1\2\3\4" + first[-4:] + second)


def test_trap_32_zeros_after_the_last_member_are_padding_and_anything_else_is_refused(tmp_path: Path) -> None:
    stored = zipped(nifti_bytes(blob()))
    assert opened(tmp_path, stored + bytes(512)).voxels().sum() == 12
    for rest in (b"x", b"\0\0\0x", b"\x1f\x8bnot a member", b"\x1f"):
        refusal(tmp_path, stored + rest)


def test_trap_33_a_plain_file_named_gz_and_a_gzip_file_named_nii_are_refused(tmp_path: Path) -> None:
    assert "not gzip-compressed" in refusal(tmp_path, nifti_bytes(blob()))
    words = refusal(tmp_path, zipped(nifti_bytes(blob())), "case.nii")
    assert "is gzip-compressed" in words
    assert "Name it .nii.gz" in words
