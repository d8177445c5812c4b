"""How do scores become a submission folder, with hashes nobody typed, and what is refused?"""

from __future__ import annotations

import dataclasses
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ich_bench.errors import IchBenchError, InputError, Problem, UsageError
from ich_bench.escape import printable
from ich_bench.predictions.manifest import read_tables
from ich_bench.runs import store
from ich_bench.submissions import allowed, written
from ich_bench.submissions.load import REPORTED, load_submission
from ich_bench.submissions.model import Manifest, ScoreFile, Submission
from ich_bench.submissions.refused import Scores, submittable
from ich_bench.submissions.schema import FILE, check


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """What `submit` did: the submission as it now lies there, what is new in it, and what a reader should know.

    `changed` names the files that were written, relative to the submission's folder (none: all was there already).
    `notes` are facts that do not stop a submission: that it is partial, that it will not be ranked and why.
    """

    submission: Submission
    changed: tuple[str, ...]
    notes: tuple[str, ...]


def submit(
    outs: Sequence[str | Path],
    slug: str,
    *,
    submissions: str | Path | None = None,
    predictions: str | Path | None = None,
    manifest: str | Path | None = None,
    overwrite: bool = False,
) -> Submitted:
    """Make or update `<submissions>/<slug>/` from scores: the whole folder is replaced at once, or nothing changes.

    Args:
        outs: output folders of `evaluate` (or score files); runs of several seeds and datasets may be given together.
        slug: the folder's name: small letters, digits and single hyphens.
        submissions: the folder of submissions, made where it is not there; `./submissions` by default.
        predictions: the prediction folder, for its submission.toml.
        manifest: the submission.toml to take. Else that of `predictions`, of the first OUT that has one, and last
            the one already submitted.
        overwrite: replace a manifest or scores that were submitted before and differ.

    Raises:
        InputError: every fault of manifest and scores at once.
        IchBenchError: something there would be overwritten, or cannot be written.
        UsageError: no slug, no OUT, or one that does not exist.
    """
    _check_slug(slug)
    if not outs:
        raise UsageError("name at least one OUT folder of `ich-bench evaluate`.")
    absent = [printable(str(out)) for out in outs if not Path(out).exists()]
    if absent:
        raise UsageError(f"{', '.join(absent)}: there is no such folder or score file of `ich-bench evaluate`.")
    home = Path(submissions or os.environ.get("ICH_BENCH_SUBMISSIONS") or "submissions").expanduser()
    place = home / slug
    source, person = _manifest_text([Path(out) for out in outs], predictions, manifest, place)
    said, problems = _check_manifest(person, str(source))
    scores, faults = submittable([Path(out) for out in outs], slug, said)
    problems += faults
    if problems:
        raise InputError(f"{len(problems)} problem{'s' * (len(problems) != 1)} with submission {slug}", problems)
    before = _before(place, scores, person, overwrite=overwrite)
    changed = _write(place, person, said, scores, before)
    found, problems = load_submission(place)
    if found is None or problems:
        raise InputError(f"{place} was written, but has faults", problems)
    return Submitted(submission=found, changed=changed, notes=tuple(_notes(found)))


def initialise(folder: str | Path, values: Mapping[str, Any] | None = None) -> Path:
    """Write a commented submission.toml with every key into a prediction folder, and return its path.

    `values` fills keys in (the verbs that make submissions of their own use it). Never replaces a file.
    """
    path = Path(folder) / FILE
    if path.exists():
        raise IchBenchError(f"{path} is there already: it is not replaced. Move it away, or fill it in.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(written.template(values), encoding="utf-8")
    except OSError as fault:
        raise IchBenchError(f"cannot write {path}: {fault.strerror or fault}.") from fault
    return path


def _check_slug(slug: str) -> None:
    if not allowed.SLUG.fullmatch(slug) or len(slug) > allowed.MOST_NAME or slug == REPORTED:
        near = allowed.slugged(slug)
        mend = f" For example {near}." if near and near != slug else ""
        expected = "a free name: reported is the folder of published rows"
        expected = expected if slug == REPORTED else allowed.slug("?")[1]
        raise UsageError(f"--name {printable(slug)[:80]!r} is no slug; expected {expected}.{mend}")


def _manifest_text(
    outs: Sequence[Path], predictions: str | Path | None, manifest: str | Path | None, place: Path
) -> tuple[Path, str]:
    """Return the manifest that counts, the first that is there, and what a person wrote in it."""
    if manifest is not None:
        paths = [Path(manifest)]
        if not paths[0].is_file():
            raise UsageError(f"--manifest {manifest}: there is no such file.")
    else:
        folders = [*([Path(predictions)] if predictions else []), *(out for out in outs if out.is_dir()), place]
        if predictions and not Path(predictions).is_dir():
            raise UsageError(f"--predictions {predictions}: there is no such folder.")
        paths = [folder / FILE for folder in folders]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        looked = ", ".join(str(path) for path in paths)
        raise IchBenchError(
            f"there is no {FILE}: looked for {looked}.\n"
            "`ich-bench submit --init FOLDER` writes a template to fill in; then name it with --manifest."
        )
    _, problems = read_tables(path)
    if problems:
        raise InputError(f"{len(problems)} problem{'s' * (len(problems) != 1)} in {path}", problems)
    try:
        return path, written.split(path.read_text(encoding="utf-8"))[0]
    except (OSError, UnicodeDecodeError) as fault:
        raise IchBenchError(f"{path} cannot be read: {printable(str(fault))}.") from fault


def _check_manifest(person: str, where: str) -> tuple[Manifest, list[Problem]]:
    import tomllib

    try:
        tables = tomllib.loads(person)
    except (tomllib.TOMLDecodeError, RecursionError) as fault:
        what = f"is not valid TOML: {printable(str(fault))}."
        return Manifest(method="", method_id="", team=""), [Problem(where=where, what=what, mend="Mend that line.")]
    said, problems = check(tables, where=where)
    if "scores" in tables:
        what = "key scores is written by `ich-bench submit`, with hashes; it may not be written by hand."
        problems.append(Problem(where=where, what=what, mend="Remove the [[scores]] tables."))
    return said, problems


def _before(place: Path, scores: Sequence[Scores], person: str, *, overwrite: bool) -> Submission | None:
    """Return what was submitted before; IchBenchError where something of it would be replaced in silence."""
    if not place.exists():
        return None
    found, problems = load_submission(place)
    if found is None or problems:
        if overwrite:
            return None
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise IchBenchError(f"{place} is there already and has faults; --overwrite replaces all of it.\n{lines}")
    new = {one.file.path.name: one.file for one in scores}
    differ = [
        f"scores/{file.path.name}"
        for file in found.scores
        if file.path.name in new and not _same(file, new[file.path.name])
    ]
    if written.split((place / FILE).read_text(encoding="utf-8"))[0].rstrip() != person.rstrip():
        differ.append(FILE)
    if differ and not overwrite:
        raise IchBenchError(
            f"{place} was submitted before with another {' and another '.join(differ)}.\n"
            "Add --overwrite to replace what differs, or choose another --name and set supersedes."
        )
    return found


def _same(old: ScoreFile, new: ScoreFile) -> bool:
    """Return whether two score files say the same, wherever they lie and however far they were verified."""
    return dataclasses.replace(old, path=new.path, sha256=new.sha256, level=new.level) == new


def _write(
    place: Path, person: str, said: Manifest, scores: Sequence[Scores], before: Submission | None
) -> tuple[str, ...]:
    """Build the folder beside its place, then put it there in one step; return the files that are new or changed."""
    part = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.part")
    old = part.with_suffix(".old")
    files = {file.path.name: file for file in before.scores} if before else {}
    try:
        if before:
            shutil.copytree(place, part)
        (part / "scores").mkdir(parents=True, exist_ok=True)
        for one in scores:
            name = one.file.path.name
            file = dataclasses.replace(one.file, sha256=store.write_scores(one.table, part / "scores" / name))
            level = "predictions public" if said.predictions_url else "self-reported"
            if name in files and files[name].sha256 == file.sha256:
                level = files[name].level  # the same numbers stay as far verified as they were
            files[name] = dataclasses.replace(file, level=level)
        text = written.joined(person, [files[name] for name in sorted(files)])
        (part / FILE).write_text(text, encoding="utf-8")
        changed = tuple(_changed(part, place))
        if changed:
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.exists():
                place.rename(old)
            part.rename(place)
    except OSError as fault:
        if old.exists() and not place.exists():
            old.rename(place)
        raise IchBenchError(f"cannot write {place}: {fault.strerror or fault}. Nothing was changed.") from fault
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return changed


def _changed(part: Path, place: Path) -> Iterator[str]:
    for path in sorted(path for path in part.rglob("*") if path.is_file()):
        name = path.relative_to(part)
        if store.file_sha256(path) != store.file_sha256(place / name):
            yield name.as_posix()


def _notes(found: Submission) -> Iterator[str]:
    for file in found.scores:
        reasons = found.why_unranked(file)
        if reasons:
            yield f"{file.path.name} will be shown, not ranked: {'; '.join(reasons)}."
        if file.published == "metrics":
            yield (
                f"{file.path.name} holds case, fold, status and metrics to four decimals: {file.dataset} allows no "
                "more to be published. Keep the full score file of `evaluate`."
            )
        for warning in file.warnings:
            yield f"{file.path.name}: {printable(warning)}"
    if found.seeds == 1 and found.manifest.supervision != "none":
        yield "one training run: the board says so. Several seeds show how much luck is in it."
