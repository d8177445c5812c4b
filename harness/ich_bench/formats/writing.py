"""How does a volume become a NIfTI file whose bytes depend on the volume alone."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ich_bench.errors import IchBenchError, VolumeError
from ich_bench.geometry import Geometry, shape_text


def write_nifti(path: Path, values: npt.NDArray[Any], geometry: Geometry) -> None:
    """Write an array (x, y, z) on this grid; nothing is left behind where that fails."""
    if not path.name.lower().endswith((".nii.gz", ".nii")):
        raise VolumeError(f"{path.name} cannot be written.", "Volumes are written as .nii.gz or .nii.")
    if values.shape != geometry.shape:
        raise ValueError(f"an array of {shape_text(values.shape)} does not fit a grid of {shape_text(geometry.shape)}")
    content = _nifti_bytes(values, geometry)
    if path.name.lower().endswith(".gz"):
        packed = io.BytesIO()
        with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=4, mtime=0) as stream:
            stream.write(content)
        content = packed.getvalue()
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(path)
    except OSError as fault:
        raise IchBenchError(f"cannot write {path}: {fault.strerror or fault}.") from fault
    finally:
        with contextlib.suppress(OSError):  # the reason it could not be written is the one to tell
            part.unlink(missing_ok=True)


def _nifti_bytes(values: npt.NDArray[Any], geometry: Geometry) -> bytes:
    """Return the file: sform always; qform beside it only where it says the same (it cannot hold shear)."""
    import nibabel as nib  # slow to import, and only who writes needs it

    image: Any = nib.Nifti1Image(values, geometry.matrix)  # type: ignore[no-untyped-call]  # nibabel's
    image.set_sform(geometry.matrix, 1)
    image.set_qform(geometry.matrix, 1)
    if np.abs(image.header.get_qform() - geometry.matrix).max() > 1e-4:
        image.header["qform_code"] = 0
    content: bytes = image.to_bytes()
    return content
