"""Tiny downloads in the native layouts, drawn by tests: real names, few voxels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SHAPE = (6, 5, 4)
AFFINE = np.diag([0.5, 0.5, 5.0, 1.0])


def put(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, affine), path)
    return path


def ct(shape: Sequence[int] = SHAPE) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.int16).reshape(shape)


def mask(voxels: int, *, value: int = 1, shape: Sequence[int] = SHAPE) -> np.ndarray:
    """Return a mask of so many voxels, the first in memory order: with 4 slices, up to 4 voxels make so many slices."""
    flat = np.zeros(int(np.prod(shape)), dtype=np.uint8)
    flat[:voxels] = value
    return flat.reshape(shape)


def hssayeni(folder: Path, cases: dict[int, int]) -> Path:
    """Write PhysioNet's folders and tables: case number → voxels of the mask (0/255); epidural where there are any."""
    for number, voxels in cases.items():
        put(folder / "ct_scans" / f"{number:03}.nii", ct())
        put(folder / "masks" / f"{number:03}.nii", mask(voxels, value=255))
    (folder / "Patient_demographics.csv").write_text(
        "Patient Number,Age\n(years),Gender".replace("\n", " ")
        + ",Hemorrhage type based on the radiologists diagnosis,,,,,Fracture (yes 1/no 0),Note1\n"
        + ",,,Intraventricular,Intraparenchymal,Subarachnoid,Epidural,Subdural,,\n"
        + "".join(f"{number},{number - 40},Male,,,,{1 if voxels else ''},,,\n" for number, voxels in cases.items())
        + ",,,,,,,,,\nTotal,,,,,,1,,,\n"
    )
    (folder / "hemorrhage_diagnosis_raw_ct.csv").write_text(
        "PatientNumber,SliceNumber,Intraventricular,Intraparenchymal,Subarachnoid,Epidural,Subdural,"
        "No_Hemorrhage,Fracture_Yes_No\n"
        + "".join(
            f"{number},{z + 1},0,0,0,{int(z < voxels)},0,{int(z >= voxels)},0\n"
            for number, voxels in cases.items()
            for z in range(4)
        )
    )
    return folder


def seg_cq500(folder: Path, numbers: Sequence[int], *, affine: np.ndarray = AFFINE) -> Path:
    """Write Seg-CQ500's folders with their junk; returns the folder above `Seg-CQ500`."""
    volumes = folder / "Seg-CQ500" / "data" / "volumes"
    for number in numbers:
        case = volumes / f"CQ500-CT-{number}"
        put(case / "CT.nii", ct(), affine)
        put(case / "ICH_mask.nii.gz", mask(3), affine)
        put(case / "brain.nii.gz", mask(9), affine)
        (case / "._CT.nii").write_bytes(b"junk")
        junk = folder / "__MACOSX" / "Seg-CQ500" / "data" / "volumes" / f"CQ500-CT-{number}"
        junk.mkdir(parents=True)
        (junk / "._ICH_mask.nii.gz").write_bytes(b"junk")
    (volumes / "info.csv").write_text("name,IPH\n" + "".join(f"CQ500-CT-{number},0.93\n" for number in numbers))
    return folder


def reads_csv(path: Path, reads: dict[int, Sequence[str]]) -> Path:
    """Write CQ500's reads.csv: scan number → what each of the three readers marked, such as `ICH IPH`."""
    findings = ("ICH", "IPH", "IVH", "SDH", "EDH", "SAH")
    header = ["name", "Category", *(f"R{reader}:{finding}" for reader in (1, 2, 3) for finding in findings)]
    lines = [
        [f"CQ500-CT-{number}", "B1", *(str(int(finding in marks.split())) for marks in readers for finding in findings)]
        for number, readers in reads.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(",".join(line) for line in [header, *lines]) + "\n", encoding="utf-8-sig")
    return path


def instance2022(folder: Path, cases: dict[str, int]) -> Path:
    for name, voxels in cases.items():
        put(folder / "train_2" / "data" / f"{name}.nii.gz", ct())
        put(folder / "train_2" / "label" / f"{name}.nii.gz", mask(voxels))
    return folder


def dicom(
    path: Path,
    pixels: np.ndarray,
    *,
    z_mm: float = 0.0,
    patient: str = "ID_p",
    series: str = "1.2.3",
    thickness_mm: float = 5.0,
    bits: int = 16,
    signed: bool = True,
    intercept: float = 0.0,
) -> Path:
    """Write one axial slice of 0.5 mm pixels."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        CTImageStorage,
        generate_uid(entropy_srcs=[str(path)]),
    )
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one = pydicom.Dataset()
    one.file_meta = meta
    one.SOPClassUID, one.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    one.PatientID, one.StudyInstanceUID, one.SeriesInstanceUID = patient, f"{series}.1", series
    one.Modality, one.SliceThickness = "CT", thickness_mm
    one.ImagePositionPatient, one.ImageOrientationPatient = [0, 0, z_mm], [1, 0, 0, 0, 1, 0]
    one.PixelSpacing, one.Rows, one.Columns = [0.5, 0.5], *pixels.shape
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, bits, bits - 1, int(signed)
    one.RescaleIntercept, one.RescaleSlope = intercept, 1
    one.PixelData = pixels.astype("<i2" if signed else "<u2").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    one.save_as(path, enforce_file_format=True)
    return path
