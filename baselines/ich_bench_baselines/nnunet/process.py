"""How does nnU-Net run in a process of its own that sees our folders alone and is gone afterwards, whatever happens?

nnU-Net takes its folders and workers from environment variables and prints as it likes. Here it has a process of its
own: its environment is made for it, the caller's stays as it was; what it prints goes to a file; its workers belong to
its process group, which is ended as one. It ends itself when the one who started it is gone: the pipe that it listens
to is closed then, by whatever death.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import torch

from ich_bench.errors import IchBenchError
from ich_bench.escape import printable

CHILD = "ich_bench_baselines.nnunet.child"
PRINTED = "printed.log"
_TMPDIR_MOST = 60  # sockets of the workers lie in TMPDIR; their whole path may have about 100 letters
_CACHES = (
    *("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "TORCH_HOME", "TORCHINDUCTOR_CACHE_DIR"),
    *("TRITON_CACHE_DIR", "CUDA_CACHE_PATH", "NUMBA_CACHE_DIR"),
)
Told = Callable[[Mapping[str, Any]], None]


def environment(work: Path, *, device: str, workers: int, compiled: bool) -> dict[str, str]:
    """Return the environment of the process: nnU-Net's folders, and all that writes caches, below `work`."""
    scratch = work / "scratch"
    short = str(scratch) if len(str(scratch)) <= _TMPDIR_MOST or not Path("/proc/self/cwd").exists() else None
    found = {name: value for name, value in os.environ.items() if not name.lower().startswith("nnunet")}
    found |= {name: str(scratch / name.lower()) for name in _CACHES}
    found |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), short or "/proc/self/cwd")  # the process lives in `scratch`
    found |= {name: str(work / name.removeprefix("nnUNet_")) for name in
              ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}  # fmt: skip
    found |= {
        "nnUNet_n_proc_DA": str(workers),
        "nnUNet_def_n_proc": "1",
        "nnUNet_compile": "true" if compiled else "false",
        "nnUNet_wandb_enabled": "0",
        "PYTHONUNBUFFERED": "1",
    }
    if os.environ.get("PYTHONPATH"):  # seen from another folder than the caller's
        found["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, os.environ["PYTHONPATH"].split(os.pathsep)))
    if device.startswith("cuda:"):  # nnU-Net takes the first GPU that it sees
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        number = int(device.partition(":")[2])
        found["CUDA_VISIBLE_DEVICES"] = seen.split(",")[number] if seen else str(number)
    if workers > 1:
        found["OMP_NUM_THREADS"] = "1"
    return found


def run(spec: Mapping[str, Any], work: Path, env: Mapping[str, str], told: Told) -> None:
    """Run nnU-Net on what `spec` says, and return when it has ended; no process of it is left then.

    Args:
        spec: Plain values, for `nnunet.child`.
        work: The folder that is all its own.
        env: Its environment.
        told: Called with each message of it.

    Raises:
        IchBenchError: it failed, in words; memory or disk are full; it was ended from outside.
    """
    scratch = work / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    (work / "spec.json").write_text(json.dumps(dict(spec)), encoding="utf-8")
    command = [sys.executable, "-m", CHILD, str(work / "spec.json")]
    fault: Mapping[str, Any] | None = None
    child = subprocess.Popen(
        command,
        env=dict(env),
        cwd=scratch,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
        encoding="utf-8",
    )
    try:
        watch = threading.Thread(target=_end_workers, args=(child,), daemon=True)
        watch.start()
        for line in child.stdout or ():
            message = json.loads(line)
            if "fault" in message:
                fault = message
            else:
                told(message)
        watch.join()
    finally:
        end_group(child)
    if fault is not None or child.returncode != 0:
        raise IchBenchError(_words(fault, child.returncode, work))


def _end_workers(child: subprocess.Popen[str]) -> None:
    """End the workers of a process that has ended: they may hold the pipe of its messages open for ever."""
    if hasattr(os, "waitid"):
        with suppress(ChildProcessError):  # `end_group` was there before
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # left as it is: its number is nobody else's
            _kill_group(child)
    else:
        child.wait()


def _kill_group(child: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()


def end_group(child: subprocess.Popen[str]) -> None:
    """End a process and all that it started, and wait until it is gone."""
    if child.returncode is None:
        _kill_group(child)
        child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()


def own_pipe(printed: Path) -> TextIO:
    """In the process: return where messages go; whatever else is printed, by anything, goes to a file from now on."""
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    file = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    return messages


def end_with_parent() -> None:
    """In the process: end it and its workers as soon as the one who started it is gone."""

    def listen() -> None:
        while os.read(0, 1):
            pass
        if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()


def fault_of(fault: BaseException) -> dict[str, str]:
    """Return what a failure is, as a message: of memory, of disk, said in our words already, or other."""
    kind = "other"
    said = str(fault)
    if isinstance(fault, torch.OutOfMemoryError | MemoryError) or "out of memory" in said or "6 feet under" in said:
        kind = "memory"
    elif isinstance(fault, IchBenchError):
        kind = "ours"
    elif isinstance(fault, OSError) or "PytorchStreamWriter" in said:
        kind = "disk"
    return {"fault": kind, "text": said or type(fault).__name__}


def _words(fault: Mapping[str, Any] | None, status: int, work: Path) -> str:
    kind = "gone" if fault is None else fault["fault"]
    text = "" if fault is None else str(fault["text"])
    if kind == "ours":
        return text
    said = printable(text.splitlines()[0] if text else "")[:300]
    log = work / PRINTED
    again = "What is trained is kept: the same command goes on."
    if kind == "memory":
        return (
            f"memory ran out while nnU-Net ran: {said} Try --batch 2, --side 64, or fewer workers (--jobs 1). "
            f"{again} All that it printed: {log}"
        )
    if kind == "disk":
        return f"nnU-Net could not write or read: {said} Free space, or name another --out. {again} Printed: {log}"
    if kind == "gone":
        how = f"signal {-status}" if status < 0 else f"exit code {status}"
        more = "; where nobody ended it, memory ran out" if status == -9 else ""
        return f"nnU-Net's process was ended ({how}{more}). {again} All that it printed: {log}"
    return f"nnU-Net failed: {said} All that it printed: {log}"
