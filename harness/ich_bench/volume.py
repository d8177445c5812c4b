"""How masks and CTs come out of files, and go back into them."""

from __future__ import annotations

import hashlib
import io
import math
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ich_bench.errors import VolumeError
from ich_bench.formats.nifti import parse_header
from ich_bench.formats.stream import Header, blocks, plausible_file_bytes
from ich_bench.formats.values import MaskValues
from ich_bench.formats.writing import write_nifti
from ich_bench.geometry import Geometry, shape_text
from ich_bench.metrics.packed import Packed

MASK_SUFFIXES = (".nii.gz", ".nii", ".mha", ".mhd", ".nrrd")
Voxels = npt.NDArray[np.bool_]

_BEGIN_BYTES = 64 * 1024
_KNOWN = "Known are " + ", ".join(MASK_SUFFIXES) + "."


@dataclass(frozen=True, kw_only=True)
class CT:
    """One head CT in Hounsfield units: int16 where the file's values are whole numbers of that range, else float32."""

    hu: npt.NDArray[np.int16] | npt.NDArray[np.float32]
    geometry: Geometry


@dataclass(frozen=True, kw_only=True)
class MaskFile:
    """A mask file read once: `sha256` is that of `data`, and `voxels` decodes that same `data`.

    For `.mhd`, `data` is the header followed by the file it names.
    """

    path: Path
    data: bytes
    sha256: str
    header: Header

    @property
    def name(self) -> str:
        """Return the file's name without folders."""
        return self.path.name

    @property
    def geometry(self) -> Geometry:
        """Return the grid the file claims."""
        return self.header.geometry

    def voxels(
        self,
        labels: frozenset[float] | None = None,
        *,
        expected_shape: Sequence[int] | None = None,
        option: str | None = "--labels",
    ) -> Voxels:
        """Return the binary mask (x, y, z), as `packed` finds it."""
        return self.packed(labels, expected_shape=expected_shape, option=option).mask()

    def packed(
        self,
        labels: frozenset[float] | None = None,
        *,
        expected_shape: Sequence[int] | None = None,
        option: str | None = "--labels",
    ) -> Packed:
        """Return the binary mask, eight voxels a byte; stretches without a voxel cost no more than their inflation.

        Without `labels` the values must be 0 and 1, or 0 and 255 (docs/protocol.md, What is checked). With `labels`,
        voxels of those values count and every other whole number is background; `option` is how a user names them
        (None: not at all).

        Raises:
            VolumeError: the stream is damaged, or the values are no mask; or the shape is not the expected one, said
                before anything is inflated.
        """
        shape = self.geometry.shape
        if expected_shape is not None and tuple(expected_shape) != shape:
            raise VolumeError(f"has {shape_text(shape)} voxels; {shape_text(expected_shape)} was expected.")
        found = MaskValues(labels=labels, slope=self.header.slope, option=option)
        bits: npt.NDArray[np.uint8] | None = None
        at = 0
        for block in blocks(self.data, self.header):
            inside = found.inside(block)
            if bits is None:  # blocks has by now compared the claim with the file's real size
                bits = np.zeros(-(-math.prod(shape) // 8), dtype=np.uint8)
            if inside is not None:
                lead = np.zeros(at % 8, dtype=np.bool_)  # a block may begin within a byte
                piece = np.packbits(np.concatenate([lead, inside]))
                bits[at // 8 : at // 8 + len(piece)] |= piece
            at += len(block)
        found.refuse_unless_mask()
        if bits is None:
            raise VolumeError("it holds no voxels.")
        return Packed(shape=shape, bits=bits)


def is_mask_name(name: str) -> bool:
    """Return whether a file of this name is read as a mask."""
    return name.lower().endswith(MASK_SUFFIXES) and stem(name) != ""


def stem(name: str) -> str:
    """Return the name without its mask suffix (in any case); unchanged where it has none."""
    lower = name.lower()
    return next((name[: -len(suffix)] for suffix in MASK_SUFFIXES if lower.endswith(suffix)), name)


def open_mask(path: Path, *, trusted: bool = False) -> MaskFile:
    """Return the mask file, its header checked and no voxel looked at yet.

    `trusted` is for files of the user's own dataset: links are then followed however many there are.

    Raises:
        VolumeError: for anything but a regular file (a symlink is followed once) with a sound, plausible header.
    """
    data, header = _load(path, trusted=trusted)
    if header.slope < 0 or header.intercept != 0:
        turned = f"turns the values around: its slope is {header.slope:g}" if header.slope < 0 else ""
        moved = f"has an intercept: {header.intercept:g} is added to every value" if header.intercept != 0 else ""
        raise VolumeError(
            f"its header {' and '.join(filter(None, (turned, moved)))}.",
            "Save the mask as uint8 with the values 0 and 1, without scaling.",
        )
    return MaskFile(path=path, data=data, sha256=hashlib.sha256(data).hexdigest(), header=header)


def read_geometry(path: Path, *, trusted: bool = False) -> Geometry:
    """Return the grid of a mask, a CT or a folder of DICOM slices, from headers alone.

    `trusted` is for files of the user's own dataset: links are then followed however many there are.
    """
    if path.is_dir():
        from ich_bench.formats.dicom import series_geometry

        return series_geometry(path)
    return _load(path, trusted=trusted, whole=False)[1].geometry


def read_ct(path: Path) -> CT:
    """Return a CT in HU (x, y, z) from a NIfTI, MetaImage or NRRD file or a folder of DICOM slices."""
    if path.is_dir():
        from ich_bench.formats.dicom import read_series

        return read_series(path)
    data, header = _load(path, trusted=True)
    stored: npt.NDArray[Any] | None = None
    at = 0
    for block in blocks(data, header):
        if stored is None:  # blocks has by now compared the claim with the file's real size
            stored = np.empty(math.prod(header.geometry.shape), dtype=header.dtype)
        stored[at : at + len(block)] = block
        at += len(block)
    if stored is None:
        raise VolumeError("it holds no voxels.")
    stored = stored.reshape(header.geometry.shape, order="F")
    return CT(hu=as_hu(stored, slope=header.slope, intercept=header.intercept), geometry=header.geometry)


def as_hu(
    stored: npt.NDArray[Any], *, slope: float, intercept: float
) -> npt.NDArray[np.int16] | npt.NDArray[np.float32]:
    """Return scaled values as int16 where that loses nothing, else as float32."""
    if np.issubdtype(stored.dtype, np.integer) and float(slope).is_integer() and float(intercept).is_integer():
        ends = [int(end) * int(slope) + int(intercept) for end in (stored.min(), stored.max())]
        if min(ends) >= -32768 and max(ends) <= 32767:
            if slope == 1 and intercept == 0:
                return stored.astype(np.int16, copy=False)
            return (stored.astype(np.int64) * int(slope) + int(intercept)).astype(np.int16)
    return (stored.astype(np.float64) * slope + intercept).astype(np.float32)


def write_mask(path: Path, voxels: npt.NDArray[Any], geometry: Geometry) -> None:
    """Write a binary mask as uint8 0/1 on this grid, `.nii.gz` or `.nii`; the same mask gives the same bytes."""
    values = np.unique(voxels) if voxels.dtype != np.bool_ else ()
    if not set(values) <= {0, 1}:
        raise VolumeError("only a mask of 0 and 1 can be written as one.")
    write_nifti(path, voxels.astype(np.uint8), geometry)


def write_ct(path: Path, hu: npt.NDArray[Any], geometry: Geometry) -> None:
    """Write a CT on this grid, `.nii.gz` or `.nii`: int16 where that loses nothing, else float32."""
    write_nifti(path, as_hu(hu, slope=1, intercept=0), geometry)


def mask_sha256(voxels: Voxels) -> str:
    """Return the hash of what is scored: shape as three little-endian int64, then the packed bits in Fortran order."""
    return Packed.of(voxels.astype(np.bool_, copy=False)).sha256()


def _load(path: Path, *, trusted: bool, whole: bool = True) -> tuple[bytes, Header]:
    """Return a file's bytes (its beginning alone where not `whole`) and its header, never more than is plausible."""
    lower = path.name.lower()
    if not lower.endswith(MASK_SUFFIXES):
        raise VolumeError(f"{path.name} has no ending that is read as a volume.", _KNOWN)
    with open_regular(path, trusted=trusted) as file:
        begin = file.read(_BEGIN_BYTES)
        if not begin:
            raise VolumeError("it is empty (0 bytes).", "Copy or write the file again.")
        if lower.endswith((".mha", ".mhd", ".nrrd")):
            from ich_bench.formats.itk import load

            return load(path, begin, file, trusted=trusted, whole=whole)
        gzipped = lower.endswith(".gz")
        if gzipped != begin.startswith(b"\x1f\x8b"):
            raise _misnamed(begin, gzipped=gzipped)
        header = parse_header(begin, gzipped=gzipped)
        return begin + (rest_of(file, len(begin), header) if whole else b""), header


def rest_of(file: io.BufferedReader, seen: int, header: Header) -> bytes:
    """Return what follows the bytes already seen; VolumeError where the file is longer than its header can explain."""
    size = os.fstat(file.fileno()).st_size
    if size > plausible_file_bytes(header):
        raise VolumeError(
            f"it holds more bytes than its header declares ({shape_text(header.geometry.shape)} voxels of "
            f"{header.dtype.itemsize} bytes).",
            "Write the file again.",
        )
    rest = file.read(max(0, size - seen))  # never asked for more than is there: the buffer is allocated at once
    if seen + len(rest) != size or file.read(1):
        raise VolumeError("it changed while it was read.", "Try again when nothing writes to it.")
    return rest


def open_regular(path: Path, *, trusted: bool = False) -> io.BufferedReader:
    """Return the open file; VolumeError for a folder, pipe, device, or a link that leads to anything but a file."""
    try:
        target = path.parent / path.readlink() if path.is_symlink() and not trusted else path
        if target is not path and target.is_symlink():
            raise VolumeError("it is a link to another link.", "Link to the file itself, or copy it here.")
        kind = target.stat().st_mode  # asked before opening: opening a pipe can wait for ever
        if not stat.S_ISREG(kind):
            raise VolumeError(f"it is {_kind(kind)}, not a file.", "Put the mask file itself here.")
        guards = ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY", *(() if trusted else ("O_NOFOLLOW",)))
        number = os.open(target, os.O_RDONLY | sum(getattr(os, guard, 0) for guard in guards))
    except FileNotFoundError:
        what = "it is a link to nothing." if path.is_symlink() else "there is no such file."
        raise VolumeError(what, "Put the mask file itself here.") from None
    except OSError as fault:
        raise VolumeError(f"it cannot be opened: {fault.strerror or fault}.") from None
    file = os.fdopen(number, "rb")
    if not stat.S_ISREG(os.fstat(number).st_mode):
        file.close()
        raise VolumeError("it changed while it was opened.", "Try again.")
    return file


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    return next((words for test, words in kinds if test(mode)), "a device")


def _misnamed(begin: bytes, *, gzipped: bool) -> VolumeError:
    if gzipped and not {begin[:4], begin[3::-1]} & {size.to_bytes(4, "little") for size in (348, 540)}:
        what = "it is neither gzip-compressed nor a NIfTI file"
        kind = ", but a web page" if begin.lstrip()[:1] == b"<" else ""
        return VolumeError(f"{what}{kind}.", "Download or write the file again.")
    if gzipped:
        return VolumeError("it is not gzip-compressed, although its name ends in .gz.", "Compress it, or name it .nii.")
    return VolumeError("it is gzip-compressed, although its name does not end in .gz.", "Name it .nii.gz.")
