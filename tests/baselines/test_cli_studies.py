"""Whole experiments and studies by their verbs: run --all, --submit, ensemble, leakage, sweep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")

import small_heads
from ich_bench.cli.app import app
from ich_bench.errors import IchBenchError, InputError, UsageError
from ich_bench.submissions.submit import submit
from ich_bench_baselines import everything

SMALL = ["--schedule", "smoke", "--width", "4", "--side", "32", "--batch", "4", "--device", "cpu"]
LEARNT = 25  # epochs after which a mask depends on its CT: submit refuses one mask for all


def said(*options: str) -> str:
    """Return stdout of a verb; what it raises comes through, as `main` sees it."""
    result = CliRunner().invoke(app, ["baselines", *options], catch_exceptions=False)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def refused(*options: str) -> str:
    with pytest.raises(IchBenchError) as fault:
        said(*options)
    return str(fault.value)


@pytest.fixture(scope="module")
def heads() -> Path:
    return small_heads.mini()


@pytest.fixture(scope="module")
def two(heads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an OUT with two scored methods, with probability maps, submitted at once."""
    out = tmp_path_factory.mktemp("two")
    for method in ("unet-ich-only", "unet-mixed"):
        said("run", method, *of(heads, out), "--probabilities", "--submit", str(out / "submissions"))
    return out


def of(heads: Path, out: Path, epochs: int = LEARNT) -> list[str]:
    return ["-d", "phantom-mini", "--data", str(heads), "-o", str(out), *SMALL, "--epochs", str(epochs), "-j", "1"]


def test_run_submits_at_once_and_again_changes_nothing(heads: Path, two: Path) -> None:
    shelf = two / "submissions"
    assert sorted(path.name for path in shelf.iterdir()) == ["ich-bench-unet-ich-only", "ich-bench-unet-mixed"]
    before = {path: path.read_bytes() for path in shelf.rglob("*") if path.is_file()}
    assert before
    again = said("run", "unet-mixed", *of(heads, two), "--probabilities", "--submit", str(shelf))
    assert f"submitted   {shelf / 'ich-bench-unet-mixed'}" in again
    assert {path: path.read_bytes() for path in shelf.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("rule", ["majority", "mean"])
def test_an_ensemble_of_two_methods_is_scored_and_can_be_submitted(
    rule: str, heads: Path, two: Path, tmp_path: Path
) -> None:
    members = [str(two / "unet-ich-only"), str(two / "unet-mixed")]
    out = tmp_path / "both"
    text = said("ensemble", *members, "-d", "phantom-mini", "--data", str(heads), "-o", str(out), "--rule", rule,
                "--team", "we", "-j", "1")  # fmt: skip
    assert "dice" in text
    assert f"ich-bench submit {out} --name both" in text
    assert len(list((out / "predictions").rglob("*.nii.gz"))) == 12
    made = submit([out], "both", submissions=tmp_path / "shelf", predictions=out)
    assert "unet-mixed" in made.submission.manifest.about


def test_an_ensemble_of_one_or_by_an_unknown_rule_is_refused_in_words(two: Path, tmp_path: Path) -> None:
    out = ["-d", "phantom-mini", "-o", str(tmp_path / "x")]
    assert "two" in refused("ensemble", str(two / "unet-mixed"), *out)
    assert "majority" in refused("ensemble", str(two / "unet-mixed"), str(two / "unet-ich-only"), *out, "--rule", "max")
    assert not (tmp_path / "x").exists()


def test_the_leakage_study_ends_with_its_four_cells_and_their_file(heads: Path, tmp_path: Path) -> None:
    text = said("leakage", *of(heads, tmp_path, epochs=1), "--fold", "0,1")
    assert all(len(line) <= 80 for line in text.splitlines() if not line.startswith("table "))
    assert "never a submission" in text
    table = Path(next(line.split()[1] for line in text.splitlines() if line.startswith("table ")))
    assert len(table.read_text().splitlines()) == 1 + 4


def test_a_sweep_needs_a_method_with_shares_and_a_pool(tmp_path: Path) -> None:
    out = ["-d", "phantom-mini", "-o", str(tmp_path)]
    assert "no shares of a pool" in refused("sweep", "unet-mixed", *out, "--pool", "phantom-pool:4")
    assert "--pool" in refused("sweep", "ramananda-weak", *out)
    assert "--shares ten" in refused("sweep", "ramananda-weak", *out, "--shares", "ten")


def test_run_takes_one_method_or_all_of_them(tmp_path: Path) -> None:
    out = ["-d", "phantom-mini", "-o", str(tmp_path)]
    for wrong in (["run"], ["run", "unet-mixed", "--all"], ["run", "--all", "--option", "lstm=off"],
                  ["run", "--all", "--probabilities"]):  # fmt: skip
        with pytest.raises(UsageError):
            said(*wrong, *out)
    assert "--cluster needs --device" in refused("run", "unet-mixed", *out, "--cluster", "slurm")
    assert "expected NAME=VALUE" in refused("run", "unet-mixed", *out, "--option", "lstm")


def test_all_methods_are_forecast_without_doing_anything(tmp_path: Path) -> None:
    text = said("run", "--all", "-d", "phantom-mini", "-o", str(tmp_path / "out"), "--schedule", "smoke", "--dry-run")
    assert "nothing was done" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    for job in everything.jobs_of_all(small_heads.tiny_job(tmp_path / "out")):
        assert job.method in text
    assert not (tmp_path / "out").exists()


def test_run_all_makes_the_calibration_rows_shows_the_overview_and_submits(
    heads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everything, "METHODS", {"unet-ich-only": everything.METHODS["unet-ich-only"]})
    options: list[Any] = ["--all", *of(heads, tmp_path / "out"), "--submit", str(tmp_path / "shelf")]
    text = said("run", *options)
    assert "4 done" in text
    assert "ich-bench leaderboard phantom-mini --with" in text
    assert sorted(path.name for path in (tmp_path / "shelf").iterdir() if "-ref-" not in path.name) == [
        "ich-bench-all-brain",
        "ich-bench-empty",
        "ich-bench-threshold",
        "ich-bench-unet-ich-only",
    ]
    shown = json.loads(said("overview", "-o", str(tmp_path / "out"), "--json"))
    assert [(row["fold"], row["state"], row["scored"]) for row in shown] == [(k, "done", True) for k in range(4)]
    assert "unet-ich-only" in said("overview", "-o", str(tmp_path / "out"))
    with pytest.raises(InputError):
        said("ensemble", str(tmp_path / "shelf"), str(tmp_path), "-d", "phantom-mini", "-o", str(tmp_path / "y"))
