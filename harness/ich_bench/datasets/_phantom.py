"""What the drawn datasets share: their card's common words, where they lie, and how their folder becomes cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ich_bench.cases import SUBTYPES, Case
from ich_bench.datasets.found import ExpectedCase, Found
from ich_bench.errors import Problem

LICENCE = "Apache-2.0, like this software"
CITATION = "Cite ich-bench and its version."
LAYOUT = "{{ct, masks, truth, cavity, subtypes, truth_subtypes}}/{id}-<NNN>.nii.gz, heads.csv and slices.csv"
CAVEATS = (
    "Drawn data, no patient: a score here is never a score on patients (docs/phantom.md says what it can mean).",
    "`masks/` is the reference of a drawn reader, who errs as readers do; it is what is scored. `truth/` is what bled.",
    "The heads depend on NumPy's and SciPy's arithmetic: each is held against a frozen hash, and scores on others are "
    "marked `heads differ`.",
)


def home(dataset: str) -> Path:
    """Return the folder of the drawn heads, drawn now where it is not there yet."""
    from ich_bench.phantom import library

    return library.home(dataset)


def expected_cases(dataset: str) -> dict[str, ExpectedCase]:
    """Return what is known of each head without drawing it."""
    from ich_bench.phantom.plan import RECIPES, planned
    from ich_bench.phantom.records import frozen_heads

    frozen = frozen_heads(dataset, RECIPES[dataset].version)
    return {head.case_id: _expected(head.has_ich, frozen.get(head.case_id)) for head in planned(dataset)}


def find(dataset: str, source: Path) -> Found:
    """Return the cases that `heads.csv` lists; heads whose hashes are not this version's are noted and warned of."""
    from ich_bench.phantom.library import HEADS, VOLUMES
    from ich_bench.phantom.plan import RECIPES
    from ich_bench.phantom.records import frozen_heads, read_heads, same_head

    if not (source / HEADS).is_file():
        return Found(cases={})
    frozen = frozen_heads(dataset, RECIPES[dataset].version)
    notes: list[Problem] = []
    cases: dict[str, Case] = {}
    differ: list[Mapping[str, str]] = []
    rows = read_heads(source / HEADS)
    for case_id, row in rows.items():
        paths = {kind: source / kind / f"{case_id}.nii.gz" for kind in VOLUMES}
        absent = [f"{kind}/{path.name}" for kind, path in paths.items() if not path.is_file()]
        if absent:
            mend = f"`ich-bench phantom make {dataset} -o {source}` draws it again."
            notes.append(Problem(where=case_id, what=f"has no {' and no '.join(absent)}.", mend=mend))
            continue
        if not same_head(row, frozen.get(case_id)):
            differ.append(row)
        flags = {subtype: row[subtype] == "1" for subtype in SUBTYPES}
        cases[case_id] = Case(
            case_id=case_id, patient_id=row["patient_id"], ct=paths["ct"], reference=paths["masks"], subtypes=flags
        )
    warnings = (_heads_differ(dataset, differ, len(rows), frozen),) if differ else ()
    notes += [Problem(where=dataset, what=warning, mend=_COMPARE) for warning in warnings]
    return Found(cases=cases, notes=tuple(notes), warnings=warnings)


_COMPARE = "Scores on them compare only with scores on the same heads."


def _expected(has_ich: bool, frozen: Mapping[str, str] | None) -> ExpectedCase:
    if frozen is None:
        return ExpectedCase(has_ich=has_ich)
    spacing = tuple(float(frozen[f"spacing_{axis}_mm"]) for axis in "xyz")
    return ExpectedCase(
        has_ich=frozen["has_ich"] == "1",
        shape=(int(frozen["size_x"]), int(frozen["size_y"]), int(frozen["slices"])),
        spacing_mm=(spacing[0], spacing[1], spacing[2]),
        lesion_ml=float(frozen["reference_ml"]),
        subtypes={name: frozen[name] == "1" for name in SUBTYPES},
    )


def _heads_differ(
    dataset: str, differ: Sequence[Mapping[str, str]], among: int, frozen: Mapping[str, Mapping[str, str]]
) -> str:
    from ich_bench.phantom.plan import RECIPES

    first = ", ".join(row["case_id"] for row in differ[:3]) + (" …" if len(differ) > 3 else "")
    then = _versions(next(iter(frozen.values()))) if frozen else "nothing: this version has no frozen heads"
    return (
        f"heads differ: {len(differ)} of {among} heads ({first}) are not those frozen as version "
        f"{RECIPES[dataset].version} of {dataset}; drawn with {_versions(differ[0])}, frozen with {then}."
    )


def _versions(row: Mapping[str, str]) -> str:
    return f"ich-bench {row['ich_bench']}, numpy {row['numpy']}, scipy {row['scipy']}"
