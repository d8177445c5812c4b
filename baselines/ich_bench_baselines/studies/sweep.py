"""How much of a pool is enough: Dice against the share of its slices with ICH, and the smallest that does as well?

    OUT/sweep/<method>-from-<pool>/<dataset>/      sweep.csv, sweep.png, sweep.pdf

Ramananda 2025 names the smallest amount of data for a robust segmentation its lower bound. Here it is the smallest
share whose Dice is equivalent to that of the whole pool, case by case, by two one-sided tests within the dataset's
declared margin.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ich_bench.cases import SUBTYPES
from ich_bench.errors import UsageError
from ich_bench.places import write_text
from ich_bench.report import pictures, style
from ich_bench.statistics.effects import tost
from ich_bench.statistics.intervals import t_interval
from ich_bench.statistics.margins import equivalence_margin
from ich_bench.statistics.samples import paired_differences
from ich_bench.tables.layout import Block, as_text
from ich_bench_baselines import distributed
from ich_bench_baselines.experiment import run
from ich_bench_baselines.job import Job, folder, submission_folder
from ich_bench_baselines.methods import known, method
from ich_bench_baselines.parts import facts
from ich_bench_baselines.ramananda.shares import SHARES

ALPHA, WHOLE, OPTION, NAME = 0.05, 100, "share", "sweep"
ON_POOL = ("tested", "auc", "held_out", "found", "drawn", "dice")  # of `held_out.PoolTest`


@dataclass(frozen=True, kw_only=True)
class Point:
    """One share: Dice of the cases with ICH (mean over seeds, then cases) with its 95 % t interval, and its test.

    `difference` is the mean of this share's Dice minus the whole pool's, case by case; `p` that of `statistics.tost`;
    `testable`: equal models would be shown equal in 80 % of such samples. `subtypes`: mean Dice of the cases that show
    each, NaN where none does. `slices`, `patients`: with ICH, and all, that were trained on. `pool`: what `pool_test`
    found on slices of the pool that were not.
    """

    share: int
    cases: int
    dice: float
    low: float
    high: float
    difference: float
    p: float
    margin: float
    testable: bool
    subtypes: Mapping[str, float]
    slices: float
    patients: float
    pool: Mapping[str, float] = field(default_factory=dict)

    @property
    def equivalent(self) -> bool:
        """Whether it does as well as the whole pool; the whole does."""
        return self.share == WHOLE or self.p < ALPHA


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What was swept: a point a share in ascending order, and the files. `lower_bound` in percent."""

    dataset: str
    title: str
    points: tuple[Point, ...]
    files: tuple[Path, ...] = ()

    @property
    def lower_bound(self) -> int | None:
        """Return the smallest share that is equivalent to the whole; 100 where no smaller one is.

        None where the whole pool's own Dice is within the margin of 0: everything is equivalent to finding nothing.
        """
        if not self.points or not self.points[-1].dice > self.points[-1].margin:
            return None
        return min(one.share for one in self.points if one.equivalent)


def sweep(
    job: Job,
    *,
    shares: Sequence[int] = SHARES,
    seeds: Sequence[int] = (0,),
    out: Path | None = None,
    stage: Callable[[str], None] = lambda what: None,
) -> Sweep:
    """Train, predict and score a share after the other, each only where it is not there yet; draw and return them.

    Args:
        job: Of a method that has the option `share`, with a pool and the dataset that is tested; its other options hold
            for all shares.
        shares: Percent; the whole pool (100) is always among them.
        seeds: Dice is averaged over them before anything is tested.
        out: The folder of table and figure; OUT/sweep/… by default.
        stage: Told in words what begins.

    Raises:
        UsageError: the method has no shares, or not these; no pool is named.
        IchBenchError: matplotlib is missing; as `experiment.run`.
    """
    known_shares = shares_of(job.method)
    if job.pool is None:
        raise UsageError("a sweep goes through shares of a pool: name one with --pool.")
    style.matplotlib()
    wanted = sorted({*shares, WHOLE})
    wrong = [one for one in wanted if str(one) not in known_shares]
    if wrong:
        raise UsageError(f"{job.method} knows no share of {wrong[0]} %: {', '.join(sorted(known_shares, key=int))}.")
    dice, trained_on = {}, {}
    for number, share in enumerate(wanted):
        one = with_share(job, share)
        stage(f"{share} % of the pool ({number + 1}/{len(wanted)})")
        done = run(one, seeds=seeds, stage=stage)
        if done.scores is not None:
            dice[share] = scored(done.scores.scores.to_pandas())
            trained_on[share] = [_known(each) for each in done.checkpoints]
    whole = with_share(job, WHOLE)
    name = submission_folder(whole).name
    if not distributed.leads():
        return Sweep(dataset=job.dataset, title=name, points=())
    found = Sweep(dataset=job.dataset, title=name, points=points(dice, trained_on, equivalence_margin(job.dataset)))
    home = out or job.out / NAME / name / job.dataset
    files = pictures.save(picture(found), home)
    return replace(found, files=(write_text(home / f"{NAME}.csv", as_csv(found)), *files))


def shares_of(method_id: str) -> tuple[str, ...]:
    """Return the shares that a method knows, in percent; UsageError where it has none."""
    found = known(method_id).choices.get(OPTION, ())
    if not found:
        raise UsageError(f"{method_id} has no shares of a pool to go through: ramananda-weak has.")
    return found


def with_share(job: Job, share: int) -> Job:
    """Return the job of one share of its pool; the whole is what a job has without the option."""
    others = tuple(one for one in job.options if one[0] != OPTION)
    return replace(job, options=others if share == WHOLE else (*others, (OPTION, str(share))))


def scored(rows: pd.DataFrame) -> pd.DataFrame:
    """Return Dice and subtypes of each case with ICH, averaged over seeds, by case id."""
    ich = rows[rows["has_ich"] & rows["dice"].notna()]
    flags = ich.groupby("case_id")[list(SUBTYPES)].first()
    return flags.assign(dice=ich.groupby("case_id")["dice"].mean())


def points(
    dice: Mapping[int, pd.DataFrame], trained_on: Mapping[int, Sequence[Mapping[str, Any]]], margin: float
) -> tuple[Point, ...]:
    """Return a point a share from the cases' Dice, each held against the whole pool's on the cases of both."""
    found = []
    for share in sorted(dice):
        one, both = dice[share], dice[share].index.intersection(dice[WHOLE].index)
        values = one["dice"].to_numpy(dtype=float)
        apart = paired_differences(one.loc[both, "dice"].to_numpy(float), dice[WHOLE].loc[both, "dice"].to_numpy(float))
        test, around = tost(apart, margin), t_interval(values)
        shown = {name: one["dice"][one[name].fillna(value=False).astype(bool)] for name in SUBTYPES}
        found.append(
            Point(
                share=share,
                cases=len(one),
                dice=float(values.mean()) if len(values) else math.nan,
                low=around.low,
                high=around.high,
                difference=float(np.mean(apart)) if len(apart) else math.nan,
                p=test.p,
                margin=margin,
                testable=test.testable,
                subtypes={name: float(some.mean()) if len(some) else math.nan for name, some in shown.items()},
                slices=_mean(trained_on.get(share, ()), "slices_with_ich"),
                patients=_mean(trained_on.get(share, ()), "patients"),
                pool={name: _mean(trained_on.get(share, ()), name) for name in ON_POOL},
            )
        )
    return tuple(found)


def as_csv(found: Sweep) -> str:
    """Return the points as CSV, a line a share; Dice from 0 to 1, what is not known empty."""
    head = ["share_percent", "slices_with_ich", "patients", "cases", "dice", "dice_low", "dice_high", "difference",
            "margin", "p_tost", "testable", "equivalent", "lower_bound",
            *(f"dice_{name}" for name in SUBTYPES), *(f"pool_{name}" for name in ON_POOL)]  # fmt: skip
    lines = [
        [one.share, *(_number(value, ".0f") for value in (one.slices, one.patients)), one.cases,
         *(_number(value) for value in (one.dice, one.low, one.high, one.difference, one.margin, one.p)),
         int(one.testable), int(one.equivalent), int(one.share == found.lower_bound),
         *(_number(one.subtypes[name]) for name in SUBTYPES),
         *(_number(one.pool.get(name, math.nan)) for name in ON_POOL)]
        for one in found.points
    ]  # fmt: skip
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *lines])
    return text.getvalue()


def table(found: Sweep) -> str:
    """Return the sweep as text of 80 columns: a line a share, the lower bound, the files."""
    rows = tuple(
        (f"{one.share} %", _number(one.slices, ",.0f"), _number(one.dice, ".3f"),
         f"{_number(one.low, '.3f')}–{_number(one.high, '.3f')}", _number(one.difference, "+.3f"),
         _p(one), _verdict(one))
        for one in found.points
    )  # fmt: skip
    header = ("share", "ICH slices", "dice", "95 %", "to all", "p", "as good as all")
    none = "none: of the whole pool it learns next to nothing (Dice within the margin of 0)"
    words = none if found.lower_bound is None else f"{found.lower_bound} % of the pool's slices with ICH"
    facts_below = (("lower bound", words),)
    files = tuple((path.name, str(path)) for path in found.files)
    margin = found.points[0].margin if found.points else math.nan
    heading = f"{found.title} on {found.dataset}: cases with ICH; equal within {margin:g} of Dice (TOST, p < {ALPHA})."
    return as_text(heading, [Block(header=header, rows=rows), Block(rows=(*facts_below, *files))])


def picture(found: Sweep) -> pictures.Picture:
    """Return Dice against share with the bound marked."""
    bound, drawn = found.lower_bound, " Drawn heads, not patients." if found.dataset.startswith("phantom") else ""
    values = ", ".join(f"{one.share} %: {one.dice:.3f}" for one in found.points)
    return pictures.Picture(
        name=NAME,
        draw=lambda: _draw(found),
        caption=f"Dice on {found.dataset} (cases with ICH, 95 % t interval) against the share of the pool's slices "
        f"with ICH that {found.title} was trained on. Band: within {found.points[0].margin:g} of the whole pool's "
        f"Dice. Lower bound: the smallest share equivalent to the whole (TOST, p < {ALPHA}).{drawn}",
        alt=f"Dice by share of the pool: {values}. Lower bound: {'none' if bound is None else f'{bound} %'}.",
    )


def _draw(found: Sweep) -> Any:
    whole, bound = found.points[-1], found.lower_bound
    with style.drawing():
        figure = style.new_figure(style.WIDTH_IN * 0.62, 2.6)
        axes = figure.subplots()
        axes.axhspan(whole.dice - whole.margin, whole.dice + whole.margin, color=style.colour("band"), lw=0)
        axes.axhline(whole.dice, color=style.colour("mean"), lw=0.8, ls="--")
        shares = [one.share for one in found.points]
        reach = [[one.dice - one.low for one in found.points], [one.high - one.dice for one in found.points]]
        axes.errorbar(shares, [one.dice for one in found.points], yerr=np.nan_to_num(reach), fmt="^-",
                      color=style.colour("weakly-supervised"), markersize=4, lw=1.0, elinewidth=0.8)  # fmt: skip
        if bound is not None:
            axes.axvline(bound, color=style.colour("warn"), lw=1.0)
            axes.annotate(f"lower bound {bound} %", (bound, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 2),
                      textcoords="offset points", color=style.colour("warn"), fontsize=style.SMALL_POINT,
                      ha="right" if bound > 50 else "left", va="bottom")  # fmt: skip
        axes.set_xlim(0, 104)
        axes.set_xticks(shares)
        axes.set_xlabel("share of the pool's slices with ICH [%]")
        axes.set_ylabel(f"Dice on {found.dataset}")
        return figure


def _known(job: Job) -> dict[str, Any]:
    """Return what one trained job was trained on, and how it does on what of its pool it was not."""
    from ich_bench_baselines.ramananda.held_out import pool_test

    return {**facts(folder(job) / "classifier"), **asdict(pool_test(job, method(job.method).settings(job)))}


def _p(one: Point) -> str:
    return "–" if one.share == WHOLE else "< 0.001" if one.p < 0.001 else _number(one.p, ".3g")


def _verdict(one: Point) -> str:
    if one.equivalent:
        return "yes"
    return "not shown" if one.testable else "too few cases"


def _mean(said: Sequence[Mapping[str, Any]], name: str) -> float:
    values = [float(one[name]) for one in said if name in one]
    return float(np.mean(values)) if values else math.nan


def _number(value: float, form: str = ".4f") -> str:
    return "" if math.isnan(value) else format(value, form)
