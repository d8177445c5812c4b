"""Which healthy head was called bleeding by whom, with how many mL."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ich_bench.board.model import CaseScores


@dataclass(frozen=True, kw_only=True)
class Offence:
    """A row that predicts `predicted_ml` on a healthy head; `rows` counts all rows that predict any on that head."""

    case_id: str
    slug: str
    predicted_ml: float
    rows: int


def offences(scores: CaseScores, slugs: Collection[str], *, most: int | None = None) -> tuple[Offence, ...]:
    """Return the predictions on healthy heads that hold anything, the largest first; ties by case, then by row.

    Volumes that the score files withhold are unknown and left out. `most` keeps that many.
    """
    columns = [place for place, slug in enumerate(scores.slugs) if slug in set(slugs)]
    volumes = scores.values.get("volume_pred_ml")
    if volumes is None or not columns:
        return ()
    healthy = np.flatnonzero(~scores.has_ich)
    held = np.nan_to_num(volumes[healthy][:, columns], nan=0.0)
    count = (held > 0).sum(axis=1)
    where = np.argwhere(held > 0)
    order = np.lexsort((where[:, 1], where[:, 0], -held[where[:, 0], where[:, 1]]))[:most]
    return tuple(
        Offence(
            case_id=scores.cases[healthy[line]],
            slug=scores.slugs[columns[column]],
            predicted_ml=float(held[line, column]),
            rows=int(count[line]),
        )
        for line, column in where[order].tolist()
    )
