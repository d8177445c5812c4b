"""What is known of a case beside its scores, where the dataset lies on this machine: volume, slices, subtypes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from ich_bench.cases import SUBTYPES, Case
from ich_bench.datasets import load_dataset
from ich_bench.errors import IchBenchError, VolumeError
from ich_bench.places import cache_folder, write_json
from ich_bench.volume import open_mask, read_geometry


def case_facts(dataset: str, dataset_sha256: str) -> dict[str, dict[str, float]]:
    """Return case → `volume_ref_ml`, `slices_with_ich`, `spacing_z_mm` and known subtypes (0 or 1); {} without data.

    References are read once and remembered in the cache, by the sha256 of the dataset. A case that cannot be read is
    left out: its facts are unknown.
    """
    kept = cache_folder() / "case-facts" / f"{dataset}-{dataset_sha256[:16]}.json"
    try:
        remembered: dict[str, dict[str, float]] = json.loads(kept.read_text("utf-8"))
    except (OSError, ValueError):
        remembered = {}
    try:
        cases = load_dataset(dataset).cases
    except IchBenchError:
        return remembered
    found = {case.case_id: _of(case, remembered.get(case.case_id)) for case in cases}
    measured = {case_id: facts for case_id, facts in found.items() if facts}
    if measured and measured != remembered:
        try:
            write_json(kept, measured)
        except IchBenchError:
            return measured  # without a cache it is read again next time
    return measured


def _of(case: Case, remembered: Mapping[str, float] | None) -> dict[str, float]:
    flags = {name: float(flag) for name, flag in (case.subtypes or {}).items() if name in SUBTYPES and flag is not None}
    if remembered is not None and not math.isnan(remembered.get("volume_ref_ml", math.nan)):
        return {**remembered, **flags}
    try:
        reference = open_mask(case.reference, trusted=True) if case.reference else None
        if case.ct is None and reference is None:
            return flags
        grid = read_geometry(case.ct, trusted=True) if case.ct is not None else reference.geometry  # type: ignore[union-attr]
        voxels = reference.voxels() if reference is not None else None
    except VolumeError:
        return flags
    count = 0 if voxels is None else int(voxels.sum())
    slices = 0 if voxels is None else int(voxels.any(axis=(0, 1)).sum())
    return {
        "volume_ref_ml": count * grid.voxel_volume_mm3 / 1000,
        "slices_with_ich": float(slices),
        "spacing_z_mm": grid.spacing_mm[2],
        **flags,
    }
