"""One head, drawn from a seed: a person, what bled, and the scan that was made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ich_bench.cases import SUBTYPES
from ich_bench.errors import UsageError, did_you_mean
from ich_bench.phantom.bleed import Bleed
from ich_bench.phantom.bleeds import draw_bleed_plan, draw_bleeds, lesion_parameters
from ich_bench.phantom.chance import Floats
from ich_bench.phantom.head import Facts, Head, Mask
from ich_bench.phantom.mimics import Mimic, draw_mimics
from ich_bench.phantom.paint import Blood, paint
from ich_bench.phantom.parameters import PARAMETERS, PHANTOM_VERSION, Parameters, site_of
from ich_bench.phantom.person import Anatomy, draw_anatomy
from ich_bench.phantom.reader import read
from ich_bench.phantom.scanner import Scan, acquire, draw_scan, headrest
from ich_bench.phantom.survey import survey

_LEAST_VOXELS = 6  # a bleed that leaves fewer is drawn again
_ATTEMPTS = 20
_NO_BONE = 0.9  # a voxel that is bone to a tenth is no blood
_FACE_MM = (62.0, -26.0)  # in front of and below: the face that site B blurs
_READ_MM = 10.0  # beyond what bled, in which an outline may lie
_FACE_BLUR_MM = 5.0


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
        rng: where all chance comes from; a PCG64 of its own for each head.
        site: whose scanner and patients: a, b, c, or d (held back).
        bleeds: subtypes that bled, of SUBTYPES, each once or several times; () for a healthy head; drawn by the
            site's statistics when None. Each is seen in `truth`: one that would fall between the slices is drawn
            again.
        shape: voxels along x, y and z; 256 × 256 and the whole head when None.
        patient_id: whose head it is; the case id when None.
        parameters: what heads are made from.
        scan: the acquisition; drawn when None.
        blood_hu: the density of all blood; drawn by age when None.

    Returns:
        The head. Its arrays are (x, y, z), stored with x fastest, as NIfTI does.

    Raises:
        UsageError: an unknown site or subtype, or a grid too coarse to show the bleeds.
    """
    site_of(site)
    if bleeds is None:
        bleeds = draw_bleed_plan(rng, site)
    for subtype in bleeds:
        if subtype not in SUBTYPES:
            raise UsageError(f"{subtype!r} is no kind of bleed. {did_you_mean(subtype, SUBTYPES)}")
    scan = scan or draw_scan(rng, site=site, shape=shape, parameters=parameters)
    person = draw_anatomy(rng, site, parameters)
    mimics = draw_mimics(rng, person, parameters.at_site(site))
    exposed = _seen(person, tuple(bleeds), mimics, scan, site, rng, blood_hu)
    hu = acquire(exposed.hu, scan, rng)
    if site_of(site).face_blur:
        _blur_face(hu, scan)
    cavity = exposed.cavity.transpose(2, 1, 0)
    truth = {name: mask.transpose(2, 1, 0) for name, mask in exposed.blood.items()}
    outlined = _outlined(truth, hu, cavity, scan, rng) if bleeds else truth
    return Head(
        case_id=case_id,
        patient_id=patient_id or case_id,
        hu=hu,
        geometry=scan.geometry,
        reference=_union(outlined),
        cavity=cavity,
        subtype_masks=outlined,
        truth=_union(truth),
        truth_masks=truth,
        facts=_facts(site, person, tuple(bleeds), mimics, scan),
    )


def _outlined(
    truth: dict[str, Mask], hu: NDArray[np.int16], cavity: Mask, scan: Scan, rng: np.random.Generator
) -> dict[str, Mask]:
    """Return what the reader outlines, looking no farther than where something bled."""
    spans = []
    union = _union(truth)
    for axis, mm in enumerate(scan.spacing_mm):
        held = np.nonzero(union.any(axis=tuple(other for other in range(3) if other != axis)))[0]
        margin = int(np.ceil(_READ_MM / mm)) + 1
        spans.append(slice(max(0, int(held[0]) - margin), int(held[-1]) + margin + 1))
    box = (spans[0], spans[1], spans[2])
    near = {name: np.ascontiguousarray(mask[box]) for name, mask in truth.items()}
    seen = read(near, np.ascontiguousarray(hu[box]), np.ascontiguousarray(cavity[box]), scan.spacing_mm, rng)
    outlined = {name: np.zeros(scan.shape[::-1], bool).transpose(2, 1, 0) for name in truth}
    for name, mask in seen.items():
        outlined[name][box] = mask
    return outlined


def _union(masks: dict[str, Mask]) -> Mask:
    found = np.zeros_like(next(iter(masks.values())))
    for mask in masks.values():
        found |= mask
    return found


def _facts(site: str, person: Anatomy, bleeds: tuple[str, ...], mimics: Sequence[Mimic], scan: Scan) -> Facts:
    rest = {
        "dense_sinus": person.dense_sinus,
        "cavum": person.cavum,
        "craniectomy": person.craniectomy is not None,
        "craniotomy": person.craniotomy is not None,
        "motion": bool(scan.motion),
    }
    return Facts(
        version=PHANTOM_VERSION,
        site=site,
        age_years=round(person.age_years, 2),
        female=person.female,
        spacing_mm=scan.spacing_mm,
        tilt_deg=scan.tilt_deg,
        kernel=scan.kernel,
        noise_hu=round(scan.noise_hu, 3),
        offset_hu=round(scan.offset_hu, 3),
        padding_hu=scan.padding_hu,
        bleeds=bleeds,
        mimics=tuple(sorted({mimic.name for mimic in mimics} | {name for name, there in rest.items() if there})),
    )


@dataclass(frozen=True, kw_only=True)
class _Exposed:
    """All voxels before the scanner, (z, y, x): HU, cavity, and blood of each subtype."""

    hu: Floats
    cavity: Mask
    blood: dict[str, Mask]


def _seen(
    person: Anatomy, plan: tuple[str, ...], mimics: Sequence[Mimic], scan: Scan, site: str, rng: np.random.Generator,
    blood_hu: float | None,
) -> _Exposed:  # fmt: skip
    """Return the voxels of a head whose every bleed shows; bleeds that do not are drawn again."""
    for _ in range(_ATTEMPTS):
        lesions = draw_bleeds(plan, rng, person, scan.span_mm, lesion_parameters(site))
        if blood_hu is not None:
            lesions = [replace(one, hu=blood_hu, blood=replace(one.blood, hu=blood_hu)) for one in lesions]
        exposed, counts = _expose(person, lesions, mimics, scan)
        if all(count >= _LEAST_VOXELS for count in counts):
            return exposed
    raise UsageError(f"a grid of {scan.shape} is too coarse to show {', '.join(plan)}: draw on a finer one.")


def _expose(
    person: Anatomy, lesions: Sequence[Bleed], mimics: Sequence[Mimic], scan: Scan
) -> tuple[_Exposed, list[int]]:
    """Return the voxels, and how many hold each of the bleeds."""
    planes = (scan.shape[2], scan.shape[1], scan.shape[0])
    hu = np.empty(planes)
    hu[:] = headrest(scan)
    cavity = np.zeros(planes, bool)
    blood = {subtype: np.zeros(planes, bool) for subtype in SUBTYPES}
    counts = [0] * len(lesions)
    found = survey(person, lesions, scan)
    box = found.box[1], found.box[0]
    for k in range(scan.shape[2]):
        painted = paint(person, lesions, mimics, scan, found, k)
        np.maximum(painted.hu, hu[k][box], out=hu[k][box])
        cavity[k][box] = painted.cavity >= 0.5
        for part in painted.blood:
            counts[part.bleed] += _mark(part, painted.cavity, blood[lesions[part.bleed].subtype][k][box])
    return _Exposed(hu=hu, cavity=cavity, blood=blood), counts


def _mark(part: Blood, cavity: Floats, mask: Mask) -> int:
    """Mark the voxels that are at least half blood and hardly bone; return how many."""
    taken = (part.share >= 0.5) & (cavity[part.j, part.i] >= _NO_BONE)
    mask[part.j[taken], part.i[taken]] = True
    return int(taken.sum())


def _blur_face(hu: NDArray[np.int16], scan: Scan) -> None:
    """Make the face unrecognisable, in place: everything in front of the brain and below the brow is smeared."""
    wide = _FACE_BLUR_MM / scan.spacing_mm[0]
    i, j = np.arange(scan.shape[0], dtype=np.float64)[:, None], np.arange(scan.shape[1], dtype=np.float64)[None]
    for k in range(scan.shape[2]):
        _, y, z = scan.head_mm(i, j, np.full((1, 1), float(k)))
        share = np.clip((y - _FACE_MM[0] - 0.5 * np.maximum(z - _FACE_MM[1], 0.0)) / 5.0, 0.0, 1.0)
        share *= np.clip((_FACE_MM[1] - z) / 5.0, 0.0, 1.0)
        where = np.nonzero(share.any(axis=0))[0]
        if not where.size:
            continue
        band = slice(max(0, int(where[0]) - int(3 * wide)), scan.shape[1])
        clear = hu[:, band, k].astype(np.float64)
        inside = clear > scan.padding_hu
        clear[~inside] = -1000.0
        smeared = clear + share[:, band] * (gaussian_filter(clear, wide, truncate=2.5) - clear)
        hu[:, band, k] = np.where(inside, np.rint(smeared), scan.padding_hu).astype(np.int16)
