"""How the verbs talk: stdout is data, stderr is talk; a bar on a terminal, a plain line every ten seconds elsewhere."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
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


def talk_fault(fault: Exception) -> None:
    """Print an error to stderr; on a terminal its lines are wrapped under their own indent."""
    lines = str(fault).splitlines()
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        lines = [part for line in lines for part in _folded(line, width)]
    talk("\n".join(lines))


def _folded(line: str, width: int) -> list[str]:
    margin = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(
        line, width, subsequent_indent=f"{margin}    ", break_long_words=False, break_on_hyphens=False
    ) or [""]


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
        bar = Progress(*columns, console=Console(stderr=True))
        task = bar.add_task(what, total=None)

        def tick(done: int, total: int) -> None:
            bar.start()  # only once there is something to show: a refusal needs no bar
            bar.update(task, completed=done, total=total)

        try:
            yield tick
        finally:
            bar.stop()
        return
    last = time.monotonic()

    def line(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            talk(f"{what} {done}/{total}")

    yield line
