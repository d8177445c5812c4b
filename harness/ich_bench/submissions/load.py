"""Which submissions are there: from folders to checked values."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ich_bench.errors import IchBenchError, Problem
from ich_bench.escape import printable
from ich_bench.predictions.manifest import read_manifest
from ich_bench.submissions.model import Manifest, ScoreFile, Shelf, Submission
from ich_bench.submissions.schema import FILE, check

Tell = Callable[[Path], ScoreFile | None]
REPORTED = "reported"  # the folder of published rows beside the submissions
_PACKAGE = Path(__file__).parents[1]
_OWN = (_PACKAGE.parents[1] / "submissions", _PACKAGE / "submissions_snapshot")


def submissions_folder(explicit: str | Path | None = None) -> Path:
    """Return the folder of submissions: explicit, $ICH_BENCH_SUBMISSIONS, ./submissions, the checkout, the snapshot.

    The last is a copy inside an installed package. IchBenchError where one that is named does not exist.
    """
    for named, how in ((explicit, "--submissions"), (os.environ.get("ICH_BENCH_SUBMISSIONS"), "ICH_BENCH_SUBMISSIONS")):
        if named:
            place = Path(named).expanduser()
            if not place.is_dir():
                raise IchBenchError(f"{how} {place}: there is no such folder. `ich-bench submit` makes it.")
            return place
    places = (Path("submissions"), *_OWN)
    found = next((place for place in places if _is_shelf(place)), None)
    if found is None:
        raise IchBenchError(f"no folder of submissions was found: looked at {', '.join(map(str, places))}.")
    return found


def own_folder() -> Path:
    """Return the folder of submissions that comes with the software: the checkout's, or the copy in the package."""
    return next((place for place in _OWN if _is_shelf(place)), _OWN[-1])


def _is_shelf(place: Path) -> bool:
    """Return whether a folder holds submissions or published rows (some other folder may have that name too)."""
    return (place / REPORTED).is_dir() or any(place.glob(f"*/{FILE}"))


def load_submissions(folder: str | Path | None = None) -> Shelf:
    """Return all submissions of a folder (`submissions_folder(folder)`); one that is at fault hides no other.

    Each manifest is checked, and each score file's bytes against their hash; tables are read later
    (`ScoreFile.table`). A submission with any fault is left out, and its faults stand in `problems`.
    """
    home = submissions_folder(folder)
    loaded: list[Submission] = []
    problems: list[Problem] = []
    for place in sorted(home.iterdir()):
        if place.is_dir() and place.name != REPORTED and not place.name.startswith((".", "_")):
            try:
                found, faults = load_submission(place)
            except OSError as fault:  # it went away, or may not be read
                found, faults = None, [Problem(where=printable(place.name), what=f"cannot be read: {fault.strerror}.")]
            problems += faults
            if found is not None and not faults:
                loaded.append(found)
    slugs = {one.slug for one in loaded}
    for one in loaded:
        if one.manifest.supersedes and one.manifest.supersedes not in slugs:
            what = f'key supersedes: there is no submission "{one.manifest.supersedes}".'
            problems.append(Problem(where=f"{one.slug}/{FILE}", what=what, mend="Mend the slug, or leave it away."))
    return Shelf(folder=home, submissions=tuple(loaded), problems=tuple(problems))


def load_submission(folder: Path) -> tuple[Submission | None, list[Problem]]:
    """Return one submission (None where there is no manifest to read) and everything that is wrong with it."""
    from ich_bench.submissions import allowed, written

    slug = folder.name
    where = f"{printable(slug)}/{FILE}"
    problems = []
    if not allowed.SLUG.fullmatch(slug):
        expected = allowed.slug("?")[1]
        problems.append(Problem(where=printable(slug), what=f"is no slug; expected {expected}.", mend="Rename it."))
    tables, faults = _tables(folder, where)
    problems += faults
    if tables is None:
        return None, problems
    manifest, faults = check(tables, where=where)
    problems += faults
    files, faults = written.read(tables.get("scores", []), folder)
    problems += faults
    problems += [fault for file in files for fault in file_faults(file, slug)]
    listed = {file.path.name for file in files}
    for path in sorted((folder / "scores").glob("*")):
        if path.name not in listed and not faults:
            what = f"is not listed in {FILE}."
            problems.append(Problem(where=f"{slug}/scores/{printable(path.name)}", what=what, mend="Remove it."))
    if not files and not faults:
        problems.append(Problem(where=where, what="lists no score file.", mend="`ich-bench submit` adds them."))
    return Submission(slug=slug, folder=folder, manifest=manifest, scores=files), problems


def _tables(folder: Path, where: str) -> tuple[Mapping[str, Any] | None, list[Problem]]:
    tables, faults = read_manifest(folder)
    problems = [Problem(where=where, what=fault.what, mend=fault.mend) for fault in faults]
    if tables is None and not faults:
        problems.append(Problem(where=where, what="is absent.", mend="`ich-bench submit` writes it."))
    return tables, problems


def file_faults(file: ScoreFile, slug: str) -> list[Problem]:
    """Return whether a score file is there, and is the one that the manifest names."""
    from ich_bench.runs.store import file_sha256

    where = f"{slug}/scores/{file.path.name}"
    if not file.path.is_file():
        return [Problem(where=where, what="is absent.", mend="Run `ich-bench submit` again.")]
    if file_sha256(file.path) != file.sha256:
        what = f"was changed after it was submitted: its SHA-256 is not the one in {FILE}."
        return [Problem(where=where, what=what, mend="Run `ich-bench submit` again with the scores of `evaluate`.")]
    return []


def from_runs(outs: Iterable[str | Path], *, tell: Tell | None = None) -> tuple[Submission, ...]:
    """Return unsubmitted runs of `evaluate`; a folder that holds nothing but OUT folders stands for all of them."""
    return tuple(from_run(one, tell=tell) for out in outs for one in out_folders(Path(out)))


def out_folders(place: Path) -> tuple[Path, ...]:
    """Return the OUT folders a place stands for: itself, or the folders in it that hold scores, by name."""
    if not place.is_dir() or (place / "scores").is_dir():
        return (place,)
    return tuple(sorted(each for each in place.iterdir() if (each / "scores").is_dir())) or (place,)


def from_run(out: str | Path, *, tell: Tell | None = None) -> Submission:
    """Return an unsubmitted run of `evaluate` as a submission: OUT's score files, and its manifest where there is one.

    What a manifest would have to say and does not is left at its default; the slug is the folder's name. `tell` says
    what is in a score file (`tables.describe` by default), or None for one to leave out.
    """
    from ich_bench.predictions.manifest import processing_steps
    from ich_bench.submissions.tables import describe
    from ich_bench.tables.shown import score_files

    home = Path(out)
    files = tuple(file for path in score_files(home) if (file := (tell or describe)(path)) is not None)
    folder = home if home.is_dir() else home.parent.parent
    tables, _ = read_manifest(folder)
    said = tables or {}
    name = home.resolve().name if home.is_dir() else home.stem
    manifest, _ = check(said, lenient=True)
    if not manifest.method:
        manifest = Manifest(method=name, method_id="", team="", processing=processing_steps(said))
    return Submission(slug=name, folder=folder, manifest=manifest, scores=files, submitted=False)
