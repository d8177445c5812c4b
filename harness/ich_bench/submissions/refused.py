"""Which scores may be submitted: read, put together by dataset, and refused where no method could have got them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ich_bench.datasets import DATASETS
from ich_bench.errors import IchBenchError, Problem, did_you_mean
from ich_bench.escape import printable
from ich_bench.folds import load_scheme, schemes_of
from ich_bench.metrics.profiles import PROFILES
from ich_bench.metrics.suite import SUITE
from ich_bench.runs import store
from ich_bench.submissions import written
from ich_bench.submissions.model import Manifest, ScoreFile
from ich_bench.submissions.publish import committed_table, published
from ich_bench.submissions.tables import together, told


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One score file to be: what [[scores]] will say of it (`path` is its name, `sha256` not known yet), its rows."""

    file: ScoreFile
    table: pa.Table


def submittable(outs: Sequence[Path], slug: str, said: Manifest) -> tuple[list[Scores], list[Problem]]:
    """Return one committed table per dataset, scheme and profile, and what is wrong with the scores."""
    from ich_bench.tables.shown import score_files

    groups: dict[tuple[str, str, str], list[tuple[Path, pa.Table]]] = {}
    for path in dict.fromkeys(path for out in outs for path in score_files(out)):
        table = store.read_scores(path)
        first = table.slice(0, 1).to_pylist()
        if not first:
            raise IchBenchError(f"{path} holds no row.")
        key = (first[0]["dataset"], first[0]["scheme"], str(store.provenance(table)["profile"]))
        groups.setdefault(key, []).append((path, table))
    found: list[Scores] = []
    problems: list[Problem] = []
    for (dataset, scheme, profile), tables in sorted(groups.items()):
        where = ", ".join(str(path) for path, _ in tables)
        faults = _foreign(dataset, scheme, where)
        if not faults:
            rows, about = together(tables)
            faults = [*_outdated(about, dataset, scheme, where), *_dishonest(rows, about, said, where)]
            if not faults:
                found.append(_committed(rows, about, slug, dataset, scheme, profile, tables))
        problems += faults
    return found, problems


def _committed(
    rows: list[dict[str, Any]],
    about: Mapping[str, Any],
    slug: str,
    dataset: str,
    scheme: str,
    profile: str,
    tables: Sequence[tuple[Path, pa.Table]],
) -> Scores:

    part = published(dataset)
    if part == "metrics":
        about = dict(about) | {"warnings": [one for one in about.get("warnings", ()) if not _of_the_data(str(one))]}
    named = [row | {"submission": slug} for row in rows]
    table = committed_table(named, profile=profile, published=part, provenance=about)
    sums = [store.file_sha256(path) for path, _ in tables]
    local = sums[0] if len(sums) == 1 else hashlib.sha256("".join(f"{one}\n" for one in sums).encode()).hexdigest()
    path = Path(written.file_name(dataset, scheme, profile))
    file = told(rows, about, path=path, sha256="", local_sha256=local)
    return Scores(file=dataclasses.replace(file, published=part), table=table)


def _of_the_data(warning: str) -> bool:
    """Return whether a warning is about the dataset's own files (their grids), not about the masks."""
    told = ("reference of ", "more references off", "in the dataset's own files")
    return any(words in warning for words in told)


def _foreign(dataset: str, scheme: str, where: str) -> list[Problem]:
    """Return why scores of this dataset and scheme have no place on the board."""
    if dataset not in DATASETS:
        what = f"holds scores of {printable(dataset)!r}, which is no dataset of the benchmark."
        return [Problem(where=where, what=what, mend=did_you_mean(dataset, DATASETS))]
    if scheme not in schemes_of(dataset):
        what = f"has scheme {printable(scheme)!r}, which {dataset} does not have."
        return [Problem(where=where, what=what, mend=did_you_mean(scheme, schemes_of(dataset)))]
    return []


def _outdated(about: Mapping[str, Any], dataset: str, scheme: str, where: str) -> list[Problem]:
    problems = []
    if about.get("suite") != SUITE:
        what = f"was scored under suite {about.get('suite')}; this version submits suite {SUITE}."
        problems.append(Problem(where=where, what=what, mend="Score the predictions again."))
    if about.get("fold_sha256") != load_scheme(dataset, scheme).sha256:
        what = f"was scored on another version of the folds {dataset}/{scheme}."
        problems.append(Problem(where=where, what=what, mend="Score the predictions again, with frozen folds."))
    return problems


def _dishonest(
    rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any], said: Manifest, where: str
) -> list[Problem]:
    """Return masks that no method gives: one mask for two cases, copies of the reference."""
    used: dict[str, set[str]] = {}
    for row in rows:
        if row["status"] == "scored" and row["prediction_sha256"]:
            used.setdefault(row["prediction_sha256"], set()).add(row["case_id"])
    problems = [
        Problem(
            where=where,
            what=f"the same non-empty mask is given for {len(cases)} cases: {', '.join(sorted(cases)[:20])}.",
            mend="Each case needs the mask of its own CT: was a file copied, or a loop's output overwritten?",
        )
        for cases in sorted(used.values(), key=sorted)
        if len(cases) > 1
    ]
    profile = PROFILES[str(about["profile"])]
    native = profile.side is None and not profile.positive_slices  # counts on the CT's own grid
    copies = {r["case_id"] for r in rows if native and r["tp"] and not r["fp"] and not r["fn"]}
    warned = [w for w in about.get("warnings", ()) if str(w).startswith("the mask is identical to the reference")]
    if said.kind != "ceiling" and (copies or warned):
        listed = ", ".join(sorted(copies)[:20]) + (f" … ({len(copies)} in all)" if len(copies) > 20 else "")
        what = f"the mask is the reference itself in {len(copies)} case{'s' * (len(copies) != 1)}: {listed}."
        mend = "A submission holds what a method wrote; rows drawn from the reference are of kind ceiling."
        problems.append(Problem(where=where, what=what if copies else f"{printable(str(warned[0]))}.", mend=mend))
    return problems
