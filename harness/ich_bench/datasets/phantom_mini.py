"""phantom-mini: twelve small drawn heads."""

from __future__ import annotations

from functools import partial

from ich_bench.cases import Card
from ich_bench.datasets import _phantom

CARD = Card(
    id="phantom-mini",
    title="Twelve drawn head CTs, no patient involved: for the demo, the tests and a first look",
    cases=12,
    with_ich=8,
    official_scheme="cv4",
    schemes=("cv4",),
    licence=_phantom.LICENCE,
    access="Nothing to download: drawn on first use, in seconds.",
    citation=_phantom.CITATION,
    url="",
    layout=_phantom.LAYOUT.format(id="phantom-mini"),
    caveats=(
        *_phantom.CAVEATS,
        "Small and few: a score here says whether a pipeline runs; methods are not compared on them.",
        "Four heads a site (a, b, c), on small grids.",
    ),
)

home = partial(_phantom.home, CARD.id)
expected_cases = partial(_phantom.expected_cases, CARD.id)
find = partial(_phantom.find, CARD.id)
