"""What does a MetaImage (.mha, .mhd) or NRRD header claim."""

from __future__ import annotations

import io
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813  # the name its own documentation uses

from ich_bench.errors import VolumeError
from ich_bench.formats.stream import MAX_VOXELS, Header
from ich_bench.geometry import Geometry, shape_text
from ich_bench.volume import open_regular, rest_of

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
_MEND = "Save it as .nii.gz."
_META_TYPES = {
    "MET_UCHAR": "u1", "MET_CHAR": "i1", "MET_USHORT": "u2", "MET_SHORT": "i2", "MET_UINT": "u4", "MET_INT": "i4",
    "MET_ULONG_LONG": "u8", "MET_LONG_LONG": "i8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip
_NRRD_TYPES = {
    **dict.fromkeys(("unsigned char", "uchar", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("unsigned short", "unsigned short int", "ushort", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("unsigned int", "uint", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("unsigned long long", "unsigned long long int", "ulonglong", "uint64", "uint64_t"), "u8"),
    **dict.fromkeys(("long long", "long long int", "signed long long", "longlong", "int64", "int64_t"), "i8"),
    "float": "f4",
    "double": "f8",
}
_NRRD_SPACES = {"left-posterior-superior", "lps", "right-anterior-superior", "ras", "left-anterior-superior", "las"}


def load(path: Path, begin: bytes, file: io.BufferedReader, *, trusted: bool, whole: bool) -> tuple[bytes, Header]:
    """Return the bytes (with those of the file a .mhd names behind its header) and the header.

    Where the voxels lie in the world is SimpleITK's reading of the header alone; the voxels themselves are read by the
    same bounded stream as NIfTI's, which no file can make larger than its header says.
    """
    nrrd = begin.startswith(b"NRRD")
    if nrrd != path.name.lower().endswith(".nrrd"):
        raise VolumeError("its content is not what its name says.", _MEND)
    text, fields = (_nrrd_fields if nrrd else _meta_fields)(begin)
    data_file = "LOCAL" if nrrd else fields["ElementDataFile"]
    header = (_nrrd_header if nrrd else _meta_header)(text, fields)
    if data_file == "LOCAL":
        return begin + (rest_of(file, len(begin), header) if whole else b""), header
    if not path.name.lower().endswith(".mhd") or Path(data_file).name != data_file or "\\" in data_file:
        raise VolumeError(f"it keeps its voxels in {data_file!r}; a plain file name beside it was expected.", _MEND)
    if len(text) < len(begin):
        raise VolumeError("bytes of something else follow its header.", _MEND)
    if not whole:
        return begin, header
    try:
        with open_regular(path.parent / data_file, trusted=trusted) as voxels:
            return begin + rest_of(voxels, 0, header), header
    except VolumeError as fault:
        raise VolumeError(f"its voxels in {data_file}: {fault.what}", fault.mend) from None


def _meta_fields(begin: bytes) -> tuple[bytes, dict[str, str]]:
    """Return the header as stored and its fields; it ends with the line ElementDataFile."""
    fields: dict[str, str] = {}
    end = 0
    while "ElementDataFile" not in fields:
        stop = begin.find(b"\n", end)
        line = begin[end : stop if stop >= 0 else None]
        key, sign, value = line.partition(b"=")
        if not sign or not key.isascii() or not value.isascii():
            raise VolumeError("it has no MetaImage header.", _MEND)
        fields[key.decode().strip()] = value.decode().strip()
        end = stop + 1 if stop >= 0 else len(begin)
    return begin[:end], fields


def _meta_header(text: bytes, fields: dict[str, str]) -> Header:
    # a name of each group must be there: without it, readers make the value up
    for names in (
        ("TransformMatrix", "Orientation", "Rotation"),
        ("Offset", "Origin", "Position"),
        ("ElementSpacing",),
    ):
        if not any(name in fields for name in names):
            raise VolumeError(f"its header does not say how it lies in the head (no {names[0]}).", _MEND)
    odd = {"BinaryData": "True", "HeaderSize": "0", "ElementNumberOfChannels": "1"}
    for name, usual in odd.items():
        if fields.get(name, usual) != usual:
            raise VolumeError(f"its header has {name} = {fields[name]}; {usual} was expected.", _MEND)
    kind = fields.get("ElementType", "")
    if kind not in _META_TYPES:
        raise VolumeError(f"its voxels have the type {kind or 'unknown'}, not a plain number.", _MEND)
    big = "True" in (fields.get("BinaryDataByteOrderMSB"), fields.get("ElementByteOrderMSB"))
    return Header(
        geometry=_geometry(text, ".mha", fields.get("DimSize", ""), _META_TYPES[kind]),
        dtype=np.dtype(_META_TYPES[kind]).newbyteorder(">" if big else "<"),
        offset=0,
        start=len(text),
        wbits=15 if fields.get("CompressedData") == "True" else 0,
    )


def _nrrd_fields(begin: bytes) -> tuple[bytes, dict[str, str]]:
    """Return the header as stored and its fields; it ends with an empty line."""
    ends = [begin.find(mark) + len(mark) for mark in (b"\n\n", b"\n\r\n") if mark in begin]
    if not ends:
        raise VolumeError("its NRRD header has no end.", _MEND)
    text = begin[: min(ends)]
    lines = (
        line.partition(":") for line in text.decode("ascii", "replace").splitlines()[1:] if not line.startswith("#")
    )
    return text, {key.strip().lower(): value.strip() for key, sign, value in lines if not value.startswith("=")}


def _nrrd_header(text: bytes, fields: dict[str, str]) -> Header:
    if "data file" in fields or "datafile" in fields:
        raise VolumeError("it keeps its voxels in another file.", _MEND)
    if fields.get("space", "").lower() not in _NRRD_SPACES or not {"space directions", "space origin"} <= fields.keys():
        raise VolumeError("its header does not say how it lies in the head (space, directions, origin).", _MEND)
    for name in ("line skip", "lineskip", "byte skip", "byteskip"):
        if fields.get(name, "0") != "0":
            raise VolumeError(f"its header asks for a {name}.", _MEND)
    kind, encoding = fields.get("type", "").lower(), fields.get("encoding", "").lower()
    if kind not in _NRRD_TYPES:
        raise VolumeError(f"its voxels have the type {kind or 'unknown'}, not a plain number.", _MEND)
    if encoding not in ("raw", "gzip", "gz"):
        raise VolumeError(f"its voxels are stored as {encoding or 'unknown'}; raw or gzip was expected.", _MEND)
    return Header(
        geometry=_geometry(text, ".nrrd", fields.get("sizes", ""), _NRRD_TYPES[kind]),
        dtype=np.dtype(_NRRD_TYPES[kind]).newbyteorder(">" if fields.get("endian", "").lower() == "big" else "<"),
        offset=0,
        start=len(text),
        wbits=0 if encoding == "raw" else 31,
    )


def _geometry(text: bytes, suffix: str, sizes: str, kind: str) -> Geometry:
    """Return the grid as SimpleITK reads it from the header alone, refused where it reads another shape or type."""
    lengths = [int(size) if size.isdecimal() and len(size) < 7 else 0 for size in sizes.split()]
    if len(lengths) < 3 or min(lengths) < 1 or any(length != 1 for length in lengths[3:]):
        raise VolumeError(f"its header claims {sizes or 'no'} voxels; three lengths were expected.", _MEND)
    if math.prod(lengths) > MAX_VOXELS:
        raise VolumeError(f"its header claims {shape_text(lengths)} voxels, more than any head CT.", _MEND)
    reader: Any = sitk.ImageFileReader()  # type: ignore[no-untyped-call]  # SimpleITK's
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"header{suffix}"
        copy.write_bytes(text)
        reader.SetFileName(str(copy))
        try:
            reader.ReadImageInformation()
        except RuntimeError:
            raise VolumeError("its header cannot be read (sheared grids: only NIfTI can hold them).", _MEND) from None
    rank = reader.GetDimension()
    pixel = sitk.GetPixelIDValueAsString(reader.GetPixelID())  # type: ignore[no-untyped-call]  # SimpleITK's
    if list(reader.GetSize()) != lengths or pixel != _PIXEL_NAMES[kind]:
        raise VolumeError(f"its header is ambiguous ({sizes} {kind}, or {reader.GetSize()} {pixel}).", _MEND)
    direction = np.array(reader.GetDirection()).reshape(rank, rank)[:3, :3]
    affine = np.eye(4)
    affine[:3, :3] = _LPS_TO_RAS @ direction * np.array(reader.GetSpacing()[:3])
    affine[:3, 3] = _LPS_TO_RAS @ np.array(reader.GetOrigin()[:3])
    if not np.isfinite(affine).all():
        raise VolumeError("its affine holds values that are not numbers.", _MEND)
    return Geometry.of(lengths[:3], affine)


_PIXEL_NAMES = {
    "u1": "8-bit unsigned integer", "i1": "8-bit signed integer",
    "u2": "16-bit unsigned integer", "i2": "16-bit signed integer",
    "u4": "32-bit unsigned integer", "i4": "32-bit signed integer",
    "u8": "64-bit unsigned integer", "i8": "64-bit signed integer",
    "f4": "32-bit float", "f8": "64-bit float",
}  # fmt: skip
