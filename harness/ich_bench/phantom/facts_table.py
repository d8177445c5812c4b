"""From which numbers are the heads drawn? The parameters, with the sources that stand beside them in the code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

_BESIDE = re.compile(r"^\s+(?P<name>\w+)(?:: [^=]+? = |=).*?#\s*(?P<source>.+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One parameter: its name with the unit, its value in words, and where the number comes from ("" where unsaid)."""

    name: str
    value: str
    source: str


def parameter_lines(kind: type) -> list[Line]:
    """Return the parameters of a dataclass of defaults, in order."""
    sources = _sources(inspect.getsource(kind))
    return [
        Line(name=one.name, value=said(one.default), source=sources.get(one.name, ""))
        for one in fields(kind)
        if one.default is not MISSING
    ]


def said(value: Any) -> str:
    """Return a value in words: (low, high) as a range, tables as they are read."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(one, float | int) for one in value):
        return f"{value[0]:g}, {value[1]:g}"
    if isinstance(value, tuple):
        return "; ".join(said(one) for one in value)
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {said(one)}" for name, one in value.items())
    inner = getattr(value, "__dataclass_fields__", None)
    if inner is not None:
        return "; ".join(f"{name} {said(getattr(value, name))}" for name in inner)
    return str(value)


def _sources(text: str) -> dict[str, str]:
    found = {one["name"]: one["source"].strip() for one in _BESIDE.finditer(text)}
    return {name: source for name, source in found.items() if not source.startswith(("fmt:", "noqa", "type:"))}
