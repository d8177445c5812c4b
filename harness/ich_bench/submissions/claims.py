"""What do the papers claim, and what may become of a claim: its parts, its verdicts, and where they are read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ich_bench.datasets import DATASETS
from ich_bench.errors import IchBenchError, did_you_mean
from ich_bench.escape import printable
from ich_bench.metrics.suite import METRICS
from ich_bench.submissions.claimed import Term, terms
from ich_bench.submissions.load import REPORTED
from ich_bench.submissions.reported import CLAIMS

TESTS = ("better", "same", "no-gain")
VERDICTS: Mapping[str, str] = MappingProxyType(  # the strongest word about a part is the word about the claim
    {
        "contradicted": "the opposite is significant, or the methods differ by more than the margin",
        "no rows yet": "a method that the claim compares has no complete submission here",
        "not replicated": "a difference as large as the printed one (or the margin) would have been seen, and was not",
        "underpowered": "too few volumes to see such a difference, or to show equivalence",
        "replicated": "the test agrees with the claim",
    }
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One comparison of a claim; `first` and `second` are methods, or gains of one method over another."""

    test: str
    metric: str
    first: tuple[Term, ...]
    second: tuple[Term, ...]

    @property
    def text(self) -> str:
        """Return the comparison in words."""
        sign = {"better": ">", "same": "=", "no-gain": "≯"}[self.test]
        return f"{' - '.join(map(str, self.first))} {sign} {' - '.join(map(str, self.second))}"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim of a paper, in our words; `across` compares the gains on its two datasets with each other."""

    id: str
    text: str
    source: str
    datasets: tuple[str, ...]
    cohort: str
    parts: tuple[Part, ...]
    note: str = ""
    across: bool = False


@dataclass(frozen=True, kw_only=True)
class PartResult:
    """What became of one comparison; NaN where nothing could be tested.

    `difference` is mean(first) - mean(second) with its 95 % t interval; `p` is Holm-adjusted over the claim's parts (of
    `same`: the equivalence test's own); `detectable` the difference that would be seen with 80 % power; `margin` the
    declared one; `printed` the paper's difference, None where it cannot be computed. `missing` names what is not there.
    """

    part: Part
    verdict: str
    n: int = 0
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    detectable: float = math.nan
    margin: float = math.nan
    printed: float | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Result:
    """A claim on one dataset; `without` is the verdict without the dataset's odd case, where that is another one."""

    claim: Claim
    dataset: str
    drawn: bool
    verdict: str
    parts: tuple[PartResult, ...]
    left_out: str = ""
    without: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """Return what is not there, each once."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.missing))


def load_claims(folder: str | Path) -> tuple[Claim, ...]:
    """Return the claims of a folder of submissions; IchBenchError names the first fault."""
    import tomllib

    path = Path(folder) / REPORTED / CLAIMS
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))["claims"]
    except FileNotFoundError:
        raise IchBenchError(f"there are no claims: {path} is absent.") from None
    except (OSError, ValueError, KeyError) as fault:
        raise IchBenchError(f"{path} cannot be read: {printable(str(fault))}") from fault
    claims = tuple(_claim(path, table) for table in tables)
    ids = [claim.id for claim in claims]
    for name in ids:
        if ids.count(name) > 1:
            raise IchBenchError(f"{path}: {name} stands there twice.")
    return claims


def _claim(path: Path, table: Mapping[str, Any]) -> Claim:
    known = set(Claim.__dataclass_fields__)
    for name in table:
        if name not in known:
            raise IchBenchError(f"{path}: {table.get('id')}: key {name!r}. {did_you_mean(name, known)}")
    parts = tuple(
        Part(test=one["test"], metric=one["metric"], first=terms(one["first"]), second=terms(one["second"]))
        for one in table["parts"]
    )
    claim = Claim(**{**table, "parts": parts, "datasets": tuple(table["datasets"])})
    sound = all(part.test in TESTS and part.metric in METRICS for part in parts)
    sound = sound and all(part.metric == "dice" for part in parts if part.test == "same")
    if not sound or not set(claim.datasets) <= set(DATASETS) or claim.cohort not in ("ich", "all", "healthy"):
        raise IchBenchError(f"{path}: {claim.id}: test, metric, dataset or cohort is none of the known ones.")
    if claim.across and len(claim.datasets) != 2:
        raise IchBenchError(f"{path}: {claim.id}: a claim across datasets names two.")
    return claim
