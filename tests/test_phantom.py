"""The drawn heads: what is in them, that they differ, and that a seed always gives the same ones."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ich_bench.cases import SUBTYPES
from ich_bench.datasets import phantom_mini as dataset
from ich_bench.errors import IchBenchError, UsageError
from ich_bench.phantom import mini
from ich_bench.phantom.chance import normals
from ich_bench.phantom.draw import draw
from ich_bench.phantom.head import Head
from ich_bench.phantom.scanner import Scan, draw_scan
from ich_bench.volume import open_mask, read_ct


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


def test_phantom_mini_lists_eight_heads_with_ich_of_every_subtype_and_four_healthy() -> None:
    rows = mini.read_table(mini.FROZEN)
    assert list(rows) == [f"phantom-mini-{number:03}" for number in range(12)]
    assert sum(row["has_ich"] == "1" for row in rows.values()) == 8
    assert all(sum(row[subtype] == "1" for row in rows.values()) >= 1 for subtype in SUBTYPES)
    assert max(sum(row[subtype] == "1" for subtype in SUBTYPES) for row in rows.values()) == 2
    for row, bleeds in zip(rows.values(), mini.BLEEDS, strict=True):
        assert row["patient_id"] == row["case_id"]
        assert {subtype for subtype in SUBTYPES if row[subtype] == "1"} == set(bleeds)


def test_a_drawn_mini_head_has_the_frozen_hashes() -> None:
    # Float64 throughout and rounding to int16: both hashes hold across machines. A mismatch means that the heads
    # changed: raise PHANTOM_MINI_VERSION.
    frozen = mini.read_table(mini.FROZEN)["phantom-mini-001"]
    assert mini.row_of(mini.mini_head(1)) == frozen


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    seen: list[tuple[int, int]] = []
    folder = mini.phantom_mini(tmp_path_factory.mktemp("mini") / "heads", lambda *at: seen.append(at))
    assert seen == [(n, 12) for n in range(1, 13)]
    return folder


@pytest.mark.slow
def test_all_twelve_are_the_frozen_ones_and_their_files_hold_what_the_table_says(made: Path) -> None:
    assert (made / mini.TABLE).read_bytes() == mini.FROZEN.read_bytes()
    found = dataset.find(made)
    assert list(found.cases) == list(mini.CASES)
    assert found.notes == ()
    for case in found.cases.values():
        assert case.ct is not None
        assert case.reference is not None
        mask, ct = open_mask(case.reference), read_ct(case.ct)
        cavity = open_mask(made / "cavity" / case.ct.name).voxels()
        assert mask.geometry.affine == ct.geometry.affine
        assert bool(mask.voxels().any()) is any((case.subtypes or {}).values())
        assert not (mask.voxels() & ~cavity).any()
        affine = nib.load(case.ct).affine
        assert np.allclose(affine, ct.geometry.matrix)
    shears = [read_ct(case.ct).geometry.shear_deg > 1 for case in found.cases.values() if case.ct]
    assert sum(shears) == 4


@pytest.mark.slow
def test_a_simple_threshold_finds_the_bleeds_only_partly(made: Path) -> None:
    scores = []
    for case_id, row in mini.read_table(made / mini.TABLE).items():
        hu = read_ct(made / "ct" / f"{case_id}.nii.gz").hu
        reference = open_mask(made / "masks" / f"{case_id}.nii.gz").voxels()
        found = (hu >= 50) & (hu <= 90) & open_mask(made / "cavity" / f"{case_id}.nii.gz").voxels()
        if row["has_ich"] == "1":
            scores.append(2 * (found & reference).sum() / (found.sum() + reference.sum()))
        else:
            assert found.any()  # sinus, calcium, partial volume: look-alikes
    assert 0.1 < np.mean(scores) < 0.75
    assert min(scores) < 0.25  # a subdural bleed as dense as brain


@pytest.mark.slow
def test_what_is_there_is_not_drawn_again_and_a_lost_file_is(made: Path) -> None:
    kept, lost = made / "ct" / "phantom-mini-000.nii.gz", made / "ct" / "phantom-mini-001.nii.gz"
    before, content = kept.stat().st_mtime_ns, lost.read_bytes()
    lost.unlink()
    assert mini.phantom_mini(made) == made
    assert lost.read_bytes() == content
    assert kept.stat().st_mtime_ns == before


@pytest.fixture
def two_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two small heads instead of twelve."""
    monkeypatch.setattr(mini, "CASES", mini.CASES[:2])
    small = {number: head(mini.BLEEDS[number], seed=5 + number) for number in (0, 1)}
    named = {
        number: Head(**{**vars(one), "case_id": mini.CASES[number], "patient_id": mini.CASES[number]})
        for number, one in small.items()
    }
    monkeypatch.setattr(mini, "mini_head", named.__getitem__)


@pytest.mark.usefixtures("two_heads")
def test_two_at_once_make_one_whole_folder_and_leave_nothing_beside_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: mini.phantom_mini(tmp_path / "cache" / "heads"), range(4)))
    assert set(folders) == {tmp_path / "cache" / "heads"}
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["heads"]
    assert len(list(folders[0].rglob("*.nii.gz"))) == 6


@pytest.mark.usefixtures("two_heads")
def test_the_heads_lie_in_the_cache_folder_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICH_BENCH_CACHE", str(tmp_path))
    assert dataset.home() == tmp_path / "phantom-mini-v1"


@pytest.mark.usefixtures("two_heads")
def test_another_folder_s_content_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(IchBenchError, match="holds something else already"):
        mini.phantom_mini(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.usefixtures("two_heads")
def test_heads_that_differ_and_files_that_are_gone_are_noted(tmp_path: Path) -> None:
    folder = mini.phantom_mini(tmp_path / "heads")
    (folder / "masks" / "phantom-mini-000.nii.gz").unlink()
    found = dataset.find(folder)
    assert list(found.cases) == ["phantom-mini-001"]
    assert [(note.where, note.what.split(":")[0]) for note in found.notes] == [
        ("phantom-mini-000", "has no masks/phantom-mini-000.nii.gz."),
        ("phantom-mini-001", "heads differ"),
    ]
    shutil.rmtree(folder)
    folder.mkdir()
    assert dataset.find(folder).cases == {}


def test_a_table_that_is_none_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / mini.TABLE).write_text("case_id\nphantom-mini-000\n", encoding="utf-8")
    with pytest.raises(IchBenchError, match="not the table of drawn heads"):
        dataset.find(tmp_path)
