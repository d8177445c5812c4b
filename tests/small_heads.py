"""What the tests of trainings share: phantom-mini's twelve heads, drawn coarsely, and jobs of seconds on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ich_bench.phantom import library, plan
from ich_bench.phantom.plan import planned

DATASET = "phantom-mini"
SHAPE = (48, 40, 8)
TINY = {"schedule": "smoke", "width": 4, "side": 32, "epochs": 1, "batch": 4}


def draw(folder: Path, heads: int = 12) -> Path:
    """Return a folder with phantom-mini of 48 × 40 × 8 voxels a head, in the layout of the dataset."""
    small = tuple(replace(head, shape=SHAPE) for head in planned(DATASET)[:heads])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "_planned", lambda _: small)
        return library.make(DATASET, folder / "mini")


def tiny_job(out: Path, data: Path, method: str = "unet-mixed", **more: Any) -> Any:
    """Return a job of seconds on these heads."""
    from ich_bench_baselines.job import Job

    return Job(**{"method": method, "dataset": DATASET, "out": out, "data": data, **TINY, **more})
