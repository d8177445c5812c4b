"""phantom-mini: twelve drawn heads, made on first use, the same everywhere."""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ich_bench.cases import SUBTYPES
from ich_bench.errors import IchBenchError
from ich_bench.phantom.draw import draw
from ich_bench.phantom.head import Head
from ich_bench.places import cache_folder
from ich_bench.volume import mask_sha256, write_ct, write_mask

PHANTOM_MINI_VERSION = 1  # a version's heads never change
BLEEDS: tuple[tuple[str, ...], ...] = (
    ("iph",), (), ("ivh",), ("edh",), (), ("sdh",), ("sah",), ("iph", "ivh"), (), ("sdh",), (), ("iph",),
)  # fmt: skip
CASES = tuple(f"phantom-mini-{number:03}" for number in range(len(BLEEDS)))
COLUMNS = ("case_id", "patient_id", "has_ich", *SUBTYPES, "reference_sha256", "ct_sha256")
TABLE = "heads.csv"
FROZEN = Path(__file__).with_name("phantom_mini_heads.csv")  # what `heads.csv` should say
_SEED = 36  # the first whose twelve scans hold four tilted gantries and three thinner slices
_FILES = ("ct", "masks", "cavity")

Row = dict[str, str]


def phantom_mini(folder: Path | None = None, progress: Callable[[int, int], None] | None = None) -> Path:
    """Return the folder of phantom-mini, drawn now where it is not there yet (seconds).

    It holds `ct/<id>.nii.gz` (HU), `masks/<id>.nii.gz` (the reference), `cavity/<id>.nii.gz` and `heads.csv`. It is
    drawn beside its place and then renamed, so that it is never there half; two processes may do so at once.

    Args:
        folder: where; the user's cache folder when None.
        progress: called with (heads done, heads in all).
    """
    folder = folder or cache_folder() / f"phantom-mini-v{PHANTOM_MINI_VERSION}"
    if (folder / TABLE).is_file():
        _write_heads(folder, _missing(folder), progress)
        return folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise IchBenchError(f"{folder} holds something else already. Name a new or empty folder for phantom-mini.")
    part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    try:
        part.mkdir(parents=True)
        rows = _write_heads(part, range(len(CASES)), progress)
        (part / TABLE).write_bytes(table_bytes(rows))
        _move(part, folder)
    except OSError as fault:
        raise IchBenchError(
            f"phantom-mini cannot be written to {folder}: {fault.strerror or fault}. "
            "Free space there, or name another folder in ICH_BENCH_CACHE."
        ) from fault
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def mini_head(number: int) -> Head:
    """Return the head of this number, from 0, drawn anew: about a second."""
    rng = np.random.Generator(np.random.PCG64([PHANTOM_MINI_VERSION, _SEED, number]))
    return draw(CASES[number], rng, bleeds=BLEEDS[number])


def row_of(head: Head) -> Row:
    """Return the head's line of `heads.csv`; flags are 0 and 1."""
    flags = {"has_ich": head.has_ich, **head.subtypes}
    stored = np.array(head.hu.shape, "<i8").tobytes() + head.hu.astype("<i2").tobytes(order="F")
    return {
        "case_id": head.case_id,
        "patient_id": head.patient_id,
        **{name: str(int(flag)) for name, flag in flags.items()},
        "reference_sha256": mask_sha256(head.reference),
        "ct_sha256": hashlib.sha256(stored).hexdigest(),
    }


def read_table(path: Path) -> dict[str, Row]:
    """Return the lines of a `heads.csv` by case id; IchBenchError where it is none."""
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, ValueError) as fault:
        raise IchBenchError(f"{path} cannot be read: {fault}. Delete its folder; it is drawn again.") from fault
    if any(set(row) != set(COLUMNS) or None in row.values() for row in rows):
        raise IchBenchError(f"{path} is not the table of drawn heads: its columns should be {', '.join(COLUMNS)}.")
    return {row["case_id"]: row for row in rows}


def table_bytes(rows: list[Row]) -> bytes:
    """Return `heads.csv`: UTF-8, LF."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _missing(folder: Path) -> list[int]:
    return [
        number
        for number, case_id in enumerate(CASES)
        if not all((folder / kind / f"{case_id}.nii.gz").is_file() for kind in _FILES)
    ]


def _write_heads(folder: Path, numbers: range | list[int], progress: Callable[[int, int], None] | None) -> list[Row]:
    """Draw these heads into the folder, two at a time, and return their lines in order."""
    for kind in _FILES:
        (folder / kind).mkdir(exist_ok=True)
    rows = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for row in pool.map(lambda number: _write_head(folder, number), numbers):
            rows.append(row)
            if progress is not None:
                progress(len(rows), len(numbers))
    return rows


def _write_head(folder: Path, number: int) -> Row:
    head = mini_head(number)
    name = f"{head.case_id}.nii.gz"
    write_ct(folder / "ct" / name, head.hu, head.geometry)
    write_mask(folder / "masks" / name, head.reference, head.geometry)
    write_mask(folder / "cavity" / name, head.cavity, head.geometry)
    return row_of(head)


def _move(part: Path, folder: Path) -> None:
    """Rename; where another process was first, its folder stays: the heads are the same."""
    try:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        part.rename(folder)
    except OSError:
        if not (folder / TABLE).is_file():
            raise
