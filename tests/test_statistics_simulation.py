"""A small run of the simulation: boards with a known truth come out as they must."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "statistics_simulation.py"


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("statistics_simulation", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize(("methods", "boards"), [(12, 100), (46, 20)])
def test_equal_methods_share_rank_1_and_a_better_one_is_found(
    simulation: ModuleType, methods: int, boards: int
) -> None:
    truth = simulation.boards(np.random.default_rng(20), methods, boards, 51)
    # At the nominal 95 % fewer than 86 of 100 (15 of 20) boards have a probability below 1 in 1,000.
    assert truth.all_share_rank_1 >= {100: 0.86, 20: 0.75}[boards]
    assert min(truth.single_has_rank_1, truth.family_has_rank_1, truth.family_alone) >= 0.95
    assert truth.copies_changed == 0
    assert truth.worst_welch < 1e-9


@pytest.mark.slow
def test_the_small_simulation_runs_and_prints_its_tables(
    simulation: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        simulation, "SMALL", simulation.Size(repetitions=20, boards=((3, 5),), tied=0, uneven=((3, 2),))
    )
    monkeypatch.setattr(sys, "argv", ["statistics_simulation.py", "--small"])
    assert simulation.main() == 0
    printed = capsys.readouterr().out
    assert printed.count("like Dice, exchangeable") == 4
    assert "| 3 | 5 |" in printed


@pytest.mark.parametrize("population", ["dice_like", "unequal_spread", "skewed"])
def test_the_simulated_methods_are_equally_good(simulation: ModuleType, population: str) -> None:
    scores = getattr(simulation, population)(np.random.default_rng(1), 200_000, 2)
    # The standard error of a mean difference is below 0.4 / sqrt(200,000) = 0.0009.
    assert abs(float(np.diff(scores.mean(axis=0))[0])) < 0.004
