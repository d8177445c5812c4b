"""The drawn bleeds: each subtype's habit, densities by age, volumes and combinations as published for each site."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from ich_bench.cases import SUBTYPES
from ich_bench.errors import UsageError
from ich_bench.phantom.anatomy import Anatomy, along_falx, draw_anatomy, tentorium_mm
from ich_bench.phantom.bleed import Bleed, Blood, draw_blood
from ich_bench.phantom.bleed_size import Lattice, lattice_of
from ich_bench.phantom.bleeds import draw_bleed, draw_bleed_plan, draw_bleeds, draw_volumes
from ich_bench.phantom.extra_axial import ExtraAxial, Sheet, suture_mm
from ich_bench.phantom.iph import Iph
from ich_bench.phantom.ivh import Ivh
from ich_bench.phantom.lesion_parameters import SITES, LesionParameters
from ich_bench.phantom.sah import Sah

SPAN_MM = (-34.0, 48.0)


def rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@cache
def person() -> Anatomy:
    return replace(draw_anatomy(rng(3)), sinus_hu=51.0)


@cache
def lattice() -> Lattice:
    return lattice_of(person())


def of_volume(volume_ml: float) -> LesionParameters:
    """Return parameters by which every head bleeds so much."""
    return LesionParameters(head_ml=((0.0, volume_ml * 0.999), (1.0, volume_ml)))


@cache
def bleed(subtype: str, seed: int, volume_ml: float = 12.0) -> Bleed:
    return draw_bleed(subtype, rng(seed), person(), SPAN_MM, of_volume(volume_ml))


def depth(one: Bleed) -> np.ndarray:
    """Return its depth at the lattice's places, the brain not yet moved."""
    return one.depth_mm(lattice().place, lattice().shell, lattice().spaces)


def volume_ml(one: Bleed) -> float:
    return float((depth(one) > 0).sum()) * lattice().each_ml


def test_the_plans_of_a_site_hold_each_subtype_as_often_as_published() -> None:
    # Seg-CQ500, of 51: IPH 39, SDH 11, IVH 9, SAH 9, EDH 3; ct-ich, of 36: EDH 21, IPH 16, SAH 7, IVH 5, SDH 4
    published = {
        "a": {"iph": 39, "sdh": 11, "ivh": 9, "sah": 9, "edh": 3},
        "b": {"edh": 21, "iph": 16, "sah": 7, "ivh": 5, "sdh": 4},
    }
    for site, counts in published.items():
        held: Counter[str] = Counter()
        for heads, plan in SITES[site].plans:
            held.update(dict.fromkeys(plan, heads))
        assert dict(held) == counts
    assert sum(heads for heads, _ in SITES["a"].plans) == 51
    assert sum(heads for heads, _ in SITES["b"].plans) == 36
    assert sum(heads for heads, plan in SITES["c"].plans if "sdh" in plan) == 13  # INSTANCE 2022, of 100
    assert sum(heads for heads, _ in SITES["c"].plans) == 100


@pytest.mark.parametrize("site", sorted(SITES))
def test_drawn_plans_follow_the_table(site: str) -> None:
    source = rng(11)
    plans = [draw_bleed_plan(source, site) for _ in range(3000)]
    total = sum(heads for heads, _ in SITES[site].plans)
    for subtype in SUBTYPES:
        share = sum(heads for heads, plan in SITES[site].plans if subtype in plan) / total
        drawn = np.mean([subtype in plan for plan in plans])
        assert abs(drawn - share) < 4 * np.sqrt(0.25 / 3000), (subtype, drawn, share)
    assert max(plan.count("iph") for plan in plans) in (2, 3)


def test_an_unknown_site_is_refused_and_the_known_ones_named() -> None:
    with pytest.raises(UsageError, match=r"'e'.*a, b, c, d"):
        draw_bleed_plan(rng(1), "e")


@pytest.mark.parametrize("site", ["a", "b", "c"])
def test_volumes_of_heads_follow_the_published_quantiles(site: str) -> None:
    source = rng(4)
    parameters = SITES[site]
    totals = [sum(draw_volumes(source, draw_bleed_plan(source, site), parameters)) for _ in range(4000)]
    for below, ml in parameters.head_ml[1:-1]:
        assert np.quantile(totals, below) == pytest.approx(ml, rel=0.2)
    assert min(totals) >= parameters.head_ml[0][1]
    if site != "a":
        assert np.mean(totals) == pytest.approx({"b": 15.3, "c": 25.3}[site], rel=0.1)  # published means, mL


@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("wanted_ml", [2.0, 12.0])
def test_a_bleed_holds_the_volume_it_was_drawn_for(subtype: str, wanted_ml: float) -> None:
    # The shape holds more, by what voxels less than half full lose; one place of the lattice is 0.027 mL.
    shape_ml = wanted_ml / SITES["a"].of(subtype).rendered
    held = [volume_ml(bleed(subtype, seed, wanted_ml)) for seed in range(6)]
    assert np.median(held) == pytest.approx(shape_ml, rel=0.15)


def test_an_epidural_lens_stops_at_the_sutures_and_a_subdural_crescent_does_not() -> None:
    crossed = 0
    for seed in range(12):
        lens, crescent = bleed("edh", seed, 30.0), bleed("sdh", seed, 60.0)
        assert isinstance(lens, ExtraAxial)
        inside = depth(lens) > 0
        assert inside.any()
        assert (suture_mm(tuple(part[inside] for part in lattice().place), lens) > 0).all()
        inside = depth(crescent) > 0
        if isinstance(crescent, ExtraAxial):
            beyond = suture_mm(tuple(part[inside] for part in lattice().place), crescent)
            crossed += bool((beyond < -3).any() and (beyond > 3).any())
        for one in (lens, crescent):
            x = lattice().place[0][depth(one) > 0]
            assert (x * one.side > 0).all()  # neither crosses the midline
    assert crossed >= 6


def test_some_subdurals_lie_along_the_falx_or_on_the_tentorium() -> None:
    sheets = [one for one in (bleed("sdh", seed, 8.0) for seed in range(30)) if isinstance(one, Sheet)]
    assert {one.wall for one in sheets} == {0, 1}
    assert 2 <= len(sheets) <= 12  # a fifth of those under 25 mL
    for one in sheets:
        x, y, z = (part[depth(one) > 0] for part in lattice().place)
        assert x.size
        if one.wall == 0:
            assert (np.abs(x) < one.thick_mm * 1.8 + 1).all()
            assert (x * one.side > 0).all()
            assert along_falx(y, z).all()
        else:
            above = z - tentorium_mm(x, y)
            assert (above > 0).all()
            assert (above < one.thick_mm * 1.8 + 1).all()


def test_a_lens_is_thick_and_short_where_a_crescent_is_thin_and_long() -> None:
    lenses = [bleed("edh", seed, 20.0) for seed in range(8)]
    crescents = [one for one in (bleed("sdh", seed, 20.0) for seed in range(16)) if isinstance(one, ExtraAxial)]
    thick = [float(np.median([one.thick_mm for one in kind])) for kind in (lenses, crescents)]  # type: ignore[attr-defined]
    assert thick[0] > 1.5 * thick[1]
    long = []
    for kind in (lenses, crescents):
        spans = [np.ptp(lattice().place[1][depth(one) > 0]) for one in kind]
        long.append(float(np.median(spans)))
    assert long[1] > 1.3 * long[0]


def test_blood_in_the_ventricles_fills_their_back_up_to_a_level() -> None:
    for seed in range(8):
        one = bleed("ivh", seed, 3.0)
        assert isinstance(one, Ivh)
        inside = depth(one) > 0
        assert (lattice().spaces.ventricle_mm[inside] > -0.5).all()
        if one.rough_mm < 2 and one.midline_mm < 0:
            level = one.level_mm + 3.0 * one.rough_mm
            assert (lattice().place[1][inside] < level).all()


def test_blood_among_the_vessels_lies_in_fluid_and_in_thin_layers() -> None:
    for seed in range(6):
        one = bleed("sah", seed, 5.0)
        assert isinstance(one, Sah)
        inside = depth(one) > 0
        fluid = np.maximum(lattice().spaces.sulcus_mm, lattice().spaces.cistern_mm)
        assert (fluid[inside] > -one.film_mm).all()
        assert np.median(depth(one)[inside]) < 3.0


def test_a_blob_stays_in_the_brain_and_its_oedema_is_a_third_to_one_and_a_half_of_it() -> None:
    shares = []
    for seed in range(12):
        one = bleed("iph", seed, 10.0)
        assert isinstance(one, Iph)
        inside = depth(one)
        around = one.oedema_share(lattice().place, inside)
        shares.append(float(around[inside < 0].sum() / (inside > 0).sum()))
        assert 18 <= one.oedema_hu <= 24
    assert min(shares) > 0.25
    assert max(shares) < 2.0
    assert max(shares) > 0.9


def test_the_midline_moves_away_from_a_bleed_and_more_from_a_larger_one() -> None:
    for subtype in ("iph", "edh", "sdh"):
        moved = []
        for ml in (4.0, 40.0):
            shifts = []
            for seed in range(5):
                one = bleed(subtype, seed, ml)
                place = (np.zeros(1), np.full(1, one.centre[1]), np.full(1, 15.0))
                was = one.pull(place, np.full(1, 0.2))[0]
                shifts.append(float(was[0]) * one.side)  # tissue at the midline came from the bleed's side
            moved.append(float(np.median(shifts)))
        assert moved[1] > 1.5 * moved[0] >= 0, subtype
        assert moved[1] > 1.0, subtype


def test_nothing_moves_at_the_skull() -> None:
    for subtype in SUBTYPES:
        one = bleed(subtype, 2, 30.0)
        place = (np.array([10.0, -20.0]), np.array([80.0, -75.0]), np.array([10.0, 20.0]))
        for was, now in zip(one.pull(place, np.ones(2)), place, strict=True):
            assert np.allclose(was, now)


def test_blood_is_as_dense_as_its_age_says() -> None:
    def drawn(subtype: str, age: int, venous_hu: float = 51.0) -> list[Blood]:
        ages = tuple(1.0 if each == age else 0.0 for each in range(4))
        kind = replace(SITES["a"].of(subtype), ages=ages)
        parameters = replace(SITES["a"], **{subtype: kind}, layered=0.0)
        return [draw_blood(subtype, rng(seed), parameters, venous_hu=venous_hu, middle_y_mm=0.0) for seed in range(200)]

    hyper, acute, isodense, chronic = (drawn("sdh", age) for age in range(4))
    assert all(40 <= one.hu <= 60 for one in hyper)
    assert all(25 <= one.hu + one.swirl_hu <= 60 for one in hyper)
    assert np.mean([one.hu for one in acute]) == pytest.approx(60, abs=2)
    assert all(50 <= one.hu <= 90 for one in acute)
    assert all(30 <= one.hu <= 45 for one in isodense)
    assert all(10 <= one.hu <= 25 for one in chronic)
    assert all(30 <= one.hu <= 76 for one in drawn("iph", 2))
    assert all(28 <= one.hu <= 60 for one in drawn("sah", 1))
    # a haematocrit under 30 % (venous blood under 40 HU) takes 10 to 15 HU off
    pale = drawn("sdh", 1, venous_hu=38.0)
    assert all(10 <= one.hu - pallid.hu <= 15 for one, pallid in zip(acute, pale, strict=True))


def test_red_cells_sink_to_the_back_of_a_layered_subdural() -> None:
    kind = replace(SITES["a"].sdh, ages=(0.0, 0.0, 0.0, 1.0))
    parameters = replace(of_volume(40.0), sdh=kind, layered=1.0)
    one = draw_bleed("sdh", rng(1), person(), SPAN_MM, parameters)
    level = one.blood.level_mm
    y = np.array([level - 20.0, level + 20.0])
    back, front = one.blood_hu((np.zeros(2), y, np.zeros(2)))
    assert 30 < back < 70
    assert 0 < front < 35


def test_the_same_seed_gives_the_same_bleeds_and_several_come_in_the_plans_order() -> None:
    plan = ("sah", "iph", "iph", "ivh", "sdh")
    drawn, again = (draw_bleeds(plan, rng(8), person(), SPAN_MM, SITES["c"]) for _ in range(2))
    assert [one.subtype for one in drawn] == list(plan)
    for one, other in zip(drawn, again, strict=True):
        assert np.array_equal(depth(one), depth(other))
    assert draw_bleeds((), rng(8), person(), SPAN_MM) == []
