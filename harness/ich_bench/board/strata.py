"""How does each row do on small and large bleeds, thin and thick slices, each subtype."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ich_bench.board.model import CaseScores, Stratum
from ich_bench.board.numbers import stats
from ich_bench.cases import SUBTYPES
from ich_bench.tables.cohorts import THIN_BELOW_MM, VOLUME_STRATA

METRICS_OF_STRATA = ("dice", "precision", "recall", "nsd_2mm", "detected")
_HERE = "not available here: the score files withhold it, and the dataset is not prepared on this machine"


def strata(scores: CaseScores) -> Iterator[Stratum]:
    """Yield the strata of `ich` by reference volume, slice thickness and subtype, or a sentence where none is known."""
    ich = scores.has_ich
    if not ich.any():
        return
    ml, spacing_mm = scores.facts["volume_ref_ml"], scores.facts["spacing_z_mm"]
    parts: list[tuple[str, str, NDArray[np.bool_]]] = []
    if np.isnan(ml[ich]).any():
        yield _unknown("reference volume", _HERE)
    else:
        parts += [
            ("reference volume", name, inside(pd.Series(ml)).to_numpy()) for name, inside in VOLUME_STRATA.items()
        ]
    if np.isnan(spacing_mm[ich]).any():
        yield _unknown("slice thickness", _HERE)
    else:
        parts.append(("slice thickness", "thin (< 2 mm)", spacing_mm < THIN_BELOW_MM))
        parts.append(("slice thickness", "thick (≥ 2 mm)", spacing_mm >= THIN_BELOW_MM))
    named = [name for name in SUBTYPES if not np.isnan(scores.facts[name][ich]).all()]
    parts += [("subtype", name, scores.facts[name] == 1) for name in named]
    for by, name, inside in parts:
        yield _stratum(scores, by, name, inside & ich)
    if not named:
        yield _unknown("subtype", "not available here: the dataset has no such labels, or they are not on this machine")


def _stratum(scores: CaseScores, by: str, name: str, inside: NDArray[np.bool_]) -> Stratum:
    measured = {metric: stats(scores.values[metric][inside]) for metric in _metrics(scores)}
    rows = {
        slug: {metric: found[place] for metric, found in measured.items()} for place, slug in enumerate(scores.slugs)
    }
    return Stratum(by=by, name=name, volumes=int(inside.sum()), rows=rows)


def _metrics(scores: CaseScores) -> Sequence[str]:
    return [metric for metric in METRICS_OF_STRATA if metric in scores.values]


def _unknown(by: str, why: str) -> Stratum:
    return Stratum(by=by, name="", volumes=0, rows={}, unknown=why)
