"""What bleeds in one head: which subtypes by site, how much each, and the shapes that hold these volumes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from ich_bench.errors import UsageError, did_you_mean
from ich_bench.phantom.anatomy import Anatomy
from ich_bench.phantom.bleed import Bleed, Place, Point
from ich_bench.phantom.bleed_size import Lattice, lattice_of
from ich_bench.phantom.chance import between, chance, normals
from ich_bench.phantom.extra_axial import draw_edh, draw_sdh
from ich_bench.phantom.iph import draw_iph
from ich_bench.phantom.ivh import draw_ivh
from ich_bench.phantom.lesion_parameters import SITES, Kind, LesionParameters, Span
from ich_bench.phantom.sah import draw_sah

__all__ = ["Bleed", "Place", "draw_bleed", "draw_bleed_plan", "draw_bleeds"]

_MOST_OF_ONE = 3
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
    kinds = [parameters.of(subtype) for subtype in plan]
    parts = normals(rng, (len(plan),))
    drawn = [kind.median_ml * float(np.exp(kind.log_sd * part)) for kind, part in zip(kinds, parts, strict=True)]
    drawn = [ml / plan.count(subtype) for ml, subtype in zip(drawn, plan, strict=True)]  # several are smaller
    total = sum(drawn)
    rank = below = 0.0
    for heads, each in parameters.plans:
        middle, spread = _sum_of([parameters.of(subtype) for subtype in each])
        rank += heads * float(ndtr((np.log(total) - middle) / spread))
        below += heads
    wanted = float(np.exp(np.interp(rank / below, *_quantiles(parameters))))
    return [part * wanted / total for part in drawn]


def _sum_of(kinds: Sequence[Kind]) -> tuple[float, float]:
    """Return mean and standard deviation of the logarithm of the bleeds' sum, itself about log-normal."""
    sds = np.array([kind.log_sd for kind in kinds])
    means = np.array([kind.median_ml for kind in kinds]) * np.exp(sds**2 / 2)
    variance = np.log1p(float((means**2 * np.expm1(sds**2)).sum()) / float(means.sum()) ** 2)
    return float(np.log(means.sum()) - variance / 2), float(np.sqrt(variance))


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
