"""What is installed here, where data and caches lie, what is missing, and how to mend it."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import ich_bench
from ich_bench.datasets import DATASETS
from ich_bench.errors import IchBenchError
from ich_bench.places import cache_folder, config_folder, data_folder


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the examination: `ok`, `absent` (nothing is broken) or `broken`, with what to do."""

    what: str
    state: str
    detail: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.state:7} {self.what:22} {self.detail}" + (f"\n{'':31}{self.mend}" if self.mend else "")

    def as_dict(self) -> dict[str, Any]:
        """Return the finding for JSON."""
        return {"what": self.what, "state": self.state, "detail": self.detail, "mend": self.mend}


def examine() -> tuple[Finding, ...]:
    """Return the findings: Python, each needed library, each extra, writable places, each dataset."""
    python = ".".join(map(str, sys.version_info[:3]))
    findings = [Finding(what="ich-bench", state="ok", detail=f"{ich_bench.__version__} on Python {python}")]
    findings += [_library(line) for line in requires("ich-bench") or () if "extra ==" not in line]
    findings += [_extra(name, module) for name, module in (("nnunet", "nnunetv2"), ("test", "pytest"))]
    findings += [
        _place("cache", cache_folder(), "ICH_BENCH_CACHE"),
        _place("config", config_folder(), "ICH_BENCH_CONFIG"),
    ]
    findings += [_dataset(name) for name in DATASETS if not name.startswith("phantom")]
    return tuple(findings)


def _library(requirement: str) -> Finding:
    from packaging.requirements import Requirement

    wanted = Requirement(requirement)
    try:
        here = version(wanted.name)
    except PackageNotFoundError:
        return Finding(what=wanted.name, state="broken", detail="not installed", mend=f"pip install '{requirement}'")
    if not wanted.specifier.contains(here, prereleases=True):
        detail = f"{here}, but {wanted.specifier} is needed"
        return Finding(what=wanted.name, state="broken", detail=detail, mend=f"pip install '{requirement}'")
    return Finding(what=wanted.name, state="ok", detail=here)


def _extra(extra: str, package: str) -> Finding:
    try:
        return Finding(what=f"[{extra}] {package}", state="ok", detail=version(package))
    except PackageNotFoundError:
        mend = f"Only if you need it: pip install 'ich-bench[{extra}]'"
        return Finding(what=f"[{extra}] {package}", state="absent", detail="not installed", mend=mend)


def _place(what: str, folder: Path, variable: str) -> Finding:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as fault:
        mend = f"Set {variable} to a folder you may write to."
        return Finding(what=what, state="broken", detail=f"{folder}: {fault.strerror}", mend=mend)
    chosen = " (from the environment)" if os.environ.get(variable) else ""
    return Finding(what=what, state="ok", detail=f"{folder}{chosen}")


def _dataset(name: str) -> Finding:
    try:
        return Finding(what=name, state="ok", detail=str(data_folder(name)))
    except IchBenchError:
        mend = f"`ich-bench datasets {name}` says how to get it; then `ich-bench prepare {name} --source DIR`."
        return Finding(what=name, state="absent", detail="not on this machine, as far as ich-bench knows", mend=mend)
