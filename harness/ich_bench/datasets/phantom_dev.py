"""phantom-dev: sixty drawn heads for tuning."""

from __future__ import annotations

from functools import partial

from ich_bench.cases import Card
from ich_bench.datasets import _phantom

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

home = partial(_phantom.home, CARD.id)
expected_cases = partial(_phantom.expected_cases, CARD.id)
find = partial(_phantom.find, CARD.id)
