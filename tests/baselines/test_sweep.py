"""Dice against the share of a pool: resumed, tested for equivalence with the whole, written and drawn."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch")

from ich_bench.cases import SUBTYPES
from ich_bench.errors import UsageError
from ich_bench_baselines.job import Job
from ich_bench_baselines.ramananda.shares import SHARES
from ich_bench_baselines.studies import sweep as swept
from ich_bench_baselines.studies.sweep import as_csv, points, scored, sweep, table, with_share

CASES = 40
LOST = {10: 0.20, 20: 0.06, 50: 0.01, 100: 0.0}  # mean Dice below the whole pool's; the margin is 0.05


def job(out: Path, **more: Any) -> Job:
    return Job(**{"method": "ramananda-weak", "dataset": "phantom", "out": out, "pool": "phantom-pool:9", **more})


def dice_of(share: int, *, seed: int = 0) -> pd.DataFrame:
    """Rows of a score file: every second case shows IPH, every fourth one is healthy; each seed 0.02 apart."""
    rng = np.random.default_rng(share)
    base = np.linspace(0.5, 0.8, CASES) - LOST[share] + rng.normal(0, 0.01, CASES) * (share != 100)
    ich = np.arange(CASES) % 4 != 3
    rows = pd.DataFrame({"case_id": [f"c{k:02}" for k in range(CASES)], "has_ich": ich, "dice": base + 0.02 * seed})
    rows.loc[~ich, "dice"] = math.nan
    for name in SUBTYPES:
        rows[name] = (np.arange(CASES) % 2 == 0) if name == "iph" else None
    return rows.assign(seed=seed)


def use(patch: pytest.MonkeyPatch) -> list[Job]:
    """Let a run return these scores at once; what was asked for is recorded."""
    asked: list[Job] = []

    def run(one: Job, *, seeds: Any, stage: Any) -> Any:
        asked.append(one)
        share = int(dict(one.options).get("share", 100))
        rows = pd.concat([dice_of(share, seed=seed) for seed in seeds])
        scores = SimpleNamespace(scores=SimpleNamespace(to_pandas=lambda: rows))
        return SimpleNamespace(scores=scores, checkpoints={one: Path("x")})

    patch.setattr(swept, "run", run)
    patch.setattr(swept, "_known", lambda one: {"slices_with_ich": 8, "patients": 3, "auc": 0.75})
    return asked


def test_a_case_counts_once_with_the_mean_of_its_seeds_and_healthy_ones_do_not() -> None:
    found = scored(pd.concat([dice_of(100, seed=seed) for seed in (0, 1)]))
    assert len(found) == 30  # three of four
    assert found.loc["c00", "dice"] == pytest.approx(0.51)  # 0.5 and 0.52


def test_points_are_the_means_and_the_paired_differences_and_the_test_is_two_one_sided_t_tests() -> None:
    index = ["a", "b", "c", "d"]
    none = {name: [None] * 4 for name in SUBTYPES}
    whole = pd.DataFrame({**none, "iph": [True, True, False, None], "dice": [0.5, 0.6, 0.7, 0.8]}, index=index)
    half = whole.assign(dice=[0.49, 0.61, 0.69, 0.81])
    one, all_ = points({50: half, 100: whole}, {50: [{"slices_with_ich": 10, "patients": 4}]}, 0.05)
    assert (one.share, one.cases, one.dice, one.slices, one.patients) == (50, 4, pytest.approx(0.65), 10, 4)
    assert one.difference == pytest.approx(0.0)
    # differences -.01 .01 -.01 .01: SD .011547, standard error .0057735; t = .05 / .0057735 = 8.6603 on 3 degrees
    assert one.p == pytest.approx(0.00162, abs=2e-5)
    assert one.equivalent
    assert one.subtypes["iph"] == pytest.approx(0.55)
    assert math.isnan(one.subtypes["sdh"])
    assert all_.equivalent
    assert math.isnan(all_.slices)


def test_the_lower_bound_is_the_smallest_share_equivalent_to_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = use(monkeypatch)
    told: list[str] = []
    found = sweep(job(tmp_path), shares=(50, 10, 20), seeds=(0, 1), stage=told.append)
    assert [dict(one.options).get("share", "100") for one in asked] == ["10", "20", "50", "100"]
    assert told == [f"{share} % of the pool ({n}/4)" for n, share in enumerate((10, 20, 50, 100), start=1)]
    assert [one.equivalent for one in found.points] == [False, False, True, True]  # 0.20, 0.06, 0.01 below: margin 0.05
    assert found.lower_bound == 50
    home = tmp_path / "sweep/ramananda-weak-from-phantom-pool-9/phantom"
    assert {path.name for path in found.files} >= {"sweep.csv", "sweep.png", "sweep.pdf"}
    assert all(path.parent == home and path.stat().st_size > 100 for path in found.files)
    with (home / "sweep.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["share_percent"], row["equivalent"], row["lower_bound"]) for row in rows] == [
        *(("10", "0", "0"), ("20", "0", "0"), ("50", "1", "1"), ("100", "1", "0")),
    ]
    assert float(rows[0]["difference"]) == pytest.approx(-0.2, abs=0.01)
    assert rows[0]["dice_sdh"] == ""  # no case shows any: not known
    assert float(rows[3]["dice_iph"]) > 0.5
    assert (rows[0]["slices_with_ich"], rows[0]["pool_auc"], rows[0]["pool_dice"]) == ("8", "0.7500", "")
    text = table(found)
    assert "lower bound  50 %" in " ".join(text.split()).replace("lower bound 50", "lower bound  50")
    assert max(map(len, text.splitlines()[:9])) <= 80


def test_where_no_smaller_share_is_equivalent_the_whole_is_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch)
    found = sweep(job(tmp_path), shares=(10, 20))
    assert found.lower_bound == 100
    assert "100" in as_csv(found).splitlines()[-1]


def test_where_the_whole_pool_teaches_nothing_there_is_no_bound() -> None:
    none = {name: [None] * 5 for name in SUBTYPES}
    nothing = pd.DataFrame({**none, "dice": [0.0, 0.01, 0.0, 0.0, 0.02]}, index=list("abcde"))
    found = swept.Sweep(dataset="phantom", title="x", points=points({10: nothing, 100: nothing}, {}, 0.05))
    assert found.lower_bound is None
    assert "none: of the whole pool" in table(found)
    assert {line.split(",")[12] for line in as_csv(found).splitlines()[1:]} == {"0"}
    assert swept.picture(found).figure is not None


def test_too_few_cases_to_show_equivalence_are_told_apart_from_a_difference() -> None:
    rng = np.random.default_rng(0)
    none = {name: [None] * 5 for name in SUBTYPES}
    whole = pd.DataFrame({**none, "dice": [0.5] * 5}, index=list("abcde"))
    wild = whole.assign(dice=0.5 + rng.normal(0, 0.3, 5))
    found = points({50: wild, 100: whole}, {}, 0.05)
    assert not found[0].testable
    assert not found[0].equivalent
    assert "too few" in table(swept.Sweep(dataset="phantom", title="x", points=found))


def test_the_other_options_of_a_job_hold_for_all_shares() -> None:
    own = job(Path("out"), options=(("lstm", "off"), ("share", "30")))
    assert with_share(own, 20).options == (("lstm", "off"), ("share", "20"))
    assert with_share(own, 100).options == (("lstm", "off"),)


def test_by_default_all_shares_from_ten_to_a_hundred_are_swept() -> None:
    assert tuple(range(10, 101, 10)) == SHARES


def test_a_sweep_without_shares_or_without_a_pool_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch)
    with pytest.raises(UsageError, match="name one with --pool"):
        sweep(job(tmp_path, pool=None))
    with pytest.raises(UsageError, match="has no shares"):
        sweep(replace(job(tmp_path), method="unet-mixed"))
    with pytest.raises(UsageError, match="no share of 15 %"):
        sweep(job(tmp_path), shares=(15,))
