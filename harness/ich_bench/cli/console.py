"""How the verbs talk: stdout is data, stderr is talk; a bar on a terminal, a plain line every ten seconds elsewhere."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

SECONDS_BETWEEN_LINES = 10.0


def data(text: str) -> None:
    """Print to stdout."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def data_json(value: Any) -> None:
    """Print strict JSON to stdout: undefined is null, infinity the string "inf"."""
    data(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def talk(text: str) -> None:
    """Print to stderr."""
    print(text, file=sys.stderr, flush=True)


def talk_list(headline: str, lines: Iterable[object], most: int = 12) -> None:
    """Print a headline and its lines to stderr, the first `most` of them; nothing where there are none."""
    told = [str(line) for line in lines]
    if not told:
        return
    talk(headline)
    for line in told[:most]:
        talk(f"  {line}")
    if len(told) > most:
        talk(f"  … and {len(told) - most} more")


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a callback for (done, total): a bar on a terminal, else a line every ten seconds."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=False) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    last = time.monotonic()

    def line(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            talk(f"{what} {done}/{total}")

    yield line
