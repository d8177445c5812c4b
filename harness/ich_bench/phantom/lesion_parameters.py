"""From which numbers are the bleeds drawn: how often, how large, how dense, how old, site by site."""

from __future__ import annotations

from dataclasses import dataclass

Span = tuple[float, float]
Plans = tuple[tuple[int, tuple[str, ...]], ...]  # how many heads of the site bled so

# Combinations whose margins are the published counts; how they go together is ours: IVH mostly with IPH,
# SAH mostly with SDH or IPH. Seg-CQ500, 51 heads (reads of CQ500): IPH 39, SDH 11, IVH 9, SAH 9, EDH 3.
_PLANS_A: Plans = (
    (25, ("iph",)), (7, ("iph", "ivh")), (1, ("iph", "sdh")), (3, ("iph", "sah")), (2, ("iph", "sdh", "sah")),
    (1, ("iph", "ivh", "sah")), (1, ("ivh",)), (5, ("sdh",)), (2, ("sdh", "sah")), (1, ("sdh", "edh")),
    (1, ("sah",)), (2, ("edh",)),
)  # fmt: skip
# ct-ich (Hssayeni 2020), 36 heads: EDH 21, IPH 16, SAH 7, IVH 5, SDH 4.
_PLANS_B: Plans = (
    (13, ("edh",)), (5, ("edh", "iph")), (2, ("edh", "sah")), (1, ("edh", "iph", "sah")), (5, ("iph",)),
    (3, ("iph", "ivh")), (1, ("iph", "sah")), (1, ("iph", "sdh")), (2, ("sdh", "sah")), (1, ("ivh", "sah")),
    (1, ("ivh",)), (1, ("sdh",)),
)  # fmt: skip
# INSTANCE 2022, 100 heads: SDH 13 (SCAN's list); the rest is ours, IPH and IVH as its 2.04 clusters a head suggest.
_PLANS_C: Plans = (
    (45, ("iph",)), (27, ("iph", "ivh")), (4, ("iph", "sah")), (3, ("iph", "ivh", "sah")), (2, ("iph", "sdh")),
    (3, ("ivh",)), (7, ("sdh",)), (4, ("sdh", "sah")), (4, ("sah",)), (1, ("edh",)),
)  # fmt: skip
# The pool: of RSNA's positive slices SDH 44, IPH 33, SAH 33, IVH 24, EDH 3 %; heads chosen so that slices come out so.
_PLANS_POOL: Plans = (
    (22, ("sdh",)), (10, ("sdh", "sah")), (4, ("iph", "sdh", "sah")), (3, ("iph", "sdh")), (16, ("iph",)),
    (13, ("iph", "ivh")), (4, ("iph", "ivh", "sah")), (4, ("iph", "sah")), (4, ("ivh",)), (3, ("ivh", "sah")),
    (12, ("sah",)), (3, ("edh",)), (1, ("edh", "sah")),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One subtype: volumes of a lesion are log-normal, ages are drawn by these shares.

    `ages` are the shares of hyperacute (< 6 h), acute (to 3 days), subacute (to 20 days) and chronic (> 3 weeks);
    they are ours. `rendered` is measured: the volume of the mask over that of the shape, as a voxel counts whole
    when half of it is blood and not at all when less is.
    """

    median_ml: float
    log_sd: float
    ages: tuple[float, float, float, float]
    rendered: float = 1.0


@dataclass(frozen=True, kw_only=True)
class LesionParameters:
    """What bleeds at a site. Where no source is named, numbers are textbook ranges.

    `head_ml` are quantiles of a head's total volume: (share of heads below, mL), log-linear in between; site A's are
    those of Seg-CQ500's 51 reference masks, 19 of which hold more than 30 mL, without the one outlier of 451 mL.
    """

    plans: Plans = _PLANS_A
    again: float = 0.06  # share of bleeds that have a second of their subtype (ours; contusions are often several)
    head_ml: tuple[tuple[float, float], ...] = (
        (0.0, 0.31), (0.10, 1.5), (0.25, 4.1), (0.50, 15.3), (0.63, 30.0), (0.75, 38.0), (0.90, 84.0),
        (1.0, 164.0),
    )  # fmt: skip
    iph: Kind = Kind(median_ml=10.0, log_sd=1.4, ages=(0.20, 0.65, 0.15, 0.0))  # quartiles 3-30 mL
    ivh: Kind = Kind(median_ml=4.0, log_sd=1.35, ages=(0.10, 0.75, 0.15, 0.0), rendered=0.82)  # 1-12
    edh: Kind = Kind(median_ml=12.0, log_sd=1.3, ages=(0.20, 0.72, 0.08, 0.0), rendered=0.93)  # 4-35
    sdh: Kind = Kind(median_ml=15.0, log_sd=1.3, ages=(0.10, 0.42, 0.28, 0.20), rendered=0.75)  # 5-45
    sah: Kind = Kind(median_ml=3.0, log_sd=1.4, ages=(0.20, 0.70, 0.10, 0.0), rendered=0.80)  # 0.8-10
    hyperacute_hu: Span = (40.0, 60.0)  # blood of less than 6 hours
    swirl_hu: Span = (25.0, 45.0)  # not yet clotted, inside hyperacute blood
    acute_hu: Span = (60.0, 8.0)  # mean and standard deviation, kept within 50-90
    decline_hu_a_day: Span = (1.0, 2.0)  # from the third day on
    subacute_hu: Span = (30.0, 45.0)  # of a subdural of 4-20 days: as dense as brain
    chronic_hu: Span = (10.0, 25.0)  # of a subdural older than three weeks
    layered: float = 0.15  # share of chronic subdurals with fresh blood sunk to the back
    sah_hu: Span = (35.0, 60.0)  # thin blood mixed with fluid
    fluid_level: float = 0.08  # share of acute IPH with a level (clotting disorders; ours)
    anaemia_hu: Span = (10.0, 15.0)  # taken off where the haematocrit (venous HU - 10) is below 30 %
    oedema_hu: Span = (18.0, 24.0)  # of the swollen tissue around an IPH
    oedema_share: Span = (0.3, 1.6)  # its volume, of the IPH's

    def of(self, subtype: str) -> Kind:
        """Return the numbers of one subtype."""
        kind: Kind = getattr(self, subtype)
        return kind


SITES: dict[str, LesionParameters] = {
    "a": LesionParameters(),
    "b": LesionParameters(
        plans=_PLANS_B,
        head_ml=((0.0, 0.12), (0.10, 1.0), (0.25, 2.7), (0.50, 6.8), (0.75, 19.0), (0.90, 43.0), (1.0, 110.0)),
    ),
    "c": LesionParameters(
        plans=_PLANS_C,
        again=0.08,
        head_ml=((0.0, 0.4), (0.10, 3.0), (0.25, 7.5), (0.50, 17.0), (0.75, 33.0), (0.90, 60.0), (1.0, 128.0)),
    ),
    "d": LesionParameters(
        plans=_PLANS_POOL,
        again=0.1,
        acute_hu=(56.0, 8.0),
        head_ml=((0.0, 0.15), (0.10, 1.2), (0.25, 3.4), (0.50, 10.0), (0.75, 28.0), (0.90, 60.0), (1.0, 140.0)),
    ),
    "pool": LesionParameters(
        plans=_PLANS_POOL,
        head_ml=((0.0, 0.15), (0.10, 1.2), (0.25, 3.4), (0.50, 10.0), (0.75, 28.0), (0.90, 60.0), (1.0, 140.0)),
    ),
}  # B: mean 15.3 mL, median taken as 6.8; C: mean 25.3 mL; "d" and "pool": ours, between A and B
