"""Masks and CTs: into files, out of files, and what a file must be to be opened at all."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from crafted import SPACING_AFFINE, blob, nifti_bytes, put, zipped
from ich_bench.errors import IchBenchError, UsageError, VolumeError
from ich_bench.formats.values import MaskValues
from ich_bench.geometry import Geometry, differences, shear_free
from ich_bench.volume import (
    MASK_SUFFIXES,
    is_mask_name,
    mask_sha256,
    open_mask,
    read_ct,
    read_geometry,
    stem,
    write_ct,
    write_mask,
)

SHARED = Path(__file__).parents[2] / "shared" / "data"
real_data = pytest.mark.skipif(not SHARED.exists(), reason="the real head and lesion map are not on this machine")

GRID = Geometry.of((8, 7, 6), SPACING_AFFINE)
_TILT = np.array([[1, 0, 0, 0], [0, np.cos(0.3), 0, 0], [0, -np.sin(0.3), 1, 0], [0, 0, 0, 1]])
TILTED = Geometry.of((8, 7, 6), SPACING_AFFINE @ np.diag([2, 2, 0.2, 1]) @ _TILT @ np.diag([0.5, 0.5, 5, 1]))


def turned(degrees: float = 15) -> sitk.Image:
    """Return the blob as SimpleITK holds it, on a grid turned about x, written in LPS."""
    image = sitk.GetImageFromArray(blob().transpose(2, 1, 0))
    cosine, sine = float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))
    image.SetDirection((1, 0, 0, 0, cosine, -sine, 0, sine, cosine))
    image.SetSpacing((0.5, 0.6, 5.0))
    image.SetOrigin((10, -20, 30))
    return image


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("CQ500-CT-4.nii.gz", "CQ500-CT-4"),
        ("049.NII.GZ", "049"),
        ("a.b.mhd", "a.b"),
        ("x.nii", "x"),
        ("x.txt", "x.txt"),
    ],
)
def test_the_stem_is_the_name_without_its_mask_suffix(name: str, id_: str) -> None:
    assert stem(name) == id_
    assert is_mask_name(name) == (name != id_)


def test_a_suffix_alone_is_no_mask_name() -> None:
    assert not any(is_mask_name(suffix) for suffix in MASK_SUFFIXES)


@pytest.mark.parametrize("grid", [GRID, TILTED], ids=["upright", "tilted"])
@pytest.mark.parametrize("name", ["case.nii.gz", "case.nii"])
def test_a_written_mask_is_read_back_on_its_grid_here_and_by_nibabel(tmp_path: Path, grid: Geometry, name: str) -> None:
    write_mask(tmp_path / name, blob() == 1, grid)
    mask = open_mask(tmp_path / name)
    assert np.array_equal(mask.voxels(), blob() == 1)
    assert differences(mask.geometry, grid) == ()
    theirs = nib.load(tmp_path / name)
    assert np.array_equal(np.asarray(theirs.dataobj), blob())
    assert theirs.get_data_dtype() == np.uint8
    assert np.allclose(theirs.affine, grid.matrix, atol=1e-5)


def test_a_written_mask_on_an_upright_grid_lies_where_simpleitk_expects_it(tmp_path: Path) -> None:
    write_mask(tmp_path / "case.nii.gz", blob() == 1, GRID)
    image = sitk.ReadImage(str(tmp_path / "case.nii.gz"))
    # the affine in LPS: x and y change sign
    assert np.allclose(image.GetOrigin(), (-90, -100, -40), atol=1e-4)
    assert np.allclose(image.GetSpacing(), (0.5, 0.5, 5))
    assert np.allclose(image.GetDirection(), np.eye(3).ravel())


def test_the_same_mask_is_written_as_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.nii.gz", "other.nii.gz"):
        write_mask(tmp_path / name, blob(), GRID)
    assert (tmp_path / "one.nii.gz").read_bytes() == (tmp_path / "other.nii.gz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.nii.gz", "other.nii.gz"]


def test_only_0_and_1_are_written_as_a_mask(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="only a mask of 0 and 1"):
        write_mask(tmp_path / "case.nii.gz", blob() * 255, GRID)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    put(tmp_path / "file", b"")
    with pytest.raises(IchBenchError, match="cannot write"):
        write_mask(tmp_path / "file" / "case.nii.gz", blob(), GRID)


def test_the_hash_of_a_file_is_that_of_the_bytes_that_are_decoded(tmp_path: Path) -> None:
    content = zipped(nifti_bytes(blob()))
    mask = open_mask(put(tmp_path / "case.nii.gz", content))
    put(tmp_path / "case.nii.gz", zipped(nifti_bytes(blob() * 0)))  # too late to matter
    assert mask.sha256 == hashlib.sha256(content).hexdigest()
    assert mask.voxels().sum() == 12
    assert (mask.name, mask.data, mask.geometry.shape) == ("case.nii.gz", content, (8, 7, 6))


def test_the_hash_of_what_is_scored_is_shape_then_packed_bits_in_fortran_order() -> None:
    mask = np.zeros((2, 3, 2), dtype=np.bool_)
    mask[1, 0, 0] = mask[0, 1, 1] = True
    # Fortran order counts x first: (1,0,0) is voxel 1, (0,1,1) is 0 + 1*2 + 1*6 = 8; big bit order packs them into
    # 0b01000000, 0b10000000
    expected = b"".join(n.to_bytes(8, "little") for n in (2, 3, 2)) + bytes([0b01000000, 0b10000000])
    assert mask_sha256(mask) == hashlib.sha256(expected).hexdigest()
    assert mask_sha256(np.asfortranarray(mask)) == mask_sha256(np.ascontiguousarray(mask))


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_0_and_1_of_every_plain_type_are_a_mask(tmp_path: Path, kind: str) -> None:
    path = put(tmp_path / "case.nii.gz", zipped(nifti_bytes(blob().astype(kind))))
    assert np.array_equal(open_mask(path).voxels(), blob() == 1)


@pytest.mark.parametrize(
    ("value", "is_mask"), [(1 + 9e-7, True), (1 - 9e-7, True), (1 + 2e-6, False), (1 - 2e-6, False)]
)
def test_1_is_met_within_a_millionth(tmp_path: Path, value: float, is_mask: bool) -> None:
    mask = open_mask(put(tmp_path / "case.nii.gz", zipped(nifti_bytes(blob() * value))))
    if is_mask:
        assert mask.voxels().sum() == 12
    else:
        with pytest.raises(VolumeError):
            mask.voxels()


def test_an_empty_mask_is_a_mask(tmp_path: Path) -> None:
    assert not open_mask(put(tmp_path / "case.nii.gz", zipped(nifti_bytes(blob() * 0)))).voxels().any()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({1: 1, 255: 2}, "holds the values 1 (1 voxel), 255 (2 voxels) beside 0"),
        ({-3.5: 1, 2.25: 1}, "holds fractions, from -3.5 to 2.25"),
        ({-2: 3, 1: 1}, "holds negative values: -2 (3 voxels), 1 (1 voxel)"),
        ({0.25: 1, 1: 1}, "a probability map"),
    ],
)
def test_values_that_make_no_mask_are_named(tmp_path: Path, values: dict[float, int], words: str) -> None:
    voxels = np.zeros((8, 7, 6), dtype="f8")
    voxels.ravel()[: sum(values.values())] = np.repeat(list(values), list(values.values()))
    mask = open_mask(put(tmp_path / "case.nii.gz", zipped(nifti_bytes(voxels))))
    with pytest.raises(VolumeError) as caught:
        mask.voxels()
    assert words in str(caught.value)


def test_a_ct_in_place_of_a_mask_is_called_an_image(tmp_path: Path) -> None:
    hu = np.arange(8 * 7 * 6, dtype="i2").reshape(8, 7, 6) - 100
    with pytest.raises(VolumeError, match=r"over 256 different values, from -100 to 235 \(an image\?\)"):
        open_mask(put(tmp_path / "case.nii.gz", zipped(nifti_bytes(hu)))).voxels()


def test_labels_that_are_named_count_and_other_whole_numbers_do_not(tmp_path: Path) -> None:
    voxels = blob().astype("f4")
    voxels[7, 6, :4] = (2, 3, -1, 255)
    mask = open_mask(put(tmp_path / "case.nii.gz", zipped(nifti_bytes(voxels))))
    assert mask.voxels(frozenset({1.0})).sum() == 12
    assert mask.voxels(frozenset({2.0, 3.0})).sum() == 2


def test_a_soft_map_is_refused_whatever_labels_are_named(tmp_path: Path) -> None:
    mask = open_mask(put(tmp_path / "case.nii.gz", zipped(nifti_bytes(blob() * 0.3))))
    with pytest.raises(VolumeError, match="probability map"):
        mask.voxels(frozenset({1.0}))


@pytest.mark.parametrize("labels", [frozenset(), frozenset({0.0}), frozenset({float("nan")})])
def test_background_cannot_be_a_label(tmp_path: Path, labels: frozenset[float]) -> None:
    mask = open_mask(put(tmp_path / "case.nii.gz", zipped(nifti_bytes(blob()))))
    with pytest.raises(UsageError, match="never 0"):
        mask.voxels(labels)


def test_a_link_is_followed_once_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    put(tmp_path / "data" / "real.nii.gz", zipped(nifti_bytes(blob())))
    link = tmp_path / "case.nii.gz"
    link.symlink_to("data/real.nii.gz")
    assert open_mask(link).voxels().sum() == 12
    chain = tmp_path / "chain.nii.gz"
    chain.symlink_to(link)
    with pytest.raises(VolumeError, match="a link to another link"):
        open_mask(chain)
    assert read_geometry(chain, trusted=True).shape == (8, 7, 6)


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.nii.gz")
    (tmp_path / "folder.nii.gz").mkdir()
    (tmp_path / "nothing.nii.gz").symlink_to(tmp_path / "gone")
    (tmp_path / "loop.nii.gz").symlink_to(tmp_path / "loop.nii.gz")
    (tmp_path / "device.nii.gz").symlink_to("/dev/zero")
    (tmp_path / "to-pipe.nii.gz").symlink_to("pipe.nii.gz")
    for name, words in (
        ("pipe", "a pipe"),
        ("to-pipe", "a pipe"),
        ("folder", "a folder"),
        ("nothing", "a link to nothing"),
        ("loop", "a link to another link"),
        ("device", "a device"),
        ("absent", "no such file"),
    ):
        with pytest.raises(VolumeError, match=words):
            open_mask(tmp_path / f"{name}.nii.gz")


def test_another_ending_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=r"Known are \.nii\.gz, \.nii, \.mha, \.mhd, \.nrrd"):
        open_mask(put(tmp_path / "case.npy", b"\x93NUMPY"))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nrrd"])
def test_a_mask_written_by_simpleitk_lies_where_its_nifti_lies(tmp_path: Path, suffix: str, compressed: bool) -> None:
    sitk.WriteImage(turned(), str(tmp_path / f"case{suffix}"), compressed)
    sitk.WriteImage(turned(), str(tmp_path / "same.nii.gz"))
    mask = open_mask(tmp_path / f"case{suffix}")
    assert np.array_equal(mask.voxels(), blob() == 1)
    assert differences(mask.geometry, read_geometry(tmp_path / "same.nii.gz")) == ()
    assert read_geometry(tmp_path / f"case{suffix}") == mask.geometry


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
def test_every_plain_type_of_simpleitk_is_read(tmp_path: Path, suffix: str, kind: str) -> None:
    image = sitk.GetImageFromArray(blob().astype(kind).transpose(2, 1, 0))
    sitk.WriteImage(image, str(tmp_path / f"case{suffix}"))
    assert np.array_equal(open_mask(tmp_path / f"case{suffix}").voxels(), blob() == 1)


def test_a_ras_nrrd_is_read_without_turning_it(tmp_path: Path) -> None:
    header = (
        "NRRD0004\ntype: uchar\ndimension: 3\nspace: right-anterior-superior\nsizes: 8 7 6\n"
        "space directions: (-0.5,0,0) (0,-0.5,0) (0,0,5)\nkinds: domain domain domain\nencoding: raw\n"
        "space origin: (90,100,-40)\n\n"
    )
    mask = open_mask(put(tmp_path / "case.nrrd", header.encode() + blob().tobytes(order="F")))
    assert differences(mask.geometry, GRID) == ()
    assert np.array_equal(mask.voxels(), blob() == 1)


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
def test_a_damaged_or_longer_stream_is_refused_there_too(tmp_path: Path, suffix: str) -> None:
    sitk.WriteImage(turned(), str(tmp_path / f"whole{suffix}"), True)
    content = (tmp_path / f"whole{suffix}").read_bytes()
    for broken in (content[:-9], content + b"x", content[:-6] + bytes([content[-6] ^ 1]) + content[-5:]):
        with pytest.raises(VolumeError):
            open_mask(put(tmp_path / f"case{suffix}", broken)).voxels()


def test_a_metaimage_or_nrrd_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    for suffix, sizes in ((".mha", b"DimSize = 8 7 6"), (".nrrd", b"sizes: 8 7 6")):
        sitk.WriteImage(turned(), str(tmp_path / f"whole{suffix}"), True)
        content = (tmp_path / f"whole{suffix}").read_bytes()
        assert sizes in content
        giant = content.replace(sizes, sizes.replace(b"8 7 6", b"30000 30000 1000"))
        with pytest.raises(VolumeError, match="more than any head CT"):
            open_mask(put(tmp_path / f"case{suffix}", giant))
        with pytest.raises(VolumeError, match="three lengths were expected"):
            open_mask(put(tmp_path / f"case{suffix}", content.replace(sizes, sizes.replace(b"8 7", b"0 7"))))


def test_a_metaimage_or_nrrd_without_orientation_is_refused(tmp_path: Path) -> None:
    for suffix, field in ((".mha", b"TransformMatrix"), (".mha", b"Offset"), (".nrrd", b"space origin")):
        sitk.WriteImage(turned(), str(tmp_path / f"whole{suffix}"))
        content = (tmp_path / f"whole{suffix}").read_bytes()
        with pytest.raises(VolumeError, match="does not say how it lies"):
            open_mask(put(tmp_path / f"case{suffix}", content.replace(field, b"x" * len(field))))


@pytest.mark.parametrize("elsewhere", ["../case.raw", "/etc/hostname", "..\\case.raw", "LIST", "sub/case.raw"])
def test_the_data_file_of_an_mhd_is_a_plain_name_beside_it(tmp_path: Path, elsewhere: str) -> None:
    sitk.WriteImage(turned(), str(tmp_path / "case.mhd"))
    text = (tmp_path / "case.mhd").read_text().replace("ElementDataFile = case.raw", f"ElementDataFile = {elsewhere}")
    (tmp_path / "case.mhd").write_text(text)
    with pytest.raises(VolumeError, match=r"a plain file name|no such file"):
        open_mask(tmp_path / "case.mhd")


def test_the_hash_of_an_mhd_covers_its_data_file(tmp_path: Path) -> None:
    sitk.WriteImage(turned(), str(tmp_path / "case.mhd"))
    both = (tmp_path / "case.mhd").read_bytes() + (tmp_path / "case.raw").read_bytes()
    assert open_mask(tmp_path / "case.mhd").sha256 == hashlib.sha256(both).hexdigest()


def test_a_nrrd_whose_voxels_lie_elsewhere_is_refused(tmp_path: Path) -> None:
    sitk.WriteImage(turned(), str(tmp_path / "case.nrrd"))
    content = (tmp_path / "case.nrrd").read_bytes()
    with pytest.raises(VolumeError, match="another file"):
        open_mask(put(tmp_path / "case.nrrd", content.replace(b"encoding:", b"data file: x.raw\nencoding:")))


@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (1, -1024), (-1, 7), (0, 0)])
def test_a_ct_is_scaled_whatever_its_slope_and_stays_int16(tmp_path: Path, slope: float, intercept: float) -> None:
    stored = np.arange(8 * 7 * 6, dtype="i2").reshape(8, 7, 6)
    ct = read_ct(put(tmp_path / "ct.nii.gz", zipped(nifti_bytes(stored, scl_slope=slope, scl_inter=intercept))))
    assert ct.hu.dtype == np.int16
    assert np.array_equal(ct.hu, stored * slope + intercept if slope else stored)


def test_a_ct_of_fractions_is_float32(tmp_path: Path) -> None:
    stored = np.full((8, 7, 6), 3, dtype="i2")
    ct = read_ct(put(tmp_path / "ct.nii.gz", zipped(nifti_bytes(stored, scl_slope=0.5))))
    assert ct.hu.dtype == np.float32
    assert (ct.hu == 1.5).all()


def test_a_written_ct_is_read_back_in_hu(tmp_path: Path) -> None:
    hu = np.arange(8 * 7 * 6, dtype=np.int64).reshape(8, 7, 6) - 200
    write_ct(tmp_path / "ct.nii.gz", hu, TILTED)
    ct = read_ct(tmp_path / "ct.nii.gz")
    assert np.array_equal(ct.hu, hu)
    assert ct.hu.dtype == np.int16
    assert differences(ct.geometry, TILTED) == ()


def test_simpleitk_is_loaded_only_for_its_own_formats(tmp_path: Path) -> None:
    write_mask(tmp_path / "case.nii.gz", blob(), GRID)
    code = (
        "import sys, pathlib; from ich_bench.volume import open_mask; "
        "open_mask(pathlib.Path(sys.argv[1])).voxels(); print('SimpleITK' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "case.nii.gz")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_a_tilted_mask_with_a_qform_by_nibabel_is_accepted(tmp_path: Path) -> None:
    image = nib.Nifti1Image(blob(), TILTED.matrix)
    image.set_sform(TILTED.matrix, 1)
    image.set_qform(TILTED.matrix, 1)  # keeps the shear-free form
    nib.save(image, tmp_path / "case.nii.gz")
    mask = open_mask(tmp_path / "case.nii.gz")
    assert mask.geometry.qform is not None
    assert np.allclose(mask.geometry.qform, shear_free(TILTED.matrix), atol=1e-5)
    assert differences(mask.geometry, TILTED) == ()


def test_las_masks_of_nibabel_and_itk_agree_with_themselves_and_one_turned_by_half_a_degree_does_not(
    tmp_path: Path,
) -> None:
    """Near half a turn float32 cannot hold a quaternion well enough for 1e-3 mm; that is not the writer's fault."""
    rng = np.random.default_rng(3)
    off_mm = []
    for _ in range(40):
        turn = nib.eulerangles.euler2mat(*rng.normal(scale=1e-3, size=3))
        affine = nib.affines.from_matvec(turn @ np.diag([-0.45, 0.45, 5]), [90, 100, -40])
        grid = Geometry.of((8, 7, 6), affine.astype(np.float32))
        image = nib.Nifti1Image(blob(), grid.matrix)
        image.set_sform(grid.matrix, 1)
        image.set_qform(grid.matrix, 1)
        nib.save(image, tmp_path / "case.nii")
        off_mm.append(np.abs(image.header.get_qform() - grid.matrix).max())
        assert differences(read_geometry(tmp_path / "case.nii"), grid) == ()
        sitk.WriteImage(sitk.ReadImage(str(tmp_path / "case.nii")), str(tmp_path / "again.nii"))
        assert differences(read_geometry(tmp_path / "again.nii"), grid) == ()
        image.set_qform(nib.affines.from_matvec(nib.eulerangles.euler2mat(z=np.radians(0.5))) @ grid.matrix, 1)
        nib.save(image, tmp_path / "turned.nii")
        assert "contradict" in "".join(differences(read_geometry(tmp_path / "turned.nii"), grid))
    assert max(off_mm) > 1e-3  # or this test would show nothing


@real_data
def test_the_real_tilted_head_and_its_painted_mask_lie_on_one_grid() -> None:
    folder = SHARED / "ge_head_nifti"
    mask = open_mask(folder / "semisynth_ich_256x256x14_mask.nii.gz")
    assert differences(mask.geometry, read_geometry(folder / "ge_head_tilt18p5_256x256x14.nii.gz")) == ()
    theirs = np.asarray(nib.load(folder / "semisynth_ich_256x256x14_mask.nii.gz").dataobj)
    assert np.array_equal(mask.voxels(), theirs == 1)


@real_data
def test_the_real_lesion_map_is_read_by_its_qform_and_its_labels_must_be_named() -> None:
    mask = open_mask(SHARED / "blast_ct_masks" / "scan_0_segmentation.nii.gz")
    assert (mask.geometry.orientation, mask.geometry.qform) == ("LPS", None)
    with pytest.raises(VolumeError, match=r"1 \(46448 voxels\), 2 \(22852 voxels\), 3 \(75568 voxels\), 4 \(592"):
        mask.voxels()
    assert mask.voxels(frozenset({1.0, 2.0, 4.0})).sum() == 46448 + 22852 + 592


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "case.nii.gz",
            b"<!DOCTYPE html><title>Sign in</title>",
            "neither gzip-compressed nor a NIfTI file, but a web page",
        ),
        (
            "case.nii.gz",
            b"version https://git-lfs.github.com/spec/v1\n",
            "neither gzip-compressed nor a NIfTI file. Down",
        ),
        ("case.nii.gz", nifti_bytes(blob()), "not gzip-compressed, although its name ends in .gz. Compress it"),
        ("case.nii.gz", nifti_bytes(blob(), order=">"), "Compress it"),
        (
            "case.nii",
            nifti_bytes(blob(), scl_inter=1e-9),
            "its header has an intercept: 1e-09 is added to every value.",
        ),
        (
            "case.nii",
            nifti_bytes(blob(), scl_slope=-2, scl_inter=3),
            "its slope is -2 and has an intercept: 3 is added",
        ),
    ],
)
def test_a_file_that_is_no_mask_is_told_what_it_is(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(VolumeError) as refused:
        open_mask(tmp_path / name)
    assert words in str(refused.value)


def test_one_voxel_is_not_several() -> None:
    met = MaskValues(labels=None, slope=1)
    met.inside(np.array([0, 1, np.nan]))
    with pytest.raises(VolumeError, match=r"^1 voxel is NaN or infinite"):
        met.refuse_unless_mask()
