"""CQ500 as its zips unpack: a folder of DICOM series a scan, and the table of three readers' marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom.uid import generate_uid

from ich_bench.geometry import Geometry
from ich_bench.phantom.head import Head
from ich_bench.phantom.layouts.common import SMALL, assigned, drawn, generator
from ich_bench.phantom.layouts.dicom import planes, write_slice
from ich_bench.phantom.layouts.reads import write_reads

CASES = ("CQ500-CT-2", "CQ500-CT-3", "CQ500-CT-5", "CQ500-CT-0", "CQ500-CT-4", "CQ500-CT-10")
SPLIT = ("CQ500-CT-0",)  # readers differ here, so it is not among the 245
WITH_ICH = ("CQ500-CT-4", "CQ500-CT-10")


def write(
    folder: Path,
    heads: Iterable[Head] | None = None,
    *,
    cases: Sequence[str] = CASES,
    with_ich: Sequence[str] = WITH_ICH,
    split: Sequence[str] = SPLIT,
    shape: tuple[int, int, int] = SMALL,
    seed: int = 0,
) -> Path:
    """Write `CQ500CT<N> CQ500CT<N>/Unknown Study/<series>/CT<n>.dcm` and `reads.csv`; return the folder.

    Each scan has a thick, a thin and a bone-kernel series of one head; the first scan also a scout of one slice. Scans
    in `with_ich` hold a bleed that all readers see; in those of `split` one reader marks what is not there.
    """

    def make(case_id: str) -> Head:
        return drawn(
            case_id, ("iph",) if case_id in with_ich else (), seed=seed, shape=shape, thickness_mm=5.0, site="a"
        )

    scans: dict[str, Mapping[str, bool]] = {}
    for index, (case_id, head) in enumerate(assigned(heads, cases, lambda case_id: case_id in with_ich, make)):
        scans[case_id] = head.subtypes
        name = case_id.replace("CQ500-CT-", "CQ500CT")
        study = folder / f"{name} {name}" / "Unknown Study"
        person = {"PatientID": name, "PatientName": name, "StudyInstanceUID": generate_uid(entropy_srcs=[name])}
        thick = head.geometry.spacing_mm[2]
        _write_series(study, "CT Plain", head, person, thick)
        _write_series(study, "CT PLAIN THIN", _thin(head), person, thick / 2)
        noise = (60 * generator(seed, f"kernel {case_id}").random(head.hu.shape) - 30).astype(np.int16)
        _write_series(study, "CT BONE", replace(head, hu=np.maximum(head.hu + noise, -1024)), person, thick)
        if index == 0:
            _write_series(study, "SCOUT", head, person, thick, only=1)
    write_reads(folder / "reads.csv", scans, generator(seed, "reads"), split=tuple(split))
    return folder


def _thin(head: Head) -> Head:
    """Return the head on slices half as thick: each slice twice, for a reader that only counts and measures."""
    affine = head.geometry.matrix
    affine[:3, 3] -= affine[:3, 2] / 4
    affine[:3, 2] /= 2
    hu = np.repeat(head.hu, 2, axis=2)
    return replace(head, hu=hu, geometry=Geometry.of(hu.shape, affine))


def _write_series(
    study: Path,
    description: str,
    head: Head,
    person: Mapping[str, str],
    thickness_mm: float,
    *,
    only: int | None = None,
) -> None:
    series = generate_uid(entropy_srcs=[person["StudyInstanceUID"], description])
    for k, (hu, place) in enumerate(planes(head)[:only]):
        tags = {
            **person,
            "SeriesInstanceUID": series,
            "SeriesDescription": description,
            "SOPInstanceUID": generate_uid(entropy_srcs=[series, str(k)]),
            "InstanceNumber": k + 1,
            "SliceThickness": round(thickness_mm, 4),
            **place,
        }
        write_slice(study / description / f"CT{k:06}.dcm", hu + 1024, tags, bits=16, signed=True, intercept=-1024)
