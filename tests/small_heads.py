"""What the tests of trainings share: phantom-mini's heads, drawn coarsely, jobs of seconds on them, crafted slices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ich_bench.cases import SUBTYPES
from ich_bench.phantom import library, plan
from ich_bench.phantom.plan import planned
from ich_bench.places import cache_folder

DATASET = "phantom-mini"
SHAPE = (48, 40, 8)
TINY = {"schedule": "smoke", "width": 4, "side": 32, "epochs": 1, "batch": 4}


def mini() -> Path:
    """Return a folder with phantom-mini of 48 × 40 × 8 voxels a head, drawn once for all tests of a run."""
    small = tuple(replace(head, shape=SHAPE) for head in planned(DATASET))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "_planned", lambda _: small)
        return library.make(DATASET, cache_folder() / "small-heads")


def tiny_job(out: Path, data: Path | None = None, method: str = "unet-mixed", **more: Any) -> Any:
    """Return a job of seconds on these heads."""
    from ich_bench_baselines.job import Job

    return Job(**{"method": method, "dataset": DATASET, "out": out, "data": data, **TINY, **more})


def crafted_slices(folder: Path, images: Any, masks: Any, cases: list[str]) -> Any:
    """Return a cache of slices made by hand: uint8 images and 0/1 masks (n, side, side), a case id each."""
    from ich_bench_baselines.data.pixels import BRAIN
    from ich_bench_baselines.data.slices import SliceSet

    folder.mkdir(parents=True, exist_ok=True)
    for kind, array in {"images": images, "masks": masks, "cavity": masks}.items():
        np.save(folder / f"{kind}.npy", np.asarray(array, np.uint8))
    ich = np.asarray(masks).any(axis=(1, 2))
    index = pd.DataFrame({"case_id": cases, "patient_id": cases, "has_ich": ich, "in_cavity": ich})
    index["slice_id"] = [f"{case}/{k}" for k, case in enumerate(cases)]
    for name in ("any", *SUBTYPES):
        index[name] = pd.array([None] * len(cases), dtype="boolean")
    return SliceSet(dataset="hand", key="k", folder=folder, window=BRAIN, side=images.shape[1], index=index)
