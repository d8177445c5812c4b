"""How does a training keep other processes from the same folder: on this machine, or on a cluster's shared disk?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO

from ich_bench.errors import IchBenchError
from ich_bench_baselines import distributed

Tell = Callable[[str], None]


@contextmanager
def alone(out: Path, tell: Tell | None = None) -> Iterator[None]:
    """Wait until no other process works on a folder, then hold it until the end of the block.

    The lock is of the open file, so a process that was killed holds none. Of several processes that share one training
    the first waits for all. Where there are no such locks (Windows) nobody waits.

    Args:
        out: The folder that is worked on; its lock lies beside it.
        tell: Told in one sentence where it has to wait.

    Raises:
        IchBenchError: the disk refuses.
    """
    with _held(out, tell) if distributed.leads() else nullcontext():
        distributed.wait()
        yield


def is_taken(out: Path) -> bool:
    """Return whether another process works on a folder now; False where there are no locks."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        with _lock_of(out).open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


@contextmanager
def _held(out: Path, tell: Tell | None) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:
        yield
        return
    with _opened(out) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if tell is not None:
                tell(f"another process works on {out.name}: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _opened(out: Path) -> IO[str]:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        return _lock_of(out).open("w")
    except OSError as fault:
        raise IchBenchError(f"cannot write to {out.parent}: {fault.strerror or fault}.") from fault


def _lock_of(out: Path) -> Path:
    return out.with_name(f".{out.name}.lock")
