"""What is already scored, so that an interrupted run continues where it stopped and ends with the same bytes."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ich_bench.places import write_text

_STATE = "state"


@dataclass(frozen=True, kw_only=True)
class Journal:
    """One folder below OUT, `.partial/<dataset>`, with a small file per scored case, named by what was scored.

    A key is the sha256 of everything a row depends on (both files' bytes, grid, suite, profile, engine, versions), so
    a stale entry can never be taken for a fresh one. Files are written aside and renamed: an entry is whole or absent.
    """

    folder: Path

    @classmethod
    def of(cls, out: Path, dataset: str) -> Journal:
        """Return the journal of this dataset below an output folder; nothing is created yet."""
        return cls(folder=out / ".partial" / dataset)

    def recall(self, key: str) -> dict[str, Any] | None:
        """Return the entry of this key, or None where it is absent or unreadable."""
        try:
            loaded = json.loads((self.folder / f"{key}.json").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return loaded if isinstance(loaded, dict) else None

    def record(self, key: str, entry: Mapping[str, Any]) -> None:
        """Keep the entry under this key; floats survive exactly, NaN and infinity included."""
        write_text(self.folder / f"{key}.json", json.dumps(entry))

    def begin_writing(self, inputs_sha256: str) -> None:
        """Remember whose score file is about to be written, so that a kill at that moment is understood later."""
        write_text(self.folder / _STATE, json.dumps({"inputs": inputs_sha256, "scores": None}))

    def finish(self, inputs_sha256: str, scores_sha256: str) -> None:
        """Remember which input and which bytes the finished score file has, and forget the entries."""
        write_text(self.folder / _STATE, json.dumps({"inputs": inputs_sha256, "scores": scores_sha256}))
        for entry in self.folder.glob("*.json"):
            with contextlib.suppress(OSError):
                entry.unlink()

    def written_for(self) -> tuple[str | None, str | None]:
        """Return the sha256 of the input that was written last and of its score file; None where unknown."""
        try:
            state = json.loads((self.folder / _STATE).read_text("utf-8"))
            return state["inputs"], state["scores"]
        except (OSError, ValueError, KeyError, TypeError):
            return None, None


def key_of(parts: Iterable[object]) -> str:
    """Return the sha256 over the parts' text, each on a line of its own."""
    return hashlib.sha256("".join(f"{part}\n" for part in parts).encode()).hexdigest()
