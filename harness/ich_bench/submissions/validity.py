"""Does the drawn data order methods as the papers do: a card per paper, with Kendall's τ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ich_bench import statistics as st
from ich_bench.datasets import DATASETS
from ich_bench.errors import UsageError, did_you_mean
from ich_bench.escape import printable
from ich_bench.metrics.suite import METRICS
from ich_bench.submissions.claimed import Term
from ich_bench.submissions.lookup import Absent, Looked, values_of
from ich_bench.submissions.model import ReportedRow, Submission

LEAST = 3  # two methods have an order, but no agreement that could be called one


@dataclass(frozen=True, kw_only=True)
class Validity:
    """How well one dataset orders the methods of one published table, in one metric and cohort.

    `printed` and `measured` map method ids to means, in the printed order, best first; `tau` is Kendall's τ-b over the
    methods in both, NaN for fewer than three. `discordant` are the pairs (better in print, worse in print) that stand
    the other way round here. `missing` are methods with a printed number and no complete row here.
    """

    source: str
    published_on: str
    dataset: str
    metric: str
    cohort: str
    printed: Mapping[str, float]
    measured: Mapping[str, float]
    tau: float
    discordant: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """Return the agreement in words."""
        if math.isnan(self.tau):
            lacking = f": no rows of {', '.join(self.missing)}" if self.missing else ""
            return f"not testable yet{lacking}"
        apart = len(self.discordant)
        pairs = len(self.measured) * (len(self.measured) - 1) // 2
        return f"τ = {self.tau:.2f} over {len(self.measured)} methods, {apart} of {pairs} pairs the other way round"


def validity(
    submissions: Sequence[Submission],
    rows: Sequence[ReportedRow],
    *,
    dataset: str = "phantom",
    metric: str = "dice",
    cohort: str = "ich",
) -> tuple[Validity, ...]:
    """Return a card for every published table with three or more methods that are re-implemented under an id.

    Tables of other cohorts and metrics, and numbers that are not transcribed, are left out. Label fractions of one
    method count as methods of their own ("wang-supervised@20").
    """
    if dataset not in DATASETS:
        raise UsageError(f"there is no dataset {printable(dataset)!r}. {did_you_mean(dataset, DATASETS)}")
    look = Looked(submissions)
    tables: dict[tuple[str, str], dict[Term, float]] = {}
    for row in rows:
        cell = row.metrics.get(metric)
        known = cell is not None and cell.value is not None and math.isfinite(cell.value)
        if row.method_id and row.dataset and row.cohort == cohort and cell is not None and known:
            fraction = row.extra.get("label_fraction_percent")
            term = Term(method=row.method_id, percent=int(fraction) if fraction else None)
            tables.setdefault((row.source, row.dataset), {})[term] = float(cell.value or 0.0)
    return tuple(
        _card(look, source, published_on, printed, dataset, metric, cohort)
        for (source, published_on), printed in tables.items()
        if len(printed) >= LEAST
    )


def _card(
    look: Looked,
    source: str,
    published_on: str,
    printed: Mapping[Term, float],
    dataset: str,
    metric: str,
    cohort: str,
) -> Validity:
    sign = -1 if METRICS[metric].direction == "lower" else 1
    order = sorted(printed, key=lambda term: -sign * printed[term])
    measured: dict[Term, float] = {}
    for term in order:
        found = values_of(look, (term,), metric, cohort, dataset)
        if not isinstance(found, Absent):
            measured[term] = float(np.nanmean(found[0]))
    here = list(measured)
    enough = len(here) >= LEAST
    tau = st.kendall_tau_b([printed[term] for term in here], list(measured.values())) if enough else math.nan
    return Validity(
        source=source,
        published_on=published_on,
        dataset=dataset,
        metric=metric,
        cohort=cohort,
        printed={str(term): printed[term] for term in order},
        measured={str(term): value for term, value in measured.items()},
        tau=tau,
        discordant=tuple(
            (str(a), str(b))
            for place, a in enumerate(here)
            for b in here[place + 1 :]
            if printed[a] != printed[b] and sign * (measured[a] - measured[b]) < 0
        ),
        missing=tuple(str(term) for term in order if term not in measured),
    )
