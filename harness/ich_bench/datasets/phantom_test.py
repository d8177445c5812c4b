"""phantom-test: two hundred drawn heads for reporting."""

from __future__ import annotations

from functools import partial

from ich_bench.cases import Card
from ich_bench.datasets import _phantom

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

home = partial(_phantom.home, CARD.id)
expected_cases = partial(_phantom.expected_cases, CARD.id)
find = partial(_phantom.find, CARD.id)
