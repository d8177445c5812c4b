"""A login is asked for where the host has configured one, and a configuration that is broken keeps everybody out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("streamlit")

from streamlit.testing.v1 import AppTest

from app.states import SECONDS
from ich_bench_app import login

AUTH = {
    "redirect_uri": "https://bench.example.org/oauth2callback",
    "cookie_secret": "0" * 64,
    "client_id": "ich-bench",
    "client_secret": "secret",
    "server_metadata_url": "https://login.example.org/.well-known/openid-configuration",
}
NAMED = {name: AUTH[name] for name in ("client_id", "client_secret", "server_metadata_url")}
SHARED = {name: AUTH[name] for name in ("redirect_uri", "cookie_secret")}


def page() -> None:
    import streamlit as st

    from ich_bench_app import login

    login.required()
    st.title("The board")


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Return a function that opens a page with these secrets, with Authlib installed or not, as this visitor."""

    def opened(auth: Any = None, *, authlib: bool = True, user: dict[str, Any] | None = None) -> AppTest:
        monkeypatch.setattr(login, "find_spec", lambda name: object() if authlib else None)
        at = AppTest.from_function(page, default_timeout=SECONDS)
        if auth is not None:
            at.secrets["auth"] = auth
        at.user.update(user or {})
        at.run()
        assert not at.exception
        return at

    return opened


def titles(at: AppTest) -> list[str]:
    return [one.value for one in at.title]


def test_without_a_login_the_board_is_open(visit: Callable[..., AppTest]) -> None:
    at = visit()
    assert titles(at) == ["The board"]
    assert not at.button


def test_with_a_login_a_stranger_sees_the_way_to_log_in_and_nothing_else(visit: Callable[..., AppTest]) -> None:
    at = visit(AUTH)
    assert titles(at) == ["ich-bench"]
    assert [one.label for one in at.button] == ["Log in"]
    assert not at.sidebar
    assert "secret" not in str(at.main)


def test_who_is_logged_in_sees_the_board_and_can_log_out(visit: Callable[..., AppTest]) -> None:
    at = visit(AUTH, user={"is_logged_in": True, "name": "A *b* <i>"})
    assert titles(at) == ["The board"]
    assert [one.label for one in at.sidebar.button] == ["Log out"]
    assert at.sidebar.caption[0].value == r"Logged in as A \*b\* \<i\>"


@pytest.mark.parametrize("user", [{"is_logged_in": False}, {"is_logged_in": "yes"}, {"name": "A"}])
def test_nothing_but_a_login_counts_as_one(visit: Callable[..., AppTest], user: dict[str, Any]) -> None:
    assert titles(visit(AUTH, user=user)) == ["ich-bench"]


def test_each_provider_has_a_button(visit: Callable[..., AppTest]) -> None:
    at = visit({**SHARED, "google": NAMED, "hospital": NAMED})
    assert [one.label for one in at.button] == ["Log in with google", "Log in with hospital"]
    assert login.providers({**AUTH, "client_kwargs": {"scope": "openid"}}) == ("",)


@pytest.mark.parametrize(
    ("auth", "authlib", "why"),
    [
        ("yes", True, "no section"),
        ({}, True, "lacks redirect_uri and cookie_secret"),
        (SHARED, True, "lacks a provider"),
        ({**SHARED, "client_kwargs": {}}, True, "lacks a provider"),
        (AUTH, False, "Authlib is not installed"),
    ],
)
def test_half_a_login_keeps_everybody_out(visit: Callable[..., AppTest], auth: Any, authlib: bool, why: str) -> None:
    at = visit(auth, authlib=authlib, user={"is_logged_in": True})
    assert titles(at) == ["ich-bench"]
    assert why in at.error[0].value
    assert not at.button


def test_secrets_that_cannot_be_read_keep_everybody_out(
    visit: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import streamlit as st
    from streamlit import config
    from streamlit.runtime.secrets import Secrets

    (tmp_path / "secrets.toml").write_text("[auth\nredirect_uri = 1")
    before = config.get_option("secrets.files")
    monkeypatch.setattr(st, "secrets", Secrets())
    config.set_option("secrets.files", [str(tmp_path / "secrets.toml")])
    try:
        at = visit(user={"is_logged_in": True})
    finally:
        config.set_option("secrets.files", before)
    assert titles(at) == ["ich-bench"]
    assert "secrets.toml cannot be read" in at.error[0].value
