"""A real headless Chromium for the browser tests: how it is started, and what its pages complained of."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HOSTILE = "<img src=x onerror=alert(1)> ![x](http://evil.example/x.png) $x^2$ :red[r] [a](javascript:alert(1))"
SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync")  # fmt: skip


@dataclass
class Seen:
    """What a page complained of, asked for elsewhere, or popped up."""

    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def assert_quiet(self) -> None:
        """Fail where the console held an error, another host was asked, or a dialog opened."""
        assert (self.errors, self.foreign, self.dialogs) == ([], [], [])


@dataclass(frozen=True)
class Server:
    """A running app: its address, and the folder of OUT folders whose rows it shows."""

    url: str
    runs: Path


def chromium() -> str | None:
    """Return the path of the machine's own Chromium, None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def watched(page: Any, seen: Seen) -> Any:
    """Return the page, with whatever it complains of noted in `seen`."""
    page.set_default_timeout(60_000)
    page.on("console", lambda said: seen.errors.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda fault: seen.errors.append(str(fault)))
    page.on("request", lambda asked: seen.foreign.append(asked.url) if _foreign(asked.url) else None)
    page.on("websocket", lambda asked: seen.foreign.append(asked.url) if _foreign(asked.url) else None)
    page.on("dialog", lambda shown: (seen.dialogs.append(shown.message), shown.dismiss()))
    return page


def _foreign(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in ("data", "blob", "about") and parts.hostname != "127.0.0.1"


def opened(tab: Any, server: Server, view: str = "", query: str = "") -> Any:
    """Open a page and wait until Streamlit has run it through; return the tab."""
    tab.goto(f"{server.url}/{view}{'?' + query if query else ''}")
    settled(tab)
    return tab


def settled(tab: Any) -> None:
    """Wait until the title stands and the script has stopped running."""
    tab.wait_for_selector("h1")
    tab.wait_for_function("document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'")
