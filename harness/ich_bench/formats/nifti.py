"""What does a NIfTI header claim."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ich_bench.errors import VolumeError
from ich_bench.formats.nifti_fields import Order, fields_of, qform_of, sform_of, turn_of
from ich_bench.formats.stream import MAX_VOXELS, Header, members
from ich_bench.geometry import TOLERANCE_MM, Geometry, shape_text, shear_free

Fields = dict[str, Any]

HEADER_BYTES = 540  # of NIfTI-2; NIfTI-1 has 348
MAX_AXIS = 32767  # what a NIfTI-1 header can say
_MAX_EXTENSION_BYTES = 64 * 1024
_TYPES = {2: "u1", 256: "i1", 4: "i2", 512: "u2", 8: "i4", 768: "u4", 1024: "i8", 1280: "u8", 16: "f4", 64: "f8"}
_MEND_TYPE = "Save the mask as uint8 with the values 0 and 1."
_MEND_WRITE = "Write the file again, with the CT's header."


def parse_header(begin: bytes, *, gzipped: bool) -> Header:
    """Return what a single-file NIfTI-1 or NIfTI-2 header claims, each field checked before anything believes it.

    Args:
        begin: the first bytes of the file as stored; 64 kB are enough, however long the file is.
        gzipped: whether the file's name says so.

    Raises:
        VolumeError: in words, for whatever else the bytes are.
    """
    if gzipped:
        begin = _inflated_begin(begin)
    fields, order = _decoded(begin)
    shape = _shape(fields["dim"])
    code = int(fields["datatype"])
    if code not in _TYPES:
        from nibabel.nifti1 import data_type_codes  # knows them all, but is slow to import

        kind = data_type_codes.label.get(code, "unknown")
        raise VolumeError(f"its voxels have the type {kind} (code {code}), not a plain number.", _MEND_TYPE)
    slope, intercept = _scaling(float(fields["scl_slope"]), float(fields["scl_inter"]))
    return Header(
        geometry=_geometry(fields, shape),
        dtype=np.dtype(_TYPES[code]).newbyteorder(order),
        offset=_offset(fields),
        wbits=31 if gzipped else 0,
        slope=slope,
        intercept=intercept,
    )


def _inflated_begin(begin: bytes) -> bytes:
    held = b""
    try:
        for piece in members(begin, 0, 31):
            held += piece[:HEADER_BYTES]
            if len(held) >= HEADER_BYTES:
                break
    except VolumeError as fault:
        if len(held) < 348:  # a whole NIfTI-1 header can be judged without the rest
            raise fault from None
    return held


def _decoded(begin: bytes) -> tuple[Fields, Order]:
    """Return the header's fields by name, and the byte order the header is written in."""
    if len(begin) < 348:
        raise VolumeError(f"it is no NIfTI file: {len(begin)} bytes are fewer than a header has.", _MEND_WRITE)
    orders: tuple[tuple[Order, Literal["little", "big"]], ...] = (("<", "little"), (">", "big"))
    for order, words in orders:
        size = int.from_bytes(begin[:4], words)
        if size == 348:
            return _decoded_1(begin[:348], order), order
        if size == 540:
            return _decoded_2(begin[:540], order), order
    raise VolumeError("it is no NIfTI file: it does not begin with the size of a NIfTI header.", _MEND_WRITE)


def _decoded_1(begin: bytes, order: Order) -> Fields:
    magic = begin[344:348]
    if magic == b"ni1\0":
        raise VolumeError("it is the header half of an .hdr/.img pair.", "Save it as one .nii.gz file.")
    if magic != b"n+1\0":
        raise VolumeError("it is an Analyze 7.5 file or no NIfTI file (no NIfTI mark).", "Save it as one .nii.gz file.")
    return fields_of(begin, order)


def _decoded_2(begin: bytes, order: Order) -> Fields:
    magic = begin[4:12]
    if magic[:3] == b"ni2":
        raise VolumeError("it is the header half of an .hdr/.img pair.", "Save it as one .nii.gz file.")
    if magic != b"n+2\0\r\n\x1a\n":
        raise VolumeError("it is no NIfTI-2 file: its mark was changed, as by a text-mode copy.", _MEND_WRITE)
    if len(begin) < 540:
        raise VolumeError("it is truncated inside its header.", "Copy or write the file again.")
    fields = fields_of(begin, order)
    if 3000 <= int(fields["intent_code"]) < 3100:
        raise VolumeError("it is a CIFTI file: values on a brain surface, not voxels.", "Save voxels as .nii.gz.")
    return fields


def _shape(dim: npt.NDArray[np.integer]) -> tuple[int, int, int]:
    """Return the three lengths; trailing axes of length 1 are dropped (4-D with a single volume)."""
    axes = int(dim[0])
    if not 1 <= axes <= 7:
        raise VolumeError(f"its header claims {axes} dimensions; 3 were expected.", _MEND_WRITE)
    lengths = [int(length) for length in dim[1 : axes + 1]]
    text = shape_text(lengths)
    if any(not 1 <= length <= MAX_AXIS for length in lengths):
        raise VolumeError(f"its header claims {text} voxels; each length must lie in 1 to {MAX_AXIS}.", _MEND_WRITE)
    if axes < 3:
        raise VolumeError(f"it has {axes} dimensions ({text}); a volume with 3 was expected.", _MEND_WRITE)
    if any(length != 1 for length in lengths[3:]):
        raise VolumeError(
            f"it holds several volumes ({text}); one was expected.", "Save the one mask, not channels or time points."
        )
    if math.prod(lengths) > MAX_VOXELS:
        raise VolumeError(f"its header claims {text} voxels, more than any head CT.", _MEND_WRITE)
    return lengths[0], lengths[1], lengths[2]


def _offset(fields: Fields) -> int:
    least = 544 if int(fields["sizeof_hdr"]) == 540 else 352
    offset = float(fields["vox_offset"])
    if not (offset.is_integer() and least <= offset <= least + _MAX_EXTENSION_BYTES):
        raise VolumeError(
            f"its header says the voxels begin at byte {offset:g}; {least} was expected, or up to 64 kB more.",
            _MEND_WRITE,
        )
    return int(offset)


def _scaling(slope: float, intercept: float) -> tuple[float, float]:
    if slope == 0 or math.isnan(slope):
        return 1.0, 0.0
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        raise VolumeError(f"its header scales values by {slope:g} and adds {intercept:g}.", _MEND_WRITE)
    return slope, intercept


def _geometry(fields: Fields, shape: tuple[int, int, int]) -> Geometry:
    zooms = [float(mm) for mm in fields["pixdim"][1:4]]
    if not all(math.isfinite(mm) and mm > 0 for mm in zooms):
        text = "x".join(f"{mm:g}" for mm in zooms)
        raise VolumeError(f"its header claims voxels of {text} mm; three positive numbers were expected.", _MEND_WRITE)
    coded_s, coded_q = int(fields["sform_code"]) > 0, int(fields["qform_code"]) > 0
    if not (coded_s or coded_q):
        raise VolumeError(
            "its header says nowhere how it lies in the head (neither sform nor qform is set).",
            "Write the mask with the CT's affine and sform code 1.",
        )
    qform = _qform(fields) if coded_q else None
    affine = sform_of(fields) if coded_s else qform
    if affine is None or not np.isfinite(affine).all():
        raise VolumeError("its affine holds values that are not numbers.", _MEND_WRITE)
    lengths = np.sqrt((affine[:3, :3].astype(np.float64) ** 2).sum(axis=0))
    if not (lengths > 1e-5).all() or Geometry.of(shape, affine).voxel_volume_mm3 < 1e-3 * lengths.prod():
        raise VolumeError("its affine is singular: it flattens the volume to a plane.", _MEND_WRITE)
    if not (coded_s and coded_q):
        return Geometry.of(shape, affine)
    free = shear_free(affine)
    return Geometry.of(shape, affine, free if _stored_alike(fields, free) else qform)


def _qform(fields: Fields) -> npt.NDArray[np.float64]:
    try:
        if not np.isfinite(np.concatenate([fields["pixdim"][:4], fields["quatern"], fields["qoffset"]])).all():
            raise ValueError
        return qform_of(fields)
    except ValueError:
        raise VolumeError(
            "its qform is no rotation (its quaternion is longer than 1 or no number).", _MEND_WRITE
        ) from None


def _stored_alike(fields: Fields, free: npt.NDArray[np.float64]) -> bool:
    """Return whether the qform's numbers are those that this matrix is stored as, to the precision of float32.

    Near half a turn (LAS storage, a head turned by a milliradian) the last bit of the quaternion moves the decoded
    matrix by up to 0.005 mm, so that files of nibabel and ITK would seem to contradict themselves.
    """
    lengths = np.sqrt((free[:3, :3] ** 2).sum(axis=0))
    rotation = free[:3, :3] / lengths
    side = 1.0 if np.linalg.det(rotation) > 0 else -1.0  # a mirrored volume is stored with its slices turned around
    rotation[:, 2] *= side
    turn = turn_of(rotation).astype(fields["quatern"].dtype)
    if min(np.abs(fields["quatern"] - sign * turn).max() for sign in (1, -1)) > 3e-7:
        return False
    stored_side = -1.0 if fields["pixdim"][0] < 0 else 1.0
    stored = [stored_side, *fields["pixdim"][1:4], *fields["qoffset"]]
    return bool(np.abs(np.array(stored) - [side, *lengths, *free[:3, 3]]).max() <= TOLERANCE_MM)
