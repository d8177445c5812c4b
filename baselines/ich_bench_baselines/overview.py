"""What has become of all methods, fold by fold, in one table of 80 columns?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ich_bench.runs.store import read_scores
from ich_bench.tables.layout import Block, as_text
from ich_bench.tables.summary import summarise
from ich_bench_baselines.everything import CALIBRATION, groups, is_scored, not_scored
from ich_bench_baselines.experiment import named
from ich_bench_baselines.job import Job, tested
from ich_bench_baselines.pieces import DONE, FAILED, RUNNING, STATES, WAITING, State, counted

MARKS = {WAITING: "·", RUNNING: "▸", DONE: "✓", FAILED: "✗"}
HEADER = ("method", "folds", "done", "hours", "dice")


def overview_text(states: Mapping[Job, State]) -> str:
    """Return method × fold, one line a method, then why pieces failed, and what comes next."""
    dataset = next(iter(states)).dataset
    rows = [
        (
            home.name,
            _marks(jobs, states),
            f"{_done(jobs, states)}/{len(jobs)}",
            _hours(jobs, states),
            _dice(home, dataset, jobs[0]),
        )
        for home, jobs in groups(tuple(states)).items()
    ]
    out = next(iter(states)).out
    rows += [(row, "–", "–", "–", _dice(out / row, dataset)) for row in CALIBRATION if (out / row).is_dir()]
    count = counted(states)
    words = ", ".join(f"{count[name]} {name}" for name in STATES if count[name])
    heading = f"{dataset}: {words}\nfold by fold: {'   '.join(f'{MARKS[name]} {name}' for name in STATES)}"
    blocks = [Block(header=HEADER, rows=tuple(rows)), Block(rows=tuple(_reasons(states)))]
    return f"{as_text(heading, blocks)}\n{_next(states, out, dataset)}"


def overview_json(states: Mapping[Job, State]) -> list[dict[str, Any]]:
    """Return the same as plain values, one entry a piece."""
    return [
        {
            "submission": home.name,
            "method": job.method,
            "dataset": job.dataset,
            "seed": job.seed,
            "fold": None if job.elsewhere else job.fold,
            "state": states[job].name,
            "reason": states[job].reason,
            "seconds": states[job].seconds,
            "host": states[job].host,
            "scored": is_scored(home, jobs),
            "not_scored": not_scored(home, job.dataset),
        }
        for home, jobs in groups(tuple(states)).items()
        for job in jobs
    ]


def failures(states: Mapping[Job, State]) -> int:
    """Return how many pieces failed, and submissions that could not be scored."""
    lost = sum(bool(not_scored(home, jobs[0].dataset)) for home, jobs in groups(tuple(states)).items())
    return counted(states)[FAILED] + lost


def _marks(jobs: Sequence[Job], states: Mapping[Job, State]) -> str:
    """Return a mark a fold, the seeds apart."""
    seeds = dict.fromkeys(job.seed for job in jobs)
    return " ".join("".join(MARKS[states[job].name] for job in jobs if job.seed == seed) for seed in seeds)


def _done(jobs: Sequence[Job], states: Mapping[Job, State]) -> int:
    return sum(states[job].name == DONE for job in jobs)


def _hours(jobs: Sequence[Job], states: Mapping[Job, State]) -> str:
    known = [seconds for job in jobs if (seconds := states[job].seconds) is not None]
    return f"{sum(known) / 3600:.2g}" if known else "–"


def _dice(home: Path, dataset: str, job: Job | None = None) -> str:
    """Return the mean Dice of the heads with ICH, as `show` has it; – where there are no such scores."""
    path = home / "scores" / f"{dataset}.parquet"
    if not path.is_file():
        return "–"
    runs = [one for one in summarise(read_scores(path)).runs
            if job is None or (one.scheme, one.budget) == (tested(job).name, job.budget)]  # fmt: skip
    mean = runs[0].cohort("ich").metrics["dice"].mean if runs else math.nan
    return "–" if math.isnan(mean) else f"{mean:.3f}"


def _reasons(states: Mapping[Job, State]) -> list[tuple[str, str]]:
    found = [(named(job), one.reason) for job, one in states.items() if one.name == FAILED]
    for home, jobs in groups(tuple(states)).items():
        why = not_scored(home, jobs[0].dataset)
        found += [(f"{home.name}, scores", why)] if why else []
    if len({why for _, why in found}) < len(found):  # the same reason once, with the pieces that have it
        by_reason: dict[str, list[str]] = {}
        for name, why in found:
            by_reason.setdefault(why, []).append(name)
        found = [(names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more", why)
                 for why, names in by_reason.items()]  # fmt: skip
    return found


def _next(states: Mapping[Job, State], out: Path, dataset: str) -> str:
    if all(one.name == DONE for one in states.values()):
        return f"board       ich-bench leaderboard {dataset} --with {out}\n"
    return "The same command goes on with what is waiting or failed.\n"
