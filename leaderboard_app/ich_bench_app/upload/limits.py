"""How much may one upload take: seconds, memory, disk, files; and how a process puts the limits on itself."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

MB, GB = 1_000_000, 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one evaluation; the deployment page lists them.

    `wall_s` is kept by the server, which ends the whole process group, and so is `disk_bytes`, all that may lie in the
    upload's folder. The others are the operating system's: CPU seconds, address space, data segment, one written file,
    open files; `nice` is added to the priority.
    """

    wall_s: float = 600.0
    cpu_s: int = 600
    address_bytes: int = 4 * GB
    data_bytes: int = 3 * GB
    file_bytes: int = 300 * MB
    disk_bytes: int = 1 * GB
    open_files: int = 256
    nice: int = 10


UPLOAD_BYTES = 200 * MB  # the largest upload that is looked at
MOST_PER_VISIT = 20  # evaluations in one browser tab
MOST_WAITING = 5  # visitors in the queue


def apply(limits: Limits) -> None:
    """Put the limits on this process and all that it starts; there is no way back up.

    What a system does not know is left out: macOS has no working limit of the address space.
    """
    import resource

    os.umask(0o077)
    with contextlib.suppress(OSError):
        os.nice(limits.nice)
    with contextlib.suppress(OSError):  # where memory runs out, Linux is to end this process, not the server
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: limits.cpu_s,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_NOFILE: limits.open_files,
    }
    if sys.platform.startswith("linux"):
        wanted |= {resource.RLIMIT_AS: limits.address_bytes, resource.RLIMIT_DATA: limits.data_bytes}
    for kind, most in wanted.items():
        hard = resource.getrlimit(kind)[1]
        own = most if hard == resource.RLIM_INFINITY else min(most, hard)
        last = own + 5 if kind == resource.RLIMIT_CPU and own == most else own  # told first (SIGXCPU), killed 5 s later
        resource.setrlimit(kind, (own, last if hard == resource.RLIM_INFINITY else min(last, hard)))
