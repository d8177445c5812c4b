"""How is a stranger's text put into Markdown so that no address in it becomes a link: Markdown links them bare."""

from __future__ import annotations

import re

from ich_bench_app import text

_JOINER = "&#8288;"  # a word joiner: no width, no line break; the browser links only what is unbroken
_SCHEME = re.compile(r"(?i)((?:https?|ftp|xmpp|mailto)\\?:)")
_WWW = re.compile(r"(?i)(www)(?=\\?\.)")


def markdown_of(words: str) -> str:
    """Return text for `st.markdown`, labels, captions and `st.metric`, letter by letter and without a single link.

    Escaped or not, `https://…`, `www.…` and `name@host` are made links after all escapes are read; so each is broken
    by a letter that is not seen.
    """
    made = _WWW.sub(rf"\1{_JOINER}", _SCHEME.sub(rf"\1{_JOINER}", text.markdown_of(words)))
    return made.replace("&#64;", f"&#64;{_JOINER}")
