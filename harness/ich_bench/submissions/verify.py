"""Is a submission what it says: its files unchanged, and its scores those of its masks?"""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ich_bench.errors import IchBenchError, InputError, Problem
from ich_bench.escape import printable
from ich_bench.metrics.profiles import PROFILES
from ich_bench.places import write_text
from ich_bench.runs import store
from ich_bench.runs.pool import Progress
from ich_bench.submissions import written
from ich_bench.submissions.allowed import SLUG
from ich_bench.submissions.load import load_submission, submissions_folder
from ich_bench.submissions.model import ScoreFile, Submission
from ich_bench.submissions.own_faults import SLACK, own_faults
from ich_bench.submissions.publish import four_decimals, masks_sha256, metric_columns
from ich_bench.submissions.schema import FILE

_LAST_DIGIT = 1.0001e-4  # of four decimals: a value on the edge may round either way
_KEY = ("budget", "seed", "fold", "case_id")


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What `verify` looked at, and what it found.

    `recomputed` names the score files whose masks were scored again with equal results; `unread` those that were only
    checked for themselves. `written` says whether the levels of `recomputed` were raised in the manifest.
    """

    submission: Submission
    recomputed: tuple[str, ...]
    unread: tuple[str, ...]
    written: bool = False


def verify(
    slug: str,
    *,
    submissions: str | Path | None = None,
    predictions: str | Path | None = None,
    data: str | Path | None = None,
    dataset: str | None = None,
    rename: str | None = None,
    map_file: str | Path | None = None,
    write: bool = False,
    container: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Verified:
    """Check a submission, and with `predictions` score its masks again; InputError names what differs.

    Without predictions: the manifest, the SHA-256 of each score file, its columns, folds, cases and ranges, and whether
    the metrics follow from the counts. With them also every number, status and hash of a mask, case by case; the first
    case that differs is named with both values.

    Args:
        slug: The submission's folder name.
        submissions: The folder of submissions.
        predictions: The prediction folder (or zip) that the scores are said to come from.
        data: The dataset's own download folder.
        dataset: Verify this dataset only.
        rename: How the masks are named, as in `evaluate`.
        map_file: A CSV of names, as in `evaluate`.
        write: Raise the level of what was recomputed to `recomputed` in the manifest.
        container: With `write`: the masks were just written by the submission's container; the level says so.
        jobs: Worker processes.
        progress: Called with (done, total) after each case.
    """
    place = submissions_folder(submissions) / slug
    if not place.is_dir() or not SLUG.fullmatch(slug):
        from ich_bench.submissions.load import load_submissions

        load_submissions(place.parent).get(slug)
    found, problems = load_submission(place)
    if found is None or problems:
        raise InputError(_headline(slug, len(problems)), problems)
    files = [file for file in found.scores if dataset in (None, file.dataset)]
    if not files:
        held = ", ".join(dict.fromkeys(file.dataset for file in found.scores))
        raise IchBenchError(f"{slug} holds no scores of {printable(str(dataset))}; it has {held}.")
    if container and not found.manifest.container:
        raise IchBenchError(f"{slug} names no container in {FILE}: its masks cannot have been written by it.")
    problems = [*_strays(place), *(problem for file in files for problem in own_faults(file, slug))]
    recomputed: list[ScoreFile] = []
    for file in files if not problems else ():
        if predictions is None:
            continue
        faults = _recompute(file, slug, predictions, data, rename, map_file, jobs, progress)
        problems += faults
        recomputed += [] if faults else [file]
    if problems:
        raise InputError(_headline(slug, len(problems)), problems)
    if write and recomputed:
        raise_level(found, recomputed, "container re-run" if container else "recomputed")
    names = tuple(file.path.name for file in recomputed)
    return Verified(
        submission=found,
        recomputed=names,
        unread=tuple(file.path.name for file in files if file.path.name not in names),
        written=write and bool(recomputed),
    )


def _strays(place: Path) -> Iterator[Problem]:
    """Yield what lies in a submission's folder and is no result: code, images, masks, anything but a README."""
    for path in sorted(place.iterdir()):
        if path.name not in (FILE, "scores", "README.md"):
            where = f"{place.name}/{printable(path.name)}"
            mend = "Remove it, or link to it from `code` or `predictions_url`."
            yield Problem(where=where, what="does not belong here: a submission holds results only.", mend=mend)


def _headline(slug: str, count: int) -> str:
    return f"{printable(slug)} is not verified: {count} problem{'s' * (count != 1)}"


def _recompute(
    file: ScoreFile,
    slug: str,
    predictions: str | Path,
    data: str | Path | None,
    rename: str | None,
    map_file: str | Path | None,
    jobs: int,
    progress: Progress | None,
) -> list[Problem]:
    from ich_bench.runs.evaluation import evaluate

    about = store.provenance(file.table())
    with tempfile.TemporaryDirectory(prefix="ich-bench-verify-") as home:
        run = evaluate(
            file.dataset,
            predictions,
            data=data,
            out=home,
            scheme=file.scheme,
            folds=None if file.status != "partial" else file.folds,
            profile=file.profile,
            legacy_dilation=bool(about.get("legacy_dilation")),
            labels=about.get("labels") or None,
            rename=rename,
            map_file=map_file,
            allow_missing=file.status == "imputed",
            jobs=jobs,
            progress=progress,
        )
        rows = run.scores.to_pylist()
        again = store.provenance(run.scores)
    told = list(differences(file, file.table().to_pylist(), rows))
    if not told and again["dataset_sha256"] != file.dataset_sha256:
        told = [f"the references differ: dataset_sha256 is {again['dataset_sha256'][:12]}… here."]
    if not told and masks_sha256(rows) != file.masks_sha256:
        told = ["the scores agree, but these are not the masks that were submitted: their hashes differ."]
    return [Problem(where=f"{slug}/scores/{file.path.name}", what=what) for what in told]


def differences(
    file: ScoreFile, stored: Sequence[Mapping[str, Any]], recomputed: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Yield the first case that differs, with the stored and the recomputed values, then how many more do."""
    theirs = {tuple(row[name] for name in _KEY): row for row in recomputed}
    apart: list[tuple[Mapping[str, Any], list[str]]] = []
    for row in stored:
        other = theirs.pop(tuple(row[name] for name in _KEY), None)
        faults = ["its mask is not among the predictions"] if other is None else list(_apart(file, row, other))
        if faults:
            apart.append((row, faults))
    apart += [(row, ["has a mask, but no submitted score"]) for row in theirs.values()]
    if not apart:
        return
    row, faults = apart[0]
    run = "".join(f", {name} {row[name]}" for name in ("seed", "budget") if row[name] is not None)
    yield f"case {printable(row['case_id'])} (fold {row['fold']}{run}): {'; '.join(faults)}."
    if len(apart) > 1:
        others = list(dict.fromkeys(printable(other["case_id"]) for other, _ in apart[1:]))
        more = f" … ({len(others)} in all)" if len(others) > 10 else ""
        yield f"{len(apart) - 1} more of {len(stored)} rows differ: {', '.join(others[:10])}{more}."


def _apart(file: ScoreFile, stored: Mapping[str, Any], recomputed: Mapping[str, Any]) -> Iterator[str]:
    metrics = PROFILES[file.profile].columns
    held = metric_columns(file.profile) if file.published == "metrics" else metrics
    exact = ["status"] if file.published == "metrics" else ["status", "tp", "fp", "fn", "tn", "has_ich"]
    for name in (*exact, *held):
        mine, here = stored[name], recomputed[name]
        if file.published == "metrics" and name in held:
            here = four_decimals(here)
        if not _equal(mine, here, _LAST_DIGIT if file.published == "metrics" else SLACK):
            yield f"{name} is stored as {_text(mine)}, recomputed as {_text(here)}"
    if file.published == "full" and stored["prediction_sha256"] != recomputed["prediction_sha256"]:
        yield "its mask is another one (prediction_sha256 differs)"


def _equal(one: Any, other: Any, slack: float) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        if math.isnan(one) or math.isnan(other) or math.isinf(one) or math.isinf(other):
            return (math.isnan(one) and math.isnan(other)) or one == other
        return abs(one - other) <= max(slack, slack * abs(one) if slack == SLACK else slack)
    return bool(one == other)


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else printable(str(value))


def raise_level(found: Submission, recomputed: Sequence[ScoreFile], level: str) -> None:
    """Write the manifest again with the level of the recomputed files raised; whole or not at all."""
    path = found.folder / FILE
    names = {file.path.name for file in recomputed}
    files = [dataclasses.replace(file, level=level) if file.path.name in names else file for file in found.scores]
    person = written.split(path.read_text(encoding="utf-8"))[0]
    write_text(path, written.joined(person, files), mend="Its levels stay as they are.")
