"""Ours stands beside what papers print, on the same data alone, and never what a smoke training reached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")

import small_heads
from ich_bench.cli.app import app
from ich_bench.runs.store import read_scores
from ich_bench.submissions.model import Reported, ReportedRow
from ich_bench_baselines.experiment import run
from ich_bench_baselines.studies import beside as module
from ich_bench_baselines.studies.beside import beside, text


def row(dataset: str, cohort: str = "ich", subset: str = "", *, same: bool = True) -> ReportedRow:
    return ReportedRow(
        paper="p", row=f"{dataset} {cohort} {subset}", method="U-Net", method_id="unet-ich-only",
        supervision="supervised", dataset=dataset, data="", cohort=cohort, subset=subset, n=12,
        unit_of_n="volumes", source="p, Table 1", protocol="", caveats=(),
        metrics={"dice": Reported(text="42 ± 30", value=0.42, sd=0.3),
        "precision": Reported(text="not transcribed")}, same_protocol=same,
    )  # fmt: skip


@pytest.fixture
def out(tmp_path: Path) -> Path:
    job = small_heads.tiny_job(tmp_path / "out", small_heads.mini(), "unet-ich-only", schedule="phantom")
    run(job)
    return tmp_path / "out"


def test_ours_is_the_mean_of_the_cohort_and_a_part_of_it_is_compared_in_kind_only(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = (row("phantom-mini"), row("phantom-mini", subset="without one", same=False), row("hssayeni"))
    scores = read_scores(out / "unet-ich-only/scores/phantom-mini.parquet").to_pandas()
    mean = float(scores.loc[scores["has_ich"], "dice"].mean())
    fewer = row("phantom-mini", subset="20 % of labels", same=False)
    again = (*printed, fewer, row("phantom-mini"))
    monkeypatch.setattr(module, "reported", lambda method: again if method == "unet-ich-only" else ())
    same, part, other, labels = beside([out], out.parent)  # a number printed twice is one
    assert labels.ours is None  # trained on all labels, which is another training
    assert (same.value, same.printed, same.metric, same.comparable, same.seeds) == (0.42, "42 ± 30", "dice", True, 1)
    assert same.ours == pytest.approx(mean, abs=1e-12)
    assert same.difference == pytest.approx(mean - 0.42)
    assert (part.ours, part.comparable) == (same.ours, False)
    assert (other.ours, other.difference) == (None, None)
    shown = text([same, part, other])
    assert all(len(line) <= 80 for line in shown.splitlines())
    lines = [line for line in shown.splitlines() if "0.420 ± 0.300" in line]
    assert lines[0].endswith(f"{mean - 0.42:+.3f}")
    assert lines[1].endswith("~")
    assert lines[2].split()[-2:] == ["–", "–"]


def test_a_smoke_training_stands_beside_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(small_heads.tiny_job(tmp_path / "out", small_heads.mini(), "unet-ich-only"))
    monkeypatch.setattr(module, "reported", lambda method: (row("phantom-mini"),) if method == "unet-ich-only" else ())
    (found,) = beside([tmp_path / "out"], tmp_path)
    assert found.ours is None


def test_the_verb_lists_every_printed_number_also_where_nothing_was_trained(tmp_path: Path) -> None:
    (tmp_path / "submissions").mkdir()
    options = ["baselines", "beside", "--submissions", str(tmp_path / "submissions")]
    told = json.loads(CliRunner().invoke(app, [*options, "--json"], catch_exceptions=False).stdout)
    mixed = [one for one in told if (one["method"], one["dataset"], one["cohort"]) == ("unet-mixed", "hssayeni", "ich")]
    assert {one["metric"] for one in mixed} >= {"dice"}
    assert all(one["ours"] is None for one in told)
    assert "| unet-mixed |" in CliRunner().invoke(app, [*options, "--markdown"]).stdout
