"""What must one value of submission.toml look like: each check returns (the value, "" or what was expected)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from ich_bench.escape import printable
from ich_bench.submissions.terms import REGIMES

Check = Callable[[Any], tuple[Any, str]]
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
MOST_LETTERS = 2000  # of one text; a name has at most MOST_NAME
MOST_NAME = 120
_MOST_ITEMS = 200
_SHOWN = 60
_SHA256 = re.compile(r"[0-9a-f]{64}")
_URL = re.compile(r"https?://[^\s<>\"]+")


def text(most: int = MOST_LETTERS, *, lines: bool = False) -> Check:
    """Return the check for text of letters that print, on one line unless `lines`; blanks around it are dropped."""

    def check(value: Any) -> tuple[Any, str]:
        if not isinstance(value, str):
            return "", "text in quotes"
        if len(value) > most:
            return "", f"at most {most} letters"
        if any(not letter.isprintable() for letter in value.replace("\n", "" if lines else "\n")):
            return "", "letters that print" + ("" if lines else ", on one line")
        return value.strip(), ""

    return check


def name(value: Any) -> tuple[Any, str]:
    """Check a short text."""
    return text(MOST_NAME)(value)


def slug(value: Any) -> tuple[Any, str]:
    """Check a slug, or nothing."""
    found, fault = name(value)
    if fault or not found or SLUG.fullmatch(found):
        return found, fault
    return "", "small letters a-z, digits and single hyphens, such as my-unet"


def one_of(values: Iterable[str]) -> Check:
    """Return the check for one of some words."""
    known = tuple(values)

    def check(value: Any) -> tuple[Any, str]:
        if isinstance(value, str) and value in known:
            return value, ""
        return "", "one of " + ", ".join(f'"{one}"' for one in known)

    return check


def regime(value: Any) -> tuple[Any, str]:
    """Check a regime; `from:` takes a known dataset."""
    from ich_bench.datasets import DATASETS

    if isinstance(value, str) and value in [*list(REGIMES)[:3], *(f"from:{one}" for one in DATASETS)]:
        return value, ""
    return "", '"cv", "cv+external", "external" or "from:<dataset>" with a dataset of `ich-bench datasets`'


def listed(item: Check, what: str) -> Check:
    """Return the check for a list of which every item passes another check; doubled items are dropped."""

    def check(value: Any) -> tuple[Any, str]:
        if not isinstance(value, list) or len(value) > _MOST_ITEMS:
            return (), f"a list of {what}" + (f", at most {_MOST_ITEMS}" if isinstance(value, list) else "")
        found = [item(one) for one in value]
        faults = [fault for _, fault in found if fault]
        if faults:
            return (), f"a list of {what}, each {faults[0]}"
        return tuple(dict.fromkeys(one for one, _ in found)), ""

    return check


def number(low: float, high: float) -> Check:
    """Return the check for a finite number in a closed range."""

    def check(value: Any) -> tuple[Any, str]:
        expected = f"a number from {low:g} to {high:g}" if math.isfinite(high) else f"a number of at least {low:g}"
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e15:
            return None, expected
        return (float(value), "") if low <= value <= high and math.isfinite(value) else (None, expected)

    return check


def whole(value: Any) -> tuple[Any, str]:
    """Check a seed."""
    sound = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
    return (value, "") if sound else (0, "a whole number from 0")


def url(value: Any) -> tuple[Any, str]:
    """Check a web address, or nothing."""
    found, fault = text(MOST_LETTERS)(value)
    return (found, "") if not fault and (not found or _URL.fullmatch(found)) else ("", "an address with http(s)://")


def sha256(value: Any) -> tuple[Any, str]:
    """Check a SHA-256, or nothing."""
    sound = isinstance(value, str) and (not value or _SHA256.fullmatch(value))
    return (value, "") if sound else ("", "64 hexadecimal digits in small letters, as sha256sum prints them")


def shown(value: Any) -> str:
    """Return a stranger's value in few words that print: its kind, and the value where it is short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"a list with {shown(value[0])}" if value and not isinstance(value[0], list) else "a list"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, str):
        text = printable(value)
        return f'the text "{text}"' if len(text) <= _SHOWN else f'the text "{text[:_SHOWN]}…" ({len(value)} letters)'
    if isinstance(value, int | float):
        return f"the number {value}" if isinstance(value, float) or abs(value) < 10**20 else "a number of many digits"
    return f"a {type(value).__name__} ({printable(str(value))[:_SHOWN]})"


def slugged(text: str) -> str:
    """Return a name as a slug: small ASCII letters, digits and single hyphens; "" where none is left."""
    import unicodedata

    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MOST_NAME].strip("-")
