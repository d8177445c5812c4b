"""How does the server start: with the settings of config.toml as flags, everything read before the first visitor."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import ich_bench_app
from ich_bench_app.started import VARIABLE, Started, as_text

HERE = Path(__file__).parent
APP = HERE / "server.py"
CONFIG = HERE / ".streamlit" / "config.toml"
_AS_FLAGS = ("server", "browser", "client", "runner")  # a theme has no flags; Streamlit reads it beside app.py


def flags(*, address: str, port: int) -> list[str]:
    """Return the settings of config.toml as Streamlit's flags, which no other config.toml on the machine overrides."""
    said = tomllib.loads(CONFIG.read_text("utf-8"))
    chosen = {f"{section}.{name}": value for section in _AS_FLAGS for name, value in said[section].items()}
    chosen |= {"server.address": address, "server.port": port, "logger.hideWelcomeMessage": True}
    chosen["logger.level"] = "warning"
    return [f"--{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in chosen.items()]


def serve(options: Started, *, address: str, port: int, ready: Callable[[], None]) -> None:
    """Serve the app until it is interrupted; `ready` is called once everything is read, right before it listens."""
    os.environ[VARIABLE] = as_text(options)
    logging.disable(logging.WARNING)  # that no visitor is there yet
    warm()
    logging.disable(logging.NOTSET)
    from click import Abort
    from streamlit.web import cli

    ready()
    words = ["run", str(APP), *flags(address=address, port=port)]
    talk = contextlib.redirect_stdout(sys.stderr)  # what Streamlit says is talk
    with talk, contextlib.suppress(Abort, KeyboardInterrupt):  # Ctrl-C, once the server has closed
        cli.main(words, prog_name="streamlit", standalone_mode=False)


def warm() -> None:
    """Import what the pages import and read their boards, so that the first visitor waits for neither."""
    for module in walk_packages(ich_bench_app.__path__, "ich_bench_app."):
        if not module.name.startswith(("ich_bench_app.views.", "ich_bench_app.app", "ich_bench_app.upload.worker")):
            import_module(module.name)
    from ich_bench_app import data

    for dataset in data.datasets():
        if dataset in data.held():
            data.board(dataset)
