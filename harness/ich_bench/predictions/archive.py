"""A zip from a stranger as a folder of plain files: refused as a whole at the first sign of a trick."""

from __future__ import annotations

import re
import stat
import struct
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ich_bench.errors import InputError, Problem
from ich_bench.escape import printable
from ich_bench.folds.table import SCHEMES
from ich_bench.predictions.listing import PLACES, is_junk
from ich_bench.volume import is_mask_name

MOST_ENTRIES = 2_000
MOST_ENTRY_BYTES = 256_000_000
MOST_BYTES = 2_000_000_000
MOST_RATIO = 2_000  # an empty mask of ordinary size reaches 1,000
_RATIO_FROM_BYTES = 1_000_000
_MOST_DIRECTORY_BYTES = 4_000_000
_BLOCK_BYTES = 1 << 20
_END = b"PK\x05\x06"
_ZIP64_LOCATOR = b"PK\x06\x07"
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".lzma")
_PACK = "Pack the masks (.nii.gz) into an ordinary .zip, or unpack it and name the folder."


@dataclass(frozen=True, kw_only=True)
class _Entry:
    info: zipfile.ZipInfo
    target: PurePosixPath  # below the folder that is made
    wanted: bool


@contextmanager
def extracted(path: Path) -> Iterator[Path]:
    """Yield a folder, named like the archive, that holds its masks; it is deleted when the context ends.

    Only `.nii.gz` masks and submission.toml are unpacked; every other file is stood in for by an empty one of its name,
    so that it is listed as ignored. A single top folder is taken away. The folder is readable by its owner alone.

    Raises:
        InputError: the file is no zip (tar is refused altogether), or an entry has a name that leads elsewhere, doubles
            or overlaps another, is a link or device, is encrypted, packed by another method than deflate, itself an
            archive, damaged, or larger than it may be. Nothing of a refused archive is kept.
    """
    with tempfile.TemporaryDirectory(prefix="ich-bench-", ignore_cleanup_errors=True) as home:  # made with mode 0700
        folder = Path(home) / (path.stem or "archive")
        folder.mkdir(mode=0o700)
        try:
            with path.open("rb") as file:
                _check_end(path, file)
                with zipfile.ZipFile(file) as archive:
                    _unpack(path, archive, file, folder)
        except (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError, EOFError) as fault:
            raise _refused(path, path.name, f"is damaged: {printable(str(fault))}.", _PACK) from fault
        except OSError as fault:
            raise _refused(path, path.name, f"cannot be unpacked: {fault.strerror or fault}.", "Free space?") from fault
        yield folder


def _check_end(path: Path, file: BinaryIO) -> None:
    """Refuse what is no zip, and a directory of entries too large to be read into memory."""
    begin = file.read(512)
    if begin[:4] not in (b"PK\x03\x04", _END):
        tar = begin[257:262] == b"ustar" or any(end in (".tar", ".tgz") for end in path.suffixes)
        if is_mask_name(path.name):
            what, mend = "is one mask, not a folder of masks.", "Name the folder that holds it."
        elif tar:
            what, mend = "is a tar archive; tar is refused altogether, as it can write outside its folder.", _PACK
        else:
            what, mend = "is not a zip archive.", _PACK
        raise _refused(path, path.name, what, mend)
    size = file.seek(0, 2)
    if size > MOST_BYTES:
        raise _refused(path, path.name, f"is larger than {MOST_BYTES / 1e9:.0f} GB.", "Unpack it and name the folder.")
    file.seek(max(0, size - 22 - 65_535 - 20))
    tail = file.read()
    plain = tail[-22:].startswith(_END) and tail.endswith(b"\0\0")
    at = len(tail) - 22 if plain else tail.rfind(_END)
    if at < 0 or len(tail) - at < 22:
        raise _refused(path, path.name, "is cut short: the end of the zip archive is missing.", "Copy it again.")
    _, _, _, _, entries, directory_bytes, _, _ = struct.unpack("<4s4H2LH", tail[at : at + 22])
    if entries > MOST_ENTRIES or directory_bytes > _MOST_DIRECTORY_BYTES:
        raise _refused(path, path.name, f"holds {entries} entries; {MOST_ENTRIES} are allowed.", "Unpack it first.")
    if tail[max(0, at - 20) : at].startswith(_ZIP64_LOCATOR):
        raise _refused(path, path.name, "is a ZIP64 archive, for more than 4 GB or 65,535 files.", _PACK)


def _unpack(path: Path, archive: zipfile.ZipFile, file: BinaryIO, folder: Path) -> None:
    infos = archive.infolist()
    if len(infos) > MOST_ENTRIES:
        raise _refused(path, path.name, f"holds {len(infos)} entries; {MOST_ENTRIES} are allowed.", "Unpack it first.")
    problems = [problem for info in infos for problem in _faults(info)]
    problems = problems or [*_doubles(infos), *_overlaps(infos, file, archive.start_dir)]
    if not problems and sum(info.file_size for info in infos) > MOST_BYTES:
        what = f"unpacks to more than {MOST_BYTES / 1e9:.0f} GB."
        problems = [Problem(where=path.name, what=what, mend="Unpack it and name the folder.")]
    if problems:
        raise InputError(f"{path} is refused", sorted(set(problems))[:50])
    left = MOST_BYTES
    for entry in _entries(infos):
        target = folder / entry.target
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if entry.wanted:
            left -= _copy(path, archive, entry.info, target, left)
        else:
            target.touch(mode=0o600, exist_ok=False)


def _copy(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, left: int) -> int:
    """Return the number of bytes written; they are counted as they come, whatever the entry declares."""
    most = min(info.file_size, MOST_ENTRY_BYTES, left)
    written = 0
    try:
        with archive.open(info) as source, target.open("xb") as out:
            while block := source.read(_BLOCK_BYTES):
                written += len(block)
                if written > most:
                    raise _refused(path, _name(info), "unpacks to more bytes than it may.", _PACK)
                if written > max(_RATIO_FROM_BYTES, MOST_RATIO * info.compress_size):
                    what = f"unpacks to more than {MOST_RATIO} times its size, as archive bombs do."
                    raise _refused(path, _name(info), what, _PACK)
                out.write(block)
    except (zipfile.BadZipFile, zlib.error, EOFError) as fault:
        raise _refused(path, _name(info), f"is damaged: {printable(str(fault))}.", "Pack it again.") from fault
    if written != info.file_size:
        what = f"holds {written} bytes, but its entry declares {info.file_size}."
        raise _refused(path, _name(info), what, "Pack it again.")
    return written


def _faults(info: zipfile.ZipInfo) -> Iterator[Problem]:
    """Yield what is wrong with one entry by itself, from the directory alone."""
    for name in dict.fromkeys((info.orig_filename, info.filename)):
        yield from _name_faults(name)
    mode = info.external_attr >> 16
    kind = stat.S_IFMT(mode)
    where = _name(info)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or info.external_attr & 0x400:
        words = "a link" if kind == stat.S_IFLNK or info.external_attr & 0x400 else "a device, pipe or socket"
        yield Problem(where=where, what=f"is {words}.", mend="Only plain files are read from archives.")
    elif (kind == stat.S_IFDIR) != info.is_dir() and kind != 0:
        yield Problem(where=where, what="is called a folder in one place and a file in another.", mend=_PACK)
    elif mode & (stat.S_ISUID | stat.S_ISGID) and not info.is_dir():
        yield Problem(where=where, what="asks to run as another user (setuid).", mend="Pack plain files.")
    if info.flag_bits & (0x1 | 0x20 | 0x40 | 0x2000):
        yield Problem(where=where, what="is encrypted.", mend="Pack it without a password.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        what = f"is packed by method {info.compress_type}; only stored and deflate are read."
        yield Problem(where=where, what=what, mend=_PACK)
    if info.is_dir():
        return
    base = PurePosixPath(info.filename).name.casefold()
    if not _is_junk(info.filename):
        if base.endswith(_ARCHIVES) and not base.endswith(".nii.gz"):
            yield Problem(where=where, what="is an archive inside the archive.", mend="Pack the masks themselves.")
        elif is_mask_name(base) and not base.endswith(".nii.gz"):
            yield Problem(where=where, what="is not .nii.gz, the only mask format read from archives.", mend=_PACK)
    if info.file_size > MOST_ENTRY_BYTES:
        what = f"declares {info.file_size / 1e6:.0f} MB; {MOST_ENTRY_BYTES / 1e6:.0f} MB are allowed."
        yield Problem(where=where, what=what, mend="A mask as uint8 .nii.gz needs far less.")


def _name_faults(name: str) -> Iterator[Problem]:
    parts = name.removesuffix("/").split("/")
    faults = {
        "contains a NUL or another control character": any(ord(c) < 32 or ord(c) == 127 for c in name),
        "contains a backslash": "\\" in name,
        "is an absolute path": name.startswith("/"),
        "contains a colon, as drive letters do": ":" in name,
        "leads out of its folder or nowhere": any(part in ("", ".", "..") for part in parts) and name[:1] != "/",
        "is too long or too deep": len(parts) > 12 or any(len(part.encode(errors="replace")) > 200 for part in parts),
    }
    for words, holds in faults.items():
        if holds:
            what = f"has a name that {words}."
            yield Problem(where=printable(name) or "(no name)", what=what, mend="Plain relative names are read.")


def _doubles(infos: Sequence[zipfile.ZipInfo]) -> Iterator[Problem]:
    """Yield names that two entries share, or that one file system or another cannot tell apart."""
    seen: dict[str, str] = {}
    files = {_folded(info.filename) for info in infos if not info.is_dir()}
    for info in infos:
        key = _folded(info.filename)
        if key in seen:
            what = f"is there twice (also as {seen[key]}): upper and lower case and accents aside."
            yield Problem(where=_name(info), what=what, mend="Keep one.")
        seen.setdefault(key, _name(info))
        if any(parent in files for parent in (str(above) for above in PurePosixPath(key).parents)):
            yield Problem(where=_name(info), what="lies in a folder that is also a file.", mend=_PACK)


def _overlaps(infos: Sequence[zipfile.ZipInfo], file: BinaryIO, directory: int) -> Iterator[Problem]:
    """Yield entries whose bytes are also another's: a few kilobytes can then unpack to gigabytes (CVE-2024-0450)."""
    free_from = 0
    for info in sorted(infos, key=lambda one: one.header_offset):
        file.seek(info.header_offset)
        header = file.read(30)
        names = struct.unpack("<2H", header[26:30]) if header[:4] == b"PK\x03\x04" and len(header) == 30 else None
        if names is None or info.header_offset < free_from:
            what = "shares its bytes with another entry." if names else "is not where the archive says."
            yield Problem(where=_name(info), what=what, mend=_PACK)
            continue
        free_from = info.header_offset + 30 + sum(names) + info.compress_size
        if free_from > directory:
            yield Problem(where=_name(info), what="reaches beyond the entries of the archive.", mend=_PACK)


def _entries(infos: Sequence[zipfile.ZipInfo]) -> Iterator[_Entry]:
    """Yield the files with their places below the folder, a single top folder taken away."""
    files = [info for info in infos if not info.is_dir()]
    tops = {PurePosixPath(info.filename).parts[0] for info in files if not _is_junk(info.filename)}
    own_folder = all("/" in info.filename for info in files if not _is_junk(info.filename))
    drop = next(iter(tops)) if len(tops) == 1 and own_folder else None
    if drop is not None and _has_meaning(drop):
        drop = None
    for info in files:
        path = PurePosixPath(info.filename)
        target = path.relative_to(drop) if drop is not None and path.parts[0] == drop else path
        wanted = not _is_junk(info.filename) and (
            path.name.casefold().endswith(".nii.gz") or target == PurePosixPath("submission.toml")
        )
        yield _Entry(info=info, target=target, wanted=wanted)


def _has_meaning(folder: str) -> bool:
    schemes = {scheme for schemes in SCHEMES.values() for scheme in schemes}
    return folder == "predictions" or folder in schemes or any(shape.fullmatch(folder) for shape in PLACES.values())


def _is_junk(name: str) -> bool:
    return any(is_junk(part) for part in PurePosixPath(name).parts)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name.rstrip("/")).casefold())


def _name(info: zipfile.ZipInfo) -> str:
    return printable(re.sub(r"\0.*", "", info.orig_filename)) or "(no name)"


def _refused(path: Path, where: str, what: str, mend: str) -> InputError:
    return InputError(f"{path} is refused", [Problem(where=where, what=what, mend=mend)])
