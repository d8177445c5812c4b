"""What the tests of weak labels share: drawn slices that are easy, an oval of bone with one bright bleed in some."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ich_bench.cases import SUBTYPES

SIDE, HEADS, EACH = 64, 24, 8
BRAIN_HU, BLOOD_HU, BONE = 34.0, 66.0, 255


def byte(hu: float) -> int:
    """Return a density as the window [-50, 150] stores it."""
    return round((hu + 50) * 255 / 200)


def drawn(heads: int = HEADS, each: int = EACH, side: int = SIDE, seed: int = 0) -> tuple[Any, Any, list[str]]:
    """Return images, bleeds (n, side, side) and the case of each slice: two of three heads bleed in 3 to 5."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:side, :side] / side - 0.5
    images, masks, cases = [], [], []
    for head in range(heads):
        shift = rng.uniform(-0.02, 0.02, 2)
        oval = ((row - shift[0]) / 0.44) ** 2 + ((column - shift[1]) / 0.36) ** 2
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.2)
        centre, radii = shift + far * np.array([np.sin(angle), np.cos(angle)]), rng.uniform(0.08, 0.11, 2)
        first, length = rng.integers(1, 4), rng.integers(3, 6)
        for k in range(each):
            image = np.where(oval < 0.8, byte(BRAIN_HU), 0) + rng.normal(0, 5, row.shape) * (oval < 0.8)
            bleed = ((row - centre[0]) / radii[0]) ** 2 + ((column - centre[1]) / radii[1]) ** 2 <= 1
            bleed &= (head % 3 > 0) and first <= k < first + length
            image = np.where(bleed, byte(BLOOD_HU) + rng.normal(0, 5, row.shape), image)
            images.append(np.where((oval >= 0.8) & (oval < 1), BONE, image).clip(0, 255).astype(np.uint8))
            masks.append(bleed)
            cases.append(f"head-{head:02}")
    return np.stack(images), np.stack(masks), cases


def cache(folder: Path, images: Any, masks: Any, cases: list[str]) -> Any:
    """Return these slices as a cache that lies in a folder, masks and all."""
    from ich_bench_baselines.data.pixels import BRAIN
    from ich_bench_baselines.data.slices import SliceSet

    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images.npy", images)
    np.save(folder / "masks.npy", np.asarray(masks, np.uint8))
    ich = np.asarray(masks).any(axis=(1, 2))
    place = pd.Series(cases).groupby(cases).cumcount().to_numpy()
    index = pd.DataFrame({"case_id": cases, "patient_id": cases, "place": place, "has_ich": ich})
    index["slice_id"] = [f"{case}/{k}" for case, k in zip(cases, place, strict=True)]
    for name in ("any", *SUBTYPES):
        index[name] = pd.array([None] * len(cases), dtype="boolean")
    return SliceSet(dataset="easy", key="k", folder=folder, window=BRAIN, side=images.shape[1], index=index)


def small_settings(**training: Any) -> Any:
    """Return settings of seconds: few channels, short strides for slices of 64, so that maps have 16 × 16 places."""
    from ich_bench_baselines.ramananda.settings import WeakSettings

    full = WeakSettings()
    network = replace(full.classifier.network, top=8, hidden=16, strides=(1, 1, 1), blocks=(1, 1, 1))
    own = replace(full.classifier.training, **{"epochs": 25, "batch_size": 32, "lr": 1e-3, **training})
    light = replace(
        full.light,
        unet=replace(full.light.unet, top=8),
        slices=replace(full.light.slices, side=SIDE),
        training=replace(full.light.training, epochs=8, batch_size=8, lr=5e-3),
    )
    return replace(full, classifier=replace(full.classifier, network=network, training=own), light=light)


def everything(slices: Any, settings: Any) -> Any:
    """Return all slices of a cache as a training from labels sees them."""
    from ich_bench_baselines.data.guard import Guard
    from ich_bench_baselines.data.streams import Stream
    from ich_bench_baselines.ramananda.settings import seen_as
    from ich_bench_baselines.ramananda.weak import weak_slices

    weak = weak_slices(slices)
    rows = np.arange(len(weak))
    stream = Stream(rows=rows, positive=weak.index["ich"].to_numpy(bool), guard=Guard(), about="by hand")
    return seen_as(settings.classifier, weak, stream)
