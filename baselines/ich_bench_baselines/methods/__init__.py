"""Which methods are there, and what is each: one file a method, found by its name.

A file `methods/unet_mixed.py` is the method `unet-mixed`. It holds:

    ID, PAPER, ABOUT, SUPERVISION, LABELS   plain text; words of `ich_bench.submissions.terms`
    PARAMETERS                              how many the network that predicts has
    DEPARTURES                              what differs from the paper, numbered
    POOL_ALONE                              optional: True where a job with a pool is trained on nothing but that pool
    CHOICES                                 optional: what `--option NAME=VALUE` takes, the usual value first
    PROFILE                                 optional: the profile by which its paper scores, for `run` to name
    Settings                                a frozen dataclass of `paper(...)`, `code(...)` and `ours(...)` values
    settings(job) -> Settings               as the job asks for them
    train(job) -> Path                      its checkpoint, or parts.json
    load(path, device) -> Predictor         CT → mask
    stages(job) -> tuples                   optional: (part, training cases, epochs, batch, slices or None) of each
                                            training, for `--dry-run`; else its settings of class `Supervised`
    said(job) -> dict                       optional: what the manifest says besides (`manifest`)

The plain values are read from the file without running it, so that the table of methods needs no torch.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, cast

from ich_bench.errors import IchBenchError, UsageError, did_you_mean
from ich_bench.escape import printable

if TYPE_CHECKING:
    from ich_bench.submissions.model import ReportedRow
    from ich_bench_baselines.job import Job
    from ich_bench_baselines.predict import Predictor

_HERE = Path(__file__).parent
_PLAIN = ("ID", "PAPER", "ABOUT", "SUPERVISION", "LABELS", "PARAMETERS", "DEPARTURES", "CHOICES", "POOL_ALONE")


@dataclass(frozen=True, kw_only=True)
class About:
    """What a method's file says of it, without torch; `parameters` None where its size depends on the job."""

    id: str
    paper: str
    about: str
    supervision: str
    labels: tuple[str, ...]
    parameters: int | None
    departures: tuple[str, ...]
    choices: Mapping[str, tuple[str, ...]]
    pool_alone: bool


class Method(Protocol):
    """What the module of a method offers; see the top of this file."""

    ID: str
    SUPERVISION: str
    LABELS: tuple[str, ...]
    Settings: Callable[[], Any]

    def settings(self, job: Job) -> Any:
        """Return the hyper-parameters for a job."""

    def train(self, job: Job) -> Path:
        """Return the checkpoint, trained now where it is not there yet."""

    def load(self, path: Path, device: str) -> Predictor:
        """Return CT → mask from a checkpoint."""


def _read(path: Path) -> About:
    values: dict[str, Any] = {}
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in _PLAIN:
            values[node.targets[0].id] = ast.literal_eval(node.value)
    return About(
        id=values["ID"],
        paper=values["PAPER"],
        about=values["ABOUT"],
        supervision=values["SUPERVISION"],
        labels=tuple(values["LABELS"]),
        parameters=values.get("PARAMETERS"),
        departures=tuple(values.get("DEPARTURES", ())),
        choices=values.get("CHOICES", {}),
        pool_alone=values.get("POOL_ALONE", False),
    )


def _found() -> Mapping[str, About]:
    files = sorted(path for path in _HERE.glob("*.py") if not path.name.startswith("_"))
    return MappingProxyType({path.stem.replace("_", "-"): _read(path) for path in files})


METHODS: Mapping[str, About] = _found()


@cache
def method(method_id: str) -> Method:
    """Return the module of a method; UsageError, nearest first, for an unknown id; IchBenchError without torch."""
    known(method_id)
    try:
        module = importlib.import_module(f"{__name__}.{method_id.replace('-', '_')}")
    except ModuleNotFoundError as fault:
        if (fault.name or "").startswith("ich_bench"):
            raise
        raise IchBenchError(f"{fault.name} is not installed: pip install 'ich-bench[baselines]'") from fault
    return cast(Method, module)


def known(method_id: str) -> About:
    """Return what a method's file says; UsageError, nearest first, for an unknown id."""
    if method_id not in METHODS:
        raise UsageError(f"there is no method {printable(method_id)!r}. {did_you_mean(method_id, METHODS)}")
    return METHODS[method_id]


def reported(method_id: str) -> tuple[ReportedRow, ...]:
    """Return the numbers that papers have printed for a method."""
    from ich_bench.submissions.reported import reported_rows

    return tuple(row for row in reported_rows() if row.method_id == method_id)
