"""Tissues, noise and sizes of the drawn heads lie in published ranges; each range names its source."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from ich_bench.phantom.anatomy import Anatomy, Shell, Spaces, cortex_of, draw_anatomy, shell, spaces
from ich_bench.phantom.chance import Floats
from ich_bench.phantom.draw import draw
from ich_bench.phantom.head import Head
from ich_bench.phantom.parameters import SITES
from ich_bench.phantom.physics import loudness
from ich_bench.phantom.scanner import Scan, acquire, draw_scan

ADULTS = range(12)
INFANTS = (29, 34, 53, 65)  # seeds of which site b draws infants


def rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@cache
def adult(seed: int) -> Anatomy:
    return draw_anatomy(rng(seed), "c")


@cache
def seen(seed: int) -> tuple[tuple[Floats, Floats, Floats], Shell, Spaces]:
    """Places 3 mm apart inside the cavity of an adult, seen from skull and fluid."""
    head = adult(seed)
    axes = np.meshgrid(np.arange(-75, 76, 3.0), np.arange(-95, 96, 3.0), np.arange(-85, 85, 3.0), indexing="ij")
    x, y, z = (part.ravel() for part in axes)
    outline = shell(head, x, y, z)
    inner = np.nonzero((outline.vault_mm > 0) & (outline.floor_mm > 0))
    place = x[inner], y[inner], z[inner]
    outline = outline.at(inner)
    cortex = cortex_of(head, np.minimum(outline.vault_mm, outline.floor_mm))
    return place, outline, spaces(head, *place, outline, cortex)


@cache
def scanned(seed: int) -> tuple[Head, tuple[Floats, Floats, Floats], Spaces]:
    """A head on a 2 mm grid by a scanner that shifts nothing, with the depths of its cavity's voxels."""
    chance = rng(seed)
    scan = draw_scan(chance, site="c", shape=(112, 112, 27), thickness_mm=5.0)
    scan = replace(scan, offset_hu=0.0, gain=1.0, motion=())
    person = draw_anatomy(copy.deepcopy(chance), "c")
    one = draw("one", chance, site="c", bleeds=(), scan=scan)
    voxels = [part.astype(np.float64) for part in np.nonzero(one.cavity)]
    place = scan.head_mm(*voxels)
    outline = shell(person, *place)
    cortex = cortex_of(person, np.minimum(outline.vault_mm, outline.floor_mm))
    return one, place, spaces(person, *place, outline, cortex)


@pytest.mark.slow
def test_intracranial_volumes_are_those_of_adults() -> None:
    # Ruigrok 2014: men about 1480 +- 120 mL, women about a tenth less; the cavity here ends at the foramen magnum
    volumes = [len(seen(seed)[0][0]) * 0.027 for seed in ADULTS]
    assert all(1000 < volume < 1800 for volume in volumes), volumes
    assert 1280 < np.mean(volumes) < 1520


def test_ventricles_are_as_large_as_measured_and_grow_with_age() -> None:
    # Scahill 2003, Ambarki 2010: 9-55 mL from 20 to 90 years, 37 +- 18 mL in the elderly
    volumes = {seed: (seen(seed)[2].ventricle_mm > 0).sum() * 0.027 for seed in ADULTS}
    assert all(6 < volume < 95 for volume in volumes.values()), volumes
    assert 15 < np.median(list(volumes.values())) < 45
    old = [volumes[seed] for seed in ADULTS if adult(seed).age_years > 60]
    young = [volumes[seed] for seed in ADULTS if adult(seed).age_years <= 60]
    assert np.mean(old) > np.mean(young)


@pytest.mark.parametrize(
    ("region", "low", "high"),
    [
        # Lynnerup 2001: means frontal 6.6-7, parietal 5.4-6, occipital 7.6-8.3 mm, sd 1-2; textbook: temporal 2-4,
        # occipital protuberance 12-15
        ((0.0, 0.85, 0.35), 5.5, 8.5),
        ((0.75, -0.25, 0.55), 4.5, 7.5),
        ((0.35, -0.85, 0.25), 6.5, 10.0),
        ((0.95, 0.12, -0.18), 2.0, 4.5),
    ],
)
def test_the_skull_is_as_thick_as_measured_by_region(
    region: tuple[float, float, float], low: float, high: float
) -> None:
    thick = []
    for seed in ADULTS:
        head = replace(adult(seed), craniectomy=None)
        half = (head.half_width_mm, head.half_length_mm, head.height_mm)
        x, y, z = (np.array([part * axis]) for part, axis in zip(region, half, strict=True))
        thick.append(float(shell(head, x, y, z).bone_mm[0]))
    assert low < np.mean(thick) < high
    assert 0.4 < np.std(thick) < 2.5


def test_the_vault_of_an_infant_is_a_few_millimetres_thick() -> None:
    # Delye 2015: 1-3 mm in the first two years
    infants = [head for head in (draw_anatomy(rng(seed), "b") for seed in INFANTS) if head.infant]
    assert len(infants) == len(INFANTS)
    top = [
        float(shell(head, np.zeros(1), np.array([-20.0]), np.array([head.height_mm])).bone_mm[0]) for head in infants
    ]
    assert all(0.9 < thick < 4.2 for thick in top)
    assert all(head.age_years < 2 for head in infants)


@pytest.mark.parametrize("seed", [1, 2])
def test_tissues_read_as_in_textbooks(seed: int) -> None:
    one, (x, y, z), fluid = scanned(seed)
    hu = one.hu[one.cavity].astype(np.float64)
    deep = (fluid.cortex_mm > 12) & (fluid.sulcus_mm < -4)
    csf = hu[(fluid.ventricle_mm > 2.6) & (np.abs(x) > 3)]
    white = hu[deep & (z > 24) & (z < 40) & (fluid.ventricle_mm < -9) & (np.abs(x) < 32) & (np.abs(x) > 14)]
    grey = hu[(np.abs(np.abs(x) - 11) < 5) & (np.abs(y + 13) < 8) & (np.abs(z - 6) < 4) & (fluid.ventricle_mm < -3)]
    assert min(csf.size, white.size, grey.size) > 25
    assert 2 <= csf.mean() <= 17  # Bushberg 2012: 0-15; partial volume at 5 mm adds some
    assert 22 <= white.mean() <= 32  # Torbey 2000
    assert 33 <= grey.mean() <= 41  # Torbey 2000
    assert 4 <= grey.mean() - white.mean() <= 13  # textbook 5-10
    assert 27 <= np.median(hu) <= 37  # measured on a public head CT: 29-32
    # noise and texture together: measured sd 2.6-3.2 at 7 mm, hence 3.1-3.8 at 5 mm
    assert 2.4 <= white.std() <= 5.5


@pytest.mark.parametrize("seed", [1, 2])
def test_bone_fat_and_muscle_read_as_in_textbooks(seed: int) -> None:
    one = scanned(seed)[0]
    bone = one.hu[one.hu > 300]
    low, middle, high = np.percentile(bone, [10, 50, 90])
    # measured on a public head CT at 7 mm: 376, 811, 1341; Bushberg 2012: tables 1000-1700
    assert 340 <= low <= 520
    assert 650 <= middle <= 1000
    assert 1000 <= high <= 1600
    outside = one.hu[~one.cavity & (one.hu > -300) & (one.hu < 120)].astype(np.float64)
    counts, edges = np.histogram(outside, bins=np.arange(-150, 120, 10))
    fat = counts[edges[:-1] < -40].argmax()
    muscle = len(counts[edges[:-1] < 10]) + counts[edges[:-1] >= 10].argmax()
    assert -110 <= edges[fat] <= -50  # Bushberg 2012: -100 to -60; the scalp is a few pixels thick
    assert 30 <= edges[muscle] <= 70  # Bushberg 2012: 40-60


def water(scan: Scan, seed: int) -> np.ndarray:
    """Two scans' difference of a head of water and bone, over the root of 2: the noise alone."""
    j, i = np.ogrid[: scan.shape[1], : scan.shape[0]]
    mm = scan.spacing_mm[0]
    away = np.hypot((i - (scan.shape[0] - 1) / 2) * mm / 70, (j - (scan.shape[1] - 1) / 2) * mm / 88)
    plane = np.where(away < 1, 30.0, np.where(away < 1.09, 1100.0, -1000.0))
    planes = np.repeat(plane[None], scan.shape[2], axis=0)
    pair = [acquire(planes.copy(), scan, rng(seed + k)).astype(np.float64) for k in (0, 1000)]
    return np.where(away.T[..., None] < 0.95, (pair[0] - pair[1]) / 2**0.5, np.nan)


def skull_with_petrous_bones(slices: int) -> Floats:
    """Nine slices of 128 x 128 pixels of 1.8 mm: water in a skull, in the lowest so many bars of bone too."""
    j, i = np.ogrid[:128, :128]
    away = np.hypot((i - 63.5) * 1.8 / 70, (j - 63.5) * 1.8 / 88)
    plane = np.where(away < 1, 30.0, np.where(away < 1.09, 1100.0, -1000.0))
    planes = np.repeat(plane[None], 9, axis=0)
    petrous = (np.abs(np.abs(i - 63.5) * 1.8 - 40) < 15) & (np.abs(j - 63.5) * 1.8 < 6)
    planes[:slices, petrous] = 1300.0
    return planes


@pytest.mark.parametrize(("site", "thickness", "low", "high"), [
    # phantom noise by slice thickness: 3.0-4.5 HU at 5 mm, 8-12 HU at 0.6 mm with a standard kernel; a sharp one more,
    # a smooth one less. Measured on a public head CT: 2.6-3.2 at 7 mm, which is 3.1-3.8 at 5 mm.
    ("a", 5.0, 3.4, 5.8), ("a", 1.25, 6.8, 11.6), ("b", 5.0, 2.2, 4.0), ("c", 5.0, 2.8, 4.9),
])  # fmt: skip
def test_noise_is_as_loud_as_its_site_and_thickness_say(site: str, thickness: float, low: float, high: float) -> None:
    scan = draw_scan(rng(5), site=site, shape=(128, 128, 2), thickness_mm=thickness)
    noise = water(replace(scan, motion=()), 1)
    middle = noise[48:80, 48:80]
    assert low < np.nanstd(middle) < high
    assert np.nanstd(middle) == pytest.approx(scan.noise_hu, rel=0.15)


@pytest.mark.parametrize("site", ["a", "b", "c", "d"])
def test_noise_is_band_passed_and_as_coarse_as_measured(site: str) -> None:
    # measured on a public head CT: autocorrelation at 0.49 mm at most .80, at 0.98 mm at most .52; noise power peaks
    # at 0.15-0.3/mm (Solomon 2012, Friedman 2013) and vanishes at low frequencies
    scan = draw_scan(rng(6), site=site, shape=(512, 512, 1), thickness_mm=5.0)
    scan = replace(scan, spacing_mm=(0.49, 0.49, 5.0), motion=())
    part = np.nan_to_num(water(scan, 2)[192:320, 192:320, 0])
    part = part - part.mean()
    lags = [float((part[:-lag] * part[lag:]).mean() / part.var()) for lag in (1, 2, 4)]
    assert 0.3 < lags[0] <= 0.80
    assert lags[1] <= 0.52
    assert lags[2] < 0.2
    power = np.abs(np.fft.fft2(part)) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(128, 0.49), np.fft.fftfreq(128, 0.49)))
    rings = [power[(frequency >= low) & (frequency < low + 0.05)].mean() for low in np.arange(0.0, 0.9, 0.05)]
    peak = 0.05 * int(np.argmax(rings)) + 0.025
    assert 0.12 < peak < 0.33
    assert rings[0] < 0.6 * max(rings)


@pytest.mark.parametrize("site", ["a", "b", "c"])
def test_noise_is_louder_in_the_middle_than_at_the_edge(site: str) -> None:
    # textbook (Kalender 2011): centre to edge 1.3-1.6
    scan = replace(draw_scan(rng(7), site=site, shape=(128, 128, 6), thickness_mm=5.0), motion=())
    noise = water(scan, 3)
    i, j = np.ogrid[:128, :128]
    mm = scan.spacing_mm[0]
    away = np.hypot((i - 63.5) * mm / 70, (j - 63.5) * mm / 88)
    ratio = np.nanstd(noise[away < 0.25]) / np.nanstd(noise[(away > 0.86) & (away < 0.95)])
    assert 1.3 < ratio < 1.6


def test_noise_is_louder_between_the_petrous_bones() -> None:
    # textbook (Kalender 2011): half as much again to twice as much
    scan = replace(draw_scan(rng(9), site="c", shape=(128, 128, 9), thickness_mm=5.0), motion=())
    planes = skull_with_petrous_bones(4)
    seen = [acquire(planes.copy(), replace(scan, spacing_mm=(1.8, 1.8, 5.0)), rng(seed)) for seed in range(8)]
    spread = np.std(seen, axis=0)[58:70, 61:67]
    assert 1.4 < spread[..., :4].mean() / spread[..., 5:].mean() < 2.1


def test_thin_slices_share_noise_with_their_neighbours_and_thick_ones_do_not() -> None:
    for thickness, low, high in ((1.25, 0.3, 0.6), (5.0, -0.12, 0.12)):
        scan = draw_scan(rng(8), site="a", shape=(128, 128, 6), thickness_mm=thickness)
        middle = water(replace(scan, motion=()), 4)[46:82, 46:82]
        shared = np.mean([np.corrcoef(middle[..., k].ravel(), middle[..., k + 1].ravel())[0, 1] for k in range(5)])
        assert low < shared < high


@pytest.mark.parametrize("site", ["a", "b", "c", "d"])
@pytest.mark.parametrize("end", [0, 1])
def test_dense_bone_on_both_sides_darkens_what_lies_between(site: str, end: int) -> None:
    # Brooks 1976: the band between the petrous bones is 10-25 HU too dark
    scan = replace(draw_scan(rng(9), site=site, shape=(128, 128, 9), thickness_mm=5.0), motion=())
    scan = replace(scan, hardening=SITES[site].hardening[end])
    scan = replace(scan, offset_hu=0.0, gain=1.0, noise_hu=0.01, boost=0.0, spacing_mm=(1.8, 1.8, 5.0))
    seen = acquire(skull_with_petrous_bones(2), scan, rng(1)).astype(np.float64)
    band, before = seen[60:68, 61:67, 0].mean(), seen[60:68, 100:105, 0].mean()
    assert -25 <= band - before <= -10
    assert abs(seen[50:78, 50:78, 6].mean() - 30) < 2  # a vault alone is corrected for


def test_sites_differ_in_what_a_network_sees() -> None:
    sharp, smooth = SITES["a"].fwhm_mm[1], SITES["b"].fwhm_mm[0]
    assert smooth > 1.3 * sharp
    assert SITES["c"].offset_hu[0] - SITES["b"].offset_hu[1] >= 2
    assert SITES["c"].gain[0] > 1.05 * SITES["b"].gain[1]
    assert {SITES[site].padding_hu[0][0] for site in "abc"} == {-3024, -1024, -2048}


@pytest.mark.parametrize("site", SITES)
def test_a_grid_of_many_slices_gets_thinner_ones_not_a_longer_scan(site: str) -> None:
    """104 slices of 5 mm would be 520 mm; no whole scan is longer than 200."""
    scans = [draw_scan(rng(number), site=site, shape=(64, 64, 104)) for number in range(30)]
    lengths = [scan.shape[2] * scan.spacing_mm[2] for scan in scans]
    assert min(lengths) > 120.0
    assert max(lengths) <= 200.0


def test_noise_in_the_middle_of_a_head_does_not_grow_with_the_air_around_it() -> None:
    """One plane of water 72 mm in radius, in a stack that is head alone, and in one that is three parts air."""
    along, across = np.mgrid[:64, :64] - 32
    head = np.where(along**2 + across**2 < 24**2, 30.0, -1000.0)
    alone = loudness(np.stack([head]), 3.0)[0, 32, 32]
    in_air = loudness(np.stack([head, *[np.full((64, 64), -1000.0)] * 3]), 3.0)[0, 32, 32]
    assert alone == pytest.approx(1.0, abs=0.1)
    assert in_air == pytest.approx(alone)
