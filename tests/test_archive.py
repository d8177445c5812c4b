"""A zip from a stranger is unpacked into a folder of plain masks, or refused as a whole with the entry named."""

from __future__ import annotations

import copy
import io
import stat
import struct
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest

import ich_bench
from folders import box, write_folder
from ich_bench.errors import InputError
from ich_bench.predictions import archive
from ich_bench.predictions.archive import extracted

MASK = b"\x1f\x8b some mask"


def pack(path: Path, *names: str, content: bytes = MASK, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name in names:
            file.writestr(name, content)
    return path


def pack_one(path: Path, info: zipfile.ZipInfo, content: bytes = MASK) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(info, content)
    return path


def listed(path: Path) -> list[str]:
    with extracted(path) as folder:
        return sorted(entry.relative_to(folder).as_posix() for entry in folder.rglob("*") if entry.is_file())


def refused(path: Path) -> str:
    """Return why an archive is refused; nothing of it is left behind."""
    with pytest.raises(InputError) as fault, extracted(path):
        pass
    assert not list(Path(tempfile.gettempdir()).glob("ich-bench-*"))
    return str(fault.value)


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


def test_masks_come_out_whole_and_are_gone_afterwards(tmp_path: Path) -> None:
    with extracted(pack(tmp_path / "mine.zip", "a.nii.gz", "fold_1/b.nii.gz")) as folder:
        assert folder.name == "mine"
        assert (folder / "a.nii.gz").read_bytes() == MASK
        assert (folder / "fold_1" / "b.nii.gz").read_bytes() == MASK
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert not folder.parent.exists()


def test_it_is_gone_after_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), extracted(pack(tmp_path / "mine.zip", "a.nii.gz")) as folder:
        raise RuntimeError
    assert not folder.parent.exists()


def test_a_single_top_folder_is_taken_away_unless_its_name_means_something(tmp_path: Path) -> None:
    assert listed(pack(tmp_path / "1.zip", "run/a.nii.gz", "run/submission.toml", "__MACOSX/._run")) == [
        "__MACOSX/._run", "a.nii.gz", "submission.toml",
    ]  # fmt: skip
    for name in ("predictions/hssayeni/a.nii.gz", "fold_0/a.nii.gz", "seed_1/a.nii.gz", "cv5/a.nii.gz"):
        assert listed(pack(tmp_path / "2.zip", name)) == [name]


def test_only_masks_and_the_manifest_are_unpacked_and_the_rest_is_listed_as_empty_stand_ins(tmp_path: Path) -> None:
    path = pack(tmp_path / "mine.zip", "a.nii.gz", "submission.toml", "plans.json", "._a.nii.gz", "x/submission.toml")
    with extracted(path) as folder:
        sizes = {entry.relative_to(folder).as_posix(): entry.stat().st_size for entry in folder.rglob("*.*")}
    full = len(MASK)
    assert sizes == {
        "a.nii.gz": full,
        "submission.toml": full,
        "plans.json": 0,
        "._a.nii.gz": 0,
        "x/submission.toml": 0,
    }


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../a.nii.gz", "leads out of its folder"),
        ("x/../../a.nii.gz", "leads out of its folder"),
        ("./a.nii.gz", "leads out of its folder or nowhere"),
        ("x//a.nii.gz", "leads out of its folder or nowhere"),
        ("/etc/a.nii.gz", "absolute path"),
        ("C:/a.nii.gz", "colon"),
        ("a.nii.gz:stream", "colon"),
        ("\\\\host\\share\\a.nii.gz", "backslash"),
        ("x\\a.nii.gz", "backslash"),
        ("a\x1b[2J.nii.gz", "control character"),
        ("a\n.nii.gz", "control character"),
        ("n" * 300 + ".nii.gz", "too long"),
        ("/".join("x" * 20) + "/a.nii.gz", "too deep"),
    ],
)
def test_a_name_that_leads_elsewhere_refuses_the_whole_archive(tmp_path: Path, name: str, words: str) -> None:
    told = refused(pack(tmp_path / "mine.zip", "fine.nii.gz", name))
    assert words in told
    assert "\x1b" not in told


def test_a_name_with_a_nul_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "mine.zip", "a.nii.gz@.txt")
    path.write_bytes(path.read_bytes().replace(b"a.nii.gz@", b"a.nii.gz\0"))
    assert "NUL" in refused(path)


@pytest.mark.parametrize(
    "names",
    [
        ("a.nii.gz", "A.nii.gz"),
        ("x/a.nii.gz", "X/a.nii.gz"),
        ("caf\u00e9.nii.gz", "cafe\u0301.nii.gz"),  # é composed and decomposed
        ("stra\u00dfe.nii.gz", "STRASSE.nii.gz"),  # ß folds to ss
    ],
)
def test_names_that_some_file_system_cannot_tell_apart_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert "is there twice" in refused(pack(tmp_path / "mine.zip", *names))


def test_the_same_name_twice_and_a_file_that_is_also_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = pack(tmp_path / "1.zip", "a.nii.gz", "a.nii.gz")
    assert "is there twice" in refused(path)
    assert "also a file" in refused(pack(tmp_path / "2.zip", "a.nii.gz", "a.nii.gz/b.nii.gz"))


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (stat.S_IFLNK | 0o777, "is a link"),
        (stat.S_IFCHR | 0o600, "is a device"),
        (stat.S_IFIFO | 0o600, "is a device, pipe"),
        (stat.S_IFREG | stat.S_ISUID | 0o755, "setuid"),
        (stat.S_IFDIR | 0o755, "folder in one place"),
    ],
)
def test_links_devices_and_setuid_files_are_refused(tmp_path: Path, mode: int, words: str) -> None:
    info = zipfile.ZipInfo("a.nii.gz")
    info.create_system, info.external_attr = 3, mode << 16
    told = refused(pack_one(tmp_path / "mine.zip", info, b"/etc/passwd"))
    assert words in told
    assert "a.nii.gz" in told


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_other_than_stored_and_deflate_are_refused(tmp_path: Path, method: int) -> None:
    assert "is packed by method" in refused(pack(tmp_path / "mine.zip", "a.nii.gz", method=method))


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    content = bytearray(pack(tmp_path / "mine.zip", "a.nii.gz").read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flags of the entry and of the directory
        content[content.index(magic) + offset] |= 1
    (tmp_path / "mine.zip").write_bytes(content)
    assert "a.nii.gz  is encrypted" in refused(tmp_path / "mine.zip")


@pytest.mark.parametrize("name", ["more.zip", "x/more.tar", "a.tar.gz", "masks.7z", "b.gz"])
def test_an_archive_inside_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    assert f"{name}  is an archive inside the archive" in refused(pack(tmp_path / "mine.zip", "a.nii.gz", name))


@pytest.mark.parametrize("name", ["a.nii", "a.mha", "a.mhd", "a.nrrd"])
def test_other_mask_formats_are_not_read_from_archives(tmp_path: Path, name: str) -> None:
    assert f"{name}  is not .nii.gz" in refused(pack(tmp_path / "mine.zip", name))


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "mine.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.nii.gz", b"\0" * 1000)
        for name in ("b.nii.gz", "c.nii.gz"):  # two more entries of the directory for the same bytes
            twin = copy.copy(file.filelist[0])
            twin.filename = twin.orig_filename = name
            file.filelist.append(twin)
    told = refused(tmp_path / "mine.zip")
    assert "b.nii.gz  shares its bytes" in told
    assert "c.nii.gz  shares its bytes" in told


@pytest.mark.parametrize(("declared", "words"), [(10, "damaged"), (5000, "declares 5000")])
def test_an_entry_that_lies_about_its_size_is_refused(tmp_path: Path, declared: int, words: str) -> None:
    with zipfile.ZipFile(tmp_path / "mine.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.nii.gz", b"\0" * 1000)
        file.filelist[0].file_size = declared
    told = refused(tmp_path / "mine.zip")
    assert "a.nii.gz" in told
    assert words in told


def test_bombs_are_refused_by_count_by_size_in_sum_and_by_ratio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(tmp_path / "mine.zip", "a.nii.gz", "b.nii.gz", "c.nii.gz", content=b"\0" * 3_000_000)
    assert listed(path) == ["a.nii.gz", "b.nii.gz", "c.nii.gz"]  # 1,000 to 1, as an ordinary empty mask
    for limit, value, words in (
        ("MOST_ENTRIES", 2, "holds 3 entries; 2 are allowed"),
        ("MOST_ENTRY_BYTES", 2_999_999, "a.nii.gz  declares 3 MB"),
        ("MOST_BYTES", 8_999_999, "unpacks to more than"),
        ("MOST_RATIO", 500, "a.nii.gz  unpacks to more than 500 times its size"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(archive, limit, value)
            assert words in refused(path)


def test_the_limits_are_those_of_the_design() -> None:
    assert (archive.MOST_ENTRIES, archive.MOST_RATIO) == (2_000, 2_000)
    assert (archive.MOST_ENTRY_BYTES, archive.MOST_BYTES) == (256_000_000, 2_000_000_000)


def test_2001_entries_are_refused_before_the_directory_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(tmp_path / "mine.zip", *(f"{number}.txt" for number in range(2001)), content=b"")
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert "holds 2001 entries; 2000 are allowed" in refused(path)


def test_a_damaged_byte_is_named_with_its_entry(tmp_path: Path) -> None:
    path = pack(tmp_path / "mine.zip", "a.nii.gz", content=bytes(range(256)) * 8, method=zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[500] ^= 0xFF
    path.write_bytes(content)
    assert "a.nii.gz  is damaged" in refused(path)


@pytest.mark.parametrize("cut", [30, 60, -30, -5])
def test_a_truncated_archive_is_refused(tmp_path: Path, cut: int) -> None:
    path = pack(tmp_path / "mine.zip", "a.nii.gz", "b.nii.gz")
    path.write_bytes(path.read_bytes()[:cut])
    assert "cut short" in refused(path)


def test_zip64_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "mine.zip", "a.nii.gz")
    content = path.read_bytes()
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)
    path.write_bytes(content[:-22] + locator + content[-22:])
    assert "ZIP64" in refused(path)


@pytest.mark.parametrize("name", ["mine.tar", "mine.tar.gz", "mine.tgz", "mine.zip"])
def test_tar_is_refused_altogether_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / name, "w:gz" if name.endswith("gz") else "w") as file:
        info = tarfile.TarInfo("a.nii.gz")
        info.size = len(MASK)
        file.addfile(info, io.BytesIO(MASK))
    assert "tar is refused altogether" in refused(tmp_path / name)


def test_what_is_no_archive_says_so(tmp_path: Path) -> None:
    (tmp_path / "mine.zip").write_bytes(b"hello")
    assert "is not a zip archive" in refused(tmp_path / "mine.zip")
    (tmp_path / "a.nii.gz").write_bytes(MASK)
    assert "is one mask, not a folder of masks" in refused(tmp_path / "a.nii.gz")


def test_a_zip_is_validated_like_the_folder_it_holds(tmp_path: Path) -> None:
    masks = {"a": box((2, 6), (3, 8), (1, 3)), "b": box((5, 9), (3, 8), (2, 4))}
    reference = write_folder(tmp_path / "reference", masks)
    mine = write_folder(tmp_path / "mine", {name: mask & ~box((5, 6), (3, 5), (2, 3)) for name, mask in masks.items()})
    (mine / "plans.json").write_text("{}")
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as file:
        for path in mine.iterdir():
            file.write(path, f"mine/{path.name}")
    assert ich_bench.validate(reference, tmp_path / "mine.zip") == ich_bench.validate(reference, mine)
