"""phantom-pool: drawn slices with weak labels, as many as asked for, for pre-training; nothing to evaluate."""

from __future__ import annotations

from pathlib import Path

from ich_bench.cases import Card
from ich_bench.datasets import _phantom
from ich_bench.datasets.found import Found

CARD = Card(
    id="phantom-pool",
    title="Drawn slices with weak labels, as many as asked for: a pool for pre-training like rsna, no patient involved",
    cases=0,
    with_ich=None,
    official_scheme="",
    schemes=(),
    licence=_phantom.LICENCE,
    access="Nothing to download: streamed by `ich_bench.phantom.pool`, or written in the layout of rsna by "
    "`ich-bench phantom make pool --heads N -o DIR`.",
    citation=_phantom.CITATION,
    url="",
    layout="stage_2_train/ID_<9 hex digits>.dcm in one flat folder, with stage_2_train.csv beside it, as in rsna",
    trainable=False,
    pool=True,
    caveats=(
        "Drawn data, no patient.",
        "Weak labels per slice (any, and five subtypes) with the errors of labels given in haste; `clean` has none.",
        "Of the sites a, b and c only: site d stays unseen.",
    ),
)


def find(source: Path) -> Found:
    """Return no cases: a pool has no outlines. `ich_bench.datasets.pool` reads its slices."""
    return Found(cases={})
