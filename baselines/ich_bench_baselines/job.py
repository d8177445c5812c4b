"""What is to be trained, on which part of which data, and where does it lie on disk?

    OUT/<method>/<dataset>/<scheme>/[budget-20-1/]seed_0/fold_2/   last.ckpt, log.csv, about.json
    OUT/<method>/<dataset>/all/seed_0/                             the same, trained on all of it (`train_on`)
    OUT/pretext/<task>-<key>/                                      pretexts, shared between methods
    OUT/<method>/                                                  submission.toml, predictions/…, scores/…
    OUT/<method>-from-<dataset>/                                   the same of what another dataset, or a pool, trained

Where a method's option is not its usual one, it stands in the first name: `chen-alternating-strategy-joint`. The last
two are folders for `ich-bench evaluate` and `ich-bench submit`; masks lie in them as
`predictions/<dataset>/<scheme>/[budget-20-1/]seed_0/fold_2/<case>.nii.gz`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ich_bench.cases import FoldRow, Scheme
from ich_bench.datasets import DATASETS, card
from ich_bench.errors import UsageError, did_you_mean
from ich_bench.escape import printable
from ich_bench.folds import BUDGETS, DRAWS, load_budget, load_scheme
from ich_bench_baselines.methods import known as known_method

Progress = Callable[[int, int], None]
SCHEDULES = ("paper", "smoke", "phantom")
VARIANTS = ("paper", "code")
PRECISIONS = ("fp32", "bf16")
WHOLE = "all"  # the scheme of a training on all cases of a dataset
SLICE_LABELS = "labels"  # the option of methods that can also be read as a split of slices (Wang 2020)
_BUDGET = re.compile(r"([0-9]+)-([0-9]+)")


def silent(done: int, total: int) -> None:
    """Tell nobody how far it is."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training and its predictions.

    `scheme` None: the official one. `budget`: "20-1" for 20 % of the training patients, draw 1. `schedule`: `paper` its
    epochs, `smoke` minutes on a CPU, `phantom` ours, long enough to tell methods apart. `batch`, `epochs`, `width`
    (channels after the first block) and `side` (pixels) stand instead of the settings'. `data`: the folder of the
    dataset that is predicted, `train_data` of the one trained on where it is another. `pool`: `phantom-pool:N` or
    `rsna`. `options`: (name, value) pairs of the method's own `CHOICES`. `train_on`: train on all cases of this other
    dataset. `probabilities`: maps beside the masks, for ensembles. `progress` is told (steps done, steps in all).
    """

    method: str
    dataset: str
    out: Path
    scheme: str | None = None
    fold: int = 0
    budget: str | None = None
    seed: int = 0
    schedule: str = "paper"
    variant: str = "paper"
    device: str = "cpu"
    precision: Literal["fp32", "bf16"] = "fp32"
    compiled: bool = False
    batch: int | None = None
    epochs: int | None = None
    width: int | None = None
    side: int | None = None
    data: Path | None = None
    train_data: Path | None = None
    pool: str | None = None
    options: tuple[tuple[str, str], ...] = ()
    train_on: str | None = None
    probabilities: bool = False
    jobs: int = 1
    progress: Progress = field(default=silent, compare=False, repr=False)
    tell: Callable[[str], None] | None = field(default=None, compare=False, repr=False)

    @property
    def pool_alone(self) -> bool:
        """Whether it is trained on its pool alone: nothing of the dataset that it predicts is looked at."""
        return self.pool is not None and known_method(self.method).pool_alone

    @property
    def elsewhere(self) -> bool:
        """Whether it is trained on another dataset than it predicts, or on a pool alone."""
        return self.pool_alone or (self.train_on is not None and self.train_on != self.dataset)

    @property
    def trained_dataset(self) -> str:
        """The dataset whose cases are trained on, or the pool."""
        if self.pool is not None and self.pool_alone:
            return self.pool.partition(":")[0]
        return self.train_on or self.dataset

    @property
    def trained_data(self) -> Path | None:
        """The folder of the dataset that is trained on, None: where it is looked for."""
        return self.train_data if self.elsewhere else self.data


def tested(job: Job) -> Scheme:
    """Return the frozen folds of the dataset that is predicted."""
    return load_scheme(job.dataset, job.scheme)


def trained(job: Job) -> tuple[Scheme, int]:
    """Return the folds and the fold that are trained: of another dataset all cases, of which none is kept apart."""
    if job.pool_alone:
        return Scheme(dataset=job.trained_dataset, name=WHOLE, rows=(), sha256="", about="a pool without folds"), 0
    if not job.elsewhere:
        return tested(job), job.fold
    frozen = load_scheme(job.trained_dataset)
    rows = tuple(FoldRow(case_id=row.case_id, patient_id=row.patient_id, fold=0) for row in frozen.rows)
    about = f"all cases of {job.trained_dataset}"
    whole = Scheme(
        dataset=frozen.dataset, name=WHOLE, rows=rows, sha256=frozen.sha256, about=about, trains_on_fold=True
    )
    return whole, 0


def budget_of(job: Job) -> tuple[int, int]:
    """Return the budget in percent and its draw, (100, 0) where all may be trained on."""
    if job.budget is None:
        return 100, 0
    found = _BUDGET.fullmatch(job.budget)
    if found is None or int(found[1]) not in BUDGETS or int(found[2]) not in DRAWS:
        raise UsageError(
            f"there is no budget {printable(job.budget)!r}: it is the percent of the training patients "
            f"({', '.join(map(str, BUDGETS))}) and the draw ({', '.join(map(str, DRAWS))}), such as 20-1."
        )
    return int(found[1]), int(found[2])


def training_cases(job: Job) -> tuple[str, ...]:
    """Return the case ids that may be trained on, in fold-file order."""
    scheme, fold = trained(job)
    if by_slices(job):
        return tuple(row.case_id for row in scheme.rows)
    budget, draw = budget_of(job)
    return scheme.train_cases(fold) if budget == 100 else load_budget(scheme.dataset, scheme.name, fold, budget, draw)


def by_slices(job: Job) -> bool:
    """Return whether slices are dealt to folds, patients disregarded: the scheme is leaky and the method reads it."""
    return not job.elsewhere and tested(job).leaky and SLICE_LABELS in known_method(job.method).choices


def choice(job: Job, name: str) -> str:
    """Return what the job chose of one of its method's `CHOICES`, or the first of them."""
    return dict(job.options).get(name, known_method(job.method).choices[name][0])


def titled(job: Job) -> str:
    """Return the method's id, followed by what was chosen other than by default: `local-contrastive-aligned-yes`.

    What a leaky split of slices trained is a submission of its own: `wang-supervised-by-slices`.
    """
    chosen = [(name, choice(job, name), values[0]) for name, values in known_method(job.method).choices.items()]
    said = [f"{name}-{value}" for name, value, usual in chosen if value != usual]
    return "-".join([job.method, *said, *(["by-slices"] if by_slices(job) else [])])


def check(job: Job) -> None:
    """Raise UsageError, in words, where a job asks for what there is not; nothing is read but frozen tables."""
    check_names(job)
    for count, option in ((job.batch, "batch"), (job.epochs, "epochs"), (job.width, "width"), (job.side, "side")):
        if count is not None and count < 1:
            raise UsageError(f"--{option} {count}: expected a whole number from 1.")
    _check_options(job)
    if job.seed < 0:
        raise UsageError(f"--seed {job.seed}: seeds are whole numbers from 0.")
    if job.width is not None and job.width % 2:
        raise UsageError(f"--width {job.width}: expected an even number of channels; the paper has 32.")
    if job.side is not None and job.side % 16:
        raise UsageError(f"--side {job.side}: the network takes sides that are multiples of 16, such as 256.")
    scheme = tested(job)
    if not job.elsewhere and scheme.folds and job.fold not in scheme.folds:
        listed = ", ".join(map(str, scheme.folds))
        raise UsageError(f"{job.dataset}/{scheme.name} has no fold {job.fold}; it has {listed}.")
    if job.elsewhere and job.budget is not None:
        other = "--pool" if job.pool_alone else "--train-on"
        raise UsageError(f"--budget goes with folds of the dataset itself: leave it or {other} away.")
    if job.pool_alone and job.train_on is not None:
        raise UsageError(f"{job.method} learns from its pool alone: leave --pool or --train-on away.")
    if by_slices(job) and job.budget is not None:
        raise UsageError(f"--budget is of patients, {scheme.name} deals slices: name --option {SLICE_LABELS}=50 or 20.")
    if not (job.elsewhere or by_slices(job) or scheme.train_cases(job.fold)):
        others = [one for one in DATASETS if not card(one).pool and card(one).trainable and one != job.dataset]
        raise UsageError(
            f"{job.dataset}/{scheme.name} is only tested on: every case of it is in fold {job.fold}. Name with "
            f"--train-on what is trained on: {', '.join(others)}."
        )
    if job.elsewhere and not job.pool_alone and not card(job.trained_dataset).trainable:
        raise UsageError(f"{job.train_on} is only tested on: nothing may be trained on it.")
    training_cases(job)


def check_names(job: Job) -> None:
    """Raise UsageError, with the known ones, where a dataset, schedule, variant or precision is none."""
    if job.train_on == job.dataset:
        named = printable(job.dataset)
        raise UsageError(f"--train-on {named} is the dataset itself: leave it away to train on its folds.")
    for name in filter(None, (job.dataset, job.train_on)):
        if name not in DATASETS:
            raise UsageError(f"there is no dataset {printable(name)!r}. {did_you_mean(name, DATASETS)}")
        if card(name).pool:
            raise UsageError(f"{name} is a pool for pre-training: it has no masks. Name it with --pool.")
    options: tuple[tuple[str, tuple[str, ...], str], ...] = (
        (job.schedule, SCHEDULES, "schedule"),
        (job.variant, VARIANTS, "variant"),
        (job.precision, PRECISIONS, "precision"),
    )
    for value, known, what in options:
        if value not in known:
            raise UsageError(f"there is no {what} {printable(value)!r}. {did_you_mean(value, known)}")


def _check_options(job: Job) -> None:
    choices = known_method(job.method).choices
    for name, value in job.options:
        if not choices:
            raise UsageError(f"--option {printable(name)}: {job.method} has no options of its own.")
        if name not in choices:
            raise UsageError(f"{job.method} has no option {printable(name)!r}. {did_you_mean(name, choices)}")
        if value not in choices[name]:
            raise UsageError(
                f"--option {name}={printable(value)}: {job.method} knows {', '.join(choices[name])}. "
                f"Left away, it is {choices[name][0]}."
            )
    twice = [name for name, _ in job.options]
    if len(set(twice)) < len(twice):
        raise UsageError(
            f"--option {', '.join(sorted({one for one in twice if twice.count(one) > 1}))} is given twice."
        )


def folder(job: Job) -> Path:
    """Return where a training lies: its checkpoint, log and about.json."""
    scheme, fold = trained(job)
    parts = [titled(job), _source(job) if job.elsewhere else scheme.dataset, scheme.name, *_below(job)]
    return job.out.joinpath(*parts, *([] if job.elsewhere else [f"fold_{fold}"]))


def submission_folder(job: Job) -> Path:
    """Return the folder that `evaluate` and `submit` take: one a method and what it was trained on."""
    return job.out / (f"{titled(job)}-from-{_source(job)}" if job.elsewhere else titled(job))


def predictions_folder(job: Job) -> Path:
    """Return where the masks of this fold go; a model trained elsewhere predicts all cases, in no fold's folder."""
    home = submission_folder(job).joinpath("predictions", job.dataset, tested(job).name, *_below(job))
    return home if job.elsewhere else home / f"fold_{job.fold}"


def _source(job: Job) -> str:
    """Return what a job is trained on as a name of folders; of drawn pools with their number of heads."""
    heads = (job.pool or "").partition(":")[2]
    return f"{job.trained_dataset}-{heads}" if job.pool_alone and heads.isdecimal() else job.trained_dataset


def _below(job: Job) -> list[str]:
    budget, draw = budget_of(job)
    return [*([] if budget == 100 else [f"budget-{budget}-{draw}"]), f"seed_{job.seed}"]
