"""What is one case of a download, read to its end, and how does it differ from what is published of it?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from ich_bench.cases import Card, Case
from ich_bench.datasets._grids import OffGrid, off_grid
from ich_bench.datasets.found import Expected, ExpectedCase, said_of
from ich_bench.downloads.duplicates import Thumbnail, thumbnail
from ich_bench.errors import VolumeError
from ich_bench.geometry import shape_text
from ich_bench.volume import mask_sha256, open_mask, read_ct

T = TypeVar("T")
_SPACING_SLACK_MM = 1e-3  # published to three decimals
_VOLUME_SLACK = 5e-3  # relative


@dataclass(frozen=True, kw_only=True)
class CaseFacts:
    """What one case turned out to be; volumes by |det(affine)| of the CT."""

    case_id: str
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    shear_deg: float
    orientation: str
    has_ich: bool
    lesion_ml: float
    slices_positive: int
    reference_sha256: str
    subtypes: Mapping[str, bool] | None


def look(case: Case, *, keep_thumbnail: bool) -> tuple[CaseFacts, Thumbnail | None, OffGrid]:
    """Return the facts of one case, its thumbnail, and how the mask lies against the CT in the world."""
    mask = (
        None if case.reference is None else _named("mask", lambda path: open_mask(path, trusted=True), case.reference)
    )
    ct = None if case.ct is None else _named("CT", read_ct, case.ct)
    if ct is None and mask is None:
        raise VolumeError("has neither a mask nor a CT.")
    grid = ct.geometry if ct is not None else mask.geometry if mask is not None else None
    if grid is None:
        raise VolumeError("has neither a mask nor a CT.")
    unequal = OffGrid(words=(), turned=False)
    if mask is None:
        voxels = np.zeros(grid.shape, dtype=np.bool_)
    else:
        if mask.geometry.shape != grid.shape:
            raise VolumeError(f"its mask is {shape_text(mask.geometry.shape)} voxels, its CT {shape_text(grid.shape)}.")
        voxels = _named("mask", lambda _: mask.voxels(), mask.path)
        unequal = off_grid(mask.geometry, grid)
    positive = int(np.count_nonzero(voxels))
    facts = CaseFacts(
        case_id=case.case_id,
        shape=grid.shape,
        spacing_mm=grid.spacing_mm,
        shear_deg=grid.shear_deg,
        orientation=grid.orientation,
        has_ich=positive > 0,
        lesion_ml=positive * grid.voxel_volume_mm3 / 1000,
        slices_positive=int(voxels.any(axis=(0, 1)).sum()),
        reference_sha256=mask_sha256(voxels),
        subtypes=None if case.subtypes is None else dict(case.subtypes),
    )
    return facts, thumbnail(ct.hu) if keep_thumbnail and ct is not None else None, unequal


def _named(which: str, read: Callable[[Path], T], path: Path) -> T:
    """Return what a reader makes of a file; its VolumeError then says which file of the case it was."""
    try:
        return read(path)
    except VolumeError as fault:
        raise VolumeError(said_of(f"its {which} ({path.name})", fault.what), fault.mend) from fault
    except OSError as fault:
        raise VolumeError(f"its {which} ({path.name}) cannot be read: {fault.strerror or fault}.") from fault


def unlike(one: CaseFacts, case: ExpectedCase | None, in_all: Expected) -> Iterator[str]:
    """Yield, in words, how a case differs from what is published of it."""
    case = case or ExpectedCase()
    if case.has_ich is not None and one.has_ich != case.has_ich:
        yield "has an empty mask; the card says ICH." if case.has_ich else "holds ICH; the card says none."
    if in_all.tables_agree and one.subtypes is not None and any(one.subtypes.values()) != one.has_ich:
        yield (
            "holds ICH in its mask but not in its table."
            if one.has_ich
            else "holds ICH in its table but not in its mask."
        )
    if case.shape is not None and one.shape != case.shape:
        yield f"has {shape_text(one.shape)} voxels; {shape_text(case.shape)} are published."
    elif case.shape is None and in_all.shape_xy is not None and one.shape[:2] != in_all.shape_xy:
        across, along = in_all.shape_xy
        yield f"has {one.shape[0]} × {one.shape[1]} pixels a slice; {across} × {along} are usual."
    if in_all.slices is not None and not in_all.slices[0] <= one.shape[2] <= in_all.slices[1]:
        yield f"has {one.shape[2]} slices; {in_all.slices[0]} to {in_all.slices[1]} are usual."
    if case.spacing_mm is not None:
        if any(abs(a - b) > _SPACING_SLACK_MM for a, b in zip(one.spacing_mm, case.spacing_mm, strict=True)):
            yield f"has a spacing of {_mm(one.spacing_mm)}; {_mm(case.spacing_mm)} is published."
    else:
        yield from _unusual("in-plane spacing", one.spacing_mm[:2], in_all.in_plane_mm)
        yield from _unusual("slice spacing", one.spacing_mm[2:], in_all.spacing_z_mm)
    if case.lesion_ml is not None and abs(one.lesion_ml - case.lesion_ml) > max(1e-3, _VOLUME_SLACK * case.lesion_ml):
        yield f"holds {one.lesion_ml:.3f} mL; {case.lesion_ml:.3f} mL are published."


def _unusual(what: str, values_mm: tuple[float, ...], usual_mm: tuple[float, float] | None) -> Iterator[str]:
    if usual_mm is None:
        return
    low, high = usual_mm
    if any(not low - _SPACING_SLACK_MM <= value <= high + _SPACING_SLACK_MM for value in values_mm):
        usual = f"{low:g} mm" if low == high else f"{low:g} to {high:g} mm"
        yield f"has an {what} of {_mm(values_mm)}; {usual} is usual.".replace("an slice", "a slice")


def against_its_ct(found: OffGrid) -> Iterator[str]:
    """Yield, in words, how a mask lies against its CT, and what follows from it."""
    so = "voxels are counted by index, and the spacing is the CT's."
    if found.turned:
        so = f"{so} If the header is right, the mask marks the wrong place: look at it over its CT."
    for words in found.words:
        yield f"{said_of('its mask', words)}; {so}"


def unlike_in_all(about: Card, facts: Sequence[CaseFacts], in_all: Expected) -> Iterator[str]:
    """Yield, in words, how the cases together differ from the card."""
    ich = sum(one.has_ich for one in facts)
    counts = [
        ("cases", len(facts), about.cases),
        ("cases with ICH", ich, about.with_ich),
        ("slices", sum(one.shape[2] for one in facts), in_all.slices_total),
        ("slices with ICH", sum(one.slices_positive for one in facts), in_all.slices_positive),
    ]
    for what, found, wanted in counts:
        if wanted is not None and found != wanted:
            yield f"{found} {what}; the card says {wanted}."


def _mm(values: tuple[float, ...]) -> str:
    return " × ".join(f"{value:.4g}" for value in values) + " mm"
