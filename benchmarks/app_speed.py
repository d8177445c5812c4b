"""How soon does the app show 200 methods × 226 cases, and how much memory do ten visitors cost?

    python benchmarks/app_speed.py               # makes the board, starts `ich-bench app`, drives the system's Chromium
    python benchmarks/app_speed.py 20            # fewer methods
    python benchmarks/app_speed.py 200 PAGE …    # only these pages, such as cases

Makes score files with made-up numbers (not timed) and a cache of its own. Then prints: seconds until the server
answers, building the boards included and then with boards that are kept; from navigation to the ranked table, in
a browser that has seen nothing; of each page's switch (median of three); the server's resident memory with ten visitors
who each walk over all pages at once. Seconds are those of a clock: on a busy machine, read the processor's beside it.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from board_speed import make

from ich_bench_app.views import VIEWS

CHROMIUM = os.environ.get("ICH_BENCH_CHROMIUM", "/usr/bin/chromium")
DATASET = "hssayeni"
VISITORS = 10
REPEATS = 3
SECONDS = 1200  # to wait for anything
_QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
          "--disable-sync", "--no-first-run")  # fmt: skip
# A page is there when its heading stands, nothing is stale or running, and what it draws is drawn.
_PAINTED = """title => {
  const app = document.querySelector('[data-testid=stApp]');
  const heading = document.querySelector('h1');
  const still = app && app.getAttribute('data-test-script-state') === 'notRunning';
  const charts = [...document.querySelectorAll('[data-testid=stVegaLiteChart]')];
  const drawn = charts.every(one => one.querySelector('canvas, svg'));
  return heading && heading.textContent.trim() === title && still && drawn
    && !document.querySelector('[data-stale=true]') && !document.querySelector('[data-testid=stSkeleton]');
}"""
_TABLE = """() => [...document.querySelectorAll('[data-testid=stDataFrame] canvas')].some(one => one.width > 0)"""


@contextmanager
def server(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start `ich-bench app` on the runs of a folder, print how long until it answers, and end it."""
    words = [sys.executable, "-m", "ich_bench", "app", "--submissions", str(folder / "none"), "--with",
             str(folder / "runs"), "--port", str(port)]  # fmt: skip
    log = (folder / "server.log").open("ab")
    start = time.perf_counter()
    running = subprocess.Popen(
        words, stdout=log, stderr=log, env=os.environ | {"ICH_BENCH_CACHE": str(folder / "cache")}
    )
    try:
        while not answers(port):
            if running.poll() is not None or time.perf_counter() - start > SECONDS:
                raise SystemExit(f"the server did not start:\n{(folder / 'server.log').read_text('utf-8')}")
            time.sleep(0.05)
        said(f"server answers after{' building the boards' * (not (folder / 'built').exists())}", start, running.pid)
        (folder / "built").touch()
        yield running
    finally:
        running.terminate()
        try:
            running.wait(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1) as answer:
            return bool(answer.read() == b"ok")
    except OSError:
        return False


def said(what: str, start: float, pid: int, busy: float = 0.0) -> None:
    print(f"{what:<58}{time.perf_counter() - start:7.2f} s   ({processor(pid) - busy:.2f} s of the server's processor)",
          flush=True)  # fmt: skip


def processor(pid: int) -> float:
    """Return the seconds of processor a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> tuple[float, float]:
    """Return what a process holds in memory now and held at most."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return int(found["VmRSS"]) / 1000, int(found["VmHWM"]) / 1000


def painted(page: Any, file: str) -> None:
    page.wait_for_function(_PAINTED, arg=VIEWS[file].title, timeout=SECONDS * 1000)


def first_paint(browser: Any, url: str, pid: int) -> None:
    """Print the time from navigation to the ranked table, in a context without a cache."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    start, busy = time.perf_counter(), processor(pid)
    page.goto(f"{url}/?dataset={DATASET}", wait_until="commit")
    page.wait_for_function(_TABLE, timeout=SECONDS * 1000)
    said("first paint: navigation to the ranked table", start, pid, busy)
    painted(page, "leaderboard")
    said("first paint: until nothing moves any more", start, pid, busy)
    context.close()


def switches(browser: Any, url: str, pid: int, files: Sequence[str]) -> None:
    """Print how long each page takes when a visitor goes there by the menu."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(f"{url}/?dataset={DATASET}")
    painted(page, "leaderboard")
    for file in files:
        other = "about" if file != "about" else "leaderboard"
        seconds, busy = [], []
        for _ in range(REPEATS):
            go(page, other)
            before, start = processor(pid), time.perf_counter()
            go(page, file)
            seconds.append(time.perf_counter() - start)
            busy.append(processor(pid) - before)
        first, middle = seconds[0], statistics.median(seconds)
        print(f"{'to ' + VIEWS[file].title:<58}{middle:7.2f} s   ({statistics.median(busy):.2f} s of the server's "
              f"processor; the first time {first:.2f} s, {busy[0]:.2f} s)", flush=True)  # fmt: skip
    context.close()


def go(page: Any, file: str) -> None:
    page.locator("[data-testid=stSidebarNavLink]", has_text=VIEWS[file].title).first.click()
    painted(page, file)


def crowd(browser: Any, url: str, pid: int, files: Sequence[str]) -> None:
    """Print the server's memory while ten visitors, each in a context of their own, walk over the pages at once."""
    pages = [browser.new_context(viewport={"width": 1280, "height": 900}).new_page() for _ in range(VISITORS)]
    for page in pages:
        page.goto(f"{url}/?dataset={DATASET}", wait_until="commit")
    for step in range(len(files)):
        for number, page in enumerate(pages):
            file = files[(step + number) % len(files)]
            page.goto(f"{url}/{file}?dataset={DATASET}", wait_until="commit")
        for number, page in enumerate(pages):
            painted(page, files[(step + number) % len(files)])
    now, most = memory_mb(pid)
    what = f"memory with {VISITORS} visitors on {len(files)} pages"
    print(f"{what:<58}{now:5.0f} MB   (at most {most:.0f} MB)", flush=True)
    for page in pages:
        page.context.close()


def main(methods: int, files: Sequence[str]) -> None:
    """Measure the app on a board of so many methods."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise SystemExit("this needs playwright: pip install 'ich-bench[test]'") from None
    if not Path(CHROMIUM).exists():
        raise SystemExit(f"there is no browser {CHROMIUM}: apt install chromium, or name one in ICH_BENCH_CHROMIUM.")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make(folder / "runs", methods)
        (folder / "none").mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        load = f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
        print(f"{methods} methods × 226 cases; {load}")
        with server(folder, port) as running:
            print(f"{'memory after building':<58}{memory_mb(running.pid)[0]:5.0f} MB")
        with server(folder, port) as running, sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
            print(f"{'memory before the first visitor':<58}{memory_mb(running.pid)[0]:5.0f} MB")
            first_paint(browser, url, running.pid)
            first_paint(browser, url, running.pid)
            switches(browser, url, running.pid, files)
            crowd(browser, url, running.pid, files)
            browser.close()


if __name__ == "__main__":
    wanted = sys.argv[2:] or list(VIEWS)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200, wanted)
