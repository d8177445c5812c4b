"""What became of submissions over time: the older versions of one, and what came, changed and went in the folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ich_bench.submissions.load import REPORTED
from ich_bench.submissions.model import Submission
from ich_bench.submissions.schema import FILE

What = Literal["added", "changed", "removed"]
MOST = 500  # commits that are looked at, newest first
_SECONDS = 10
_START = "\x1e"  # before each commit's line; no file name that git prints holds it (it would be quoted)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one commit did to one submission. `date` is YYYY-MM-DD, `subject` the commit's first line, not escaped."""

    date: str
    slug: str
    what: What
    commit: str
    subject: str


@dataclass(frozen=True, kw_only=True)
class Log:
    """The changes of a folder of submissions, newest first; `lacking` says why there are none to be had."""

    changes: tuple[Change, ...] = ()
    lacking: str = ""

    def of(self, slug: str) -> tuple[Change, ...]:
        """Return the changes of one submission, newest first."""
        return tuple(change for change in self.changes if change.slug == slug)


def earlier(one: Submission, others: Sequence[Submission]) -> tuple[str, ...]:
    """Return the slugs that a submission replaces, newest first: what `supersedes` names, and what that one named."""
    by_slug = {other.slug: other for other in others if other.submitted}
    found: list[str] = []
    here: Submission | None = one
    while here is not None and (older := here.manifest.supersedes) and older not in (*found, one.slug):
        found.append(older)
        here = by_slug.get(older)
    return tuple(found)


def later(one: Submission, others: Sequence[Submission]) -> tuple[str, ...]:
    """Return the slugs of the submissions that replace this one by name."""
    return tuple(other.slug for other in others if other.submitted and other.manifest.supersedes == one.slug)


def changes(folder: str | Path) -> Log:
    """Return what git knows of a folder of submissions; read only, and never an error.

    `Log.lacking` says in a sentence why there is no history: no git, no checkout, or a git that does not answer.
    """
    home = Path(folder)
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=true", "-C", str(home), "log",
             f"--max-count={MOST}", "--date=short", f"--format={_START}%h%x09%ad%x09%s", "--name-status",
             "--no-renames", "--no-ext-diff", "--no-textconv", "--no-show-signature", "--relative", "--", "."],
            capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL, env=_environment(),
        )  # fmt: skip
    except FileNotFoundError:
        return Log(lacking="git is not installed here, so there is no history to show.")
    except (OSError, subprocess.TimeoutExpired):
        return Log(lacking="git did not answer, so there is no history to show.")
    if done.returncode:
        return Log(lacking="The folder of submissions is no git checkout, so it has no history.")
    found = tuple(_changes(done.stdout.decode("utf-8", "replace")))
    return Log(changes=found, lacking="" if found else "No submission has been committed in this folder yet.")


def _environment() -> dict[str, str]:
    """Return an environment in which git asks nobody, fetches nothing and writes nothing."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}


def _changes(text: str) -> Iterator[Change]:
    for block in text.split(_START)[1:]:
        head, *lines = block.split("\n")
        commit, date, subject = [*head.split("\t", 2), "", ""][:3]
        files: dict[str, dict[str, str]] = {}
        for line in lines:
            status, _, path = line.partition("\t")
            slug, _, name = path.partition("/")
            if status and name and slug != REPORTED:
                files.setdefault(slug, {})[name] = status[0]
        for slug in sorted(files):
            manifest = files[slug].get(FILE, "M")
            words: dict[str, What] = {"A": "added", "D": "removed"}
            yield Change(date=date, slug=slug, what=words.get(manifest, "changed"), commit=commit, subject=subject)
