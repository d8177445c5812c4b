"""How may text that strangers wrote stand on a page: as text, never as Markdown, HTML or a link."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ich_bench.escape import markdown, printable

__all__ = ["markdown_of", "plain", "safe_url"]
_MORE = re.compile(r"(?<![\\])([:()\^=])")  # Streamlit's own markup: `:red[…]`, `:material/…:`, a bare https://


def plain(text: str) -> str:
    """Return one line with everything that does not print (control, bidi, zero-width) written out; for tables."""
    return printable(text)


def markdown_of(text: str) -> str:
    """Return text for `st.markdown`, labels and captions that is shown letter by letter, its colons too."""
    return _MORE.sub(r"\\\1", markdown(text)).replace("@", "&#64;")


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
