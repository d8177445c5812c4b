"""Of which checkpoints is a method made that has several, and which trainings went into it?

Such a method's own folder holds `parts.json`: its name and its parts, checkpoints or the parts.json of other methods,
as paths seen from there, so that OUT may be moved as a whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ich_bench.errors import IchBenchError
from ich_bench.places import write_json
from ich_bench_baselines import checkpoint
from ich_bench_baselines.segment import ABOUT
from ich_bench_baselines.train import LOG

PARTS = "parts.json"
FORMAT = "ich-bench parts 1"
SEGMENTATION = "segmentation"  # the part that draws the masks, where another one cuts them


def write_parts(folder: Path, method: str, parts: Mapping[str, Path | str], about: Mapping[str, Any]) -> Path:
    """Write parts.json and return it; a part that is text and no path is kept as it is (`classical`)."""
    named = {
        name: {"path": os.path.relpath(part, folder)} if isinstance(part, Path) else {"word": part}
        for name, part in parts.items()
    }
    path = folder / PARTS
    write_json(path, {"format": FORMAT, "method": method, "parts": named, "about": dict(about)})
    return path


def read_parts(path: Path) -> tuple[dict[str, Any], dict[str, Path | str]]:
    """Return what a parts.json says of itself (`method` among it) and its parts; IchBenchError where it is none."""
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']!r}")
        parts: dict[str, Path | str] = {
            name: path.parent / one["path"] if "path" in one else str(one["word"])
            for name, one in content["parts"].items()
        }
        return {**content["about"], "method": str(content["method"])}, parts
    except FileNotFoundError:
        raise IchBenchError(f"there is no {path}. `ich-bench baselines train` makes it.") from None
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise IchBenchError(f"{path} is not what ich-bench wrote ({fault}). Delete it and train again.") from fault


def about_of(path: Path) -> dict[str, Any]:
    """Return what a checkpoint or a parts.json says of its training; `method` is always there."""
    if path.name == PARTS:
        return read_parts(path)[0]
    about = dict(checkpoint.read(path).about)
    if not isinstance(about.get("method"), str):
        raise IchBenchError(f"{path} does not say which method it is of: it is no checkpoint of a method.")
    return about


def trainings(path: Path) -> tuple[Path, ...]:
    """Return the folders of all trainings that went into a checkpoint: its own, its parts', its pretexts'."""
    if path.name == PARTS:
        inner = [one for part in read_parts(path)[1].values() if isinstance(part, Path) for one in trainings(part)]
        return tuple(dict.fromkeys(inner))
    found = [path.parent.resolve()] if (path.parent / LOG).is_file() else []
    pretext = facts(path.parent).get("pretext")
    if pretext:
        found += trainings((path.parent / str(pretext)).resolve())
    return tuple(dict.fromkeys(found))


def facts(folder: Path) -> dict[str, Any]:
    """Return the about.json of a training's folder; empty where there is none."""
    try:
        content = json.loads((folder / ABOUT).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def seconds(folder: Path) -> float:
    """Return how long a training has taken so far, by its log; epochs that were trained twice count once."""
    total = 0.0
    try:
        header, *lines = (folder / LOG).read_text("utf-8").splitlines()
        place = header.split(",").index("seconds")
        total = sum(float(line.split(",")[place]) for line in lines)
    except (OSError, ValueError, IndexError):
        return 0.0
    return total
