"""What does the tool itself write into submission.toml: the [[scores]] tables, and the text they stand in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ich_bench.datasets import DATASETS, card
from ich_bench.errors import Problem, did_you_mean
from ich_bench.escape import printable
from ich_bench.metrics.profiles import PROFILES
from ich_bench.submissions import allowed
from ich_bench.submissions.model import ScoreFile
from ich_bench.submissions.schema import FILE, KEYS, Key
from ich_bench.submissions.terms import LEVELS

MARK = "# ---- Written by `ich-bench submit` and `ich-bench verify`: never change what is below by hand. ----"
STATUSES = ("complete", "partial", "imputed")
_TYPES: Mapping[str, type] = {
    **dict.fromkeys(("dataset", "scheme", "profile", "file", "sha256", "local_sha256", "masks_sha256"), str),
    **dict.fromkeys(("fold_sha256", "dataset_sha256", "harness", "status", "published", "level"), str),
    **dict.fromkeys(("suite", "cases"), int),
    "leaky": bool,
    **dict.fromkeys(("folds", "seeds", "budgets", "warnings"), list),
}
_ITEMS: Mapping[str, type] = {"folds": int, "seeds": int, "budgets": str, "warnings": str}
_HASHES = ("sha256", "local_sha256", "masks_sha256", "fold_sha256", "dataset_sha256")
_NAME = re.compile(r"scores/[a-z0-9.-]+\.parquet")


def file_name(dataset: str, scheme: str, profile: str) -> str:
    """Return the name of a committed score file: `<dataset>`, with scheme and profile where they are not the usual."""
    parts = [dataset]
    if scheme != card(dataset).official_scheme:
        parts.append(scheme)
    if profile != "native":
        parts.append(profile)
    return f"scores/{'.'.join(parts)}.parquet"


def as_toml(file: ScoreFile) -> str:
    """Return one [[scores]] table."""
    lines = ["[[scores]]"]
    for name in _TYPES:
        value = f"scores/{file.path.name}" if name == "file" else getattr(file, name)
        lines.append(f"{name} = {toml_value(list(value) if isinstance(value, tuple) else value)}")
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """Return text, a number, a truth value or a list of them as TOML; no letter can end the text early."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):  # JSON's escapes are TOML's, but for DEL and lone surrogates
        plain = value.encode("utf-8", "replace").decode("utf-8")
        return json.dumps(plain, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return repr(value)


def template(values: Mapping[str, Any] | None = None) -> str:
    """Return a submission.toml with every key: those in `values` filled in, required ones open, optional ones off."""
    known = values or {}
    lines = [
        "# What this submission is. `ich-bench submit` checks it and says everything that is missing at once.",
        "# Lines that begin with # are comments: take the # away from a key to fill it in.",
        "",
    ]
    for key in KEYS.values():
        lines += [f"# {line}" for line in _about(key)]
        if key.name in known:
            lines.append(f"{key.name} = {toml_value(known[key.name])}")
        else:
            lines.append(
                f'{key.name} = ""  # such as {key.example}' if key.required else f"# {key.name} = {key.example}"
            )
        lines.append("")
    return "\n".join(lines)


def _about(key: Key) -> list[str]:
    import textwrap

    lines = textwrap.wrap(("Required. " if key.required else "") + key.about, 110)
    return lines + [f"  {value}: {meaning}" for value, meaning in key.values.items()]


def split(text: str) -> tuple[str, str]:
    """Return what a person wrote and what the tool wrote (with the mark; "" where there is none)."""
    at = text.find(MARK)
    return (text, "") if at < 0 else (text[:at], text[at:])


def joined(person: str, files: Sequence[ScoreFile]) -> str:
    """Return the whole text of a submission.toml."""
    return person.rstrip() + f"\n\n{MARK}\n\n" + "\n".join(as_toml(file) for file in files)


def read(tables: Any, folder: Path) -> tuple[tuple[ScoreFile, ...], list[Problem]]:
    """Return the score files that [[scores]] names, and one problem per fault; their bytes are not opened."""
    where = f"{folder.name}/{FILE}"
    if not isinstance(tables, list) or any(not isinstance(one, dict) for one in tables):
        return (), [_fault(where, f"key scores: found {allowed.shown(tables)}; expected [[scores]] tables.")]
    files: list[ScoreFile] = []
    problems: list[Problem] = []
    for number, table in enumerate(tables, start=1):
        at = f"{where}, [[scores]] {number}"
        faults = _faults(table, at)
        if faults:
            problems += faults
            continue
        kept: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in table.items() if name != "file"
        }
        files.append(ScoreFile(path=folder / table["file"], **kept))
    names = [file.path.name for file in files]
    problems += [_fault(where, f"names {name} twice.") for name in sorted(set(names)) if names.count(name) > 1]
    return tuple(files), problems


def _faults(table: Mapping[str, Any], at: str) -> list[Problem]:
    told = []
    for name, value in table.items():
        kind = _TYPES.get(name)
        if kind is None:
            told.append(_fault(at, f"key {printable(name)[:60]!r} is not known. {did_you_mean(name[:60], _TYPES)}"))
        elif type(value) is not kind or (isinstance(value, list) and not _all(value, _ITEMS[name])):
            told.append(_fault(at, f"key {name}: found {allowed.shown(value)}; expected {_kind(name)}."))
        elif name in _HASHES and allowed.sha256(value)[1]:
            told.append(_fault(at, f"key {name}: found {allowed.shown(value)}; expected {allowed.sha256(0)[1]}."))
    told += [_fault(at, f"key {name} is absent.") for name in _TYPES if name not in table]
    if told:
        return told
    known = {"profile": PROFILES, "status": STATUSES, "level": LEVELS, "dataset": DATASETS}
    told = [
        _fault(at, f"key {name}: found {allowed.shown(table[name])}; expected {', '.join(values)}.")
        for name, values in (known | {"published": ("full", "metrics")}).items()
        if table[name] not in values
    ]
    if not told and table["file"] != file_name(table["dataset"], table["scheme"], table["profile"]):
        name = file_name(table["dataset"], table["scheme"], table["profile"])
        told.append(_fault(at, f"key file: found {allowed.shown(table['file'])}; expected {name}."))
    if not told and not _NAME.fullmatch(table["file"]):
        told.append(_fault(at, f"key file: found {allowed.shown(table['file'])}; expected scores/<dataset>.parquet."))
    if not told and card(table["dataset"]).publish == "metrics" and table["published"] != "metrics":
        told.append(_fault(at, f"publishes all of {table['dataset']}'s scores; its card allows metrics only."))
    return told


def _all(values: list[Any], kind: type) -> bool:
    return all(type(item) is kind for item in values)


def _kind(name: str) -> str:
    kinds = {str: "text", int: "a whole number", bool: "true or false"}
    item = _ITEMS.get(name)
    return f"a list of {'whole numbers' if item is int else 'texts'}" if item else kinds[_TYPES[name]]


def _fault(where: str, what: str) -> Problem:
    return Problem(where=where, what=what, mend="`ich-bench submit` writes this part; never change it by hand.")
