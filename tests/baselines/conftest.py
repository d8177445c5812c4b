"""What the tests of the baselines share: torch on one thread, the same numbers every time."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest


@pytest.fixture(scope="session", autouse=True)
def _steady() -> Iterator[None]:
    if find_spec("torch") is None:
        yield
        return
    import torch

    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=deterministic)
