"""What can come of an upload: problems, scores, or a reason why there are neither; and each as a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ich_bench.errors import Problem
from ich_bench.tables.cohorts import Cohort, FalsePositives
from ich_bench.tables.describe import Agreement, Share, Stat
from ich_bench.tables.summary import Summary

MOST_PROBLEMS = 5_000  # sent to a browser; a zip holds at most 2,000 entries


@dataclass(frozen=True, kw_only=True)
class Step:
    """How far the evaluation is: what is done now, and `done` of `total` (0: not counted)."""

    stage: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, kw_only=True)
class Faulty:
    """The masks cannot be scored: every problem. `refused`: the archive itself, of which nothing was looked at."""

    problems: tuple[Problem, ...]
    warnings: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    files: int = 0
    fine: int = 0
    refused: bool = False


@dataclass(frozen=True, kw_only=True)
class ScoredRun:
    """The training runs of one budget in numbers, by cohort; nothing about a single volume."""

    budget: str | None
    seeds: tuple[int, ...]
    volumes: int
    cohorts: tuple[Cohort, ...]

    def mean(self, cohort: str, metric: str) -> float | None:
        """Return the mean of a metric on a cohort, or None where it has none."""
        found = {one.name: one for one in self.cohorts}.get(cohort)
        if found is not None and metric == "clean":
            return None if found.clean is None else found.clean.share
        return None if found is None or metric not in found.metrics else found.metrics[metric].mean


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The masks were scored: aggregates only, with what they were scored against."""

    suite: int
    profile: str
    scheme: str
    status: str
    fold_sha256: str
    dataset_sha256: str
    runs: tuple[ScoredRun, ...]
    warnings: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Failed:
    """Neither problems nor scores: why, and what the visitor can do about it."""

    why: str
    mend: str = ""


Outcome = Faulty | Scored | Failed
_KINDS: Mapping[str, type[Step] | type[Faulty] | type[Scored] | type[Failed]] = {
    "step": Step, "faulty": Faulty, "scored": Scored, "failed": Failed,
}  # fmt: skip
_PARTS: Mapping[str, type[Any]] = {
    "precision_nonempty": Stat, "detected": Share, "clean": Share, "false_positives": FalsePositives,
    "sensitivity": Share, "specificity": Share, "same_side_of_30_ml": Share, "volume_agreement": Agreement,
}  # fmt: skip


def scored(summary: Summary, *, warnings: Sequence[str] = (), ignored: Sequence[str] = ()) -> Scored:
    """Return of a summary what a visitor may see: the cohorts, and no volume, fold or stratum of few volumes."""
    runs = [
        ScoredRun(budget=run.budget, seeds=run.seeds, volumes=run.volumes, cohorts=run.cohorts) for run in summary.runs
    ]
    return Scored(
        suite=summary.suite,
        profile=summary.profile,
        scheme=summary.runs[0].scheme if summary.runs else "",
        status=summary.status,
        fold_sha256=summary.fold_sha256,
        dataset_sha256=summary.dataset_sha256,
        runs=tuple(runs),
        warnings=tuple(warnings),
        ignored=tuple(ignored),
    )


def line(said: Step | Outcome) -> bytes:
    """Return what a worker says as one line of JSON."""
    kind = type(said).__name__.lower()
    return json.dumps({"kind": kind, **asdict(said)}).encode() + b"\n"


def read(text: bytes) -> Step | Outcome:
    """Return what a line says; ValueError for one that says nothing known."""
    try:
        fields = json.loads(text)
        made = _KINDS[fields.pop("kind")]
        if made is Scored:
            fields["runs"] = tuple(_run(one) for one in fields["runs"])
        if made is Faulty:
            fields["problems"] = tuple(Problem(**one) for one in fields["problems"][:MOST_PROBLEMS])
        for name in ("warnings", "ignored"):
            if name in fields:
                fields[name] = tuple(str(one) for one in fields[name])
        return made(**fields)
    except (KeyError, TypeError, AttributeError, RecursionError) as fault:
        raise ValueError(f"not a worker's line: {fault}") from fault


def _run(fields: dict[str, Any]) -> ScoredRun:
    cohorts = tuple(_cohort(one) for one in fields.pop("cohorts"))
    return ScoredRun(**{**fields, "seeds": tuple(fields["seeds"])}, cohorts=cohorts)


def _cohort(fields: dict[str, Any]) -> Cohort:
    parts = {name: None if fields[name] is None else made(**fields[name]) for name, made in _PARTS.items()}
    metrics = {name: Stat(**stat) for name, stat in fields["metrics"].items()}
    return Cohort(**{**fields, **parts, "metrics": metrics})
