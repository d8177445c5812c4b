"""NIfTI files made byte by byte, so that a test can say anything in a header."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

SPACING_AFFINE = np.array([[-0.5, 0, 0, 90], [0, -0.5, 0, 100], [0, 0, 5, -40], [0, 0, 0, 1]], dtype=np.float64)


def blob(shape: tuple[int, ...] = (8, 7, 6)) -> np.ndarray:
    """Return a small mask, the same every time: 2 x 3 x 2 = 12 voxels of 1, not symmetric in any axis."""
    mask = np.zeros(shape, dtype=np.uint8)
    mask[1:3, 2:5, 1:3] = 1
    return mask


def nifti_bytes(
    values: np.ndarray, affine: np.ndarray = SPACING_AFFINE, *, version: int = 1, order: str = "<", **fields: Any
) -> bytes:
    """Return an uncompressed NIfTI file of these values; `fields` then overwrite the header's own, unchecked."""
    kind = (nib.Nifti1Header, nib.Nifti2Header)[version - 1]
    header = kind(endianness=order)
    header.set_data_dtype(values.dtype)
    header.set_data_shape(values.shape)
    header.set_sform(affine, 1)
    header["pixdim"][:4] = [1, *np.sqrt((affine[:3, :3] ** 2).sum(axis=0))]
    header["vox_offset"] = 352 if version == 1 else 544
    header["scl_slope"], header["scl_inter"] = 1, 0
    for name, value in fields.items():
        header[name] = value
    voxels = values.astype(values.dtype.newbyteorder(order)).tobytes(order="F")
    return header.binaryblock + b"\0\0\0\0" + voxels


def zipped(content: bytes) -> bytes:
    """Return one gzip member."""
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as stream:
        stream.write(content)
    return packed.getvalue()


def put(path: Path, content: bytes) -> Path:
    """Write a file and return its path."""
    path.write_bytes(content)
    return path
