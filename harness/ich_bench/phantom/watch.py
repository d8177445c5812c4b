"""Who is told while a dataset is drawn because a command needs it: no one, until a program says so."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar

Progress = Callable[[int, int], None]


def _nobody(what: str) -> AbstractContextManager[Progress | None]:
    return nullcontext()


drawing: ContextVar[Callable[[str], AbstractContextManager[Progress | None]]] = ContextVar("drawing", default=_nobody)
