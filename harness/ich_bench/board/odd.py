"""Which verdicts hang on one odd case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ich_bench.board.model import CaseScores, Pairs, Sensitivity, Verdict
from ich_bench.board.pairs import pairwise
from ich_bench.tables.summary import ODDITIES


def sensitivity(
    dataset: str, scores: CaseScores, primary: Pairs | None, *, seed: Sequence[int], draws: int
) -> Sensitivity | None:
    """Return what becomes of dice on `ich` without the dataset's odd case; None where there is none, or no ranked row.

    The tests are done anew on the other cases. Pairs separated neither with nor without the case are not listed.
    """
    case_id, why = ODDITIES.get(dataset, ("", ""))
    if primary is None or case_id not in scores.cases:
        return None
    rest = scores.has_ich & np.array([case != case_id for case in scores.cases])
    rows = [scores.slugs.index(slug) for slug in primary.slugs]
    kept = scores.values["dice"][rest][:, rows]
    if not len(kept):
        return None
    without = pairwise(kept, primary.slugs, cohort="ich", metric="dice", seed=seed, draws=draws, with_wilcoxon=False)
    before, after = primary.better, without.better
    everywhere = scores.values["dice"][scores.has_ich][:, rows].mean(axis=0)
    changed = [
        Verdict(
            first=primary.slugs[i],
            second=primary.slugs[j],
            with_case=_verdict(bool(before[i, j]), bool(before[j, i])),
            without=_verdict(bool(after[i, j]), bool(after[j, i])),
        )
        for i, j in zip(*np.nonzero(np.triu((before != after) | (before != after).T, 1)), strict=True)
    ]
    ranks = zip((1 + before.sum(axis=0)).tolist(), (1 + after.sum(axis=0)).tolist(), strict=True)
    means = zip(everywhere.tolist(), kept.mean(axis=0).tolist(), strict=True)
    return Sensitivity(
        left_out=case_id,
        why=why,
        n=len(kept),
        mean=dict(zip(primary.slugs, means, strict=True)),
        rank=dict(zip(primary.slugs, ranks, strict=True)),
        changed=tuple(changed),
    )


def _verdict(better: bool, worse: bool) -> str:
    return "better" if better else "worse" if worse else "not separated"


def renamed(found: Pairs, cohort: str) -> Pairs:
    """Return the same tests under another cohort's name: where no head is healthy, `all` is `ich`."""
    return replace(found, cohort=cohort)
