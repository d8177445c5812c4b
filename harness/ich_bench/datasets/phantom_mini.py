"""phantom-mini: twelve small drawn heads."""

from __future__ import annotations

from pathlib import Path

from ich_bench.cases import Card
from ich_bench.datasets import _phantom
from ich_bench.datasets.found import ExpectedCase, Found

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


def home() -> Path:
    """Return the folder of the drawn heads, drawn now where it is not there yet."""
    return _phantom.home(CARD.id)


def expected_cases() -> dict[str, ExpectedCase]:
    """Return what is known of each head without drawing it."""
    return _phantom.expected_cases(CARD.id)


def find(source: Path) -> Found:
    """Return the cases `heads.csv` lists; heads that are not this version's are noted and warned of."""
    return _phantom.find(CARD.id, source)
