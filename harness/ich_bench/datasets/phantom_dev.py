"""phantom-dev: sixty drawn heads for tuning."""

from __future__ import annotations

from pathlib import Path

from ich_bench.cases import Card
from ich_bench.datasets import _phantom
from ich_bench.datasets.found import ExpectedCase, Found

CARD = Card(
    id="phantom-dev",
    title="Sixty more drawn head CTs: for tuning methods and the generator, so that phantom stays unseen",
    cases=60,
    with_ich=40,
    official_scheme="external",
    schemes=("external",),
    licence=_phantom.LICENCE,
    access="Nothing to download: drawn on first use, in a few minutes on two cores.",
    citation=_phantom.CITATION,
    url="",
    layout=_phantom.LAYOUT.format(id="phantom-dev"),
    caveats=(
        *_phantom.CAVEATS,
        "For tuning: look at it as often as you like, and report nothing from it.",
        "Sites and shares as in phantom, from other seeds.",
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
