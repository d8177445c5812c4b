"""phantom-mini: twelve drawn heads that need no download."""

from __future__ import annotations

from pathlib import Path

from ich_bench.cases import SUBTYPES, Card, Case
from ich_bench.datasets.found import ExpectedCase, Found
from ich_bench.errors import Problem

CARD = Card(
    id="phantom-mini",
    title="Twelve drawn head CTs, no patient involved: for the demo, the tests and a first look",
    cases=12,
    with_ich=8,
    official_scheme="cv4",
    schemes=("cv4",),
    licence="Apache-2.0, like this software",
    access="Nothing to download: drawn on first use, in seconds.",
    citation="Cite ich-bench and its version.",
    url="",
    layout="{ct, masks, cavity}/phantom-mini-<NNN>.nii.gz and heads.csv",
    caveats=(
        "Drawn data: a score here says whether a pipeline runs, and nothing about patients.",
        "The heads are easier than real ones; methods are not compared on them.",
        "Slices of 5 mm, some thinner; a third of the scans has the sheared affine of a tilted gantry.",
    ),
)


def home() -> Path:
    """Return the folder of the drawn heads, drawn now where it is not there yet."""
    from ich_bench.phantom.mini import phantom_mini

    return phantom_mini()


def expected_cases() -> dict[str, ExpectedCase]:
    """Return what is known of each head without drawing it: its bleeds."""
    from ich_bench.phantom.mini import FROZEN, read_table

    return {
        case_id: ExpectedCase(has_ich=row["has_ich"] == "1", subtypes={name: row[name] == "1" for name in SUBTYPES})
        for case_id, row in read_table(FROZEN).items()
    }


def find(source: Path) -> Found:
    """Return the cases `heads.csv` lists; a head whose hashes differ from this version's is noted."""
    from ich_bench.phantom.mini import FROZEN, TABLE, read_table

    if not (source / TABLE).is_file():
        return Found(cases={})
    frozen = read_table(FROZEN)
    notes: list[Problem] = []
    cases: dict[str, Case] = {}
    for case_id, row in read_table(source / TABLE).items():
        ct, mask = (source / kind / f"{case_id}.nii.gz" for kind in ("ct", "masks"))
        absent = [f"{path.parent.name}/{path.name}" for path in (ct, mask) if not path.is_file()]
        if absent:
            notes.append(
                Problem(
                    where=case_id,
                    what=f"has no {' and no '.join(absent)}.",
                    mend="Delete the folder: it is drawn again.",
                )
            )
            continue
        if row != frozen.get(case_id):
            notes.append(
                Problem(
                    where=case_id,
                    what="heads differ: this head is not the one this version of ich-bench freezes.",
                    mend="Scores on it compare only with scores on the same heads.",
                )
            )
        flags = {subtype: row[subtype] == "1" for subtype in SUBTYPES}
        cases[case_id] = Case(case_id=case_id, patient_id=row["patient_id"], ct=ct, reference=mask, subtypes=flags)
    return Found(cases=cases, notes=tuple(notes))
