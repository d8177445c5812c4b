"""Strangers' words stand on a page as they were written: no markup, no link."""

from __future__ import annotations

import pytest

text = pytest.importorskip("ich_bench_app.text")


@pytest.mark.parametrize(
    "address", ["http://evil.example/a", "HTTPS://evil.example", "www.evil.example", "a@evil.example"]
)
def test_an_address_is_broken_where_markdown_would_link_it(address: str) -> None:
    """Markdown links what begins with a scheme or www., and name@host: a word joiner stands inside each."""
    assert "&#8288;" in text.markdown_of(f"see {address} now")


@pytest.mark.parametrize("words", ["plain words", "U-Net 2", "α = 0.2"])
def test_plain_words_stay_readable(words: str) -> None:
    assert text.markdown_of(words).replace("\\", "") == words


@pytest.mark.parametrize(
    ("words", "sign"),
    [("**b**", "*"), ("[a](b)", "["), (":red[x]", ":"), ("$x$", "$"), ("<b>", "<"), ("`c`", "`"), ("![a](b)", "!")],
)
def test_every_sign_of_markup_is_escaped(words: str, sign: str) -> None:
    made = text.markdown_of(words)
    assert all(made[place - 1] == "\\" for place, one in enumerate(made) if one == sign)


def test_only_plain_https_addresses_become_links() -> None:
    assert text.safe_url("https://example.org/a?b=c") == "https://example.org/a?b=c"
    refused = ("http://example.org", "https://me@example.org", "https://exämple.org", "javascript:alert(1)",
               "https://example.org/ x", "https://example.org:8443/", "https://", "https://[::1",
               "\u202ehttps://a.b")  # fmt: skip
    assert [one for one in refused if text.safe_url(one) is not None] == []


def test_prose_sets_commands_as_code_and_everything_else_letter_by_letter() -> None:
    assert text.prose("run `ich-bench folds x` *now*") == "run `ich-bench folds x` \\*now\\*"
    assert text.prose("one ` alone") == text.markdown_of("one ` alone") == "one \\` alone"
