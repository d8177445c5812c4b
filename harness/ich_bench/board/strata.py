"""How does each row do on small and large bleeds, thin and thick slices, each subtype."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ich_bench.board.model import CaseScores, Stratum
from ich_bench.board.numbers import stats
from ich_bench.cases import SUBTYPES
from ich_bench.tables.cohorts import THIN_BELOW_MM, VOLUME_STRATA

METRICS_OF_STRATA = ("dice", "precision", "recall", "nsd_2mm", "detected")
_HERE = "not available here: the score files withhold it, and the dataset is not prepared on this machine"


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """The cases with ICH that share a trait (`inside`, over all cases); `unknown` says why where nobody can say."""

    by: str
    name: str
    inside: NDArray[np.bool_]
    unknown: str = ""


def strata(scores: CaseScores) -> Iterator[Stratum]:
    """Yield the strata of `ich` by reference volume, slice thickness and subtype, or a sentence where none is known."""
    for part in parts(scores):
        if part.unknown:
            yield Stratum(by=part.by, name="", volumes=0, rows={}, unknown=part.unknown)
        else:
            yield _stratum(scores, part.by, part.name, part.inside)


def parts(scores: CaseScores) -> Iterator[Part]:
    """Yield which cases lie in each stratum of `ich`; a subtype's may lie in several. Nothing where no head bleeds."""
    ich = scores.has_ich
    if not ich.any():
        return
    ml, spacing_mm = scores.facts["volume_ref_ml"], scores.facts["spacing_z_mm"]
    nobody = np.zeros_like(ich)
    found: list[tuple[str, str, NDArray[np.bool_]]] = []
    if np.isnan(ml[ich]).any():
        yield Part(by="reference volume", name="", inside=nobody, unknown=_HERE)
    else:
        found += [
            ("reference volume", name, inside(pd.Series(ml)).to_numpy()) for name, inside in VOLUME_STRATA.items()
        ]
    if np.isnan(spacing_mm[ich]).any():
        yield Part(by="slice thickness", name="", inside=nobody, unknown=_HERE)
    else:
        found.append(("slice thickness", "thin (< 2 mm)", spacing_mm < THIN_BELOW_MM))
        found.append(("slice thickness", "thick (≥ 2 mm)", spacing_mm >= THIN_BELOW_MM))
    named = [name for name in SUBTYPES if not np.isnan(scores.facts[name][ich]).all()]
    found += [("subtype", name, scores.facts[name] == 1) for name in named]
    for by, name, inside in found:
        yield Part(by=by, name=name, inside=inside & ich)
    if not named:
        why = "not available here: the dataset has no such labels, or they are not on this machine"
        yield Part(by="subtype", name="", inside=nobody, unknown=why)


def _stratum(scores: CaseScores, by: str, name: str, inside: NDArray[np.bool_]) -> Stratum:
    measured = {metric: stats(scores.values[metric][inside]) for metric in _metrics(scores)}
    rows = {
        slug: {metric: found[place] for metric, found in measured.items()} for place, slug in enumerate(scores.slugs)
    }
    return Stratum(by=by, name=name, volumes=int(inside.sum()), rows=rows)


def _metrics(scores: CaseScores) -> Sequence[str]:
    return [metric for metric in METRICS_OF_STRATA if metric in scores.values]
