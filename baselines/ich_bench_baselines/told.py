"""How are methods, plans and finished runs shown as text of 80 columns?"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ich_bench.submissions.model import ReportedRow
from ich_bench.tables.layout import Block, as_text
from ich_bench_baselines.job import tested
from ich_bench_baselines.methods import METHODS, About, known, method, reported

if TYPE_CHECKING:
    from ich_bench_baselines.experiment import Experiment
    from ich_bench_baselines.job import Job
    from ich_bench_baselines.planned import Planned


def methods_table() -> str:
    """Return the methods, one block each; no torch is needed."""
    blocks = [Block(rows=tuple(_line(about))) for about in METHODS.values()]
    return as_text("The papers' methods. `ich-bench baselines show ID` has every setting of one.", blocks)


def methods_json() -> list[dict[str, Any]]:
    """Return the same as plain values."""
    return [{**dataclasses.asdict(about), "reported": len(reported(about.id))} for about in METHODS.values()]


def method_text(job: Job) -> str:
    """Return a method: its settings with where each comes from, departures, and what papers report."""
    about = known(job.method)
    blocks = [Block(rows=tuple(_line(about)))]
    settings = tuple((row.name, f"{_value(row.value)}  [{row.origin}: {row.source}]"
                      + (f"; {row.elsewhere}" if row.elsewhere else "")) for row in _origins(job))  # fmt: skip
    blocks.append(Block(rows=(("settings", f"{job.variant} variant, {job.schedule} schedule, on {job.dataset}"),)))
    blocks.append(Block(rows=settings))
    if about.departures:
        blocks.append(Block(rows=tuple((f"{n}.", said) for n, said in enumerate(about.departures, start=1))))
    rows = reported(about.id)
    if rows:
        table = tuple(_reported(row) for row in rows)
        blocks.append(Block(header=("reported by the paper", "n", "dice", "precision", "recall"), rows=table))
    return as_text("", blocks)


def method_json(job: Job) -> dict[str, Any]:
    """Return the same as plain values."""
    return {
        **dataclasses.asdict(known(job.method)),
        "variant": job.variant,
        "schedule": job.schedule,
        "dataset": job.dataset,
        "settings": [dataclasses.asdict(row) for row in _origins(job)],
        "reported": [
            {"row": row.row, "metrics": {name: one.text for name, one in row.metrics.items()}}
            for row in reported(job.method)
        ],
    }


def plan_text(job: Job, plan: Sequence[Planned]) -> str:
    """Return what a run would do, one line a training, and the sums."""
    rows = tuple(
        (
            _training(one),
            str(one.train_cases or ""),
            str(one.test_cases or ""),
            _count(one.slices),
            str(one.epochs),
            _count(one.steps),
            short(one.hours),
        )
        for one in plan
    )
    header = ("training", "train cases", "predicts", "slices", "epochs", "steps", "hours")
    notes = []
    if any(one.slices is None for one in plan):
        notes.append(("slices ?", "counted once they are cached: the first training does that"))
    if any(one.hours is None for one in plan):
        notes.append(("hours ?", f"no training of this size was measured on this machine in {job.out}"))
    heading = f"{job.method} on {job.dataset}: {_many(len(plan), 'training')}; nothing was done."
    return as_text(heading, [Block(header=header, rows=rows), Block(rows=tuple(notes))])


def experiment_text(done: Experiment) -> str:
    """Return the table of a finished run, and the command that submits it; of the cavity model its own figures."""
    from ich_bench.tables.render import render
    from ich_bench.tables.summary import summarise

    if done.scores is None:
        dice = [row.dice for row in done.cavity if row.dice == row.dice]
        lost = [row.ich_lost for row in done.cavity if row.ich_lost == row.ich_lost]
        facts = (
            ("cavity Dice", f"{_mean(dice)} over {len(dice)} heads whose cavity is known"),
            ("ICH outside", f"{_mean(lost)} of the reference's voxels, over {len(lost)} heads with ICH"),
            ("masks", str(done.folder / "predictions")),
        )
        return as_text("", [Block(rows=facts)])
    shown = render(summarise(done.scores.scores))
    own = "".join(f"own profile {command}\n" for command in _own_profile(done))
    return (
        f"{shown}\nscores      {done.scores.path}\nmanifest    {done.manifest}\n{own}"
        f"submit      {done.submit_command}\n"
    )


def _own_profile(done: Experiment) -> Iterator[str]:
    """Yield the command that scores the same masks as the method's own paper did, where it has a profile of its own."""
    job = next(iter(done.checkpoints))
    profile = getattr(method(job.method), "PROFILE", None)
    if profile is None:
        return
    folds = sorted({one.fold for one in done.checkpoints})
    some = None if job.elsewhere or tuple(folds) == tested(job).folds else ",".join(map(str, folds))
    given = [("--data", job.data), ("--scheme", job.scheme), ("--fold", some), ("--profile", profile),
             ("-o", f"{done.folder}-{profile}")]  # fmt: skip
    options = " ".join(f"{name} {value}" for name, value in given if value is not None)
    yield f"ich-bench evaluate {job.dataset} {done.folder} {options}"


def _training(one: Planned) -> str:
    """Return which training this is: pretexts are shared by all folds, a model trained elsewhere has none."""
    shared = one.job.elsewhere or one.part.startswith("pretext")
    return " ".join([f"seed {one.job.seed}", *([] if shared else [f"fold {one.job.fold}"]), one.part]).strip()


def _line(about: About) -> Iterator[tuple[str, str]]:
    yield about.id.ljust(max(map(len, METHODS))), about.about
    yield "  paper", about.paper
    yield "  learns from", f"{about.supervision}; labels: {', '.join(about.labels) or 'none'}"
    if about.choices:
        yield "  options", "; ".join(f"{name}={_either(values)}" for name, values in about.choices.items())
    if about.parameters is not None:
        yield "  parameters", f"{about.parameters:,}"
    printed = [one for row in reported(about.id) for one in row.metrics.values()]
    numbers = sum(one.value is not None for one in printed)
    words = ", ".join(dict.fromkeys(one.text for one in printed)) or "nothing"  # such as: diverged
    yield "  reported", f"{_many(numbers, 'number')} of the paper" if numbers else words


def _either(values: Sequence[str]) -> str:
    """Return the values of an option, of many the usual one and the ends of the others."""
    return " or ".join(values) if len(values) <= 4 else f"{values[0]}, or {values[1]} … {values[-1]}"


def _origins(job: Job) -> Any:
    from ich_bench_baselines.paper import origins

    return origins(method(job.method).settings(job))


def _reported(row: ReportedRow) -> tuple[str, ...]:
    texts = [row.metrics[name].text if name in row.metrics else "–" for name in ("dice", "precision", "recall")]
    where = " ".join(part for part in (row.dataset or row.data, row.cohort, row.subset) if part)
    return (where, "–" if row.n is None else str(row.n), *("–" if text.startswith("not ") else text for text in texts))


def _value(value: Any) -> str:
    if not isinstance(value, tuple):
        return str(value)
    return ("–" if len(value) == 2 else ", ").join(map(str, value))  # two are the ends of a range


def _count(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def short(number: float | None) -> str:
    """Return hours or gigabytes in two digits, never as a power of ten: 0.32, 14, 1,200, < 0.001; `?` where unknown."""
    if number is None:
        return "?"
    if 0 < number < 0.001:
        return "< 0.001"
    return f"{number:.2g}" if number < 99.5 else f"{number:,.0f}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _mean(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.3f}" if values else "not known"
