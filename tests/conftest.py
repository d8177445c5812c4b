"""What every test shares: places of its own, and no skip that hides a missing package in CI."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("shared-machine", settings(), deadline=None)  # a busy machine fails no test
settings.load_profile("shared-machine")


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Drawn heads go to one folder for the whole run, shared by the workers, never to the user's own cache."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICH_BENCH_CACHE", str(shared / "ich-bench-cache"))
        yield


@pytest.fixture(autouse=True)
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a test remembers reaches the user's configuration or another test."""
    monkeypatch.setenv("ICH_BENCH_CONFIG", str(tmp_path / ".ich-bench-config"))
    monkeypatch.delenv("ICH_BENCH_DATA", raising=False)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """In CI, a test that skips because a package or the browser is missing has failed."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    reason = str(report.longrepr)
    if os.environ.get("CI") and report.skipped and ("could not import" in reason or "no browser" in reason):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped in CI: {reason}"


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """The same for a whole module that skips while it is collected."""
    if os.environ.get("CI") and report.skipped and "could not import" in str(report.longrepr):
        report.outcome = "failed"
