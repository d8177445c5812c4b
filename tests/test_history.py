"""Older versions of a submission, and what git knows of the folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ich_bench.submissions import history
from ich_bench.submissions.model import Manifest, Submission

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def _one(slug: str, supersedes: str = "", *, submitted: bool = True) -> Submission:
    said = Manifest(method=slug, method_id="m", team="t", supersedes=supersedes)
    return Submission(slug=slug, folder=Path(slug), manifest=said, scores=(), submitted=submitted)


def test_the_chain_of_older_versions_is_followed_to_its_end_and_a_ring_is_left() -> None:
    new, middle, old = _one("new", "middle"), _one("middle", "old"), _one("old", "new")
    assert history.earlier(new, (new, middle, old)) == ("middle", "old")
    assert history.earlier(_one("lone"), (new, middle)) == ()
    assert history.earlier(_one("mine", "gone"), ()) == ("gone",)  # named, and nowhere to be found
    assert history.later(middle, (new, middle, old)) == ("new",)


@needs_git
def test_what_was_added_changed_and_removed_is_told_newest_first(tmp_path: Path) -> None:
    shelf = tmp_path / "submissions"
    _write(shelf / "one" / "submission.toml", "a")
    _write(shelf / "one" / "scores" / "x.parquet", "1")
    _write(shelf / "reported" / "paper.toml", "no submission")
    _write(shelf / "README.md", "no submission")
    _git(tmp_path, "init", "-q")
    _commit(tmp_path, "2030-01-02", "one comes")
    _write(shelf / "one" / "scores" / "x.parquet", "2")
    _write(shelf / "two" / "submission.toml", "b")
    _commit(tmp_path, "2030-01-03", "one scored again,\ttwo comes")
    shutil.rmtree(shelf / "one")
    _commit(tmp_path, "2030-02-01", "one withdrawn")
    log = history.changes(shelf)
    assert log.lacking == ""
    assert [(change.date, change.slug, change.what) for change in log.changes] == [
        ("2030-02-01", "one", "removed"),
        ("2030-01-03", "one", "changed"),
        ("2030-01-03", "two", "added"),
        ("2030-01-02", "one", "added"),
    ]
    assert [change.subject for change in log.of("two")] == ["one scored again,\ttwo comes"]


@needs_git
def test_a_folder_without_history_says_so_and_is_no_error(tmp_path: Path) -> None:
    assert "no git checkout" in history.changes(tmp_path).lacking
    assert "no git checkout" in history.changes(tmp_path / "absent").lacking
    _git(tmp_path, "init", "-q")
    assert history.changes(tmp_path).lacking  # a repository without a commit


def test_without_git_there_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git is not installed" in history.changes(tmp_path).lacking


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _commit(home: Path, date: str, message: str) -> None:
    _git(home, "add", "-A")
    _git(home, "commit", "-q", "-m", message, date=f"{date}T12:00:00+0000")


def _git(home: Path, *words: str, date: str = "") -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    when = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date} if date else {}
    subprocess.run(
        ["git", "-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null", "-C", str(home), *words],
        check=True, capture_output=True, env=kept | who | when,
    )  # fmt: skip
