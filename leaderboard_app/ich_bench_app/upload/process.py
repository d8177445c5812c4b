"""How is a worker started, listened to and ended, so that nothing of an upload is left, whatever happens?"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import ich_bench_app
from ich_bench_app.upload import outcome, worker
from ich_bench_app.upload.limits import MB, Limits
from ich_bench_app.upload.outcome import Failed, Outcome, Step
from ich_bench_app.upload.worker import Order

_LOG = logging.getLogger(__name__)
PREFIX = "ich-bench-upload-"
COMMAND = (sys.executable, "-P", "-m", worker.__name__)  # -P: no module is looked for where the process stands
_ENDINGS = (".nii.gz", ".tar.gz", ".tgz", ".tar", ".nii")  # kept, so that the reader can say what it is; else .zip
NAMES = ("upload", *(f"upload{one}" for one in (".zip", *_ENDINGS)))  # what an upload is called while it is looked at
_TICK_S = 0.2
_MOST_SAID = 16 * MB
_STALE_S = 3600.0
_ELSEWHERE = "Score on your own machine: the command is below."


def available() -> bool:
    """Return whether this system has the limits that an upload is held under."""
    return os.name == "posix"


def run(
    order: Callable[[Path], Order],
    *,
    tell: Callable[[Step | None], None],
    content: memoryview | bytes = b"",
    name: str = "",
    command: Sequence[str] = COMMAND,
    keep: Callable[[Path], None] | None = None,
) -> Outcome:
    """Let a worker do something with an upload, and return what came of it; nothing is left on disk.

    Args:
        order: Makes the order, given the path of the uploaded file in its private folder.
        tell: Called with each step, and with None some times a second in between; whatever it raises ends the worker.
        content: The upload.
        name: What the visitor calls it; only its ending is used.
        command: What is started.
        keep: Called with the file when all went well, before it is removed.
    """
    with _private_folder() as home:
        file = home / f"upload{next((one for one in _ENDINGS if name.casefold().endswith(one)), '.zip')}"
        asked = order(file)
        if content and shutil.disk_usage(home).free < asked.limits.disk_bytes:
            return Failed(why="the server is short of disk space.", mend=f"Tell its host. {_ELSEWHERE}")
        if content:
            file.write_bytes(content)
        (home / "tmp").mkdir(mode=0o700)
        with (home / "log").open("wb") as log:
            came = _listened(asked, home, command, log.fileno(), tell)
        if came is None:
            return _broken((home / "log").read_bytes()[-4000:])
        if keep is not None:
            keep(file)
        return came


def _listened(
    order: Order, home: Path, command: Sequence[str], log: int, tell: Callable[[Step | None], None]
) -> Outcome | None:
    """Return the outcome that a worker says, or a Failed for the limit that it met; None where it broke."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        cwd=home,
        env=environment(home),
        start_new_session=True,  # a group of its own, which is ended as a whole
    )
    try:
        if process.stdin is None or process.stdout is None:
            return None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(order.line())
            process.stdin.flush()
        came = _heard(process.stdout.fileno(), home, order.limits, tell)
        if came is not None:
            return came
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
        return _ended(process.returncode, order.limits)
    finally:
        _kill(process)


def _heard(pipe: int, home: Path, limits: Limits, tell: Callable[[Step | None], None]) -> Outcome | None:
    """Return what a worker says in the end or the limit that the server keeps; None where it says nothing more."""
    began, held, said = time.monotonic(), bytearray(), 0
    os.set_blocking(pipe, False)
    with selectors.DefaultSelector() as ready:
        ready.register(pipe, selectors.EVENT_READ)
        while True:
            if time.monotonic() - began > limits.wall_s:
                return Failed(
                    why=f"it took longer than {limits.wall_s:.0f} seconds, the most that an upload may take.",
                    mend=_ELSEWHERE,
                )
            if _size(home) > limits.disk_bytes:
                why = f"it unpacks to more than the {limits.disk_bytes / 1e9:g} GB that an upload may take."
                return Failed(why=why, mend=f"Save the masks as uint8. {_ELSEWHERE}")
            if not ready.select(_TICK_S):
                tell(None)
                continue
            block = os.read(pipe, 1 << 16)
            if not block:
                return None
            said += len(block)
            if said > _MOST_SAID:
                return Failed(why="the evaluation says more than can be shown.", mend=_ELSEWHERE)
            held += block
            if b"\n" not in block:
                continue
            *lines, held = held.split(b"\n")
            for text in lines:
                try:
                    heard = outcome.read(bytes(text))
                except ValueError:
                    _LOG.exception("a worker said what no worker says")
                    return None
                if not isinstance(heard, Step):
                    return heard
                tell(heard)


def _ended(status: int | None, limits: Limits) -> Failed | None:
    """Return why a worker that said nothing ended, where its signal tells."""
    if status == -signal.SIGXCPU:
        return Failed(why=f"it needed more than {limits.cpu_s} seconds of computing.", mend=_ELSEWHERE)
    if status == -signal.SIGKILL:
        why = "the evaluation was killed, most likely because memory ran out."
        return Failed(why=why, mend=f"Try again later. {_ELSEWHERE}")
    return None


def _broken(log: bytes) -> Failed:
    number = secrets.token_hex(4)
    _LOG.error("upload error %s: %s", number, log.decode(errors="replace"))
    return Failed(
        why=f"the evaluation crashed (error {number}); the server's log says where.",
        mend=f"Nothing of the upload was kept. {_ELSEWHERE}",
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a worker with all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            if pipe is not None:
                pipe.close()


def environment(home: Path) -> dict[str, str]:
    """Return the few variables a worker needs: none of the server's options, places or secrets."""
    app = str(Path(ich_bench_app.__file__).parent)  # put there by Streamlit; its modules are found in the package
    path = [one for one in sys.path if one and str(Path(one)) != app]
    libraries = ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "ITK_GLOBAL_DEFAULT_NUMBER_OF")
    threads = {f"{library}_THREADS": "1" for library in libraries}
    places = {"HOME": str(home), "TMPDIR": str(home / "tmp")}
    return {
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "LANG": "C.UTF-8",
        **threads,
        **places,
    }


@contextmanager
def _private_folder() -> Iterator[Path]:
    """Yield a folder that its owner alone can read; it is removed by whatever way this ends."""
    sweep()
    home = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))  # mode 0700
    try:
        yield home
    finally:
        for _ in range(3):  # a process that was just killed may still have written a file
            shutil.rmtree(home, ignore_errors=True)
            if not home.exists():
                break
            time.sleep(_TICK_S)
        else:
            _LOG.error("%s could not be removed", home)


def sweep() -> None:
    """Remove what a server that was killed left behind: folders of ours, an hour old, whose process is gone."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError, ValueError):
            about = left.lstat()
            owner = int(left.name.removeprefix(PREFIX).split("-")[0])
            old = time.time() - about.st_mtime > _STALE_S
            if about.st_uid == os.getuid() and old and owner != os.getpid() and not _lives(owner):
                shutil.rmtree(left, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _size(folder: Path) -> int:
    """Return the bytes of the files below a folder, of what is there at this moment."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += (Path(place) / name).lstat().st_size
    return total
