"""Whose turn is it: one evaluation at a time on the whole server, first come, first served."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ich_bench.errors import IchBenchError
from ich_bench_app.upload.limits import MOST_WAITING

_LOOK_S = 0.3


class Line:
    """A queue of visitors. Who leaves it, by whatever way, makes room for the next."""

    def __init__(self, *, most_waiting: int = MOST_WAITING) -> None:
        self._tickets: list[object] = []
        self._lock = threading.Lock()
        self._most_waiting = most_waiting

    def __len__(self) -> int:
        """Return how many are being served or wait."""
        return len(self._tickets)

    @contextmanager
    def turn(self, waiting: Callable[[int], None]) -> Iterator[None]:
        """Enter when it is this visitor's turn; `waiting(ahead)` is called again and again until then.

        IchBenchError where too many wait already.
        """
        ticket = object()
        with self._lock:
            if len(self._tickets) > self._most_waiting:
                raise IchBenchError(
                    f"{self._most_waiting} uploads wait already, and one is scored at a time. Try again in some "
                    "minutes, or score on your own machine: the command is below."
                )
            self._tickets.append(ticket)
        try:
            while ahead := self._ahead(ticket):
                waiting(ahead)
                time.sleep(_LOOK_S)
            yield
        finally:
            with self._lock:
                self._tickets.remove(ticket)

    def _ahead(self, ticket: object) -> int:
        with self._lock:
            return self._tickets.index(ticket)


SERVER = Line()  # of this server, shared by all its visitors
