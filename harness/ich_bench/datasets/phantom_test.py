"""phantom-test: two hundred drawn heads for reporting."""

from __future__ import annotations

from pathlib import Path

from ich_bench.cases import Card
from ich_bench.datasets import _phantom
from ich_bench.datasets.found import ExpectedCase, Found

CARD = Card(
    id="phantom-test",
    title="Two hundred drawn head CTs held out for reporting, a quarter of them from a site that no other dataset has",
    cases=200,
    with_ich=130,
    official_scheme="external",
    schemes=("external",),
    licence=_phantom.LICENCE,
    access="Nothing to download: drawn on first use, in minutes on two cores.",
    citation=_phantom.CITATION,
    url="",
    layout=_phantom.LAYOUT.format(id="phantom-test"),
    trainable=False,
    caveats=(
        *_phantom.CAVEATS,
        "For reporting: nothing may be trained, tuned or chosen on it.",
        "Fifty heads a site. Site d (parameters shifted, look-alikes doubled) is in no other dataset and no pool.",
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
