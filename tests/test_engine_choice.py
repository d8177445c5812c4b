"""`--engine reference` is the plain path: the same rows, and the score file says which engine it was."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from ich_bench import evaluate
from ich_bench.errors import UsageError
from ich_bench.geometry import Geometry
from ich_bench.metrics.profiles import PROFILES
from ich_bench.runs import store
from ich_bench.volume import write_mask

GRID = Geometry.of((30, 20, 8), np.diag([0.5, 0.5, 5.0, 1.0]))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for number in range(4):  # the reference of 2 and the prediction of 3 are empty; 4 is not predicted
        rng = np.random.default_rng(number)
        for name, empty in (("reference", 2), ("prediction", 3)):
            mask = (rng.random(GRID.shape) < 0.3) & (number != empty)
            write_mask(tmp_path / name / f"case{number}.nii.gz", mask, GRID)
    write_mask(tmp_path / "reference" / "case4.nii.gz", np.ones(GRID.shape, dtype=bool), GRID)
    return tmp_path / "reference", tmp_path / "prediction"


@pytest.mark.parametrize("profile", PROFILES)
def test_both_engines_write_the_same_rows(folders: tuple[Path, Path], tmp_path: Path, profile: str) -> None:
    fast, plain = (
        evaluate(*folders, out=tmp_path / engine, engine=engine, profile=profile, allow_missing=True)
        for engine in ("fast", "reference")
    )
    for name in fast.scores.column_names:
        for one, other in zip(fast.scores[name].to_pylist(), plain.scores[name].to_pylist(), strict=True):
            if isinstance(one, float) and isinstance(other, float):
                assert one == other or math.isclose(one, other, abs_tol=1e-9) or (one != one and other != other), name
            else:
                assert one == other, name


def test_the_score_file_says_which_engine_it_was(folders: tuple[Path, Path], tmp_path: Path) -> None:
    said = [
        store.provenance(evaluate(*folders, out=tmp_path / engine, engine=engine, allow_missing=True).scores)["engine"]
        for engine in ("fast", "reference")
    ]
    assert said[0].startswith("fast ")
    assert said[1].startswith("surface-distance ")


def test_finished_scores_of_one_engine_are_not_taken_for_the_others(folders: tuple[Path, Path], tmp_path: Path) -> None:
    evaluate(*folders, out=tmp_path / "out", allow_missing=True)
    with pytest.raises(Exception, match="finished scores of other input"):
        evaluate(*folders, out=tmp_path / "out", engine="reference", allow_missing=True)


def test_an_unknown_engine_is_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="reference"):
        evaluate(tmp_path / "nothing", tmp_path / "nowhere", engine="refrence")
