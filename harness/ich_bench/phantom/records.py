"""What is written down about drawn heads: a line a head, a line a slice, and the hashes a version's heads must have."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ich_bench.cases import SUBTYPES
from ich_bench.errors import IchBenchError
from ich_bench.phantom.head import Facts, Head
from ich_bench.volume import mask_sha256

Row = dict[str, str]
HASHES = ("ct_sha256", "reference_sha256", "truth_sha256", "cavity_sha256", "subtypes_sha256")
VERSIONS = ("ich_bench", "numpy", "scipy")
HEAD_COLUMNS = (
    *("case_id", "patient_id", "site", "has_ich", *SUBTYPES),
    *("size_x", "size_y", "slices", "spacing_x_mm", "spacing_y_mm", "spacing_z_mm", "shear_deg"),
    *(
        "reference_ml",
        "truth_ml",
        "cavity_ml",
        "version",
        "age_years",
        "female",
        "tilt_deg",
        "kernel",
        "noise_hu",
        "offset_hu",
    ),
    *("padding_hu", "bleeds", "mimics", *HASHES, *VERSIONS),
)
SLICE_COLUMNS = ("case_id", "slice", "any", *SUBTYPES, "reference_mm2", "truth_mm2", "cavity_mm2")
_FROZEN = Path(__file__).with_name("frozen")


def head_row(head: Head) -> Row:
    """Return the head's line of `heads.csv`: flags are 0 and 1, hashes those of shape and voxels, lists spaced."""
    grid, facts = head.geometry, head.facts
    ml = {
        f"{name}_ml": f"{mask.sum() * grid.voxel_volume_mm3 / 1000:.3f}"
        for name, mask in (("reference", head.reference), ("truth", head.truth), ("cavity", head.cavity))
    }
    values = {
        "case_id": head.case_id,
        "patient_id": head.patient_id,
        "site": facts.site,
        **{name: str(int(flag)) for name, flag in {"has_ich": head.has_ich, **head.subtypes}.items()},
        **dict(zip(("size_x", "size_y", "slices"), map(str, head.hu.shape), strict=True)),
        **{f"spacing_{axis}_mm": f"{mm:.6g}" for axis, mm in zip("xyz", grid.spacing_mm, strict=True)},
        "shear_deg": f"{grid.shear_deg:.2f}",
        **ml,
        "version": str(facts.version),
        "age_years": f"{facts.age_years:.1f}",
        "female": str(int(facts.female)),
        "tilt_deg": f"{facts.tilt_deg:.2f}",
        "kernel": facts.kernel,
        "noise_hu": f"{facts.noise_hu:.2f}",
        "offset_hu": f"{facts.offset_hu:.2f}",
        "padding_hu": str(facts.padding_hu),
        "bleeds": " ".join(facts.bleeds),
        "mimics": " ".join(facts.mimics),
        "ct_sha256": array_sha256(head.hu, "<i2"),
        "reference_sha256": mask_sha256(head.reference),
        "truth_sha256": mask_sha256(head.truth),
        "cavity_sha256": mask_sha256(head.cavity),
        "subtypes_sha256": array_sha256(subtype_bits(head.subtype_masks), "u1"),
        **drawn_with(),
    }
    return {name: values[name] for name in HEAD_COLUMNS}


def slice_rows(head: Head) -> list[Row]:
    """Return the head's lines of `slices.csv`, one a slice counted from 0: flags of the reference, areas in mm²."""
    sx, sy, _ = head.geometry.spacing_mm
    flags = head.slice_subtypes
    areas = {
        f"{name}_mm2": mask.sum(axis=(0, 1)) * (sx * sy)
        for name, mask in (("reference", head.reference), ("truth", head.truth), ("cavity", head.cavity))
    }
    some = np.asarray(head.reference.any(axis=(0, 1)))
    return [
        {
            "case_id": head.case_id,
            "slice": str(k),
            "any": str(int(some[k])),
            **{name: str(int(flags[name][k])) for name in SUBTYPES},
            **{name: f"{area[k]:.1f}" for name, area in areas.items()},
        }
        for k in range(head.hu.shape[2])
    ]


def facts_of(row: Mapping[str, str]) -> Facts:
    """Return what a line of `heads.csv` says of how its head was drawn and scanned."""
    x, y, z = (float(row[f"spacing_{axis}_mm"]) for axis in "xyz")
    return Facts(
        version=int(row["version"]),
        site=row["site"],
        age_years=float(row["age_years"]),
        female=row["female"] == "1",
        spacing_mm=(x, y, z),
        tilt_deg=float(row["tilt_deg"]),
        kernel=row["kernel"],
        noise_hu=float(row["noise_hu"]),
        offset_hu=float(row["offset_hu"]),
        padding_hu=int(row["padding_hu"]),
        bleeds=tuple(row["bleeds"].split()),
        mimics=tuple(row["mimics"].split()),
    )


def subtype_bits(masks: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.uint8]:
    """Return one volume of the subtypes' sums: 1 IPH, 2 IVH, 4 EDH, 8 SDH, 16 SAH; where two meet, 1 + 2 and so on."""
    bits = np.zeros(next(iter(masks.values())).shape, np.uint8)
    for place, name in enumerate(SUBTYPES):
        bits |= masks[name].astype(np.uint8) << place
    return bits


def masks_of(bits: NDArray[Any]) -> dict[str, NDArray[np.bool_]]:
    """Return the subtypes' masks from their sums."""
    return {name: (bits.astype(np.uint8) >> place & 1).astype(bool) for place, name in enumerate(SUBTYPES)}


def array_sha256(values: NDArray[Any], dtype: str) -> str:
    """Return the hash of an array: shape as little-endian int64, then the values in Fortran order."""
    digest = hashlib.sha256(np.array(values.shape, "<i8").tobytes())
    digest.update(values.astype(dtype).tobytes(order="F"))
    return digest.hexdigest()


@cache
def drawn_with() -> Row:
    """Return the versions a head drawn now depends on."""
    return {"ich_bench": version("ich-bench"), "numpy": np.__version__, "scipy": version("scipy")}


def frozen_path(dataset: str, number: int) -> Path:
    """Return where the frozen heads of a dataset's version stand in the package."""
    return _FROZEN / f"{dataset}-v{number}.csv"


def frozen_heads(dataset: str, number: int) -> dict[str, Row]:
    """Return the lines of `heads.csv` as they must be, by case id; empty where this version was never frozen."""
    path = frozen_path(dataset, number)
    return read_heads(path) if path.is_file() else {}


def same_head(row: Mapping[str, str], frozen: Mapping[str, str] | None) -> bool:
    """Return whether a head is the frozen one: its id, site, flags and all hashes, whatever it was drawn with."""
    named = ("patient_id", "site", "has_ich", *SUBTYPES, *HASHES)
    return frozen is not None and all(row[name] == frozen[name] for name in named)


def read_heads(path: Path) -> dict[str, Row]:
    """Return the lines of a `heads.csv` by case id; IchBenchError where it is none."""
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, ValueError, csv.Error) as fault:
        raise IchBenchError(f"{path} cannot be read: {fault}. Delete its folder; it is drawn again.") from fault
    if not rows or any(not set(HEAD_COLUMNS) <= set(row) or None in row.values() for row in rows):
        raise IchBenchError(
            f"{path} is not the table of drawn heads: its columns should be {', '.join(HEAD_COLUMNS[:9])} and so on. "
            "Delete its folder; it is drawn again."
        )
    return {row["case_id"]: row for row in rows}


def csv_bytes(rows: Iterable[Mapping[str, str]], columns: Sequence[str]) -> bytes:
    """Return a CSV file: UTF-8, LF; a column that a line lacks is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
