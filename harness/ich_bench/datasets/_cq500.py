"""What is in CQ500's `reads.csv`: three readers' findings a scan."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ich_bench.cases import SUBTYPES
from ich_bench.errors import Problem

_NAME = re.compile(r"CQ500[-_ ]?CT[-_ ]?([0-9]+)", re.IGNORECASE)
_READERS = ("R1", "R2", "R3")


@dataclass(frozen=True, kw_only=True)
class Read:
    """One scan's findings: by how many of the three readers each was marked."""

    ich: int
    subtypes: Mapping[str, int]

    @property
    def majority(self) -> dict[str, bool]:
        """Return the subtypes that at least two of the three readers marked."""
        return {name: self.subtypes[name] >= 2 for name in SUBTYPES}


def case_id(name: str) -> str | None:
    """Return `CQ500-CT-7` for that name, `CQ500CT7` or the download's own `CQ500CT7 CQ500CT7`; None for other names."""
    match = _NAME.match(name)
    return f"CQ500-CT-{int(match.group(1))}" if match else None


def find_reads(*folders: Path) -> Path | None:
    """Return the first `reads.csv` in these folders or in the three above each; None where there is none."""
    for folder in folders:
        for place in (folder, *list(folder.resolve().parents)[:3]):
            if (place / "reads.csv").is_file():
                return place / "reads.csv"
    return None


def read_reads(path: Path, notes: list[Problem]) -> dict[str, Read]:
    """Return the reads by case id; what cannot be understood is noted and left out."""
    found: dict[str, Read] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as table:
            for row in csv.DictReader(table):
                name = case_id((row.get("name") or "").strip())
                if name is None:
                    continue
                found[name] = Read(
                    ich=_marks(row, "ICH"), subtypes={subtype: _marks(row, subtype.upper()) for subtype in SUBTYPES}
                )
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError) as fault:
        notes.append(
            Problem(
                where=path.name,
                what=f"cannot be read as CQ500's table of reads ({fault}); subtypes are left blank.",
                mend="Columns expected: name, R1:ICH, R1:IPH, … as in the download. Fetch it again.",
            )
        )
        return {}
    return found


def _marks(row: Mapping[str, str], finding: str) -> int:
    return sum(int(float(row[f"{reader}:{finding}"] or 0)) for reader in _READERS)
