"""What does the process do that looks at one upload: unpack, check, score, and say so line by line.

Started by `ich_bench_app.upload.process` as `python -m ich_bench_app.upload.worker`, with its order as the first line
on stdin and nothing after it: when stdin ends, the server is gone, and so is this process with all that it wrote.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ich_bench.errors import IchBenchError, InputError, Problem
from ich_bench_app.upload.limits import Limits, apply

if TYPE_CHECKING:
    from ich_bench_app.upload.outcome import Outcome, Step

Tell = Callable[["Step"], None]
SCORE, EXAMPLE = "score", "example"
OUT_OF_MEMORY = (
    "the evaluation needed more memory than an upload may take.",
    "Score on your own machine: the command is below.",
)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to do: `score` the zip `file`, or write the example there; `home` is the one folder to write to.

    `dataset` is an id (in tests also a folder of reference masks), `data` its folder on this machine, None for a folder
    of masks. `draw`: the heads may be drawn there first (`phantom-mini` alone is so small that a visitor can wait).
    """

    do: str
    dataset: str
    file: str
    home: str
    data: str | None = None
    draw: bool = False
    limits: Limits = field(default_factory=Limits)

    def line(self) -> bytes:
        """Return the order as one line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, text: bytes) -> Order:
        """Return the order of a line."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**{**fields, "limits": Limits(**fields["limits"])})


def main() -> int:
    """Read the order, put the limits on this process, obey; 0 when an outcome was said, 1 when there was a bug."""
    order = Order.read(sys.stdin.buffer.readline())
    apply(order.limits)
    threading.Thread(target=_end_with_the_server, args=(order.home,), daemon=True).start()
    said = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is no outcome
    try:
        from ich_bench_app.upload import outcome

        with contextlib.suppress(BrokenPipeError):
            said.write(outcome.line(obey(order, lambda step: _write(said, outcome.line(step)))))
    except MemoryError:
        _write(said, json.dumps({"kind": "failed", "why": OUT_OF_MEMORY[0], "mend": OUT_OF_MEMORY[1]}).encode() + b"\n")
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def obey(order: Order, tell: Tell) -> Outcome:
    """Return what came of an order; `tell` hears of each step."""
    from ich_bench_app.upload.outcome import Failed, Faulty, Scored

    try:
        if order.draw and order.data is not None:
            from ich_bench.phantom.library import make

            make(order.dataset, Path(order.data), progress=_counted("drawing the heads", tell))
        if order.do == EXAMPLE:
            from ich_bench_app.upload.example import write

            write(Path(order.file), dataset=order.dataset, data=Path(order.data or ""), tell=tell)
            return Scored(suite=0, profile="", scheme="", status="", fold_sha256="", dataset_sha256="", runs=())
        return score(order, tell)
    except InputError as fault:  # of the archive as a whole
        return Faulty(problems=_without_places(fault.problems, order), refused=True)
    except IchBenchError as fault:
        return Failed(why=_without_place(str(fault), order))


def score(order: Order, tell: Tell) -> Outcome:
    """Return every problem of a zip, or its scores: by `validate` and `evaluate`, as the commands of these names do."""
    from ich_bench.predictions import archive
    from ich_bench.predictions.validation import validate
    from ich_bench.runs.evaluation import evaluate
    from ich_bench.tables.summary import summarise
    from ich_bench_app.upload.outcome import Faulty, Step, scored

    tell(Step(stage="unpacking the zip"))
    with archive.extracted(Path(order.file)) as folder:
        tell(Step(stage="checking names and headers"))
        report = validate(order.dataset, folder, data=order.data, progress=_counted("checking the masks", tell))
        if report.problems:
            return Faulty(
                problems=_without_places(report.problems, order),
                warnings=report.warnings,
                ignored=report.ignored,
                files=report.files,
                fine=report.fine,
            )
        tell(Step(stage="scoring"))
        out = Path(order.home) / "out"
        try:
            run = evaluate(order.dataset, folder, out=out, data=order.data, progress=_counted("scoring", tell))
        except InputError as fault:  # said by `validate` already, unless a file changed in between
            return Faulty(problems=_without_places(fault.problems, order), files=report.files)
        warnings = dict.fromkeys([*run.warnings, *report.warnings])
        return scored(summarise(run.scores), warnings=tuple(warnings), ignored=run.ignored)


def _counted(stage: str, tell: Tell) -> Callable[[int, int], None]:
    from ich_bench_app.upload.outcome import Step

    return lambda done, of: tell(Step(stage=stage, done=done, total=of))


def _without_places(problems: tuple[Problem, ...], order: Order) -> tuple[Problem, ...]:
    """Return the problems without the folders of this machine, which are nobody's business."""
    return tuple(
        Problem(**{name: _without_place(text, order) for name, text in asdict(problem).items()}) for problem in problems
    )


def _without_place(text: str, order: Order) -> str:
    for place, words in ((order.home, "the upload"), (order.data, f"the server's {order.dataset}")):
        text = text.replace(place, words) if place else text
    return text


def _write(said: Any, text: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):
        said.write(text)


def _end_with_the_server(home: str) -> None:
    """Wait until stdin ends, which the server holds open for as long as it lives; then leave nothing behind."""
    with contextlib.suppress(OSError, ValueError):
        while os.read(0, 1):
            pass
    shutil.rmtree(home, ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
