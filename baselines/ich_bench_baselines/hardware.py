"""On what does a training run, and which device is meant by `auto`?"""

from __future__ import annotations

import os
import platform

import torch

from ich_bench.errors import UsageError
from ich_bench.escape import printable


def chosen_device(asked: str = "auto") -> str:
    """Return `cpu`, `cuda` or `cuda:N`; UsageError where there is no such device here."""
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = asked.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()):
        raise UsageError(f"there is no device {printable(asked)!r}. Known: auto, cpu, cuda, cuda:0 …")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"--device {asked}: torch {torch.__version__} finds no GPU here. Leave --device away, or cpu.")
    if number and int(number) >= torch.cuda.device_count():
        raise UsageError(f"--device {asked}: there are {torch.cuda.device_count()} GPUs, counted from 0.")
    return asked


def hardware(device: str) -> str:
    """Return the device in words, as a manifest says it: "1 x NVIDIA H200" or "4 threads of x86_64 CPU"."""
    if torch.device(device).type == "cuda":
        count = int(os.environ.get("WORLD_SIZE", "1"))
        return f"{count} x {torch.cuda.get_device_name(torch.device(device))}"
    count = torch.get_num_threads()
    return f"{count} thread{'' if count == 1 else 's'} of a {platform.machine() or 'unknown'} CPU"
