"""The fast path gives what the plain one through the surface-distance package gives, whatever the masks look like."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import ndimage
from surface_distance.lookup_tables import create_table_neighbour_code_to_surface_area

from engine_pairs import SPACINGS, differences, drawn_pair
from ich_bench.errors import UsageError
from ich_bench.metrics import components, nearest
from ich_bench.metrics.corners import surface_of
from ich_bench.metrics.masks import Mask
from ich_bench.metrics.packed import Packed, positions, rows_of
from ich_bench.metrics.pair import packed_pair
from ich_bench.metrics.side import Side
from ich_bench.metrics.suite import score
from ich_bench.metrics.surfels import pieces, surfel_areas_mm2
from ich_bench.volume import mask_sha256

MM = (1.0, 1.0, 1.0)


@pytest.mark.parametrize("spacing_mm", [*SPACINGS, (0.1, 7.0, 0.3)])
def test_areas_are_deepminds_table(spacing_mm: tuple[float, float, float]) -> None:
    expected = create_table_neighbour_code_to_surface_area(spacing_mm)
    np.testing.assert_allclose(surfel_areas_mm2(spacing_mm), expected, rtol=1e-13, atol=0)


def test_areas_by_hand() -> None:
    # One corner of the cube: a triangle of √3/8. Two along an edge: a strip of √2/2. A face: a square of 1.
    areas = surfel_areas_mm2(MM)
    assert areas[0] == areas[255] == 0.0
    assert areas[[1, 2, 4, 8, 16, 32, 64, 128]] == pytest.approx([math.sqrt(3) / 8] * 8)
    assert areas[0b11] == pytest.approx(math.sqrt(2) / 2)
    assert areas[0b1111] == pytest.approx(1.0)
    assert pieces(0b1) == [(0.125, 0.125, 0.125)]


@pytest.mark.parametrize("seed", range(150))
def test_every_value_is_the_plain_paths(seed: int) -> None:
    assert differences(*drawn_pair(np.random.default_rng(seed))) == []


@pytest.mark.parametrize("seed", range(20))
def test_bits_keep_every_voxel_and_the_hash_of_the_mask(seed: int) -> None:
    mask, _, _ = drawn_pair(np.random.default_rng(seed))
    packed = Packed.of(mask)
    assert np.array_equal(packed.mask(), mask)
    assert packed.sha256() == mask_sha256(mask)
    rows = rows_of(packed)
    if rows is None:
        assert not mask.any()
        return
    z, y, byte = rows.first
    depth, height, width = rows.bits.shape
    again = np.zeros((mask.shape[2], mask.shape[1], -(-mask.shape[0] // 8) * 8), dtype=bool)
    again[z : z + depth, y : y + height, 8 * byte : 8 * (byte + width)] = np.unpackbits(rows.bits, axis=2)
    assert np.array_equal(again[:, :, : mask.shape[0]], mask.transpose(2, 1, 0))
    assert rows.bits[0].any()
    assert rows.bits[:, -1].any()
    assert rows.bits[:, :, 0].any()


def test_positions_of_bits_are_those_of_the_unpacked_array() -> None:
    bits = np.random.default_rng(0).integers(0, 256, size=(3, 5, 2), dtype=np.uint8) & 0x81
    assert positions(bits).tolist() == np.flatnonzero(np.unpackbits(bits)).tolist()


@pytest.mark.parametrize("seed", range(20))
def test_a_corner_is_on_the_surface_where_its_eight_voxels_differ(seed: int) -> None:
    mask, _, _ = drawn_pair(np.random.default_rng(seed))
    rows = rows_of(Packed.of(mask))
    if rows is None:
        return
    padded = np.pad(mask, 1)
    expected = {}
    for corner in itertools.product(*(range(n + 1) for n in mask.shape)):  # between voxel i - 1 and i of each axis
        around = padded[tuple(slice(i, i + 2) for i in corner)].reshape(-1)
        if around.any() and not around.all():
            expected[corner[::-1]] = int(np.packbits(around)[0])
    found = surface_of(rows)
    assert dict(zip(map(tuple, found.places.T.tolist()), found.codes.tolist(), strict=True)) == expected


@pytest.mark.parametrize("spacing_mm", SPACINGS)
def test_steps_are_all_of_the_shortest_in_order(spacing_mm: tuple[float, float, float]) -> None:
    listed = [(length, step) for length, steps in nearest.shells(spacing_mm) for step in steps]
    lengths = [length for length, _ in listed]
    assert listed[0] == (0.0, (0, 0, 0))
    assert lengths == sorted(lengths)
    sides = [int(lengths[-1] / mm) + 1 for mm in spacing_mm]
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in sides), indexing="ij")).reshape(3, -1).T
    shorter = grid[np.sqrt(((grid * spacing_mm) ** 2).sum(axis=1)) < lengths[-1] - 1e-9]
    assert {tuple(step) for step in shorter[:, ::-1].tolist()} <= {step for _, step in listed}


@pytest.mark.parametrize(("few", "dearer"), [(0, 0), (0, 10**9), (10**9, 0)])
def test_comparison_with_all_a_tree_and_a_distance_transform_find_the_same_distances(
    monkeypatch: pytest.MonkeyPatch, few: int, dearer: int
) -> None:
    monkeypatch.setattr(nearest, "_STEPS", 5)
    monkeypatch.setattr(nearest, "_FEW", few)
    monkeypatch.setattr(nearest, "_TREE_IS_DEARER", dearer)
    nearest.shells.cache_clear()
    try:
        for seed in range(12):
            assert differences(*drawn_pair(np.random.default_rng(1000 + seed))) == []
    finally:
        nearest.shells.cache_clear()


@pytest.mark.parametrize("seed", range(30))
def test_components_by_runs_and_by_voxels_are_scipys(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    mask, _, _ = drawn_pair(np.random.default_rng(seed))
    rows = rows_of(Packed.of(mask))
    if rows is None:
        return
    labels, number = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    expected = sorted(np.bincount(labels.ravel())[1:].tolist())
    for most in (10**6, 0):
        monkeypatch.setattr(components, "MOST_RUNS", most)
        found = components.components_of(rows)
        assert sorted(found.sizes.tolist()) == expected
        assert len(found.sizes) == number
        assert found.share(rows.bits).tolist() == found.sizes.tolist()


def million() -> tuple[Mask, Mask]:
    lattice = np.zeros((200, 200, 200), dtype=bool)
    lattice[::2, ::2, ::2] = True
    return lattice, np.roll(lattice, 1, axis=0)


@pytest.mark.slow
def test_a_million_isolated_voxels_are_counted() -> None:
    # 100³ voxels of 8 corners each: the other mask's voxels touch every corner but for those of the two ends.
    one, other = million()
    pair = packed_pair(Side.of(one), Side.of(other))
    assert (pair.counts.tp, pair.counts.fp, pair.counts.fn) == (0, 10**6, 10**6)
    found = pair.lesions(10.0)
    assert (found.lesion_recall, found.lesion_precision, found.false_lesions) == (0.0, 1.0, 0)
    assert len(Side.of(one).components.sizes) == 10**6
    record = pair.surfaces(MM)
    assert record.reference_mm2.sum() == pytest.approx(10**6 * math.sqrt(3))  # eight triangles of √3/8 each
    assert record.reference_mm.max() == 1.0


@pytest.mark.slow
def test_a_checkerboard_is_one_lesion() -> None:
    board = (np.indices((160, 160, 160)).sum(axis=0) % 2).astype(bool)
    side = Side.of(board)
    assert side.voxels == 160**3 // 2
    assert side.components.sizes.tolist() == [160**3 // 2]
    found = packed_pair(side, Side.of(~board))
    assert (found.counts.tp, found.counts.tn) == (0, 0)
    assert found.lesions(10.0).false_lesions == 0
    assert found.surfaces(MM).reference_mm.max() == 1.0  # only the eight outermost corners are not shared


@pytest.mark.slow
def test_a_full_volume_is_one_box() -> None:
    full = Side.of(np.ones((512, 512, 60), dtype=bool))
    assert full.components.sizes.tolist() == [512 * 512 * 60]
    pair = packed_pair(full, full)
    record = pair.surfaces(MM)
    # 8 corners, 4 edges of each length, 2 faces of each kind; along an axis of n voxels lie n - 1 inner corners.
    edges, faces = 4 * (511 + 511 + 59), 2 * (511 * 511 + 2 * 511 * 59)
    assert record.reference_mm2.sum() == pytest.approx(math.sqrt(3) + edges * math.sqrt(2) / 2 + faces)
    assert record.reference_mm.tolist() == [0.0]


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no engine 'refrence'.*reference"):
        score(np.ones((2, 2, 2), dtype=bool), np.ones((2, 2, 2), dtype=bool), MM, engine="refrence")
