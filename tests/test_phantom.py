"""The drawn heads: what is in them, that they differ, and that a seed always gives the same ones."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from ich_bench.cases import SUBTYPES
from ich_bench.errors import UsageError
from ich_bench.phantom.chance import normals
from ich_bench.phantom.draw import draw
from ich_bench.phantom.head import Head
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
    assert not (one.reference & ~one.cavity).any()
    slices = one.slice_subtypes[subtype]
    assert [k for k in range(26) if slices[k]] == sorted(set(np.nonzero(one.reference)[2]))
    assert 0.1 < volume_ml(one, one.reference) < 120


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
    # normals come from uniforms: ndtri of the first three draws of PCG64(0): 0.6370, 0.2698, 0.0410
    drawn = normals(np.random.Generator(np.random.PCG64(0)), (3,))
    assert np.allclose(drawn, [0.3503, -0.6135, -1.7395], atol=1e-3)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_tissues_lie_in_the_usual_ranges(seed: int) -> None:
    one = head((), seed=seed)
    hu = one.hu.astype(float)
    assert one.hu.dtype == np.int16
    assert hu.min() == -1024
    assert 27 <= np.median(hu[one.cavity]) <= 36  # brain mix: 29-32 on a real head
    assert 1000 <= np.percentile(hu[hu > 300], 90) <= 1700  # tables of the skull
    assert 1150 <= volume_ml(one, one.cavity) <= 1800  # intracranial volume of adults
    middle = one.cavity.copy()
    middle[:, :, :15] = False
    assert (hu[middle] < 15).sum() > 50  # ventricles and sulci: fluid is near 8 HU
    corner = hu[:2, :2]
    assert (corner == -1024).all()  # outside the round field of view


def test_blood_is_brighter_than_brain_when_fresh_and_not_when_old() -> None:
    fresh, old = head(("iph",), hu=65.0), head(("iph",), hu=20.0)
    assert np.array_equal(fresh.reference, old.reference)
    assert 55 < fresh.hu[fresh.reference].mean() < 72
    assert 14 < old.hu[old.reference].mean() < 32


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
    scans = [draw_scan(np.random.default_rng(seed)) for seed in range(40)]
    assert len({scan.spacing_mm[0] for scan in scans}) > 35
    thick = [scan.spacing_mm[2] for scan in scans]
    assert thick.count(5.0) > 20
    assert min(thick) < 4.5
    assert 5 < sum(scan.tilt_deg > 0 for scan in scans) < 25
    assert all(24 <= scan.shape[2] <= 46 for scan in scans)


def test_an_unknown_bleed_and_a_grid_that_shows_nothing_are_refused_in_words() -> None:
    with pytest.raises(UsageError, match="'sub' is no kind of bleed"):
        draw("x", np.random.default_rng(0), bleeds=("sub",))
    coarse = Scan(shape=(2, 2, 1), spacing_mm=(110.0, 110.0, 5.0))
    with pytest.raises(UsageError, match="too coarse"):
        draw("x", np.random.default_rng(0), bleeds=("sah",), scan=coarse)
