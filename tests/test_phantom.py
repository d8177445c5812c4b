"""The drawn heads: what is in them, that they differ, and that a seed always gives the same ones."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.special import ndtri

from ich_bench.cases import SUBTYPES
from ich_bench.errors import UsageError
from ich_bench.phantom.anatomy import draw_anatomy, shell
from ich_bench.phantom.chance import normal, normals, uniform
from ich_bench.phantom.draw import draw
from ich_bench.phantom.head import Head
from ich_bench.phantom.parameters import PARAMETERS
from ich_bench.phantom.scanner import Scan, draw_scan


@cache
def head(bleeds: tuple[str, ...] = (), seed: int = 1, tilt_deg: float = 0.0, hu: float | None = None) -> Head:
    rng = np.random.default_rng(seed)
    scan = draw_scan(rng, shape=(96, 96, 26), thickness_mm=5.0, tilt_deg=tilt_deg)
    return draw("one", rng, bleeds=bleeds, scan=scan, blood_hu=hu)


def volume_ml(one: Head, mask: np.ndarray) -> float:
    return float(mask.sum()) * one.geometry.voxel_volume_mm3 / 1000


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_each_subtype_is_drawn_flagged_and_lies_inside_the_cavity(subtype: str) -> None:
    one = head((subtype,))
    assert one.subtypes == {name: name == subtype for name in SUBTYPES}
    assert one.has_ich
    assert np.array_equal(one.reference, one.subtype_masks[subtype])
    assert one.truth.any()
    assert np.array_equal(one.truth, one.truth_masks[subtype])
    assert not (one.truth & ~one.cavity).any()
    slices = one.slice_subtypes[subtype]
    assert [k for k in range(26) if slices[k]] == sorted(set(np.nonzero(one.reference)[2]))
    assert 0.1 < volume_ml(one, one.reference) < 170


def test_a_healthy_head_has_an_empty_reference_and_no_flag() -> None:
    one = head()
    assert not one.has_ich
    assert not any(one.subtypes.values())
    assert not any(flags.any() for flags in one.slice_subtypes.values())


def test_two_subtypes_in_one_head_make_the_reference_together() -> None:
    one = head(("iph", "sdh"), seed=4)
    assert one.subtypes == {"iph": True, "ivh": False, "edh": False, "sdh": True, "sah": False}
    assert np.array_equal(one.reference, one.subtype_masks["iph"] | one.subtype_masks["sdh"])


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_head() -> None:
    again = head.__wrapped__(("sah",), seed=1)
    assert again.hu.tobytes() == head(("sah",)).hu.tobytes()
    assert again.reference.tobytes() == head(("sah",)).reference.tobytes()
    other = head(("sah",), seed=2)
    assert other.hu.tobytes() != again.hu.tobytes()
    assert volume_ml(other, other.cavity) != volume_ml(again, again.cavity)
    assert other.geometry != again.geometry


def test_chance_does_not_depend_on_the_stream_that_numpy_may_change() -> None:
    # PCG64(0) gives 0xa3134dbb... first: its upper 53 bits over 2**53 are 0.63696
    first, second = (int(number) for number in np.random.PCG64(0).random_raw(2))
    assert uniform(np.random.Generator(np.random.PCG64(0))) == (first >> 11) / 2**53 == pytest.approx(0.63696, abs=1e-5)
    quarters = [sum((number >> shift) & 0xFFFF for shift in (0, 16, 32, 48)) for number in (first, second)]
    sd = (4 * (65536**2 - 1) / 12) ** 0.5  # of the sum of four whole numbers from 0 to 65535
    drawn = normals(np.random.Generator(np.random.PCG64(0)), (2,))
    assert np.allclose(drawn, [(total - 131070) / sd for total in quarters], rtol=1e-12)


def test_a_normal_draw_is_the_inverse_normal_distribution_of_a_uniform_one() -> None:
    for seed in range(50):  # to the 1e-7 of AS 241, within 2.5 standard deviations
        share = uniform(np.random.Generator(np.random.PCG64(seed)))
        drawn = normal(np.random.Generator(np.random.PCG64(seed)), 10.0, 2.0)
        assert drawn == pytest.approx(10 + 2 * float(np.clip(ndtri(share), -2.5, 2.5)), abs=1e-5)


@pytest.mark.parametrize(
    ("site", "padding"), [("a", (-3024, -1024)), ("b", (-1024,)), ("c", (-2048,)), ("d", (-1024, -2000))]
)
def test_each_site_pads_outside_the_field_of_view_as_its_dataset_does(site: str, padding: tuple[int, ...]) -> None:
    rng = np.random.default_rng(2)
    one = draw("one", rng, site=site, bleeds=(), shape=(64, 64, 8))
    assert one.hu.dtype == np.int16
    assert one.facts.padding_hu in padding
    assert (one.hu[:2, :2] == one.facts.padding_hu).all()
    assert one.hu[32, 32].min() > -200
    assert (one.facts.site, one.facts.spacing_mm) == (site, one.geometry.spacing_mm)
    assert one.hu.shape == one.geometry.shape == (64, 64, 8)


def test_blood_is_brighter_than_brain_when_fresh_and_not_when_old() -> None:
    fresh, old = head(("iph",), hu=65.0), head(("iph",), hu=20.0)
    assert np.array_equal(fresh.truth, old.truth)
    more = fresh.hu[fresh.truth].astype(float) - old.hu[fresh.truth]
    assert 20 < more.mean() < 45  # 65 - 20, less what the edge mixes, at 2.4 mm
    assert fresh.hu[fresh.truth].mean() > np.median(fresh.hu[fresh.cavity]) + 12


def test_all_that_looks_like_blood_is_in_no_mask_and_in_the_facts() -> None:
    always = {name: 1.0 for name in vars(PARAMETERS.mimics) if name.endswith("_share")}
    always |= {"craniectomy_share": 0.0, "craniotomy_share": 0.0}
    parameters = replace(PARAMETERS, mimics=replace(PARAMETERS.mimics, **always))
    none = replace(PARAMETERS, mimics=replace(PARAMETERS.mimics, **dict.fromkeys(always, 0.0)))
    full, empty = (
        draw("one", np.random.default_rng(1), site="c", bleeds=(), shape=(64, 64, 26), parameters=each)
        for each in (parameters, none)
    )
    named = {"pineal", "choroid", "falx", "tumour", "infarct", "stain", "shunt", "cavum", "dense_sinus", "motion"}
    assert named <= set(full.facts.mimics)
    assert empty.facts.mimics == ()
    assert not full.reference.any()
    assert not full.truth.any()


def test_a_bone_flap_leaves_a_gap_in_the_vault() -> None:
    always = replace(PARAMETERS, mimics=replace(PARAMETERS.mimics, craniectomy_share=1.0))
    rng = np.random.default_rng(1)
    missing = draw_anatomy(rng, "c", always)
    whole = replace(missing, craniectomy=None)
    assert missing.craniectomy is not None
    x, y, z = (np.array([part]) for part in missing.craniectomy[:3])
    assert shell(missing, x, y, z).bone_mm[0] < -1
    assert shell(whole, x, y, z).bone_mm[0] > 1.5
    assert shell(missing, -x, y, z).bone_mm[0] == shell(whole, -x, y, z).bone_mm[0]


def test_blood_in_the_ventricles_sinks_to_the_back() -> None:
    one = head(("ivh",), seed=3)
    j = np.nonzero(one.reference)[1]
    fluid = one.cavity & (one.hu < 14)
    fluid[:, :, :14] = False
    assert j.mean() < np.nonzero(fluid)[1].mean()  # index 1 runs forwards


def test_an_extra_axial_bleed_touches_the_skull_and_a_deep_one_does_not() -> None:
    for subtype, touches in (("edh", True), ("sdh", True), ("ivh", False)):
        one = head((subtype,))
        rim = one.cavity & ~np.roll(one.cavity, 3, 0) | one.cavity & ~np.roll(one.cavity, -3, 0)
        assert bool((rim & one.reference).any()) is touches, subtype


def test_a_gantry_tilt_shears_the_affine_and_volume_is_the_determinant() -> None:
    one = head((), tilt_deg=20.0)
    sx, sy, sz = one.geometry.spacing_mm
    assert one.geometry.shear_deg == pytest.approx(20.0, abs=0.01)
    assert one.geometry.voxel_volume_mm3 == pytest.approx(sx * sy * sz * np.cos(np.deg2rad(20.0)), rel=1e-6)
    assert head().geometry.shear_deg == 0


def test_scans_differ_in_spacing_thickness_and_tilt() -> None:
    scans = [draw_scan(np.random.default_rng(seed), site="a") for seed in range(60)]
    assert len({scan.spacing_mm[0] for scan in scans}) > 55
    thick = [scan.spacing_mm[2] for scan in scans]
    assert 40 <= thick.count(1.25) <= 58  # 82 % of 60 are 49
    assert set(thick) == {1.25, 3.0, 5.0}
    assert 27 <= sum(scan.tilt_deg > 0 for scan in scans) <= 48  # 63 % of 60 are 38
    assert max(scan.tilt_deg for scan in scans) <= 24
    assert all(scan.shape[2] * scan.spacing_mm[2] == pytest.approx(134, abs=2.6) for scan in scans)


@pytest.mark.parametrize("site", ["b", "c"])
def test_other_sites_scan_thick_and_without_a_tilted_gantry(site: str) -> None:
    scans = [draw_scan(np.random.default_rng(seed), site=site) for seed in range(40)]
    assert all(scan.tilt_deg == 0 for scan in scans)
    assert all(4.4 <= scan.spacing_mm[2] <= 5.5 for scan in scans)


def test_an_unknown_site_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'e' is no site.*a, b, c, d"):
        draw("x", np.random.default_rng(0), site="e")


def test_an_unknown_bleed_and_a_grid_that_shows_nothing_are_refused_in_words() -> None:
    with pytest.raises(UsageError, match="'sub' is no kind of bleed"):
        draw("x", np.random.default_rng(0), bleeds=("sub",))
    coarse = Scan(shape=(2, 2, 1), spacing_mm=(110.0, 110.0, 5.0))
    with pytest.raises(UsageError, match="too coarse"):
        draw("x", np.random.default_rng(0), bleeds=("sah",), scan=coarse)
