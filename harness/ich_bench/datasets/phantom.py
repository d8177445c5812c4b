"""phantom: sixty drawn heads of three sites, to train and test on by folds."""

from __future__ import annotations

from functools import partial

from ich_bench.cases import Card
from ich_bench.datasets import _phantom

CARD = Card(
    id="phantom",
    title="Sixty drawn head CTs, no patient involved: the benchmark that needs no download",
    cases=60,
    with_ich=40,
    official_scheme="cv5",
    schemes=("cv5", "by-site"),
    licence=_phantom.LICENCE,
    access="Nothing to download: drawn on first use, in a few minutes on two cores.",
    citation=_phantom.CITATION,
    url="",
    layout=_phantom.LAYOUT.format(id="phantom"),
    caveats=(
        *_phantom.CAVEATS,
        "Three sites of 20 heads: a like seg-cq500 (thin slices, tilted), b like hssayeni (5 mm, children, healthy "
        "heads), c like instance2022 (5 mm, large bleeds). The scheme `by-site` trains on two and tests on the third.",
        "Its seeds are not those of phantom-dev (for tuning) and phantom-test (for reporting).",
    ),
)

home = partial(_phantom.home, CARD.id)
expected_cases = partial(_phantom.expected_cases, CARD.id)
find = partial(_phantom.find, CARD.id)
