"""What is held out of a pool is seen by trained networks alone, and the figures are those worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import easy_heads
from ich_bench.errors import UsageError
from ich_bench.phantom import pool as drawn
from ich_bench_baselines.data.pixels import masks_of
from ich_bench_baselines.job import Job, folder
from ich_bench_baselines.ramananda import held_out as tested
from ich_bench_baselines.ramananda import settings as ramananda
from ich_bench_baselines.ramananda.held_out import auc, pool_test
from ich_bench_baselines.ramananda.weak import weak_slices


def test_the_auc_is_how_often_a_slice_with_ich_scores_above_one_without() -> None:
    # pairs: 3 > 1, 3 > 2, 2 > 1, 2 = 2: three and a half of four
    assert auc([3, 2, 1, 2], [True, True, False, False]) == 0.875
    assert auc([0, 1], [True, False]) == 0.0
    assert math.isnan(auc([1, 2], [True, True]))


def test_a_trained_pool_is_tested_on_what_it_has_not_seen_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, masks, cases = easy_heads.drawn(heads=60)
    slices = easy_heads.cache(tmp_path / "slices", images, masks, cases)
    for module in (ramananda, tested):
        monkeypatch.setattr(module, "build", lambda plan, **_: slices)
    settings = easy_heads.small_settings(epochs=1)
    light = replace(settings.light, training=replace(settings.light.training, epochs=1))
    settings = replace(settings, light=light, pool=replace(settings.pool, held_out=9))
    job = Job(method="ramananda-weak", dataset="phantom-mini", out=tmp_path, pool="phantom-pool:60")
    ramananda.train_weak(job, settings)
    seen = ramananda.seen_by(job, settings)
    asked: list[Any] = []
    real = tested._predicted

    def predicted(network: Any, weak: Any, rows: Any, *more: Any) -> Any:
        asked.append(rows)
        return real(network, weak, rows, *more)

    monkeypatch.setattr(tested, "_predicted", predicted)
    found = pool_test(job, settings)
    assert (found.held_out, len(asked[0]), found.drawn) == (9, 9, 0)
    assert 0 <= found.found <= 1
    assert 0 <= found.auc <= 1
    assert found.tested % easy_heads.EACH == 0
    assert math.isnan(found.dice)  # these heads are none of the drawn pool's
    patients = weak_slices(slices).index["patient_id"].to_numpy()
    assert not set(patients[asked[0]]) & set(patients[seen.stream.rows])
    assert masks[asked[0]].any(axis=(1, 2)).all()
    again = pool_test(job, settings)
    assert len(asked) == 1
    assert (again.auc, again.found) == (found.auc, found.found)
    assert (folder(job) / tested.FILE).is_file()
    with pytest.raises(UsageError, match="none to be tested on"):
        pool_test(replace(job, pool=None), settings)


def test_the_reference_of_a_drawn_pool_is_drawn_again_slice_by_slice(tmp_path: Path) -> None:
    number = next(n for n in range(50) if drawn.planned_head(n).bleeds)
    head = next(drawn.heads(number + 1, first=number)).head
    wanted = [one > 0 for one in masks_of(head.reference, head.geometry, 32)]
    ich = [place for place, one in enumerate(wanted) if one.any()][:2]
    cases = [head.case_id] * len(wanted)
    slices = easy_heads.cache(tmp_path, np.zeros((len(wanted), 32, 32), np.uint8), np.array(wanted), cases)
    found = tested._drawn_again(weak_slices(slices), np.array([ich[1], ich[0]]))
    assert [one.tolist() for one in found] == [wanted[ich[1]].tolist(), wanted[ich[0]].tolist()]
