"""A running app and a real headless Chromium for the browser tests, with everything that the browser complained of."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chromium import HOSTILE, SWITCHES, Seen, Server, chromium, watched
from ich_bench.demo import demo

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("streamlit")
_UP_WITHIN_S = 120


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's three methods on drawn heads, one of them under a hostile name."""
    out = tmp_path_factory.mktemp("demo")
    demo(out, jobs=1)
    manifest = next(iter(sorted(out.iterdir()))) / "submission.toml"
    said = manifest.read_text("utf-8").splitlines()
    manifest.write_text("\n".join([f"method = {json.dumps(HOSTILE)}", *said[1:]]) + "\n", "utf-8")
    return out


@pytest.fixture(scope="session")
def server(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app, as `ich-bench app` starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("server")
    empty = home / "submissions"
    (empty / "reported").mkdir(parents=True)
    env = os.environ | {"ICH_BENCH_CONFIG": str(home / "config")}
    program = [
        sys.executable,
        "-c",
        "from ich_bench.cli import main; main()",
        "app",
        "--with",
        str(runs),
        "--port",
        str(port),
    ]
    log = home / "log.txt"
    with log.open("wb") as out, subprocess.Popen(program, cwd=home, env=env, stdout=out, stderr=out) as running:
        url = f"http://127.0.0.1:{port}"
        try:
            _wait(url, running, log)
            yield Server(url=url, runs=runs)
        finally:
            running.terminate()
            try:
                running.wait(20)
            except subprocess.TimeoutExpired:
                running.kill()


def _wait(url: str, running: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _UP_WITHIN_S
    while time.monotonic() < until:
        assert running.poll() is None, log.read_text("utf-8", "replace")
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"the app did not start:\n{log.read_text('utf-8', 'replace')}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's own Chromium, headless."""
    path = chromium()
    if path is None:
        pytest.skip("no browser: install Debian's package chromium")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=path, args=list(SWITCHES))
        yield started
        started.close()


@pytest.fixture
def seen() -> Seen:
    """What the page of this test complained of."""
    return Seen()


@pytest.fixture
def tab(browser: Any, seen: Seen) -> Iterator[Any]:
    """A fresh visitor's tab of 1280 × 900."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    yield watched(context.new_page(), seen)
    context.close()
