"""phantom: sixty drawn heads of three sites, to train and test on by folds."""

from __future__ import annotations

from pathlib import Path

from ich_bench.cases import Card
from ich_bench.datasets import _phantom
from ich_bench.datasets.found import ExpectedCase, Found

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


def home() -> Path:
    """Return the folder of the drawn heads, drawn now where it is not there yet."""
    return _phantom.home(CARD.id)


def expected_cases() -> dict[str, ExpectedCase]:
    """Return what is known of each head without drawing it."""
    return _phantom.expected_cases(CARD.id)


def find(source: Path) -> Found:
    """Return the cases `heads.csv` lists; heads that are not this version's are noted and warned of."""
    return _phantom.find(CARD.id, source)
