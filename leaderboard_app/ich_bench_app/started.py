"""With which folders and switches was the app started."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

VARIABLE = "ICH_BENCH_APP"  # `ich-bench app` hands its options to the server in this environment variable, as JSON


@dataclass(frozen=True, kw_only=True)
class Started:
    """The options of `ich-bench app`; None: not named.

    `submissions` is a folder or an fsspec URL, `runs` output folders of `evaluate`, `data_root` holds one folder a
    dataset (CT and reference), `predictions_root` one folder a method (`<slug>/predictions/<dataset>/…`). `uploads` are
    the datasets that strangers may score against; `draws` the sign vectors of each test.
    """

    submissions: str | None = None
    runs: tuple[str, ...] = ()
    data_root: str | None = None
    predictions_root: str | None = None
    uploads: tuple[str, ...] | None = None
    draws: int | None = None


def started() -> Started:
    """Return the options of this server; the defaults where it was started without `ich-bench app`."""
    said: dict[str, Any] = json.loads(os.environ.get(VARIABLE) or "{}")
    values: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in said.items()}
    return Started(**values)


def as_text(options: Started) -> str:
    """Return the options as they are handed to the server."""
    return json.dumps(asdict(options))
