"""A folder of DICOM slices as one CT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from ich_bench.errors import VolumeError
from ich_bench.formats.dicom import find_series, read_series, repair_12bit, series_geometry
from ich_bench.geometry import differences
from ich_bench.volume import read_ct, read_geometry

SHARED = Path(__file__).parents[2] / "shared" / "data"
real_head = pytest.mark.skipif(not SHARED.exists(), reason="the real head is not on this machine")

UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def slice_file(path: Path, z_mm: float, *, value: int = 0, series: str = "1.2.3", **tags: Any) -> Path:
    """Write one slice of 4 columns and 3 rows; the voxel in column 1 of row 2 is `value`."""
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.SeriesInstanceUID = CTImageStorage, generate_uid(), series
    dataset.Modality, dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = "CT", 3, 4, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.PixelSpacing = [0.7, 0.5]  # rows are 0.7 mm apart, columns 0.5 mm
    dataset.ImageOrientationPatient, dataset.ImagePositionPatient = list(UPRIGHT), [-10, -20, z_mm]
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    for name, content in tags.items():
        setattr(dataset, name, content)
    pixels = np.zeros((3, 4), dtype=np.int16)
    pixels[2, 1] = value
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


def series_of(folder: Path, heights_mm: list[float], **tags: Any) -> Path:
    for number, z_mm in enumerate(heights_mm):
        slice_file(folder / f"{number:02d}.dcm", z_mm, value=number + 1, **tags)
    return folder


def test_slices_are_stacked_from_low_to_high_whatever_their_names(tmp_path: Path) -> None:
    ct = read_series(series_of(tmp_path, [10, 0, 5]))
    assert ct.geometry.shape == (4, 3, 3)
    assert ct.hu[1, 2].tolist() == [2, 3, 1]  # column 1, row 2; the lowest slice was written second
    # LPS to RAS: x and y change sign; columns 0.5 mm apart, rows 0.7, slices 5
    assert ct.geometry.matrix.tolist() == [[-0.5, 0, 0, 10], [0, -0.7, 0, 20], [0, 0, 5, 0], [0, 0, 0, 1]]
    assert read_geometry(tmp_path) == ct.geometry
    assert np.array_equal(read_ct(tmp_path).hu, ct.hu)


def test_files_may_be_named_instead_of_a_folder(tmp_path: Path) -> None:
    series_of(tmp_path, [0, 5, 10, 40])
    assert series_geometry([tmp_path / f"0{number}.dcm" for number in (2, 0, 1)]).shape == (4, 3, 3)


def test_a_gantry_tilt_stays_in_the_affine(tmp_path: Path) -> None:
    cosine, sine = float(np.cos(np.radians(18.5))), float(np.sin(np.radians(18.5)))
    series_of(tmp_path, [0, 5, 10], ImageOrientationPatient=[1, 0, 0, 0, round(cosine, 7), round(-sine, 7)])
    geometry = series_geometry(tmp_path)
    assert geometry.shear_deg == pytest.approx(18.5, abs=1e-3)
    assert geometry.spacing_mm == pytest.approx((0.5, 0.7, 5.0), abs=1e-6)
    assert geometry.voxel_volume_mm3 == pytest.approx(0.5 * 0.7 * 5 * cosine, abs=1e-6)


def test_slope_and_intercept_are_those_of_each_slice(tmp_path: Path) -> None:
    slice_file(tmp_path / "a.dcm", 0, value=100, RescaleIntercept=-1024)
    slice_file(tmp_path / "b.dcm", 5, value=100, RescaleSlope=2, RescaleIntercept=-1000)
    ct = read_series(tmp_path)
    assert ct.hu.dtype == np.int16
    assert ct.hu[1, 2].tolist() == [100 - 1024, 2 * 100 - 1000]
    assert ct.hu[0, 0].tolist() == [-1024, -1000]


def test_padding_is_air_and_never_tissue(tmp_path: Path) -> None:
    for number, z_mm in enumerate((0, 5)):
        slice_file(tmp_path / f"{number}.dcm", z_mm, value=-2000, PixelPaddingValue=-2000, RescaleIntercept=1000)
    ct = read_series(tmp_path)
    assert ct.hu[1, 2, 0] == -1024  # -2000 + 1000 = -1000 would be a value of its own
    assert ct.hu[0, 0, 0] == 1000


def test_a_missing_slice_is_named_by_its_neighbours(tmp_path: Path) -> None:
    series_of(tmp_path, [0, 5, 10, 20, 25])
    with pytest.raises(VolumeError, match=r"are missing: 1 between 02\.dcm and 03\.dcm \(the step is 5\.00 mm\)"):
        read_series(tmp_path)


def test_a_doubled_slice_is_named(tmp_path: Path) -> None:
    series_of(tmp_path, [0, 5, 5, 10])
    with pytest.raises(VolumeError, match=r"slices 01\.dcm and 02\.dcm lie at the same place"):
        read_series(tmp_path)


def test_uneven_steps_are_refused_unless_the_longest_even_run_is_asked_for(tmp_path: Path) -> None:
    series_of(tmp_path, [0, 4, 8, 9.1, 16.1, 23.1, 30.1])
    with pytest.raises(
        VolumeError, match=r"3 slices 4\.00 mm apart, a step of 1\.10 mm .*, 4 slices 7\.00 mm apart"
    ) as told:
        read_series(tmp_path)
    assert "`ich_bench.formats.dicom.read_series`" in str(told.value)  # there is no such option on the command line
    assert "longest_even_run=True" in str(told.value)
    ct = read_series(tmp_path, longest_even_run=True)
    assert ct.geometry.shape == (4, 3, 4)
    assert ct.geometry.spacing_mm[2] == 7.0
    assert ct.geometry.matrix[2, 3] == 9.1
    assert ct.hu[1, 2].tolist() == [4, 5, 6, 7]


def test_positions_written_with_few_decimals_are_even(tmp_path: Path) -> None:
    series_of(tmp_path, [round(number * 0.625, 1) for number in range(9)])  # 0, 0.6, 1.2, 1.9, 2.5 …
    assert series_geometry(tmp_path).spacing_mm[2] == pytest.approx(0.625)


def test_a_slice_off_the_line_of_the_others_is_named(tmp_path: Path) -> None:
    series_of(tmp_path, [0, 50, 150])
    slice_file(tmp_path / "02.dcm", 100, ImagePositionPatient=[-10, -19.5, 100])
    slice_file(tmp_path / "03.dcm", 150)
    with pytest.raises(VolumeError, match=r"slice 02\.dcm lies 0\.50 mm off the line"):
        read_series(tmp_path)


@pytest.mark.parametrize(
    "tags", [{"Rows": 2}, {"PixelSpacing": [0.5, 0.5]}, {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}]
)
def test_a_slice_of_another_grid_is_named(tmp_path: Path, tags: dict[str, Any]) -> None:
    series_of(tmp_path, [0, 5])
    slice_file(tmp_path / "scout.dcm", 10, **tags)
    with pytest.raises(VolumeError, match=rf"slice scout\.dcm has {next(iter(tags))}"):
        read_series(tmp_path)


def test_a_slice_that_does_not_say_where_it_lies_is_named(tmp_path: Path) -> None:
    series_of(tmp_path, [0, 5])
    slice_file(tmp_path / "lost.dcm", 10, ImagePositionPatient=None)
    with pytest.raises(VolumeError, match=r"slice lost\.dcm does not say where it lies \(no ImagePositionPatient\)"):
        read_series(tmp_path)


def test_a_slice_cut_short_is_named(tmp_path: Path) -> None:
    series_of(tmp_path, [0, 5])
    whole = (tmp_path / "01.dcm").read_bytes()
    (tmp_path / "01.dcm").write_bytes(whole[:-8])
    with pytest.raises(VolumeError, match=r"slice 01\.dcm cannot be decoded"):
        read_series(tmp_path)


def test_one_slice_and_no_slice_make_no_volume(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(VolumeError, match="holds no DICOM slices"):
        read_series(tmp_path)
    slice_file(tmp_path / "a.dcm", 0)
    with pytest.raises(VolumeError, match="one slice alone"):
        read_series(tmp_path)


def test_several_series_are_listed_and_must_be_chosen_from(tmp_path: Path) -> None:
    (tmp_path / "thick").mkdir()
    (tmp_path / "thin").mkdir()
    series_of(tmp_path / "thick", [0, 5, 10], SeriesDescription="Plain")
    series_of(tmp_path / "thin", [0, 1, 2, 3], SeriesDescription="Plain thin", series="1.2.4")
    with pytest.raises(VolumeError, match=r"holds 2 series: Plain \(3 slices\); Plain thin \(4 slices\)"):
        read_series(tmp_path)
    thin, thick = find_series(tmp_path)
    assert (thin.uid, thin.description, len(thin.files), thin.fault) == ("1.2.4", "Plain thin", 4, "")
    assert thick.geometry == series_geometry(tmp_path / "thick")
    assert read_series(thick.files).geometry.shape == (4, 3, 3)


def test_a_series_that_makes_no_volume_is_found_with_its_fault(tmp_path: Path) -> None:
    (series,) = find_series(series_of(tmp_path, [0, 5, 5]))
    assert series.geometry is None
    assert "lie at the same place" in series.fault


def test_the_12_bit_defect_is_undone() -> None:
    broken = pydicom.Dataset()
    broken.BitsStored, broken.PixelRepresentation, broken.RescaleIntercept = 12, 0, 0
    stored = np.array([0, 40, 3095, 3096, 4095], dtype=np.uint16)
    # + 1000 gives 1000, 1040, 4095, 4096, 5095; from 4096 on, - 4096: 0 and 999; then the intercept of -1000
    pixels, intercept = repair_12bit(stored, broken)
    assert (pixels + intercept).tolist() == [0, 40, 3095, -1000, -1]


@pytest.mark.parametrize(
    "tags",
    [
        {"BitsStored": 16, "PixelRepresentation": 0, "RescaleIntercept": 0},
        {"BitsStored": 12, "PixelRepresentation": 1, "RescaleIntercept": 0},
        {"BitsStored": 12, "PixelRepresentation": 0, "RescaleIntercept": -1024},
        {"BitsStored": 12, "PixelRepresentation": 0, "RescaleIntercept": -100},
    ],
)
def test_a_file_without_the_12_bit_defect_is_left_alone(tags: dict[str, int]) -> None:
    sound = pydicom.Dataset()
    for name, value in tags.items():
        setattr(sound, name, value)
    stored = np.array([0, 4095], dtype=np.uint16)
    pixels, intercept = repair_12bit(stored, sound)
    assert pixels is stored
    assert intercept == tags["RescaleIntercept"]


def test_the_repair_is_made_when_asked_for(tmp_path: Path) -> None:
    for number, z_mm in enumerate((0, 5)):
        slice_file(tmp_path / f"{number}.dcm", z_mm, value=4095, BitsStored=12, HighBit=11, PixelRepresentation=0)
    assert read_series(tmp_path).hu[1, 2, 0] == 4095
    assert read_series(tmp_path, repair=True).hu[1, 2, 0] == -1  # 4095 + 1000 - 4096 - 1000


@real_head
def test_the_real_head_is_refused_whole_and_its_thick_half_equals_its_nifti() -> None:
    folder = SHARED / "ge_head_dicom"
    with pytest.raises(VolumeError, match=r"14 slices 4\.22 mm apart, a step of 1\.14 mm .*, 14 slices 7\.38 mm apart"):
        read_series(folder)
    ct = read_series([folder / f"{number}.dcm" for number in range(15, 29)])
    same = read_ct(SHARED / "ge_head_nifti" / "ge_head_tilt18p5_512x512x14.nii.gz")
    assert differences(ct.geometry, same.geometry) == ()
    assert np.array_equal(ct.hu, same.hu)
