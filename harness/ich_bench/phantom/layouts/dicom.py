"""One slice of a drawn head as a DICOM file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from ich_bench.phantom.head import Head
from ich_bench.phantom.layouts.common import Array, turned

_TO_LPS = np.array([-1.0, -1.0, 1.0])


def planes(head: Head) -> list[tuple[Array, dict[str, Any]]]:
    """Return each slice from low to high: HU as (rows, columns), and the tags that say where it lies (DICOM's LPS)."""
    hu, grid = turned(head.hu, head.geometry, (-1, -1, 1))
    affine = grid.matrix
    column, row = affine[:3, 0] * _TO_LPS, affine[:3, 1] * _TO_LPS
    lengths = [float(np.sqrt((axis**2).sum())) for axis in (column, row)]
    direction = [*(column / lengths[0]), *(row / lengths[1])]
    found = []
    for k in range(hu.shape[2]):
        position = (affine[:3, 2] * k + affine[:3, 3]) * _TO_LPS
        tags = {
            "ImagePositionPatient": [round(float(value), 5) for value in position],
            "ImageOrientationPatient": [round(float(value), 8) for value in direction],
            "PixelSpacing": [round(lengths[1], 6), round(lengths[0], 6)],
        }
        found.append((hu[:, :, k].T, tags))
    return found


def write_slice(
    path: Path, stored: Array, tags: Mapping[str, Any], *, bits: int, signed: bool, intercept: float
) -> None:
    """Write stored values (rows, columns) of 16 bits each as an uncompressed CT image."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.FileMetaInformationGroupLength = 0  # set when written
    image = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID = CTImageStorage
    image.Modality = "CT"
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.Rows, image.Columns = stored.shape
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, bits, bits - 1
    image.PixelRepresentation = int(signed)
    image.RescaleIntercept, image.RescaleSlope = intercept, 1
    for name, value in tags.items():
        if name.endswith("UID"):  # written as it is: RSNA's identifiers are no UIDs
            image.add(DataElement(Tag(name), "UI", value, validation_mode=config.IGNORE))
        else:
            setattr(image, name, value)
    image.PixelData = stored.astype("<i2" if signed else "<u2").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path, enforce_file_format=False)  # else pydicom copies what is no UID into the file meta
