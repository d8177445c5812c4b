"""The score file: its columns, its provenance, and how it is written so that it is never half there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ich_bench.cases import SUBTYPES
from ich_bench.errors import IchBenchError
from ich_bench.metrics.profiles import PROFILES
from ich_bench.metrics.suite import METRICS

STATUSES = ("scored", "empty_prediction", "missing")
_KEY = b"ich_bench"


def schema(profile: str) -> pa.Schema:
    """Return the fixed columns of a profile's score file, in order (docs/protocol.md, The score file)."""
    fields = [pa.field(name, pa.string(), nullable=False) for name in ("submission", "dataset", "scheme")]
    fields += [pa.field("budget", pa.string()), pa.field("seed", pa.int64())]
    fields += [pa.field("fold", pa.int32(), nullable=False)]
    fields += [pa.field(name, pa.string(), nullable=False) for name in ("case_id", "patient_id")]
    fields += [pa.field("has_ich", pa.bool_(), nullable=False)]
    fields += [pa.field(name, pa.bool_()) for name in SUBTYPES]
    fields += [
        pa.field(name, pa.float64(), nullable=False)
        for name in ("spacing_x_mm", "spacing_y_mm", "spacing_z_mm", "shear_deg")
    ]
    fields += [pa.field(name, pa.int64()) for name in ("tp", "fp", "fn", "tn")]
    fields += [
        pa.field(name, pa.int64() if name in METRICS and METRICS[name].integer else pa.float64())
        for name in PROFILES[profile].columns
    ]
    fields += [pa.field("status", pa.string(), nullable=False), pa.field("prediction_sha256", pa.string())]
    return pa.schema(fields)


def table(rows: Sequence[Mapping[str, Any]], *, profile: str, provenance: Mapping[str, Any]) -> pa.Table:
    """Return the rows as one table of the profile's schema, with the provenance in its metadata."""
    columns = schema(profile)
    packed = json.dumps(provenance, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()
    arrays = [pa.array([row[field.name] for row in rows], type=field.type) for field in columns]
    return pa.Table.from_arrays(arrays, schema=columns.with_metadata({_KEY: packed}))


def provenance(scores: pa.Table) -> dict[str, Any]:
    """Return what the score file says of its own making: suite, profile, versions, hashes, status, warnings."""
    packed = (scores.schema.metadata or {}).get(_KEY)
    if packed is None:
        raise IchBenchError("this Parquet file was not written by ich-bench: it holds no `ich_bench` metadata.")
    loaded: dict[str, Any] = json.loads(packed)
    return loaded


def write_scores(scores: pa.Table, path: Path) -> str:
    """Write the table beside its final place, then rename, so that a reader sees all of it or none.

    Returns the SHA-256 of the bytes written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(scores, part, compression="zstd")
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        sha256 = file_sha256(part)
        part.replace(path)
    except OSError as fault:
        raise IchBenchError(f"cannot write {path}: {fault.strerror or fault}. Free space, or choose -o.") from fault
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return sha256


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes; "" where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def is_whole(path: Path) -> bool:
    """Return whether the file is a Parquet file from its first to its last byte, whatever it holds."""
    try:
        pq.read_table(path)
    except (pa.ArrowException, OSError):
        return False
    return True


def read_table(path: Path) -> pa.Table:
    """Return a Parquet file's table; less than half as long as `pq.read_table` on files as small as these."""
    with pq.ParquetFile(path) as file:
        return file.read(use_threads=False)


def read_scores(path: Path) -> pa.Table:
    """Return a score file's table; IchBenchError where it is absent, broken or of another schema."""
    try:
        scores = read_table(path)
    except FileNotFoundError:
        raise IchBenchError(f"there is no score file {path}. `ich-bench evaluate` writes one.") from None
    except (pa.ArrowException, OSError) as fault:
        raise IchBenchError(f"{path} cannot be read as a score file: {fault}") from fault
    profile = str(provenance(scores).get("profile"))
    if profile not in PROFILES or not scores.schema.equals(schema(profile), check_metadata=False):
        raise IchBenchError(
            f"{path} does not have the columns of profile {profile!r} in suite "
            f"{provenance(scores).get('suite')}: it was written by another version. Score the predictions again."
        )
    return scores
