"""What bleeds in one head: which subtypes by site, how much each, and the shapes that hold these volumes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.special import ndtri

from ich_bench.errors import UsageError, did_you_mean
from ich_bench.phantom.anatomy import Anatomy
from ich_bench.phantom.bleed import Bleed, Place, Point
from ich_bench.phantom.bleed_size import Lattice, lattice_of
from ich_bench.phantom.chance import Floats, between, chance, normals
from ich_bench.phantom.extra_axial import draw_edh, draw_sdh
from ich_bench.phantom.iph import draw_iph
from ich_bench.phantom.ivh import draw_ivh
from ich_bench.phantom.lesion_parameters import SITES, LesionParameters, Span
from ich_bench.phantom.sah import draw_sah

__all__ = ["Bleed", "Place", "draw_bleed", "draw_bleed_plan", "draw_bleeds"]

_MOST_OF_ONE = 3
_SUMS_A_HEAD = 200
_LATTICE = np.sqrt([2.0, 3.0, 5.0, 7.0])  # multiples of these, without their whole part, fill a cube evenly (Weyl 1916)
_FIRST = ("edh", "sdh", "iph", "ivh", "sah")  # drawn in this order, so that SAH knows what lies beside it


def lesion_parameters(site: str) -> LesionParameters:
    """Return what bleeds at a site; UsageError for an unknown one."""
    if site not in SITES:
        raise UsageError(f"no drawn site is called {site!r}. {did_you_mean(site, SITES)}")
    return SITES[site]


def draw_bleed_plan(rng: np.random.Generator, site: str, parameters: LesionParameters | None = None) -> tuple[str, ...]:
    """Return the subtypes that bled in one head with ICH at a site, each once or several times.

    Args:
        rng: where chance comes from.
        site: "a", "b", "c", "d" or "pool"; UsageError for another.
        parameters: other numbers than the site's.
    """
    parameters = parameters or lesion_parameters(site)
    drawn = between(rng, 0.0, 1.0) * sum(heads for heads, _ in parameters.plans)
    chosen = parameters.plans[-1][1]
    for heads, plan in parameters.plans:
        drawn -= heads
        if drawn < 0:
            chosen = plan
            break
    bled: list[str] = []
    for subtype in chosen:
        bled.append(subtype)
        while subtype != "ivh" and bled.count(subtype) < _MOST_OF_ONE and chance(rng, parameters.again):
            bled.append(subtype)
    return tuple(bled)


def draw_volumes(rng: np.random.Generator, plan: Sequence[str], parameters: LesionParameters) -> list[float]:
    """Return the volume of each bleed of a head, in mL.

    Each is drawn from its subtype's distribution. Their sum has a rank among the sums of all heads of the site; it is
    given the volume that has this rank among the site's published totals, and the parts keep their proportions.
    """
    parts = normals(rng, (len(plan),))
    shares = np.exp(parts)
    drawn = []
    for subtype, share in zip(plan, shares, strict=True):  # several of a subtype share one volume, the first one's
        same = np.array([each == subtype for each in plan])
        kind = parameters.of(subtype)
        drawn.append(kind.median_ml * np.exp(kind.log_sd * parts[same][0]) * share / shares[same].sum())
    total = float(sum(drawn))
    sums = _sums(parameters)
    rank = float(np.interp(np.log(total), sums, (np.arange(len(sums)) + 0.5) / len(sums)))
    wanted = float(np.exp(np.interp(rank, *_quantiles(parameters))))
    return [float(part) * wanted / total for part in drawn]


@lru_cache(maxsize=16)
def _sums(parameters: LesionParameters) -> Floats:
    """Return the logarithms of the sums of all heads of a site, in order, at evenly spread quantiles of the parts."""
    sums = []
    for heads, plan in parameters.plans:
        spread = (np.arange(heads * _SUMS_A_HEAD)[:, None] * _LATTICE[: len(plan)] + 0.5) % 1.0
        kinds = [parameters.of(subtype) for subtype in plan]
        parts = [kind.median_ml * np.exp(kind.log_sd * ndtri(each)) for kind, each in zip(kinds, spread.T, strict=True)]
        sums.append(np.log(np.sum(parts, axis=0)))
    return np.sort(np.concatenate(sums))


def _quantiles(parameters: LesionParameters) -> tuple[list[float], list[float]]:
    return [below for below, _ in parameters.head_ml], [float(np.log(ml)) for _, ml in parameters.head_ml]


def draw_bleeds(
    plan: Sequence[str],
    rng: np.random.Generator,
    head: Anatomy,
    span_mm: Span,
    parameters: LesionParameters | None = None,
) -> list[Bleed]:
    """Return the bleeds of one head, in the plan's order, drawn.

    Args:
        plan: their subtypes.
        rng: where chance comes from.
        head: whose head.
        span_mm: heights of the head between which a bleed is centred.
        parameters: what bleeds at the site; site A's when None.
    """
    parameters = parameters or SITES["a"]
    if not plan:
        return []
    lattice = lattice_of(head)
    volumes = draw_volumes(rng, plan, parameters)
    found: dict[int, Bleed] = {}
    for number in sorted(range(len(plan)), key=lambda each: _FIRST.index(plan[each])):
        beside = [found[each].centre for each in sorted(found) if found[each].subtype != "ivh"]
        side = 1.0 if chance(rng, 0.5) else -1.0
        volume_ml = volumes[number] / parameters.of(plan[number]).rendered
        found[number] = _draw(
            plan[number], rng, head, lattice, side, span_mm, volume_ml, parameters, beside[-1] if beside else None
        )
    return [found[number] for number in range(len(plan))]


def draw_bleed(
    subtype: str,
    rng: np.random.Generator,
    head: Anatomy,
    span_mm: Span,
    parameters: LesionParameters | None = None,
) -> Bleed:
    """Return one bleed of the subtype, drawn; arguments as in `draw_bleeds`."""
    return draw_bleeds((subtype,), rng, head, span_mm, parameters)[0]


def _draw(
    subtype: str, rng: np.random.Generator, head: Anatomy, lattice: Lattice, side: float, span_mm: Span,
    volume_ml: float, parameters: LesionParameters, beside: Point | None,
) -> Bleed:  # fmt: skip
    if subtype == "iph":
        return draw_iph(rng, head, lattice, side, span_mm, volume_ml, parameters)
    if subtype == "ivh":
        return draw_ivh(rng, head, lattice, side, volume_ml, parameters)
    if subtype == "edh":
        return draw_edh(rng, head, lattice, side, span_mm, volume_ml, parameters)
    if subtype == "sdh":
        return draw_sdh(rng, head, lattice, side, span_mm, volume_ml, parameters)
    return draw_sah(rng, head, lattice, side, span_mm, volume_ml, parameters, beside)
