"""What the tests of the baselines share: torch on one thread, the same numbers every time.

They run with the slow ones, whatever each takes: torch is too heavy for the install of the fast ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without torch there is nothing to collect for a run of the fast tests."""
    fast = "not slow" in (config.option.markexpr or "")
    return True if fast and HERE in collection_path.parents and find_spec("torch") is None else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as slow."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _steady() -> Iterator[None]:
    if find_spec("torch") is None:
        yield
        return
    import torch

    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that tests start
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=deterministic)
