"""Must a visitor log in first: yes, where the host has configured Streamlit's own OpenID Connect login; else no."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from ich_bench_app.text import markdown_of

_SHARED = ("client_kwargs",)  # sections of [auth] that are no provider
_HOST = "This server asks for a login, but {fault}, so nobody is let in. Its host can mend that: docs/deployment.md."


def required() -> None:
    """Show a login and nothing else, and end the run, unless the visitor is logged in or the host asks for no login.

    A login is asked for where secrets.toml has a section [auth]. A configuration that cannot be read, or that lacks
    what a login needs, keeps everybody out rather than lets everybody in. Call it before anything else is shown.
    """
    fault, auth = _configured()
    if auth is None and not fault:
        return
    if not fault and st.user.get("is_logged_in") is True:
        _who()
        return
    st.title("ich-bench", anchor=False)
    if fault:
        st.error(_HOST.format(fault=fault), icon=":material/lock:")
        st.stop()
    st.caption(
        "The host of this server asks its visitors to log in. Where you log in, your password is asked for; not here."
    )
    for provider in providers(auth or {}):
        named = f" with {markdown_of(provider)}" if provider else ""
        st.button(
            f"Log in{named}",
            key=f"login-{provider}",
            on_click=st.login,
            args=(provider or None,),
            type="primary",
            icon=":material/login:",
        )
    st.stop()


def providers(auth: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the providers that [auth] configures; "" is the one without a name."""
    named = [name for name, value in auth.items() if isinstance(value, Mapping) and name not in _SHARED]
    return (*([""] if "client_id" in auth else []), *named)


def _configured() -> tuple[str, Mapping[str, Any] | None]:
    """Return what is wrong with the configuration ("": nothing) and its section [auth] (None: there is none)."""
    try:
        auth = st.secrets.get("auth")
    except StreamlitSecretNotFoundError:
        there = any(Path(place).exists() for place in st.get_option("secrets.files"))
        return ("its secrets.toml cannot be read" if there else ""), None
    if auth is None:
        return "", None
    if not isinstance(auth, Mapping):
        return "[auth] in its secrets.toml is no section", None
    lacking = [name for name in ("redirect_uri", "cookie_secret") if name not in auth]
    if lacking or not providers(auth):
        return f"[auth] in its secrets.toml lacks {' and '.join(lacking) or 'a provider with a client_id'}", auth
    if find_spec("authlib") is None:
        return "the package Authlib is not installed (`pip install 'streamlit[auth]'`)", auth
    return "", auth


def _who() -> None:
    with st.sidebar:
        name = st.user.get("name") or st.user.get("email") or "someone"
        st.caption(f"Logged in as {markdown_of(str(name))}")
        st.button("Log out", on_click=st.logout, key="logout", type="tertiary", icon=":material/logout:")
