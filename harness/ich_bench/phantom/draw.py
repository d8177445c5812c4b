"""One head, drawn from a seed: a person, what bled, and the scan that was made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ich_bench.cases import SUBTYPES
from ich_bench.errors import UsageError, did_you_mean
from ich_bench.phantom.anatomy import Anatomy, draw_anatomy
from ich_bench.phantom.bleeds import Bleed, draw_bleed
from ich_bench.phantom.chance import Floats
from ich_bench.phantom.head import Facts, Head
from ich_bench.phantom.paint import AIR_HU, paint
from ich_bench.phantom.parameters import PARAMETERS, PHANTOM_VERSION, Parameters, site_of
from ich_bench.phantom.scanner import Scan, acquire, draw_scan, headrest

_LEAST_VOXELS = 6  # a bleed that leaves fewer is drawn again
_ATTEMPTS = 20
_NO_BONE = 0.9  # a voxel that is bone to a tenth is outlined by no reader


def draw(
    case_id: str,
    rng: np.random.Generator,
    *,
    site: str = "b",
    bleeds: Sequence[str] | None = None,
    shape: tuple[int, int, int] | None = None,
    patient_id: str | None = None,
    parameters: Parameters = PARAMETERS,
    scan: Scan | None = None,
    blood_hu: float | None = None,
) -> Head:
    """Return a drawn head; the same generator state gives the same head.

    Args:
        case_id: its name.
        rng: where all chance comes from.
        site: whose scanner and patients: a, b, c, or d (held back).
        bleeds: subtypes that bled, of SUBTYPES, each once or several times; () for a healthy head; drawn by the
            site's statistics when None. Each is seen in the masks: one that would fall between the slices is drawn
            again.
        shape: voxels along x, y and z; 256 × 256 and the whole head when None.
        parameters: what heads are made from.
        scan: the acquisition; drawn when None (256 × 256, 5 mm or somewhat thinner slices, some tilted).
        patient_id: whose head it is; the case id when None.
        blood_hu: the density of all blood; drawn by age when None (48-80 fresh, 35-44 older).
    """
    site_of(site)
    if bleeds is None:
        bleeds = ()
    for subtype in bleeds:
        if subtype not in SUBTYPES:
            raise UsageError(f"{subtype!r} is no kind of bleed. {did_you_mean(subtype, SUBTYPES)}")
    scan = scan or draw_scan(rng, shape=shape)
    person = draw_anatomy(rng)
    for _ in range(_ATTEMPTS):
        lesions = [draw_bleed(subtype, rng, person, scan.span_mm) for subtype in bleeds]
        if blood_hu is not None:
            lesions = [replace(lesion, hu=blood_hu) for lesion in lesions]
        hu, cavity, blood = _expose(person, lesions, scan)
        if all(((share >= 0.5) & (cavity >= _NO_BONE)).sum() >= _LEAST_VOXELS for share in blood):
            break
    else:
        raise UsageError(f"a grid of {scan.shape} is too coarse to show {', '.join(bleeds)}: draw on a finer one.")
    masks = {subtype: np.zeros(scan.shape, bool) for subtype in SUBTYPES}
    for lesion, share in zip(lesions, blood, strict=True):
        masks[lesion.subtype] |= _taken(share, 0.5) & _taken(cavity, _NO_BONE)
    return Head(
        case_id=case_id,
        patient_id=patient_id or case_id,
        hu=acquire(hu, scan, rng),
        geometry=scan.geometry,
        reference=np.logical_or.reduce(list(masks.values())),
        cavity=_taken(cavity, 0.5),
        subtype_masks=masks,
        truth=np.logical_or.reduce(list(masks.values())),
        truth_masks=masks,
        facts=Facts(
            version=PHANTOM_VERSION,
            site=site,
            age_years=50.0,
            female=False,
            spacing_mm=scan.spacing_mm,
            tilt_deg=scan.tilt_deg,
            kernel="standard",
            noise_hu=scan.noise_hu,
            offset_hu=0.0,
            padding_hu=-1024,
            bleeds=tuple(bleeds),
            mimics=(),
        ),
    )


def _taken(share: Floats, at_least: float) -> NDArray[np.bool_]:
    """Return the voxels, (x, y, z), of which at least this share is taken."""
    return np.ascontiguousarray((share >= at_least).transpose(1, 2, 0))


def _expose(person: Anatomy, lesions: Sequence[Bleed], scan: Scan) -> tuple[Floats, Floats, list[Floats]]:
    """Return mean HU, share of cavity and shares of blood of every voxel, as planes (z, x, y)."""
    planes = (scan.shape[2], *scan.shape[:2])
    hu = np.full(planes, AIR_HU) + headrest(scan)
    cavity = np.zeros(planes)
    blood = [np.zeros(planes) for _ in lesions]
    box = scan.box((person.half_width_mm * 1.12 + 24.0, person.half_length_mm * 1.05 + 22.0))
    for k in range(scan.shape[2]):
        painted = paint(person, lesions, scan.place(k, box), max(0.6, scan.spacing_mm[0]))
        hu[k][box] = np.maximum(painted.hu.mean(axis=0), hu[k][box])
        cavity[k][box] = painted.cavity.mean(axis=0)
        for share, part in zip(blood, painted.blood, strict=True):
            share[k][box] = part.mean(axis=0)
    return hu, cavity, blood
