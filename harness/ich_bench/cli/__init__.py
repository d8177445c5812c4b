"""The verbs: `ich-bench VERB`. The only place that prints, and light to import."""

from __future__ import annotations

import io
import sys
import traceback

from ich_bench.cli import (
    baselines,
    baselines_run,
    baselines_studies,
    board,
    calibration,
    console,
    data,
    drawn,
    machine,
    mend,
    report,
    rescore,
    score,
    serve,
    submit,
)
from ich_bench.cli.app import app
from ich_bench.errors import IchBenchError, UsageError
from ich_bench.phantom import watch

__all__ = [
    "app",
    "baselines",
    "baselines_run",
    "baselines_studies",
    "board",
    "calibration",
    "data",
    "drawn",
    "machine",
    "main",
    "mend",
    "report",
    "rescore",
    "score",
    "serve",
    "submit",
]

ORDER = (
    *("demo", "evaluate", "validate", "show"),
    *("datasets", "prepare", "folds", "export"),
    *("regrid", "fix-headers", "calibrate"),
    *("submit", "verify", "rescore", "leaderboard", "compare", "claims", "app", "report", "cite"),
    *("doctor", "cache"),
)
app.registered_commands.sort(key=lambda verb: ORDER.index(str(verb.name or getattr(verb.callback, "__name__", ""))))
DONE, REFUSED, WRONG_USAGE, BUG, INTERRUPTED = 0, 1, 2, 70, 130


def main() -> None:
    """Run one verb and exit: 0 done, 1 the input cannot be used, 2 wrong usage, 130 interrupted, 70 a bug."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a console that lacks a sign shows its code; nothing is lost
            stream.reconfigure(errors="backslashreplace")
    watch.drawing.set(console.progress)
    try:
        app()
    except UsageError as fault:
        print(f"ich-bench: {fault}", file=sys.stderr)
        sys.exit(WRONG_USAGE)
    except IchBenchError as fault:
        console.talk_fault(fault)
        sys.exit(REFUSED)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            print("interrupted; the same command continues where it stopped", file=sys.stderr)
        raise
    except Exception:
        traceback.print_exc()
        print("This is a bug in ich-bench: please report it with the lines above.", file=sys.stderr)
        sys.exit(BUG)
