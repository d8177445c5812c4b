"""The first two minutes: drawn heads, three example submissions of different quality, scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ich_bench.calibration.masks import bright_in_cavity
from ich_bench.datasets import load_dataset
from ich_bench.runs.evaluation import Run, evaluate
from ich_bench.runs.pool import Progress
from ich_bench.volume import CT, open_mask, read_ct, write_mask

DATASET = "phantom-mini"
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Head:
    """What an example method may look at: the CT, the intracranial cavity, and (the simulated reader) the reference."""

    ct: CT
    cavity: Mask
    reference: Mask
    rng: np.random.Generator


def threshold(head: Head) -> Mask:
    """Return what lies between 50 and 90 HU inside the cavity after smoothing, without specks: no training."""
    return bright_in_cavity(head.ct, head.cavity)


def raw_threshold(head: Head) -> Mask:
    """Return every voxel between 50 and 90 HU inside the cavity: noise and all."""
    return np.asarray((head.ct.hu > 50) & (head.ct.hu < 90) & head.cavity)


def reader(head: Head) -> Mask:
    """Return the reference as a hurried second reader might draw it: edges off by a voxel, faint end slices missed."""
    edge = ndimage.gaussian_filter(head.rng.normal(size=head.reference.shape), sigma=(3.0, 3.0, 0.0))
    grown = ndimage.binary_dilation(head.reference, _IN_PLANE)
    shrunk = ndimage.binary_erosion(head.reference, _IN_PLANE)
    drawn: Mask = np.where(edge > 0, grown, shrunk) & head.cavity
    slices = np.flatnonzero(head.reference.any(axis=(0, 1)))
    if slices.size > 2:
        drawn[:, :, slices[-1]] = False
    return drawn


METHODS: Mapping[str, Callable[[Head], Mask]] = {
    "demo-second-reader": reader,
    "demo-threshold": threshold,
    "demo-raw-threshold": raw_threshold,
}
_MANIFEST = """method = "{name}"
about = "{about}"
team = "ich-bench"
licence = "Apache-2.0"
supervision = "none"
labels_needed = []
training_data = []
external_data = []
regime = "external"
checkpoint_selection = "last"
postprocessing_chosen_on = "none"
test_data_seen = "no"
"""
_IN_PLANE = np.ones((3, 3, 1), dtype=bool)


def demo(out: Path, *, jobs: int = 1, progress: Progress | None = None) -> tuple[Run, ...]:
    """Draw the heads where they are not drawn yet, write the three submissions below `out`, score them.

    Returns one Run per submission, best first. The second reader starts from the reference, so it is no method: it
    shows what a good score looks like. Everything is drawn; nothing here says anything about patients.
    """
    dataset = load_dataset(DATASET)
    for number, case in enumerate(dataset.cases):
        if case.ct is None or case.reference is None:
            continue
        ct = read_ct(case.ct)
        cavity = open_mask(dataset.source / "cavity" / case.ct.name).voxels()
        for name, method in METHODS.items():
            rng = np.random.default_rng(number)
            head = Head(ct=ct, cavity=cavity, reference=open_mask(case.reference).voxels(), rng=rng)
            path = out / name / "predictions" / DATASET / f"{case.case_id}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_mask(path, method(head), ct.geometry)
        if progress is not None:
            progress(number + 1, len(dataset.cases))
    for name, method in METHODS.items():
        about = (method.__doc__ or "").split(".")[0].replace("Return ", "")
        (out / name / "submission.toml").write_text(_MANIFEST.format(name=name, about=about), "utf-8")
    return tuple(
        evaluate(DATASET, out / name, out=out / name, jobs=jobs, overwrite=True) for name, _ in METHODS.items()
    )
