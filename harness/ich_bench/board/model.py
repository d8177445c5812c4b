"""What does a leaderboard hold: rows, standings, pairs of methods, strata, schemes, and what could not be said.

Everything is a value: no file, no randomness, nothing that prints. Mappings keep the order in which they are shown.
Arrays over methods follow `slugs` of the object that holds them, and are read-only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ich_bench.submissions.model import ReportedRow, Submission
from ich_bench.tables.cohorts import FalsePositives
from ich_bench.tables.describe import Agreement, Share, Stat

Floats = NDArray[np.float64]
Kind = Literal["measured", "calibration", "ceiling"]
COHORTS = ("ich", "all", "healthy")
PRIMARY = ("ich", "dice")
# Cohort and metric of each family that is decided on: each is corrected by itself. `clean` is 1 where a healthy head
# was left empty; it and `detected` have tests and no rank of their own.
FAMILIES = (PRIMARY, ("ich", "nsd_2mm"), ("healthy", "clean"), ("ich", "detected"))
ALPHA = 0.05


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One row in one metric on one cohort; NaN where too few volumes leave a number undefined.

    `low` and `high` are the 95 % interval of the mean, `interval` how it was made: "t", "bca", "wilson" or "" (none).
    `better` and `worse` count the ranked methods that are significantly better and worse (None: not tested);
    `rank` = 1 + better and `rank_high` = K - worse are None on rows and metrics without a rank. `p_rank_one` is the
    share of bootstrap resamples of the volumes in which the row comes first: a description, no test.
    """

    stat: Stat
    low: float = math.nan
    high: float = math.nan
    interval: Literal["t", "bca", "wilson", ""] = ""
    better: int | None = None
    worse: int | None = None
    rank: int | None = None
    rank_high: int | None = None
    p_rank_one: float = math.nan


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the board. What strangers wrote (`slug`, `method`, `team`, …) is not yet escaped.

    `ranked` says whether it belongs to the family that is tested, `reason` why not ("" where it does). `badges` are
    short facts ("not submitted", "one training run", "partial"), `chips` warnings about this row. `standings` maps
    cohort, then metric. `superseded`: a newer submission of the same team and method stands elsewhere on the board;
    `earlier` counts the older ones of a newest. `empty_share` is the share of empty predictions on `ich`. `submission`
    holds its manifest.
    """

    slug: str
    method: str
    team: str
    kind: Kind
    ranked: bool
    reason: str = ""
    badges: tuple[str, ...] = ()
    chips: tuple[str, ...] = ()
    scheme: str = ""
    budget: str | None = None
    regime: str = ""
    supervision: str = ""
    labels: tuple[str, ...] = ()
    paper: str = ""
    seeds: tuple[int, ...] = ()
    volumes: int = 0
    empty_share: float = math.nan
    superseded: bool = False
    earlier: int = 0
    warnings: tuple[str, ...] = ()
    standings: Mapping[str, Mapping[str, Standing]] = field(default_factory=lambda: MappingProxyType({}))
    detected: Share | None = None
    clean: Share | None = None
    false_positives: FalsePositives | None = None
    sensitivity: Share | None = None
    specificity: Share | None = None
    same_side_of_30_ml: Share | None = None
    volume_agreement: Agreement | None = None
    submission: Submission | None = None

    def standing(self, cohort: str, metric: str) -> Standing | None:
        """Return the row's numbers in a metric on a cohort, or None where it has none."""
        return self.standings.get(cohort, {}).get(metric)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Every pair of the ranked methods in one metric on one cohort: K × K arrays, entry (i, j) about i against j.

    `difference` is mean(i) - mean(j) in the metric's unit, `low` and `high` its paired 95 % t interval.
    `welch_p` is uncorrected and treats the volumes as independent samples; `p` is the paired sign-flip permutation
    test by itself, `p_max_t` the same corrected over all pairs (step-down max-T), `p_holm` by Holm (None for more than
    30 methods). `wilcoxon_p` (zsplit, asymptotic), `d_z` (Cohen) and `mdd` (minimal detectable difference of one pair
    at 80 % power) stand beside. What was not asked for is None. `draws` counts the sign vectors, `exact` says that
    they are all there are. `sign` is 1 where higher is better, -1 where lower is.
    """

    cohort: str
    metric: str
    slugs: tuple[str, ...]
    n: int
    sign: int
    draws: int
    exact: bool
    difference: Floats
    low: Floats
    high: Floats
    welch_p: Floats
    p: Floats
    p_max_t: Floats
    p_holm: Floats | None = None
    wilcoxon_p: Floats | None = None
    d_z: Floats | None = None
    mdd: Floats | None = None

    @property
    def better(self) -> NDArray[np.bool_]:
        """Return a K × K array: i is significantly better than j (corrected p < 0.05, difference in its favour)."""
        with np.errstate(invalid="ignore"):
            found: NDArray[np.bool_] = (self.p_max_t < ALPHA) & (self.sign * self.difference > 0)
        return found


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """The volumes with ICH that share a trait; `rows` maps slug to metric to what was measured on them.

    `unknown` is a sentence where nobody here can say which volumes these are; `rows` is then empty.
    """

    by: str
    name: str
    volumes: int
    rows: Mapping[str, Mapping[str, Stat]]
    unknown: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A pair of ranked methods whose verdict changes without the odd case: "better", "worse" or "not separated"."""

    first: str
    second: str
    with_case: str
    without: str


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """What becomes of the primary metric without one odd case; `rank` maps slug to rank with and without it."""

    left_out: str
    why: str
    n: int
    mean: Mapping[str, tuple[float, float]]
    rank: Mapping[str, tuple[int, int]]
    changed: tuple[Verdict, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Schemes:
    """Other ways to rank the same rows. `ranks` maps scheme to slug to rank; `tau` is Kendall's τ-b between schemes.

    `missing` maps a scheme that cannot be computed to the reason. `about` says in a sentence what each does.
    """

    names: tuple[str, ...]
    about: Mapping[str, str]
    ranks: Mapping[str, Mapping[str, float]]
    tau: Floats
    missing: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class CaseScores:
    """Every case of every measured row: `values` maps a metric to an array (cases, rows); training runs are averaged.

    `facts` maps "volume_ref_ml", "spacing_z_mm" and the five subtypes to arrays over the cases, NaN where unknown.
    `empty` and `missing` are shares of a case's predictions, arrays (cases, rows). `fold` is the fold a case is
    tested in (the first, where there are several).
    """

    cases: tuple[str, ...]
    slugs: tuple[str, ...]
    has_ich: NDArray[np.bool_]
    fold: NDArray[np.int64]
    facts: Mapping[str, Floats]
    values: Mapping[str, Floats]
    empty: Floats
    missing: Floats

    def of(self, cohort: str) -> NDArray[np.bool_]:
        """Return which cases belong to a cohort."""
        inside: NDArray[np.bool_] = {
            "ich": self.has_ich,
            "all": np.ones_like(self.has_ich),
            "healthy": ~self.has_ich,
        }[cohort]
        return inside


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """Dice on `ich` of one row trained on one budget: `share` in percent of each fold's training patients.

    `patients` is the mean number of annotated training patients over the folds, `slices` the mean number of their
    slices with hemorrhage, `annotated_ml` the mean mL of reference in them; NaN where not known here. `draw` is None
    for a row trained on everything.
    """

    slug: str
    method: str
    budget: str | None
    share: float
    draw: int | None
    patients: float
    slices: float
    annotated_ml: float
    dice: Standing


@dataclass(frozen=True, kw_only=True, eq=False)
class Board:
    """One dataset, one fold scheme, one profile: everything its leaderboard says.

    `rows` stand in display order (mean dice on `ich`, then name): measured rows first, then those of calibration and
    the noise ceiling. `reported` are published numbers on this dataset: never tested, never ranked. Ranks are drawn
    under profile `native` only (`official`); other profiles have the tests alone. `pairs` maps (cohort, metric) to the
    tests; FAMILIES are always there, where at least two rows are ranked. `ranked` counts the rows ranked (K). `banner`
    is set where no pair can be separated. `ceiling` is the lowest mean dice on `ich` among the rows made from the
    reference itself: above it, differences are smaller than those between two careful readers. `notes` are sentences
    for the reader, `elsewhere` counts rows under other schemes.
    """

    dataset: str
    title: str
    suite: int
    profile: str
    scheme: str
    cases: int
    with_ich: int
    fold_sha256: str
    dataset_sha256: str
    seed: int
    draws: int
    ranked: int
    official: bool
    rows: tuple[Row, ...]
    reported: tuple[ReportedRow, ...]
    pairs: Mapping[tuple[str, str], Pairs]
    scores: CaseScores
    strata: tuple[Stratum, ...]
    sensitivity: Sensitivity | None
    schemes: Schemes | None
    efficiency: tuple[Efficiency, ...]
    banner: str = ""
    ceiling: float = math.nan
    notes: tuple[str, ...] = ()
    elsewhere: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def row(self, slug: str) -> Row:
        """Return the row of this slug; KeyError where there is none."""
        return {row.slug: row for row in self.rows}[slug]

    @property
    def measured(self) -> tuple[Row, ...]:
        """Return the rows of real methods with score files, ranked or not, in display order."""
        return tuple(row for row in self.rows if row.kind == "measured")
