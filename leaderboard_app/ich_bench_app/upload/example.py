"""An upload to begin with: the masks of a threshold on the drawn heads, as a zip."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from ich_bench.calibration.masks import bright_in_cavity
from ich_bench.datasets import load_dataset
from ich_bench.volume import open_mask, read_ct, write_mask
from ich_bench_app.upload.outcome import Step

DATASET = "phantom-mini"
_DRAWN = (2026, 1, 1, 0, 0, 0)  # so that the same masks make the same bytes


def write(path: Path, *, dataset: str, data: Path, tell: Callable[[Step], None]) -> None:
    """Write a zip with one mask a head: what lies between 50 and 90 HU in the cavity, the calibration's `threshold`."""
    cases = load_dataset(dataset, data).cases
    with tempfile.TemporaryDirectory() as home, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        for number, case in enumerate(cases, start=1):
            if case.ct is None:
                continue
            ct = read_ct(case.ct)
            cavity = open_mask(data / "cavity" / case.ct.name).voxels()
            mask = Path(home) / f"{case.case_id}.nii.gz"
            write_mask(mask, bright_in_cavity(ct, cavity), ct.geometry)
            info = zipfile.ZipInfo(mask.name, date_time=_DRAWN)
            info.external_attr = 0o644 << 16
            packed.writestr(info, mask.read_bytes())
            tell(Step(stage="making the example", done=number, total=len(cases)))
