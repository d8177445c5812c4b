"""What the tests of the pretexts share: a small pool of drawn shapes with weak labels, and jobs of seconds on it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

SIDE, PATIENTS, EACH = 32, 16, 8
SUBTYPES = ("edh", "iph", "ivh", "sah", "sdh")
TINY = {"schedule": "smoke", "width": 4, "side": SIDE, "epochs": 2, "batch": 8}


def cache(folder: Path) -> Any:
    """Return 128 slices of 16 patients, every second one with a bright square whose place is its subtype's."""
    from ich_bench_baselines.data.pixels import BRAIN
    from ich_bench_baselines.data.slices import SliceSet

    rng = np.random.default_rng(0)
    count = PATIENTS * EACH
    images = rng.integers(60, 110, (count, SIDE, SIDE), dtype=np.uint8)
    images[:, :3], images[:, -3:] = 0, 0
    lines = []
    for n in range(count):
        ich, kind = n % 2 == 0, n // 2 % 5
        if ich:
            row, column = 5 + 9 * (kind // 3), 4 + 9 * (kind % 3)
            images[n, row : row + 7, column : column + 7] = 220
        patient = f"p{n // EACH:02}"
        flags = {name: ich and number == kind for number, name in enumerate(SUBTYPES)}
        lines.append({"slice_id": f"s{n:03}", "case_id": patient, "patient_id": patient, "any": ich, **flags})
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images.npy", images)
    index = pd.DataFrame(lines)
    return SliceSet(dataset="toy-pool", key="k", folder=folder, window=BRAIN, side=SIDE, index=index)


def use(patch: pytest.MonkeyPatch, folder: Path) -> Any:
    """Let `--pool phantom-pool:1` mean this pool: nothing is drawn."""
    from ich_bench_baselines.pretext import training as pretrain

    found = cache(folder)
    plan = dataclasses.replace(pretrain.phantom_pool(1), dataset=found.dataset, key=found.key, count=lambda: len(found))
    patch.setattr(pretrain, "phantom_pool", lambda heads, **_: plan)
    patch.setattr(pretrain, "build", lambda plan, **_: found)
    return found


def tiny_job(out: Path, **more: Any) -> Any:
    """Return a job of seconds."""
    from ich_bench_baselines.job import Job

    return Job(**{"method": "binary-classification", "dataset": "phantom-mini", "out": out, "pool": "phantom-pool:1",
                  **TINY, **more})  # fmt: skip
