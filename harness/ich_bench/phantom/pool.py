"""phantom-pool: drawn heads and slices with weak labels, one after the other, as many as asked for."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, uniform_filter

from ich_bench.cases import SUBTYPES
from ich_bench.errors import UsageError
from ich_bench.phantom.head import Head
from ich_bench.phantom.plan import PlannedHead, Shape

POOL_VERSION = 1  # a version's heads never change
SITES = ("a", "b", "c")  # site d stays unseen
LABELS = ("any", *SUBTYPES)
_MIMIC_HU, _MIMIC_MM2 = (52.0, 160.0), 40.0  # a slice with so much of this density outside blood looks like blood
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class PoolParameters:
    """What the pool is made of: chosen so that slices come out as in RSNA 2019, 107,933 of 752,803 with ICH.

    Of its positive slices 44 % show SDH, 33 % IPH, 33 % SAH, 24 % IVH and 3 % EDH. Both are fitted to what drawn
    heads show.
    """

    prevalence: float = 0.345  # share of heads with ICH
    plans: tuple[tuple[int, tuple[str, ...]], ...] = (  # so many heads bleed so
        (20, ("iph",)), (25, ("iph", "ivh")), (16, ("iph", "ivh", "sah")), (4, ("iph", "sah")), (6, ("iph", "sdh")),
        (13, ("iph", "sdh", "sah")), (2, ("ivh",)), (9, ("ivh", "sah")), (9, ("sah",)), (14, ("sdh", "sah")),
        (16, ("sdh",)), (2, ("edh",)), (1, ("edh", "sah")),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PoolHead:
    """One head of the pool; `labels` are flags of its slices (axis 2) for `any` and each subtype, mistakes and all."""

    head: Head
    labels: Mapping[str, Flags]


@dataclass(frozen=True, kw_only=True)
class PoolSlice:
    """One slice of the pool: HU as (x, y), int16, and its weak labels for `any` and each subtype."""

    case_id: str
    patient_id: str
    site: str
    number: int
    hu: NDArray[np.int16]
    spacing_mm: tuple[float, float]
    labels: Mapping[str, bool]


def heads(
    count: int,
    *,
    seed: int = 0,
    first: int = 0,
    step: int = 1,
    sites: Sequence[str] = SITES,
    shape: Shape | None = None,
    clean: bool = False,
    parameters: PoolParameters | None = None,
) -> Iterator[PoolHead]:
    """Yield the heads first, first + step, … below `count`, drawn one at a time: memory does not grow with the count.

    Head n is the same whatever the count, so that a larger pool begins with the smaller, and workers can share one:
    worker w of W takes `first=w, step=W`.

    Args:
        count: how many heads the whole pool has.
        seed: another pool.
        first: where to begin.
        step: how far to go.
        sites: in turn; of a, b and c.
        shape: the grid; the site's own when None.
        clean: labels without mistakes.
        parameters: how many bleed.
    """
    for number in range(first, count, step):
        head = planned_head(number, seed=seed, sites=sites, shape=shape, parameters=parameters).drawn()
        yield PoolHead(head=head, labels=head_labels(head, np.random.PCG64([*entropy(seed, number), 1]), clean=clean))


def slices(
    count: int,
    *,
    seed: int = 0,
    first: int = 0,
    step: int = 1,
    sites: Sequence[str] = SITES,
    shape: Shape | None = None,
    clean: bool = False,
    parameters: PoolParameters | None = None,
) -> Iterator[PoolSlice]:
    """Yield every slice of `heads` with these arguments, a head at a time from foot to crown."""
    for one in heads(
        count, seed=seed, first=first, step=step, sites=sites, shape=shape, clean=clean, parameters=parameters
    ):
        head = one.head
        sx, sy, _ = head.geometry.spacing_mm
        for k in range(head.hu.shape[2]):
            yield PoolSlice(
                case_id=head.case_id,
                patient_id=head.patient_id,
                site=head.facts.site,
                number=k,
                hu=np.ascontiguousarray(head.hu[:, :, k]),
                spacing_mm=(sx, sy),
                labels={name: bool(one.labels[name][k]) for name in LABELS},
            )


def planned_head(
    number: int,
    *,
    seed: int = 0,
    sites: Sequence[str] = SITES,
    shape: Shape | None = None,
    parameters: PoolParameters | None = None,
) -> PlannedHead:
    """Return the plan of one head of the pool; UsageError for a site that is not the pool's."""
    from ich_bench.phantom.bleeds import draw_bleed_plan, lesion_parameters
    from ich_bench.phantom.chance import chance

    for site in sites:
        if site not in SITES:
            why = "stays unseen until results are reported" if site == "d" else "is none"
            raise UsageError(f"the pool has no heads of site {site!r}, which {why}; it has {', '.join(SITES)}.")
    start = entropy(seed, number)
    rng = np.random.Generator(np.random.PCG64([*start, 2]))
    parameters = parameters or PoolParameters()
    ill = chance(rng, parameters.prevalence)
    bleeding = replace(lesion_parameters("pool"), plans=parameters.plans)
    case_id = f"phantom-pool-{seed}-{number:06}"
    return PlannedHead(
        case_id=case_id,
        patient_id=case_id,
        site=sites[number % len(sites)],
        bleeds=draw_bleed_plan(rng, "pool", bleeding) if ill else (),
        seed=(*start, 3),
        shape=shape,
    )


def head_labels(head: Head, bits: np.random.PCG64, *, clean: bool = False) -> dict[str, Flags]:
    """Return the weak labels of a head's slices, for `any` and each subtype."""
    from ich_bench.phantom.weak_labels import weak_labels

    sx, sy, _ = head.geometry.spacing_mm
    areas = {name: mask.sum(axis=(0, 1)) * (sx * sy) for name, mask in head.truth_masks.items() if mask.any()}
    mimics = np.zeros(head.hu.shape[2], bool) if clean else mimic_slices(head)
    labels = weak_labels(areas, np.random.Generator(bits), mimic_slices=mimics, clean=clean)
    return {"any": np.logical_or.reduce([labels[name] for name in SUBTYPES]), **labels}


def mimic_slices(head: Head) -> Flags:
    """Return which slices show what looks like blood and is none: a patch as dense, away from bone and from blood."""
    sx, sy, _ = head.geometry.spacing_mm
    inside = binary_erosion(head.cavity, np.ones((3, 3, 1)), iterations=2) & ~head.truth
    smooth = uniform_filter(np.clip(head.hu, -50, 250).astype(np.float32), size=(3, 3, 1))
    dense = inside & (smooth >= _MIMIC_HU[0]) & (smooth <= _MIMIC_HU[1])
    found: Flags = dense.sum(axis=(0, 1)) * (sx * sy) >= _MIMIC_MM2
    return found


def entropy(seed: int, number: int) -> tuple[int, ...]:
    """Return where all chance of one head of the pool starts."""
    return (zlib.crc32(b"phantom-pool"), POOL_VERSION, seed, number)
