"""The verbs leaderboard and compare, as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from boards import dice_like, write_run
from ich_bench.cli.app import app
from ich_bench.errors import UsageError

SEG = "seg-cq500"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    (tmp_path / "shelf").mkdir()
    monkeypatch.setenv("ICH_BENCH_SUBMISSIONS", str(tmp_path / "shelf"))
    scores = dice_like(np.random.default_rng(7), 2, 51, [0.1, 0])
    return [str(write_run(tmp_path / name, SEG, scores[:, place])) for place, name in enumerate("ab")]


def said(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_runs_stand_in_their_place_and_are_badged(runs: list[str]) -> None:
    text = said("leaderboard", SEG, "--with", runs[1], "--with", runs[0])
    lines = text.splitlines()
    table = [line for line in lines if line.startswith(("a ", "b ")) and "[" in line]
    assert [line.split()[:3] for line in table] == [["a", "1", "[1–1]"], ["b", "2", "[2–2]"]]
    assert "not submitted · one training run" in text


def test_without_a_dataset_all_of_them_are_listed(runs: list[str]) -> None:
    text = said("leaderboard", "--with", runs[0])
    assert [name for name in ("hssayeni", "instance2022", SEG, "phantom-mini") if name not in text] == []


def test_every_part_can_be_asked_for(runs: list[str]) -> None:
    text = said("leaderboard", SEG, "--with", runs[0], "--with", runs[1], "--everything")
    for title in ("pairs: dice on ich", "detected:", "mean dice on ich by slice thickness", "ranks under other schemes",
                  "training runs", "label efficiency", "CQ500-CT-108"):  # fmt: skip
        assert title in text, title


def test_a_metric_that_is_not_ranked_is_tested_when_asked_for(runs: list[str]) -> None:
    text = said("leaderboard", SEG, "--with", runs[0], "--with", runs[1], "--metric", "hd95", "--pairs")
    assert "median hd95 mm" in text
    assert "pairs: hd95 on ich (n = 51)" in text


def test_json_is_the_same_by_either_option(runs: list[str]) -> None:
    told = ("leaderboard", SEG, "--with", runs[0])
    assert json.loads(said(*told, "--json")) == json.loads(said(*told, "--format", "json"))


def test_a_dataset_of_healthy_heads_opens_with_the_clean_rate(runs: list[str], tmp_path: Path) -> None:
    quiet = write_run(tmp_path / "quiet", "cq500-negative", [1.0] * 245)
    text = said("leaderboard", "cq500-negative", "--with", str(quiet), "--everything")
    assert "clean on healthy (n = 245)" in text
    assert "245/245 100 % [98–100]" in text
    assert "clean rate and no rank" in text


def test_compare_takes_output_folders(runs: list[str]) -> None:
    text = said("compare", runs[0], runs[1])
    assert "A is better" in text
    assert json.loads(said("compare", runs[0], runs[1], "--json"))["tests"][0]["verdict"] == "first better"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("leaderboard", "seg-cq50"), "Did you mean seg-cq500"),
        (("leaderboard", SEG, "--metric", "dic"), "Did you mean dice"),
        (("leaderboard", SEG, "--cohort", "sick"), "no cohort 'sick'"),
        (("leaderboard", SEG, "--format", "tex"), "no format 'tex'"),
        (("leaderboard", SEG, "--profile", "spahr"), "Did you mean spahr2023"),
        (("compare", "nobody", "nowhere"), "no submission 'nobody'"),
    ],
)
def test_wrong_usage_is_told_with_the_known_names(runs: list[str], words: tuple[str, ...], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        CliRunner().invoke(app, list(words), catch_exceptions=False)
