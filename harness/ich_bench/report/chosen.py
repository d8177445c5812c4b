"""Which cases and which slices does a figure of examples show?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ich_bench.errors import IchBenchError, UsageError, did_you_mean

Voxels = npt.NDArray[np.bool_]
WORDS = ("best", "median", "worst")
SLICES = ("reference", "error")


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A case to show; `why` is "best", "median", "worst", or "" for one that was named."""

    case_id: str
    why: str


def choose(wanted: Sequence[str], dice: Sequence[Mapping[str, float]], with_ich: Sequence[str]) -> tuple[Chosen, ...]:
    """Return the cases that are asked for: by id, or best, median, worst by mean Dice of all the runs.

    The words look at the cases with ICH that every run has a Dice for; ties go to the first case id. The median of an
    even number of cases is the lower of the two in the middle. No case comes twice: a small cohort gives fewer rows.

    Args:
        wanted: words and case ids, mixed as liked.
        dice: a Dice by case id for each run.
        with_ich: the cases with ICH.

    Raises:
        UsageError: an id that no run has. IchBenchError: a word where no case with ICH was scored by all the runs.
    """
    known = list(dict.fromkeys(case_id for run in dice for case_id in run))
    shared = [one for one in with_ich if all(not math.isnan(run.get(one, math.nan)) for run in dice)]
    ordered = sorted(shared, key=lambda one: (-float(np.mean([run[one] for run in dice])), one))
    places = {"best": 0, "median": len(ordered) // 2, "worst": len(ordered) - 1}
    found: dict[str, Chosen] = {}
    for word in wanted:
        if word in WORDS and word not in known:
            if not ordered:
                raise IchBenchError(
                    f"there is no {word} case: no case with ICH has a Dice in all of these runs. Name cases by id."
                )
            case_id, why = ordered[places[word]], word
        elif word in known:
            case_id, why = word, ""
        else:
            raise UsageError(
                f"no case {word!r} in these runs (best, median and worst are words). {did_you_mean(word, known)}"
            )
        found.setdefault(case_id, Chosen(case_id=case_id, why=why))
    return tuple(found.values())


def slice_of(reference: Voxels, predictions: Sequence[Voxels], by: str = "reference") -> int:
    """Return the slice (axis 2, from 0) with the most reference, or with the most error of all predictions together.

    Where there is no reference (no error) the other is looked at; the middle slice where there is neither.
    """
    if by not in SLICES:
        raise UsageError(f"there is no slice {by!r}. {did_you_mean(by, SLICES)}")
    nothing = np.zeros(reference.shape[2], dtype=np.int64)
    areas = {
        "reference": reference.sum(axis=(0, 1)),
        "error": sum(((one ^ reference).sum(axis=(0, 1)) for one in predictions), nothing),
    }
    for name in (by, *SLICES):
        if areas[name].any():
            return int(np.argmax(areas[name]))
    return int(reference.shape[2] // 2)
