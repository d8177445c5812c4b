"""What of a score file may be committed, and how is a committed file read back."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ich_bench.datasets import card, expected
from ich_bench.errors import IchBenchError
from ich_bench.folds import load_scheme
from ich_bench.metrics.profiles import PROFILES
from ich_bench.metrics.suite import COLUMNS
from ich_bench.runs import store

if TYPE_CHECKING:
    from ich_bench.submissions.model import Published, ScoreFile

DECIMALS = 4
_IDENTITY = ("submission", "dataset", "scheme", "budget", "seed", "fold", "case_id")
_WITHHELD_UNITS = ("mL", "count")  # and what follows from them: rvd and an error in mL give the volume


def published(dataset: str) -> Published:
    """Return what a committed score file of a dataset may hold: `full`, or `metrics`."""
    return "metrics" if card(dataset).publish == "metrics" else "full"


def committed_schema(profile: str, published: Published) -> pa.Schema:
    """Return the columns of a committed score file.

    `full`: those of `evaluate`. `metrics`: which run, fold and case, the status, and the metrics, but none that is a
    volume or a count; no flags, counts, spacings, hashes of masks, nor patient ids.
    """
    full = store.schema(profile)
    if published == "full":
        return full
    kept = {*_IDENTITY, "status", *metric_columns(profile)}
    return pa.schema([field for field in full if field.name in kept])


def metric_columns(profile: str) -> tuple[str, ...]:
    """Return the metric columns that a `metrics` file holds: no volumes, no counts."""
    return tuple(name for name in PROFILES[profile].columns if COLUMNS[name].unit not in _WITHHELD_UNITS)


def committed_table(
    rows: Sequence[Mapping[str, Any]], *, profile: str, published: Published, provenance: Mapping[str, Any]
) -> pa.Table:
    """Return rows of a full score file as the table that may be committed; metrics rounded where it is `metrics`."""
    columns = committed_schema(profile, published)
    rounded = metric_columns(profile) if published == "metrics" else ()
    packed = json.dumps(dict(provenance) | {"published": published}, sort_keys=True, ensure_ascii=False)
    arrays = [
        pa.array([four_decimals(row[f.name]) if f.name in rounded else row[f.name] for row in rows], type=f.type)
        for f in columns
    ]
    return pa.Table.from_arrays(arrays, schema=columns.with_metadata({b"ich_bench": packed.encode()}))


def four_decimals(value: Any) -> Any:
    """Return a number rounded to four decimals; NaN, infinity and null as they are. There is no -0."""
    return round(value, DECIMALS) + 0.0 if isinstance(value, float) and math.isfinite(value) else value


def masks_sha256(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the SHA-256 of the lines `budget,seed,fold,case_id,prediction_sha256`, in the rows' order; null is empty.

    It binds a committed file to the masks where the hash of each mask may not be committed.
    """
    names = ("budget", "seed", "fold", "case_id", "prediction_sha256")
    lines = (",".join("" if row[name] is None else str(row[name]) for name in names) + "\n" for row in rows)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_committed(path: Path, file: ScoreFile) -> pa.Table:
    """Return a committed score file with all columns of its profile; what is withheld is null (NaN for spacings).

    `has_ich` is known where the dataset's card or its list of cases says it, else from what is undefined on healthy
    volumes. Raises IchBenchError where the file is absent, broken, or holds other columns than it may.
    """
    if file.published == "full":
        return store.read_scores(path)
    try:
        held = store.read_table(path)
    except FileNotFoundError:
        raise IchBenchError(f"there is no score file {path}.") from None
    except (pa.ArrowException, OSError) as fault:
        raise IchBenchError(f"{path} cannot be read as a score file: {fault}") from fault
    if file.profile not in PROFILES or not held.schema.equals(
        committed_schema(file.profile, "metrics"), check_metadata=False
    ):
        more = sorted(set(held.column_names) - set(_names(file.profile)))
        raise IchBenchError(
            f"{path} does not have the columns that may be published of {file.dataset}"
            + (f": {', '.join(more)} may not be there." if more else ".")
            + " `ich-bench submit` writes them."
        )
    return _filled(held, file)


def _names(profile: str) -> list[str]:
    return committed_schema(profile, "metrics").names if profile in PROFILES else []


def _filled(held: pa.Table, file: ScoreFile) -> pa.Table:
    """Return a table of metrics with the columns that are withheld: null, NaN where null may not be."""
    about = {row.case_id: row.patient_id for row in load_scheme(file.dataset, file.scheme).rows}
    cases, bleeds = held.column("case_id").to_pylist(), bleeding(file.dataset)
    distances = held.column("hd95").to_pylist() if "hd95" in held.column_names else [None] * len(cases)
    known = {
        "patient_id": [about.get(case, case) for case in cases],
        "has_ich": [bleeds.get(case, _is_number(far)) for case, far in zip(cases, distances, strict=True)],
    }
    columns = store.schema(file.profile)
    nothing = [None] * len(cases), [math.nan] * len(cases)
    arrays = []
    for field in columns:
        if field.name in held.column_names:
            arrays.append(held.column(field.name).combine_chunks())
        else:
            absent = nothing[1] if pa.types.is_floating(field.type) else nothing[0]
            arrays.append(pa.array(known.get(field.name, absent), type=field.type))
    return pa.Table.from_arrays(arrays, schema=columns.with_metadata(held.schema.metadata))


def _is_number(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def bleeding(dataset: str) -> dict[str, bool]:
    """Return which cases of a dataset hold hemorrhage, as far as its card or its list of cases says it."""
    about = card(dataset)
    if about.with_ich == about.cases:
        return {row.case_id: True for row in load_scheme(dataset).rows}
    return {name: one.has_ich for name, one in expected(dataset)[1].items() if one.has_ich is not None}
