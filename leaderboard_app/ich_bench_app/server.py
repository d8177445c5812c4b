"""What does the server add to Streamlit's own: an address that is told rather than probed, and headers that bind pages.

`streamlit run server.py` serves the pages of app.py. Without the script below, a page that is opened by its own address
first asks for `/<page>/_stcore/health`, which is not there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from starlette.middleware import Middleware

from ich_bench_app.views import VIEWS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SCRIPT = (
    "window.__streamlit={BACKEND_BASE_URL:location.origin+location.pathname.replace(/\\/(?:"
    + "|".join(VIEWS)
    + ")?\\/?$/,'/')};"
)
_SCRIPTS = Path(st.__file__).parent / "static" / "static" / "js"
_SOON = ("DataFrame", "arrowFormatUtils", "ArrowVegaLiteChart", "embed")  # what draws tables and charts: read at once
_HEAD = f"<head><script>{_SCRIPT}</script>" + "".join(
    f'<link rel="modulepreload" crossorigin href="./static/js/{path.name}">'
    for name in _SOON
    for path in sorted(_SCRIPTS.glob(f"{name}.*.js"))
)
_SHORTER = (b"accept-encoding", b"if-none-match", b"if-modified-since")
HEADERS = {
    b"content-security-policy": b"connect-src 'self' blob: data:; img-src 'self' data: blob:; font-src 'self' data:; "
    b"media-src 'self' data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}


class Bound:
    """ASGI middleware: no page can send a visitor's data elsewhere, and each knows where its server is."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; HTML is held back until it is whole."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin: Message | None = None
        parts: list[bytes] = []

        async def answer(said: Message) -> None:
            nonlocal begin
            if said["type"] == "http.response.start":
                given = [pair for pair in said["headers"] if pair[0].lower() not in HEADERS]
                said = {**said, "headers": [*given, *HEADERS.items()]}
                if _is_plain_html(said):
                    begin = said
                    return
            elif begin is not None and said["type"] == "http.response.body":
                parts.append(said.get("body", b""))
                if said.get("more_body"):
                    return
                body = b"".join(parts).replace(b"<head>", _HEAD.encode(), 1)
                kept = [pair for pair in begin["headers"] if pair[0].lower() not in (b"content-length", b"etag")]
                await send({**begin, "headers": [*kept, (b"content-length", str(len(body)).encode())]})
                said = {"type": "http.response.body", "body": body}
            await send(said)

        asked = scope["headers"]
        if "." not in scope["path"].rsplit("/", 1)[-1]:  # a page: whole, as plain text, never "as you had it before"
            asked = [pair for pair in asked if pair[0].lower() not in _SHORTER]
        await self.app({**scope, "headers": asked}, receive, answer)


def _is_plain_html(said: Message) -> bool:
    named = {name.lower(): value for name, value in said["headers"]}
    return named.get(b"content-type", b"").startswith(b"text/html") and b"content-encoding" not in named


app = st.App(Path(__file__).with_name("app.py"), middleware=[Middleware(Bound)])
