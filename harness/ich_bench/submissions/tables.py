"""What is in a score file, told as one ScoreFile; and score files of several runs put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ich_bench.errors import IchBenchError
from ich_bench.runs import store
from ich_bench.submissions.model import ScoreFile
from ich_bench.submissions.publish import masks_sha256

Rows = Sequence[Mapping[str, Any]]
_SAME = ("suite", "profile", "epsilon", "legacy_dilation", "fold_sha256", "dataset_sha256", "folds", "cases_absent")
_TOLD = ["dataset", "scheme", "budget", "seed", "fold", "case_id", "prediction_sha256"]  # the columns `told` reads


def describe(path: Path, *, scores: pa.Table | None = None) -> ScoreFile:
    """Return what a full score file, as `evaluate` writes it, holds; IchBenchError where it cannot be read."""
    table = store.read_scores(path) if scores is None else scores
    rows = table.select(_TOLD).to_pylist()
    if not rows:
        raise IchBenchError(f"{path} holds no row.")
    sha256 = store.file_sha256(path)
    return told(rows, store.provenance(table), path=path, sha256=sha256, local_sha256=sha256)


def told(rows: Rows, about: Mapping[str, Any], *, path: Path, sha256: str, local_sha256: str) -> ScoreFile:
    """Return a ScoreFile of these rows and this provenance."""
    first = rows[0]
    return ScoreFile(
        dataset=first["dataset"],
        scheme=first["scheme"],
        profile=str(about["profile"]),
        path=path,
        sha256=sha256,
        local_sha256=local_sha256,
        masks_sha256=masks_sha256(rows),
        fold_sha256=str(about.get("fold_sha256", "")),
        dataset_sha256=str(about.get("dataset_sha256", "")),
        suite=int(about["suite"]),
        harness=str(about.get("harness", "")),
        status=str(about.get("status", "complete")),
        published="full",
        cases=len({row["case_id"] for row in rows}),
        folds=tuple(int(fold) for fold in about.get("folds", ())),
        seeds=tuple(sorted({row["seed"] for row in rows if row["seed"] is not None})),
        budgets=tuple(sorted({row["budget"] for row in rows if row["budget"] is not None})),
        leaky=bool(about.get("leaky", False)),
        warnings=tuple(str(warning) for warning in about.get("warnings", ())),
    )


def together(tables: Sequence[tuple[Path, pa.Table]]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the rows of several score files of one dataset, scheme and profile, and their common provenance.

    They must differ in training run (seed or budget) and agree in everything else; IchBenchError says which do not.
    """
    (first, table), *more = tables
    rows, about = table.to_pylist(), store.provenance(table)
    runs = {(row["budget"], row["seed"]): first for row in rows}
    for path, other in more:
        theirs = store.provenance(other)
        apart = [name for name in _SAME if theirs.get(name) != about.get(name)]
        if apart:
            named = ", ".join(apart)
            raise IchBenchError(
                f"{first} and {path} cannot be put together: they differ in {named}.\n"
                "Score all folds of a training run in one go (masks in fold_<k> folders), with one version."
            )
        added = other.to_pylist()
        twice = sorted({str(path_of) for row in added if (path_of := runs.get((row["budget"], row["seed"])))})
        if twice:
            raise IchBenchError(
                f"{path} holds the same training run as {', '.join(twice)}.\n"
                "Put the masks of each run into a seed_<s> folder before scoring, or name one of them only."
            )
        runs |= {(row["budget"], row["seed"]): path for row in added}
        rows += added
        about = dict(about) | {
            "status": _worst(str(about["status"]), str(theirs["status"])),
            "warnings": list(dict.fromkeys([*about["warnings"], *theirs["warnings"]])),
        }
    order = sorted(range(len(rows)), key=lambda i: (rows[i]["budget"] or "", _seed(rows[i]), i))
    return [rows[i] for i in order], dict(about)


def _seed(row: Mapping[str, Any]) -> int:
    return -1 if row["seed"] is None else int(row["seed"])


def _worst(*statuses: str) -> str:
    return next((one for one in ("imputed", "partial") if one in statuses), "complete")
