"""What every test of the app shares: boards to stand on, written once a session, and Streamlit's caches kept apart."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

st = pytest.importorskip("streamlit")

from streamlit.testing.v1 import AppTest  # noqa: E402

from app import states  # noqa: E402
from app.states import BoardState  # noqa: E402
from ich_bench_app.started import VARIABLE  # noqa: E402

_STATES = [pytest.param(name, marks=pytest.mark.slow) if name == "many" else name for name in states.STATES]


@pytest.fixture(scope="session", params=_STATES)
def _state(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> BoardState:
    return states.made(request.param, states.shared_home(tmp_path_factory.getbasetemp()))


@pytest.fixture(autouse=True)
def _own_main() -> Iterator[None]:
    """Streamlit runs a page as the main program; a process that a later test starts would run that page again."""
    own = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = own


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The system's temporary folder, empty when a test begins, and by the end of each that names it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def board_state(_state: BoardState, monkeypatch: pytest.MonkeyPatch) -> BoardState:
    """The app stands on an empty board, on one row, on 200 rows × 226 cases, on hostile names: a test runs on each."""
    return _stand_on(_state, monkeypatch)


@pytest.fixture
def stand_on(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], BoardState]:
    """Return a function that lets the app stand on one of the states by name."""
    home = states.shared_home(tmp_path_factory.getbasetemp())
    return lambda name: _stand_on(states.made(name, home), monkeypatch)


@pytest.fixture
def open_page() -> Callable[..., AppTest]:
    """Return `states.open_page`: (file, **query) → a page that stands."""
    return states.open_page


def _stand_on(state: BoardState, monkeypatch: pytest.MonkeyPatch) -> BoardState:
    monkeypatch.setenv(VARIABLE, state.options)
    if _marked() != [state.name]:  # the same boards need no second building
        st.cache_data.clear()
        st.cache_resource.clear()
        _marked()[:] = [state.name]
    return state


@st.cache_resource
def _marked() -> list[str]:
    """Return which state Streamlit's caches hold; empty once anybody has cleared them."""
    return []
