"""Which rows and columns does a visitor want to see: choices of several things, of a profile, of words to find."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ich_bench_app import controls, data


def many(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    default: Sequence[str] = (),
    help: str | None = None,
    placeholder: str = "all",
) -> tuple[str, ...]:
    """Return those of the options that are chosen, in the options' order; `key` is the choice's name in the address.

    What an address or another board chose and this one does not have is left out.
    """
    held = st.session_state.get(key)
    if isinstance(held, list) and not set(held) <= set(options):
        st.session_state[key] = [one for one in held if one in options]
    chosen = st.multiselect(
        label,
        list(options),
        default=[one for one in default if one in options],
        help=help,
        key=controls.bound(key),
        placeholder=placeholder,
        bind="query-params",
    )
    return tuple(one for one in options if one in chosen)


def words(label: str, *, key: str, placeholder: str, help: str | None = None) -> str:
    """Return what a visitor typed, without spaces at its ends."""
    return str(
        st.text_input(label, key=controls.bound(key), placeholder=placeholder, help=help, bind="query-params") or ""
    ).strip()


def profiles(dataset: str, scheme: str) -> tuple[str, ...]:
    """Return the profiles of the scores on a dataset's folds, the one that ranks first."""
    here = data.sources()
    files = [file for one in (*here.submissions, *here.runs) for file in one.scores]
    found = {file.profile for file in files if (file.dataset, file.scheme) == (dataset, scheme)}
    return tuple(sorted(found, key=lambda name: (name != "native", name)))


def profile(dataset: str, scheme: str) -> str | None:
    """Return the profile of the scores to look at; no control is shown where all scores have one."""
    names = profiles(dataset, scheme)
    if len(names) < 2:
        return None
    return controls.choose("Profile", names, key="profile", help="Ranks are drawn under the profile native only.")
