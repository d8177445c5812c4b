"""Strangers' text made harmless: for a terminal, for Markdown, for a spreadsheet."""

from __future__ import annotations

import re

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|$~!&])")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def printable(text: str) -> str:
    r"""Return the text with everything that does not print (control, bidi, zero-width) written as in repr: `\x1b`."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def is_utf8(text: str) -> bool:
    """Return whether a file's name can be written down: bytes that are no UTF-8 stand in it as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def markdown(text: str) -> str:
    """Return the text as Markdown that shows it letter by letter, on one line."""
    return _MARKUP.sub(r"\\\1", printable(text))


def cell(text: str) -> str:
    """Return the text as one line that no spreadsheet takes for a formula; for text only, never for numbers."""
    kept = "".join(one if one == "\t" else printable(one) for one in text)
    return f"'{kept}" if text.startswith(_FORMULA) else kept
