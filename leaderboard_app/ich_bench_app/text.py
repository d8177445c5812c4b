"""How may text that strangers wrote stand on a page: as text, never as Markdown, HTML or a link."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ich_bench.escape import markdown, printable

__all__ = ["markdown_of", "plain", "prose", "safe_url"]
_JOINER = "&#8288;"  # a word joiner: no width, no line break; Markdown links only an address that is unbroken
_SCHEME = re.compile(r"(?i)((?:https?|ftp|xmpp|mailto)\\?:)")
_WWW = re.compile(r"(?i)(www)(?=\\?\.)")
_MORE = re.compile(r"(?<![\\])([:()\^=])")  # Streamlit's own markup: `:red[…]`, `:material/…:`, a bare https://


def plain(text: str) -> str:
    """Return one line with everything that does not print (control, bidi, zero-width) written out; for tables."""
    return printable(text)


def markdown_of(text: str) -> str:
    """Return text for `st.markdown`, labels, captions and `st.metric`, letter by letter and without a single link.

    Escaped or not, Markdown makes links of `https://…`, `www.…` and `name@host` after all escapes are read; so each is
    broken by a letter that is not seen.
    """
    made = _MORE.sub(r"\\\1", markdown(text))
    return _WWW.sub(rf"\1{_JOINER}", _SCHEME.sub(rf"\1{_JOINER}", made)).replace("@", f"&#64;{_JOINER}")


def prose(text: str) -> str:
    """Return text as `markdown_of` does, except that what stands between two backticks is set as code."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return markdown_of(text)
    made = (f"`{plain(one)}`" if place % 2 and one.strip() else markdown_of(one) for place, one in enumerate(pieces))
    return "".join(made)


def safe_url(text: str) -> str | None:
    """Return an address that may be a link: https, a plain ASCII host, no user name; None for any other."""
    if text != printable(text) or any(one.isspace() for one in text):
        return None
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        sound = parts.scheme == "https" and host and host.isascii() and "@" not in parts.netloc and parts.port is None
    except ValueError:
        return None
    return text if sound and re.fullmatch(r"[A-Za-z0-9.-]+", host) else None
