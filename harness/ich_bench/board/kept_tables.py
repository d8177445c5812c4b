"""How does a board lie on disk as Parquet, and how is it read back, equal in every number?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ich_bench.board import kept_codec as codec
from ich_bench.board.model import (
    Board,
    CaseScores,
    Efficiency,
    Pairs,
    Row,
    Schemes,
    Sensitivity,
    Standing,
    Stratum,
    Verdict,
)
from ich_bench.errors import IchBenchError
from ich_bench.submissions.model import ReportedRow, Submission
from ich_bench.tables.describe import Stat

FORMAT = 1  # raised when what stands in these files changes its meaning
_KEY = b"ich_bench_board"
_MATRICES = (
    *("difference", "low", "high", "welch_p", "p", "p_max_t"),
    *("p_holm", "wilcoxon_p", "d_z", "mdd"),
)
_PLAIN = (
    *("dataset", "title", "suite", "profile", "scheme", "cases", "with_ich", "fold_sha256", "dataset_sha256", "seed"),
    *("draws", "ranked", "official", "banner", "ceiling"),
)


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """A standing of a row (by number) in a metric on a cohort."""

    row: int
    cohort: str
    metric: str
    standing: Standing


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What was measured of a row on a stratum (by number)."""

    stratum: int
    slug: str
    metric: str
    stat: Stat


@dataclass(frozen=True, kw_only=True)
class _Moved:
    """Mean and rank of a row with and without the odd case."""

    slug: str
    mean: float
    mean_without: float
    rank: int
    rank_without: int


def write(board: Board, folder: Path, *, sources: Sequence[Submission], about: Any) -> None:
    """Write a board's tables into a folder that exists.

    Args:
        board: The board.
        folder: Where `rows`, `standings`, `pairs`, `cases`, `strata`, `schemes`, `efficiency`, `moved`, `changed`
            (.parquet) go, `rows` with the header in its metadata.
        sources: The submissions that the rows are made of; a row keeps the number of its own.
        about: What else the header shall say, as plain values.
    """
    place = {id(one): number for number, one in enumerate(sources)}
    header = {name: getattr(board, name) for name in _PLAIN}
    header |= {"format": FORMAT, "notes": board.notes, "elsewhere": board.elsewhere, "about": about}
    header |= {"strata": [[one.by, one.name, one.volumes, one.unknown] for one in board.strata]}
    rows = codec.columns(Row, board.rows, leave=("standings", "submission"))
    rows["source"] = pa.array([place.get(id(row.submission)) for row in board.rows], type=pa.int64())
    made = {"standings": codec.columns(_Placed, list(_placed(board)))}
    made["pairs"], made["cases"] = _pairs(board.pairs), _cases(board.scores)
    header["facts"], header["metrics"] = list(board.scores.facts), list(board.scores.values)
    header["slugs"] = board.scores.slugs
    made["strata"] = codec.columns(_Part, list(_parts(board.strata)))
    made["efficiency"] = codec.columns(Efficiency, board.efficiency)
    if board.schemes is not None:
        header["schemes"], made["schemes"] = _schemes(board.schemes)
    if board.sensitivity is not None:
        odd = board.sensitivity
        header["sensitivity"] = [odd.left_out, odd.why, odd.n]
        moved = [
            _Moved(
                slug=slug, mean=with_it, mean_without=without, rank=odd.rank[slug][0], rank_without=odd.rank[slug][1]
            )
            for slug, (with_it, without) in odd.mean.items()
        ]
        made |= {"moved": codec.columns(_Moved, moved), "changed": codec.columns(Verdict, odd.changed)}
    for name, columns in made.items():
        _write(pa.table(columns), folder / f"{name}.parquet")
    packed = json.dumps(header, ensure_ascii=False).encode("utf-8", "surrogatepass")
    _write(pa.table(rows).replace_schema_metadata({_KEY: packed}), folder / "rows.parquet")


def read(folder: Path, *, sources: Sequence[Submission], reported: Sequence[ReportedRow]) -> tuple[Board, Any]:
    """Return the board of a folder that `write` filled, and what its header says `about`; its arrays are read-only.

    Raises IchBenchError, OSError, or what PyArrow and JSON raise, where the folder is not whole or not ours.
    """
    table = _read(folder, "rows")
    packed = (table.schema.metadata or {}).get(_KEY)
    if packed is None:
        raise IchBenchError(f"{folder} does not hold a board.")
    header = json.loads(packed.decode("utf-8", "surrogatepass"))
    if header["format"] != FORMAT:
        raise IchBenchError(f"{folder} holds a board of another version.")
    owners = [None if one is None else sources[one] for one in table.column("source").to_pylist()]
    standings: list[dict[str, dict[str, Standing]]] = [{} for _ in owners]
    for one in codec.values(_Placed, _read(folder, "standings")):
        standings[one.row].setdefault(one.cohort, {})[one.metric] = one.standing
    board = Board(
        **{name: header[name] for name in _PLAIN},
        rows=tuple(codec.values(Row, table, given={"standings": standings, "submission": owners})),
        reported=tuple(reported),
        pairs=_pairs_of(_read(folder, "pairs")),
        scores=_cases_of(_read(folder, "cases"), header),
        strata=_strata_of(_read(folder, "strata"), header["strata"]),
        sensitivity=_sensitivity_of(folder, header["sensitivity"]) if "sensitivity" in header else None,
        schemes=_schemes_of(_read(folder, "schemes"), header["schemes"]) if "schemes" in header else None,
        efficiency=tuple(codec.values(Efficiency, _read(folder, "efficiency"))),
        notes=tuple(header["notes"]),
        elsewhere=header["elsewhere"],
    )
    return board, header["about"]


def _placed(board: Board) -> list[_Placed]:
    return [
        _Placed(row=number, cohort=cohort, metric=metric, standing=standing)
        for number, row in enumerate(board.rows)
        for cohort, standings in row.standings.items()
        for metric, standing in standings.items()
    ]


def _parts(strata: Sequence[Stratum]) -> list[_Part]:
    return [
        _Part(stratum=number, slug=slug, metric=metric, stat=stat)
        for number, stratum in enumerate(strata)
        for slug, stats in stratum.rows.items()
        for metric, stat in stats.items()
    ]


def _strata_of(table: pa.Table, about: Sequence[Sequence[Any]]) -> tuple[Stratum, ...]:
    rows: list[dict[str, dict[str, Stat]]] = [{} for _ in about]
    for one in codec.values(_Part, table):
        rows[one.stratum].setdefault(one.slug, {})[one.metric] = one.stat
    return tuple(
        Stratum(by=by, name=name, volumes=volumes, rows=held, unknown=unknown)
        for (by, name, volumes, unknown), held in zip(about, rows, strict=True)
    )


def _pairs(pairs: Mapping[tuple[str, str], Pairs]) -> dict[str, pa.Array]:
    """Return a line a family, each K × K array as one list of K² numbers (null: not asked for)."""
    plain = [field.name for field in fields(Pairs) if field.name not in _MATRICES]
    found = list(pairs.values())
    made = codec.columns(Pairs, found, leave=_MATRICES)
    columns = {name: made[name] for name in plain}
    for name in _MATRICES:
        flat = [None if (held := getattr(one, name)) is None else np.ravel(held) for one in found]
        columns[name] = pa.array(flat, type=pa.list_(pa.float64()))
    return columns


def _pairs_of(table: pa.Table) -> dict[tuple[str, str], Pairs]:
    count = [len(slugs) for slugs in table.column("slugs").to_pylist()]
    given = {
        name: [
            None if not one.is_valid else _closed(one.values.to_numpy(zero_copy_only=False).reshape(k, k))
            for one, k in zip(table.column(name), count, strict=True)
        ]
        for name in _MATRICES
    }
    return {(one.cohort, one.metric): one for one in codec.values(Pairs, table, given=given)}


def _cases(scores: CaseScores) -> dict[str, pa.Array]:
    """Return a line a case; what has a number a row of the board is a list in the order of `slugs`."""
    made = {"case_id": pa.array(scores.cases, type=pa.string()), "has_ich": pa.array(scores.has_ich)}
    made["fold"] = pa.array(scores.fold, type=pa.int64())
    made |= {f"fact.{name}": pa.array(column, type=pa.float64()) for name, column in scores.facts.items()}
    matrices = {f"value.{name}": matrix for name, matrix in scores.values.items()}
    for name, matrix in (matrices | {"empty": scores.empty, "missing": scores.missing}).items():
        made[name] = pa.array(list(matrix.astype(np.float64)), type=pa.list_(pa.float64()))
    return made


def _cases_of(table: pa.Table, header: Mapping[str, Any]) -> CaseScores:
    slugs = tuple(header["slugs"])

    def matrix(name: str) -> np.ndarray:
        flat = table.column(name).combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return _closed(flat.reshape(table.num_rows, len(slugs)))

    return CaseScores(
        cases=tuple(table.column("case_id").to_pylist()),
        slugs=slugs,
        has_ich=_closed(table.column("has_ich").to_numpy().astype(np.bool_)),
        fold=_closed(table.column("fold").to_numpy().astype(np.int64)),
        facts={name: _closed(table.column(f"fact.{name}").to_numpy()) for name in header["facts"]},
        values={name: matrix(f"value.{name}") for name in header["metrics"]},
        empty=matrix("empty"),
        missing=matrix("missing"),
    )


def _schemes(found: Schemes) -> tuple[Mapping[str, Any], dict[str, pa.Array]]:
    slugs = list(next(iter(found.ranks.values()), {}))
    made = {"slug": pa.array(slugs, type=pa.string())}
    made |= {f"rank.{name}": pa.array([ranks[slug] for slug in slugs]) for name, ranks in found.ranks.items()}
    about = {"names": found.names, "about": found.about, "missing": found.missing, "tau": found.tau.tolist()}
    return about | {"ranks": list(found.ranks)}, made


def _schemes_of(table: pa.Table, about: Mapping[str, Any]) -> Schemes:
    slugs = table.column("slug").to_pylist()
    return Schemes(
        names=tuple(about["names"]),
        about=about["about"],
        ranks={
            name: dict(zip(slugs, table.column(f"rank.{name}").to_pylist(), strict=True)) for name in about["ranks"]
        },
        tau=_closed(np.array(about["tau"], dtype=np.float64)),
        missing=about["missing"],
    )


def _sensitivity_of(folder: Path, about: Sequence[Any]) -> Sensitivity:
    left_out, why, n = about
    moved = codec.values(_Moved, _read(folder, "moved"))
    return Sensitivity(
        left_out=left_out,
        why=why,
        n=n,
        mean={one.slug: (one.mean, one.mean_without) for one in moved},
        rank={one.slug: (one.rank, one.rank_without) for one in moved},
        changed=tuple(codec.values(Verdict, _read(folder, "changed"))),
    )


def _closed(array: np.ndarray) -> np.ndarray:
    """Return an array that nobody can write to."""
    array.setflags(write=False)
    return array


def _write(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)


def _read(folder: Path, name: str) -> pa.Table:
    with pq.ParquetFile(folder / f"{name}.parquet", page_checksum_verification=True) as file:
        return file.read(use_threads=False)
